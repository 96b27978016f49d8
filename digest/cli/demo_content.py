"""What the demo sends, and to whom: an issue ready to go and readers who do not exist."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterator
from pathlib import Path

from digest import resources
from digest.cli.files import read_bytes
from digest.content.issue import TODO_WORD
from digest.content.issue_file import decode_issue, parse_issue, placeholders
from digest.errors import InputError

SLUG = "demo"  # of its newsletter
# RFC 2606 §2, §3: names nobody can register.
DOMAINS = (
    *("mail.example.com", "mail.example.net", "mail.example.org", "post.example.org"),
    *("inbox.example.com", "uni.example.net", "office.example.com", "home.example.org"),
)
_FIRST = (
    *("Anne", "Bart", "Cris", "Dana", "Emre", "Fatima", "Goran", "Hanna", "Ivo", "Jana", "Kofi"),
    *("Lena", "Mei", "Nils", "Olga", "Pedro", "Quinn", "Rosa", "Samir", "Tove", "Uma", "Viktor"),
    *("Wanda", "Ximena", "Yusuf", "Zoë"),
)
_LAST = (
    *("Abel", "Berg", "Costa", "Dahl", "Eriksen", "Fontaine", "Grau", "Horvat", "Ito", "Jansen"),
    *("Kaya", "Lindt", "Moreau", "Novak", "Okafor", "Petrov", "Quist", "Rossi", "Silva", "Tanaka"),
    *("Ueda", "Varga", "Weiss", "Yilmaz", "Žagar"),
)
_ASCII = str.maketrans("ëŽž", "eZz")
_TODO_IMAGE = re.compile(r"!\[[^\]\n]*\]\(TODO\)")
_TODO_SECTION = re.compile(r"TODO section (\d+)")
_ROUNDS = 10  # a link that is TODO in its text and in its target is two placeholders in one place
_SEED = 182


def example_issue() -> Path:
    """The first of the issues that come with digest."""
    found = sorted(resources.examples().glob("*.md"))
    if not found:
        raise InputError(
            "There is no example issue.", where=str(resources.examples()), fix="Give --issue FILE."
        )
    return found[0]


def readers_csv(count: int) -> io.BytesIO:
    """A file of ``count`` made-up readers, the same each time."""
    lines = ["email,name", *_readers(count)]
    return io.BytesIO("\n".join(lines).encode())


def _readers(count: int) -> Iterator[str]:
    chosen = random.Random(_SEED)
    for number in range(1, count + 1):
        first, last = chosen.choice(_FIRST), chosen.choice(_LAST)
        local = f"{first}.{last}.{number}".translate(_ASCII).lower()
        name = f"{first} {last}" if chosen.random() < 0.9 else ""  # some give no name
        yield f"{local}@{chosen.choice(DOMAINS)},{name}"


def sendable_text(file: Path, *, placeholder_url: str) -> tuple[str, int]:
    """The text of an issue file, and how many placeholders were filled in to make it sendable.

    A link that is TODO leads to ``placeholder_url``, a lost heading becomes "Section 3", any other
    TODO becomes words. Raises IssueFileError for a file that cannot be used.
    """
    text = decode_issue(read_bytes(file), path=str(file))
    filled = 0
    for _ in range(_ROUNDS):
        open_places = placeholders(parse_issue(text, path=str(file)))
        if not open_places:
            break
        lines = text.split("\n")
        for place in reversed(open_places):
            filled += 1
            line, column = place.line - 1, place.column - 1
            lines[line] = _filled(lines[line], column, f"{placeholder_url}?n={filled}")
        text = "\n".join(lines)
    return text, filled


def _filled(line: str, column: int, url: str) -> str:
    """``line`` with its first placeholder from ``column`` on filled in."""
    image = _TODO_IMAGE.match(line, column)
    if image is not None:
        return line[:column] + line[image.end() :]
    section = _TODO_SECTION.match(line, column)
    if section is not None:
        return f"{line[:column]}Section {section[1]}{line[section.end() :]}"
    todo = TODO_WORD.search(line, column)
    if todo is None:
        return line
    before, after = line[: todo.start()], line[todo.end() :]
    return before + (url if before.endswith("](") else "To do") + after
