"""Links: which may stand in an issue, how two of them are told to be the same, and UTM parameters.

Stands on RFC 3986 (§6.2.2.1: scheme and host have no case; §3.5: a fragment names a place inside
a page, not another page). A link's *canonical* form is what duplicates are found by and what the
table of links is keyed by; it is never what a reader is sent to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from markdown_it.common.normalize_url import normalizeLink

__all__ = ["canonical_url", "is_web", "link_target", "with_utm", "without_trackers"]

# What a link may do: show a page or start a mail. Everything else (javascript:, data:, file:)
# either runs something or reaches into the reader's machine.
SCHEMES = ("http", "https", "mailto")

# Parameters that say where a click came from and never which page is shown.
_TRACKERS = frozenset(
    {"fbclid", "gclid", "dclid", "msclkid", "igshid", "mc_cid", "mc_eid", "_hsenc"}
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_YOUTUBE_HOSTS = frozenset(
    {"youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com", "youtube-nocookie.com"}
)
_YOUTUBE_PATH = re.compile(r"^/(?:shorts|embed|live|v)/([\w-]+)")
_ARXIV_PATH = re.compile(
    r"^/(?:abs|pdf|html|format)/(\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v\d+)?(?:\.pdf)?/?$"
)


def is_web(url: str) -> bool:
    """Whether the link shows a page (http or https)."""
    return url[:8].lower().startswith(("http://", "https://"))


def link_target(url: str) -> str | None:
    """The link as it is written into a message, or None where it may not be one.

    International domains become A-labels (RFC 5890), characters no URL may hold are
    percent-encoded; a link without host or with another scheme than http, https and mailto is None.
    """
    if _PLAIN_URL.match(url):
        return url
    try:
        target = normalizeLink(url.strip())
        parts = urlsplit(target)
    except ValueError:
        return None
    if parts.scheme.lower() not in SCHEMES or any(ord(c) <= 32 for c in target):
        return None
    if parts.scheme.lower() == "mailto":
        return target if "@" in parts.path else None
    return target if parts.hostname else None


# What most links look like: nothing to encode, nothing to doubt.
_PLAIN_URL = re.compile(r"https?://([a-z0-9][a-z0-9.-]*)(?:/[\w./~=&?#+,;:@!-]*)?\Z", re.ASCII)


def canonical_url(url: str) -> str:
    """One spelling for all links to the same page; what is no URL comes back as it is."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        return url
    scheme, host = parts.scheme.lower(), (parts.hostname or "").rstrip(".")
    if scheme not in _DEFAULT_PORTS or not host:
        return url.strip()
    # Without what came behind them, blanks would end the address.
    path, query = parts.path.rstrip(), _without_trackers(parts.query).rstrip()
    known = _known_site(host, path, query)
    if known is not None:
        return known
    netloc = host if port is None or str(port) == _DEFAULT_PORTS[scheme] else f"{host}:{port}"
    return urlunsplit((scheme, netloc, path or "/", query, ""))


def _known_site(host: str, path: str, query: str) -> str | None:
    """The one name of a paper or video that has several addresses."""
    if host in ("arxiv.org", "www.arxiv.org", "export.arxiv.org"):
        paper = _ARXIV_PATH.match(path)
        return f"https://arxiv.org/abs/{paper[1]}" if paper else None
    if host == "youtu.be" and len(path) > 1:
        return f"https://www.youtube.com/watch?v={quote(path[1:].split('/', maxsplit=1)[0])}"
    if host in _YOUTUBE_HOSTS:
        video = dict(parse_qsl(query)).get("v") if path == "/watch" else None
        found = _YOUTUBE_PATH.match(path)
        name = video or (found[1] if found else None)
        return f"https://www.youtube.com/watch?v={quote(name)}" if name else None
    return None


def without_trackers(url: str) -> str:
    """The link without the parameters that only tell where a click came from."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return urlunsplit(parts._replace(query=_without_trackers(parts.query))) if parts.query else url


def _without_trackers(query: str) -> str:
    kept = [
        pair
        for pair in query.split("&")
        if not (name := pair.partition("=")[0].lower()).startswith("utm_") and name not in _TRACKERS
    ]
    return "&".join(kept)


def with_utm(url: str, utm: Mapping[str, str], *, own_host: str = "") -> str:
    """``url`` with the UTM parameters of the newsletter that it has not got already.

    ``utm`` maps ``source``, ``medium``, ``campaign``… to values. Links to ``own_host`` (the
    newsletter's own pages) and links that show no page stay as they are.
    """
    if not utm or not is_web(url):
        return url
    plain = _PLAIN_URL.match(url)
    if plain and "?" not in url and "#" not in url and plain[1] != own_host.lower():
        return f"{url}?{_query(tuple(utm.items()))}" if any(utm.values()) else url
    parts = urlsplit(url)
    if own_host and (parts.hostname or "") == own_host.lower():
        return url
    present = {pair.partition("=")[0].lower() for pair in parts.query.split("&")}
    missing = tuple((key, value) for key, value in utm.items() if _name(key) not in present)
    if not any(value for _, value in missing):
        return url
    query = "&".join(filter(None, (parts.query, _query(missing))))
    return urlunsplit(parts._replace(query=query))


def _name(key: str) -> str:
    return f"utm_{key.removeprefix('utm_')}"


@lru_cache(maxsize=64)
def _query(pairs: tuple[tuple[str, str], ...]) -> str:
    return urlencode([(_name(key), value) for key, value in pairs if value])
