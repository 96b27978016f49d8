"""People at the desk, as tests need them: signed in with a role, and the forms they send."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from digest.access.sessions import begin_session, form_token_of
from digest.rules.rights import Role
from digest.store.users import User, find_user, user_by_id, write_user
from digest.web.app import Site, create_app
from digest.web.desk.visit import cookie_name
from tests.build import PUBLIC_URL

PASSWORD = "a horse, a battery and a staple"


@dataclass(slots=True)
class Person:
    """Somebody at the desk, with a browser of their own."""

    client: httpx2.AsyncClient
    user: User
    token: str = field(repr=False)

    async def get(self, path: str, **more: Any) -> httpx2.Response:
        return await self.client.get(path, **more)

    async def post(self, path: str, **fields: Any) -> httpx2.Response:
        """Send a form as the page has it."""
        return await self.client.post(path, data={"form_token": form_token_of(self.token)} | fields)


async def a_user(site: Site, role: Role = Role.OWNER, address: str = "") -> User:
    """A user without a password."""
    wanted = address or f"{role}@example.org"
    now = site.clock.now()
    async with site.db.begin() as session:
        made = await write_user(session, wanted, name=role.capitalize(), role=role, now=now)
        found = await (user_by_id(session, made) if made else find_user(session, wanted))
    assert found is not None
    return found


@asynccontextmanager
async def at_the_desk(site: Site, role: Role = Role.OWNER) -> AsyncIterator[Person]:
    """Somebody with this role, signed in."""
    user = await a_user(site, role)
    async with site.db.begin() as session:
        token = await begin_session(session, user, browser="a test", now=site.clock.now())
    async with a_browser(site) as client:
        client.cookies.set(cookie_name(site), token)
        yield Person(client, user, token)


@asynccontextmanager
async def a_browser(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser nobody is signed in with."""
    transport = httpx2.ASGITransport(create_app(site))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        yield client
