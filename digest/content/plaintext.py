"""The text part of an issue, written from its source and never from its HTML.

72 columns (RFC 5322 §2.1.1 asks for at most 78), East Asian wide characters counted as two (Unicode
TR 11). Links are numbered within their section and listed at its end, so that a section which a
reader has muted takes its links along. Quoted source stands behind ``> ``, as in a reply.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from markdown_it.token import Token

from digest.content.issue import ItemKind
from digest.content.layout import Block, IssueLayout, ItemLayout, Picture, SectionLayout
from digest.content.theme import Masthead, Theme
from digest.mail.message import section_mark, slot_mark

WIDTH: Final = 72
_WIDE: Final = frozenset({"W", "F"})
_SPACES: Final = re.compile(r"[ \t\n]+")  # a no-break space is none of them
# Scripts and punctuation that surely take one column: Latin, dashes, quotation marks.
_NARROW: Final = re.compile("[\\x00-\u02ff\u2010-\u2027]*")
_MARK: Final = re.compile("[\ue000\ue002][0-9]+[\ue001\ue003]")


def render_plain(
    layout: IssueLayout, masthead: Masthead, theme: Theme, *, date_line: str, contents: bool
) -> str:
    """The text part with its slot and section marks. Lines end with a line feed."""
    page = _Page()
    page.heading(layout.title, "=")
    page.line(date_line)
    page.gap()
    page.block(layout.opening)
    page.flush_links()
    if contents:
        page.contents(layout.sections, theme.word("contents"))
    for section in layout.sections:
        _section(page, section, theme)
    page.mark(0)
    if layout.closing:
        page.rule()
        page.block(layout.closing)
        page.flush_links()
    _footer(page, layout, masthead, theme)
    return page.text()


def _section(page: _Page, section: SectionLayout, theme: Theme) -> None:
    page.mark(section.number)
    page.gap(2)
    page.heading(section.heading, "-")
    page.block(section.text)
    for item in section.items:
        _item(page, item, theme)
    page.flush_links()


def _item(page: _Page, item: ItemLayout, theme: Theme) -> None:
    number = page.links.number(item.href)
    if item.short:
        words = page.words(item.body)
        label = f"[{theme.word('sponsor')}] " if item.sponsor else ""
        text = f"{label}{item.title}{number}{item.joint}{words}"
        page.paragraph(text, first="- ", rest="  ")
        page.close_up()
        return
    page.gap()
    label = theme.word(item.kind) if item.kind is not ItemKind.ARTICLE else ""
    page.paragraph(f"[{label}] {item.title}{number}" if item.sponsor else f"{item.title}{number}")
    page.close_up()
    if item.byline:
        page.paragraph(page.words(item.byline))
    page.gap()
    if item.picture:
        words = ": ".join(filter(None, (theme.word("picture"), item.picture.alt)))
        page.paragraph(f"[{words}]{page.links.number(item.picture.src)}")
    page.block(item.body)


def _footer(page: _Page, layout: IssueLayout, masthead: Masthead, theme: Theme) -> None:
    page.rule()
    if masthead.subscribe_url:
        page.line(f"{theme.word('forwarded')} {theme.word('subscribe')}:")
        page.line(masthead.subscribe_url)
        page.gap()
    if masthead.issue_url:
        page.line(f"{theme.word('online')}:")
        page.line(masthead.issue_url)
        page.gap()
    page.paragraph(masthead.why or theme.say("why", name=masthead.name))
    page.line(f"{theme.word('preferences')}:")
    page.line(layout.preferences_url)
    page.line(f"{theme.word('leave')}:")
    page.line(layout.leave_url)
    page.gap()
    page.paragraph(theme.word("footer"))
    for line in masthead.postal_address.splitlines():
        page.line(line.strip())


@dataclass(slots=True)
class _Footnotes:
    """The numbered links of one section."""

    urls: list[str] = field(default_factory=list)

    def number(self, url: str | None) -> str:
        """`` [3]`` for the third link; nothing for a link that leads nowhere."""
        if url is None:
            return ""
        if url not in self.urls:
            self.urls.append(url)
        return f" [{self.urls.index(url) + 1}]"


@dataclass(slots=True)
class _Page:
    """Lines being written; blank lines are asked for, and never stand twice."""

    lines: list[str] = field(default_factory=list)
    links: _Footnotes = field(default_factory=_Footnotes)
    blank: int = 0
    border: str = ""

    def line(self, text: str) -> None:
        if not text:
            return
        if self.lines and self.blank:
            self.lines.extend([self.border, *[""] * (self.blank - 1)])
            self.border = ""
        self.blank = 0
        self.lines.append(self.border + text)
        self.border = ""

    def gap(self, lines: int = 1) -> None:
        self.blank = max(self.blank, lines)

    def close_up(self) -> None:
        """No blank line before the next one, whatever stood before."""
        self.blank = 0

    def mark(self, section: int) -> None:
        """What follows belongs to ``section``, the blank lines before it included."""
        self.border += section_mark(section)

    def heading(self, text: str, underline: str) -> None:
        wrapped = wrap(text)
        for line in wrapped:
            self.line(line)
        self.line(underline * min(max(map(columns, wrapped), default=0), WIDTH))
        self.gap()

    def rule(self) -> None:
        self.gap()
        self.line("* * *")
        self.gap()

    def paragraph(self, text: str, *, first: str = "", rest: str = "") -> None:
        for line in text.split("\n"):
            for wrapped in wrap(line, first=first, rest=rest):
                self.line(wrapped)
            first = rest
        self.gap()

    def contents(self, sections: Iterable[SectionLayout], heading: str) -> None:
        self.gap()
        self.line(f"{heading}:")
        for section in sections:
            self.mark(section.number)
            self.paragraph(section.heading, first="- ", rest="  ")
            self.close_up()
        self.mark(0)
        self.gap()

    def flush_links(self) -> None:
        """List the links met since the last time, and count from 1 again."""
        self.gap()
        for number, url in enumerate(self.links.urls, 1):
            self.line(f"[{number}] {url}")
        self.links = _Footnotes()
        self.gap()

    def block(self, block: Block) -> None:
        _write_blocks(self, block)
        self.gap()

    def words(self, block: Block) -> str:
        """A block of inline Markdown (a byline, an entry of a list) as one text."""
        return "".join(_inline(t.children or (), block.settled, self.links) for t in block.tokens)

    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


def _write_blocks(page: _Page, block: Block) -> None:
    """Walk block tokens with the prefixes (quote, list item) that are open at each."""
    prefixes: list[list[str]] = []  # [for the next line, for the ones after]
    counters: list[int | None] = []
    for token in block.tokens:
        kind = token.type
        if kind == "inline":
            text = _inline(token.children or (), block.settled, page.links)
            _paragraph(page, text, prefixes)
        elif kind in ("fence", "code_block"):
            _verbatim(page, token.content, prefixes)
        elif kind == "blockquote_open":
            prefixes.append(["> ", "> "])
        elif kind == "list_item_open":
            bullet = _bullet(counters)
            prefixes.append([bullet, " " * len(bullet)])
        elif kind in ("bullet_list_open", "ordered_list_open"):
            start = int(str(token.attrs.get("start", 1)))
            counters.append(start if kind == "ordered_list_open" else None)
        elif kind in ("bullet_list_close", "ordered_list_close"):
            counters.pop()
            page.gap()
        elif kind in ("blockquote_close", "list_item_close"):
            prefixes.pop()
        elif kind == "paragraph_close":
            (page.close_up if token.hidden else page.gap)()
        elif kind == "hr":
            _paragraph(page, "* * *", prefixes)


def _bullet(counters: list[int | None]) -> str:
    number = counters[-1]
    if number is None:
        return "- "
    counters[-1] = number + 1
    return f"{number}. "


def _paragraph(page: _Page, text: str, prefixes: list[list[str]]) -> None:
    if page.blank and prefixes and page.lines and _quoted(prefixes) and _continues(page):
        page.close_up()
        page.line("".join(rest for _, rest in prefixes).rstrip())
    for line in text.split("\n"):
        first = "".join(first for first, _ in prefixes)
        rest = "".join(rest for _, rest in prefixes)
        for wrapped in wrap(line, first=first, rest=rest):
            page.line(wrapped)
        for prefix in prefixes:
            prefix[0] = prefix[1]
    page.gap()


def _quoted(prefixes: list[list[str]]) -> bool:
    return prefixes[-1][0] == "> "


def _continues(page: _Page) -> bool:
    """Whether the last line was of the same quotation: then its blank line is quoted too."""
    return _MARK.sub("", page.lines[-1]).lstrip().startswith(">")


def _verbatim(page: _Page, code: str, prefixes: list[list[str]]) -> None:
    indent = "".join(rest for _, rest in prefixes) + "    "
    for line in code.rstrip("\n").split("\n"):
        page.line((indent + line).rstrip() or " ")
    page.gap()


def _inline(children: Iterable[Token], settled: Mapping[int, object], links: _Footnotes) -> str:
    """The words of a paragraph; emphasis keeps its signs where it carries meaning (code)."""
    out: list[str] = []
    targets: list[str | None] = []
    for token in children:
        kind = token.type
        if kind == "text":
            out.append(token.content)
        elif kind == "softbreak":
            out.append(" ")
        elif kind == "hardbreak":
            out.append("\n")
        elif kind == "code_inline":
            out.append(f"`{token.content}`")
        elif kind in ("em_open", "em_close"):
            out.append("_")
        elif kind in ("strong_open", "strong_close"):
            out.append("*")
        elif kind == "link_open":
            href = settled.get(id(token))
            targets.append(None if href is None else str(href))
        elif kind == "link_close":
            out.append(links.number(targets.pop()))
        elif kind == "image":
            out.append(_picture(token, settled.get(id(token)), links, linked=any(targets)))
        elif kind == "slot":
            out.append(slot_mark(int(str(settled[id(token)]))))
    return "".join(out)


def _picture(token: Token, picture: object, links: _Footnotes, *, linked: bool) -> str:
    """What a picture shows, and where it is to be seen (unless it is a link already)."""
    if isinstance(picture, Picture) and not linked:
        return f"[{token.content or '…'}]{links.number(picture.src)}"
    return f"[{token.content}]" if token.content else ""


def columns(text: str) -> int:
    """Columns of a terminal that ``text`` takes: wide characters two, combining marks none."""
    if text.isascii():
        return len(text)
    text = _MARK.sub("", text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in _WIDE else 1
        for c in text
    )


def wrap(text: str, *, first: str = "", rest: str = "") -> list[str]:
    """Lines of at most 72 columns. Words are never broken, except between wide characters."""
    words = [word for word in _SPACES.split(text) if word]
    if not words:
        return []
    if _NARROW.fullmatch(text):
        return _wrap_narrow(" ".join(words), first, rest)
    lines, current, used = [], first, columns(first)
    fresh = True
    for piece, spaced in _pieces(words):
        size = columns(piece)
        if not fresh and used + spaced + size > WIDTH:
            lines.append(current)
            current, used, fresh = rest, columns(rest), True
        joint = " " if spaced and not fresh else ""
        current += joint + piece
        used += len(joint) + size
        fresh = False
    return [*lines, current]


def _wrap_narrow(text: str, first: str, rest: str) -> list[str]:
    """The same for text of one column a character: looks for blanks, not at every word."""
    lines, prefix = [], first
    while len(prefix) + len(text) > WIDTH:
        room = max(WIDTH - len(prefix), 1)
        cut = text.rfind(" ", 0, room + 1)
        if cut < 0:
            cut = text.find(" ", room)
        if cut < 0:
            break
        lines.append(prefix + text[:cut])
        text, prefix = text[cut + 1 :], rest
    return [*lines, prefix + text]


def _pieces(words: Iterable[str]) -> Iterable[tuple[str, bool]]:
    """Words, and the single wide characters of words that have some (they may break anywhere)."""
    for word in words:
        if word.isascii() or columns(word) <= len(word):
            yield word, True
            continue
        spaced, run = True, ""
        for character in word:
            if unicodedata.east_asian_width(character) not in _WIDE:
                run += character
                continue
            if run:
                yield run, spaced
                spaced, run = False, ""
            yield character, spaced
            spaced = False
        if run:
            yield run, spaced
