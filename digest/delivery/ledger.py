"""What a sink took and what it refused: one line per recipient, and the bytes of the messages.

``ledger.jsonl`` has one line per recipient and verdict, ``messages`` the messages one after the
other (as they were before dots were doubled, RFC 5321 §4.5.2). A line is in the kernel's hands
before the answer leaves, so it survives the death of either process. The ledger is the witness that
the sender's own receipt is compared with: it shares no code with what it bears witness of.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

MESSAGES = "messages"
LEDGER = "ledger.jsonl"
KEEP_BYTES = 256 << 20  # of messages; beyond that only their hashes are kept
BUCKETS = 10_000
_MESSAGE_ID = re.compile(rb"^message-id:\s*<([^>\r\n]*)>", re.IGNORECASE | re.MULTILINE)


class SinkVerdict(StrEnum):
    """What the sink answers for a recipient."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DEFERRED = "deferred"


REPLIES = {
    SinkVerdict.ACCEPTED: (250, "2.0.0 kept"),
    SinkVerdict.REJECTED: (550, "5.1.1 no such mailbox here"),
    SinkVerdict.DEFERRED: (451, "4.3.0 come back later"),
}


@dataclass(frozen=True, slots=True)
class Shares:
    """How many of 10,000 addresses are refused for good, and how many for now."""

    rejected: int = 200
    deferred: int = 300

    def verdict(self, address: str) -> SinkVerdict:
        """The same answer for the same address, in every run and on every machine."""
        digest = hashlib.sha256(address.lower().encode("utf-8", "surrogateescape")).digest()
        bucket = int.from_bytes(digest[:8], "big") % BUCKETS
        if bucket < self.rejected:
            return SinkVerdict.REJECTED
        return (
            SinkVerdict.DEFERRED if bucket < self.rejected + self.deferred else SinkVerdict.ACCEPTED
        )


class Ledger:
    """The two files of a folder, written by one process."""

    def __init__(self, folder: Path, *, keep: int = KEEP_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._messages = (folder / MESSAGES).open("ab", buffering=0)
        self._lines = (folder / LEDGER).open("ab", buffering=0)
        self._offset = self._messages.tell()
        self._keep = keep
        self._pending: list[bytes] = []
        self._written = (folder / LEDGER).read_bytes().count(b"\n")
        self.full = False  # the messages file has reached its bound

    def refuse(self, sender: str, rcpt: str, verdict: SinkVerdict) -> None:
        """Note a recipient refused at RCPT."""
        self._note(sender, rcpt, verdict)

    def accept(self, sender: str, recipients: Sequence[str], message: bytes) -> None:
        """Note one line per recipient and keep the message once."""
        head = message[: message.find(b"\r\n\r\n") + 2]
        found = _MESSAGE_ID.search(head)
        message_id = found[1].decode("ascii", "replace") if found else None
        kept = {
            "message_id": message_id,
            "sha256": hashlib.sha256(message).hexdigest(),
            "offset": self._store(message),
            "size": len(message),
        }
        for rcpt in recipients:
            self._note(sender, rcpt, SinkVerdict.ACCEPTED, **kept)

    def flush(self) -> None:
        """Hand all noted lines to the kernel; call it before the answers leave."""
        if self._pending:
            lines = b"".join(self._pending)
            self._pending.clear()
            _write_all(self._lines.fileno(), lines)

    def close(self) -> None:
        """Flush and close both files."""
        self.flush()
        self._lines.close()
        self._messages.close()

    def _store(self, message: bytes) -> int | None:
        if self.full or self._offset + len(message) > self._keep:
            self.full = True
            return None
        offset = self._offset
        _write_all(self._messages.fileno(), message)
        self._offset += len(message)
        return offset

    def _note(self, sender: str, rcpt: str, verdict: SinkVerdict, **kept: object) -> None:
        self._written += 1
        code, reply = REPLIES[verdict]
        line = {
            "n": self._written,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "sender": sender,
            "rcpt": rcpt,
            "verdict": verdict.value,
            "code": code,
            "reply": reply,
            **dict.fromkeys(("message_id", "sha256", "offset", "size")),
            **kept,
        }
        self._pending.append(json.dumps(line, separators=(",", ":")).encode() + b"\n")


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def accepted_lines(folder: Path) -> Iterator[dict[str, object]]:
    """The lines of recipients whose message was taken; an unfinished last line is left out."""
    path = folder / LEDGER
    if not path.exists():
        return
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n") and b'"verdict":"accepted"' in line:
                yield json.loads(line)
