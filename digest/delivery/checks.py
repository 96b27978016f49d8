"""The gate before an issue goes out: facts that need no network, and what others would meet.

A commercial mail without a postal address is against the law in most places (CAN-SPAM §7704(a)(5)),
and a wrong key would make every link and bounce of the issue worthless; so nothing is planned
before all of this holds. Where real mail goes to real readers, doctor's reds on DNS, TLS and
one-click block too: they are looked for live, before the transaction, with a short patience; what
nobody could tell blocks nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from digest.errors import AddressError, DigestError, RefusedError, SettingsError
from digest.mail.address import parse_address
from digest.mail.tokens import KeyRing
from digest.rules.delivery import IssueState
from digest.rules.doctor.checkup import Check
from digest.rules.relay import RelayConfig, no_relay
from digest.store.installation import get_installation
from digest.store.issues import StoredIssue, issue_by_id
from digest.store.session import Database, Session
from digest.store.versions import StoredVersion, get_version

log = structlog.get_logger(__name__)

# The rows of doctor for mail with this From and return path.
Outside = Callable[[str, str], Awaitable[Sequence[Check]]]
OUTSIDE_PATIENCE = 20.0  # seconds


@dataclass(frozen=True, slots=True)
class Gate:
    """What the installation brings along; the approved version is looked up.

    That the migrations are current was checked when the database was opened. ``outside`` looks at
    what others would meet; None where no mail leaves this machine.
    """

    relays: tuple[RelayConfig, ...]
    keys: KeyRing
    public_url: str
    outside: Outside | None = None

    async def look_outside(self, db: Database, issue_id: int) -> None:
        """Raise RefusedError for the first thing for which receivers would refuse an approved issue
        or its readers could not leave. Asks the network, so it belongs before a transaction.
        """
        if self.outside is None:
            return
        async with db.read() as session:
            issue = await issue_by_id(session, issue_id)
            if issue.state is not IssueState.APPROVED or issue.approved_version_id is None:
                return
            identity = (await get_version(session, issue.approved_version_id)).identity
        try:
            async with asyncio.timeout(OUTSIDE_PATIENCE):
                rows = await self.outside(identity["from_address"], identity["return_path"])
        except TimeoutError:
            log.warning("nobody told in time how others see us", seconds=OUTSIDE_PATIENCE)
            return
        for row in rows:
            if row.blocks:
                raise _seen_outside(row)

    async def check(self, session: Session, issue: StoredIssue) -> None:
        """Raise for the first thing that is missing or wrong, with what to do about it.

        Asks the version that was approved, not the newsletter of today: its text, its footer and
        its links are what goes out.
        """
        for problem in (*self._settings(), *await self._key(session)):
            raise problem
        if issue.state is not IssueState.APPROVED or issue.approved_version_id is None:
            return
        self.check_version(await get_version(session, issue.approved_version_id))

    def check_version(self, version: StoredVersion) -> None:
        """Raise for the first thing of a version for which it must not go out."""
        for problem in (*_sender(version.identity), *self._links(version.identity)):
            raise problem

    def _settings(self) -> Sequence[DigestError]:
        return () if self.relays else (no_relay(),)

    async def _key(self, session: Session) -> Sequence[DigestError]:
        installation = await get_installation(session)
        if installation is None or installation.key_fingerprint in self.keys.fingerprints:
            return ()
        return (
            SettingsError(
                "This is not the key the database was made with.",
                where="DIGEST_SECRET_KEY",
                fix="Set that key again, or name it in DIGEST_OLD_SECRET_KEYS.",
            ),
        )

    def _links(self, identity: Mapping[str, Any]) -> Sequence[DigestError]:
        if identity["leave_url"].startswith(f"{self.public_url}/"):
            return ()
        return (
            RefusedError(
                f"The approved version's links do not lead to {self.public_url}.",
                where="DIGEST_PUBLIC_URL",
                fix=f"Set the address it was added under, or {_AGAIN}.",
            ),
        )


def _seen_outside(row: Check) -> RefusedError:
    records = " ".join(f"{one.name} {one.kind} {one.value}" for one in row.records)
    return RefusedError(
        f"{row.about}: {row.found}.",
        where=row.code,
        fix=f"{row.fix} {records} (All there is to do: digest doctor. To send all the same: "
        f"DIGEST_DOCTOR__IGNORE={row.code})",
    )


_AGAIN = "add the text again and approve that version"


def _sender(identity: Mapping[str, Any]) -> Sequence[DigestError]:
    problems: list[DigestError] = []
    if not identity["postal_address"].strip():
        problems.append(
            RefusedError(
                "The approved version has no postal address, which every issue must show.",
                where="postal_address",
                fix=f"Set it: digest newsletter set --postal-address '…'; then {_AGAIN}.",
            )
        )
    try:
        parse_address(identity["from_address"])
    except AddressError as error:
        problems.append(
            RefusedError(
                f"The sender's address cannot be used: {error.message}",
                where="from",
                fix="Set it: digest newsletter set --from 'A Weekly <hello@news.example.org>'; "
                f"then {_AGAIN}.",
            )
        )
    if "{token}" not in identity["return_path"] or "@" not in identity["return_path"]:
        problems.append(
            RefusedError(
                "The return path has no place for {token}, so bounces could not be read.",
                where="return_path",
                fix="Set it: digest newsletter set --return-path 'b-{token}@bounces.example.org'; "
                f"then {_AGAIN}.",
            )
        )
    return problems
