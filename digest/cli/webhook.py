"""``digest webhook``: who is told when a reader confirms, leaves, bounces or complains."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from digest.cli import output
from digest.cli.connection import connected
from digest.cli.options import Json, Many, group
from digest.errors import InputError, NotFoundError
from digest.jobs.outgoing import Outgoing, posting
from digest.rules.webhooks import TOLD, WebhookEvent, heard
from digest.settings import Settings
from digest.store.session import Session
from digest.store.webhooks import (
    Webhook,
    add_webhook,
    count_open,
    enable_webhook,
    list_webhooks,
    remove_webhook,
)

app = group("webhook")
_URL_MAX = 2_000


@app.command
async def add(
    url: str,
    /,
    *,
    events: Annotated[list[str], Many] | None = None,
    as_json: Json = False,
) -> int:
    """Tell another program of what happens to readers. Prints the secret its messages are signed
    with, which it needs to see that they are ours.

    Parameters
    ----------
    url
        Where it listens: https://. Private networks are refused but for those in
        DIGEST_WEBHOOKS__ALLOW, where http:// will do.
    events
        What it is told of: confirmed, left, bounced, complained; all, when not given.
    """
    async with connected() as found:
        wanted = _events(events)
        _check(url, found.settings)
        async with found.db.begin() as session:
            number, secret = await add_webhook(session, url, wanted, found.clock.now())
    told = {"id": number, "url": url, "events": [one.value for one in wanted], "secret": secret}
    output.result(told, as_json=as_json, text=secret)
    if not as_json:
        output.note(f"This is webhook {number}. Try it: digest webhook test {number}")
    return 0


@app.command(name="list")
async def list_(*, as_json: Json = False) -> int:
    """List who is told, what still waits for them, and whether they hear."""
    async with connected() as found, found.db.read() as session:
        webhooks = await list_webhooks(session)
        waiting = await count_open(session)
    rows = [
        {
            "id": one.id,
            "url": one.url,
            "events": [event.value for event in one.events],
            "state": _state(one),
            "waiting": waiting.get(one.id, 0),
            "failing_since": one.failing_since,
        }
        for one in webhooks
    ]
    columns = ("id", "url", "events", "state", "waiting", "failing_since")
    output.rows(rows, as_json=as_json, columns=columns, empty="Nobody is told anything.")
    return 0


@app.command
async def remove(webhook: int, /, *, as_json: Json = False) -> int:
    """Tell a program nothing any more, not even what waits.

    Parameters
    ----------
    webhook
        Its number, as `webhook list` shows it.
    """
    async with connected() as found, found.db.begin() as session:
        if not await remove_webhook(session, webhook):
            raise _nobody(webhook)
    output.result({"id": webhook, "removed": True}, as_json=as_json, text="It is told nothing.")
    return 0


@app.command
async def enable(webhook: int, /, *, as_json: Json = False) -> int:
    """Tell a program again that was disabled because it did not hear; from now on.

    Parameters
    ----------
    webhook
        Its number, as `webhook list` shows it.
    """
    async with connected() as found, found.db.begin() as session:
        if not await enable_webhook(session, webhook):
            raise _nobody(webhook)
    output.result({"id": webhook, "enabled": True}, as_json=as_json, text="It is told again.")
    return 0


@app.command(name="test")
async def try_(webhook: int, /, *, as_json: Json = False) -> int:
    """Tell a program of a test, once and at once. Exit code 1 when it does not hear.

    Parameters
    ----------
    webhook
        Its number, as `webhook list` shows it.
    """
    async with connected() as found:
        async with found.db.read() as session:
            one = await _webhook(session, webhook)
        async with posting(found.settings) as post:
            status = await Outgoing(found.db, found.clock, post).tell_test(one)
    good = heard(status)
    words = "did not answer" if status is None else f"answered {status}"
    told = {"id": webhook, "heard": good, "status": status}
    output.result(told, as_json=as_json, text=f"Webhook {webhook} {words}.")
    return 0 if good else 1


async def _webhook(session: Session, webhook_id: int) -> Webhook:
    found = await list_webhooks(session, webhook_id)
    if not found:
        raise _nobody(webhook_id)
    return found[0]


def _nobody(webhook_id: int) -> NotFoundError:
    return NotFoundError("There is no such webhook.", where=str(webhook_id))


def _events(names: list[str] | None) -> tuple[WebhookEvent, ...]:
    known = {event.value: event for event in TOLD}
    for name in names or ():
        if name not in known:
            fix = f"Choose of: {', '.join(known)}."
            raise InputError(f"There is no event {name!r}.", where="--events", fix=fix)
    return tuple(event for event in TOLD if not names or event.value in names)


def _check(url: str, settings: Settings) -> None:
    """InputError for what is no place to tell secrets to."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise InputError("This is no URL.", where=url) from None
    plain = parts.scheme == "http" and settings.webhooks.allow
    if not (parts.scheme == "https" or plain) or not parts.hostname:
        raise InputError("A webhook listens at https://.", where=url)
    if parts.username or parts.fragment or len(url) > _URL_MAX or not url.isascii():
        raise InputError("This URL has parts that a webhook has not.", where="url")
    if not url.isprintable() or " " in url:
        raise InputError("This URL has characters that none has.", where="url")


def _state(one: Webhook) -> str:
    if one.disabled_at is not None:
        return "disabled"
    return "failing" if one.failures else "hears"
