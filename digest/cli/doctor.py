"""``digest doctor``: what keeps mail from arriving, and which record to write."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import timedelta
from getpass import getpass
from typing import Annotated, Any

from cyclopts import Parameter

from digest.cli import output
from digest.cli.connection import read_settings
from digest.cli.doctor_mail import Arrived, send_and_read, send_and_wait
from digest.cli.options import Json, OfNewsletter
from digest.clock import Clock
from digest.delivery.doctor import Patient, examine_machine, examine_without, no_newsletter
from digest.delivery.doctor import examine as examine_all
from digest.errors import AddressError, DigestError, InputError
from digest.inbound.imap import parse_imap
from digest.mail.address import parse_address
from digest.rules.doctor.checkup import Check, Light, Record, in_order
from digest.rules.relay import no_relay
from digest.runtime import open_runtime
from digest.settings import Settings, keyring
from digest.store.newsletters import get_newsletter, list_newsletters
from digest.store.session import Database

_COLOURS = {
    Light.GREEN: "green",
    Light.YELLOW: "yellow",
    Light.RED: "bold red",
    Light.SKIPPED: "dim",
}


async def doctor(
    *,
    send: str | None = None,
    headers: str | None = None,
    mailbox: str | None = None,
    bounce: Annotated[bool, Parameter(negative=())] = False,
    patience: float = 120.0,
    slug: OfNewsletter = None,
    as_json: Json = False,
) -> int:
    """Look at DNS, relay, pages and this machine, and say what to do.

    Without --send and --bounce nothing is sent. Exit 0: nothing is red. Exit 1: something is; an
    issue to readers elsewhere is not sent before what is red of DNS, TLS and one-click is settled.

    Parameters
    ----------
    send
        Send a test mail to this address, and read what its receiver's checks said.
    headers
        The source of the mail as it arrived: a file, or - for standard input. Without it, it is
        asked for on a terminal.
    mailbox
        The mailbox of that address, like imaps://anne@mail.example.net/INBOX: the mail is looked
        for there instead. The password is asked for, or DIGEST_MAILBOX_PASSWORD.
    bounce
        Mail a mailbox of the newsletter's domain that nobody has, and wait until the bounce is
        understood; `digest run` (or whatever takes bounces) has to run.
    patience
        Seconds to wait for the bounce, or for the mail in the mailbox.
    """
    address = _address(send) if send is not None else None
    arrived = _arrived(headers, mailbox, patience)
    settings = read_settings()
    checks = await examine(settings, slug)
    if address is not None or bounce:
        async with open_runtime(settings) as runtime:
            if not runtime.relays:
                raise no_relay()
            async with runtime.db.read() as session:
                newsletter = await get_newsletter(session, slug)
            if address is not None:
                checks += await send_and_read(runtime, newsletter, address, arrived)
            if bounce:
                checks += await send_and_wait(runtime, newsletter, patience=patience)
    show(checks, as_json=as_json)
    return 1 if any(check.light is Light.RED for check in checks) else 0


def _arrived(headers: str | None, mailbox: str | None, patience: float) -> Arrived:
    """Where the test mail is read when it has arrived."""
    if mailbox is None:
        return Arrived(headers)
    if headers is not None:
        raise InputError("The mail is read from one place.", fix="Give --headers or --mailbox.")
    place = parse_imap(mailbox, where="--mailbox")
    if not place.password:
        place = replace(place, password=_password(place.user))
    return Arrived(mailbox=place, patience=patience)


def _password(user: str) -> str:
    known = os.environ.get("DIGEST_MAILBOX_PASSWORD")
    if known is not None or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return known or ""
    return getpass(f"Password of {user}: ")


def _address(text: str) -> str:
    try:
        return str(parse_address(text.strip()))
    except AddressError as error:
        raise InputError(error.message, where="--send", fix=error.fix) from error


async def examine(settings: Settings, slug: str | None = None) -> list[Check]:
    """Every row of an examination that sends nothing, whether or not the database opens."""
    keys = keyring(settings) if settings.secret_key is not None else None
    patient = Patient.of(settings, keys)
    try:
        db = await Database.open(settings.database_url)
    except DigestError as error:
        now = Clock().now()
        checks = [Check("database", error.where, Light.RED, error.message, error.fix)]
        checks.append(no_newsletter("the database cannot be read"))
        checks += await examine_without(patient, [], now=now)
        nowhere, even = None, timedelta(0)
        checks += await examine_machine(patient, database_file=nowhere, offset=even, now=now)
        return in_order(checks)
    async with db:
        async with db.read() as session:
            one = None if slug is None else await get_newsletter(session, slug)
            found = await list_newsletters(session) if one is None else [one]
        now = Clock(await db.clock_offset()).now()
        return await examine_all(patient, db, found, now=now)


def show(checks: list[Check], *, as_json: bool) -> None:
    """A line of JSON per row, or a table whose records can be copied as they stand."""
    if as_json:
        output.rows([row_of(check) for check in checks], as_json=True, columns=())
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        said = Text(f"{output.printable(check.about)}: " if check.about else "", style="bold")
        said.append(output.printable(check.found), style="not bold")
        if check.fix and check.light is not Light.GREEN:
            said.append(f"\n{output.printable(_advice(check))}", style="not bold cyan")
        table.add_row(Text(check.light.value, style=_COLOURS[check.light]), check.code, said)
    console = Console(highlight=False, soft_wrap=False)
    console.print(table)
    # Below the table and never wrapped: a record is copied.
    records = {r: None for check in checks if check.light is not Light.GREEN for r in check.records}
    if records:
        output.document("\nRecords to write:\n\n")
        output.document("".join(f"{record.zone_line}\n" for record in records))


def _advice(check: Check) -> str:
    """What to do; a record to write is named here and stands whole below the table."""
    if not check.records:
        return check.fix
    names = ", ".join(f"{one.kind} {one.name}" for one in check.records)
    return f"{check.fix.rstrip(':')}, below: {names}"


def row_of(check: Check) -> dict[str, Any]:
    """A row as JSON has it."""
    return {
        "code": check.code,
        "area": check.area,
        "about": check.about,
        "state": check.light,
        "found": check.found,
        "fix": check.fix,
        "records": [record_row(record) for record in check.records],
    }


def record_row(record: Record) -> dict[str, str]:
    """A record as JSON has it."""
    return {"name": record.name, "type": record.kind, "value": record.value}
