"""Pictures of an issue: what is taken in, and what is refused before a pixel is decoded.

Four raster formats, known by their first bytes and never by their name. SVG is a document that
can run scripts, so it is refused. A picture's header says how large it will be in memory; Pillow
reads only that header here, and one that would need more than ``MAX_PIXELS`` is refused unseen.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from PIL import Image, UnidentifiedImageError

from digest.content.issue import TODO, Issue, Place
from digest.content.links import is_web
from digest.errors import InputError, IssueFileError

__all__ = ["Media", "image_sources", "picture_path", "read_media", "take_pictures"]

MAX_BYTES: Final = 1_048_576
MAX_PIXELS: Final = 25_000_000
MAX_FRAMES: Final = 500  # of an animation: each is decoded by the reader's program

FORMATS: Final = ("PNG", "JPEG", "GIF", "WEBP")  # by Pillow's names
# The extension each is served under. MPO is a phone's JPEG with another picture behind it, opened
# as JPEG is.
_EXTENSIONS: Final = {"PNG": "png", "JPEG": "jpg", "MPO": "jpg", "GIF": "gif", "WEBP": "webp"}
_FIX: Final = "Use a PNG, JPEG, GIF or WebP file of at most 1 MB and 25 million pixels."


@dataclass(frozen=True, slots=True)
class Media:
    """One picture, named by its content. ``width`` and ``height`` are in pixels."""

    sha256: str
    extension: str
    width: int
    height: int
    data: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """The file name it is served under for ever."""
        return f"{self.sha256}.{self.extension}"


def read_media(data: bytes, *, path: str) -> Media:
    """Take in the picture ``data``, called ``path`` in messages.

    Raises IssueFileError where it is too large, damaged or none of the four formats.
    """
    if len(data) > MAX_BYTES:
        raise _refuse(f"The picture has {len(data):,} bytes; 1 MB is the most.", path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                extension = _EXTENSIONS[picture.format or ""]
                width, height = picture.size
                frames = getattr(picture, "n_frames", 1) if width * height <= MAX_PIXELS else 1
                if width * height <= MAX_PIXELS and frames <= MAX_FRAMES:
                    _check_whole(picture)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise _refuse("The picture has more than 25 million pixels.", path) from None
    except UnidentifiedImageError:
        raise _refuse("This is none of the pictures a mail can show.", path) from None
    except (OSError, SyntaxError, ValueError, KeyError, EOFError) as error:
        raise _refuse(f"The picture is damaged ({error}).", path) from None
    if width * height > MAX_PIXELS:
        raise _refuse(f"The picture has {width} × {height} pixels; 25 million is the most.", path)
    if frames > MAX_FRAMES:
        raise _refuse(f"The animation has {frames} frames; {MAX_FRAMES} is the most.", path)
    return Media(hashlib.sha256(data).hexdigest(), extension, width, height, data)


def _check_whole(picture: Image.Image) -> None:
    """Fail on a picture that breaks off, rather than letting readers find out.

    PNG carries checksums, so its structure can be verified without decoding; the others are
    decoded, which is safe because their size is known by now.
    """
    if picture.format == "PNG":
        picture.verify()
    else:
        picture.load()


def _refuse(message: str, path: str) -> IssueFileError:
    return IssueFileError(message, where=path, fix=_FIX)


def picture_path(folder: Path, source: str) -> Path:
    """Where the picture ``source`` of an issue file in ``folder`` lies.

    Raises IssueFileError where a symbolic link leads out of the folder: whoever sends in an issue
    must not be able to choose which other pictures of this machine are published.
    """
    path = folder / source
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a name that is too long, a link to itself
        raise IssueFileError("There is no such file.", where=source) from None
    if not inside:
        raise IssueFileError(
            "It is a link to another folder.",
            where=source,
            fix="Put the picture itself beside the issue file.",
        )
    return path


def image_sources(issue: Issue) -> tuple[tuple[str, Place], ...]:
    """The pictures beside the file that ``issue`` shows, each once, with where it stands first.

    Figures of items and pictures in texts, of the sections that are rendered; in the order of the
    file, relative to the folder the issue file lies in.
    """
    found: dict[str, Place] = {}
    for source, place in issue.pictures:
        if source != TODO and not is_web(source):
            found.setdefault(source, place)
    return tuple(found.items())


def take_pictures(issue: Issue, read: Callable[[str], bytes], *, path: str) -> dict[str, Media]:
    """The pictures beside the file ``path`` that ``issue`` shows, by how it names them.

    ``read`` gives the bytes of such a name or raises InputError; more than ``MAX_BYTES`` + 1 of
    them are not needed. Raises IssueFileError with the place in the issue where one is missing or
    cannot be used.
    """
    found = {}
    for source, place in image_sources(issue):
        try:
            found[source] = read_media(read(source), path=source)
        except InputError as error:
            raise IssueFileError(
                f"The picture {source} cannot be used: {error.message}",
                where=place.within(path),
                fix=error.fix or "Put it beside the issue file.",
            ) from None
    return found
