"""Reading rendered HTML as mail programs do: with and without Outlook's conditional comments."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = frozenset(["area", "base", "br", "col", "hr", "img", "input", "link", "meta", "wbr"])
_SECTIONS = re.compile("\ue002([0-9]+)\ue003")
_CONDITIONAL = re.compile(r"<!--\[if [^\]]*\]>(.*?)<!\[endif\]-->", re.DOTALL)


class Page(HTMLParser):
    """Every tag with its attributes, the words, and whether all tags were closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.comments: list[str] = []
        self.open: list[str] = []
        self.balanced = True
        self.feed(html)
        self.close()
        self.balanced = self.balanced and not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.balanced = False

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "title"):
            self.words.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def links(self) -> list[str]:
        return [str(a["href"]) for a in self.attributes("a") if "href" in a]

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def outlook(html: str) -> str:
    """The page as Outlook's Word sees it: conditional comments are part of it."""
    html = html.replace("<!--[if !mso]><!-->", "").replace("<!--<![endif]-->", "")
    return _CONDITIONAL.sub(lambda match: match[1], html)


def without_sections(text: str, muted: set[int]) -> str:
    """What is left of a marked text when these sections are muted."""
    pieces = _SECTIONS.split(text)
    kept = [pieces[0]]
    for number, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        if int(number) not in muted:
            kept.append(piece)
    return "".join(kept)
