"""Newsletters on the command line, on either database."""

from __future__ import annotations

import pytest

from tests.cli.shell import ISSUE, KEY, Shell


def test_a_newsletter_is_what_was_said_of_it(installed: Shell) -> None:
    changed = installed(
        *("newsletter", "set", "weekly", "--timezone", "Europe/Berlin", "--schedule", "thu 09:00"),
        *(
            "--undo-window",
            "60",
            "--utm",
            "source=weekly,medium=email",
            "--sections",
            "News",
            "Code",
        ),
        *("--editor", "anne@example.org", "bart@example.org", "--operator", "cris@example.org"),
    )
    assert changed.code == 0
    shown = installed("newsletter", "show", "--json").json
    assert shown["newsletter"] == "weekly"
    assert (shown["from_name"], shown["from_address"]) == ("A Weekly", "hello@news.example.org")
    assert shown["return_path"].endswith("@bounces.news.example.org")
    assert (shown["timezone"], shown["schedule"]) == ("Europe/Berlin", "thu 09:00")
    assert shown["undo_window"] == 60
    assert shown["settings"]["utm"] == {"source": "weekly", "medium": "email"}
    assert shown["settings"]["sections"] == ["News", "Code"]
    assert shown["editors"] == ["anne@example.org", "bart@example.org"]
    assert shown["operators"] == ["cris@example.org"]
    assert installed("newsletter", "list", "--json").rows == [shown]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--from", "no address"),
        ("--from", "A <hello@news.example.org\r\nBcc: all@example.org>"),
        ("--reply-to", "nobody"),
        ("--return-path", "bounces@example.org"),
        ("--schedule", "every thursday"),
        ("--schedule", "cron 0 9 * * 4"),
        ("--timezone", "Mars/Olympus"),
        ("--language", "english please"),
        ("--utm", "weekly"),
        ("--undo-window", "-1"),
        ("--theme", "no-such-theme"),
        ("--logo", "javascript:alert(1)"),
        ("--logo", "logo.png"),
        ("--sections", "\r\n"),
        ("--list-id", "not a domain"),
        ("--editor", "nobody"),
        ("--operator", "nobody"),
    ],
)
def test_a_wrong_value_names_its_option_and_changes_nothing(
    on_sqlite: Shell, option: str, value: str
) -> None:
    before = on_sqlite("newsletter", "show", "--json").json
    said = on_sqlite("newsletter", "set", "weekly", "--name", "Another", option, value)
    assert (said.code, said.out) == (2, "")
    assert said.error["where"] == option
    assert on_sqlite("newsletter", "show", "--json").json == before


def test_the_name_of_another_is_refused(on_sqlite: Shell) -> None:
    again = on_sqlite(
        *("newsletter", "create", "weekly", "--name", "W", "--from", "w@example.org"),
        *("--return-path", "b+{token}@example.org"),
    )
    assert (again.code, again.error["error"]) == (2, "conflict")


def test_with_two_newsletters_one_has_to_be_named(on_sqlite: Shell) -> None:
    other = (
        "--name",
        "Monthly",
        "--from",
        "m@example.org",
        "--return-path",
        "b+{token}@example.org",
    )
    assert on_sqlite("newsletter", "create", "monthly", *other).code == 0
    said = on_sqlite("reader", "list")
    assert (said.code, said.error["where"]) == (2, "--newsletter")
    assert "monthly, weekly" in said.error["message"]
    assert on_sqlite("reader", "list", "--newsletter", "monthly").code == 0


def test_a_name_cannot_write_a_header(on_sqlite: Shell) -> None:
    said = on_sqlite("newsletter", "set", "weekly", "--from", "A\r\nBcc: x <a@example.org>")
    shown = on_sqlite("newsletter", "show", "--json").json
    assert said.code in (0, 2)
    assert "\n" not in shown["from_name"]
    assert "\r" not in shown["from_name"]


def test_another_secret_key_opens_nothing(
    on_sqlite: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_SECRET_KEY", "another key that is long enough!")
    for tokens in (("newsletter", "list"), ("issue", "send", "1"), ("reader", "list"), ("run",)):
        said = on_sqlite(*tokens)
        assert (said.code, said.out, said.error["where"]) == (2, "", "DIGEST_SECRET_KEY")
    monkeypatch.setenv("DIGEST_OLD_SECRET_KEYS", KEY)
    assert on_sqlite("newsletter", "list").code == 0


def test_without_a_database_the_first_step_is_named(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_SECRET_KEY", KEY)
    said = shell("newsletter", "list")
    assert (said.code, said.error["error"]) == (2, "database")
    assert "digest db upgrade" in said.error["message"]
    assert list(shell.folder.iterdir()) == []


def test_a_welcome_is_set_from_a_file_and_taken_away(on_sqlite: Shell) -> None:
    text = ISSUE.replace("number: 182", "slug: welcome")
    on_sqlite.write("welcome.md", text)
    said = on_sqlite("newsletter", "welcome", "weekly", "welcome.md", "--json").json
    assert (said["welcome"], len(said["hash"])) == ("welcome", 64)
    assert "welcome" in on_sqlite("newsletter", "show", "weekly", "--json").json["settings"]
    assert on_sqlite("newsletter", "welcome", "weekly").code == 2
    assert on_sqlite("newsletter", "welcome", "weekly", "welcome.md", "--off").code == 2
    assert on_sqlite("newsletter", "welcome", "weekly", "--off").code == 0
    assert on_sqlite("newsletter", "show", "weekly", "--json").json["settings"] == {}
