"""A program that calls the API with a key of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx2

from digest.access.api_keys import Scope, create_key
from digest.store.api_keys import NewKey
from digest.web.site import Site

BASE = "/api/v1"
ALL = tuple(scope.value for scope in Scope)


async def a_key(
    site: Site, scopes: Sequence[str] = ALL, *, expired: bool = False
) -> tuple[int, str]:
    """A fresh key with these scopes, or one whose time is over: its id and its text."""
    made = site.clock.now() - timedelta(days=2 if expired else 0)
    end = made + timedelta(days=1) if expired else None
    async with site.db.begin() as session:
        return await create_key(session, NewKey("a test", scopes, end), made)


class Program:
    """Calls the API with one key."""

    def __init__(self, client: httpx2.AsyncClient, key: str) -> None:
        self.client = client
        self.headers = {"authorization": f"Bearer {key}"}

    async def get(self, path: str, **query: Any) -> httpx2.Response:
        return await self.client.get(BASE + path, params=query, headers=self.headers)

    async def post(self, path: str, body: object = None) -> httpx2.Response:
        return await self.client.post(BASE + path, json=body, headers=self.headers)

    async def patch(self, path: str, body: object) -> httpx2.Response:
        return await self.client.patch(BASE + path, json=body, headers=self.headers)

    async def put(self, path: str, body: object) -> httpx2.Response:
        return await self.client.put(BASE + path, json=body, headers=self.headers)

    async def delete(self, path: str) -> httpx2.Response:
        return await self.client.delete(BASE + path, headers=self.headers)

    async def pages(self, path: str, **query: Any) -> list[list[Any]]:
        """Every page of a list."""
        found: list[list[Any]] = []
        more: dict[str, Any] = {}
        while more.get("after", "") is not None:
            answer = (await self.get(path, **query, **more)).json()
            found.append(answer["items"])
            more = {"after": answer["next"]}
        return found
