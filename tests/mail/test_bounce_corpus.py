"""Real mails that came back, read from beside the checkout: who is named, and who is dead."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.corpus import Grades, Sample, grade, samples
from bench.feedback import read


@pytest.fixture(scope="module")
def mails(shared: Path) -> list[Sample]:
    return samples(shared / "data" / "bounces")


@pytest.fixture(scope="module")
def grades(mails: list[Sample]) -> Grades:
    return grade(mails, lambda mail: read(mail.data))


def test_the_right_address_is_named_in_nearly_every_mail(grades: Grades) -> None:
    assert len(grades.exact) > 300
    assert grades.share(grades.exact) >= 98.5


def test_hardly_ever_is_a_wrong_address_named(grades: Grades) -> None:
    assert grades.share(grades.wrong) <= 0.3


def test_bounces_delays_complaints_and_answers_are_told_apart(grades: Grades) -> None:
    assert grades.share(grades.kind) >= 98


def test_dead_addresses_are_told_from_living_ones(grades: Grades) -> None:
    assert grades.precision >= 98
    assert grades.recall >= 98


def test_every_complaint_is_recognised(grades: Grades) -> None:
    assert all(grades.complaints)


def test_nobody_is_dead_by_what_is_no_bounce(grades: Grades) -> None:
    assert grades.suppressed_wrongly == []


def test_every_family_of_several_mails_is_read(grades: Grades) -> None:
    several = {name: read_ for name, read_ in grades.families.items() if len(read_) > 2}
    assert len(several) > 25
    assert not {name for name, read_ in several.items() if sum(read_) < len(read_) - 1}


def test_half_a_mail_is_no_error(mails: list[Sample]) -> None:
    for mail in mails:
        read(mail.data[: len(mail.data) // 2])
        read(mail.data[len(mail.data) // 2 :])
