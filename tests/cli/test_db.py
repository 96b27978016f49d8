"""The database on the command line."""

from __future__ import annotations

import pytest

from tests.cli.shell import Shell


def test_upgrade_creates_the_tables_once(
    shell: Shell, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_DATABASE_URL", empty_database_url)
    empty = shell("db", "check", "--json")
    assert (empty.code, empty.json) == (1, {"state": "empty"})
    first = shell("db", "upgrade", "--json")
    assert (first.code, first.err) == (0, "")
    assert first.json == {"state": "current", "was": "empty", "changed": True}
    assert shell("db", "upgrade", "--json").json["changed"] is False
    current = shell("db", "check", "--json")
    assert (current.code, current.json) == (0, {"state": "current"})


@pytest.mark.parametrize(
    "url",
    ["postgresql://digest:hunter2@127.0.0.1:1/none", "sqlite:////proc/none/x.db", "mysql://x/y"],
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("DIGEST_DATABASE_URL", url)
    for verb in ("upgrade", "check"):
        said = shell("db", verb)
        assert (said.code, said.out) == (2, "")
        assert said.error["error"] in ("database", "settings")
        assert "hunter2" not in said.err


def test_a_file_that_is_no_database_is_left_alone(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.write("x.db", "this is no database, it is a text of some length\n" * 50)
    monkeypatch.setenv("DIGEST_DATABASE_URL", "sqlite:///x.db")
    before = (shell.folder / "x.db").read_bytes()
    assert shell("db", "upgrade").code == 2
    assert (shell.folder / "x.db").read_bytes() == before
