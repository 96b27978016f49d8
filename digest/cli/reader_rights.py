"""What a reader may ask an operator for: ``digest reader consent|data|erase|…``."""

from __future__ import annotations

import json
from typing import Any

from digest.audience.own_data import erase_reader, export_reader
from digest.audience.signup import resend_confirmation as ask_again
from digest.cli import output
from digest.cli.connection import connected
from digest.cli.options import Json, OfNewsletter
from digest.errors import NotFoundError
from digest.store.newsletters import get_newsletter
from digest.store.session import Session
from digest.store.subscribers import Reader, find_reader


async def consent(address: str, /, *, as_json: Json = False) -> int:
    """Show how a reader agreed, and every change since: what a regulator asks for.

    Parameters
    ----------
    address
        Their address, however its local part is spelt.
    """
    data = await _export(address)
    found = {
        "address": data["address"],
        "subscriptions": [
            {name: one[name] for name in ("newsletter", "state", "consent")}
            for one in data["subscriptions"]
        ],
    }
    if as_json:
        output.result(found, as_json=True)
        return 0
    for one in found["subscriptions"]:
        output.document(f"{one['newsletter']}: {one['state']}\n")
        for event in one["consent"]:
            output.document(f"  {output.printable(_in_words(event))}\n")
            for line in event.get("words", "").splitlines():
                output.document(f"      | {output.printable(line)}\n")
    return 0


def _in_words(event: dict[str, Any]) -> str:
    more = {name: event[name] for name in ("wording", "from", "file", "detail") if event.get(name)}
    told = f" {json.dumps(more, ensure_ascii=False)}" if more else ""
    return f"{event['at']}  {event['kind']}: {event['source']}{told}"


async def data(address: str, /) -> int:
    """Print everything that is kept about a reader, as one JSON value, for them to take along.

    Parameters
    ----------
    address
        Their address.
    """
    output.result(await _export(address), as_json=True)
    return 0


async def erase(address: str, /, *, as_json: Json = False) -> int:
    """Erase a reader from every table; only a keyed hash stays, which keeps the address out.

    When this returns, no message to them starts any more. It cannot be undone.

    Parameters
    ----------
    address
        Their address.
    """
    async with connected() as found:
        async with found.db.read() as session:
            reader = await _reader(session, address)
        await erase_reader(found.db, reader.id, clock=found.clock)
    output.result({"erased": True}, as_json=as_json, text="Erased.")
    return 0


async def resend_confirmation(
    address: str, /, *, slug: OfNewsletter = None, as_json: Json = False
) -> int:
    """Mail a reader who has asked, but not confirmed yet, another link.

    Parameters
    ----------
    address
        Their address.
    """
    async with connected() as found, found.db.begin() as session:
        newsletter = await get_newsletter(session, slug)
        reader = await _reader(session, address)
        public_url, now = found.settings.public_url, found.clock.now()
        await ask_again(session, newsletter, reader, public_url, now)
    told = {"newsletter": newsletter.slug, "address": reader.address, "queued": True}
    output.result(told, as_json=as_json, text="A confirmation is on its way.")
    return 0


async def _export(address: str) -> dict[str, Any]:
    async with connected() as found, found.db.read() as session:
        data = await export_reader(session, address)
    if data is None:
        raise _nobody(address)
    return data


async def _reader(session: Session, address: str) -> Reader:
    reader = await find_reader(session, address)
    if reader is None:
        raise _nobody(address)
    return reader


def _nobody(address: str) -> NotFoundError:
    return NotFoundError("There is no reader with this address.", where=address)
