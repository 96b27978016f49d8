"""The pictures beside an issue file."""

from __future__ import annotations

from pathlib import Path

from digest.cli.files import read_bytes
from digest.content.issue import Issue
from digest.content.media import MAX_BYTES, Media, image_sources, read_media
from digest.errors import InputError, IssueFileError


def read_pictures(issue: Issue, file: Path) -> dict[str, Media]:
    """The pictures ``issue`` shows, by the path it names them with.

    Raises IssueFileError with the place in the issue where one is missing or cannot be used.
    """
    found = {}
    for source, place in image_sources(issue):
        try:
            data = read_bytes(file.parent / source, limit=MAX_BYTES)
            found[source] = read_media(data, path=source)
        except InputError as error:
            raise IssueFileError(
                f"The picture {source} cannot be used: {error.message}",
                where=place.within(file),
                fix=error.fix or "Put it beside the issue file.",
            ) from None
    return found
