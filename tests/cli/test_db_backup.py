"""Backups on the command line: never a secret in an argument, and what to do next."""

from __future__ import annotations

from pathlib import Path

import pytest

from digest.settings import load_settings
from tests.cli.shell import KEY, Shell


@pytest.fixture
def sealed(on_sqlite: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """An installation with a reader and a DKIM key, and a key file for its backups."""
    path = on_sqlite.folder / "backup.key"
    path.write_bytes(b"s" * 32)
    path.chmod(0o600)
    monkeypatch.setenv("DIGEST_BACKUP__KEY_FILE", "backup.key")
    assert on_sqlite("reader", "add", "anne@example.org", "--consent", "by hand").code == 0
    assert on_sqlite("dkim", "new", "news.example.org").code == 0
    return on_sqlite


def test_a_backup_is_made_looked_at_and_put_back(
    sealed: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = sealed("db", "backup", "x.backup", "--json")
    assert made.code == 0
    assert made.json["bytes"] == (sealed.folder / "x.backup").stat().st_size
    seen = sealed("db", "verify", "x.backup", "--json")
    assert (seen.code, seen.json["rows"]) == (0, made.json["rows"])
    assert (seen.json["tables"]["subscribers"], seen.json["dkim"]) == (1, ["news.example.org"])
    backup = next(row for row in sealed("doctor", "--json").rows if row["code"] == "backup")
    assert backup["state"] == "green"
    assert str(sealed.folder / "x.backup") in backup["found"]

    monkeypatch.setenv("DIGEST_DATABASE_URL", "sqlite:///new.db")
    monkeypatch.setenv("DIGEST_STATE_DIR", "new-state")
    monkeypatch.delenv("DIGEST_SECRET_KEY")
    env = sealed.folder / ".env"
    env.write_text("DIGEST_LOG_LEVEL=error")
    env.chmod(0o644)
    back = sealed("db", "restore", "x.backup")
    assert back.code == 0
    assert "--take-over" in back.out
    assert KEY not in back.out + back.err
    assert env.stat().st_mode & 0o777 == 0o600
    assert load_settings().secret_key is not None
    assert load_settings().log_level == "error"
    shown = sealed("reader", "show", "anne@example.org", "--json")
    assert shown.json["subscriptions"][0]["state"] == "active"
    again = sealed("db", "restore", "x.backup")
    assert (again.code, again.error["error"]) == (2, "conflict")
    assert sealed("db", "restore", "x.backup", "--replace", "--json").json["key_written"] is False


def test_nothing_is_sent_from_a_restored_database_before_somebody_says_so(
    sealed: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sealed("db", "backup", "x.backup").code == 0
    monkeypatch.setenv("DIGEST_DATABASE_URL", "sqlite:///new.db")
    monkeypatch.setenv("DIGEST_RELAY_URL", "smtp://127.0.0.1:9?tls=none")
    assert sealed("db", "restore", "x.backup").code == 0
    said = sealed("issue", "send", "182", "--json")
    assert (said.code, said.error["error"]) == (1, "refused")
    assert "put back from a backup" in said.error["message"]


def test_a_passphrase_comes_from_a_file_or_a_person(
    sealed: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DIGEST_BACKUP__KEY_FILE")
    unset = sealed("db", "backup", "x.backup")  # standard input is no terminal here
    assert (unset.code, unset.error["where"]) == (2, "DIGEST_BACKUP__KEY_FILE")
    path = sealed.folder / "words"
    path.write_text("short\n")
    path.chmod(0o600)
    monkeypatch.setenv("DIGEST_BACKUP__PASSPHRASE_FILE", "words")
    assert sealed("db", "backup", "x.backup").code == 2
    path.write_text("correct horse battery staple\n")
    assert sealed("db", "backup", "x.backup").code == 0
    assert sealed("db", "verify", "x.backup").code == 0
    path.write_text("correct horse battery stable\n")
    assert "does not open" in sealed("db", "verify", "x.backup").error["message"]
    assert not (sealed.folder / "y.backup").exists()


@pytest.mark.parametrize(
    ("mode", "content"), [(0o644, b"s" * 32), (0o640, b"s" * 32), (0o600, b"short")]
)
def test_a_key_file_others_can_read_or_that_is_none_seals_nothing(
    sealed: Shell, mode: int, content: bytes
) -> None:
    path = sealed.folder / "backup.key"
    path.write_bytes(content)
    path.chmod(mode)
    assert sealed("db", "backup", "x.backup").code == 2
    assert not Path("x.backup").exists()


def test_a_copy_says_what_to_do_next(
    installed: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert installed("reader", "add", "anne@example.org", "--consent", "by hand").code == 0
    target = f"sqlite:///{tmp_path / 'other.db'}"
    copied = installed("db", "copy", "--to", target, "--json")
    assert (copied.code, copied.json["tables"]["subscribers"]) == (0, 1)
    again = installed("db", "copy", "--to", target)
    assert (again.code, again.error["error"]) == (2, "conflict")
    for wrong in ("mysql://x/y", "postgresql://a:b@c@d/e", load_settings().database_url):
        said = installed("db", "copy", "--to", wrong)
        assert (said.code, said.out) == (2, "")
    monkeypatch.setenv("DIGEST_DATABASE_URL", target)
    assert installed("reader", "show", "anne@example.org").code == 0
