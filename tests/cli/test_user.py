"""Who may sign in, on the command line."""

from __future__ import annotations

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
