"""The first rung of the ladder: delivery status notifications of the outer report.

RFC 3464; the words of the report for people are asked only for what its status block leaves out.
"""

from __future__ import annotations

from digest.mail.bounce import kinds
from digest.mail.bounce.classify import Command, command_of
from digest.mail.bounce.layout import said_of
from digest.mail.bounce.people import named_in, returned_to
from digest.mail.bounce.reason import Reason
from digest.mail.bounce.report import (
    RECIPIENTS_MAX,
    Kind,
    Mailed,
    Recipient,
    Report,
    judged,
    reply_in,
    shortened,
)
from digest.mail.dsn import Action, Status, read_statuses
from digest.mail.mime import Part
from digest.mail.scan import first_address, has_domain

_PARTS = frozenset(
    """message/delivery-status message/xdelivery-status message/global-delivery-status
    message/delivery-status-report text/delivery-status""".split()
)
_FIELD = "final-recipient:"
_FIRST_FIELDS = (b"reporting-mta:", b"final-recipient:", b"original-recipient:", b"arrival-date:")
_LOOK = 8 << 10  # bytes of a part in which a report would start
_SUCCESS = frozenset({Action.DELIVERED, Action.RELAYED, Action.EXPANDED})


def as_statuses(read: Mailed) -> Report | None:
    """What the delivery-status part of the outer report says, or None where there is none."""
    statuses: list[Status] = []
    source = "dsn"
    for part in read.mail.parts:
        if part.type in _PARTS or _is_unnamed(part):
            content = part.content().decode("utf-8", "replace")
            statuses += read_statuses(_dedented(content))
    if not statuses and _FIELD in read.lowered:
        statuses, source = read_statuses(_dedented(read.text)), "dsn-in-text"
    statuses = [one for one in statuses if one.address or one.diagnostic or one.status]
    if not statuses:
        return None
    if kinds.is_challenge(read.mail, read.lowered):
        return Report(Kind.CHALLENGE, (), read.returned, source)
    return _report_of(_with_addresses(statuses, read)[:RECIPIENTS_MAX], read, source)


def _is_unnamed(part: Part) -> bool:
    """Whether a part is a status block that a gateway passed on as a file of no known kind."""
    if not part.type.startswith("application/"):
        return False
    start = part.content()[:_LOOK].lstrip().lower()
    return start.startswith(_FIRST_FIELDS) and _FIELD.encode() in start


def _dedented(text: str) -> list[str]:
    """The lines of a status block within a text, without what it is indented by."""
    lowered = text.lower()
    at = max(lowered.find(_FIELD), 0)
    indented = at - (lowered.rfind("\n", 0, at) + 1)
    return [line[indented:] if not line[:indented].strip() else line for line in text.split("\n")]


def _with_addresses(statuses: list[Status], read: Mailed) -> list[tuple[Status, str]]:
    """Each status with its address; one that has none gets it from the rest of the report."""
    seen: dict[str, tuple[Status, str]] = {}
    lost = any(not has_domain(status.address) for status in statuses)
    named = [one.address for one in named_in(read)] if lost else []
    for status in statuses:
        address = status.address
        if not has_domain(address):
            rest = next((one for one in named if one not in seen), "")
            address = rest or _address_elsewhere(status, read) or address
        key = address.lower()
        if address and (key not in seen or seen[key][0].action is Action.UNKNOWN):
            seen[key] = (status, address)
    return list(seen.values())


def _address_elsewhere(status: Status, read: Mailed) -> str:
    return first_address(status.diagnostic) or returned_to(read.returned)


def _report_of(found: list[tuple[Status, str]], read: Mailed, source: str) -> Report | None:
    if not found:
        return None
    actions = {status.action for status, _ in found}
    if actions == {Action.UNKNOWN}:
        delayed = kinds.is_delayed(read.lowered, read.headers.words("subject").lower())
        kind = Kind.DELAYED if delayed else Kind.BOUNCE
    elif Action.FAILED in actions:
        kind = Kind.BOUNCE
    elif Action.DELAYED in actions:
        kind = Kind.DELAYED
    else:
        kind = Kind.SUCCESS
    command = command_of(read.lowered[:8_000])
    others = [address for _, address in found]
    recipients = tuple(
        _dsn_recipient(status, address, read=read, others=others, command=command, kind=kind)
        for status, address in found
    )
    return Report(kind, recipients, read.returned, source)


def _dsn_recipient(
    status: Status, address: str, *, read: Mailed, others: list[str], command: Command, kind: Kind
) -> Recipient:
    final = status.action is Action.FAILED or (
        status.action is Action.UNKNOWN and kind is Kind.BOUNCE
    )
    if status.action in _SUCCESS:
        code = reply_in(status.diagnostic)
        return Recipient(
            address, status.status, code, Reason.DELIVERED, evidence=shortened(status.diagnostic)
        )
    own = command_of(status.diagnostic.lower())
    said = " ".join(part for part in (status.diagnostic, status.reason) if part)
    return judged(
        address,
        said,
        status=status.status,
        final=final,
        command=own or command,
        more=lambda: said_of(read.text, address, others) or read.text,
    )
