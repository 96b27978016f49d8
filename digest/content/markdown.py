"""The Markdown of an issue: CommonMark 0.31 without HTML, and strict.

Where CommonMark prints what it does not understand, this reader raises :class:`FlawError`: a link
that is not finished or leads nowhere good, an HTML tag, a brace that is no personal slot. The
personal slot ``{name|fallback}`` becomes an inline token ``slot`` with
``meta={"name": …, "fallback": …}``. Nothing in a text is ever evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.autolink import autolink
from markdown_it.rules_inline.image import image
from markdown_it.rules_inline.link import link

from digest.content.issue import TODO

if TYPE_CHECKING:
    from markdown_it.token import Token

MAX_DEPTH: Final = 12
"""Quotes, lists and brackets inside each other; past 20 markdown-it drops text without a word."""

_SLOT = re.compile(r"\{name\|([^{}|<>\\\n]{0,100})\}")
_LABEL = re.compile(r"\{([^{}|\n]*)\}")
_TAG = re.compile(r"<[A-Za-z/!?]")
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?\.?|[0-9a-f:]*:[0-9a-f.:]*")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PICTURE = re.compile(r"[^\\?#:]+\.(?:png|jpe?g|gif|webp)", re.IGNORECASE)
_SLOT_IN_URL = re.compile(r"%7B(?:name|leave|preferences)%7C", re.IGNORECASE)

_BUDGET = -1

InlineRule = Callable[[StateInline, bool], bool]


class FlawError(Exception):
    """Something in a text that is not accepted; ``offset`` counts from the start of its block."""

    def __init__(self, message: str, fix: str, *, offset: int) -> None:
        self.message = message
        self.fix = fix
        self.offset = offset
        super().__init__(message)


@lru_cache(maxsize=4_096)
def link_flaw(url: str) -> str | None:
    """Why an address cannot be linked to, or None. http, https and mailto can, and ``TODO``."""
    if url == TODO:
        return None
    scheme = _SCHEME.match(url)
    if not scheme:
        return "A link begins with https://, http:// or mailto:."
    name = scheme[0][:-1].lower()
    if name not in {"http", "https", "mailto"}:
        return f"Links with {name[:20]}: are not allowed."
    if _SLOT_IN_URL.search(url):
        return "A personal slot cannot stand in a link."
    if name == "mailto":
        return None if "@" in url else "This mailto: link has no address."
    try:
        parts = urlsplit(url)
        host = _HOST.fullmatch(parts.hostname or "") is not None
        known = host and (parts.port is None or parts.port > 0)
    except ValueError:
        known = False
    return None if known else "This link has no valid host name."


def picture_flaw(source: str) -> str | None:
    """Why a picture cannot be used, or None: a file beside the issue, http(s) or ``TODO``."""
    if source == TODO:
        return None
    if _SCHEME.match(source):
        if source.lower().startswith("mailto:"):
            return "A picture cannot come from mailto:."
        return link_flaw(source)
    parts = source.split("/")
    if (
        "" in parts
        or ".." in parts
        or "." in parts
        or "%2f" in source.lower()
        or "%5c" in source.lower()
    ):
        return "A picture is named by its path from the issue file, without . and .. parts."
    if not _PICTURE.fullmatch(source):
        return "A picture is a .png, .jpg, .jpeg, .gif or .webp file."
    return None


class IssueMarkdown(MarkdownIt):
    """markdown-it with the rules of this module; a refused address is refused here too."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False})
        # Setext headings turn a text above the closing rule into a heading; indented code is
        # invisible syntax; reference links do not survive being cut into sections.
        self.disable(["lheading", "code", "reference", "html_block", "html_inline"])
        self.inline.ruler.at("link", _strict(link))
        self.inline.ruler.at("image", _strict(image))
        self.inline.ruler.at("autolink", _strict_autolink)
        self.inline.ruler.after("backticks", "slot", _slot)

    def validateLink(self, url: str) -> bool:  # noqa: N802 - the name markdown-it calls
        """Whether an address may stand in a link or an image."""
        return link_flaw(url) is None or picture_flaw(url) is None


@cache
def issue_markdown() -> IssueMarkdown:
    """The one reader of the Markdown of issues; building it takes longer than a short text.

    Whoever renders registers a render rule for ``slot`` first.
    """
    return IssueMarkdown()


def plain_words(tokens: list[Token]) -> str:
    """The text of inline tokens without any markup; a slot counts as its fallback."""
    words: list[str] = []
    for token in tokens:
        if token.type in {"softbreak", "hardbreak"}:
            words.append(" ")
        elif token.type == "slot":
            words.append(token.meta["fallback"])
        elif token.type == "image":
            words.append(plain_words(token.children or []))
        else:
            words.append(token.content)
    return "".join(words)


