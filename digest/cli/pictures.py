"""The pictures beside an issue file."""

from __future__ import annotations

from pathlib import Path

from digest.cli.files import read_bytes
from digest.content.issue import Issue
from digest.content.media import MAX_BYTES, Media, picture_path, take_pictures


def read_pictures(issue: Issue, file: Path) -> dict[str, Media]:
    """The pictures ``issue`` shows, by the path it names them with.

    Raises IssueFileError with the place in the issue where one is missing or cannot be used.
    """

    def beside(source: str) -> bytes:
        return read_bytes(picture_path(file.parent, source), limit=MAX_BYTES)

    return take_pictures(issue, beside, path=str(file))
