"""What goes first, and what stops an issue: exactly the numbers of the design, one below and at."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.mail.reply import parse_reply
from digest.rules.brakes import (
    Action,
    CanaryCounts,
    DestinationCounts,
    IssueCounts,
    canary,
    canary_size,
    destination_brakes,
    is_hard,
    is_policy,
    issue_brakes,
)
from digest.rules.verdict import Phase, judge

NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
NO_WAIT = timedelta(0)


def actions_at(answered: int, *, policy: int = 0, hard: int = 0) -> list[Action]:
    counts = DestinationCounts("google", answered, policy=policy, hard=hard)
    return [decision.action for decision in destination_brakes([counts])]


def actions(accepted: int, *, policy: int = 0, complaints: int = 0) -> list[Action]:
    counts = IssueCounts(accepted, policy=policy, complaints=complaints)
    return [decision.action for decision in issue_brakes(counts)]


@pytest.mark.parametrize(
    "answered, policy, pauses",
    [(20, 19, False), (20, 20, True), (666, 20, True), (667, 20, False), (1000, 30, True)],
)
def test_twenty_policy_rejections_of_three_percent_pause_a_destination(answered, policy, pauses):
    assert actions_at(answered, policy=policy) == [Action.PAUSE_DESTINATION] * pauses


@pytest.mark.parametrize(
    "answered, hard, holds",
    [(20, 19, False), (20, 20, True), (399, 20, True), (400, 20, False), (400, 21, True)],
)
def test_twenty_hard_bounces_above_five_percent_hold_the_suppressions_there(answered, hard, holds):
    assert actions_at(answered, hard=hard) == [Action.HOLD_SUPPRESSIONS] * holds


@pytest.mark.parametrize("policy, pauses", [(49, False), (50, True), (51, True)])
def test_fifty_policy_rejections_pause_the_issue(policy, pauses):
    assert actions(10**6, policy=policy) == [Action.PAUSE_ISSUE] * pauses


@pytest.mark.parametrize(
    "accepted, complaints, pauses",
    [(4, 4, False), (5, 5, True), (1666, 5, True), (1667, 5, False), (2000, 6, True)],
)
def test_five_complaints_of_three_in_a_thousand_pause_the_issue(accepted, complaints, pauses):
    assert actions(accepted, complaints=complaints) == [Action.PAUSE_ISSUE] * pauses


def test_nothing_answered_stops_nothing():
    assert actions_at(0) == []
    assert actions(0) == []


def test_each_destination_is_looked_at_for_itself():
    counts = [
        DestinationCounts("google", 100),
        DestinationCounts("yahoo", 100, policy=40, hard=40),
        DestinationCounts("example.org", 30, hard=25),
    ]

    assert [(d.destination, d.action) for d in destination_brakes(counts)] == [
        ("yahoo", Action.PAUSE_DESTINATION),
        ("yahoo", Action.HOLD_SUPPRESSIONS),
        ("example.org", Action.HOLD_SUPPRESSIONS),
    ]


def test_the_operator_reads_what_happened_how_often_and_what_was_said():
    counts = DestinationCounts("google", 1200, policy=40, reply="550 5.7.26 unauthenticated")
    [decision] = destination_brakes([counts])

    assert decision.reason.startswith("google: 40 rejections that are about us")
    assert "1,200 answered" in decision.reason
    assert '"550 5.7.26 unauthenticated"' in decision.reason
    assert "until it is resumed" in decision.reason


def test_complaints_are_not_explained_by_a_reply_about_something_else():
    [decision] = issue_brakes(IssueCounts(1000, policy=1, complaints=5, reply="550 5.7.1 no"))

    assert decision.reason == "5 complaints beside 1,000 accepted. The issue is paused."


@given(
    answered=st.integers(0, 10**6),
    share=st.floats(0, 1),
    more=st.integers(0, 1000),
    hard=st.integers(0, 1000),
)
@settings(deadline=None)
def test_more_rejections_never_take_a_brake_off(answered, share, more, hard):
    policy = int(answered * share)

    assert set(actions_at(answered, policy=policy, hard=hard)) <= set(
        actions_at(answered + more, policy=policy + more, hard=hard)
    ) | {Action.HOLD_SUPPRESSIONS}


@pytest.mark.parametrize(
    "code, text, phase, policy, hard",
    [
        (550, "5.7.26 unauthenticated mail", Phase.DOT, True, False),
        (550, "5.7.515 does not meet the required authentication level", Phase.DOT, True, False),
        (553, "5.7.1 [BL21] Connections will not be accepted", Phase.MAIL, True, False),
        (550, "5.7.25 no PTR", Phase.CONNECT, True, False),
        (554, "5.7.1 Message contains spam", Phase.DOT, True, False),
        (554, "Transaction failed", Phase.DOT, True, False),
        (552, "5.3.4 Message too big", Phase.RCPT, True, False),
        (535, "5.7.8 Authentication credentials invalid", Phase.AUTH, True, False),
        (554, "5.7.1 Relay access denied", Phase.RCPT, True, False),
        (550, "5.1.1 No such user", Phase.RCPT, False, True),
        (550, "5.1.1 No such user", Phase.DOT, False, True),
        (550, "5.1.2 Host unknown", Phase.RCPT, False, False),
        (550, "5.2.1 Mailbox disabled", Phase.RCPT, False, False),
        (552, "5.2.2 Mailbox full", Phase.RCPT, False, False),
        (552, "5.2.2 Mailbox full", Phase.DOT, False, False),
        (554, "Transaction failed", Phase.RCPT, False, False),
        (421, "4.7.0 Slow down", Phase.MAIL, False, False),
        (450, "4.7.26 unauthenticated", Phase.DOT, False, False),
        (250, "2.0.0 Ok", Phase.DOT, False, False),
    ],
)
def test_which_answers_are_about_us_and_which_suppress(code, text, phase, policy, hard):
    verdict = judge(parse_reply(code, text), phase)

    assert (is_policy(verdict), is_hard(verdict)) == (policy, hard)


def test_everybody_refused_for_our_authentication_pauses_within_fifty_and_suppresses_nobody():
    reply = parse_reply(550, "5.7.515 Access denied, does not meet the required authentication")
    verdict, refused, paused = judge(reply, Phase.DOT), 0, None
    while paused is None:
        refused += is_policy(verdict)
        assert not is_hard(verdict)
        paused = next(
            iter(destination_brakes([DestinationCounts("outlook", refused, refused)])), None
        )
        assert refused <= 50

    assert (refused, paused.action) == (20, Action.PAUSE_DESTINATION)


# The canary.


@pytest.mark.parametrize(
    "audience, first",
    [(0, 0), (999, 0), (1000, 200), (20_000, 200), (20_001, 201), (30_000, 300), (10**6, 10_000)],
)
def test_one_percent_of_a_thousand_and_more_go_first_at_least_two_hundred(audience, first):
    assert canary_size(audience) == first


def test_the_rest_waits_for_the_first_to_be_answered():
    answer = canary(CanaryCounts(waiting=1, last_at=NOW), wait=NO_WAIT, now=NOW)

    assert not answer.follow
    assert answer.at is None
    assert "1 of the first readers" in answer.reason


def test_without_a_wait_the_rest_follows_at_once():
    assert canary(CanaryCounts(0, NOW), wait=NO_WAIT, now=NOW).follow


def test_behind_a_queueing_relay_the_rest_waits_for_bounces_too():
    wait, counts = timedelta(minutes=30), CanaryCounts(0, NOW)
    early = canary(counts, wait=wait, now=NOW + wait - timedelta(seconds=1))

    assert (early.follow, early.at) == (False, NOW + wait)
    assert "09:30 UTC" in early.reason
    assert canary(counts, wait=wait, now=NOW + wait).follow


def test_where_all_the_first_had_left_nobody_waits():
    assert canary(CanaryCounts(0), wait=timedelta(hours=1), now=NOW).follow
