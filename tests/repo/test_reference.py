"""Pages that are generated say what the program says."""

from __future__ import annotations

import re
from enum import StrEnum

import pytest

from digest.content.lint import CHECKS
from digest.rules.delivery import DeliveryState, IssueState, StateReason
from digest.rules.subscription import SubscriptionState, SuppressionReason
from digest.settings import env_example
from tests.repo import reference


@pytest.mark.parametrize("name", sorted(reference.PAGES))
def test_a_generated_page_is_what_the_program_says(name: str) -> None:
    written = (reference.FOLDER / name).read_text(encoding="utf-8")
    assert written == reference.PAGES[name](), "run: .venv/bin/python -m tests.repo.reference"


@pytest.mark.parametrize(
    "states", [DeliveryState, StateReason, IssueState, SubscriptionState, SuppressionReason]
)
def test_every_state_is_explained(states: type[StrEnum]) -> None:
    page = reference.states_page()
    assert len(list(states)) > 3
    for state in states:
        assert re.search(rf"^\| `{state}` \| .*\w.* \|", page, re.MULTILINE), state


def test_every_finding_is_explained() -> None:
    page = reference.findings_page()
    assert len(CHECKS) > 15
    for check in CHECKS:
        row = rf"^\| `{check.code}` \| {check.severity} \| [A-Z].*\w{{3}}.* \| \w.*\w{{3}}.* \|"
        assert re.search(row, page, re.MULTILINE), check.code


def test_every_setting_is_explained() -> None:
    page = reference.settings_page()
    names = re.findall(r"^#(DIGEST_\w+)=", env_example(), re.MULTILINE)
    assert len(names) > 10
    for name in names:
        assert re.search(rf"^\| `{name}` \| .*\| .*\w{{3}}.* \|$", page, re.MULTILINE), name
