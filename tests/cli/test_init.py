"""From an empty folder to a newsletter, in one command."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from collections.abc import Mapping

import pytest

from digest.settings import load_settings
from tests.cli.shell import Shell
from tests.fakes.names import NameServer
from tests.scenarios.processes import environment

ARGUMENTS = (
    *("init", "--newsletter", "weekly", "--name", "A Weekly", "--from", "hello@news.example.org"),
    *("--return-path", "bounces+{token}@news.example.org", "--postal-address", "Main Street 1"),
    *("--relay-url", "smtp://user:pass@relay.example.org:587", "--json"),
    "--offline",
)


def test_one_command_sets_everything_up(shell: Shell) -> None:
    said = shell(*ARGUMENTS)
    assert said.code == 0
    key = said.json["dkim"]
    assert key.endswith("._domainkey.news.example.org")
    assert said.json == {
        "env": ".env",
        "env_written": True,
        "database": "current",
        "relay": True,
        "newsletter": "weekly",
        "dkim": key,
        "records": [],
        "red": [],
    }
    env = shell.folder / ".env"
    assert env.stat().st_mode & 0o777 == 0o600
    settings = load_settings()
    assert settings.secret_key is not None
    assert len(settings.secret_key.get_secret_value()) == 43
    assert settings.relay_url == "smtp://user:pass@relay.example.org:587"
    assert shell("newsletter", "show", "weekly").code == 0
    assert settings.secret_key.get_secret_value() not in said.out + said.err


def test_what_is_there_is_kept(shell: Shell) -> None:
    shell(*ARGUMENTS)
    env = (shell.folder / ".env").read_text()
    again = shell("init", "--offline", "--json")
    assert (again.code, again.json["env_written"], again.json["newsletter"]) == (0, False, None)
    assert (shell.folder / ".env").read_text() == env
    refused = shell("init", "--relay-url", "smtp://other.example.org")
    assert (refused.code, refused.out, refused.error["where"]) == (2, "", ".env")
    assert (shell.folder / ".env").read_text() == env


@pytest.mark.parametrize(
    ("option", "value", "where"),
    [
        ("--public-url", "http://news.example.org", "DIGEST_PUBLIC_URL"),
        ("--relay-url", "smtp://relay.example.org?conections=8", "DIGEST_RELAY_URL"),
        ("--database-url", "mysql://localhost/digest", "DIGEST_DATABASE_URL"),
        ("--database-url", "sqlite:////no/such/folder/digest.db", "/no/such/folder"),
    ],
)
def test_a_value_that_cannot_work_leaves_nothing_behind(
    shell: Shell, option: str, value: str, where: str
) -> None:
    said = shell("init", option, value, "--json")
    assert (said.code, said.out, said.error["where"]) == (2, "", where)
    assert list(shell.folder.iterdir()) == []


def test_two_installations_have_two_keys(shell: Shell) -> None:
    shell("init", "--offline", "--json")
    first = (shell.folder / ".env").read_text()
    (shell.folder / ".env").unlink()
    (shell.folder / "digest.db").unlink()
    shell("init", "--offline", "--json")
    assert (shell.folder / ".env").read_text() != first


def test_a_value_cannot_add_a_line_to_the_file(shell: Shell) -> None:
    said = shell("init", "--relay-url", "smtp://x'\nDIGEST_PORT=1", "--json")
    assert (said.code, said.error["where"]) == (2, "DIGEST_RELAY_URL")
    assert not (shell.folder / ".env").exists()


def test_a_file_of_secrets_that_everybody_can_read_is_warned_of(shell: Shell) -> None:
    shell(*ARGUMENTS)
    env = shell.folder / ".env"
    assert shell("newsletter", "list", "--json").err == ""
    env.chmod(0o644)
    said = shell("newsletter", "list", "--json")
    assert (said.code, len(said.rows)) == (0, 1)
    assert "chmod 600 .env" in said.err


def test_the_first_hour_ends_with_the_records_and_how_things_stand(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    with NameServer({}) as names:
        monkeypatch.setenv("DIGEST_DNS__NAMESERVER", f"127.0.0.1:{names.port}")
        said = shell(
            *("init", "--newsletter", "weekly", "--name", "A Weekly"),
            *("--from", "hello@news.example.org", "--postal-address", "Main Street 1"),
            *("--timezone", "Europe/Berlin", "--schedule", "thu 09:00"),
            *("--operator", "bart@example.org"),
            *("--relay-url", "smtp://127.0.0.1:9?tls=none&addresses=192.0.2.25"),
        )
    assert said.code == 0  # what is red is yet to be published
    key = shell("dkim", "show-dns", "--json").rows[0]
    assert f"{key['name']}. 3600 IN TXT (" in said.out
    assert '3600 IN TXT "v=spf1 ip4:192.0.2.25 ~all"' in said.out
    assert "red" in said.out.partition("How things stand")[2]
    shown = shell("newsletter", "show", "--json").json
    assert shown["return_path"] == "b-{token}@bounces.news.example.org"
    assert (shown["schedule"], shown["operators"]) == ("thu 09:00", ["bart@example.org"])


def test_a_relay_that_signs_itself_needs_no_key(shell: Shell) -> None:
    said = shell(*ARGUMENTS[:-2], "--json", "--offline")
    assert said.json["dkim"]
    (shell.folder / ".env").unlink()
    (shell.folder / "digest.db").unlink()
    ses = [one.replace(":587", ":587?profile=ses") for one in ARGUMENTS]
    assert shell(*ses).json["dkim"] is None


ANSWERS = {
    "Relay that takes": "smtp.example.org:465",
    "What it is": "postmark",
    "User there": "anne",
    "Password": "a/secret:word",
    "Public URL": "https://news.example.org",
    "Name of the newsletter": "A Weekly",
    "From (": "A Weekly <hello@news.example.org>",
    "Postal address": "Main Street 1",
    "Bounces go to": "",
    "Time zone": "Europe/Berlin",
    "Day and time": "thu 09:00",
    "Operator": "olga@example.org",
}


def test_on_a_terminal_everything_is_asked_for_and_no_password_is_shown(shell: Shell) -> None:
    shown = _answering(shell, ANSWERS, "init", "--offline")
    assert "a/secret:word" not in shown
    assert "error" not in shown
    settings = load_settings()
    assert settings.relay_url == (
        "smtps://anne:a%2Fsecret%3Aword@smtp.example.org:465?profile=postmark"
    )
    assert settings.public_url == "https://news.example.org"
    made = shell("newsletter", "show", "a-weekly", "--json").json
    expected = {
        "name": "A Weekly",
        "from_address": "hello@news.example.org",
        "timezone": "Europe/Berlin",
        "schedule": "thu 09:00",
        "return_path": "b-{token}@bounces.news.example.org",
    }
    assert {key: made[key] for key in expected} == expected


def test_the_relays_password_is_given_without_a_list_of_processes_or_a_screen_showing_it(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "smtp://anne:a-secret-word@relay.example.org:587"
    answers = {"URL of the relay": url}
    shown = _answering(shell, answers, "init", "--relay-url", "-", "--yes", "--offline")
    assert "a-secret-word" not in shown
    assert load_settings().relay_url == url
    (shell.folder / ".env").unlink()
    (shell.folder / "digest.db").unlink()
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{url}\n"))
    assert shell("init", "--relay-url", "-", "--offline", "--json").json["relay"]
    assert load_settings().relay_url == url
    (shell.folder / ".env").unlink()
    none = shell("init", "--relay-url", "-", "--offline", "--json")  # nothing more comes
    assert (none.code, none.error["where"]) == (2, "--relay-url")
    assert not (shell.folder / ".env").exists()


WRONG = {  # once each, and then what is right
    "Relay that takes": ("127.0.0.1:port", "127.0.0.1:2525"),
    "What it is": ("exchange", ""),
    "User there": ("",),
    "Public URL": ("news.example.org", "http://news.example.org", ""),
    "Name of the newsletter": ("", "每周"),
    "From (": ("A Weekly hello@example", "A Weekly <hello@news.example.org>"),
    "Postal address": ("Main Street 1",),
    "Bounces go to": ("bounces@example.org", "bounces+{token}@example.org"),
    "Time zone": ("Berlin", "Europe/Berlin"),
    "Day and time": ("thursdays", "thu 09:00"),
    "Operator": ("olga", ""),
}


def test_an_answer_that_cannot_be_is_asked_for_again_at_once(shell: Shell) -> None:
    shown = _answering(shell, WRONG, "init", "--offline")
    for said in ("no time zone", "needs one {token}", "must start with https://", "none of them"):
        assert said in shown
    assert "tls=none" in shown
    assert load_settings().relay_url == "smtp://127.0.0.1:2525?profile=generic&tls=none"
    made = shell("newsletter", "show", "newsletter", "--json").json
    assert (made["name"], made["timezone"]) == ("每周", "Europe/Berlin")


def test_without_a_newsletter_the_next_thing_is_to_make_one(shell: Shell) -> None:
    assert "Next: digest newsletter create" in shell("init", "--yes", "--offline").out
    shell("newsletter", "create", *ARGUMENTS[2:9])
    assert "Next: digest reader import" in shell("init", "--yes", "--offline").out


def _answering(shell: Shell, answers: Mapping[str, str | tuple[str, ...]], *command: str) -> str:
    """All that stood on the terminal of a command that was answered like this, in turn."""
    ours, theirs = pty.openpty()
    shown, asked = "", 0
    left = {
        start: [text] if isinstance(text, str) else list(text) for start, text in answers.items()
    }
    expected = sum(len(texts) for texts in left.values())
    with subprocess.Popen(
        [sys.executable, "-m", "digest", *command],
        cwd=shell.folder,
        env=environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,  # or else the password would be asked for at the tester's terminal
    ) as process:
        os.close(theirs)
        while True:
            try:
                shown += os.read(ours, 1000).decode()
            except OSError:  # it has ended
                break
            line = shown.replace("\r\n", "\n").rpartition("\n")[2]
            fitting = [texts for start, texts in left.items() if line.startswith(start)]
            if fitting and fitting[0] and line.endswith(": "):
                os.write(ours, f"{fitting[0].pop(0)}\n".encode())
                shown, asked = f"{shown}\n", asked + 1
    os.close(ours)
    assert (process.returncode, asked) == (0, expected), shown
    return shown
