"""An issue file on disk and what it looks like right now."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from digest.content.issue import Issue, Place
from digest.content.issue_file import decode_issue, parse_issue
from digest.content.lint import Finding, check_issue
from digest.content.media import MAX_BYTES, Media, image_sources, picture_path, take_pictures
from digest.content.render import render_issue
from digest.content.theme import Masthead, Theme, load_theme
from digest.errors import DigestError, InputError, IssueFileError
from digest.mail.message import without_marks
from digest.web.letter import as_sample

_READ_MAX = 4 << 20  # bytes: more than an issue may have
_LOOK_EVERY = 0.2  # seconds
_LINES_AROUND = 2  # an error is shown with so many lines before and after
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A line of the file beside an error. ``before``, ``marked``, ``after`` are its text, parted
    where the error stands.
    """

    number: int
    before: str
    marked: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """The file as it is: either an error or everything else."""

    name: str
    error: DigestError | None = None
    excerpt: tuple[SourceLine, ...] = ()
    issue: Issue | None = None
    subject: str = ""
    preview: str = ""
    html: str = ""
    plain: str = ""
    findings: tuple[Finding, ...] = ()
    pictures: Mapping[str, Media] = field(default_factory=dict)

    @property
    def facts(self) -> str:
        """What there is in it, in words."""
        return "" if self.issue is None else facts_of(self.issue, self.html)


@dataclass(frozen=True, slots=True)
class Drafts:
    """Reads one issue file again and again; and its theme, where that is a folder."""

    path: Path
    masthead: Masthead
    theme: Theme | Path | None = None

    def read(self, public_url: str) -> Draft:
        """The file as it is now, its links and pictures pointing to ``public_url``."""
        text = ""
        try:
            text = decode_issue(self._data(), path=self.path.name)
            return self._draft(parse_issue(text, path=self.path.name), public_url)
        except DigestError as error:
            return Draft(self.path.name, error=error, excerpt=_excerpt(text, error.where))

    def _data(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                return file.read(_READ_MAX)
        except OSError as error:
            raise IssueFileError(
                f"The file cannot be read: {error.strerror}.", where=self.path.name
            ) from None

    def _draft(self, issue: Issue, public_url: str) -> Draft:
        media = take_pictures(issue, self._beside, path=self.path.name)
        rendered = render_issue(
            issue,
            replace(self.masthead, public_url=public_url),
            self._theme(),
            media=media,
        )
        return Draft(
            self.path.name,
            issue=issue,
            subject=without_marks(rendered.subject),
            preview=without_marks(rendered.preview),
            html=as_sample(rendered.html, rendered.slots),
            plain=as_sample(rendered.plain, rendered.slots),
            findings=check_issue(issue, rendered=rendered),
            pictures={one.name: one for one in media.values()},
        )

    def _theme(self) -> Theme:
        if isinstance(self.theme, Path):
            return load_theme(self.theme.name, folder=self.theme)
        return self.theme or load_theme("default")

    def _beside(self, source: str) -> bytes:
        try:
            with picture_path(self.path.parent, source).open("rb") as file:
                return file.read(MAX_BYTES + 1)
        except OSError as error:
            raise InputError(
                f"It cannot be read: {error.strerror}.", fix="Put it beside the file."
            ) from None

    async def changes(self, *, every: float = _LOOK_EVERY) -> AsyncGenerator[None, None]:
        """One value for each change of the file or of a picture beside it, for ever.

        ``every`` is in seconds.
        """
        watched = self._watched()
        seen = _stamps(watched)
        while True:
            await asyncio.sleep(every)
            if _stamps(watched) != seen:
                watched = self._watched()
                seen = _stamps(watched)
                yield None

    def _watched(self) -> tuple[Path, ...]:
        parts = sorted(self.theme.iterdir()) if isinstance(self.theme, Path) else []
        return (*self._files(), *parts)

    def _files(self) -> tuple[Path, ...]:
        try:
            issue = parse_issue(decode_issue(self._data(), path=self.path.name))
        except DigestError:
            return (self.path,)
        pictures = (self.path.parent / source for source, _ in image_sources(issue))
        return (self.path, *pictures)


def _stamps(paths: tuple[Path, ...]) -> tuple[tuple[int, int], ...]:
    return tuple(_stamp(path) for path in paths)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:  # gone for a moment: editors write a new file and rename it
        return 0, 0
    return status.st_mtime_ns, status.st_size


def facts_of(issue: Issue, html: str) -> str:
    """What there is in an issue, in words."""
    sections = issue.rendered_sections
    items = sum(len(section.items) for section in sections)
    size = len(html.encode()) / 1024
    return f"{_count(len(sections), 'section')}, {_count(items, 'item')}, {size:.0f} KB"


def _excerpt(text: str, where: str) -> tuple[SourceLine, ...]:
    place = Place.named_in(where)
    if place is None:
        return ()
    line, column = place.line, place.column
    lines = text.splitlines()
    first, last = max(1, line - _LINES_AROUND), min(len(lines), line + _LINES_AROUND)
    return tuple(
        _marked(number, lines[number - 1], column)
        if number == line
        else SourceLine(number, lines[number - 1])
        for number in range(first, last + 1)
    )


def _marked(number: int, text: str, column: int) -> SourceLine:
    start = min(max(column - 1, 0), max(len(text) - 1, 0))
    word = _WORD.match(text, start)
    end = max(word.end() if word else 0, start + 1)
    return SourceLine(number, text[:start], text[start:end] or " ", text[end:])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
