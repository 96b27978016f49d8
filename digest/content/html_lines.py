"""The HTML of a mail as lines of words and links, its tables and wrappers flattened.

lxml parses it without network and without entities of its own; scripts, styles and what is
hidden from readers are left out, only the first hidden text is kept: it is the preview line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from lxml import etree, html

from digest.content.issue_source import issue_error, without_forbidden

_BLOCK = re.compile(
    "address|article|aside|blockquote|body|br|center|d[dlt]|div|fieldset|figcaption|figure|footer"
    "|form|h[1-6r]|header|li|main|nav|ol|p|pre|section|t[dhr]|table|tbody|tfoot|thead|ul"
)
_SKIPPED = re.compile("script|style|head|template|noscript|svg|object|iframe")
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|max-height\s*:\s*0(?!\.?\d*[1-9])|mso-hide\s*:\s*all"
    r"|font-size\s*:\s*0(?:px|pt|em|%)?\s*(?:;|$|!)",
    re.IGNORECASE,
)
_BOLD = re.compile(r"font-weight\s*:\s*(?:bold|[6-9]00)", re.IGNORECASE)
# Fill that keeps a mail program from showing more than the preview line.
_FILL = re.compile("[\u00ad\u034f\u061c\u200b-\u200f\u2007\u2060-\u2064\ufeff]+")
_TRACKERS = re.compile(
    r"utm_.*|mc_[ce]id|fbclid|gclid|_hs(?:enc|mi)|ck_subscriber_id", re.IGNORECASE
)
_MAX_DEPTH = 250


@dataclass(slots=True)
class Run:
    """Words that stand together, with the address they link to."""

    text: str
    href: str | None = None
    bold: bool = False


@dataclass(slots=True)
class Line:
    """A line: ``level`` is that of a heading (0: none), ``entry`` says it begins a list's entry."""

    runs: list[Run] = field(default_factory=list)
    level: int = 0
    entry: bool = False
    quoted: bool = False

    @property
    def text(self) -> str:
        """Its words, with single spaces."""
        return " ".join("".join(run.text for run in self.runs).split())


@dataclass(slots=True)
class Page:
    """The lines of a document, its ``<title>`` and the text hidden before them."""

    title: str = ""
    preheader: str = ""
    lines: list[Line] = field(default_factory=list)


def read_page(text: str, *, path: str) -> Page:
    """The lines of an HTML document. Raises IssueFileError where it is no document."""
    parser = html.HTMLParser(no_network=True, remove_comments=True, remove_pis=True)
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", clean(text))
    try:
        root = html.document_fromstring(text, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        fix = "Give the HTML of a newsletter."
        raise issue_error(path, "The file has no text.", fix, line=1) from error
    if any("depth" in entry.message for entry in parser.error_log):
        fix = "Import its text part instead."
        raise issue_error(path, f"More than {_MAX_DEPTH} elements are nested.", fix, line=1)
    flattener = _Flattener()
    flattener.read(root)
    page = flattener.page
    page.title = " ".join((root.findtext(".//title") or "").split())
    page.lines = [line for line in page.lines if line.text]
    return page


def clean(text: str) -> str:
    """The text without the characters that can stand in no issue (icon fonts use them)."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", " ")
    return without_forbidden(text)


def plain_address(href: str) -> str:
    """An address without the parameters that only tell where a click came from."""
    href = "".join(href.split())
    try:
        parts = urlsplit(href)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return href
    kept = [(name, value) for name, value in pairs if not _TRACKERS.fullmatch(name)]
    if len(kept) == len(pairs):
        return href
    return urlunsplit(parts._replace(query=urlencode(kept)))


class _Flattener:
    """Walks the elements once; what is open is kept in stacks, not in calls."""

    def __init__(self) -> None:
        self.page = Page()
        self.line = Line()
        self.links: list[str] = []
        self.bold = 0
        self.quotes = 0

    def read(self, root: html.HtmlElement) -> None:
        body = root.find("body")
        walk = etree.iterwalk(root if body is None else body, events=("start", "end"))
        for event, element in walk:
            if event == "start":
                if self.is_skipped(element):
                    walk.skip_subtree()
                    continue
                self.open(element)
            else:
                if not self.is_skipped(element):
                    self.close(element)
                self.add(element.tail or "")
        self.end_line()

    def is_skipped(self, element: html.HtmlElement) -> bool:
        tag = element.tag
        if not isinstance(tag, str) or _SKIPPED.fullmatch(tag):
            return True
        hidden = "hidden" in element.attrib or _HIDDEN.search(element.get("style", "")[:2_000])
        if hidden and not self.page.preheader and not self.page.lines and not self.line.text:
            hidden_text = without_forbidden("".join(element.itertext()))
            self.page.preheader = " ".join(_FILL.sub("", hidden_text).split())[:500]
        return bool(hidden)

    def open(self, element: html.HtmlElement) -> None:
        tag = element.tag
        if _BLOCK.fullmatch(tag):
            self.end_line()
            self.line.level = _HEADINGS.get(tag, self.line.level)
            self.line.entry = tag == "li" or self.line.entry
        if tag == "a":
            self.links.append(plain_address(element.get("href") or ""))
        self.bold += _is_bold(element)
        self.quotes += tag == "blockquote"
        if tag == "img":
            self.add(f" {element.get('alt') or ''} ")
        self.add(element.text or "")

    def close(self, element: html.HtmlElement) -> None:
        tag = element.tag
        if _BLOCK.fullmatch(tag):
            self.end_line()
            self.line.level = 0
        if tag == "a" and self.links:
            self.links.pop()
        self.bold -= _is_bold(element)
        self.quotes -= tag == "blockquote"

    def add(self, text: str) -> None:
        words = _FILL.sub("", without_forbidden(text))  # entities can spell what is forbidden
        if not words:
            return
        href = self.links[-1] if self.links else None
        self.line.quoted = self.quotes > 0
        last = self.line.runs[-1] if self.line.runs else None
        if last and last.href == href and last.bold == (self.bold > 0):
            last.text += words
        else:
            self.line.runs.append(Run(words, href, self.bold > 0))

    def end_line(self) -> None:
        line = self.line
        if line.text:
            self.page.lines.append(line)
            self.line = Line(level=line.level)
        else:
            self.line = Line(level=line.level, entry=line.entry)


def _is_bold(element: html.HtmlElement) -> bool:
    return element.tag in {"b", "strong"} or bool(_BOLD.search(element.get("style", "")[:2_000]))
