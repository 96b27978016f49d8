"""Addresses that are not mailed. They are kept as keyed hashes, so a list of them has no names."""

from __future__ import annotations

from digest.access.api_keys import Scope
from digest.mail.address import address_key, parse_address
from digest.store.suppressions import suppression_page
from digest.web.api.calls import Call, Operation
from digest.web.api.models import OfNewsletter, Suppression, Suppressions, WhoseAddress
from digest.web.api.newsletters import newsletter_called


async def list_some(call: Call) -> Suppressions:
    """A page of suppressions."""
    asked: OfNewsletter = call.query
    async with call.site.db.read() as session:
        newsletter_id = None
        if asked.newsletter is not None:
            newsletter_id = (await newsletter_called(session, asked.newsletter)).id
        found = await suppression_page(
            session, newsletter_id=newsletter_id, after=int(asked.after), limit=asked.limit + 1
        )
    shown = found[: asked.limit]
    more = str(shown[-1].id) if len(found) > len(shown) else None
    return Suppressions(items=[Suppression.of(one) for one in shown], next=more)


async def find(call: Call) -> Suppressions:
    """Every suppression of one address that holds."""
    asked: WhoseAddress = call.body
    key = address_key(parse_address(asked.address.strip()))
    async with call.site.db.read() as session:
        found = await suppression_page(session, address_key=key)
    return Suppressions(items=[Suppression.of(one) for one in found], next=None)


OPERATIONS = (
    Operation(
        "list_suppressions",
        "GET",
        "/suppressions",
        Scope.SUPPRESSIONS_READ,
        list_some,
        Suppressions,
        "List suppressions: what holds for how many, not who they are",
        query=OfNewsletter,
        problems=(404,),
    ),
    Operation(
        "find_suppressions",
        "POST",
        "/suppressions/find",
        Scope.SUPPRESSIONS_READ,
        find,
        Suppressions,
        "Find out whether and why an address is not mailed",
        body=WhoseAddress,
        looks=True,
    ),
)
