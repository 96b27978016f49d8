"""A picture as a camera, a screen or a clipboard gives it, made one that an issue may show.

What comes out was decoded and written anew, so nothing else of the file goes further: no place and
no camera (EXIF, XMP, comments), no program behind the last pixel, no colour profile (colours are
brought to sRGB, which every reader's screen expects). It is turned the way the camera says it was
held, and made small enough for a mail. Whatever its header promises is weighed before a pixel is
decoded. EXIF 2.32 §4.6.4 (orientation).

An animation stays one in GIF and WebP; of any other the first picture is taken.
"""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Final

from PIL import Image, ImageCms, ImageOps, ImageSequence, UnidentifiedImageError

from digest.content.media import FORMATS, MAX_BYTES, MAX_FRAMES, MAX_PIXELS, Media, read_media
from digest.errors import InputError

__all__ = ["UPLOAD_MAX", "clean_picture", "hashes_in", "name_of"]

UPLOAD_MAX: Final = 12 << 20  # bytes: a photo of a phone has 3 to 8 MB

_WIDTHS: Final = (1_600, 1_200, 900, 600)  # pixels; a letter is 600 wide, on a fine screen 1,200
_PLAIN: Final = frozenset({"1", "L", "P", "RGB", "RGBA"})  # what a PNG holds as it is
_SRGB: Final = ImageCms.createProfile("sRGB")
_FIX: Final = "Use a PNG, JPEG, GIF or WebP picture."
_NAMES_MAX: Final = 100  # of one text
_UPLOADED: Final = re.compile(
    r"\]\([ ]*<?(?P<name>img/[a-z0-9-]{1,60}-(?P<sha>[0-9a-f]{12})\.(?:png|jpg|gif|webp))\b"
)


def clean_picture(data: bytes) -> Media:
    """The picture in ``data``, written anew; it takes up to seconds, and some hundred megabytes.

    Raises InputError with plain words for what is no picture, is damaged or too large.
    """
    if len(data) > UPLOAD_MAX:
        fix = f"{UPLOAD_MAX >> 20} MB is the most."
        raise InputError(f"This file has {len(data) / (1 << 20):.1f} MB.", fix=fix)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                frames = _weighed(picture)
                written = _animation(picture) if frames > 1 else _still(picture)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        fix = "25 million is the most: make it smaller first."
        raise InputError("This picture has too many pixels.", fix=fix) from None
    except UnidentifiedImageError:
        raise InputError("This is no picture that a mail can show.", fix=_FIX) from None
    except (OSError, SyntaxError, ValueError, KeyError, IndexError, EOFError) as error:
        raise InputError(f"This picture is damaged ({error}).", fix="Save it anew.") from None
    if written is None:
        fix = "Make it shorter or smaller." if frames > 1 else "Make it smaller."
        raise InputError("This picture is too large for a mail, however it is written.", fix=fix)
    return read_media(written, path="picture")


def name_of(file: str, picture: Media) -> str:
    """How a text names ``picture``, which came as ``file``: where it would lie beside the text.

    The beginning of its hash in it says which picture that is, and no two have the same name.
    """
    plain = unicodedata.normalize("NFKD", PurePosixPath(file.replace("\\", "/")).stem)
    words = re.sub(r"[^a-z0-9]+", "-", plain.encode("ascii", "ignore").decode().lower())
    return f"img/{words[:40].strip('-') or 'picture'}-{picture.sha256[:12]}.{picture.extension}"


def hashes_in(text: str) -> dict[str, str]:
    """The pictures that ``text`` names as ``name_of`` does: how their hashes begin, by name."""
    found: dict[str, str] = {}
    for one in _UPLOADED.finditer(text):
        if len(found) == _NAMES_MAX:
            break
        found[one["name"]] = one["sha"]
    return found


