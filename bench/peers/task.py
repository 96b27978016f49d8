"""What a peer is told, and what it tells: one JSON object on its command line, one line back.

Measured is sending alone, without starting the interpreter and reading the message: seconds,
processor seconds of the process and of what it started, and its peak memory.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage

from bench.peers.letter import PeerLetter, filled, values_of


@dataclass(frozen=True, slots=True)
class Task:
    """``ready``: send prepared bytes, instead of what the library's documentation shows."""

    port: int
    connections: int
    messages: int
    letter: PeerLetter
    ready: bool

    @classmethod
    def read(cls) -> Task:
        """The task on the command line."""
        given = json.loads(sys.argv[1])
        return cls(
            port=given["port"],
            connections=given["connections"],
            messages=given["messages"],
            letter=PeerLetter.read(given["letter"]),
            ready=given["ready"],
        )

    def share(self, number: int) -> range:
        """The readers of one of the connections."""
        return range(number, self.messages, self.connections)

    def email_message(self, number: int) -> EmailMessage:
        """The message as the examples of the standard library build one."""
        letter, values = self.letter, values_of(number)
        message = EmailMessage()
        message["From"] = f"{letter.from_name} <{letter.from_address}>"
        message["To"] = f"{values['name']} <{values['address']}>"
        message["Subject"] = letter.subject
        message["Date"] = "Thu, 26 Nov 2026 08:00:00 +0000"
        message["Message-ID"] = f"<{values['token']}@news.example.org>"
        message["List-Id"] = f"{letter.from_name} <{letter.list_id}>"
        message["List-Unsubscribe"] = f"<{letter.leave_url}{values['leave']}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(filled(letter.plain, values))
        message.add_alternative(filled(letter.html, values), subtype="html")
        return message


@contextmanager
def measured() -> Iterator[dict[str, float]]:
    """Measure the block, then print what was measured and whatever it added."""
    found: dict[str, float] = {}
    cpu, began = _processor_seconds(), time.perf_counter()
    yield found
    found["seconds"] = time.perf_counter() - began
    found["cpu"] = _processor_seconds() - cpu
    print(json.dumps(found), flush=True)


def _processor_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
