"""What came of a demo: what the database says, compared row by row with what the relay has."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digest.cli import output
from digest.cli.demo_processes import SentBy
from digest.delivery.ledger import accepted_lines
from digest.delivery.publish import Prepared
from digest.errors import RefusedError
from digest.mail.tokens import KeyRing, TokenKind
from digest.store.reports import Totals, issue_totals, missed_readers
from digest.store.session import Database


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the database says, beside what the relay has.

    ``lost`` are rows called accepted that the relay does not know, and readers whose row is not
    settled; ``repeated`` are copies beyond the first.
    """

    totals: Totals
    captured: int
    repeated: int
    lost: int


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What was sent, how, and what came of it."""

    prepared: Prepared
    sent: SentBy
    compared: Comparison

    @property
    def issue(self) -> int | str:
        """The issue's number, or its slug."""
        return self.prepared.issue.name

    def as_dict(self) -> dict[str, Any]:
        """What ``digest demo --json`` prints."""
        sections = self.prepared.issue.rendered_sections
        return {
            "issue": self.issue,
            "sections": len(sections),
            "items": sum(len(section.items) for section in sections),
            "planned": self.compared.totals.planned,
            "accepted": self.compared.totals.accepted,
            "rejected": self.compared.totals.rejected,
            "deferred": self.compared.totals.deferred,
            "captured": self.compared.captured,
            "lost": self.compared.lost,
            "repeated": self.compared.repeated,
            "seconds": round(self.sent.seconds, 3),
            "messages_per_second": round(
                self.compared.totals.accepted / max(self.sent.seconds, 1e-3), 1
            ),
        }


async def compare(
    db: Database, keys: KeyRing, issue_id: int, *, readers: int, capture: Path
) -> Comparison:
    """The rows of an issue for so many ``readers``, beside the ledger in ``capture``."""
    copies = [_delivery(keys, line) for line in accepted_lines(capture)]
    captured = set(copies)
    async with db.read() as session:
        totals = await issue_totals(session, issue_id)
        missed: set[int] = set()
        while page := await missed_readers(session, issue_id, after=max(missed, default=0)):
            missed.update(row.delivery_id for row in page)
    unwitnessed = totals.accepted - len(captured - missed)
    unsettled = readers - totals.planned + totals.queued + totals.sending
    return Comparison(
        totals=totals,
        captured=len(captured),
        repeated=len(copies) - len(captured),
        lost=unwitnessed + unsettled,
    )


def _delivery(keys: KeyRing, line: dict[str, object]) -> int:
    """The delivery that a captured message belongs to, by its Message-ID."""
    token = keys.read(str(line["message_id"]).partition("@")[0])
    if token is None or token.kind is not TokenKind.DELIVERY:
        raise RefusedError("The relay took a message that is none of this issue.")
    return token.id


def tell(shown: DemoResult, *, as_json: bool) -> None:
    """Print it, as sums that add up."""
    data = shown.as_dict()
    text = (
        f"Issue {data['issue']}: {data['sections']} sections, {data['items']} items, "
        f"{data['planned']:,} readers\n\n"
        f"  {data['accepted']:>9,}  accepted by the relay\n"
        f"  {data['rejected']:>9,}  rejected\n"
        f"  {data['deferred']:>9,}  deferred\n"
        f"  {data['planned']:>9,}  planned\n\n"
        f"The relay has {data['captured']:,} messages: "
        f"lost {data['lost']:,}, repeated {data['repeated']:,}"
        f"{_after_kills(shown.sent.kills)}.\n"
        f"{data['seconds']} s, {data['messages_per_second']:,} messages per second."
    )
    output.result(data, as_json=as_json, text=text)
    sys.stdout.flush()  # before the pages are served, for whoever reads along


def _after_kills(kills: int) -> str:
    if not kills:
        return ""
    return f" after {kills} kill{'s' if kills > 1 else ''} with SIGKILL"
