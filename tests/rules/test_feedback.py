"""The policy for what comes back: every reason has its row, and a score that only time can fill."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.mail.bounce import Reason
from digest.rules.feedback import (
    BEARINGS,
    Bearing,
    Effect,
    History,
    Mark,
    Score,
    bearing_of_bounce,
    bearing_of_complaint,
    effect_of,
    score,
)

START = datetime(2026, 11, 2, 8, tzinfo=UTC)
MONTH = timedelta(days=30)


def _bearing(reason: Reason, status: str = "5.0.0", reply: str = "550") -> Bearing:
    return bearing_of_bounce(reason, status=status, reply=reply, final=True)


def _weekly(pattern: str, *, days: int = 7) -> list[Mark]:
    """An issue every so many days: "x" came back as soft, "." arrived."""
    return [
        Mark(START + timedelta(days=days * number), number, bad=letter == "x")
        for number, letter in enumerate(pattern)
    ]


def test_every_reason_has_one_bearing() -> None:
    assert BEARINGS.keys() == set(Reason)


POLICY = """
hard: userunknown hasmoved
host: hostunknown
closed: suspend notaccept suppressed
soft: filtered onhold undefined mailererror mailboxfull exceedlimit expired networkerror
soft: systemerror systemfull
ours: blocked badreputation requireptr authfailure policyviolation spamdetected virusdetected
ours: securityerror rejected contenterror notcompliantrfc norelaying syntaxerror failedstarttls
ours: mesgtoobig
nothing: speeding toomanyconn delivered vacation feedback
"""


@pytest.mark.parametrize("line", POLICY.strip().splitlines())
def test_a_reason_bears_on_whom_the_policy_says(line: str) -> None:
    bearing, _, reasons = line.partition(": ")
    for reason in reasons.split():
        assert _bearing(Reason(reason)) is Bearing(bearing)


def test_a_null_mx_is_a_matter_of_the_domain() -> None:
    assert _bearing(Reason.NOT_ACCEPT, status="5.1.10") is Bearing.HOST
    assert _bearing(Reason.NOT_ACCEPT, reply="556") is Bearing.HOST


@pytest.mark.parametrize("reason", Reason)
def test_what_is_still_tried_bears_on_nobody(reason: Reason) -> None:
    found = bearing_of_bounce(reason, status="5.1.1", reply="550", final=False)
    assert found is Bearing.NOTHING


@pytest.mark.parametrize(
    ("kind", "bearing"),
    [
        ("abuse", Bearing.COMPLAINT),
        ("Fraud ", Bearing.COMPLAINT),
        ("a kind of tomorrow", Bearing.COMPLAINT),
        ("opt-out", Bearing.OPT_OUT),
        ("not-spam", Bearing.NOTHING),
        ("auth-failure", Bearing.OURS),
        ("dmarc", Bearing.OURS),
    ],
)
def test_a_complaint_bears_on_whom_its_kind_says(kind: str, bearing: Bearing) -> None:
    assert bearing_of_complaint(kind) is bearing


@pytest.mark.parametrize(
    ("marks", "pauses"),
    [
        (_weekly("xxxx"), False),
        (_weekly("xxxxx"), True),
        # A daily newsletter: two weeks of a full mailbox may be a holiday.
        (_weekly("x" * 14, days=1), False),
        (_weekly("x" * 15, days=1), True),
        # What arrives heals faster than what comes back hurts.
        (_weekly("xxxx.xx"), False),
        (_weekly("xxxx.xxx"), True),
        (_weekly("x." * 20), False),
        (_weekly("xx." * 20), False),
        # Once a month, it is forgotten in between.
        (_weekly("x" * 12, days=31), False),
    ],
)
def test_a_mailbox_rests_after_five_points_of_three_issues_in_two_weeks(
    marks: list[Mark], *, pauses: bool
) -> None:
    assert score(marks, memory=MONTH).pauses is pauses


def test_a_monthly_newsletter_remembers_four_issues() -> None:
    assert score(_weekly("x" * 5, days=31), memory=timedelta(days=124)).pauses


def test_one_issue_and_one_day_are_one_point_however_much_comes_back() -> None:
    often = [Mark(START + timedelta(days=n), 1, bad=True) for n in range(9)]
    at_once = [Mark(START + timedelta(minutes=n), n, bad=True) for n in range(9)]
    assert score(often, memory=MONTH).points == 1
    assert score(at_once, memory=MONTH).points == 1


_MARKS = st.lists(
    st.builds(
        Mark,
        st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),
        st.integers(1, 12),
        bad=st.booleans(),
    ),
    max_size=40,
    unique_by=lambda mark: mark.at,
)


@given(_MARKS, st.randoms())
def test_a_score_is_the_same_in_whatever_order_it_was_told(
    marks: list[Mark], order: object
) -> None:
    shuffled = sorted(marks, key=lambda mark: hash((mark.at, repr(order))))
    found = score(marks, memory=MONTH)
    assert score(shuffled, memory=MONTH) == found
    assert 0 <= found.points <= found.issues <= len({mark.issue_id for mark in marks})


@given(_MARKS)
def test_an_issue_that_arrives_never_makes_it_worse(marks: list[Mark]) -> None:
    later = max((mark.at for mark in marks), default=START) + timedelta(days=1)
    before = score(marks, memory=MONTH)
    after = score([*marks, Mark(later, 99, bad=False)], memory=MONTH)
    assert after.points == before.points / 2 or after.points == 0


ILL = History(score=Score(5.0, 5, timedelta(days=28)))
PROBED = History(on_probe=True)


@pytest.mark.parametrize(
    ("bearing", "history", "effect"),
    [
        (Bearing.HARD, History(), Effect.SUPPRESSED),
        (Bearing.COMPLAINT, History(), Effect.SUPPRESSED),
        (Bearing.OPT_OUT, History(), Effect.LEFT),
        (Bearing.HOST, History(), Effect.ASKING),
        (Bearing.CLOSED, History(), Effect.NOTHING),
        (Bearing.CLOSED, History(closed_before=True), Effect.SUPPRESSED),
        (Bearing.SOFT, History(), Effect.SCORED),
        (Bearing.SOFT, ILL, Effect.PAUSED),
        (Bearing.SOFT, PROBED, Effect.SUPPRESSED),
        (Bearing.HOST, PROBED, Effect.SUPPRESSED),
        (Bearing.OURS, ILL, Effect.NOTHING),
        (Bearing.OURS, PROBED, Effect.NOTHING),
        (Bearing.NOTHING, PROBED, Effect.NOTHING),
    ],
)
def test_what_is_done_follows_from_bearing_and_history(
    bearing: Bearing, history: History, effect: Effect
) -> None:
    assert effect_of(bearing, history) is effect
