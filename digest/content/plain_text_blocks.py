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

SEPARATOR = re.compile(r"[-=*_~#•·–—+](?:[ \t]*[-=*_~#•·–—+]){2,}|--")
"""A line of signs between parts; it is layout and no words."""

_BULLET = re.compile(r"(?:[-*•‣▪●◦·–—+])[ \t]+(?=\S)")


def _begins(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.VERBOSE)


_MARKED_TITLE = _begins(
    r"""\[?(?: github | gitlab | repo | pdf | video | sponsor(?:ed)? | ad | paper | code | podcast )
    (?: \] | : )\s*\S"""
)
_GREETING = _begins(
    r"""(?: hi | hey | hello | dear | howdy | greetings | happy[ ]\w+day
    | good[ ](?: morning | day | afternoon | evening ) )\b"""
)
_SIGN_OFF = _begins(
    r"""until[ ](?:next|then) | see[ ]you | that[’']?s[ ](?:all|it) | take[ ]care | talk[ ]soon
    | thanks?[ ](?:you[ ])?(?:for|to)\b | happy[ ]\w+ing\b | (?:cheers|enjoy|bye|yours)\b
    | best,  | best[ ](?:regards|wishes) | kind[ ]regards | stay[ ]\w+[,.!] | p\.?s\.
    | have[ ]a[ ](?:great|good|nice) | [-–—][ ]?\w+(?:[ ]\w+)?$"""
)
_FOOTER = _begins(
    r"""(?:to[ ])?unsubscribe | you[ ](?:are[ ]|were[ ])?(?:receiv|subscrib|got) | copyright\b | ©
    | \(c\)[ ] | (?:was[ ]this[ ](?:email[ ])?)?forwarded\b | follow[ ]us | our[ ]mailing
    | manage[ ]your | view[ ](?:this|in|it) | update[ ]your[ ]preferences | share[ ]this
    | reply[ ]to[ ]this | if[ ]you[ ](?:enjoyed|liked|have|no[ ]longer)"""
)
READ_MORE = _begins(
    r"""\W*(?:read|learn|see|more|watch|listen|link|source|via|continue|details|find)\b[^.!?]{0,40}$"""
)
"""What stands before an address that is no title: "Read more:"."""
_BOXED = re.compile(
    r"([-=*~#_])(?:\1+[ \t]*|[ \t]+)(?!\1)(\S(?:(?!\1).)*?)(?:[ \t]*\1{2,}|[ \t]+\1)"
)
_HASHED = re.compile(r"#{1,4}[ \t]+(\S.*?)(?:[ \t]+#+)?")
_BYLINE = _begins(r"\([^()]{2,120}\) | (?:by|via|from|source:)[ ][^.!?]{2,80}")
_DATELINE = re.compile(
    r"\b(?:19|20)\d\d\b|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b|^\W*(?:issue|no\.?|vol\.?|edition|#)\s*#?\d",
    re.IGNORECASE,
)
_KNOWN_HEADING = _begins(
    r"""\W*(?:the[ ])?(?: industry | news | headlines | top[ ](?:stories|news|links) | learning
    | research | papers? | publications? | code | librar(?:y|ies) | repos(?:itories)?
    | data[ ]?sets? | data | tools? | tutorials? | guides? | events? | jobs? | community | mobile
    | in[ ]brief | quick[ ](?:hits|links) | videos? | podcasts? | sponsors? | articles?
    | links? | releases? | projects? | opinions? | analysis | reads? | reading | deep[ ]dives?
    | features? | policy | misc(?:ellaneous)? | interviews? | announcements? | business
    | science | engineering | security | design | open[ ]source | conferences? | books?
    | resources? | startups? | ethics
    | hardware | software )\b"""
)
LABELLED = re.compile(r"([^:]{3,100}:)\s+(\S.*)")
"""An entry of a list that says what it is before it says something about it."""
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
        words = self.text.rstrip(" \t)\"'”’»]")
        if self.ends_with_address:
            return True
        if len(self.text) > _TITLE_LENGTH or words.endswith((".", "…", ",", ";", ":")):
            return not re.search(r"\b(?:inc|vs|etc|ltd|co)\.$", words, re.IGNORECASE)
        return words.endswith("!") and self.words < 5

    @cached_property
    def is_labelled(self) -> bool:
        """Whether it is an entry of a list with a title, a colon and a text."""
        return self.bullet and LABELLED.fullmatch(self.text) is not None

    @cached_property
    def is_question(self) -> bool:
        """Whether it ends as a question or an exclamation: a title or a text."""
        return self.text.rstrip(" \t)\"'”’»]").endswith(("?", "!"))

    @cached_property
    def is_marked_title(self) -> bool:
        """Whether a mark such as ``[GitHub]`` or an address at its end makes it a title."""
        return bool(_MARKED_TITLE.match(self.text)) or self.before_address is not None

    @cached_property
    def before_address(self) -> str | None:
        """The title before an address at the end, or None where there is none."""
        address = URL.search(self.text) if len(self.text) < 400 else None
        if address is None or self.is_address or self.text[address.end() :].strip(")>] "):
            return None
        words = self.text[: address.start()].rstrip(" \t(<[-–—|:")
        text = words.endswith((".", "!")) or bool(READ_MORE.match(words)) or len(words) > 300
        return None if text or not words else words

    @cached_property
    def ends_with_address(self) -> bool:
        """Whether a text leads to an address at its end."""
        last = self.text.split()[-1].strip("()<>[]")
        return self.before_address is None and not self.is_address and bool(URL.fullmatch(last))

    @cached_property
    def is_greeting(self) -> bool:
        """Whether it greets the readers."""
        return self.words < 12 and bool(_GREETING.match(self.text))

    @cached_property
    def is_sign_off(self) -> bool:
        """Whether it says good-bye."""
        return len(self.text) < 200 and bool(_SIGN_OFF.match(self.text))

    @cached_property
    def is_footer(self) -> bool:
        """Whether it speaks about the newsletter, as a foot does."""
        return bool(_FOOTER.match(self.text))

    @cached_property
    def is_byline(self) -> bool:
        """Whether it names a site, an author or a reading time, in parentheses or after "by"."""
        return len(self.text) <= 120 and bool(_BYLINE.fullmatch(self.text))

    @cached_property
    def is_abstract(self) -> bool:
        """Whether it is quoted as the abstract of a paper."""
        return self.text.lower().startswith("abstract:") and self.words > 1

    @cached_property
    def is_known_heading(self) -> bool:
        """Whether it begins with a word that newsletters use for their sections."""
        return bool(_KNOWN_HEADING.match(self.text)) and self.words <= 7

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
        )

    @cached_property
    def is_dateline(self) -> bool:
        """Whether it only says which issue of which day this is."""
        return self.words <= 10 and bool(_DATELINE.search(self.text))

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
        hashed = _HASHED.fullmatch(self.text) is not None
        boxed = _BOXED.fullmatch(self.text) is not None
        colon = self.text.endswith(":") and self.words <= 4
        return self.ruled or capitals or picture or hashed or boxed or colon


def read_text_blocks(lines: Sequence[str]) -> list[TextBlock]:
    """The blocks of a text, in order; lines of signs only widen the gap (or rule a heading off)."""
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
