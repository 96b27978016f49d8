r"""The only door to ``mjml2html``: MJML in, HTML out, and an author's text stays what it is.

mjml-python writes attribute values with Rust's debug escaping: a newline, tab, ``"``, ``\``, a
no-break space, joiner or combining mark comes out as text such as ``\u{a0}``, and ``\"`` ends the
attribute in a browser, so that the rest of the value becomes attributes of its own. A quote in
``mj-title`` ends the ``aria-label`` made from it. It also copies unknown tags, reads files named by
``mj-include`` and knows no line numbers. So here the document is parsed by lxml, checked, written
again with numeric entities in every attribute value, and only then handed over; fonts, includes and
social icons from elsewhere are switched off.
"""

from __future__ import annotations

import re
from typing import Final
from xml.parsers import expat

from lxml import etree
from mjml import mjml2html

from digest.errors import ThemeError

__all__ = ["check_template", "to_html"]

# tag → the tags it may stand in. None: anywhere in the body where content may stand.
_HEAD: Final = frozenset({"mj-head"})
_COLUMNS: Final = frozenset({"mj-column", "mj-hero"})
PARENTS: Final[dict[str, frozenset[str]]] = {
    "mjml": frozenset(),
    "mj-head": frozenset({"mjml"}),
    "mj-body": frozenset({"mjml"}),
    "mj-title": _HEAD,
    "mj-preview": _HEAD,
    "mj-style": _HEAD,
    "mj-attributes": _HEAD,
    "mj-breakpoint": _HEAD,
    "mj-all": frozenset({"mj-attributes"}),
    "mj-class": frozenset({"mj-attributes"}),
    "mj-wrapper": frozenset({"mj-body"}),
    "mj-section": frozenset({"mj-body", "mj-wrapper"}),
    "mj-hero": frozenset({"mj-body", "mj-wrapper"}),
    "mj-group": frozenset({"mj-section"}),
    "mj-column": frozenset({"mj-section", "mj-group"}),
    "mj-text": _COLUMNS | {"mj-attributes"},
    "mj-image": _COLUMNS | {"mj-attributes"},
    "mj-button": _COLUMNS | {"mj-attributes"},
    "mj-divider": _COLUMNS | {"mj-attributes"},
    "mj-spacer": _COLUMNS | {"mj-attributes"},
    "mj-table": _COLUMNS | {"mj-attributes"},
    "mj-raw": _COLUMNS | _HEAD | {"mj-body", "mj-wrapper", "mj-section"},
}
# Defaults for these may be set in mj-attributes too.
_DEFAULTED: Final = frozenset({"mj-body", "mj-section", "mj-wrapper", "mj-column", "mj-hero"})
# Inside these stands HTML, not MJML.
_HTML_INSIDE: Final = frozenset(
    {"mj-text", "mj-raw", "mj-table", "mj-button", "mj-title", "mj-preview", "mj-style"}
)
_REFUSED: Final = frozenset(
    {"mj-include", "script", "iframe", "object", "embed", "form", "link", "base"}
)

_JINJA: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
# lxml leaves these ASCII characters as they are; private-use ones stand for them while it writes.
_STAND_INS: Final = {"\\": "\ue010", "\x7f": "\ue011", '"': "\ue012"}
_RISKY: Final = re.compile('[\\\\\x7f"]')
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
    try:
        root = etree.fromstring(source.encode(), _PARSER)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise ThemeError(_reason(error.msg), where=f"{path}:{line}:{column}", fix=_FIX) from None
    try:
        written = _with_entities(root, path, risky=bool(_MAY_BE_RISKY.search(source)))
        html = str(mjml2html(written, fonts={}, include_loader=None))
    except (ValueError, OSError) as error:
        raise ThemeError(f"MJML refuses this theme: {error}.", where=path, fix=_FIX) from None
    html = html.replace(*_PREVIEW, 1).replace(*_BODY, 1)
    return _STYLE.sub(_stylesheet, _ENTITY.sub(_literal, html))


_FIX: Final = "Every tag of a theme must be closed, known and in its place."


def _reason(message: str | None) -> str:
    """The parser's words without its own ``, line 3, column 7`` (the place stands before)."""
    return f"This is no well-formed MJML: {(message or 'empty').split(', line ')[0]}."


def _with_entities(root: etree._Element, path: str, *, risky: bool) -> str:
    """The document again, with no character left that debug escaping touches or that ends a value.

    Written as ASCII, lxml turns the others into numeric entities itself. The title counts as an
    attribute value: MJML copies it into ``aria-label`` without escaping its quotes.
    """
    for element in root.iter(*_REFUSED):
        where = f"{path}:{element.sourceline or 1}:1"
        message = f"<{element.tag}> is not allowed in a theme."
        raise ThemeError(message, where=where, fix=_INCLUDE_FIX)
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


_INCLUDE_FIX: Final = "A theme's own parts are joined with {% include %}."


def check_template(source: str, *, path: str) -> None:
    """Check one template file of a theme, before anything is filled in.

    ``source`` is MJML with Jinja tags in it; each file, and each branch of an ``{% if %}``, is
    well-formed by itself. Raises ThemeError with path:line:column on an unclosed or unknown tag, on
    a tag where MJML does not know it, on an attribute written twice and on ``mj-include``.
    """
    _TemplateCheck(path).run(_JINJA.sub(_blank, source))


def _blank(match: re.Match[str]) -> str:
    """Spaces in place of a Jinja tag, so that every line and column stays where it was."""
    return re.sub(r"[^\n]", " ", match[0])


class _TemplateCheck:
    """Walks one template with expat, which knows line and column of every tag."""

    # One line that is not the author's goes before; the file may hold several elements.
    _OPEN: Final = "<theme-file>"

    def __init__(self, path: str) -> None:
        self.path = path
        self.open: list[str] = []
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end

    def run(self, masked: str) -> None:
        try:
            self.parser.Parse(f"{self._OPEN}{masked}</theme-file>".encode(), True)  # noqa: FBT003 - positional only
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            message = f"This is no well-formed MJML: {reason}."
            raise self._error(message, error.lineno, error.offset) from None

    def _start(self, tag: str, _attributes: dict[str, str]) -> None:
        parent = self.open[-1] if self.open else ""
        self.open.append(tag)
        if len(self.open) == 1:
            return
        problem = self._problem(tag, parent)
        if problem:
            line, column = self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber
            raise self._error(problem, line, column)

    def _problem(self, tag: str, parent: str) -> str:
        if tag in _REFUSED:
            return f"<{tag}> is not allowed in a theme."
        in_html = parent in _HTML_INSIDE or not parent.startswith(("mj", "theme-file"))
        if not tag.startswith("mj"):
            # A file of nothing but HTML is a part that others include in their <mj-text>.
            outside = not in_html and parent != "theme-file"
            return f"<{tag}> stands in no <mj-text> or <mj-raw>." if outside else ""
        if in_html:
            return f"<{tag}> cannot stand in HTML."
        if tag not in PARENTS:
            return f"<{tag}> is no tag of MJML."
        known = PARENTS[tag] | ({"mj-attributes"} if tag in _DEFAULTED else frozenset())
        if parent != "theme-file" and parent not in known:
            return f"<{tag}> cannot stand in <{parent}>."
        return ""

    def _end(self, _tag: str) -> None:
        self.open.pop()

    def _error(self, message: str, line: int, column: int) -> ThemeError:
        shift = len(self._OPEN) if line == 1 else 0
        return ThemeError(
            message, where=f"{self.path}:{line}:{max(column - shift, 0) + 1}", fix=_FIX
        )
