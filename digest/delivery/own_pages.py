"""Whether a mailbox provider's one-click POST reaches us: made with a token that changes nothing.

RFC 8058 §3.1: no redirect, no cookie needed, HTTPS. The answer also shows whether the pages run
with the key that signs our mail, and how this machine's clock stands to theirs.
"""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from digest.errors import DnsError
from digest.mail.lookups import addresses_of
from digest.mail.tokens import KeyRing, TokenKind
from digest.net.dns import Resolver
from digest.net.post import Answer, post_form
from digest.rules.doctor.checkup import Check, Light, Record
from digest.settings import is_loopback

ONE_CLICK = "List-Unsubscribe=One-Click"
CLOCK_MAY_DIFFER = timedelta(seconds=5)
_CLOCK_WRONG = timedelta(minutes=5)
_START = "Start the pages: digest run."


async def examine_pages(
    public_url: str, keys: KeyRing, resolver: Resolver, *, now: datetime
) -> list[Check]:
    """The rows about our own pages."""
    url = f"{public_url}/u/{keys.sign(TokenKind.TEST, 0)}"
    host = urlsplit(public_url).hostname or ""
    local = is_loopback(host)
    try:
        address = "127.0.0.1" if host == "localhost" else await _address(host, resolver)
        if address is None:
            found = f"{host} has no address, so no reader can leave"
            fix = "Publish the address of the machine that runs `digest run` (for ADDRESS):"
            record = Record(host, "A", "ADDRESS")
            return [Check("one-click", public_url, Light.RED, found, fix, (record,))]
        answer = await post_form(url, ONE_CLICK, address=address)
    except DnsError as error:
        return [Check("one-click", public_url, Light.YELLOW, error.message, error.fix)]
    except ssl.SSLCertVerificationError as error:
        found = f"its certificate is refused: {error.verify_message}"
        fix = f"Get one for {host}; mailbox providers post to no other."
        return [Check("one-click", public_url, Light.RED, found, fix)]
    except (OSError, TimeoutError, ValueError) as error:
        return [_unreachable(public_url, error, local=local)]
    return [_answered(public_url, answer), *_clock(host, answer, now)]


async def _address(host: str, resolver: Resolver) -> str | None:
    found = await resolver.answered(addresses_of(host))
    return str(found[0]) if found else None


def _unreachable(public_url: str, error: Exception, *, local: bool) -> Check:
    reason = str(error) or "no answer in time"
    if local:
        found = f"nothing answers there ({reason}); it is for this machine only"
        fix = f"{_START} For readers elsewhere, set DIGEST_PUBLIC_URL."
        return Check("one-click", public_url, Light.YELLOW, found, fix)
    found = f"nothing answers there: {reason}"
    fix = f"{_START} Look whether the proxy in front and the firewall let it through."
    return Check("one-click", public_url, Light.RED, found, fix)


def _answered(public_url: str, answer: Answer) -> Check:
    if answer.status == 200:
        return Check("one-click", public_url, Light.GREEN, "a POST is taken, and changed nothing")
    if 300 <= answer.status < 400:
        found = f"it redirects (to {answer.header.get('location', '?')[:100]}), so nobody can leave"
        fix = "Let the proxy pass /u/ on, or set DIGEST_PUBLIC_URL to where it leads."
        return Check("one-click", public_url, Light.RED, found, fix)
    fixes = {
        403: "A proxy or firewall refuses POSTs from elsewhere: let /u/ through.",
        404: "Other pages answer, or ours with another key: check DIGEST_PUBLIC_URL and "
        "DIGEST_SECRET_KEY of what serves them.",
        502: _START,
        503: "The pages cannot reach their database: see /readyz.",
    }
    fix = fixes.get(answer.status, "Look into the proxy in front and its log.")
    return Check("one-click", public_url, Light.RED, f"a POST is answered {answer.status}", fix)


def _clock(host: str, answer: Answer, now: datetime) -> list[Check]:
    try:
        theirs = parsedate_to_datetime(answer.header["date"])
    except (KeyError, ValueError):
        return []
    if theirs.tzinfo is None:
        return []
    return [clock_row(host, abs(theirs - now))]


def clock_row(about: str, difference: timedelta) -> Check:
    """How far this machine's clock is from another one."""
    seconds = difference.total_seconds()
    if difference <= CLOCK_MAY_DIFFER:
        return Check("clock", about, Light.GREEN, "the clocks agree")
    light = Light.RED if difference > _CLOCK_WRONG else Light.YELLOW
    found = f"the clocks are {seconds:,.0f} s apart; Date, signatures and slots are wrong by that"
    fix = "Let time be set by the network: timedatectl set-ntp true"
    return Check("clock", about, light, found, fix)
