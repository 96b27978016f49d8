"""Keys of programs on the command line."""

from __future__ import annotations

import pytest

from tests.cli.shell import Shell


def test_a_key_is_made_listed_and_revoked(installed: Shell) -> None:
    made = installed("api-key", "create", "the shop", "--scope", "signups:write", "--json").json
    assert made["key"].startswith(f"dgk_{made['id']}_")
    assert made["expires_at"] is None
    installed("api-key", "create", "x", "--scope", "readers:read", "--expires", "2099-12-31")
    first, second = installed("api-key", "list", "--json").rows
    assert (first["name"], first["scopes"], first["state"]) == (
        "the shop",
        ["signups:write"],
        "active",
    )
    assert first["last_used"] is None
    assert second["expires_at"] == "2100-01-01T00:00:00Z"
    assert installed("api-key", "revoke", str(made["id"]), "--json").json["revoked"] is True
    assert installed("api-key", "list", "--json").rows[0]["state"] == "revoked"
    assert installed("api-key", "revoke", str(made["id"])).code == 2
    assert made["key"] not in installed("api-key", "list").out


def test_a_key_is_printed_alone_so_that_a_script_can_keep_it(on_sqlite: Shell) -> None:
    scopes = ("--scope", "readers:read", "readers:write")
    said = on_sqlite("api-key", "create", "sync", *scopes)
    assert said.code == 0
    assert said.out.strip().startswith("dgk_1_")
    assert len(said.out.split()) == 1
    assert "not shown again" in said.err


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--scope", "everything"),
        ("--scope", "readers:read", "--expires", "2020-01-01"),
        ("--scope", "readers:read", "--expires", "soon"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(on_sqlite: Shell, options: tuple[str, ...]) -> None:
    said = on_sqlite("api-key", "create", "shop", *options)
    assert (said.code, said.out) == (2, "")
    assert said.error["message"]
    assert on_sqlite("api-key", "list", "--json").rows == []
