"""A relay that asks for it gets half at once, and all of it back bit by bit."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.mail.reply import RETRY_MAX, parse_reply
from digest.rules.backoff import (
    ENOUGH,
    FIRST_PAUSE,
    JITTER,
    LONGEST_PAUSE,
    Backoff,
    after_reply,
    measured,
    restore,
    weight_of,
)
from digest.rules.verdict import Phase

NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
ACCEPTED = parse_reply(250, "2.0.0 Ok: queued as 4XyZ")
SLOWER = parse_reply(421, "4.7.0 Too many messages, slow down")
UNUSUAL = parse_reply(450, "4.7.28 Our system has detected an unusual rate of mail")
AT_14 = restore(configured=14, learned_rate=None, until=None, step=0)


def slowed(state: Backoff = AT_14, now: datetime = NOW, *, jitter: float = 0.0) -> Backoff:
    return after_reply(state, SLOWER, Phase.MAIL, now=now, jitter=jitter)


def accepted(state: Backoff, times: int = 1) -> Backoff:
    for _ in range(times):
        state = after_reply(state, ACCEPTED, Phase.DOT, now=NOW, jitter=0.0)
    return state


@pytest.mark.parametrize(
    "code, text, phase, weight",
    [
        (421, "", Phase.CONNECT, ENOUGH),
        (421, "4.7.0 [TSS04] Messages temporarily deferred", Phase.DOT, ENOUGH),
        (421, "4.3.2 Service shutting down", Phase.DATA, ENOUGH),
        (454, "4.7.0 Temporary authentication failure", Phase.AUTH, ENOUGH),
        (450, "4.7.1 Throttled", Phase.MAIL, ENOUGH),
        (450, "4.7.28 unusual rate of unsolicited mail", Phase.DOT, 1.0),
        (451, "4.7.650 rate limited due to IP reputation", Phase.RCPT, 1.0),
        (450, "Mailbox busy", Phase.RCPT, 1.0),
        (452, "4.5.3 Too many recipients", Phase.RCPT, 1.0),
        (451, "4.7.1 Greylisting in action, please come back in 300 seconds", Phase.RCPT, 0.0),
        (450, "4.2.0 Recipient address rejected: Greylisted", Phase.RCPT, 0.0),
        (452, "4.2.2 Mailbox full", Phase.RCPT, 0.0),
        (421, "Max message per connection reached, closing transmission channel", Phase.MAIL, 0.0),
        (421, "4.4.2 Timeout exceeded", Phase.MAIL, 0.0),
        (550, "5.7.1 Blocked, too many messages", Phase.DOT, 0.0),
        (550, "5.1.1 No such user", Phase.RCPT, 0.0),
    ],
)
def test_what_a_reply_weighs(code, text, phase, weight):
    assert weight_of(parse_reply(code, text), phase) == weight


def test_a_slow_down_halves_the_rate_and_pauses_the_relay():
    state = slowed()

    assert (state.rate(14), state.step) == (7.0, 1)
    assert state.pause_left(NOW) == FIRST_PAUSE
    assert state.pause_left(NOW + FIRST_PAUSE) == timedelta(0)


def test_sixteen_connections_that_hear_it_at_once_halve_the_rate_once():
    state = slowed()
    for milliseconds in range(15):
        state = slowed(state, NOW + timedelta(milliseconds=milliseconds))

    assert state == slowed()


def test_each_further_slow_down_halves_again_and_pauses_twice_as_long():
    state, pauses, now = AT_14, [], NOW
    for _ in range(12):
        state = slowed(state, now)
        pauses.append(state.pause_left(now))
        now += pauses[-1]

    assert pauses[:4] == [FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE * 4, FIRST_PAUSE * 8]
    assert pauses[-1] == LONGEST_PAUSE
    assert state.learned_rate == 1


def test_the_time_a_relay_asks_for_is_kept_to():
    asked = parse_reply(421, "4.7.0 Too busy, try again in 600 seconds")
    for jitter in (0.0, 0.5, 1.0):
        state = after_reply(AT_14, asked, Phase.CONNECT, now=NOW, jitter=jitter)
        pause = state.pause_left(NOW)
        assert timedelta(seconds=600) <= pause <= timedelta(seconds=600) * (1 + JITTER)


def test_a_longer_time_asked_for_while_paused_is_kept_to_and_halves_nothing():
    asked = parse_reply(421, "4.7.0 Try again in 10 minutes")
    state = after_reply(slowed(), asked, Phase.MAIL, now=NOW, jitter=0.0)

    assert state.pause_left(NOW) == timedelta(minutes=10)
    assert state.learned_rate == slowed().learned_rate


def test_a_relay_that_asks_for_a_year_is_not_believed():
    asked = parse_reply(421, "4.7.0 Try again in 9000 hours")
    state = after_reply(AT_14, asked, Phase.MAIL, now=NOW, jitter=1.0)

    assert state.pause_left(NOW) <= RETRY_MAX * (1 + JITTER)


def test_senders_that_were_slowed_together_do_not_come_back_together():
    ends = {slowed(jitter=tenth / 10).until for tenth in range(10)}

    assert len(ends) == 10


def test_a_minutes_worth_of_accepted_messages_gives_back_a_tenth():
    state = slowed()  # 420 a minute of 840

    assert accepted(state, 419).learned_rate == 420
    assert accepted(state, 420).learned_rate == 504
    assert accepted(state, 420 + 503).learned_rate == 504
    assert accepted(state, 420 + 504).learned_rate == 588


def test_after_enough_accepted_messages_nothing_is_left_of_it():
    state = accepted(slowed(), 5000)

    assert state.rate(14) == 14
    assert (state.learned_rate, state.step) == (None, 0)


def test_one_recipient_in_twenty_that_is_busy_does_not_slow_the_relay():
    state = AT_14
    for number in range(2000):
        reply = UNUSUAL if number % 20 == 0 else ACCEPTED
        state = after_reply(state, reply, Phase.DOT, now=NOW, jitter=0.0)

    assert state.learned_rate is None


def test_one_recipient_in_five_that_is_busy_does():
    state = AT_14
    for number in range(50):
        reply = UNUSUAL if number % 5 == 0 else ACCEPTED
        state = after_reply(state, reply, Phase.DOT, now=NOW, jitter=0.0)

    assert state.learned_rate is not None


def test_ten_thousand_greylisted_readers_do_not_slow_the_relay():
    later = parse_reply(451, "4.7.1 Greylisted, try again later")
    state = AT_14
    for _ in range(10_000):
        state = after_reply(state, later, Phase.RCPT, now=NOW, jitter=0.0)

    assert state is AT_14


def test_while_all_is_well_the_state_stays_the_same_object():
    assert accepted(AT_14) is AT_14


def test_a_relay_without_a_rate_is_slowed_from_what_it_was_sent_at():
    state = slowed(measured(Backoff(), 1000.0))

    assert state.rate(None) == 500.0
    assert accepted(state, 500_000).rate(None) is None


def test_a_relay_whose_rate_nobody_knows_is_paused_at_least():
    state = slowed(Backoff())

    assert state.rate(None) is None
    assert state.pause_left(NOW) == FIRST_PAUSE


def test_a_slowed_relay_is_not_measured():
    assert measured(slowed(), 3.0) == slowed()


def test_a_restart_forgets_nothing_of_it():
    state = slowed(slowed(), NOW + FIRST_PAUSE)
    again = restore(
        configured=14, learned_rate=state.learned_rate, until=state.until, step=state.step
    )

    assert again == state


def test_a_restart_without_a_configured_rate_still_finds_its_way_back():
    again = restore(configured=None, learned_rate=300, until=None, step=2)

    assert again.rate(None) == 5.0
    assert accepted(again, 20_000).rate(None) is None


def test_a_rate_configured_lower_than_what_was_learned_holds():
    state = restore(configured=2, learned_rate=300, until=None, step=1)

    assert state.rate(2) == 2
    assert replace(state, learned_rate=300).rate(2) == 2


REPLIES = st.sampled_from(
    [ACCEPTED, SLOWER, UNUSUAL, parse_reply(421, "try again in 90 seconds"), parse_reply(550, "no")]
)


@given(
    configured=st.floats(0.05, 100_000) | st.none(),
    heard=st.lists(
        st.tuples(REPLIES, st.sampled_from(Phase), st.floats(0, 1), st.integers(0, 100)),
        max_size=60,
    ),
)
@settings(deadline=None)
def test_whatever_is_heard_the_rate_stays_between_nothing_and_the_configured_one(configured, heard):
    state = restore(configured=configured, learned_rate=None, until=None, step=0)
    now = NOW
    for reply, phase, jitter, seconds in heard:
        now += timedelta(seconds=seconds)
        before = state
        state = after_reply(state, reply, phase, now=now, jitter=jitter)
        rate = state.rate(configured)
        assert (rate is None) == (configured is None)
        assert rate is None or 0 < rate <= configured
        # A slow-down never makes anything quicker, an accepted message never anything slower.
        if reply.positive:
            assert (state.learned_rate or 10**9) >= (before.learned_rate or 0)
            assert state.until == before.until or state.learned_rate is None
        elif before.learned_rate and state.learned_rate:
            assert state.learned_rate <= before.learned_rate
            assert state.pause_left(now) >= before.pause_left(now)
