"""Promises of pictures that are brought: only pixels go further, and only so many."""

from __future__ import annotations

import io
import os

import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from digest.content.media import MAX_BYTES, MAX_FRAMES
from digest.content.uploads import UPLOAD_MAX, clean_picture, hashes_in, name_of
from digest.errors import InputError
from tests.content.test_media import picture, png_of_size

PAYLOAD = b"<script>alert('a picture?')</script>"


def written(image: Image.Image, kind: str, **more: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **more)
    return out.getvalue()


def seen(data: bytes) -> Image.Image:
    found = Image.open(io.BytesIO(data))
    found.load()
    return found


def photo(orientation: int = 6) -> bytes:
    """A photo of a phone, lying on its side: it says where it was made and by what."""
    image = Image.new("RGB", (80, 40), "white")
    image.paste("red", (0, 0, 20, 40))  # on the left as it lies, above as it was seen
    exif = image.getexif()
    exif[0x0112] = orientation
    exif[0x010F] = "A maker of phones"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    return written(image, "JPEG", exif=exif, comment=b"made by Anne", quality=95)


def frames(count: int, size: tuple[int, int] = (40, 30)) -> list[Image.Image]:
    return [Image.new("RGB", size, (10 * (at % 25), 0, 90)) for at in range(count)]


def test_a_photo_is_turned_upright_and_says_nothing_of_where_it_was_made() -> None:
    found = clean_picture(photo())
    assert (found.extension, found.width, found.height) == ("jpg", 40, 80)
    shown = seen(found.data)
    assert dict(shown.getexif()) == {}
    assert "comment" not in shown.info
    for word in (b"Exif", b"phones", b"Anne"):
        assert word not in found.data
    top = shown.getpixel((20, 5))
    assert isinstance(top, tuple)
    assert top[0] > 200
    assert top[1] < 60


def test_words_in_a_picture_stay_behind() -> None:
    words = PngInfo()
    words.add_text("Author", "Anne")
    words.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>Anne</x:xmpmeta>", zip=False)
    given = written(Image.new("RGB", (4, 4)), "PNG", pnginfo=words, dpi=(72, 72))
    assert b"Anne" in given
    found = clean_picture(given).data
    for word in (b"Anne", b"tEXt", b"iTXt", b"pHYs", b"eXIf"):
        assert word not in found


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_what_hangs_behind_a_picture_or_in_it_is_gone(kind: str) -> None:
    found = clean_picture(picture(kind) + PAYLOAD + b"PK\x03\x04")
    assert PAYLOAD not in found.data
    assert b"PK\x03\x04" not in found.data
    assert seen(found.data).size == (40, 30)


