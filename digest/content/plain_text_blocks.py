"""A newsletter's plain text as blocks: lines that belong together, with the gap above them.

Nothing here knows about sections; it only says what a block looks like. Lines broken by a mail
program at a fixed width are joined again, line breaks somebody meant are kept.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from digest.content.markdown_words import URL
from digest.content.plain_text_phrases import (
    BYLINE,
    DATELINE,
    FOOTER,
    GOES_ON,
    GREETING,
    LABEL,
    MARKED_TITLE,
    NAME,
    NAMES,
    READ_MORE,
    SIGN_OFF,
    TITLE_END,
    is_usual_heading,
)

SEPARATOR = re.compile(r"[-=*_~#•·–—+](?:[ \t]*[-=*_~#•·–—+]){2,}|--")
"""A line of signs between parts; it is layout and no words."""

_BULLET = re.compile(r"(?:[-*•‣▪●◦·–—+])[ \t]+(?=\S)")


_BOXED = re.compile(
    r"([-=*~#_])(?:\1+[ \t]*|[ \t]+)(?!\1)(\S(?:(?!\1).)*?)(?:[ \t]*\1{2,}|[ \t]+\1)"
)
_HASHED = re.compile(r"#{1,4}[ \t]+(\S.*?)(?:[ \t]+#+)?")
_TAG = re.compile(r"#[^\W\d_]")
LABELLED = re.compile(r"([^:]{3,100}:)\s+(\S.*)")
"""An entry of a list that says what it is before it says something about it."""
DASHED = re.compile(r"([^—–]{3,110}?)\s+([—–]\s.*)")
"""A title and, behind a dash, what is said about it."""
_ABBREVIATED = re.compile(r"\b(?:inc|vs|etc|ltd|co|al)\.$", re.IGNORECASE)
_NUMBERED = re.compile(r"\d{1,3}[.)][ \t]+(?=\S)")
_TITLE_LENGTH = 160
_HEADING_LENGTH = 64


@dataclass(frozen=True)  # no slots: what a block looks like is asked again and again, so cached
class TextBlock:
    """One logical line and what it looks like.

    ``gap`` counts the blank lines above it (0: it follows in the same paragraph), ``lines`` are
    the lines as they stood, ``indent`` the spaces before the first; ``ruled``: a line of signs
    stands right below it.
    """

    lines: tuple[str, ...]
    gap: int
    indent: int = 0
    bullet: bool = False
    ruled: bool = False

    @cached_property
    def text(self) -> str:
        """The words on one line."""
        return " ".join(self.lines)

    @cached_property
    def words(self) -> int:
        """How many words it has."""
        return len(self.text.split())

    @cached_property
    def is_address(self) -> bool:
        """Whether it is an http(s) address and nothing else."""
        return URL.fullmatch(self.text.strip("<>()")) is not None

    @cached_property
    def is_sentence(self) -> bool:
        """Whether it reads as a text rather than as a title."""
        if self.ends_with_address or self.is_text_label:
            return True
        if len(self.text) > _TITLE_LENGTH or self.end.endswith((".", "…", ",", ";", ":")):
            return not _ABBREVIATED.search(self.end)
        return self.end.endswith("!") and self.words < 2

    @cached_property
    def end(self) -> str:
        """The text up to its last word, without quotation marks and brackets."""
        return self.text.rstrip(" \t)\"'”’»]")

    @cached_property
    def is_text_label(self) -> bool:
        """Whether it begins by saying what kind of text it is, as "Why it matters:" does."""
        return not self.bullet and bool(LABEL.match(self.text))

    @cached_property
    def is_like_a_title(self) -> bool:
        """Whether it has the full stop of a text and still is short enough for a title."""
        short = 3 <= self.words <= 14 and len(self.text) <= 100
        short = short and ". " not in self.text and not GOES_ON.match(self.text)
        return short and not self.is_text_label and self.end.endswith((".", ":"))

    @cached_property
    def is_title_case(self) -> bool:
        """Whether Most of Its Words Begin Like This."""
        long = [word for word in self.text.split() if len(word) > 3 and word[0].isalpha()]
        return len(long) > 2 and sum(word[0].isupper() for word in long) * 4 > len(long) * 3

    @cached_property
    def is_dashed(self) -> bool:
        """Whether it has a Title in Its Case — and then a text."""
        match = DASHED.fullmatch(self.text) if self.end.endswith((".", "?")) else None
        if match is None or re.search(r"[.,;:]\s", match[1]) or "—" in match[2][1:]:
            return False
        long = [word for word in match[1].split() if len(word) > 3]
        return sum(not word[0].islower() for word in long) * 3 > len(long) * 2

    @cached_property
    def is_labelled(self) -> bool:
        """Whether it is an entry of a list with a title, a colon and a text."""
        return self.bullet and LABELLED.fullmatch(self.text) is not None

    @cached_property
    def is_question(self) -> bool:
        """Whether it ends as a question or an exclamation: a title or a text."""
        return self.end.endswith(("?", "!"))

    @cached_property
    def is_marked_title(self) -> bool:
        """Whether a mark such as ``[GitHub]`` or an address at its end makes it a title."""
        marked = bool(MARKED_TITLE.match(self.text)) and not self.ends_with_address
        marked = marked or (len(self.text) < 200 and bool(TITLE_END.search(self.text)))
        return marked or self.before_address is not None

    @cached_property
    def before_address(self) -> str | None:
        """The title before an address at the end, or None where there is none."""
        address = URL.search(self.text) if len(self.text) < 400 else None
        if address is None or self.is_address or self.text[address.end() :].strip(")>] "):
            return None
        words = self.text[: address.start()].rstrip(" \t(<[-–—|:")
        text = words.endswith((".", "!")) or bool(READ_MORE.match(words)) or len(words) > 300
        text = (
            text
            or re.search(r"[a-z][.!?] [A-Z].{9}|\b(?:at|on|see|visit|to|from)$", words) is not None
        )
        return None if text or not words else words

    @cached_property
    def ends_with_address(self) -> bool:
        """Whether a text leads to an address at its end."""
        last = self.text.split()[-1].strip("()<>[]")
        return self.before_address is None and not self.is_address and bool(URL.fullmatch(last))

    @cached_property
    def is_greeting(self) -> bool:
        """Whether it greets the readers."""
        return self.words < 12 and self.welcomes

    @cached_property
    def welcomes(self) -> bool:
        """Whether it begins with a greeting, and may go on with something else."""
        return bool(GREETING.match(self.text))

    @cached_property
    def is_sign_off(self) -> bool:
        """Whether it says good-bye."""
        return len(self.text) < 200 and bool(SIGN_OFF.match(self.text))

    @cached_property
    def is_footer(self) -> bool:
        """Whether it speaks about the newsletter, as a foot does."""
        return bool(FOOTER.match(self.text))

    @cached_property
    def is_byline(self) -> bool:
        """Whether it names a site, authors or a reading time, in parentheses or after "by"."""
        if len(self.text) > 300:
            return False
        named = bool(NAMES.fullmatch(self.text))
        return named or (len(self.text) <= 120 and bool(BYLINE.fullmatch(self.text)))

    @cached_property
    def is_name(self) -> bool:
        """Whether it may be the name of a person and is nothing longer."""
        return len(self.text) <= 60 and bool(NAME.fullmatch(self.text))

    @cached_property
    def is_abstract(self) -> bool:
        """Whether it is quoted as the abstract of a paper."""
        return self.text.lower().startswith("abstract:") or self.text.lower() == "abstract"

    @cached_property
    def is_known_heading(self) -> bool:
        """Whether it says what newsletters say above their sections, and nothing else."""
        return self.can_be_heading and is_usual_heading(self.heading_words)

    @cached_property
    def can_be_heading(self) -> bool:
        """Whether it is short enough for the heading of a section, and no title by its marks."""
        return (
            len(self.text) <= _HEADING_LENGTH
            and self.words <= 8
            and not self.bullet
            and not self.is_marked_title
            and not self.is_address
            and not self.is_byline
            and not self.is_abstract
            and not self.is_dateline
        )

    @cached_property
    def is_dateline(self) -> bool:
        """Whether it only says which issue of which day this is."""
        return self.words <= 10 and bool(DATELINE.search(self.text))

    @cached_property
    def heading_words(self) -> str:
        """The words of a heading without the signs it is set between."""
        boxed, hashed = _BOXED.fullmatch(self.text), _HASHED.fullmatch(self.text)
        words = boxed[2] if boxed else hashed[1] if hashed else self.text
        return words.strip() or self.text

    @cached_property
    def shows_heading(self) -> bool:
        """Whether its form alone says heading: ruled off, capitals, an emoji, # or a colon."""
        if not self.can_be_heading or self.is_greeting or self.is_sign_off:
            return False
        letters = [sign for sign in self.text if sign.isalpha()]
        capitals = len(letters) > 3 and all(sign.isupper() for sign in letters)
        picture = unicodedata.category(self.text[0]) == "So" and self.words <= 5
        hashed = _HASHED.fullmatch(self.text) or (self.words < 4 and _TAG.match(self.text))
        boxed = _BOXED.fullmatch(self.text) is not None
        colon = self.text.endswith(":") and self.words <= 4
        return self.ruled or capitals or picture or bool(hashed) or boxed or colon


