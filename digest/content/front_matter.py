"""The front matter of an issue file: one ``key: value`` per line, the value verbatim.

It is not YAML, which would drop `` #182`` as a comment and read ``No`` as false.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from dataclasses import dataclass

from digest.content.issue import TODO_WORD, Ignore, Place
from digest.content.issue_source import MAX_VALUE, issue_error

FENCE = "---"
KEYS = (
    "number",
    "slug",
    "title",
    "subject",
    "preview",
    "date",
    "editor",
    "listed",
    "utm",
    "ignore",
)
"""The keys there are, in the order of the normal form."""

_LINE = re.compile(r"([^:\s]+)[ \t]*:(?:[ \t]+(.*)|)")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_SLUG = re.compile(r"(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*")
_CODE = re.compile(r"[a-z][a-z0-9-]*")
_TRUTH = {"yes": True, "no": False, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The values of the front matter; ``values`` keeps each as written, ``todo`` what is open."""

    number: int | None
    slug: str | None
    title: str
    subject: str
    preview: str
    date: dt.date | None
    editor: str | None
    listed: bool
    utm: bool | None
    ignore: tuple[Ignore, ...]
    values: tuple[tuple[str, str], ...]
    lines: int
    todo: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class _Value:
    text: str
    line: int
    column: int


def read_front_matter(lines: list[str], *, path: str) -> FrontMatter:
    """Read the lines between the first ``---`` and the next.

    Raises IssueFileError for a key that is unknown, double, missing or has no good value.
    """
    values, end = _entries(lines, path=path)
    front = _Reader(values, path)
    number, slug = front.number(), front.slug()
    if number is None and slug is None:
        fix = "Write `number: 12`, or `slug: summer-special` for an issue without a number."
        raise issue_error(path, "The issue has neither a number nor a slug.", fix, line=1)
    if "title" not in values:
        fix = "Write `title: …` into the front matter."
        raise issue_error(path, "The issue has no title.", fix, line=1)
    title = values["title"].text
    return FrontMatter(
        number=number,
        slug=slug,
        title=title,
        subject=front.text("subject") or title,
        preview=front.text("preview") or "",
        date=front.date(),
        editor=front.text("editor"),
        listed=front.truth("listed", default=True) is not False,
        utm=front.truth("utm", default=None),
        ignore=front.ignore(),
        values=tuple((key, values[key].text) for key in KEYS if key in values),
        lines=end + 1,
        todo=_open_values(values),
    )


def _entries(lines: list[str], *, path: str) -> tuple[dict[str, _Value], int]:
    if not lines or lines[0] != FENCE:
        fix = (
            "Begin the file with --- and lines such as `number: 12` and `title: …`, then --- again."
        )
        raise issue_error(path, "The file does not begin with front matter.", fix, line=1)
    values: dict[str, _Value] = {}
    for index, line in enumerate(lines[1:], 1):
        if line == FENCE:
            return values, index
        if not line:
            continue
        key, value = _entry(line, path=path, number=index + 1, seen=values)
        values[key] = value
    raise issue_error(
        path, "The front matter is not closed.", "Write --- below its last key.", line=1
    )


def _entry(line: str, *, path: str, number: int, seen: dict[str, _Value]) -> tuple[str, _Value]:
    match = _LINE.fullmatch(line)
    if not match:
        fix = "Write `key: value`, and --- below the last one."
        raise issue_error(path, "This line of the front matter has no key.", fix, line=number)
    key, value = match[1], (match[2] or "").strip(" \t")
    if key not in KEYS:
        near = difflib.get_close_matches(key.lower()[:40], KEYS, n=1)
        fix = f"Did you mean `{near[0]}`?" if near else f"There are: {', '.join(KEYS)}."
        raise issue_error(path, f"The key `{key[:40]}` is not known.", fix, line=number)
    if key in seen:
        message = f"The key `{key}` stands twice, first in line {seen[key].line}."
        raise issue_error(path, message, "Delete one of the two.", line=number)
    column = line.find(value, match.end(1) + 1) + 1
    if len(value) > MAX_VALUE:
        message = f"The value of `{key}` has {len(value):,} characters; at most {MAX_VALUE:,}."
        raise issue_error(path, message, "Shorten it.", line=number, column=column)
    if not value and key not in {"subject", "preview"}:
        raise issue_error(
            path, f"The key `{key}` has no value.", "Fill it in or delete the line.", line=number
        )
    if "{name|" in value:
        message = "A personal slot is filled in in the text only."
        raise issue_error(path, message, "Write the line without it.", line=number, column=column)
    return key, _Value(value, number, column)


