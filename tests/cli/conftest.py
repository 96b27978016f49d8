"""A shell in an empty folder, and one with a database that has a newsletter."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import KEY, NEWSLETTER, Shell


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    """A shell in an empty folder that asks no page and no spam filter, without other settings."""
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DIGEST_CHECK__OFFLINE", "true")
    monkeypatch.setenv("DIGEST_CHECK__SPAM", "false")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Shell(folder, capsys)


@pytest.fixture
def installed(shell: Shell, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell with a database of either kind, a key and a newsletter called ``weekly``."""
    monkeypatch.setenv("DIGEST_DATABASE_URL", database_url)
    monkeypatch.setenv("DIGEST_SECRET_KEY", KEY)
    assert shell(*NEWSLETTER).code == 0
    return shell


@pytest.fixture
def on_sqlite(shell: Shell, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """As ``installed``, for what has nothing to do with the kind of database."""
    monkeypatch.setenv("DIGEST_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("DIGEST_SECRET_KEY", KEY)
    assert shell(*NEWSLETTER).code == 0
    return shell
