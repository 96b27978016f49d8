"""Delivery status notifications: the machine-readable part of a report.

RFC 3464 §2.1–2.3 (fields, one block for the message, one per recipient), RFC 6533 (addresses beyond
ASCII). Real reports leave out blank lines and address types, write ``rfc/822`` or ``Status: 550``;
all of this is read. Only the block itself is given here: what a returned message holds never
counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from digest.mail.scan import STATUS, clean_address, has_domain

RECIPIENTS_MAX = 100
LINES_MAX = 5_000
_VALUE_MAX = 2_000
_ADDRESS_MAX = 500
_ESCAPED = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")

_RECIPIENT_FIELDS = frozenset(
    """original-recipient final-recipient action status remote-mta diagnostic-code last-attempt-date
    final-log-id will-retry-until x-actual-recipient""".split()
)
_OPENING = ("final-recipient", "original-recipient", "x-actual-recipient")


class Action(StrEnum):
    """What the reporting server did (RFC 3464 §2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"
    UNKNOWN = ""


# Words of servers that do not keep to the five of the RFC.
_ACTIONS = {
    **{str(action): action for action in Action},
    "failure": Action.FAILED,
    "fail": Action.FAILED,
    "failed)": Action.FAILED,
    "expired": Action.FAILED,
    "error": Action.FAILED,
    "bounced": Action.FAILED,
    "rejected": Action.FAILED,
    "undeliverable": Action.FAILED,
    "delay": Action.DELAYED,
    "deferred": Action.DELAYED,
    "transient-failure": Action.DELAYED,
    "deliverable": Action.DELIVERED,
    "deliveried": Action.DELIVERED,
    "success": Action.DELIVERED,
}


@dataclass(frozen=True, slots=True)
class Status:
    """One recipient's block. Addresses are as written, without their type; empty where absent."""

    final: str
    original: str
    action: Action
    status: str  # "5.1.1", or "" where the field holds none
    diagnostic: str  # without the type of the code
    reason: str = ""  # of X-headers and comments that say more

    @property
    def address(self) -> str:
        """The final address, or the original one where the final one leads nowhere."""
        if self.original and not has_domain(self.final):
            return self.original
        return self.final or self.original


def read_statuses(lines: Iterable[str]) -> list[Status]:
    """The recipients of a delivery-status part, at most 100, without blocks that say nothing."""
    found: list[Status] = []
    for block in _blocks(lines):
        status = _status(block)
        if status is not None:
            found.append(status)
        if len(found) == RECIPIENTS_MAX:
            break
    return found


def fields(lines: Iterable[str]) -> Iterator[tuple[str, str] | None]:
    """Name and value of each field, unfolded; None for an empty line."""
    name, value = "", ""
    for number, line in enumerate(lines):
        if number == LINES_MAX:
            break
        if line[:1] in (" ", "\t") and line.strip() and name:
            if len(value) < _VALUE_MAX:
                value += " " + line[:_VALUE_MAX].strip()
            continue
        if name:
            yield name, value
        name, colon, value = line[:_VALUE_MAX].partition(":")
        name = name.strip().lower() if colon and len(name) < 80 else ""
        value = value.strip()
        if not line.strip():
            yield None
    if name:
        yield name, value


def _blocks(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    """The fields of one recipient after the other, with or without empty lines between them."""
    block: dict[str, str] = {}
    for field in fields(lines):
        if field is None:
            # Some servers put an empty line within a block, so one ends only where it is complete.
            if "action" in block and any(name in block for name in _OPENING):
                yield block
                block = {}
            continue
        name, value = field
        if name not in _RECIPIENT_FIELDS:
            continue
        if name in block and value and name != "diagnostic-code":
            yield block
            block = {}
        if name in block:
            value = f"{block[name]} {value}"
        block[name] = value
    if block:
        yield block


def _status(block: dict[str, str]) -> Status | None:
    final = _address(block.get("final-recipient", ""))
    original = _address(block.get("original-recipient", ""))
    if not final:
        final = _address(block.get("x-actual-recipient", ""))
    if not final and not original and "action" not in block:
        return None
    code = STATUS.search(block.get("status", ""))
    words = block.get("action", "").lower().split()
    return Status(
        final=final,
        original=original,
        action=_ACTIONS.get(words[0].strip(";,."), Action.UNKNOWN) if words else Action.UNKNOWN,
        status=code[1] if code else "",
        diagnostic=_without_type(block.get("diagnostic-code", "")),
        reason=block.get("status", "").partition("(")[2].rstrip(")"),
    )


def _address(value: str) -> str:
    """``rfc822; <anne@example.org>`` as an address; "" where the value holds none."""
    kind, semicolon, rest = value.partition(";")
    if semicolon and "@" not in kind:
        value = rest
        if kind.strip().lower() == "utf-8":
            return _beyond_ascii(value) or clean_address(value)
    return clean_address(value)


def _beyond_ascii(value: str) -> str:
    r"""An address of RFC 6533 §3, whose letters may be written ``\x{E9}``; "" where it is none."""
    value = _ESCAPED.sub(_letter, value[:_ADDRESS_MAX].strip(" \t<>"))
    local, at, domain = value.partition("@")
    plain = local and domain and "@" not in domain and value.isprintable() and " " not in value
    return value.lower() if at and plain else ""


def _letter(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    return chr(number) if number < 0x110000 else found[0]


def _without_type(value: str) -> str:
    kind, semicolon, rest = value.partition(";")
    return rest.strip() if semicolon and len(kind) < 20 and " " not in kind.strip() else value
