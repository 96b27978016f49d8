"""What readers may ask an operator for: how they agreed, their data, to be forgotten."""

from __future__ import annotations

import csv
import io

from tests.cli.shell import Shell

ANNE = "anne@example.org"


def test_the_record_of_a_consent_is_shown(installed: Shell) -> None:
    installed("reader", "add", ANNE, "--consent", "asked at the fair")
    installed("reader", "leave", ANNE)
    said = installed("reader", "consent", ANNE, "--json").json
    [subscription] = said["subscriptions"]
    assert [event["kind"] for event in subscription["consent"]] == ["added", "left"]
    assert "asked at the fair" in installed("reader", "consent", ANNE).out


def test_a_reader_gets_everything_that_is_kept(installed: Shell) -> None:
    installed("reader", "add", ANNE, "--name", "Anne")
    data = installed("reader", "data", ANNE).json
    assert (data["address"], data["name"]) == (ANNE, "Anne")


def test_who_is_erased_is_gone_and_stays_out(installed: Shell) -> None:
    installed("reader", "add", ANNE, "--name", "Anne")
    assert installed("reader", "erase", ANNE, "--json").json == {"erased": True}
    assert installed("reader", "show", ANNE, "--json").code == 2
    assert installed("reader", "erase", ANNE, "--json").code == 2
    assert "anne" not in installed("reader", "export").out
    installed.write("readers.csv", f"email\n{ANNE}\n")
    consent = ("--consent", "a list from the fair")
    report = installed("reader", "import", "readers.csv", *consent, "--json").json
    assert (report["imported"], report["suppressed"]) == (0, 1)


def test_only_who_waits_is_mailed_a_confirmation_again(installed: Shell) -> None:
    installed("reader", "add", ANNE)
    said = installed("reader", "resend-confirmation", ANNE, "--json")
    assert said.code == 1
    assert said.error["where"] == ANNE


def test_an_export_runs_nothing_in_a_spreadsheet_and_is_read_back(installed: Shell) -> None:
    names = ("=HYPERLINK(1)", "+1", "-1", "@SUM(1)", 'Bart, "the 2nd"')
    for number, name in enumerate(names):
        installed("reader", "add", f"reader{number}@example.org", f"--name={name}")
    out = installed("reader", "export").out
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["name"][0] for row in rows] == ["'", "'", "'", "'", "B"]
    installed("newsletter", "create", "other", "--name", "B", "--from", "B <b@example.org>",
        "--postal-address", "1 Main Street", "--return-path-domain", "b.example.org")  # fmt: skip
    installed.write("out.csv", out)
    asked = ("--newsletter", "other", "--consent", "moved over")
    assert installed("reader", "import", "out.csv", *asked, "--json").json["imported"] == 5
    assert installed("reader", "show", "reader0@example.org", "--json").json["name"] == names[0]
