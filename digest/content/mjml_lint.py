"""What is wrong with one template of a theme, each thing with its line and column.

MJML itself checks nothing: an unknown tag is copied, an attribute with a typing error has no
effect, a colour that is none breaks the look in some programs only. A file is MJML with Jinja in
it, and well-formed by itself; so is each branch of an ``{% if %}``. A value made by Jinja is judged
when the theme is filled in, not here. Tables and pictures are held to WCAG 2.2 (1.1.1, 1.3.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final
from xml.parsers import expat

from digest.content.mjml_tags import (
    CHOICES,
    HTML_INSIDE,
    KINDS,
    PARENTS,
    REFUSED,
    Kind,
    attributes_of,
)
from digest.errors import ThemeError

__all__ = ["Flaw", "check_template", "includes_of", "lint_template"]

_FIX: Final = "Every tag of a theme must be closed, known and in its place."
_SMALLEST: Final = 14  # px a text may be small

_JINJA: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
# What a value made by Jinja holds instead while a template is judged.
_MADE: Final = "\ue01f"

_NUMBER: Final = r"-?(?:\d+(?:\.\d+)?|\.\d+)"
_UNIT: Final = rf"(?:0|{_NUMBER}(?:px|%))"
_COLOUR: Final = re.compile(
    r"#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})|(?:rgb|hsl)a?\([\d.,%/ ]+\)|transparent|none",
    re.IGNORECASE,
)
_EDGE: Final = re.compile(
    rf"(?:none|0|{_NUMBER}px (?:none|solid|dashed|dotted|double|groove|ridge|inset|outset) (.+))"
)
_PATTERNS: Final[dict[Kind, re.Pattern[str]]] = {
    Kind.LENGTH: re.compile(rf"{_UNIT}|auto|100"),
    Kind.PIXELS: re.compile(rf"0|{_NUMBER}px"),
    Kind.BOX: re.compile(rf"{_UNIT}(?: +{_UNIT}){{0,3}}"),
    Kind.SPACING: re.compile(rf"normal|none|0|{_NUMBER}(?:px|em)"),
    Kind.LINE: re.compile(rf"normal|{_NUMBER}(?:px|%)?"),
    Kind.NUMBER: re.compile(r"\d+"),
    Kind.WEIGHT: re.compile(r"normal|bold|[1-9]00"),
    Kind.PICTURE: re.compile(r"https://\S+|none"),
}
_LETTERS: Final = re.compile(r"(\d+(?:\.\d+)?)px")
_REMOTE: Final = re.compile(r"@import|@font-face|url\(\s*['\"]?(?:https?:)?//", re.IGNORECASE)
_STYLED_SIZE: Final = re.compile(r"font-size:\s*(\d+(?:\.\d+)?)px")


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing to put right; ``line`` and ``column`` count from 1."""

    line: int
    column: int
    message: str
    fix: str = _FIX


def lint_template(source: str) -> tuple[Flaw, ...]:
    """All flaws of one file of a theme, in the order in which they stand there.

    Where a file is not well-formed that is the last one: what comes after it cannot be read.
    """
    return _Lint().run(_without_jinja(source))


def check_template(source: str, *, path: str) -> None:
    """Raise ThemeError (path:line:column) for the first flaw of a file of a theme."""
    for flaw in lint_template(source):
        where = f"{path}:{flaw.line}:{flaw.column}"
        raise ThemeError(flaw.message, where=where, fix=flaw.fix)


def _without_jinja(source: str) -> str:
    """The template with spaces in place of Jinja's tags, and ``_MADE`` where one is in a value.

    Every line and column stays where it was.
    """
    pieces, at, quote, inside = [], 0, "", False
    for match in _JINJA.finditer(source):
        plain = source[at : match.start()]
        quote, inside = _state(plain, quote, inside)
        pieces += [plain, re.sub(r"[^\n]", _MADE if quote else " ", match[0])]
        at = match.end()
    return "".join([*pieces, source[at:]])


def _state(text: str, quote: str, inside: bool) -> tuple[str, bool]:  # noqa: FBT001 - a state
    """The quotation mark that is open after ``text``, and whether a tag is."""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif inside and character in "\"'":
            quote = character
        elif character in "<>":
            inside = character == "<"
    return quote, inside


