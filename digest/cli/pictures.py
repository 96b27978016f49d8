"""The pictures beside an issue file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from digest.cli.files import read_bytes, refuse_existing, unwritable, write_bytes, write_text
from digest.content.issue import Issue
from digest.content.media import MAX_BYTES, Media, picture_path, take_pictures
from digest.errors import InputError


def read_pictures(issue: Issue, file: Path) -> dict[str, Media]:
    """The pictures ``issue`` shows, by the path it names them with.

    Raises IssueFileError with the place in the issue where one is missing or cannot be used.
    """

    def beside(source: str) -> bytes:
        return read_bytes(picture_path(file.parent, source), limit=MAX_BYTES)

    return take_pictures(issue, beside, path=str(file))


def write_with_pictures(file: Path, text: str, pictures: Mapping[str, bytes]) -> None:
    """Write an issue file that is not there yet, and the pictures by the path it names them with.

    A picture that is there already stays. Raises InputError, and has written nothing then, where a
    name leads out of the folder or is that of another file; the text comes last.
    """
    refuse_existing(file)
    if not file.parent.is_dir():
        raise InputError("There is no such folder.", where=str(file.parent), fix="Make it first.")
    paths = {picture_path(file.parent, name): data for name, data in pictures.items()}
    there = {path for path in paths if path.exists()}
    for path in there:
        if read_bytes(path, limit=MAX_BYTES) != paths[path]:
            raise InputError(
                "Another file has the name of a picture of this issue.",
                where=str(path),
                fix="Name a file in another folder.",
            )
    for path in paths.keys() - there:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(path.parent, error) from None
        write_bytes(path, paths[path])
    write_text(file, text)