def read_text_blocks(lines: Sequence[str], *, most: int) -> list[TextBlock]:
    """The blocks of a text, in order; lines of signs only widen the gap (or rule a heading off).

    Reading ends with the block number ``most``.
    """
    width = _wrap_width(lines)
    blocks: list[TextBlock] = []
    gap, fresh = 0, True
    for raw in lines:
        line = raw.strip()
        indent = len(raw) - len(raw.lstrip())
        if not line:
            gap, fresh = gap + 1, True
        elif SEPARATOR.fullmatch(line):
            if blocks and not fresh and len(blocks[-1].lines) == 1:
                blocks[-1] = replace(blocks[-1], ruled=True)
            gap, fresh = gap + 2, True
        elif not fresh and _continues(blocks[-1], line, indent=indent, width=width):
            blocks[-1] = replace(blocks[-1], lines=(*blocks[-1].lines, line))
        elif len(blocks) == most:
            break
        else:
            bullet = None if _BOXED.fullmatch(line) else _BULLET.match(line)
            words = line[bullet.end() :].strip() if bullet else line
            blocks.append(TextBlock((words,), gap, indent, bullet=bullet is not None))
            gap, fresh = 0, False
    return _unruled(blocks)


def _unruled(blocks: list[TextBlock]) -> list[TextBlock]:
    # A rule below a sentence is no underline: it stands between two parts.
    kept = []
    for block in blocks:
        heading = block.can_be_heading and not block.is_sentence
        kept.append(block if heading or not block.ruled else replace(block, ruled=False))
    return kept


def _wrap_width(lines: Sequence[str]) -> int | None:
    """The width a mail program broke the lines at, or None: then each break was meant."""
    lengths = [len(line.rstrip()) for line in lines if line.strip() and not URL.search(line)]
    longest = max(lengths, default=0)
    if not 45 <= longest <= 100:
        return None
    full = sum(1 for length in lengths if length >= longest - 14)
    return longest if full >= 3 and full * 5 >= len(lengths) else None


def _continues(block: TextBlock, line: str, *, indent: int, width: int | None) -> bool:
    if _BULLET.match(line) or _NUMBERED.match(line) or URL.fullmatch(line.strip("<>()")):
        return False
    if (block.bullet or _NUMBERED.match(block.text)) and indent > block.indent:
        return True
    if width is None:
        return False
    if block.lines[-1].endswith("-") and len(block.lines[-1]) > width - 20:
        return True
    return len(block.lines[-1]) + 1 + len(line.split(maxsplit=1)[0]) > width