@dataclass(frozen=True, slots=True)
class _Reader:
    values: dict[str, _Value]
    path: str

    def refuse(self, value: _Value, message: str, fix: str) -> Exception:
        return issue_error(self.path, message, fix, line=value.line, column=value.column)

    def text(self, key: str) -> str | None:
        value = self.values.get(key)
        return value.text or None if value else None

    def number(self) -> int | None:
        value = self.values.get("number")
        if value is None:
            return None
        if not _NUMBER.fullmatch(value.text):
            message = f"The number `{value.text[:40]}` is not a positive whole number."
            raise self.refuse(value, message, "Write digits only, such as `number: 12`.")
        return int(value.text)

    def slug(self) -> str | None:
        value = self.values.get("slug")
        if value is None:
            return None
        if len(value.text) > 64 or not _SLUG.fullmatch(value.text):
            raise self.refuse(
                value,
                f"The slug `{value.text[:70]}` cannot be used.",
                "Write lower-case letters, digits and single hyphens, at least one letter, "
                "at most 64 characters.",
            )
        return value.text

    def date(self) -> dt.date | None:
        value = self.values.get("date")
        if value is None:
            return None
        try:
            if not re.fullmatch(r"\d{4}-\d\d-\d\d", value.text, re.ASCII):
                raise ValueError
            return dt.date.fromisoformat(value.text)
        except ValueError:
            message = f"The date `{value.text[:40]}` is no date."
            raise self.refuse(value, message, "Write it as year-month-day: 2026-11-23.") from None

    def truth(self, key: str, *, default: bool | None) -> bool | None:
        value = self.values.get(key)
        if value is None:
            return default
        if value.text.lower() not in _TRUTH:
            message = f"The value `{value.text[:40]}` of `{key}` is neither yes nor no."
            raise self.refuse(value, message, "Write yes or no.")
        return _TRUTH[value.text.lower()]

    def ignore(self) -> tuple[Ignore, ...]:
        value = self.values.get("ignore")
        if value is None:
            return ()
        found = []
        for entry in value.text.split(";"):
            code, _, reason = (part.strip() for part in entry.partition(":"))
            if not _CODE.fullmatch(code) or not reason:
                raise self.refuse(
                    value,
                    "A finding is ignored by its code and a reason.",
                    "Write `ignore: code: reason`, several with ; between them.",
                )
            found.append(Ignore(code, reason))
        return tuple(found)


def _open_values(values: dict[str, _Value]) -> tuple[Place, ...]:
    shown = (values[key] for key in ("title", "subject", "preview") if key in values)
    return tuple(
        Place(value.line, value.column + match.start())
        for value in shown
        if (match := TODO_WORD.search(value.text))
    )


def normal_front_matter(front: FrontMatter) -> list[str]:
    """The lines of the front matter in normal form, both ``---`` included."""
    lines = [FENCE]
    for key, written in front.values:
        value = written
        if key in {"listed", "utm"}:
            value = "yes" if _TRUTH[written.lower()] else "no"
        elif key == "ignore":
            value = "; ".join(f"{entry.code}: {entry.reason}" for entry in front.ignore)
        if value:
            lines.append(f"{key}: {value}")
    return [*lines, FENCE]
