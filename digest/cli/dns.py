"""``digest dns``: every record a newsletter's mail needs, as a zone file has them."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from digest.cli import output
from digest.cli.connection import connected
from digest.cli.options import Json, OfNewsletter
from digest.delivery.doctor import Patient, wanted_records
from digest.delivery.machine import examine_keys
from digest.rules.doctor.checkup import Record
from digest.rules.relay import no_relay
from digest.settings import Settings, is_loopback
from digest.store.newsletters import Newsletter, get_newsletter

Groups = list[tuple[str, list[Record]]]


async def dns(*, slug: OfNewsletter = None, as_json: Json = False) -> int:
    """Print all DNS records to publish for a newsletter and its relays, as lines of a zone file.

    What only a provider knows is a comment there. Whether they can be seen: digest doctor.
    """
    async with connected() as found:
        async with found.db.read() as session:
            newsletter = await get_newsletter(session, slug)
        groups = await records_of(found.settings, newsletter, found.clock.now())
    if as_json:
        rows = [
            {
                "name": one.name,
                "type": one.kind,
                "value": one.value,
                "strings": list(one.strings) if one.kind == "TXT" else None,
                "why": why,
            }
            for why, records in groups
            for one in records
        ]
        output.rows(rows, as_json=True, columns=())
    else:
        output.document(zone(groups))
    return 0


async def records_of(settings: Settings, newsletter: Newsletter, now: datetime) -> Groups:
    """The records of every relay's way, each once, and the hosts that need an address."""
    patient = Patient.of(settings, None)
    if not patient.relays:
        raise no_relay()
    _, owned = examine_keys(settings.dkim_folder, now=now)
    groups: Groups = []
    for sending in patient.sendings(newsletter.from_address, newsletter.return_path):
        groups += await wanted_records(sending, patient.keys_for(sending, owned), patient.resolver)
    host = urlsplit(settings.public_url).hostname or ""
    if not is_loopback(host):
        groups.append((f"{host}: needs an A or AAAA record, of the machine with the pages", []))
    seen: dict[Record, None] = {}
    once: Groups = []
    for why, records in groups:
        fresh = [one for one in records if one not in seen]
        seen.update(dict.fromkeys(fresh))
        if fresh or (not records and (why, []) not in once):
            once.append((why, fresh))
    return once


def zone(groups: Groups) -> str:
    """A fragment of a zone file (RFC 1035 §5.1); a record with a blank to fill is a comment."""
    lines: list[str] = []
    for why, records in groups:
        lines.append(f"; {why}")
        for record in records:
            text = record.zone_line
            if "ADDRESS" in record.value or "REGION" in record.value:
                text = "".join(f"; {line}\n" for line in text.splitlines()).rstrip()
            lines.append(text)
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"
