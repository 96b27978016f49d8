"""Promises of media: four formats by content, and nothing large is ever decoded."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from digest.content.issue_file import parse_issue
from digest.content.media import MAX_BYTES, image_sources, picture_path, read_media, take_pictures
from digest.errors import InputError, IssueFileError


def picture(kind: str, size: tuple[int, int] = (40, 30)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "#a8321a").save(out, kind)
    return out.getvalue()


def photo_of_a_phone() -> bytes:
    """A JPEG with another behind it."""
    out = io.BytesIO()
    first, second = (Image.new("RGB", (40, 30), colour) for colour in ("#a8321a", "#1a32a8"))
    first.save(out, "MPO", save_all=True, append_images=[second])
    return out.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """A PNG of 100 bytes that claims to be enormous."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 10)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize(
    ("kind", "extension"), [("PNG", "png"), ("JPEG", "jpg"), ("GIF", "gif"), ("WEBP", "webp")]
)
def test_a_picture_is_named_by_its_content(kind: str, extension: str) -> None:
    data = picture(kind)
    media = read_media(data, path="img/anything.exe")
    assert media.extension == extension
    assert (media.width, media.height) == (40, 30)
    assert media.sha256 == hashlib.sha256(data).hexdigest()
    assert media.name == f"{media.sha256}.{extension}"


def test_a_photo_with_another_behind_it_is_a_photo() -> None:
    media = read_media(photo_of_a_phone(), path="img/photo.jpg")
    assert (media.extension, media.width, media.height) == ("jpg", 40, 30)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<html><body>no picture</body></html>",
        b"%PDF-1.7 no picture",
        picture("BMP"),
        picture("TIFF"),
        picture("ICO"),
    ],
    ids=["empty", "svg", "html", "pdf", "bmp", "tiff", "ico"],
)
def test_what_a_mail_cannot_show_is_refused(data: bytes) -> None:
    with pytest.raises(IssueFileError) as error:
        read_media(data, path="img/x.png")
    assert error.value.where == "img/x.png"
    assert error.value.fix


@pytest.mark.parametrize("size", [(5_001, 5_000), (60_000, 60_000), (2_000_000_000, 2)])
def test_a_bomb_is_refused_by_its_header(size: tuple[int, int]) -> None:
    with pytest.raises(IssueFileError, match=r"pixels|damaged"):
        read_media(png_of_size(*size), path="bomb.png")


def test_a_picture_of_more_than_a_megabyte_is_refused() -> None:
    with pytest.raises(IssueFileError, match="1 MB"):
        read_media(picture("PNG") + b"\0" * MAX_BYTES, path="large.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_picture_that_breaks_off_is_refused(kind: str) -> None:
    out = io.BytesIO()
    Image.effect_noise((200, 200), 60).convert("RGB").save(out, kind)
    with pytest.raises(IssueFileError):
        read_media(out.getvalue()[: len(out.getvalue()) // 2], path="half.png")


def test_an_animation_without_end_is_refused() -> None:
    frames = [Image.new("P", (2, 2), i % 2) for i in range(600)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], optimize=False)
    with pytest.raises(IssueFileError, match="frames"):
        read_media(out.getvalue(), path="long.gif")


def test_the_pictures_of_an_issue_are_listed_once_with_their_place() -> None:
    issue = parse_issue(
        "---\nnumber: 1\ntitle: T\n---\n![Logo](img/a.png)\n\n"
        "## One\n### [Two](https://example.org)\n![Alt](img/b.png)\n\nText ![x](img/a.png)\n\n"
        "## Kept {later}\n### [Three](TODO)\n![Alt](img/c.png)\n"
    )
    sources = image_sources(issue)
    assert [source for source, _ in sources] == ["img/a.png", "img/b.png"]
    assert sources[0][1].line == 5


@pytest.mark.parametrize("bytes_there", [None, b"no picture"])
def test_a_picture_that_cannot_be_used_is_told_with_its_place(bytes_there: bytes | None) -> None:
    def read(source: str) -> bytes:
        if bytes_there is None:
            raise InputError(f"There is no {source}.")
        return bytes_there

    issue = parse_issue("---\nnumber: 1\ntitle: T\n---\nText.\n\n![Logo](img/a.png)\n")
    with pytest.raises(IssueFileError) as raised:
        take_pictures(issue, read, path="issue.md")
    assert raised.value.where.startswith("issue.md:7:")
    assert "img/a.png" in raised.value.message
    assert raised.value.fix


def test_no_link_leads_to_a_picture_outside_the_folder(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "issues", tmp_path / "private"
    folder.mkdir()
    elsewhere.mkdir()
    (elsewhere / "x.png").write_bytes(picture("PNG", (4, 4)))
    (folder / "x.png").symlink_to(elsewhere / "x.png")
    (folder / "img").symlink_to(elsewhere)
    (folder / "self.png").symlink_to("self.png")
    for source in ("x.png", "img/x.png", "self.png"):
        with pytest.raises(IssueFileError):
            picture_path(folder, source)


def test_a_link_within_the_folder_and_a_linked_folder_are_fine(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x.png").write_bytes(picture("PNG", (4, 4)))
    (tmp_path / "real" / "y.png").symlink_to("x.png")
    (tmp_path / "linked").symlink_to("real")
    assert picture_path(tmp_path / "linked", "y.png").is_file()
