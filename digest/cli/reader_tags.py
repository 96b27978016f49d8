"""``digest reader set|tags``: what an operator keeps about readers, and sorts them by."""

from __future__ import annotations

from typing import Annotated

from digest.cli import output
from digest.cli.connection import connected
from digest.cli.options import Json, Many, OfNewsletter
from digest.errors import InputError, NotFoundError
from digest.rules.traits import clean_tag
from digest.store.newsletters import get_newsletter
from digest.store.subscribers import find_reader
from digest.store.tags import (
    change_attributes,
    count_tags,
    tag_subscription,
    tags_of,
    untag_subscription,
)


async def change(
    address: str,
    /,
    *,
    slug: OfNewsletter = None,
    tag: Annotated[tuple[str, ...], Many] = (),
    remove_tag: Annotated[tuple[str, ...], Many] = (),
    attribute: Annotated[tuple[str, ...], Many] = (),
    as_json: Json = False,
) -> int:
    """Give a reader tags and attributes, or take them away.

    Tags belong to one newsletter, attributes to the reader. Both are shown to the reader with
    everything else that is kept about them.

    Parameters
    ----------
    address
        Their address.
    tag
        Tags to give.
    remove_tag
        Tags to take away.
    attribute
        Like company=Acme; 'company=' takes it away.
    """
    added, removed = [clean_tag(one) for one in tag], [clean_tag(one) for one in remove_tag]
    attributes = dict(map(_pair, attribute))
    async with connected() as found, found.db.begin() as session:
        newsletter = await get_newsletter(session, slug)
        reader = await find_reader(session, address)
        mine = [
            one
            for one in (reader.subscriptions if reader else ())
            if one.newsletter_id == newsletter.id
        ]
        if reader is None or not mine:
            raise NotFoundError("This reader does not get this newsletter.", where=address)
        await untag_subscription(session, mine[0].id, removed)
        await tag_subscription(session, mine[0].id, added)
        kept = await change_attributes(session, reader.id, attributes)
        tags = (await tags_of(session, [mine[0].id])).get(mine[0].id, ())
    data = {
        "newsletter": newsletter.slug,
        "address": reader.address,
        "tags": tags,
        "attributes": kept,
    }
    output.result(data, as_json=as_json)
    return 0


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise InputError(f"{text!r} cannot be read.", where="--attribute", fix="Write NAME=VALUE.")
    return name, value


async def list_tags(*, slug: OfNewsletter = None, as_json: Json = False) -> int:
    """List the tags of a newsletter's readers, and how many have them."""
    async with connected() as found, found.db.read() as session:
        newsletter = await get_newsletter(session, slug)
        counted = await count_tags(session, newsletter.id)
    rows = [{"tag": tag, "readers": all_, "active": active} for tag, all_, active in counted]
    empty = "No reader has a tag."
    output.rows(rows, as_json=as_json, columns=("tag", "readers", "active"), empty=empty)
    return 0
