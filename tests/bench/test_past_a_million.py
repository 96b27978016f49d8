"""The plan for ten million readers quotes its simulation, which keeps to what was measured."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bench.past_a_million import LAYOUTS, MEASURED, MILLION, Layout, may_send, simulate, table
from tests.repo.tree import ROOT

HERE = Layout("here", MILLION, workers=10, relays=10)


def test_the_page_has_the_table_as_it_is_worked_out() -> None:
    page = (ROOT / "docs" / "explanation" / "past-a-million.md").read_text(encoding="utf-8")
    assert table() in page, "write it again: ./run bench past_a_million --page"
    assert len(LAYOUTS) > 9


def test_what_it_is_worked_out_from_stands_among_the_figures() -> None:
    figures = (ROOT / "bench" / "README.md").read_text(encoding="utf-8")
    (planning,) = re.findall(r"the same, PostgreSQL \| 10 s \| ([\d.]+) s;", figures)
    assert MEASURED.planning * MILLION == pytest.approx(float(planning))
    low, high = re.findall(r"a row claimed and a row recorded.*?\| (\d+) and (\d+), ", figures)[0]
    assert float(low) <= round((MEASURED.claim + MEASURED.outcome) * 1e6, 6) <= float(high)


def test_nothing_is_faster_than_what_carries_it() -> None:
    for layout in LAYOUTS:
        found = simulate(replace(layout, readers=layout.shards * MILLION))
        assert found.busy <= 1.0
        assert found.rate <= layout.relays * layout.relay_rate * 1.001
        assert found.rate <= layout.workers * MEASURED.worker * 1.001
        assert found.rate <= MEASURED.cores / (MEASURED.claim + MEASURED.outcome) * 1.001


def test_relays_decide_then_the_database_and_shards_have_one_each() -> None:
    paced = simulate(HERE)
    assert paced.rate == pytest.approx(10_000, rel=0.02)
    crowded = simulate(replace(HERE, workers=40, relays=60))
    assert crowded.busy > 0.8
    apart = replace(HERE, readers=2 * MILLION, shards=2, workers=20, relays=30)
    assert 2 * simulate(apart).rate > 1.5 * crowded.rate


def test_a_round_trip_to_the_database_costs_more_than_one_to_the_relay() -> None:
    far = simulate(replace(HERE, to_relay=0.03)).rate
    assert far > 2 * simulate(replace(HERE, to_database=0.03)).rate


@pytest.mark.parametrize(("latency", "least", "most"), [(0.01, 1.0, 1.0), (0.3, 0.2, 0.5)])
def test_who_waits_for_outcomes_sends_less(latency: float, least: float, most: float) -> None:
    assert least <= round(may_send(100.0, latency), 3) <= most
