"""``digest doctor --send`` and ``--bounce``: a mail by the real way, and what comes of it."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from digest.cli import output
from digest.cli.service import until_stopped
from digest.delivery.checkup_mail import nobody_at, write_checkup
from digest.delivery.sender import Sender
from digest.errors import InputError, RefusedError, SettingsError
from digest.inbound.imap import ImapPlace, find_mail
from digest.mail.auth_results import read_received
from digest.mail.tokens import TokenKind
from digest.rules.delivery import DeliveryState
from digest.rules.doctor.checkup import Check, Light
from digest.rules.doctor.received import judge_received
from digest.runtime import Runtime
from digest.store.feedback import NoticeFeedback, feedback_of_notice
from digest.store.issue_tests import NoticeResult, notice_results
from digest.store.newsletters import Newsletter

HANDED_OVER = 60.0  # seconds for the relay to take it
_LOOK = 0.5
_UNTRIED = frozenset({DeliveryState.QUEUED, DeliveryState.SENDING})
_MOST = 1 << 20  # characters of a pasted source


@dataclass(frozen=True, slots=True)
class Arrived:
    """Where the source of the mail is read: a file (``-``: standard input), or a mailbox, which is
    waited for ``patience`` seconds; else it is asked for on a terminal.
    """

    file: str | None = None
    mailbox: ImapPlace | None = None
    patience: float = 0.0


async def send_and_read(
    runtime: Runtime, newsletter: Newsletter, address: str, arrived: Arrived
) -> list[Check]:
    """Send a test mail to ``address``, and judge what its receiver's checks said of it."""
    result = await _handed_over(runtime, newsletter, address, bounce=False)
    sent = _sent_row(result)
    if sent.light is not Light.GREEN:
        return [sent]
    token = runtime.keys.sign(TokenKind.NOTICE, result.id)
    if arrived.mailbox is not None:
        text = await _in_mailbox(arrived.mailbox, token, arrived.patience)
        if text is None:
            found = f"it has not arrived in the mailbox within {arrived.patience:g} s"
            fix = "Look into the folder for spam, and at the relay's log; --patience waits longer."
            return [sent, Check("received", address, Light.RED, found, fix)]
    else:
        text = _source(arrived.file)
    if text is None:
        found = "whether the receiver's checks passed was not looked at"
        fix = "Save the mail's source in the mailbox, and run it with --headers FILE."
        return [sent, Check("received", address, Light.SKIPPED, found, fix)]
    return [sent, *judge_received(read_received(text), token=token, address=address)]


async def send_and_wait(
    runtime: Runtime, newsletter: Newsletter, *, patience: float
) -> list[Check]:
    """Mail a mailbox of our own domain that nobody has; wait until its bounce is understood.

    Something has to take bounces meanwhile: ``digest run``, or a provider's webhook.
    """
    address = nobody_at(newsletter.from_domain)
    result = await _handed_over(runtime, newsletter, address, bounce=True)
    if result.state is DeliveryState.REJECTED:
        found = f"the relay refuses it at once ({_words(result)}), so no bounce is mailed"
        fix = "That is as good: such answers are understood without a bounce."
        return [Check("bounce", address, Light.GREEN, found, fix)]
    sent = _sent_row(result)
    if sent.light is not Light.GREEN:
        return [sent]
    found_feedback = await _until_back(runtime, result.id, patience)
    if found_feedback is not None:
        said = " ".join(one for one in (found_feedback.kind, found_feedback.status) if one)
        found = f"it came back by {found_feedback.source} and was understood ({said})"
        return [sent, Check("bounce", address, Light.GREEN, found)]
    found = f"nothing came back within {patience:g} s"
    fix = (
        "Is `digest run` running, with a mailbox, LMTP or webhook set? Does the row return-path "
        f"lead there? Does {newsletter.from_domain} take mail to any name (catch-all)?"
    )
    return [sent, Check("bounce", address, Light.RED, found, fix)]


async def _until_back(runtime: Runtime, notice_id: int, patience: float) -> NoticeFeedback | None:
    deadline = runtime.clock.monotonic() + patience
    while True:
        async with runtime.db.read() as session:
            found = await feedback_of_notice(session, notice_id)
        if found is not None or runtime.clock.monotonic() > deadline:
            return found
        await asyncio.sleep(_LOOK)


async def _handed_over(
    runtime: Runtime, newsletter: Newsletter, address: str, *, bounce: bool
) -> NoticeResult:
    """Write it, and send it here or let the process send that does so already."""
    now = runtime.clock.now()
    async with runtime.db.begin() as session:
        notice_id = await write_checkup(session, newsletter, address, bounce=bounce, now=now)
    sender, deadline = Sender.of(runtime), runtime.clock.monotonic() + HANDED_OVER
    async with until_stopped() as stopped:
        while True:
            with suppress(RefusedError):  # another process sends
                await sender.send_notices(stop=stopped)
            async with runtime.db.read() as session:
                (result,) = await notice_results(session, [notice_id])
            late = runtime.clock.monotonic() > deadline
            if result.state not in _UNTRIED or late or stopped.is_set():
                return result
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), _LOOK)


async def _in_mailbox(place: ImapPlace, token: str, patience: float) -> str | None:
    try:
        data = await find_mail(place, token, patience=patience)
    except SettingsError as error:
        raise InputError(error.message, where="--mailbox", fix=error.fix) from None
    except (OSError, TimeoutError) as error:
        reason = str(error) or "it does not answer"
        raise InputError(f"{place.host} cannot be read: {reason}.", where="--mailbox") from None
    return None if data is None else data.decode("utf-8", "replace")


def _sent_row(result: NoticeResult) -> Check:
    if result.state is DeliveryState.ACCEPTED:
        return Check("sent", result.address, Light.GREEN, f"the relay took it ({_words(result)})")
    found = f"{result.state}: {_words(result)}"
    return Check("sent", result.address, Light.RED, found, "See the rows of the relay above.")


def _words(result: NoticeResult) -> str:
    parts = (result.reply_code, result.reply_status, result.reply_text)
    return " ".join(str(one) for one in parts if one) or "not tried yet"


def _source(headers: str | None) -> str | None:
    if headers is None:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return None
        output.note("When it has arrived, paste its source here; end with Ctrl-D:")
        return sys.stdin.read(_MOST)
    if headers == "-":
        return sys.stdin.read(_MOST)
    try:
        return Path(headers).read_bytes()[:_MOST].decode("utf-8", "replace")
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"It cannot be read: {reason}.", where=headers) from None
