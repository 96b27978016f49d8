"""Readers on the command line, on either database."""

from __future__ import annotations

import pytest

from tests.cli.shell import Shell

CSV = """\
email,name
anne@example.org,Anne
bart@example.org,"Bart, the 2nd"
not an address,Nobody
cris@example.org,Cris
ANNE@example.org,Anne again
"""
CONSENT = ("--consent", "asked at the fair")


def test_an_import_counts_and_lists_the_rows_it_left_out(installed: Shell) -> None:
    installed.write("readers.csv", CSV)
    said = installed("reader", "import", "readers.csv", *CONSENT, "--json")
    assert said.code == 0
    report = said.json
    assert (report["rows"], report["imported"], report["duplicates"]) == (5, 3, 1)
    assert report["invalid_count"] == 1
    assert [row["line"] for row in report["invalid"]] == [4]
    assert report["invalid"][0]["reason"]
    again = installed("reader", "import", "readers.csv", *CONSENT, "--json").json
    assert (again["imported"], again["already"]) == (0, 3)


def test_people_see_the_first_bad_rows_only(on_sqlite: Shell) -> None:
    bad = "".join(f"nobody {number}\n" for number in range(50))
    on_sqlite.write("readers.csv", f"email\nanne@example.org\n{bad}")
    said = on_sqlite("reader", "import", "readers.csv", *CONSENT)
    assert said.code == 0
    lines = said.out.splitlines()
    assert len(lines) == 22
    assert lines[1].strip().startswith("readers.csv:3: ")
    assert "30 more" in lines[-1]


def test_nobody_is_added_without_a_word_about_their_consent(on_sqlite: Shell) -> None:
    said = on_sqlite("reader", "add", "anne@example.org", "--consent", " ", "--json")
    assert (said.code, said.out, said.error["where"]) == (2, "", "--consent")
    assert on_sqlite("reader", "list", "--json").rows == []


def test_readers_are_listed_with_their_state(installed: Shell) -> None:
    installed.write("readers.csv", CSV)
    installed("reader", "import", "readers.csv", *CONSENT)
    assert installed("reader", "leave", "bart@example.org", "--json").json["ended"] is True
    rows = installed("reader", "list", "--json").rows
    assert [(row["address"], row["state"]) for row in rows] == [
        ("anne@example.org", "active"),
        ("bart@example.org", "ended"),
        ("cris@example.org", "active"),
    ]
    ended = installed("reader", "list", "--state", "ended", "--json").rows
    assert [row["name"] for row in ended] == ["Bart, the 2nd"]
    assert installed("reader", "leave", "Bart@example.org", "--json").json["ended"] is False


def test_who_left_is_not_brought_back(installed: Shell) -> None:
    installed("reader", "add", "anne@example.org", "--name", "Anne")
    installed("reader", "leave", "anne@example.org")
    installed.write("readers.csv", CSV)
    assert installed("reader", "import", "readers.csv", *CONSENT, "--json").json["ended"] == 1
    added = installed("reader", "add", "anne@example.org")
    assert (added.code, added.error["error"]) == (1, "refused")
    shown = installed("reader", "show", "anne@example.org", "--json").json
    assert [one["state"] for one in shown["subscriptions"]] == ["ended"]


def test_a_reader_is_shown_with_subscriptions_and_deliveries(installed: Shell) -> None:
    added = installed("reader", "add", "anne@example.org", "--name", "Anne", "--json")
    assert added.json == {
        "newsletter": "weekly",
        "address": "anne@example.org",
        "state": "active",
        "new": True,
    }
    shown = installed("reader", "show", "ANNE@example.org", "--json").json
    assert (shown["address"], shown["name"]) == ("anne@example.org", "Anne")
    assert shown["subscriptions"][0]["newsletter"] == "weekly"
    assert shown["subscriptions"][0]["state"] == "active"
    assert shown["deliveries"] == []
    assert "weekly: active since" in installed("reader", "show", "anne@example.org").out


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("no-column.csv", "contact;naam\nanne@example.org;Anne\n"),
        ("utf16.csv", "email\nanne@example.org\n".encode("utf-16")),
        ("latin1.csv", "email,name\nanne@example.org,Zo\xeb\n".encode("latin-1")),
        ("nothing.csv", ""),
    ],
)
def test_a_file_that_is_no_list_of_readers_stores_nobody(
    on_sqlite: Shell, name: str, content: str | bytes
) -> None:
    on_sqlite.write(name, content)
    said = on_sqlite("reader", "import", name, *CONSENT)
    assert (said.code, said.out) == (2, "")
    assert said.error["where"].startswith(name)
    assert on_sqlite("reader", "list", "--json").out == ""


def test_an_import_needs_a_consent_and_a_file(on_sqlite: Shell) -> None:
    on_sqlite.write("readers.csv", CSV)
    assert on_sqlite("reader", "import", "readers.csv").error["where"] == "--consent"
    assert on_sqlite("reader", "import", "none.csv", *CONSENT).error["where"] == "none.csv"
    assert on_sqlite("reader", "import", ".", *CONSENT).error["where"] == "."


def test_nobody_by_that_address(on_sqlite: Shell) -> None:
    for verb in ("show", "leave"):
        said = on_sqlite("reader", verb, "dana@example.org")
        assert (said.code, said.error["error"]) == (2, "not_found")
    wrong = on_sqlite("reader", "add", "anne@example.org\r\nRCPT TO:<x@example.org>")
    assert (wrong.code, wrong.error["error"]) == (2, "address")
