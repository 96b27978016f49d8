"""Bringing readers over on the command line: tools, errors, a look before the first send, tags."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.audience.test_reader_formats import SUBSCRIBED, UNSUBSCRIBED, zipped
from tests.cli.shell import Shell
from tests.fakes.names import NameServer

CONSENT = ("--consent", "signed up at weekly.example.org")
ANNE = "anne@example.org"
TWO = ("newsletter", "create", "other", "--name", "B", "--from", "B <b@example.org>",
    "--postal-address", "1 Main Street", "--return-path-domain", "b.example.org")  # fmt: skip


def test_the_file_of_another_tool_is_known_and_told(installed: Shell) -> None:
    installed.write("audience.zip", zipped(subscribed_x=SUBSCRIBED, unsubscribed_x=UNSUBSCRIBED))
    tried = installed("reader", "import", "audience.zip", *CONSENT, "--dry-run", "--json").json
    assert installed("reader", "list", "--json").rows == []
    done = installed("reader", "import", "audience.zip", *CONSENT, "--json").json
    assert {**tried, "dry_run": False} == done
    assert (done["imported"], done["left"], done["kept_out"]) == (1, 1, 1)
    assert [one["from"] for one in done["files"]] == ["mailchimp", "mailchimp"]
    assert "member_rating" in done["files"][0]["unused_columns"]
    said = installed("reader", "import", "audience.zip", *CONSENT, "--dry-run").out
    assert said.startswith("Nothing is changed")
    assert "read as Mailchimp" in said


def test_every_row_left_out_is_in_the_errors_file(installed: Shell) -> None:
    bad = "".join(f"=nobody{number}\n" for number in range(1_200))
    installed.write("readers.csv", f"email\n{ANNE}\n{bad}")
    installed("reader", "import", "readers.csv", *CONSENT, "--errors", "errors.csv")
    path = installed.folder / "errors.csv"
    assert path.stat().st_mode & 0o777 == 0o600
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert len(rows) == 1_200
    assert (rows[0]["file"], rows[0]["line"], rows[0]["address"]) == (
        "readers.csv",
        "3",
        "'=nobody0",
    )
    assert installed("reader", "import", "readers.csv", *CONSENT, "--errors", "no/x").code == 2


def test_people_who_left_need_no_consent_and_readers_do(on_sqlite: Shell) -> None:
    on_sqlite.write("readers.csv", f"email\n{ANNE}\n")
    said = on_sqlite("reader", "import", "readers.csv", "--from", "ghost")
    assert said.error["where"] == "--consent"
    kept_out = on_sqlite("reader", "import", "readers.csv", "--as", "suppressed", "--json").json
    assert kept_out["kept_out"] == 1
    ended = on_sqlite("reader", "import", "readers.csv", "--as", "ended", "--json").json
    assert ended["suppressed"] == 1


def test_an_export_is_imported_again_as_it_was(installed: Shell) -> None:
    installed.write("x.csv", SUBSCRIBED)
    installed.write("readers.csv", "email,name\nbart@example.org,=Bart\ncris@example.org,Cris\n")
    installed("reader", "import", "x.csv", "--as", "active", *CONSENT)
    installed("reader", "import", "readers.csv", *CONSENT)
    installed("reader", "leave", "bart@example.org")
    installed.write("out.csv", "email\ncris@example.org\n")
    installed("reader", "import", "out.csv", "--as", "suppressed")
    plain, raw = installed("reader", "export").out, installed("reader", "export", "--raw").out
    assert ",'=Bart," in plain
    assert ",=Bart," in raw
    for table in (plain, raw):
        assert installed(*TWO[:2], f"n{len(table)}", *TWO[3:]).code == 0
        other = ("--newsletter", f"n{len(table)}")
        installed.write("all.csv", table)
        done = installed("reader", "import", "all.csv", *CONSENT, *other, "--json").json
        assert (done["imported"], done["left"], done["suppressed"]) == (1, 1, 1)
        again = list(csv.DictReader(io.StringIO(installed("reader", "export", *other).out)))
        before = list(csv.DictReader(io.StringIO(plain)))
        assert again == [row for row in before if not row["suppressed"]]


def test_a_look_before_the_first_send_lists_what_is_odd_and_changes_nothing(
    installed: Shell,
) -> None:
    odd = ["anne@gmial.com", "info@example.org", "bart@yopmail.com", "cris@host.test"]
    installed.write("readers.csv", "\n".join(["email", *odd, ANNE, "gone@gmial.com"]))
    installed("reader", "import", "readers.csv", *CONSENT)
    installed("reader", "leave", "gone@gmial.com")
    before = installed("reader", "export").out
    rows = installed("reader", "check", "--json").rows
    assert {row["address"]: row["why"] for row in rows} == {
        "anne@gmial.com": "typo",
        "info@example.org": "role address",
        "bart@yopmail.com": "disposable",
        "cris@host.test": "dead domain",
    }
    said = installed("reader", "check")
    assert "anne@gmail.com" in said.out
    assert "1 typo" in said.err
    assert installed("reader", "export").out == before


def test_the_dns_is_asked_on_demand_and_once_for_each_domain(
    on_sqlite: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = "anne@there.example bart@there.example cris@nullmx.example dora@gone.example".split()
    on_sqlite.write("readers.csv", "\n".join(["email", *people, "emil@host.example"]))
    on_sqlite("reader", "import", "readers.csv", *CONSENT)
    zone = {
        ("there.example", "MX"): ["10 mx.there.example."],
        ("nullmx.example", "MX"): ["0 ."],
        ("host.example", "A"): ["192.0.2.1"],
    }
    with NameServer(zone) as names:
        monkeypatch.setenv("DIGEST_DNS__NAMESERVER", f"127.0.0.1:{names.port}")
        assert on_sqlite("reader", "check", "--json").rows == []
        assert names.asked == []
        rows = on_sqlite("reader", "check", "--check-domains", "--json").rows
        assert {row["address"]: row["why"] for row in rows} == {
            "cris@nullmx.example": "dead domain",
            "dora@gone.example": "dead domain",
        }
        assert names.asked.count(("there.example", "MX")) == 1
        names.fails = "SERVFAIL"
        said = on_sqlite("reader", "check", "--check-domains", "--json")
        assert (said.rows, "4 domains" in said.err) == ([], True)


def test_tags_and_attributes_are_kept_shown_and_erased(installed: Shell) -> None:
    for name in ("anne", "bart"):
        installed("reader", "add", f"{name}@example.org")
    given = ("--tag", "VIP", "from the fair", "--attribute", "company=Acme", "city=Ulm")
    said = installed("reader", "set", ANNE, *given, "--json").json
    assert said["tags"] == ["VIP", "from the fair"]
    changed = ("--remove-tag", "VIP", "--attribute", "city=")
    assert installed("reader", "set", ANNE, *changed, "--json").json["attributes"] == {
        "company": "Acme"
    }
    assert installed("reader", "tags", "--json").rows == [
        {"tag": "from the fair", "readers": 1, "active": 1}
    ]
    tagged = ("--tag", "from the fair")
    assert [row["address"] for row in installed("reader", "list", *tagged, "--json").rows] == [ANNE]
    assert "bart" not in installed("reader", "export", *tagged).out
    shown = installed("reader", "show", ANNE, "--json").json
    assert (shown["attributes"], shown["subscriptions"][0]["tags"]) == (
        {"company": "Acme"},
        ["from the fair"],
    )
    assert "from the fair" in installed("reader", "show", ANNE).out
    own = json.dumps(installed("reader", "data", ANNE).json)
    assert "from the fair" in own
    assert "Acme" in own
    installed("reader", "erase", ANNE)
    assert installed("reader", "tags", "--json").rows == []


@pytest.mark.parametrize(
    "given, where",
    [
        (("--tag", " "), "tag"),
        (("--tag", "x" * 65), "tag"),
        (("--tag", *map(str, range(51))), "--tag"),
        (("--attribute", "company"), "--attribute"),
        (("--attribute", "x=" + "y" * 1_001), "attributes"),
    ],
)
def test_what_cannot_be_kept_is_named(on_sqlite: Shell, given: tuple[str, ...], where: str) -> None:
    on_sqlite("reader", "add", ANNE)
    said = on_sqlite("reader", "set", ANNE, *given)
    assert (said.code, said.error["where"]) == (2, where)
    assert (
        on_sqlite("reader", "set", "nobody@example.org", "--tag", "x").error["error"] == "not_found"
    )
    assert on_sqlite("reader", "tags", "--json").rows == []


def test_an_erased_reader_is_in_no_file_and_no_log(
    on_sqlite: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_LOG_LEVEL", "debug")
    content = zipped(subscribed_x=SUBSCRIBED, unsubscribed_x=UNSUBSCRIBED)
    said = []

    def run(*tokens: str) -> None:
        done = on_sqlite(*tokens)
        assert done.code == 0, done.err
        said.append(done.err)

    on_sqlite.write("audience.zip", content)
    run("reader", "import", "audience.zip", *CONSENT)
    (on_sqlite.folder / "audience.zip").unlink()  # the operator's own file
    run("reader", "set", ANNE, "--tag", "secret-tag", "--attribute", "company=Secretcorp")
    run("reader", "leave", ANNE)
    before = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"anne@" in before.lower()
    run("reader", "erase", ANNE)
    for path in tmp_path.rglob("*"):
        found = path.read_bytes().lower() if path.is_file() else b""
        for gone in (b"anne@", b"anne smith", b"secret-tag", b"secretcorp", b"early, bird"):
            assert gone not in found, (path, gone)
    assert "anne" not in "".join(said).lower()
    kept = on_sqlite("suppression", "list", "--json").rows
    assert [row["reason"] for row in kept].count("erased") == 1
