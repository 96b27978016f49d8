"""When it goes out, as an editor sets it and reads it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.cli.shell import ISSUE, Shell


@pytest.fixture
def weekly(installed: Shell) -> Shell:
    assert (
        installed(
            *("newsletter", "set", "weekly", "--timezone", "Europe/Berlin"),
            *("--schedule", "thu 09:00", "--grace", "90", "--unready", "skip"),
        ).code
        == 0
    )
    return installed


def added(shell: Shell, text: str = ISSUE) -> str:
    shell.write("issue.md", text)
    found: str = shell("issue", "add", "issue.md", "--json").json["hash"]
    return found


def test_the_next_slot_is_there_as_soon_as_there_is_a_schedule(weekly: Shell) -> None:
    shown = weekly("newsletter", "show", "--json").json
    at = datetime.fromisoformat(shown["next"]["at"])
    local = at.astimezone(ZoneInfo("Europe/Berlin"))
    assert (local.weekday(), local.hour) == (3, 9)
    assert datetime.fromisoformat(shown["next_run_at"]) == at
    assert datetime.now(UTC) < at < datetime.now(UTC) + timedelta(days=7, hours=1)
    assert (shown["settings"]["grace_minutes"], shown["settings"]["unready"]) == (90, "skip")
    assert (shown["next"]["ready"], shown["next"]["draft"]) == (None, None)
    assert "Nothing is approved for Thu" in weekly("newsletter", "show").out


def test_what_is_approved_goes_out_and_a_newer_text_is_told(weekly: Shell) -> None:
    first = added(weekly)
    assert weekly("newsletter", "show", "--json").json["next"]["draft"] == 182
    said = weekly("issue", "approve", "182", first)
    assert "Issue 182, version 1, goes out Thu" in said.out
    added(weekly, ISSUE.replace("is fine", "was better"))
    shown = weekly("newsletter", "show", "--json").json["next"]["ready"]
    assert shown == {"issue": 182, "version": 1, "newer": 2, "words_differ": 2}
    told = " ".join(weekly("newsletter", "show").out.split())
    assert "version 2 is newer and not approved (2 words differ)" in told


def test_a_break_is_shown_and_can_be_taken_back(weekly: Shell) -> None:
    at = datetime.fromisoformat(weekly("newsletter", "show", "--json").json["next"]["at"]).date()
    span = f"{at - timedelta(days=1)}..{at + timedelta(days=2)}"
    assert weekly("newsletter", "skip", span, "--json").json["breaks"] == [span]
    assert weekly("newsletter", "skip", span, "--json").json["breaks"] == [span]
    shown = weekly("newsletter", "show", "--json").json
    assert shown["breaks"] == [span]
    assert shown["next"]["break_until"] == f"{at + timedelta(days=2)}"
    assert "A break: nothing goes out" in weekly("newsletter", "show").out
    assert weekly("newsletter", "skip", span, "--remove", "--json").json["breaks"] == []
    gone = weekly("newsletter", "skip", span, "--remove")
    assert (gone.code, gone.error["where"]) == (2, "FROM..TO")


def test_a_special_issue_has_a_time_of_its_own(weekly: Shell) -> None:
    digits = added(weekly)
    tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT15:00}"
    said = weekly("issue", "schedule", "182", "--at", tomorrow, "--json").json
    at = datetime.fromisoformat(said["scheduled_at"])
    assert f"{at:%Y-%m-%dT%H}" in (f"{tomorrow[:11]}13", f"{tomorrow[:11]}14")  # Berlin's 15:00
    weekly("issue", "approve", "182", digits)
    assert weekly("newsletter", "show", "--json").json["next"]["ready"] is None  # for the slot
    weekly("issue", "schedule", "182", "--as-usual")
    assert weekly("newsletter", "show", "--json").json["next"]["ready"]["issue"] == 182


@pytest.mark.parametrize("arguments", [("--at", "2020-01-01T09:00"), (), ("--as-usual", "--at")])
def test_a_time_that_cannot_be_is_refused(on_sqlite: Shell, arguments: tuple[str, ...]) -> None:
    added(on_sqlite)
    assert on_sqlite("issue", "schedule", "182", *arguments).code == 2


def test_what_is_no_span_of_days_is_refused(on_sqlite: Shell) -> None:
    said = on_sqlite("newsletter", "skip", "christmas")
    assert (said.code, said.error["where"]) == (2, "FROM..TO")


def test_days_that_are_over_are_no_break(on_sqlite: Shell) -> None:
    said = on_sqlite("newsletter", "skip", "2020-12-24..2021-01-02")
    assert (said.code, said.error["where"]) == (2, "FROM..TO")
    assert "is over" in said.error["message"]


def test_the_status_of_an_approved_issue_says_when_it_goes_out(weekly: Shell) -> None:
    for number in (182, 183):
        digits = added(weekly, ISSUE.replace("182", str(number)))
        said = weekly("issue", "approve", str(number), digits).out
        assert ("It waits for a later slot." in said) is (number == 183)
    special = added(weekly, ISSUE.replace("number: 182", "slug: special"))
    said = weekly("issue", "approve", "special", special).out
    assert said == "Approved. To send it now: digest issue send special --wait\n"
    first = weekly("issue", "status", "182")
    assert first.out.startswith("Issue 182 is approved. Issue 182, version 1, goes out Thu ")
    second = weekly("issue", "status", "183", "--json").json["next"]
    assert second.startswith("It waits for a later slot. Issue 182, version 1, goes out Thu ")
    weekly("issue", "schedule", "183", "--at", "2030-12-01T18:00")
    at = weekly("issue", "status", "183", "--json").json["next"]
    assert at == "It goes out Sun 1 Dec 18:00 (Europe/Berlin)."
    weekly("issue", "withdraw", "182")
    assert weekly("issue", "status", "182", "--json").json["next"] is None


def test_a_newsletter_is_told_to_make_its_own_issues_and_shows_what_it_would_make(
    weekly: Shell,
) -> None:
    for wrong in ("at-least=0", "at-most", "daily=3"):
        said = weekly("newsletter", "set", "weekly", "--automatic", wrong)
        assert (said.code, said.error["where"]) == (2, "--automatic")
    policy = "at-least=2,per-source=1"
    assert weekly("newsletter", "set", "weekly", "--automatic", policy).code == 0
    set_to = weekly("newsletter", "show", "--json").json["settings"]["automatic"]
    assert set_to == {"at_least": 2, "per_source": 1}
    weekly("link", "add", "https://example.org/robot", "--offline")
    little = weekly("issue", "draft", "--automatic", "--json")
    assert (little.code, little.error["error"]) == (1, "refused")
    assert not list(weekly.folder.glob("issue-*.md"))
    weekly("link", "add", "https://example.net/sheep", "--offline")
    made = weekly("issue", "draft", "--automatic", "--json").json
    assert (made["items"], made["out"]) == (2, "issue-1.md")
    assert weekly("issue", "check", "issue-1.md").code == 0
    assert weekly("issue", "list", "--json").rows == []  # it is a look, no issue
    assert weekly("newsletter", "set", "weekly", "--automatic", "").code == 0
    assert not weekly("newsletter", "show", "--json").json["settings"].get("automatic")


def test_the_status_says_what_comes_next_and_what_needs_somebody(
    weekly: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = added(weekly)
    [row] = weekly("status", "--json").rows
    assert (row["newsletter"], row["needs_you"], row["next"]["draft"]) == ("weekly", False, 182)
    weekly.write("readers.csv", "email\nanne@example.org")
    weekly("reader", "import", "readers.csv", "--consent", "asked me")
    weekly("issue", "approve", "182", digits)
    monkeypatch.setenv("DIGEST_RELAY_URL", "smtp://127.0.0.1:1?tls=none")
    assert weekly("issue", "send", "182").code == 0
    assert "Issue 182 is sending: 0 of 1 accepted." in weekly("status").out
    weekly("issue", "pause", "182", "--reason", "a wrong link")
    said = weekly("status", "--json")
    assert (said.code, said.json["issues"][0]["reason"]) == (1, "a wrong link")
