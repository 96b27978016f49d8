"""Writes words of any origin as Markdown that says the same words and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

from digest.content.issue import TODO
from digest.content.markdown import link_flaw

URL = re.compile(r"https?://[^\s<>\"“”]+[^\s<>\"“”.,;:!?'’»)\]}…]/?", re.IGNORECASE)
"""An address inside a text; the punctuation of the sentence behind it is none of it."""

# What CommonMark 0.31 §6 reads inside a line. An underscore inside a word is one anyway.
# [GitHub] begins no link as long as neither an address nor another label follows.
_ACTIVE = re.compile(
    r"(?P<label>\[[\w ./-]*\](?![(\[:]))|[\\`*\[\]{]|(?<![^\W_])_|_(?![^\W_])"
    r"|<(?=[A-Za-z/!?])|&(?=#?[A-Za-z0-9]{1,40};)|(?<!\S)#(?=#*(?:\s|$))"
)
# What begins a block (CommonMark 0.31 §4): a list, a quote, a fence of code, a rule.
_BLOCK_START = re.compile(r"[-+](?=[ \t]|$|[-+])|>|~(?=~~)|(\d{1,9})(?=[.)](?:[ \t]|$))")
_SAFE_URL = re.compile(r"[A-Za-z0-9:/?#@!$&'+,;=._~-]+")


def escape_words(text: str) -> str:
    """The text with a backslash before each sign Markdown would read; for inside a line."""
    return _ACTIVE.sub(lambda sign: sign[0] if sign["label"] else "\\" + sign[0], text)


def escape_line(text: str) -> str:
    """One line of text as a line of Markdown, its http(s) addresses as links."""
    written: list[str] = []
    position = 0
    for match in URL.finditer(text):
        written += [escape_words(text[position : match.start()]), link_to_itself(match[0])]
        position = match.end()
    written.append(escape_words(text[position:]))
    return guard_start(join_pieces(written).strip())


def guard_start(line: str) -> str:
    """A line of Markdown with a backslash before what would begin a block."""
    start = _BLOCK_START.match(line)
    if start is None:
        return line
    number = start[1] or ""
    return f"{number}\\{line[len(number) :]}"


def join_pieces(pieces: Iterable[str]) -> str:
    """Words and links, one behind the other; ``!`` before a link makes no picture of it."""
    text = ""
    for piece in pieces:
        if piece.startswith("[") and text.endswith("!"):
            text = text[:-1] + "\\!"
        text += piece
    return text


def link_to_itself(url: str) -> str:
    """An address in a text as a link, or as plain words where it cannot be one."""
    if link_flaw(url):
        return escape_words(url)
    if _SAFE_URL.fullmatch(url):
        return f"<{url}>"
    return f"[{escape_words(url)}]({safe_url(url)})"


def safe_url(url: str) -> str:
    """The address with everything percent-encoded that would end a Markdown link."""
    return quote(url, safe=":/?#@!$&'+,;=._~-%") if url != TODO else url


def linked(text: str, url: str | None) -> str:
    """Words as the text of a link; ``TODO`` where there is no address that can be linked to."""
    target = safe_url(url) if url else TODO
    return f"[{escape_words(text)}]({TODO if link_flaw(target) else target})"
