"""Links that count clicks: the HTML of a version with ours in front of theirs, and a trap.

Once per version, not per reader: a link names the version and its place in it, so all mails have
the same, composing one costs what it costs without, and a click says nothing about who clicks.
Only what was stored with the version is led to. The text part, the archive and the feeds have the
plain links; so do links whose words are an address (what is read is where it leads) and those to
our own pages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from html import escape, unescape
from urllib.parse import urlsplit

from digest.mail.tokens import ClickedLink, KeyRing, click_token
from digest.rules.click import TRAP
from digest.store.clicks import links_of
from digest.store.session import Session
from digest.store.versions import StoredVersion

SETTING = "clicks"  # of a newsletter, and frozen with each version
_HREF = re.compile('href="([^"]*)"')
_BODY_END = re.compile("</body>", re.IGNORECASE)
_ADDRESS = re.compile(r"\s*(?:https?://|www\.)", re.IGNORECASE)
_LEAVE = "/u/"

Links = Mapping[str, tuple[int, str]]  # by what the mail has: the place, and the words


async def with_counted_links(
    session: Session, version: StoredVersion, keys: KeyRing, *, test: bool = False
) -> StoredVersion:
    """The version as it goes out; the same where its newsletter counted no clicks when it was
    stored. ``test``: its links lead on, and count nothing.
    """
    if not version.identity.get(SETTING):
        return version
    return replace(
        version, html=counted_html(version, await links_of(session, version.id), keys, test=test)
    )


def counted_html(version: StoredVersion, links: Links, keys: KeyRing, *, test: bool = False) -> str:
    """The HTML of ``version`` with its ``links`` led through ours."""
    base = str(version.identity["leave_url"]).removesuffix(_LEAVE)
    own = urlsplit(base).hostname

    def url(position: int) -> str:
        return f"{base}/r/{click_token(keys, ClickedLink(version.id, position, test))}"

    counted = {
        href: url(position)
        for href, (position, words) in links.items()
        if not _ADDRESS.match(words) and urlsplit(href).hostname != own and position < TRAP
    }

    def led(found: re.Match[str]) -> str:
        ours = counted.get(unescape(found[1]))
        return found[0] if ours is None else f'href="{escape(ours)}"'

    html = _HREF.sub(led, version.html)
    end = _BODY_END.search(html)
    at = end.start() if end else len(html)
    return f"{html[:at]}{_trap(url(TRAP))}{html[at:]}"


def _trap(url: str) -> str:
    """A link that no person sees, hears or reaches by keyboard; whoever opens it is a machine."""
    hidden = "display:none;max-height:0;overflow:hidden;mso-hide:all"
    return (
        f'<div style="{hidden}" aria-hidden="true"><a href="{escape(url)}" tabindex="-1" '
        f'style="{hidden}">&#8203;</a></div>'
    )
