"""An installation beside a provider of identities, and the way in by it, as tests need them."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator

import httpx2
import pytest

from digest.access.issuer import Client, Issuer
from digest.access.issuer_settings import BACK
from digest.access.users import expect_user
from digest.rules.admission import Policy
from digest.rules.rights import Role
from digest.store.audit import list_deeds
from digest.web.app import Site
from tests.build import PUBLIC_URL
from tests.fakes.issuer import CLIENT_ID, SECRET, FakeIssuer, an_issuer
from tests.web.conftest import Installation

ANNE = "anne@example.org"
PERSON = {"sub": "17", "email": ANNE, "email_verified": True, "name": "Anne"}
THERE = "/desk/sign-in/oidc"
DOMAIN = Policy(domains=frozenset({"example.org"}), role=Role.EDITOR)
CLAIM = Policy(roles={"chiefs": Role.OWNER, "desk": Role.EDITOR})


@dataclasses.dataclass(frozen=True, slots=True)
class House:
    """An installation beside a provider."""

    site: Site
    issuer: FakeIssuer

    def with_client(self, **other: object) -> House:
        """The same with other settings, and nothing remembered of the provider."""
        assert self.site.issuer is not None
        client = dataclasses.replace(self.site.issuer.client, **other)  # type: ignore[arg-type]  # by name
        return House(dataclasses.replace(self.site, issuer=Issuer(client)), self.issuer)

    async def expect(self, address: str = ANNE, role: Role = Role.EDITOR) -> None:
        async with self.site.db.begin() as session:
            await expect_user(session, address, role=role, now=self.site.clock.now())

    async def said(self) -> list[tuple[str, str, str]]:
        """What the log says of sign-ins, the latest first."""
        async with self.site.db.read() as session:
            deeds = await list_deeds(session, limit=20)
        return [(one.who, one.subject, one.result) for one in deeds if one.action == "sign in"]


@pytest.fixture
async def house(installation: Installation) -> AsyncIterator[House]:
    async with an_issuer(**PERSON) as issuer:
        client = Client(
            issuer.url,
            CLIENT_ID,
            SECRET,
            PUBLIC_URL + BACK,
            "Example Co.",
            allow="127.0.0.0/8",
        )
        yield House(dataclasses.replace(installation.site, issuer=Issuer(client)), issuer)


async def sign_in(
    client: httpx2.AsyncClient, house: House, *, to: str = "", **other: str
) -> httpx2.Response:
    """Go there, be let in, come back."""
    sent = await client.get(THERE, params={"to": to} if to else {})
    brought = house.issuer.authorized(sent.headers["location"]) | other
    return await client.get(BACK, params=brought)
