"""From a claimed row to the bytes for its reader: tokens, slots, one join (about 10 µs).

The Date is that of the row's first claim and the Message-ID is its token, so a retry is the same
message. The envelope sender carries the token too (VERP): whatever comes back says who. Relays that
keep neither get it in a header of their own, which their profile names: then a version is compiled
once more, for that profile, and composing costs one value more.
"""

from __future__ import annotations

from collections.abc import Sequence

from digest.delivery.compiled import compile_version
from digest.delivery.counted import with_counted_links
from digest.delivery.session import Letter
from digest.mail.message import CompiledMessage, Recipient
from digest.mail.tokens import KeyRing, TokenKind
from digest.rules.relay import PROFILES, RelayProfile
from digest.store.deliveries import Claimed
from digest.store.issues import StoredVersion, get_version
from digest.store.session import Database

_GENERIC = PROFILES["generic"]

Headers = tuple[tuple[str, str], ...]


class IssueLetters:
    """Writes the letters of one version of an issue."""

    def __init__(self, version: StoredVersion, *, keys: KeyRing) -> None:
        self._version = version
        self._numbers = {name: number for number, name in enumerate(version.sections, start=1)}
        self._return_path: str = version.identity["return_path"]
        self._keys = keys
        self._plain = compile_version(version)
        self._compiled: dict[Headers, CompiledMessage] = {}

    def compose(self, row: Claimed, profile: RelayProfile = _GENERIC) -> Letter | None:
        """The letter for ``row`` as a relay of ``profile`` wants it.

        None when its reader has muted every section of the issue.
        """
        muted = self._muted(row.muted) if row.muted else frozenset()
        if self._numbers and len(muted) == len(self._numbers):
            return None
        token, leave, preferences = self._keys.sign_all(
            (TokenKind.DELIVERY, row.row_id),
            (TokenKind.LEAVE, row.subscription_id),
            (TokenKind.PREFERENCES, row.subscription_id),
        )
        recipient = Recipient(
            row.address, row.name, token, leave, preferences, row.first_claimed_at
        )
        return Letter(
            sender=self._return_path.replace("{token}", token),
            recipient=row.address,
            data=self._message(profile).compose(recipient, muted=muted),
        )

    def _message(self, profile: RelayProfile) -> CompiledMessage:
        headers = profile.headers + profile.issue_headers
        if not headers:
            return self._plain
        message = self._compiled.get(headers)
        if message is None:
            message = self._compiled[headers] = compile_version(self._version, extra=headers)
        return message

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
                version = await get_version(session, version_id)
                version = await with_counted_links(session, version, self._keys)
            self._versions[version_id] = IssueLetters(version, keys=self._keys)

    def compose(self, row: Claimed, profile: RelayProfile = _GENERIC) -> Letter | None:
        """The letter for ``row``, whose version was loaded, through a relay of ``profile``.

        None: nothing of it is wanted.
        """
        return self._versions[row.version_id].compose(row, profile)
