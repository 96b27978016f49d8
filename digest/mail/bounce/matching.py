"""Finding which of a thousand phrases a text holds, in the order the tables have them in.

Looking for one phrase after the other costs most where nothing fits, as in most bounces. Each
phrase is filed under three letters of it that few other phrases have; only phrases whose letters
are in the text are looked for.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

from digest.mail.bounce.reason import Reason, Rows
from digest.mail.scan import phrases

_LETTERS = 3

_Phrase = tuple[str, tuple[str, ...], Reason]


class Words:
    """A text in lower case, ready to be matched with tables."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._letters = set(_pieces(text))

    def first_match(self, rows: Rows) -> Reason | None:
        """The reason of the first phrase of ``rows`` in the text; ``*`` in a phrase is any gap."""
        compiled, filed = _compiled(rows)
        likely = [number for key in filed.keys() & self._letters for number in filed[key]]
        for number in sorted(likely):
            first, rest, reason = compiled[number]
            if first in self._text and (not rest or self._follow(first, rest)):
                return reason
        return None

    def _follow(self, first: str, rest: tuple[str, ...]) -> bool:
        at = self._text.find(first)
        for piece in rest:
            at = self._text.find(piece, at + 1)
            if at < 0:
                return False
        return True


def _pieces(text: str) -> list[str]:
    return [text[at : at + _LETTERS] for at in range(len(text) - _LETTERS + 1)]


@cache
def _compiled(rows: Rows) -> tuple[tuple[_Phrase, ...], dict[str, list[int]]]:
    """The phrases, their pieces parted where a gap may be, and their numbers by three letters."""
    compiled: list[_Phrase] = []
    for reason, text in rows:
        for phrase in phrases(text):
            first, *rest = (piece.strip() for piece in phrase.split("*"))
            compiled.append((first, tuple(rest), reason))
    common = Counter(piece for first, _, _ in compiled for piece in set(_pieces(first)))
    filed: dict[str, list[int]] = {}
    for number, (first, _, _) in enumerate(compiled):
        rarest = min(_pieces(first), key=common.__getitem__)
        filed.setdefault(rarest, []).append(number)
    return tuple(compiled), filed
