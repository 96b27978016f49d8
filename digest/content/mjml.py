r"""The only door to ``mjml2html``: MJML in, HTML out, and an author's text stays what it is.

mjml-python writes attribute values with Rust's debug escaping: a newline, tab, ``"``, ``\``, a
no-break space, joiner or combining mark comes out as text such as ``\u{a0}``, and ``\"`` ends the
attribute in a browser, so that the rest of the value becomes attributes of its own. A quote in
``mj-title`` ends the ``aria-label`` made from it. It also copies unknown tags, reads files named by
``mj-include`` and knows no line numbers. So here the document is parsed by lxml, checked, written
again with numeric entities in every attribute value, and only then handed over; fonts, includes and
social icons from elsewhere are switched off. ``mj-style inline`` is inlined here, which it forgets.
"""

from __future__ import annotations

import re
from typing import Final

import css_inline
from lxml import etree
from mjml import mjml2html

from digest.content.mjml_tags import REFUSED
from digest.errors import ThemeError

__all__ = ["to_html"]

# lxml leaves these ASCII characters as they are; private-use ones stand for them while it writes.
_STAND_INS: Final = {"\\": "\ue010", "\x7f": "\ue011", '"': "\ue012"}
_RISKY: Final = re.compile('[\\\\\x7f"]')
_RESERVED: Final = re.compile("[\ue010-\ue012]")
# Most documents have none of them: then no attribute need be looked at.
_MAY_BE_RISKY: Final = re.compile(r"[\\\x7f]|&#(?:0*(?:92|127)|[xX]0*(?:5[cC]|7[fF]));")
_SPACES: Final = re.compile(r"[ \t\r\n]+")
_STYLE: Final = re.compile(r"<style[^>]*>.*?</style>", re.DOTALL)
# MJML writes the preview line in white on whatever ground there is and hides it four times over;
# filters take white words for a trick (SpamAssassin 4: 0.7 points), and once is enough.
_UNSEEN: Final = "display:none;font-size:1px;"
_SMALL: Final = "line-height:1px;max-height:0px;max-width:0px;"
_PREVIEW: Final = (
    f"{_UNSEEN}color:#ffffff;{_SMALL}opacity:0;overflow:hidden;",
    f"{_UNSEEN}{_SMALL}",
)
_BODY: Final = ('style="word-spacing:normal;', 'style="')
_ENTITY: Final = re.compile(r"&#(\d+);")
_PARSER: Final = etree.XMLParser(
    resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=False
)


def to_html(source: str, *, path: str) -> str:
    """HTML of the MJML document ``source``; ``path`` names its theme in messages.

    Raises ThemeError with path:line:column where the document is not well-formed.
    """
    if "<!DOCTYPE" in source or "<!ENTITY" in source:
        raise ThemeError("A theme declares no entities.", where=path, fix="Remove the DOCTYPE.")
    if _RESERVED.search(source):
        message = "The private-use characters U+E010 to U+E012 cannot stand in a theme."
        raise ThemeError(message, where=path, fix="Remove them; they look like an empty box.")
    try:
        root = etree.fromstring(source.encode(), _PARSER)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise ThemeError(_reason(error.msg), where=f"{path}:{line}:{column}", fix=_FIX) from None
    styles = _inline_styles(root)
    try:
        written = _with_entities(root, path, risky=bool(_MAY_BE_RISKY.search(source)))
        html = str(mjml2html(written, fonts={}, include_loader=None))
        if styles:
            html = _inlined(html, styles)
    except (ValueError, OSError, css_inline.InlineError) as error:
        raise ThemeError(f"MJML refuses this theme: {error}.", where=path, fix=_FIX) from None
    html = html.replace(*_PREVIEW, 1).replace(*_BODY, 1)
    return _STYLE.sub(_stylesheet, _ENTITY.sub(_literal, html))


def _inline_styles(root: etree._Element) -> str:
    """The text of every ``mj-style inline="inline"``, which is taken out of the document."""
    found = [style for style in root.iter("mj-style") if style.get("inline") == "inline"]
    for style in found:
        style.getparent().remove(style)
    return "\n".join(style.text or "" for style in found)


def _inlined(html: str, styles: str) -> str:
    """``styles`` written into the tags they speak of, as MJML promises and mrml does not do.

    What stands in a tag already wins. Styles of the head stay there; nothing is loaded.
    """
    inliner = css_inline.CSSInliner(
        inline_style_tags=False,
        keep_style_tags=True,
        load_remote_stylesheets=False,
        extra_css=styles,
    )
    # It reads and writes a document of its own: what Outlook reads stands in comments and stays.
    return inliner.inline(html)


_FIX: Final = "Every tag of a theme must be closed, known and in its place."


def _reason(message: str | None) -> str:
    """The parser's words without its own ``, line 3, column 7`` (the place stands before)."""
    return f"This is no well-formed MJML: {(message or 'empty').split(', line ')[0]}."


def _with_entities(root: etree._Element, path: str, *, risky: bool) -> str:
    """The document again, with no character left that debug escaping touches or that ends a value.

    Written as ASCII, lxml turns the others into numeric entities itself. The title counts as an
    attribute value: MJML copies it into ``aria-label`` without escaping its quotes.
    """
    for element in root.iter(*REFUSED):
        where = f"{path}:{element.sourceline or 1}:1"
        message = f"<{element.tag}> is not allowed in a theme."
        raise ThemeError(message, where=where, fix=REFUSED[str(element.tag)][1])
    if risky:
        for element in root.iter(etree.Element):
            for name, value in element.items():
                element.set(name, _RISKY.sub(_stand_in, value))
    for title in root.iter("mj-title"):
        words = _SPACES.sub(" ", title.text or "")
        title.text = _RISKY.sub(_stand_in, words)
    written = str(etree.tostring(root, encoding="us-ascii"), "ascii")
    for character, stand_in in _STAND_INS.items():
        written = written.replace(f"&#{ord(stand_in)};", f"&#{ord(character)};")
    return written


def _stand_in(match: re.Match[str]) -> str:
    return _STAND_INS[match[0]]


def _literal(match: re.Match[str]) -> str:
    """A numeric entity as its character, unless that character could mean something in HTML."""
    code = int(match[1])
    return chr(code) if code >= 0xA0 else match[0]


def _stylesheet(match: re.Match[str]) -> str:
    """HTML decodes nothing in a style element, so ``>`` and ``&`` of XML become themselves."""
    return match[0].replace("&gt;", ">").replace("&amp;", "&")
