"""What became of a delivery, in words: every state, reason and verdict has its own."""

from __future__ import annotations

import pytest

from digest.rules.brakes import POLICY_REASONS
from digest.rules.delivery import OPEN_STATES, DeliveryState, IssueState, StateReason
from digest.rules.verdict import Blame, Reason
from digest.rules.words import FATES, VERDICTS, fate, receipt_sentence, verdict_words, why


def test_every_state_and_every_reason_has_a_line_of_its_own() -> None:
    assert {state for state, _ in FATES} == set(DeliveryState)
    assert {reason for _, reason in FATES if reason} == set(StateReason)
    assert len(set(FATES.values())) == len(FATES)


def test_every_verdict_has_words_of_its_own_that_go_after_a_colon() -> None:
    assert set(VERDICTS) == set(Reason)
    assert len(set(VERDICTS.values())) == len(VERDICTS)
    for words in VERDICTS.values():
        assert words == words.strip(" .:"), words


def test_a_reason_nobody_foresaw_is_told_by_its_state() -> None:
    assert fate(DeliveryState.QUEUED, StateReason.BREAKER) == "waiting for their turn"
    assert why(DeliveryState.QUEUED, StateReason.LEFT) == "waits for its turn"
    for state in DeliveryState:
        assert fate(state, None), state


@pytest.mark.parametrize(
    ("state", "reason", "verdict", "words"),
    [
        (DeliveryState.REJECTED, None, Reason.USER_UNKNOWN, "the address does not exist"),
        (DeliveryState.REJECTED, None, None, "refused"),
        (
            DeliveryState.REJECTED,
            None,
            Reason.BLOCKED,
            "refused for our own fault: our server is on a block list",
        ),
        (
            DeliveryState.DEFERRED,
            None,
            Reason.MAILBOX_FULL,
            "not yet, it is tried again: the mailbox is full",
        ),
        (DeliveryState.EXPIRED, StateReason.SUPERSEDED, None, "overtaken by the next issue"),
        (DeliveryState.CANCELLED, StateReason.LEFT, Reason.SYSTEM, "left before their turn"),
        (DeliveryState.ACCEPTED, None, Reason.SYSTEM, "accepted by the relay"),
    ],
)
def test_one_reader_is_told_of_by_state_and_cause(
    state: DeliveryState, reason: StateReason | None, verdict: Reason | None, words: str
) -> None:
    assert why(state, reason, verdict) == words


def test_what_is_ours_is_said_to_be_ours_and_nothing_else_is() -> None:
    for verdict in Reason:
        assert verdict_words(verdict).startswith("our own fault") == (verdict in POLICY_REASONS)
    assert verdict_words(Reason.UNDEFINED) == "no reason given"
    assert verdict_words(Reason.UNDEFINED, blame=Blame.MESSAGE).startswith("our own fault")


def test_a_row_that_is_open_is_never_told_as_if_it_were_over() -> None:
    for state in OPEN_STATES:
        assert "refused" not in why(state, None, Reason.BLOCKED)


@pytest.mark.parametrize(
    ("state", "accepted", "planned", "sentence"),
    [
        (IssueState.APPROVED, 0, 0, "nobody was planned for it yet."),
        (IssueState.SENDING, 3, 9, "so far it was accepted by the relay for 3 of 9 readers."),
        (IssueState.FINISHED, 8, 9, "it was accepted by the relay for 8 of 9 readers."),
        (IssueState.FINISHED, 9, 9, "it was accepted by the relay for all 9 readers."),
        (IssueState.FINISHED, 1, 1, "it was accepted by the relay for its only reader."),
        (
            IssueState.PAUSED,
            3,
            9,
            "it was accepted by the relay for 3 of 9 readers before it was paused.",
        ),
        (
            IssueState.CANCELLED,
            0,
            1,
            "it was accepted by the relay for 0 of 1 reader before it was cancelled.",
        ),
    ],
)
def test_a_receipt_begins_with_one_true_sentence(
    state: IssueState, accepted: int, planned: int, sentence: str
) -> None:
    assert receipt_sentence(state, accepted, planned) == sentence
