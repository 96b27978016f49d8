"""``digest dkim``: the keys that sign our mail, and the records to publish for them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from digest.cli import output
from digest.cli.connection import connected, read_settings
from digest.cli.options import Json, group
from digest.clock import Clock
from digest.mail.dkim import record_strings
from digest.store.newsletters import get_newsletter

if TYPE_CHECKING:
    from digest.delivery.dkim_keys import DkimKey, KeyFolder

app = group("dkim")

Domain = Annotated[
    str | None,
    Parameter(help="The sending domain; that of the only newsletter's From, when not given."),
]


@app.command
async def new(domain: Domain = None, /, *, as_json: Json = False) -> int:
    """Make the first key of DOMAIN and print its DNS record. Mail is signed with it from now on."""
    folder, domain = await _folder_and_domain(domain)
    key = folder.create(domain, now=Clock().now())
    output.result(_row(key), as_json=as_json, text=f"Publish this record:\n\n{_zone(key)}")
    return 0


@app.command(name="show-dns")
async def show_dns(domain: Domain = None, /, *, as_json: Json = False) -> int:
    """Print the DNS records DOMAIN has to publish, as lines of a zone file.

    That of the key that signs, that of the next one, and of old ones while mail signed with them
    may be under way.
    """
    folder, domain = await _folder_and_domain(domain)
    keys = folder.keys(domain)
    if as_json:
        output.rows([_row(key) for key in keys], as_json=True, columns=())
    else:
        output.document("\n".join(f"; {_told(key)}\n{_zone(key)}\n" for key in keys))
    return 0


@app.command
async def rotate(
    domain: Domain = None,
    /,
    *,
    activate: Annotated[bool, Parameter(negative=())] = False,
    as_json: Json = False,
) -> int:
    """Change the key of DOMAIN in two steps; called first without, later with --activate.

    Parameters
    ----------
    activate
        The next key's record can be seen in DNS: sign with that key from now on.
    """
    folder, domain = await _folder_and_domain(domain)
    now = Clock().now()
    if activate:
        key = folder.activate_next(domain, now=now)
        text = f"{key.selector} signs now. Running senders follow when they are restarted.\n"
        text += "\n".join(_told(old) for old in folder.keys(key.domain) if old.remove_at)
    else:
        key = folder.prepare_next(domain, now=now)
        text = (
            f"Publish this record; until then the old key signs on:\n\n{_zone(key)}\n\n"
            f"When it can be seen (dig +short TXT {key.name}), run:\n"
            f"digest dkim rotate {key.domain} --activate"
        )
    output.result(_row(key), as_json=as_json, text=text)
    return 0


async def _folder_and_domain(domain: str | None) -> tuple[KeyFolder, str]:
    from digest.delivery.dkim_keys import KeyFolder

    if domain is not None:
        return KeyFolder(read_settings().dkim_folder), domain
    async with connected() as found, found.db.read() as session:
        newsletter = await get_newsletter(session, None)
        return KeyFolder(found.settings.dkim_folder), newsletter.from_domain


def _row(key: DkimKey) -> output.Row:
    return {
        "domain": key.domain,
        "selector": key.selector,
        "state": key.state,
        "name": key.name,
        "type": "TXT",
        "value": key.record,
        "strings": list(record_strings(key.record)),
        "remove_at": key.remove_at,
    }


def _zone(key: DkimKey) -> str:
    """The record as a zone file has it: strings of at most 255 octets, in brackets."""
    strings = "\n".join(f'  "{text}"' for text in record_strings(key.record))
    return f"{key.name}. 3600 IN TXT (\n{strings} )"


def _told(key: DkimKey) -> str:
    words = {
        "active": "signs now",
        "next": f"signs next, after: digest dkim rotate {key.domain} --activate",
        "retired": "signs no more",
    }
    told = f"{key.selector}: {words[key.state]}"
    if key.remove_at is None:
        return told
    day = key.remove_at.astimezone(UTC)
    verb = "remove" if key.remove_at <= datetime.now(UTC) else "leave"
    when = "now" if verb == "remove" else f"there until {day:%Y-%m-%d %H:%M} UTC, then remove it"
    return f"{told}; {verb} its record {when}"
