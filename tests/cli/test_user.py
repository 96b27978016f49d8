"""Who may sign in, on the command line."""

from __future__ import annotations

import asyncio

import pytest

from digest.access.sessions import begin_session, visitor_of
from digest.access.users import get_user
from digest.clock import Clock
from digest.store.session import Database
from tests.cli.shell import Shell

ANNE, BART = "anne@example.org", "bart@example.org"


def test_a_user_is_added_listed_changed_reset_and_removed(installed: Shell) -> None:
    made = installed("user", "add", ANNE, "--role", "owner", "--name", "Anne", "--json").json
    assert (made["address"], made["role"]) == (ANNE, "owner")
    assert "/desk/welcome/" in made["link"]
    said = installed("user", "add", BART, "--role", "editor")
    assert len(said.out.split()) == 1
    assert "works once" in said.err
    first, second = installed("user", "list", "--json").rows
    assert (first["name"], first["role"], first["password"]) == ("Anne", "owner", False)
    assert installed("user", "set", BART, "--role", "operator").code == 0
    assert installed("user", "list", "--json").rows[1]["role"] == "operator"
    again = installed("user", "reset", BART, "--json").json["link"]
    assert again != made["link"]
    assert installed("user", "remove", BART, "--json").json["removed"] is True
    assert [row["address"] for row in installed("user", "list", "--json").rows] == [ANNE]
    assert second["codes"] is False


def test_what_makes_no_sense_is_refused(on_sqlite: Shell) -> None:
    assert on_sqlite("user", "add", ANNE, "--role", "king").code == 2
    assert on_sqlite("user", "add", "nobody", "--role", "editor").code == 2
    assert on_sqlite("user", "add", ANNE, "--role", "owner").code == 0
    assert on_sqlite("user", "add", ANNE, "--role", "viewer").code == 2
    assert on_sqlite("user", "reset", BART).code == 2
    assert on_sqlite("user", "remove", ANNE).code == 1  # the only owner
    assert on_sqlite("user", "set", ANNE, "--role", "viewer").code == 1
    assert on_sqlite("user", "sessions", "--end-all").code == 2
    assert on_sqlite("user", "sessions", "--end", "7").code == 2
    assert on_sqlite("user", "sessions", "--json").rows == []


def test_whose_sessions_are_ended_is_signed_out(on_sqlite: Shell, sqlite_url: str) -> None:
    for address, role in ((ANNE, "owner"), (BART, "editor")):
        assert on_sqlite("user", "add", address, "--role", role).code == 0
    tokens = asyncio.run(signed_in(sqlite_url, ANNE, BART, BART, ANNE))

    def inside() -> list[bool]:
        return asyncio.run(are_in(sqlite_url, tokens))

    rows = on_sqlite("user", "sessions", "--json").rows
    assert sorted(row["address"] for row in rows) == [ANNE, ANNE, BART, BART]
    first = min(row["id"] for row in rows if row["address"] == BART)
    left = on_sqlite("user", "sessions", "--end", str(first), "--json").rows
    assert sorted(row["address"] for row in left) == [ANNE, ANNE, BART]
    assert inside() == [True, False, True, True]
    assert on_sqlite("user", "sessions", ANNE, "--end-all", "--json").rows == []
    assert inside() == [False, False, True, False]


async def signed_in(url: str, *addresses: str) -> list[str]:
    """A browser for each of ``addresses``: the tokens in their cookies."""
    now = Clock().now()
    async with await Database.open(url) as db, db.begin() as session:
        return [
            await begin_session(session, await get_user(session, one), browser="b", now=now)
            for one in addresses
        ]


async def are_in(url: str, tokens: list[str]) -> list[bool]:
    """Whether the desk still knows whose each of ``tokens`` is."""
    async with await Database.open(url) as db, db.read() as session:
        now = Clock().now()
        return [await visitor_of(session, token, now) is not None for token in tokens]


def test_somebody_is_let_in_by_a_provider_and_not_any_more(
    on_sqlite: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = on_sqlite("user", "add", ANNE, "--role", "owner", "--oidc")
    assert (refused.code, "DIGEST_OIDC__ISSUER" in refused.err) == (2, True)
    monkeypatch.setenv("DIGEST_OIDC__ISSUER", "https://id.example.org")
    assert "CLIENT_ID" in on_sqlite("user", "add", ANNE, "--role", "owner", "--oidc").err
    monkeypatch.setenv("DIGEST_OIDC__CLIENT_ID", "digest")
    monkeypatch.setenv("DIGEST_OIDC__CLIENT_SECRET", "a secret")
    said = on_sqlite("user", "add", ANNE, "--role", "owner", "--oidc")
    assert "signs in with id.example.org" in said.out
    assert on_sqlite("user", "add", BART, "--role", "editor", "--json").json["link"]
    ways = [row["oidc"] for row in on_sqlite("user", "list", "--json").rows]
    assert ways == ["expected", None]
    assert on_sqlite("user", "set", BART, "--oidc").code == 0
    assert on_sqlite("user", "set", ANNE, "--no-oidc", "--json").json["oidc"] is False
    ways = [row["oidc"] for row in on_sqlite("user", "list", "--json").rows]
    assert ways == [None, "expected"]
    assert on_sqlite("user", "set", ANNE).code == 2
    monkeypatch.setenv("DIGEST_OIDC__PASSWORDS", "false")
    cris = "cris@example.org"
    assert on_sqlite("user", "add", cris, "--role", "viewer", "--json").json["link"] is None
    monkeypatch.setenv("DIGEST_OIDC__ROLES", "desk=king")
    assert "DIGEST_OIDC__ROLES" in on_sqlite("user", "set", cris, "--oidc").err
