"""A figure passes or fails by its limit, and the line scripts read says so."""

from __future__ import annotations

import json

import pytest

from bench.__main__ import main, names
from bench.result import Figure, Result
from tests.repo.tree import ROOT


@pytest.mark.parametrize(
    ("value", "at_least", "passed"),
    [(5.0, False, True), (5.1, False, False), (5.0, True, True), (4.9, True, False)],
)
def test_a_figure_keeps_its_limit_or_not(value: float, at_least: bool, passed: bool) -> None:
    figure = Figure("render", value, "ms", limit=5.0, at_least=at_least)
    assert figure.passed is passed
    assert Result("render", (Figure("bytes", 9e9, "B"), figure)).passed is passed


def test_the_line_for_scripts_has_figures_ratios_and_whether_they_passed() -> None:
    figures = (Figure("render", 5.123456, "ms", limit=5.0), Figure("size", 64_000, "B"))
    line = Result("look", figures, ratios={"of nodemailer": 31.4159}, notes={"items": 30}).as_json()
    assert "\n" not in line
    assert json.loads(line) == {
        "bench": "look",
        "figures": {"render": 5.123, "size": 64000},
        "limits": {"render": 5.0},
        "units": {"render": "ms", "size": "B"},
        "ratios": {"of nodemailer": 31.42},
        "notes": {"items": 30},
        "passed": False,
    }


def test_the_table_says_which_figure_is_over_its_limit() -> None:
    table = Result("look", (Figure("render", 5.1, "ms", limit=5.0),)).as_table()
    assert table.splitlines() == ["look: FAILED", "render  5.1 ms  ≤ 5 ms  missed"]


def test_a_benchmark_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing", "--json"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "usage: ./run bench NAME" in printed.err


def test_every_benchmark_is_in_the_table_of_figures() -> None:
    page = (ROOT / "bench" / "README.md").read_text(encoding="utf-8")
    assert names()
    for name in names():
        assert f"`./run bench {name}" in page
