"""An installation as its pages see it, with an issue that went out, and a client for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest

from digest.mail.tokens import KeyRing, TokenKind
from digest.rules.delivery import IssueState
from digest.store.issues import approve_version, move_issue
from digest.store.newsletters import Newsletter
from digest.store.session import Database
from digest.web.app import Site, create_app
from tests.build import (
    KEY,
    NOW,
    PUBLIC_URL,
    a_newsletter,
    a_reader,
    an_installation,
    an_issue,
    pass_canary,
    plan_deliveries,
)


@dataclass(frozen=True, slots=True)
class Installation:
    """One newsletter, issue 182 on its way to Anne and Bart."""

    site: Site
    newsletter: Newsletter
    issue_id: int
    version_id: int
    anne: int  # subscriptions
    bart: int

    def leave_token(self, subscription_id: int) -> str:
        return self.site.keys.sign(TokenKind.LEAVE, subscription_id)


@pytest.fixture
def keys() -> KeyRing:
    return KeyRing(KEY)


@pytest.fixture
async def installation(database: Database, keys: KeyRing) -> AsyncIterator[Installation]:
    await an_installation(database, fingerprint=keys.fingerprint)
    newsletter = await a_newsletter(database, description="Every Thursday, twenty links.")
    anne = await a_reader(database, newsletter, "Anne")
    bart = await a_reader(database, newsletter, "Bart")
    published = await an_issue(database, newsletter)
    issue_id, version_id = published.issue.id, published.version.id
    async with database.begin() as session:
        await approve_version(session, issue_id, published.version.hash, by="Cris", now=NOW)
        await move_issue(session, issue_id, IssueState.SENDING, now=NOW)
        await plan_deliveries(session, issue_id=issue_id, version_id=version_id, now=NOW)
        await pass_canary(session, issue_id)
    site = Site(database, keys, PUBLIC_URL, relay_configured=True, stream_seconds=0.05)
    yield Installation(
        site, newsletter, issue_id, version_id, anne.subscription_id, bart.subscription_id
    )
    await site.settled()


@pytest.fixture
async def client(installation: Installation) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(create_app(installation.site))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as opened:
        yield opened