class _Lint:
    """Walks one template with expat, which knows line and column of every tag."""

    # One line that is not the author's goes before; the file may hold several elements.
    _ROOT: Final = "theme-file"
    _OPEN: Final = f"<{_ROOT}>"

    def __init__(self) -> None:
        self.flaws: list[Flaw] = []
        self.open: list[str] = []
        self.style: tuple[int, int] | None = None
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def run(self, masked: str) -> tuple[Flaw, ...]:
        document = f"{self._OPEN}{masked}</{self._ROOT}>".encode()
        try:
            self.parser.Parse(document, True)  # noqa: FBT003 - positional only
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            self._add(f"This is no well-formed MJML: {reason}.", at=(error.lineno, error.offset))
        return tuple(self.flaws)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        parent = self.open[-1] if self.open else ""
        self.open.append(tag)
        if len(self.open) == 1:
            return
        problem = self._misplaced(tag, parent)
        if problem:
            self._add(*problem)
        elif tag.startswith("mj"):
            self._mjml(tag, attributes, parent)
        else:
            self._html(tag, attributes)

    def _misplaced(self, tag: str, parent: str) -> tuple[str, str] | None:
        if tag in REFUSED:
            why, fix = REFUSED[tag]
            return f"<{tag}> is not allowed in a theme. {why}", fix
        in_html = parent in HTML_INSIDE or not parent.startswith(("mj", self._ROOT))
        if not tag.startswith("mj"):
            # A file of nothing but HTML is a part that others include in their <mj-text>.
            outside = not in_html and parent not in (self._ROOT, "mj-html-attribute")
            return (f"<{tag}> stands in no <mj-text> or <mj-raw>.", _FIX) if outside else None
        if in_html:
            return f"<{tag}> cannot stand in HTML.", _FIX
        if tag not in PARENTS:
            return f"<{tag}> is no tag of MJML.", _meant(tag, PARENTS) or _FIX
        if parent not in (self._ROOT, *PARENTS[tag]):
            places = " or ".join(f"<{name}>" for name in sorted(PARENTS[tag] - {"mj-attributes"}))
            fix = f"It stands in {places}." if places else "It is the outermost tag."
            return f"<{tag}> cannot stand in <{parent}>.", fix
        return None

    def _mjml(self, tag: str, attributes: dict[str, str], parent: str) -> None:
        known = attributes_of(tag)
        for name, value in attributes.items():
            if name not in known:
                listed = ", ".join(sorted(known)) or "none"
                fix = _meant(name, known) or f"It has: {listed}."
                self._add(f"<{tag}> has no attribute {name}.", fix)
            elif problem := _bad_value(tag, name, value):
                self._add(*problem)
        if parent == "mj-attributes":
            return
        if tag in ("mj-image", "mj-carousel-image") and "alt" not in attributes:
            self._add(f"<{tag}> has no alt.", _ALT_FIX)
        if tag == "mj-social-element" and "src" not in attributes:
            message = "<mj-social-element> without src would load its icon from elsewhere."
            self._add(message, "Give it a src of your own.")

    def _html(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "img" and "alt" not in attributes:
            self._add("<img> has no alt.", _ALT_FIX)
        if tag == "table" and "role" not in attributes:
            self._add("<table> has no role.", 'A table for layout has role="presentation".')
        for name, value in attributes.items():
            if name.lower().startswith("on"):
                self._add(f"<{tag}> has a script in {name}.", "Remove it.")
            for size in _STYLED_SIZE.findall(value) if name == "style" else ():
                if 1 < float(size) < _SMALLEST:  # 1px is the line of a rule
                    self._add(f"Letters of {size}px are too small.", _SIZE_FIX)

    def _text(self, text: str) -> None:
        if self.open[-1] in ("mj-style", "style") and _REMOTE.search(text):
            message = "This style would load something from elsewhere."
            self._add(message, "A mail names fonts its readers have, and loads nothing.")

    def _end(self, _tag: str) -> None:
        self.open.pop()

    def _add(self, message: str, fix: str = _FIX, at: tuple[int, int] | None = None) -> None:
        line, column = at or (self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber)
        shift = len(self._OPEN) if line == 1 else 0
        self.flaws.append(Flaw(line, max(column - shift, 0) + 1, message, fix))


def _meant(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f"Is {close[0]} meant?" if close else ""


_ALT_FIX: Final = 'Say what it shows; alt="" for what is only an ornament.'
_SIZE_FIX: Final = f"Text needs at least {_SMALLEST}px to be read on a phone."


def _bad_value(tag: str, name: str, value: str) -> tuple[str, str] | None:
    """What is wrong with a value and what would be right; None where nothing is."""
    value = value.strip()
    if _MADE in value:
        return None
    if name in CHOICES:
        words = CHOICES[name]
        if value in words:
            return None
        return f"{name}={value!r} of <{tag}> is none of its words.", f"Write {_either(words)}."
    kind = KINDS.get(name, Kind.TEXT)
    if _fits(kind, value):
        return None
    return f"{name}={value!r} of <{tag}> is not {kind}.", _VALUE_FIXES.get(kind, f"Write {kind}.")


def _either(words: frozenset[str]) -> str:
    *most, last = sorted(words)
    return f"{', '.join(most)} or {last}" if most else last


_VALUE_FIXES: Final = {
    Kind.LETTERS: _SIZE_FIX,
    Kind.PICTURE: "Readers' programs fetch pictures over https: only.",
}


def _fits(kind: Kind, value: str) -> bool:
    if kind is Kind.TEXT:
        return True
    if kind is Kind.COLOUR:
        return _is_colour(value)
    if kind is Kind.BORDER:
        edge = _EDGE.fullmatch(value)
        return edge is not None and (edge[1] is None or _is_colour(edge[1]))
    if kind is Kind.LETTERS:
        size = _LETTERS.fullmatch(value)
        return value in ("0", "0px") or (size is not None and float(size[1]) >= _SMALLEST)
    return bool(_PATTERNS[kind].fullmatch(value))


def _is_colour(value: str) -> bool:
    from PIL.ImageColor import colormap  # 5 MB, which senders need not have

    return bool(_COLOUR.fullmatch(value)) or value.lower() in colormap


def includes_of(source: str) -> Iterator[tuple[int, int, str]]:
    """Line, column and name of every file a template takes in by its name."""
    for match in _INCLUDE.finditer(source):
        line = source.count("\n", 0, match.start()) + 1
        column = match.start() - source.rfind("\n", 0, match.start())
        yield line, column, match["name"]


_INCLUDE: Final = re.compile(
    r"\{%-?\s*(?:include|extends|import|from)\s+(?P<quote>[\"'])(?P<name>.*?)(?P=quote)"
)
