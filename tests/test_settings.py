"""Settings: read once, and whatever is wrong is called by the name it was written with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from digest.errors import SettingsError
from digest.settings import Settings, env_example, is_loopback, keyring, load_settings

_ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_without_anything_set_the_defaults_hold() -> None:
    settings = load_settings()
    assert settings.database_url == "sqlite:///digest.db"
    assert settings.secret_key is None
    assert settings.sender.unrecorded == 500
    assert settings.loopback_only


def test_the_example_file_is_the_generated_one() -> None:
    assert (_ROOT / ".env.example").read_text(encoding="utf-8") == env_example()
    printed = subprocess.run(
        [sys.executable, "-m", "digest.settings"], capture_output=True, check=True
    ).stdout
    assert printed.decode() == env_example()


def test_every_line_of_the_example_is_the_default() -> None:
    lines = [line[1:] for line in env_example().splitlines() if line.startswith("#DIGEST_")]
    assert len(lines) > 10
    Path("example.env").write_text("\n".join(lines), encoding="utf-8")
    assert load_settings(env_file="example.env") == load_settings(env_file=None)


def test_every_setting_has_a_meaning() -> None:
    comment = ""
    for line in env_example().splitlines():
        if line.startswith("#DIGEST_"):
            assert len(comment) > 20, line
        comment = comment + line if line.startswith("# ") else ""


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("DIGEST_PORT=1\nDIGEST_HOST=::1\nOTHER=x\n")
    monkeypatch.setenv("DIGEST_PORT", "2")
    settings = load_settings()
    assert (settings.host, settings.port) == ("::1", 2)
    assert load_settings(env_file=None).host == "127.0.0.1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DIGEST_PORT", "eighty"),
        ("DIGEST_PORT", "70000"),
        ("DIGEST_LOG_LEVEL", "loud"),
        ("DIGEST_SENDER__UNRECORDED", "0"),
        ("DIGEST_SENDER__GRACE", "-1"),
        ("DIGEST_SENDER__IN_DOUBT", "guess"),
        ("DIGEST_SECRET_KEY", "s" * 31),
        ("DIGEST_DATABASE_URL", "mysql://root@localhost/x"),
        ("DIGEST_PUBLIC_URL", "news.example.org"),
        ("DIGEST_PUBLIC_URL", "http://news.example.org"),
        ("DIGEST_PUBLIC_URL", "ftp://127.0.0.1"),
        ("DIGEST_PUBLIC_URL", "https://news.example.org/?x=1"),
        ("DIGEST_PUBLIC_URL", "https://user@news.example.org"),
        ("DIGEST_PUBLIC_URL", "https://news.example.org:port"),
        ("DIGEST_PUBLIC_URL", "https://news.example.org/\r\nBcc: cris@example.org"),
        ("DIGEST_PUBLIC_URL", 'https://news.example.org/" onclick="alert(1)'),
        ("DIGEST_PUBLIC_URL", "https://news.example.org/{name|friend}"),
        ("DIGEST_SECRET_KEY", " " * 40),
    ],
)
def test_a_wrong_value_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert raised.value.where == name
    assert name in raised.value.message
    assert raised.value.fix


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DIGEST_RELAY_URLS", "DIGEST_RELAY_URL"),
        ("DIGEST_SENDER_UNRECORDED", "DIGEST_SENDER__UNRECORDED"),
        ("DIGEST_SECRETKEY", "DIGEST_SECRET_KEY"),
    ],
)
def test_a_misspelt_name_is_not_passed_over(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert (raised.value.where, raised.value.fix) == (name, f"Did you mean {meant}?")
    monkeypatch.delenv(name)
    Path(".env").write_text(f"export {name}=x\n")
    with pytest.raises(SettingsError):
        load_settings()


def test_what_others_read_is_not_ours_to_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SERVER", "https://news.example.org")
    monkeypatch.setenv("DIGEST_SOMETHING_ELSE", "x")
    load_settings()


def test_a_file_that_is_no_text_is_told() -> None:
    Path(".env").write_bytes(b"DIGEST_HOST=\xff\xfe")
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert raised.value.where == ".env"


def test_http_is_for_loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("http://127.0.0.1:8000/", "http://localhost", "http://[::1]:80"):
        monkeypatch.setenv("DIGEST_PUBLIC_URL", url)
        assert load_settings().public_url == url.rstrip("/")
    assert not is_loopback("127.0.0.1.example.org")
    assert not is_loopback("")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://digest:one@hunter2@db.example.org/digest",
        "postgresql://digest:123/hunter2@db.example.org/digest",
        "postgresql://digest:123?hunter2@db.example.org/digest",
        "postgresql://db.example.org/digest?user=digest&password=hunter2",
    ],
)
def test_a_password_that_is_cut_short_is_refused_unseen(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("DIGEST_DATABASE_URL", url)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert raised.value.where == "DIGEST_DATABASE_URL"
    assert "hunter2" not in str(raised.value)


def test_both_names_of_postgresql_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme in ("postgres", "postgresql"):
        monkeypatch.setenv("DIGEST_DATABASE_URL", f"{scheme}://digest:x%40y@localhost/digest")
        assert load_settings().database_url == "postgresql://digest:x%40y@localhost/digest"


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SECRET_KEY", "hunter2-" * 4)
    monkeypatch.setenv("DIGEST_OLD_SECRET_KEYS", "hunter3-hunter3-hunter3")
    monkeypatch.setenv("DIGEST_RELAY_URL", "smtp://user:hunter4@relay.example.org")
    monkeypatch.setenv("DIGEST_DATABASE_URL", "postgresql://digest:hunter5@db.example.org/digest")
    assert "hunter" not in repr(load_settings()) + str(load_settings())
    monkeypatch.setenv("DIGEST_DATABASE_URL", "mysql://digest:hunter5@db.example.org/digest")
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert "hunter" not in str(raised.value)


def test_the_keys_sign_and_old_ones_still_count(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as raised:
        keyring(load_settings())
    assert raised.value.where == "DIGEST_SECRET_KEY"
    monkeypatch.setenv("DIGEST_SECRET_KEY", "a" * 32)
    monkeypatch.setenv("DIGEST_OLD_SECRET_KEYS", f"{'b' * 32} {'c' * 32}")
    assert len(keyring(load_settings()).fingerprints) == 3


def test_settings_are_all_there_is_in_the_environment() -> None:
    assert not [name for name in os.environ if name.startswith("DIGEST_") and "TEST" not in name]
    assert Settings.model_config["env_prefix"] == "DIGEST_"
