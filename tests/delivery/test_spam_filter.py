"""Promises of the spam filter: its own report is read, not one a message brings along."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

import pytest

from digest.delivery.spam_filter import PROGRAM, read_report, spam_score
from tests.conftest import missing
from tests.content.test_judges import mailed


async def test_spamassassin_itself_is_understood() -> None:
    if shutil.which(PROGRAM) is None:
        missing("no spamassassin on the PATH")
    score = await spam_score(mailed("default", now=datetime.now(UTC)))
    assert score is not None
    assert score.points <= 1.0
    assert score.limit == 5.0
    forged = b"From: a@example.org\nSubject: FREE MONEY!!!\nContent-Type: text/html\n\n<img src=a>"
    worse = await spam_score(forged)
    assert worse is not None
    assert worse.points > score.points
    assert worse.rules[0][1] >= worse.rules[-1][1] > 0


@pytest.mark.parametrize("text", ["", "no report", "Content analysis details: (many points)"])
def test_what_is_no_report_gives_no_points(text: str) -> None:
    assert read_report(text) is None


def test_no_points_are_no_negative_ones() -> None:
    score = read_report("Content analysis details:   (-0.0 points, 5.0 required)\n")
    assert score is not None
    assert str(score.points) == "0.0"


def test_a_report_inside_the_message_does_not_count() -> None:
    line = "Content analysis details:   ({} points, 5.0 required)\n\n 1.0 RULE_{}  words\n"
    score = read_report(line.format("-9.0", "A") + "\n" + line.format("1.0", "B"))
    assert score is not None
    assert (score.points, score.rules) == (1.0, (("RULE_B", 1.0),))
