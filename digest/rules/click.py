"""Who follows a link: a person, or a machine that looks at mail before people do.

Security gateways, previews and link checkers open every link of a mail; up to nine of ten hits are
theirs. A hit is judged by what its request says (``SIGNALS``, a table), and by what the same
visitor did within seconds: many links at once, or the trap that no person sees. So a hit waits
``SETTLE`` before it counts, and a visitor found to be a machine takes its earlier hits along.

A *visitor* is a hash that means nothing after the day; nothing here is ever stored but the verdict.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

SETTLE = 20.0  # seconds a hit waits for what its visitor does next
MEMORY = 600.0  # seconds a visitor is remembered after the last hit
TOO_SOON = 15.0  # seconds after the first mail of an issue in which nobody can have read it
BURSTS: tuple[tuple[int, float], ...] = ((3, 1.5), (5, 10.0))  # so many links within seconds
VISITORS = 50_000  # that are remembered
TRAP = 0xFFFF  # the place of the link that no person sees

_ROBOT = re.compile(
    r"bot\b|bot/|crawl|spider|slurp|preview|scan|check|monitor|fetch|curl|wget|python|java/|"
    r"okhttp|go-http|libwww|httpx|aiohttp|axios|node|ruby|perl|headless|phantom|barracuda|"
    r"proofpoint|mimecast|safelinks|urldefense|googleimageproxy|yahoomailproxy|facebookexternalhit",
    re.IGNORECASE,
)
# These say where a request comes from in every request over https since 2020 and 2021.
_MODERN = re.compile(r"(?:Chrome|Firefox)/(?:9\d|[1-9]\d\d)")


class Clicker(StrEnum):
    """Who followed a link."""

    HUMAN = "human"
    SCANNER = "scanner"


class Link(NamedTuple):
    """A link of a version."""

    version_id: int
    position: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A request for a link. ``headers`` by name in lower case; ``since_first`` is how many seconds
    ago the first mail of the issue went out, None: none did yet.
    """

    method: str
    headers: Mapping[str, str]
    since_first: float | None
    secure: bool = True  # over https


def _said(hit: Hit, name: str) -> str:
    return hit.headers.get(name, "")


def _fetches_ahead(hit: Hit) -> bool:
    names = ("sec-purpose", "purpose", "x-purpose", "x-moz")
    return any(word in _said(hit, name) for name in names for word in ("prefetch", "preview"))


def _is_no_navigation(hit: Hit) -> bool:
    """Fetch Metadata: a link that is followed is a navigation to a document."""
    mode, to = _said(hit, "sec-fetch-mode"), _said(hit, "sec-fetch-dest")
    return mode not in ("", "navigate") or to not in ("", "document")


def _hides_what_browsers_say(hit: Hit) -> bool:
    modern = _MODERN.search(_said(hit, "user-agent"))
    return bool(hit.secure and modern and not _said(hit, "sec-fetch-mode"))


SIGNALS: Mapping[str, Callable[[Hit], bool]] = {
    "asks for the head alone": lambda hit: hit.method != "GET",
    "fetches ahead": _fetches_ahead,
    "says who it is, or nothing": lambda hit: bool(
        _ROBOT.search(_said(hit, "user-agent")) or not _said(hit, "user-agent")
    ),
    "speaks no language": lambda hit: not _said(hit, "accept-language"),
    "is no navigation": _is_no_navigation,
    "hides what its browser would say": _hides_what_browsers_say,
    "comes before anybody can have read it": lambda hit: (
        hit.since_first is None or hit.since_first < TOO_SOON
    ),
}


def betrayed_by(hit: Hit) -> str | None:
    """The first signal that tells a machine; None: nothing does."""
    return next((name for name, told in SIGNALS.items() if told(hit)), None)


@dataclass(slots=True)
class _Visitor:
    machine: bool = False
    seen_at: float = 0.0
    hits: list[tuple[float, Link]] = field(default_factory=list)  # not settled yet
    counted: dict[Link, float] = field(default_factory=dict)  # links that were, and when


class Watch:
    """What visitors did lately, in memory. ``now`` is in monotonic seconds."""

    def __init__(self) -> None:
        self._visitors: OrderedDict[bytes, _Visitor] = OrderedDict()
        self._certain: Counter[tuple[Link, Clicker]] = Counter()

    def note(self, visitor: bytes, link: Link, *, machine: bool, now: float) -> None:
        """A visitor followed a link; ``machine``: the request itself said so."""
        known = self._visitors.setdefault(visitor, _Visitor())
        self._visitors.move_to_end(visitor)
        known.seen_at = now
        known.machine = known.machine or machine or link.position == TRAP
        if link.position != TRAP:
            known.hits.append((now, link))
        known.machine = known.machine or _is_burst(known.hits)
        while len(self._visitors) > VISITORS:
            self._settle(self._visitors.popitem(last=False)[1], before=now)

    def take(self, now: float, *, all_of_them: bool = False) -> Counter[tuple[Link, Clicker]]:
        """What is certain by now, once; ``all_of_them``: also what would have waited."""
        before = now if all_of_them else now - SETTLE
        for key, known in list(self._visitors.items()):
            self._settle(known, before=before)
            if not known.hits and now - known.seen_at > MEMORY:
                del self._visitors[key]
        taken, self._certain = self._certain, Counter()
        return taken

    @property
    def empty(self) -> bool:
        """Whether nothing is remembered of anybody, and nothing is to be given away."""
        return not self._certain and not self._visitors

    def _settle(self, known: _Visitor, *, before: float) -> None:
        """A person who opens a link again is counted once; a machine's hits each."""
        rest = []
        for at, link in known.hits:
            if at > before:
                rest.append((at, link))
            elif known.machine:
                self._certain[link, Clicker.SCANNER] += 1
            elif link not in known.counted:
                known.counted[link] = at
                self._certain[link, Clicker.HUMAN] += 1
        known.hits = rest


def _is_burst(hits: list[tuple[float, Link]]) -> bool:
    """Whether the last hits are more different links than a person opens in that time."""
    last = hits[-1][0] if hits else 0.0
    return any(
        len({link for at, link in hits if last - at <= seconds}) >= most for most, seconds in BURSTS
    )