def _weighed(picture: Image.Image) -> int:
    """How many pictures there are to be decoded; InputError where they are more than we bear."""
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise InputError(
            f"This picture has {width:,} × {height:,} pixels.",
            fix="25 million is the most: make it smaller first.",
        )
    moving = picture.format in ("GIF", "WEBP")
    frames = getattr(picture, "n_frames", 1) if moving else 1
    if frames > MAX_FRAMES or frames * width * height > MAX_PIXELS:
        raise InputError(
            f"This animation has {frames:,} pictures of {width:,} × {height:,} pixels.",
            fix=f"{MAX_FRAMES} pictures and 25 million pixels in all of them are the most.",
        )
    return frames


def _still(picture: Image.Image) -> bytes | None:
    photo = picture.format in ("JPEG", "MPO", "WEBP")  # MPO: a JPEG with more behind it
    upright = _in_srgb(ImageOps.exif_transpose(picture))
    see_through = upright.has_transparency_data and _has_holes(upright)
    if upright.has_transparency_data and not see_through:
        upright = upright.convert("RGB")
    for width in _WIDTHS:
        smaller = _no_wider(upright, width)
        for written in _as_still(smaller, photo=photo, see_through=see_through):
            if len(written) <= MAX_BYTES:
                return written
    return None


def _as_still(picture: Image.Image, *, photo: bool, see_through: bool) -> Iterator[bytes]:
    """``picture`` in one format after the other, the best first."""
    if not photo or see_through:
        yield _saved(picture, "PNG", optimize=True)
    if see_through:
        yield _saved(picture.convert("RGBA").quantize(256), "PNG", optimize=True)
    else:
        rgb = picture.convert("RGB")
        yield _saved(rgb, "JPEG", quality=85, optimize=True, progressive=True)


def _animation(picture: Image.Image) -> bytes | None:
    """Every frame with its time, in the format it came in; None where that is too large."""
    kind, loop = str(picture.format), picture.info.get("loop")
    frames, times = [], []
    for frame in ImageSequence.Iterator(picture):
        frames.append(_bare(frame.convert("RGBA")))
        times.append(frame.info.get("duration", 100))  # milliseconds
    more: dict[str, Any] = {"save_all": True, "duration": times}
    if loop is not None:
        more["loop"] = loop
    if kind == "GIF" and any(_has_holes(frame) for frame in frames):
        more["disposal"] = 2  # else what was seen before shows through
    for width in _WIDTHS:
        first, *others = (_no_wider(frame, width) for frame in frames)
        written = _saved(first, kind, append_images=others, **more)
        if len(written) <= MAX_BYTES:
            return written
    return None


def _in_srgb(picture: Image.Image) -> Image.Image:
    """``picture`` without anything but its pixels, in a mode a PNG may have."""
    profile = picture.info.get("icc_profile")
    if profile and picture.mode in ("RGB", "RGBA", "CMYK"):
        mode = "RGB" if picture.mode == "CMYK" else picture.mode
        try:
            theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            found = ImageCms.profileToProfile(picture, theirs, _SRGB, outputMode=mode)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            found = None  # a profile that is none: the colours as they are
        picture = found or picture
    if picture.mode.startswith("I"):  # 16 bits of grey
        picture = picture.convert("I").point(lambda level: level * (1 / 256)).convert("L")
    elif picture.mode not in _PLAIN:
        see_through = picture.has_transparency_data
        picture = picture.convert("RGBA" if see_through else "RGB")
    elif picture.mode != "P" and "transparency" in picture.info:  # one colour stands for nothing
        picture = picture.convert("RGBA")
    return _bare(picture)


def _bare(picture: Image.Image) -> Image.Image:
    """A copy with its pixels and, of a palette, which of its colours are seen through."""
    bare = picture.copy()
    kept = picture.info.get("transparency") if picture.mode == "P" else None
    bare.info = {} if kept is None else {"transparency": kept}
    return bare


def _has_holes(picture: Image.Image) -> bool:
    low, _ = picture.convert("RGBA").getchannel("A").getextrema()
    return isinstance(low, int | float) and low < 255


def _no_wider(picture: Image.Image, width: int) -> Image.Image:
    if picture.width <= width:
        return picture
    height = max(1, round(picture.height * width / picture.width))
    if picture.mode in ("1", "P"):
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _saved(picture: Image.Image, kind: str, **more: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **more)
    return out.getvalue()
