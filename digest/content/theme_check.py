"""Everything that is wrong with a theme, at once: its values, its templates, and what they make.

The theme is also filled in with an issue that has one of each thing, and the MJML and HTML that
come of it are judged: a colour or an alt made by Jinja is only then there to be seen.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from digest import resources
from digest.content.issue import Issue
from digest.content.issue_file import parse_issue
from digest.content.mjml_lint import includes_of, lint_template
from digest.content.render import filled_in, render_issue
from digest.content.theme import Masthead, load_theme, tables_of, value_flaws
from digest.errors import ThemeError

__all__ = ["ThemeFinding", "check_theme"]

_PLACE: Final = re.compile(r"(.*?)(?::(\d+))?(?::(\d+))?")
_HEADING: Final = re.compile(r"<h([1-6])[ >]")
# The smallest issue that has one of each thing a theme can show.
_SPECIMEN: Final = """---
number: 1
title: Specimen
preview: One of each thing an issue can have
date: 2026-01-01
---
Hello {name|there}, a [link](https://example.org/a), `code` and ![a picture](https://example.org/p.png).

> Quoted.

## One
Words of the section.

### [An item](https://example.org/b)
*A byline*

![A picture](https://example.org/p.png)

Words.

- A list
1. in numbers

### [owner/repository](https://github.com/owner/repository)
Words.

### [A sponsor](https://example.com/sponsor) {sponsor}
Words.

## Two
- [Short](https://example.org/c): words
- [Short](https://example.com/d) {sponsor}: words

## Three
### [Item](https://example.org/e)
Words.

## Four
### [Item](https://example.org/f)
Words.

---
Goodbye.
"""
_MASTHEAD: Final = Masthead(
    name="Specimen",
    postal_address="Sample Street 1\n12345 Sampletown",
    logo_url="https://example.org/logo.png",
    logo_size=(44, 44),
    home_url="https://example.org",
    public_url="https://example.org",
    issue_url="https://example.org/1",
)


@dataclass(frozen=True, slots=True)
class ThemeFinding:
    """One thing to put right; ``file`` is relative to the theme's folder, places count from 1."""

    file: str
    line: int
    column: int
    message: str
    fix: str

    @property
    def where(self) -> str:
        """``file:line:column``."""
        return f"{self.file}:{self.line}:{self.column}"


def check_theme(folder: Path) -> tuple[ThemeFinding, ...]:
    """All findings of the theme in ``folder``; none means that it can be used.

    Raises ThemeError where there is no theme at all.
    """
    if not (folder / "theme.toml").is_file() and not any(folder.glob("*.mjml")):
        raise ThemeError(
            "This is no theme.",
            where=str(folder),
            fix="A theme is a folder with theme.toml or *.mjml in it; see `digest theme new`.",
        )
    found = [*_values(folder), *_templates(folder)]
    return tuple(found) if found else tuple(_filled(folder))


def _values(folder: Path) -> Iterator[ThemeFinding]:
    path = folder / "theme.toml"
    try:
        tables = tables_of(folder, {})
    except ThemeError as error:
        yield _finding(error, folder)
        return
    text = path.read_text("utf-8") if path.is_file() else ""
    for flaw in value_flaws(tables):
        line = _line_of(text, flaw.table, flaw.key)
        yield ThemeFinding("theme.toml", line, 1, flaw.message, flaw.fix)


def _line_of(text: str, table: str, key: str) -> int:
    """The line of ``key`` in ``[table]``; 1 where the value comes from the theme ``default``."""
    current = ""
    for number, line in enumerate(text.splitlines(), 1):
        if heading := re.match(r"\s*\[(\w+)\]", line):
            current = heading[1]
        elif current == table and re.match(rf"\s*{re.escape(key)}\s*=", line):
            return number
    return 1


def _templates(folder: Path) -> Iterator[ThemeFinding]:
    for path in sorted(folder.glob("*.mjml")):
        try:
            source = path.read_text("utf-8")
        except UnicodeDecodeError:
            yield ThemeFinding(path.name, 1, 1, "A template is not UTF-8.", "Save it as UTF-8.")
            continue
        for flaw in lint_template(source):
            yield ThemeFinding(path.name, flaw.line, flaw.column, flaw.message, flaw.fix)
        for line, column, name in includes_of(source):
            if not _is_part(folder, name):
                message = f"{name!r} is no file of this theme or of default."
                fix = "Name a file in the theme's own folder, without a path."
                yield ThemeFinding(path.name, line, column, message, fix)


def _is_part(folder: Path, name: str) -> bool:
    shipped = resources.templates() / "issue" / "default"
    return Path(name).name == name and any((at / name).is_file() for at in (folder, shipped))


def _filled(folder: Path) -> Iterator[ThemeFinding]:
    try:
        theme = load_theme(folder.name, folder=folder)
        mjml = filled_in(_specimen(), _MASTHEAD, theme)
        html = render_issue(_specimen(), _MASTHEAD, theme).html
    except ThemeError as error:
        yield _finding(error, folder)
        return
    for flaw in lint_template(mjml):
        message = f"Filled in: {flaw.message}"
        yield ThemeFinding("index.mjml", 1, 1, message, flaw.fix)
    for message, fix in _page_flaws(html):
        yield ThemeFinding("index.mjml", 1, 1, message, fix)


def _page_flaws(html: str) -> Iterator[tuple[str, str]]:
    levels = [int(level) for level in _HEADING.findall(html)]
    if levels.count(1) != 1 or levels[0] != 1:
        yield f"There are {levels.count(1)} <h1>; a page has one, before the others.", _HEADINGS
    for before, after in itertools.pairwise(levels):
        if after - before > 1:
            yield f"<h{after}> follows <h{before}>.", _HEADINGS
            break
    for name, needed in _NEEDED.items():
        if needed not in html:
            yield f"{name} does not stand in the mail.", f"Show it: {{{{ {name} }}}}."


_HEADINGS: Final = "The title is h1, sections are h2, items h3; screen readers jump by them."
# What a mail must show, by law or by the rules of mailbox providers, as the specimen has it.
_NEEDED: Final = {
    "leave_url": 'href="https://example.org/u/',
    "postal_address": "12345 Sampletown",
    "masthead.name": "Specimen",
}


def _finding(error: ThemeError, folder: Path) -> ThemeFinding:
    place = _PLACE.fullmatch(error.where)
    assert place is not None  # every text matches
    name = Path(place[1]).name if Path(place[1]).is_absolute() else place[1]
    file = name.removeprefix(f"{folder}/")
    return ThemeFinding(file, int(place[2] or 1), int(place[3] or 1), error.message, error.fix)


@lru_cache(maxsize=1)
def _specimen() -> Issue:
    return parse_issue(_SPECIMEN, path="specimen.md")