def _strict(rule: InlineRule) -> InlineRule:
    """A link or image rule that raises where CommonMark would print the characters."""

    def strict(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - markdown-it's signature
        start = state.pos
        bracket = state.src.find("[", start, start + 2)
        if bracket < 0 or (bracket > start and state.src[start] != "!"):
            return False
        if rule is link and bracket > start:
            return False
        if state.level >= MAX_DEPTH:
            message = "Brackets are nested too deep."
            raise FlawError(message, "Write \\[ for a bracket that begins no link.", offset=bracket)
        before = len(state.tokens)
        if rule(state, silent):
            _remember(state.tokens[before:], start)
            if start == 0 and not silent:
                state.env["link_end"] = state.pos
            return True
        end = _label_end(state, bracket)
        if end >= 0 and state.src.startswith("(", end + 1):
            raise _unfinished(state, start, end + 2)
        if end >= 0 and state.src.startswith(":", end + 1) and _begins_line(state, start):
            message = "A link written as [name]: address is not known here."
            raise FlawError(message, "Write [text](address) where it is used.", offset=start)
        return False

    return strict


def _begins_line(state: StateInline, position: int) -> bool:
    return position == 0 or state.src[position - 1] == "\n"


def _label_end(state: StateInline, bracket: int) -> int:
    """The partner of a bracket, or -1. Looking for it is paid from a budget per block.

    Without one, brackets without partners cost the square of their number.
    """
    end: int = state.md.helpers.parseLinkLabel(state, bracket)
    used = (end if end >= 0 else state.posMax) - bracket
    # The cache belongs to this block alone and is keyed by position; -1 is none.
    left = state.cache.setdefault(_BUDGET, 40 * len(state.src) + 4_000) - used
    state.cache[_BUDGET] = left
    if left < 0:
        message = "Too many brackets have no partner."
        raise FlawError(message, "Write \\[ for a bracket that begins no link.", offset=bracket)
    return end


def _unfinished(state: StateInline, start: int, destination: int) -> FlawError:
    position = destination
    while position < state.posMax and state.src[position] in " \t\n":
        position += 1
    target = state.md.helpers.parseLinkDestination(state.src, position, state.posMax)
    reason = None
    if target.ok and target.str:
        url = state.md.normalizeLink(target.str)
        is_image = state.src[start] == "!"
        reason = picture_flaw(url) if is_image else link_flaw(url)
    if reason:
        return FlawError(
            reason, "Write a full address, or TODO until you have it.", offset=position
        )
    return FlawError(
        "This link is not finished.",
        "Write [text](https://…) without spaces in the address, or \\[ for a bracket.",
        offset=start,
    )


def _remember(tokens: list[Token], offset: int) -> None:
    for token in tokens:
        if token.type in {"link_open", "image"}:
            token.meta["offset"] = offset
            return


def _strict_autolink(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - markdown-it's signature
    start, before = state.pos, len(state.tokens)
    if autolink(state, silent):
        _remember(state.tokens[before:], start)
        return True
    if _TAG.match(state.src, start):
        raise FlawError(
            "HTML is not accepted in an issue.",
            "Write Markdown, or \\< for a less-than sign.",
            offset=start,
        )
    return False


def _slot(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - markdown-it's signature
    if state.src[state.pos] != "{":
        return False
    slot = _SLOT.match(state.src, state.pos, state.posMax)
    if slot is None and _label(state):
        return True
    if slot is None:
        raise FlawError(
            "This brace begins no personal slot that is known.",
            "Write {name|fallback} for the reader's name, or \\{ for a brace.",
            offset=state.pos,
        )
    if not silent:
        token = state.push("slot", "", 0)
        token.content = slot[0]
        token.meta = {"name": "name", "fallback": slot[1].strip()}
    state.pos = slot.end()
    return True


def _label(state: StateInline) -> bool:
    """Take ``{label}`` behind the link that begins an entry of a list, where env asks for it."""
    end = state.env.get("link_end")
    label = _LABEL.match(state.src, state.pos, state.posMax)
    if not (label and end and state.env.get("labels")) or state.src[end : state.pos].strip(" \t"):
        return False
    state.push("label", "", 0).meta = {"label": label[1].strip(), "offset": state.pos}
    state.env.update(label=label[1].strip(), link_end=label.end(), labels=False)
    state.pos = label.end()
    return True
