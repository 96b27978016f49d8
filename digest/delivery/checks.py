"""The gate before an issue goes out: facts that need no network.

A commercial mail without a postal address is against the law in most places (CAN-SPAM §7704(a)(5)),
and a wrong key would make every link and bounce of the issue worthless; so nothing is planned
before all of this holds. Whether DNS and TLS are right is ``doctor``'s question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from digest.errors import AddressError, DigestError, RefusedError, SettingsError
from digest.mail.address import parse_address
from digest.mail.tokens import KeyRing
from digest.rules.relay import RelayConfig, no_relay
from digest.store.installation import get_installation
from digest.store.newsletters import newsletter_by_id
from digest.store.session import Session


@dataclass(frozen=True, slots=True)
class Gate:
    """What the installation brings along; the newsletter is looked up.

    That the migrations are current was checked when the database was opened.
    """

    relays: tuple[RelayConfig, ...]
    keys: KeyRing

    async def check(self, session: Session, newsletter_id: int) -> None:
        """Raise for the first thing that is missing or wrong, with what to do about it."""
        for problem in (*self._settings(), *await self._key(session)):
            raise problem
        newsletter = await newsletter_by_id(session, newsletter_id)
        for problem in _newsletter(
            newsletter.from_address, newsletter.postal_address, newsletter.return_path
        ):
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


def _newsletter(from_address: str, postal_address: str, return_path: str) -> Sequence[DigestError]:
    problems: list[DigestError] = []
    if not postal_address.strip():
        problems.append(
            RefusedError(
                "The newsletter has no postal address, which every issue must show.",
                where="postal_address",
                fix="Set it: digest newsletter set --postal-address '…'",
            )
        )
    try:
        parse_address(from_address)
    except AddressError as error:
        problems.append(
            RefusedError(
                f"The sender's address cannot be used: {error.message}",
                where="from",
                fix="Set it: digest newsletter set --from 'A Weekly <hello@news.example.org>'",
            )
        )
    if "{token}" not in return_path or "@" not in return_path:
        problems.append(
            RefusedError(
                "The return path has no place for {token}, so bounces could not be read.",
                where="return_path",
                fix="Set it: digest newsletter set --return-path 'b-{token}@bounces.example.org'",
            )
        )
    return problems
