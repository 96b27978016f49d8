"""A short way through the Markdown that editors mostly write: words, emphasis and links.

Reading an issue is paid for by markdown-it's inline rules, which look at every character in Python.
Most lines need none of that. ``quick_inline`` knows words, line ends, ``*emphasis*``,
``**strong**`` and ``[text](https://…)``, each only in surroundings where CommonMark (0.31, §6.2,
§6.3) allows one reading; at anything else it gives up, and markdown-it reads the line. A property
test holds its tokens against markdown-it's.
"""

from __future__ import annotations

import re
from typing import Final

from markdown_it.token import Token

# Characters that are themselves wherever they stand. Possessive: nothing is ever tried twice.
_WORDS: Final = (
    r"(?:[^\\`*_\[\]!<&{\n]++|!(?!\[)|&(?![#A-Za-z][A-Za-z0-9]*;)|(?<=[^\W_])_(?=[^\W_]))++"
)
_BEFORE: Final = r"(?<![^\s(])"
_AFTER: Final = r"(?=[\s.,;:?)]|$)"
_PIECE: Final = re.compile(
    rf"(?P<words>{_WORDS})"
    r"|(?P<line>(?<![ \t])\n(?![ \t\n]))"
    rf"|{_BEFORE}\*\*(?=[^\W_])(?P<strong>{_WORDS})(?<=[^\W_])\*\*{_AFTER}"
    rf"|{_BEFORE}\*(?=[^\W_])(?P<em>{_WORDS})(?<=[^\W_])\*{_AFTER}"
    rf"|\[(?P<text>{_WORDS})\]"
    r"\((?P<href>https?://[a-z0-9][a-z0-9.-]*(?:/[A-Za-z0-9_.~/?=&+@,#:-]*)?)\)"
)


def quick_inline(content: str) -> list[Token] | None:
    """The tokens of one inline text, or None where markdown-it has to read it."""
    tokens: list[Token] = []
    at, end = 0, len(content)
    while at < end:
        piece = _PIECE.match(content, at)
        if piece is None:
            return None
        kind = piece.lastgroup
        if kind == "words":
            tokens.append(Token("text", "", 0, content=piece[0]))
        elif kind == "line":
            tokens.append(Token("softbreak", "br", 0))
        elif kind == "href":
            attributes: dict[str, str | int | float] = {"href": piece["href"]}
            meta = {"offset": at}
            _wrap(tokens, "link", "a", piece["text"], attrs=attributes, meta=meta)
        else:
            tag = kind or ""
            _wrap(tokens, tag, tag, piece[tag], markup="*" if tag == "em" else "**")
        at = piece.end()
    return tokens


def _wrap(
    tokens: list[Token],
    name: str,
    tag: str,
    words: str,
    *,
    markup: str = "",
    attrs: dict[str, str | int | float] | None = None,
    meta: dict[str, int] | None = None,
) -> None:
    opening = Token(f"{name}_open", tag, 1, markup=markup, attrs=attrs or {}, meta=meta or {})
    closing = Token(f"{name}_close", tag, -1, markup=markup)
    tokens += [opening, Token("text", "", 0, content=words, level=1), closing]
