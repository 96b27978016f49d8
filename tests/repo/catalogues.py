"""The messages of all catalogues: ``python -m tests.repo.catalogues`` brings them up to date.

A message that is new is added without words for it, one that is gone is taken out; what is there
stays as its translator wrote it. ``test_catalogues.py`` asks that no language lacks any.
"""

from __future__ import annotations

import io
import tomllib
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from digest.content.notice import FOR_READERS
from digest.languages import catalogues
from digest.resources import templates
from tests.repo.tree import ROOT, named, short

# Pages for operators: they say what commands and documents say, in English.
FOR_OPERATORS = (
    "approve",
    "demo",
    "share",
    "preview",
    "receipt",
    "clicks",
    "only_in_mail",
    "_devices",
)
_OPTIONS = {"trimmed": "true", "silent": "false", "extensions": "jinja2.ext.i18n"}
_CALLS = ("_", "gettext", "ngettext")
_HEAD = """\
# What pages, mails to readers and the usual words of an issue say in this language.
# How to add a language: docs/how-to/speak-another-language.md"""

_OF_NO_USE = tuple(
    f'"{name}'.encode()
    for name in ("Project", "Report", "POT", "PO-", "Last-", "Language-Team", "Generated")
)

Found = tuple[str | tuple[str, ...], str]


def sources() -> list[Path]:
    """The templates of what readers see."""
    pages = [
        path
        for path in sorted((templates() / "web").glob("*.html"))
        if not path.name.startswith(FOR_OPERATORS)
    ]
    mails = [
        path
        for kind in sorted(FOR_READERS)
        for path in sorted((templates() / "mail" / kind).iterdir())
    ]
    return pages + mails


def messages() -> Iterator[Found]:
    """Every message, and the file it stands in."""
    for path in sources():
        with path.open("rb") as file:
            for _, _, message, _ in babel_extract(file, _CALLS, [], _OPTIONS):
                told = message if isinstance(message, tuple) else (message,)
                words = tuple(one for one in told if isinstance(one, str))  # a plural has two
                if words:
                    yield words if len(words) > 1 else words[0], short(path)
    for path in named(".py", under="digest"):
        with path.open("rb") as file:
            for found in extract("python", file, keywords={"phrase": None}):
                yield found[1], short(path)
    words = tomllib.loads((templates() / "issue/default/theme.toml").read_text("utf-8"))["words"]
    for value in words.values():
        if value and isinstance(value, str):
            yield value, short(templates() / "issue/default/theme.toml")


def update() -> None:
    """Write every catalogue anew, with the messages there are now."""
    found = list(messages())
    for path in sorted(catalogues().glob("*.po")):
        with path.open("rb") as file:
            old = read_po(file, locale=path.stem)
        new = Catalog(locale=path.stem, header_comment=_HEAD, fuzzy=False)
        for message, place in found:
            kept = old.get(message)
            new.add(message, kept.string if kept else "", locations=[(place, 0)])
        path.write_bytes(_written(new))


def _written(catalog: Catalog) -> bytes:
    out = io.BytesIO()
    write_po(out, catalog, width=100, include_lineno=False, omit_header=False)
    head, _, rest = out.getvalue().partition(b"\n\n")
    kept = (line for line in head.splitlines() if not line.startswith(_OF_NO_USE))
    return b"\n".join(kept) + b"\n\n" + rest.rstrip() + b"\n"


if __name__ == "__main__":
    update()
    print(f"{len(list(catalogues().glob('*.po')))} catalogues in {catalogues().relative_to(ROOT)}")
