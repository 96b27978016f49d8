"""Makes a sink's folder with real messages in it, as a relay that takes everything would."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from digest.delivery.ledger import Ledger, SinkVerdict
from digest.delivery.publish import load_outgoing
from digest.mail.message import Recipient
from digest.mail.tokens import TokenKind
from tests.build import NOW
from tests.web.conftest import Installation


async def capture_issue(
    installation: Installation, folder: Path, readers: Sequence[tuple[str, str]]
) -> None:
    """Keep issue 182 for each (name, address); the first two are Anne's and Bart's links."""
    async with installation.site.db.read() as session:
        outgoing = await load_outgoing(session, installation.version_id)
    keys = installation.site.keys
    ledger = Ledger(folder)
    for number, (name, address) in enumerate(readers, start=1):
        token = keys.sign(TokenKind.DELIVERY, number)
        recipient = Recipient(
            address=address,
            name=name,
            token=token,
            leave=keys.sign(TokenKind.LEAVE, number),
            preferences=keys.sign(TokenKind.PREFERENCES, number),
            date=NOW,
        )
        sender = outgoing.return_path.replace("{token}", token)
        ledger.accept(sender, [address], outgoing.message.compose(recipient))
    ledger.refuse("b-x@bounces.news.example.org", "gone@example.org", SinkVerdict.REJECTED)
    ledger.refuse("b-y@bounces.news.example.org", "later@example.org", SinkVerdict.DEFERRED)
    ledger.close()
