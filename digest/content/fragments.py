"""An author's Markdown as HTML that may stand in a mail.

markdown-it has no HTML switched on, so what comes in is text; nh3 then keeps only the tags and
attributes listed here, whatever an error of ours or of the parser let through. Styles are written
into the tags afterwards, because several mail programs throw the head of a message away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

import nh3
from markdown_it.token import Token
from markupsafe import Markup

from digest.content.layout import Block, Picture
from digest.mail.message import slot_mark

__all__ = ["Typesetter", "picture_html"]

_TAGS: Final = frozenset(
    ["p", "br", "a", "em", "strong", "code", "pre", "blockquote", "ul", "ol", "li", "hr", "img"]
)
_CLEANER: Final = nh3.Cleaner(
    tags=set(_TAGS),
    attributes={"a": {"href"}, "img": {"src", "alt", "width", "height"}, "ol": {"start"}},
    url_schemes={"http", "https", "mailto"},
    link_rel=None,
    strip_comments=True,
)
# token type → HTML. A heading in a text would break the order of headings, so it is bold text.
_PLAIN: Final[Mapping[str, str]] = {
    "paragraph_open": "<p>",
    "paragraph_close": "</p>",
    "heading_open": "<p><strong>",
    "heading_close": "</strong></p>",
    "blockquote_open": "<blockquote>",
    "blockquote_close": "</blockquote>",
    "bullet_list_open": "<ul>",
    "bullet_list_close": "</ul>",
    "ordered_list_close": "</ol>",
    "list_item_open": "<li>",
    "list_item_close": "</li>",
    "hr": "<hr>",
    "softbreak": "\n",
    "hardbreak": "<br>",
    "em_open": "<em>",
    "em_close": "</em>",
    "strong_open": "<strong>",
    "strong_close": "</strong>",
}
# How nh3 writes the tags that may have attributes; a tag that was styled matches none of these.
_OPENINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "a": ("<a href",),
    "img": ("<img src",),
    "ol": ("<ol>", "<ol start"),
}
# Tags that carry a class, so that the dark styles reach them.
_CLASSES: Final[Mapping[str, str]] = {"a": "link", "blockquote": "quote", "code": "code"}


class Typesetter:
    """Turns blocks into HTML in the style of one theme (``styles``: tag → inline style)."""

    def __init__(self, styles: Mapping[str, str], width: int, *, pictures: bool = True) -> None:
        self.width = width if pictures else 0
        self._figure = styles.get("figure", "")
        self._link = styles.get("a", "")
        self._openings = [
            (opening, opening[: len(tag) + 1] + _attributes(tag, styles) + opening[len(tag) + 1 :])
            for tag in styles
            if tag in _TAGS
            for opening in _OPENINGS.get(tag, (f"<{tag}>",))
        ]
        # The margin below the last paragraph is the template's to give.
        paragraph = f"<p{_attributes('p', styles)}>"
        self._paragraph = paragraph
        self._last = f'<p style="{styles.get("p_last", "margin:0")}">'

    def __call__(self, block: Block) -> Markup:
        """HTML of a block, well-formed as XML. Empty for an empty block."""
        if not block.tokens:
            return Markup("")
        clean = _CLEANER.clean(_html(block, self.width))
        for opening, styled in self._openings:
            if opening in clean:
                clean = clean.replace(opening, styled)
        if clean.endswith("</p>"):
            head, found, tail = clean.rpartition(self._paragraph)
            clean = head + self._last + tail if found else clean
        # nh3 writes HTML; MJML is XML, where these would be unclosed or unknown.
        clean = clean.replace("&nbsp;", "&#160;").replace("<br>", "<br/>")
        return Markup(_close_void(clean))  # noqa: S704 - sanitised two lines above

    def figure(self, picture: Picture, label: str) -> Markup:
        """The picture of an item; where none are shown, ``label`` and its words, linked to it."""
        if self.width:
            html = picture_html(picture, self.width, style=self._figure)
        else:
            words = f"{label}: {picture.alt}" if picture.alt else label
            link = f'class="link" href="{escape(picture.src)}" style="{escape(self._link)}"'
            html = f'<p style="{escape(self._figure)}"><a {link}>{escape(words)}</a></p>'
        return Markup(html)  # noqa: S704 - every value in it is escaped


def _attributes(tag: str, styles: Mapping[str, str]) -> str:
    name = f' class="{_CLASSES[tag]}"' if tag in _CLASSES else ""
    return f'{name} style="{escape(styles[tag])}"' if styles[tag] else name


def _close_void(html: str) -> str:
    """``<img …>`` and ``<hr …>`` closed; ``>`` inside attribute values is escaped by nh3."""
    for tag in ("<img ", "<hr"):
        if tag not in html:
            continue
        head, *pieces = html.split(tag)
        html = head + "".join(tag + piece.replace(">", "/>", 1) for piece in pieces)
    return html


def _html(block: Block, width: int) -> str:
    out: list[str] = []
    for token in block.tokens:
        kind = token.type
        if kind == "inline":
            out.append(_inline(token.children or (), block.settled, width))
        elif token.hidden:  # the paragraphs of a tight list
            continue
        elif kind in _PLAIN:
            out.append(_PLAIN[kind])
        elif kind == "ordered_list_open":
            start = int(str(token.attrs.get("start", 1)))
            out.append("<ol>" if start == 1 else f'<ol start="{start}">')
        elif kind in ("fence", "code_block"):
            out.append(f"<pre>{escape(token.content.rstrip())}</pre>")
    return "".join(out)


def _inline(children: Iterable[Token], settled: Mapping[int, object], width: int) -> str:
    out: list[str] = []
    linked: list[bool] = []
    for token in children:
        kind = token.type
        if kind == "text":
            out.append(escape(token.content))
        elif kind in _PLAIN:
            out.append(_PLAIN[kind])
        elif kind == "code_inline":
            out.append(f"<code>{escape(token.content)}</code>")
        elif kind == "link_open":
            href = settled.get(id(token))
            linked.append(href is not None)
            out.append(f'<a href="{escape(str(href))}">' if href is not None else "")
        elif kind == "link_close":
            out.append("</a>" if linked.pop() else "")
        elif kind == "image":
            picture = settled.get(id(token))
            if isinstance(picture, Picture) and width:
                out.append(picture_html(picture, width))
            elif isinstance(picture, Picture) and not any(linked):
                words = escape(picture.alt or picture.src)
                out.append(f'[<a href="{escape(picture.src)}">{words}</a>]')
            else:
                out.append(escape(token.content))
        elif kind == "slot":
            out.append(slot_mark(int(str(settled[id(token)]))))
    return "".join(out)


def picture_html(picture: Picture, width: int, *, style: str = "") -> str:
    """An ``img`` no wider than ``width`` pixels, with the size that keeps the page from jumping."""
    shown = min(picture.width or width, width)
    size = f' width="{shown}"'
    if picture.width and picture.height:
        size += f' height="{max(round(picture.height * shown / picture.width), 1)}"'
    if style:
        size += f' style="display:block;width:100%;max-width:{shown}px;height:auto;{escape(style)}"'
    name = ' class="figure"' if style else ""
    return f'<img{name} src="{escape(picture.src)}" alt="{escape(picture.alt)}"{size}/>'
