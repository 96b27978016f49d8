"""What a sign-up is answered with, and that nobody's mailbox can be filled with it."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

import pytest

from digest.mail.address import parse_address
from digest.rules.signup import (
    GAP,
    SignupFacts,
    SignupLimits,
    SignupOutcome,
    decide,
    form_age_fits,
    mailbox_of,
    net_of,
)
from digest.rules.subscription import SubscriptionState, SuppressionReason
from tests.build import NOW

LIMITS = SignupLimits()


@pytest.mark.parametrize(
    ("state", "suppressed", "outcome"),
    [
        (None, None, SignupOutcome.CONFIRMATION),
        (SubscriptionState.PENDING, None, SignupOutcome.CONFIRMATION),
        (SubscriptionState.ENDED, None, SignupOutcome.CONFIRMATION),
        (SubscriptionState.ACTIVE, None, SignupOutcome.ALREADY),
        (SubscriptionState.PAUSED, None, SignupOutcome.ALREADY),
        (SubscriptionState.ACTIVE, SuppressionReason.BOUNCED, SignupOutcome.CONFIRMATION),
        (None, SuppressionReason.ERASED, SignupOutcome.CONFIRMATION),
        (None, SuppressionReason.LEFT, SignupOutcome.CONFIRMATION),
        (None, SuppressionReason.IMPORTED, SignupOutcome.CONFIRMATION),
        (None, SuppressionReason.COMPLAINED, SignupOutcome.UNWANTED),
        (SubscriptionState.ACTIVE, SuppressionReason.COMPLAINED, SignupOutcome.UNWANTED),
        (None, SuppressionReason.OPERATOR, SignupOutcome.UNWANTED),
    ],
)
def test_the_mail_depends_on_the_state(state, suppressed, outcome):
    assert decide(SignupFacts(state, suppressed), LIMITS, NOW) is outcome


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ({"net": 19, "domain": 59, "total": 1_999}, SignupOutcome.CONFIRMATION),
        ({"net": 20}, SignupOutcome.CAPPED),
        ({"domain": 60}, SignupOutcome.CAPPED),
        ({"total": 2_000}, SignupOutcome.CAPPED),
    ],
)
def test_so_many_an_hour_and_no_more(facts, outcome):
    assert decide(SignupFacts(None, None, **facts), LIMITS, NOW) is outcome


def test_a_mailbox_asked_for_every_minute_of_four_months_gets_few_mails():
    """A bomber who never stops, from everywhere: three mails at once, then one in thirty days."""
    mailed: list[datetime] = []
    minute = NOW
    while minute < NOW + timedelta(days=120):
        recent = tuple(time for time in mailed if minute - time < timedelta(days=60))
        facts = SignupFacts(None, None, recent, max(mailed, default=None))
        if decide(facts, LIMITS, minute) is SignupOutcome.CONFIRMATION:
            mailed.append(minute)
        minute += timedelta(minutes=1)
    gaps = [later - earlier for earlier, later in itertools.pairwise(mailed)]
    assert min(gaps) == GAP
    week = timedelta(days=7)
    assert max(sum(0 <= (b - a) / week < 1 for b in mailed) for a in mailed) <= 3
    assert len(mailed) <= 3 * 120 / 30


def test_another_newsletter_can_be_asked_for_at_once():
    assert decide(SignupFacts(None, None, (NOW,), None), LIMITS, NOW) is SignupOutcome.CONFIRMATION
    assert decide(SignupFacts(None, None, (NOW,), NOW), LIMITS, NOW) is SignupOutcome.TOO_OFTEN


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("anne+a@example.org", "ANNE@example.org", True),
        ("a.n.n.e@gmail.com", "anne+x@googlemail.com", True),
        ("a.nne@example.org", "anne@example.org", False),
        ("+anne@example.org", "+bart@example.org", False),
        ("anne@example.org", "anne@example.com", False),
    ],
)
def test_spellings_of_one_mailbox_count_together(one, other, same):
    assert (mailbox_of(parse_address(one)) == mailbox_of(parse_address(other))) is same


@pytest.mark.parametrize(
    ("client", "net"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2ff::1", "2001:db8:1:200::/56"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("fe80::1%eth0", "fe80::/56"),
        ("", "unknown"),
        ("testclient", "unknown"),
    ],
)
def test_an_address_is_kept_as_its_network_only(client, net):
    assert net_of(client) == net


def test_a_form_is_looked_at_before_it_is_sent():
    ages = [timedelta(seconds=one) for one in (-5, 0, 1, 2, 3_600, 50_000)]
    assert [form_age_fits(age) for age in ages] == [False, False, False, True, True, False]
