"""What Prometheus and Grafana are given in deploy/ asks for numbers that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from digest.delivery.tally import Line, Tally
from digest.store.relays import StoredRelay
from digest.store.reports import Totals
from digest.store.revisions import RevisionState
from digest.store.watching import History, NewsletterStanding, OnItsWay, Standing
from digest.web import metric_families as families
from tests.conftest import missing
from tests.repo.tree import ROOT

RULES = ROOT / "deploy/prometheus/alerts.yml"
SETUP = ROOT / "deploy/prometheus/prometheus.yml"
DASHBOARD = ROOT / "deploy/grafana/digest.json"
CASES = {"cases.yml": "alerts.yml", "weeks.yml": "alerts_of_weeks.yml"}
HOW_TO = ROOT / "docs/how-to/watch-it.md"
_NAME = re.compile(r"\bdigest_\w+")
_MATCHERS = re.compile(r"(digest_\w+)\{([^}]*)\}")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")
NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)


def _everything() -> dict[str, set[str]]:
    """Every metric there can be, with its labels."""
    tally = Tally()
    tally.lines[Line("issue", "google", "accepted", "")] += 1
    weekly = NewsletterStanding("weekly", NOW, next_ready=True, late_since=NOW, last_sent_at=NOW,
                                held=False)  # fmt: skip
    here = Standing((weekly,), {}, 0, 0, 0, NOW, NOW)
    running = [OnItsWay("weekly", "182", paused=False, totals=Totals(accepted=1))]
    past = History((("mail", "bounce", "scored", 1),), 0)
    relay = StoredRelay(1, "relay:25", 60, NOW, 1, 451, "later", NOW, NOW)
    found = [
        *families.of_process(tally),
        *families.of_database(RevisionState.CURRENT, writable=True, used=1, most=2),
        *families.of_slots(here, NOW),
        *families.of_queues(here, running),
        *families.of_issues(running),
        *families.of_feedback(here, past),
        *families.of_relays([relay], NOW),
    ]
    return {one.name: set(one.labels) for family in found for one in family.samples}


def _queries() -> Iterator[tuple[str, str]]:
    """Every expression, with where it stands."""
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def test_every_number_that_is_asked_for_is_told_with_that_label() -> None:
    there = _everything()
    for where, query in _queries():
        names = _NAME.findall(query)
        assert set(names) <= set(there), (where, set(names) - set(there))
        for name, matchers in _MATCHERS.findall(query):
            assert set(_LABEL.findall(matchers)) <= there[name], (where, name)


def test_every_metric_and_every_alert_is_explained() -> None:
    text = HOW_TO.read_text()
    names = {name for name in _everything() if name.startswith("digest_")}
    assert {name for name in names if f"`{name}`" not in text} == set()
    alerts = [rule["alert"] for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]]
    assert [alert for alert in alerts if f"`{alert}`" not in text] == []


def test_panels_do_not_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)


def _lost(ours: object, back: object, path: str = "") -> list[str]:
    """What of ``ours`` is not in ``back``."""
    if isinstance(ours, dict) and isinstance(back, dict):
        named = [(f"{path}/{name}", value, back.get(name)) for name, value in ours.items()]
    elif isinstance(ours, list) and isinstance(back, list) and len(ours) == len(back):
        both = enumerate(zip(ours, back, strict=True))
        named = [(f"{path}/{number}", one, other) for number, (one, other) in both]
    else:
        return [] if ours == back else [path]
    return [found for where, one, other in named for found in _lost(one, other, where)]


def _through_grafana(dashboard: dict[str, Any]) -> object:
    """The dashboard as Grafana's own library understands it: what it does not know is gone."""
    register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))


def test_grafana_knows_every_field_of_the_dashboard() -> None:
    ours = json.loads(DASHBOARD.read_text())
    assert _lost(ours, _through_grafana(ours)) == []
    wrong = json.loads(DASHBOARD.read_text())
    wrong["panels"][0]["fieldConfig"]["defaults"]["treshold"] = {}
    wrong["panels"][1]["options"]["textmode"] = "value"
    lost = _lost(wrong, _through_grafana(wrong))
    assert lost == ["/panels/0/fieldConfig/defaults/treshold", "/panels/1/options/textmode"]


def test_prometheus_takes_the_rules_and_they_fire_when_they_should(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        missing("no promtool is installed")
    for path in (RULES, SETUP):
        shutil.copy(path, tmp_path)
    for name, ours in CASES.items():
        shutil.copy(ROOT / "tests/repo" / ours, tmp_path / name)
    (tmp_path / "digest.token").write_text("token")
    commands = (
        ("check", "rules", "alerts.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", *CASES),
    )
    for command in commands:
        ran = subprocess.run(
            [promtool, *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, (command, ran.stdout + ran.stderr)
