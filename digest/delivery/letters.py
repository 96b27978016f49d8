"""From a claimed row to the bytes for its reader: tokens, slots, one join (about 10 µs).

The Date is that of the row's first claim and the Message-ID is its token, so a retry is the same
message. The envelope sender carries the token too (VERP): whatever comes back says who.
"""

from __future__ import annotations

from collections.abc import Sequence

from digest.delivery.publish import load_outgoing
from digest.delivery.session import Letter
from digest.mail.message import CompiledMessage, Recipient
from digest.mail.tokens import KeyRing, TokenKind
from digest.store.deliveries import Claimed
from digest.store.session import Database


class IssueLetters:
    """Writes the letters of one version of an issue."""

    def __init__(
        self,
        compiled: CompiledMessage,
        *,
        sections: Sequence[str],
        return_path: str,
        keys: KeyRing,
    ) -> None:
        self._compiled = compiled
        self._numbers = {heading: number for number, heading in enumerate(sections, start=1)}
        self._return_path = return_path
        self._keys = keys

    def compose(self, row: Claimed) -> Letter | None:
        """The letter for ``row``; None when its reader has muted every section of the issue."""
        token = self._keys.sign(TokenKind.DELIVERY, row.row_id)
        muted = self._muted(row.muted) if row.muted else frozenset()
        if self._numbers and len(muted) == len(self._numbers):
            return None
        recipient = Recipient(
            address=row.address,
            name=row.name,
            token=token,
            leave=self._keys.sign(TokenKind.LEAVE, row.subscription_id),
            preferences=self._keys.sign(TokenKind.PREFERENCES, row.subscription_id),
            date=row.first_claimed_at,
        )
        return Letter(
            sender=self._return_path.replace("{token}", token),
            recipient=row.address,
            data=self._compiled.compose(recipient, muted=muted),
        )

    def _muted(self, headings: Sequence[str]) -> frozenset[int]:
        return frozenset(self._numbers[name] for name in headings if name in self._numbers)


class Letters:
    """The letters of every version a sender meets; each version is loaded and compiled once."""

    def __init__(self, db: Database, keys: KeyRing) -> None:
        self._db = db
        self._keys = keys
        self._versions: dict[int, IssueLetters] = {}

    async def load(self, version_ids: set[int]) -> None:
        """Have these versions at hand; afterwards ``compose`` needs no database."""
        for version_id in version_ids - self._versions.keys():
            async with self._db.read() as session:
                outgoing = await load_outgoing(session, version_id)
            self._versions[version_id] = IssueLetters(
                outgoing.message,
                sections=outgoing.sections,
                return_path=outgoing.return_path,
                keys=self._keys,
            )

    def compose(self, row: Claimed) -> Letter | None:
        """The letter for ``row``, whose version was loaded; None: nothing of it is wanted."""
        return self._versions[row.version_id].compose(row)
