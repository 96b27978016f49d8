"""``digest suppression``: addresses that are never mailed, and why."""

from __future__ import annotations

from digest.audience.held import Held, settle_held_suppressions
from digest.audience.suppression import Unwanted, stop_mailing
from digest.cli import output
from digest.cli.connection import connected
from digest.cli.issue_publish import find_issue
from digest.cli.options import Json, OfNewsletter, group
from digest.errors import InputError
from digest.mail.address import address_key, parse_address
from digest.rules.subscription import SuppressionReason
from digest.store.feedback_counts import held_places
from digest.store.subscribers import find_reader
from digest.store.suppressions import list_evidence, unsuppress

app = group("suppression")

_PAGE = 1_000
_COLUMNS = ("address", "newsletter", "reason", "evidence", "created_at")
_HELD = ("newsletter", "issue", "domain", "readers", "sample")


@app.command(name="list")
async def list_all(*, held: bool = False, as_json: Json = False) -> int:
    """List suppressed addresses with the evidence.

    An address nobody reads at any more is kept as a hash only, and shown as none.

    Parameters
    ----------
    held
        What waits for you instead: too many addresses at one place were said to be dead.
    """
    found: list[output.Row] = []
    async with connected() as connection, connection.db.read() as session:
        if held:
            places = await held_places(session)
            found += [{name: getattr(place, name) for name in _HELD} for place in places]
        else:
            after = 0
            while page := await list_evidence(session, after=after, limit=_PAGE):
                found += [{name: getattr(one, name) for name in _COLUMNS} for one in page]
                after = page[-1].id
    empty = "Nothing is held." if held else "Nobody is suppressed."
    output.rows(found, as_json=as_json, columns=_HELD if held else _COLUMNS, empty=empty)
    return 0


@app.command
async def add(
    address: str | None = None,
    /,
    *,
    evidence: str = "by hand",
    held: str | None = None,
    domain: str | None = None,
    slug: OfNewsletter = None,
    as_json: Json = False,
) -> int:
    """Never mail an address again, or believe the bounces that are held.

    Parameters
    ----------
    address
        Whom not to mail, for any newsletter.
    evidence
        Why; it is kept.
    held
        The issue whose held bounces are believed, by number or slug.
    domain
        With --held: only those at this domain.
    """
    if held is not None:
        return await _settle(held, domain, slug, believe=True, as_json=as_json)
    key = _key(address)
    async with connected() as connection, connection.db.begin() as session:
        reader = await find_reader(session, str(address))
        added = not await list_evidence(session, limit=1, address_key=key)
        who = Unwanted(key, reader.id if reader else None, SuppressionReason.OPERATOR, evidence)
        await stop_mailing(session, who, connection.clock.now())
    said = "is not mailed any more" if added else "was suppressed already"
    output.result({"address": address, "added": added}, as_json=as_json, text=f"{address} {said}.")
    return 0


@app.command
async def remove(
    address: str | None = None,
    /,
    *,
    held: str | None = None,
    domain: str | None = None,
    slug: OfNewsletter = None,
    as_json: Json = False,
) -> int:
    """Mail an address again, whatever the reason was, or drop the bounces that are held.

    Who left, or never confirmed, still gets nothing: this lifts no more than the suppression.

    Parameters
    ----------
    address
        Whom to mail again.
    held
        The issue whose held bounces are not believed, by number or slug.
    domain
        With --held: only those at this domain.
    """
    if held is not None:
        return await _settle(held, domain, slug, believe=False, as_json=as_json)
    key = _key(address)
    async with connected() as connection, connection.db.begin() as session:
        lifted = await unsuppress(session, key, now=connection.clock.now())
    said = "may be mailed again" if lifted else "was not suppressed"
    output.result(
        {"address": address, "removed": lifted}, as_json=as_json, text=f"{address} {said}."
    )
    return 0 if lifted else 1


async def _settle(
    issue: str, domain: str | None, slug: str | None, *, believe: bool, as_json: bool
) -> int:
    async with connected() as connection, connection.db.begin() as session:
        found = await find_issue(session, slug, issue)
        settled = await settle_held_suppressions(
            session, Held(found.id, domain), believe=believe, now=connection.clock.now()
        )
    done = "suppressed" if believe else "mailed as before"
    text = f"{output.counted(settled, 'reader')} {done}."
    output.result({"issue": issue, "readers": settled}, as_json=as_json, text=text)
    return 0 if settled else 1


def _key(address: str | None) -> str:
    if not address:
        raise InputError("Whom?", where="ADDRESS", fix="Name an address, or --held ISSUE.")
    return address_key(parse_address(address.strip()))
