"""Deliveries listed, followed and settled by hand, on either database."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import update

from digest.rules.delivery import DeliveryState, StateReason
from digest.store.schema import deliveries
from digest.store.session import Database
from tests.cli.shell import Shell
from tests.cli.stage import HALF, planned, sent

READERS = 40


@pytest.fixture
def shell_of_182(installed: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell where issue 182 was tried once for forty readers."""
    planned(installed, READERS, monkeypatch)
    assert sent(installed, tmp_path / "capture", monkeypatch, *HALF).code == 0
    return installed


def hold(url: str, reason: StateReason, ids: list[int]) -> None:
    """As a sender that died, or one that could not compose them, would have left these rows."""

    async def change() -> None:
        async with await Database.open(url) as db, db.begin() as session:
            rows = update(deliveries).where(deliveries.c.id.in_(ids))
            doubt = reason is StateReason.IN_DOUBT
            await session.execute(
                rows.values(state=DeliveryState.HELD, reason=reason, maybe_sent=doubt)
            )

    asyncio.run(change())


def listed(shell: Shell, *options: str) -> list[dict[str, object]]:
    return shell("delivery", "list", *options, "--json").rows


def test_a_list_is_narrowed_down(shell_of_182: Shell) -> None:
    everything = listed(shell_of_182)
    assert len(everything) == len(listed(shell_of_182, "--issue", "182")) == READERS
    there = listed(shell_of_182, "--destination", "example.net")
    assert {row["destination"] for row in there} == {"example.net"}
    assert len(there) == sum(row["destination"] == "example.net" for row in everything)
    gone = listed(shell_of_182, "--verdict", "userunknown")
    assert {row["words"] for row in gone} == {"the address does not exist"}
    assert listed(shell_of_182, "--state", "held") == []
    assert "There are none" in shell_of_182("delivery", "list", "--state", "held").err
    for odd in (("--state", "lost"), ("--verdict", "lost"), ("--reason", "lost")):
        said = shell_of_182("delivery", "list", *odd)
        assert (said.code, said.out) == (2, "")


def doubt(url: str, ids: list[int]) -> None:
    """As a connection that was cut after the final dot leaves these rows."""

    async def change() -> None:
        async with await Database.open(url) as db, db.begin() as session:
            rows = update(deliveries).where(deliveries.c.id.in_(ids))
            await session.execute(rows.values(maybe_sent=True))

    asyncio.run(change())


def test_the_numbers_of_a_receipt_that_are_no_state_open_their_lists(
    shell_of_182: Shell, database_url: str
) -> None:
    later = listed(shell_of_182, "--state", "deferred")[:1]
    taken = listed(shell_of_182, "--state", "accepted")[:2]
    doubt(database_url, [row["id"] for row in (*later, *taken)])  # type: ignore[misc]  # numbers of JSON
    receipt = shell_of_182("issue", "receipt", "182", "--json").json
    assert (receipt["in_doubt"], receipt["repeated"]) == (1, 2)
    assert [row["id"] for row in listed(shell_of_182, "--issue", "182", "--in-doubt")] == [
        later[0]["id"]
    ]
    twice = listed(shell_of_182, "--issue", "182", "--repeated")
    assert {row["id"] for row in twice} == {row["id"] for row in taken}
    text = shell_of_182("issue", "receipt", "182").out
    for option in ("--in-doubt", "--repeated"):
        assert f"digest delivery list --issue 182 {option}" in text
    assert len(listed(shell_of_182, "--issue", "182", "--version", "1")) == READERS
    assert listed(shell_of_182, "--issue", "182", "--version", "2") == []
    for number in ("0", "9" * 30):
        said = shell_of_182("delivery", "list", "--version", number)
        assert (said.code, said.out) == (2, "")


def test_a_delivery_is_told_attempt_by_attempt(shell_of_182: Shell) -> None:
    later = listed(shell_of_182, "--state", "deferred")[0]
    by_id = shell_of_182("delivery", "show", str(later["id"]), "--json").json
    by_address = shell_of_182("delivery", "show", str(later["address"]), "--json").json
    assert by_id == by_address
    (attempt,) = by_id["log"]
    assert (attempt["number"], attempt["phase"]) == (1, "rcpt")
    assert attempt["reply"].startswith("451")
    text = shell_of_182("delivery", "show", str(later["id"])).out
    assert "1. " in text
    assert "Tried again from" in text
    taken = listed(shell_of_182, "--state", "accepted")[0]
    (attempt,) = shell_of_182("delivery", "show", str(taken["id"]), "--json").json["log"]
    assert (attempt["words"], attempt["phase"]) == ("accepted", "dot")
    for nobody in ("dora@example.org", "999999", "9" * 18):
        said = shell_of_182("delivery", "show", nobody)
        assert (said.code, said.out, said.error["error"]) == (2, "", "not_found")


def test_a_reader_is_shown_what_they_got_in_words(shell_of_182: Shell) -> None:
    gone = listed(shell_of_182, "--state", "rejected")[0]
    shown = shell_of_182("reader", "show", str(gone["address"]), "--json").json
    assert shown["deliveries"][0]["words"].startswith("Issue 182: the address does not exist")


@pytest.mark.parametrize(
    ("action", "state"), [("accept", "accepted"), ("resend", "queued"), ("drop", "cancelled")]
)
def test_what_is_held_is_settled_as_the_operator_says(
    shell_of_182: Shell, database_url: str, action: str, state: str
) -> None:
    ids = [row["id"] for row in listed(shell_of_182, "--state", "accepted")][:3]
    hold(database_url, StateReason.IN_DOUBT, ids)  # type: ignore[arg-type]  # numbers of JSON
    status = shell_of_182("issue", "status", "182")
    assert status.code == 1
    assert "--state held" in status.out
    receipt = shell_of_182("issue", "receipt", "182")
    assert "digest delivery reconcile" in receipt.out
    assert len(listed(shell_of_182, "--state", "held", "--reason", "in_doubt")) == 3
    one = shell_of_182("delivery", "reconcile", action, str(ids[0]), "--json")
    assert (one.code, one.json) == (0, {"action": action, "settled": 1})
    rest = shell_of_182("delivery", "reconcile", action, "--issue", "182", "--json")
    assert rest.json["settled"] == 2
    assert {row["state"] for row in listed(shell_of_182) if row["id"] in ids} == {state}
    again = shell_of_182("delivery", "reconcile", action, str(ids[0]), "--json")
    assert (again.code, again.json["settled"]) == (1, 0)


def test_which_deliveries_are_to_be_settled_has_to_be_said(shell_of_182: Shell) -> None:
    for tokens in ((), ("1", "--issue", "182")):
        said = shell_of_182("delivery", "reconcile", "accept", *tokens)
        assert (said.code, said.out, said.error["where"]) == (2, "", "--issue")
    assert shell_of_182("delivery", "reconcile", "forget", "1").code == 2
