"""``digest issue test``: the real message, by the real way, to a few addresses of one's own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

from digest.cli import issue_remote, output
from digest.cli.connection import read_settings
from digest.cli.issue_publish import find_issue
from digest.cli.options import Json, Many, OfNewsletter
from digest.cli.remote import server
from digest.cli.service import until_stopped
from digest.delivery.issue_tests import HASH_SHOWN, Asked, write_tests
from digest.delivery.sender import Sender
from digest.errors import AddressError, InputError, RefusedError
from digest.mail.address import parse_address
from digest.rules.delivery import UNPLANNED, DeliveryState, IssueState
from digest.rules.relay import no_relay
from digest.runtime import Runtime, open_runtime
from digest.store.issue_tests import NoticeResult, notice_results
from digest.store.issues import StoredIssue
from digest.store.newsletters import newsletter_by_id

MOST = 20  # addresses
PATIENCE = 60.0  # seconds for another process to send
_LOOK = 0.5  # seconds between two looks
_UNTRIED = frozenset({DeliveryState.QUEUED, DeliveryState.SENDING})


async def send_test(
    issue: str,
    /,
    *,
    to: Annotated[tuple[str, ...], Many],
    slug: OfNewsletter = None,
    as_json: Json = False,
) -> int:
    """Send the latest version to a few addresses: as readers get it, with links that do nothing.

    Exit 0: the relay took every one. Exit 1: it did not.

    Parameters
    ----------
    issue
        Its number or slug.
    to
        Where to; at most 20 addresses.
    """
    addresses = _addresses(to)
    if place := server():
        return await issue_remote.test(place, issue, addresses, slug=slug, as_json=as_json)
    async with open_runtime(read_settings()) as runtime:
        if not runtime.relays:
            raise no_relay()
        async with runtime.db.begin() as session:
            stored = await find_issue(session, slug, issue)
            newsletter = await newsletter_by_id(session, stored.newsletter_id)
            asked = await write_tests(
                session, newsletter, stored, addresses, now=runtime.clock.now()
            )
        await _send(runtime, asked)
        async with runtime.db.read() as session:
            results = await notice_results(session, asked.notice_ids)
    _tell(asked, results, stored, as_json=as_json)
    return 0 if all(one.state is DeliveryState.ACCEPTED for one in results) else 1


def _addresses(given: Sequence[str]) -> list[str]:
    if not given:
        raise InputError("Nobody to send it to.", where="--to", fix="Write: --to you@example.org.")
    if len(given) > MOST:
        raise InputError(
            f"{len(given)} addresses are too many for a test.",
            where="--to",
            fix=f"Name at most {MOST}.",
        )
    try:
        return list(dict.fromkeys(str(parse_address(one.strip())) for one in given))
    except AddressError as error:
        raise InputError(error.message, where="--to", fix=error.fix) from error


async def _send(runtime: Runtime, asked: Asked) -> None:
    """Send here, or let the process send that does so already, until each was tried once."""
    deadline = runtime.clock.monotonic() + PATIENCE
    told = False
    sender = Sender.of(runtime)
    async with until_stopped() as stopped:
        while not stopped.is_set():
            try:
                await sender.send_notices(stop=stopped)
            except RefusedError:  # another process sends
                if not told:
                    output.note("The process that runs already sends it.")
                told = True
            async with runtime.db.read() as session:
                results = await notice_results(session, asked.notice_ids)
            if not any(one.state in _UNTRIED for one in results):
                return
            if runtime.clock.monotonic() > deadline:
                output.note("It was not sent yet; it stays in the queue and goes out later.")
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), _LOOK)


def _tell(
    asked: Asked, results: Sequence[NoticeResult], issue: StoredIssue, *, as_json: bool
) -> None:
    data: dict[str, Any] = {
        "issue": issue.name,
        "test": asked.number,
        "version": asked.version.ordinal,
        "hash": asked.version.hash,
        "to": [
            {
                "address": one.address,
                "state": one.state,
                "code": one.reply_code,
                "status": one.reply_status,
                "text": one.reply_text,
            }
            for one in results
        ],
    }
    if as_json:
        output.result(data, as_json=True)
        return
    for one in results:
        output.document(output.printable(f"{one.address}  {one.state.value}{_reply(one)}") + "\n")
    hash_ = asked.version.hash[:HASH_SHOWN]
    text = f"Test {asked.number}, version {asked.version.ordinal}, hash {hash_}."
    taken = all(one.state is DeliveryState.ACCEPTED for one in results)
    if issue.state is IssueState.APPROVED and issue.approved_version_id == asked.version.id:
        text += " It is approved."
    elif taken and issue.state in UNPLANNED:
        text += f" Next: digest issue approve {issue.name} --tested"
    output.result(data, as_json=False, text=text)


def _reply(one: NoticeResult) -> str:
    said = " ".join(
        str(part) for part in (one.reply_code, one.reply_status, one.reply_text) if part
    )
    return f"  {said}" if said else ""