def test_a_comment_that_is_a_program_is_gone() -> None:
    given = written(Image.new("P", (4, 4)), "GIF", comment=PAYLOAD)
    assert PAYLOAD in given
    assert PAYLOAD not in clean_picture(given).data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<!doctype html><script>alert(1)</script>",
        b"GIF89a=1;alert(1)//",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        picture("BMP"),
        picture("TIFF"),
        picture("ICO"),
        os.urandom(64),
    ],
    ids=["empty", "svg", "html", "script", "eps", "bmp", "tiff", "ico", "noise"],
)
def test_what_is_no_picture_for_a_mail_is_refused_in_plain_words(data: bytes) -> None:
    with pytest.raises(InputError, match=r"no picture that a mail can show|is damaged") as error:
        clean_picture(data)
    assert error.value.fix


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_that_breaks_off_is_refused(kind: str) -> None:
    noise = Image.frombytes("RGB", (60, 60), os.urandom(60 * 60 * 3))
    whole = written(noise, kind)
    with pytest.raises(InputError, match="damaged"):
        clean_picture(whole[: len(whole) // 2])


@pytest.mark.parametrize("size", [(5_001, 5_000), (60_000, 60_000), (2_000_000_000, 2)])
def test_a_bomb_is_refused_by_its_header(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=r"pixels|damaged"):
        clean_picture(png_of_size(*size))


def test_a_file_that_is_too_large_is_not_even_looked_at() -> None:
    with pytest.raises(InputError, match=r"12\.0 MB") as error:
        clean_picture(picture("PNG") + b"\0" * UPLOAD_MAX)
    assert "12 MB is the most" in error.value.fix


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_an_animation_keeps_its_frames_and_their_times(kind: str) -> None:
    first, *others = frames(3)
    given = written(
        first, kind, save_all=True, append_images=others, duration=[50, 200, 80], loop=0
    )
    found = clean_picture(given + PAYLOAD)
    shown = seen(found.data)
    assert (found.extension, getattr(shown, "n_frames", 1)) == (kind.lower(), 3)
    assert PAYLOAD not in found.data
    times = []
    for at in range(3):
        shown.seek(at)
        shown.load()
        times.append(shown.info["duration"])
    assert times == [50, 200, 80]


def test_an_animation_that_unfolds_to_too_much_is_refused() -> None:
    first, *others = frames(MAX_FRAMES + 1, (2, 2))
    many = written(first, "GIF", save_all=True, append_images=others)
    with pytest.raises(InputError, match="animation"):
        clean_picture(many)
    first, *others = (Image.new("1", (4_000, 3_200), at) for at in range(2))
    large = written(first, "GIF", save_all=True, append_images=others)
    assert len(large) < MAX_BYTES
    with pytest.raises(InputError, match="2 pictures"):
        clean_picture(large)


def test_a_picture_of_a_camera_becomes_one_a_mail_can_carry() -> None:
    grain = Image.effect_noise((1_700, 700), 90).convert("RGB")
    given = written(grain, "JPEG", quality=95)
    assert len(given) > MAX_BYTES
    found = clean_picture(given)
    assert found.extension == "jpg"
    assert found.width in (1_600, 1_200)
    assert len(found.data) <= MAX_BYTES
    screen = written(grain.crop((0, 0, 1_300, 700)), "PNG")  # with a photo on it
    shot = clean_picture(screen)
    assert len(shot.data) <= MAX_BYTES


def test_what_is_seen_through_stays_so() -> None:
    image = Image.new("RGBA", (40, 30), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 20, 30))
    for given in (written(image, "PNG"), written(image, "WEBP", lossless=True)):
        found = clean_picture(given)
        assert found.extension == "png"
        assert seen(found.data).convert("RGBA").getchannel("A").getpixel((30, 10)) == 0
    keyed = written(Image.new("RGB", (4, 4), (1, 2, 3)), "PNG", transparency=(1, 2, 3))
    shown = seen(clean_picture(keyed).data).convert("RGBA")
    assert shown.getchannel("A").getpixel((0, 0)) == 0
    assert seen(clean_picture(written(image, "GIF")).data).has_transparency_data


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "CMYK"])
def test_every_kind_of_colour_is_taken_in(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    found = clean_picture(written(Image.new(mode, (6, 4)), kind))
    assert (found.width, found.height) == (6, 4)


def test_colours_of_a_wider_range_are_brought_to_what_screens_expect() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    wrong = written(Image.new("RGB", (4, 4), "red"), "JPEG", icc_profile=profile.tobytes())
    for given in (wrong, written(Image.new("RGB", (4, 4)), "PNG", icc_profile=b"no profile")):
        assert "icc_profile" not in seen(clean_picture(given).data).info


def test_the_name_says_which_picture_it_is() -> None:
    found = clean_picture(photo())
    name = name_of("Ferien in Köln (2).JPG", found)
    assert name == f"img/ferien-in-koln-2-{found.sha256[:12]}.jpg"
    for file in ("", "..", "../../etc/passwd", "C:\\x\\](http://evil)", "図.png", "a" * 300):
        other = name_of(file, found)
        text = f"# A\n\n![what it shows]({other}) and ![again]({other})\n![no](img/labels.png)"
        assert hashes_in(text) == {other: found.sha256[:12]}
    assert len(hashes_in("".join(f"![](img/a{at}-{'0' * 12}.png)" for at in range(300)))) == 100
