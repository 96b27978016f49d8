"""A real Prometheus asks ``digest run`` as deploy/ sets it up, and its alerts fire."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.conftest import missing
from tests.fakes.ports import free_port
from tests.repo.tree import ROOT
from tests.scenarios.conftest import ON_SQLITE, MakeHouse
from tests.scenarios.service import PATIENCE, Service

TOKEN = "what Prometheus shows"
READERS = 40
# Panels that have something to show as soon as an issue went out; others wait for trouble.
SEEN = {
    *("Database", "Next slot in", "An issue is approved for it", "Slot lag", "Paused", "Held"),
    *("Messages a second, by what became of them", "Accepted a second, by destination"),
    *("Connections to the database", "Memory"),
}


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[str]:
    """Prometheus with the set-up of deploy/, in a hurry; yields its URL."""
    program = shutil.which("prometheus")
    if program is None:
        missing("no prometheus is installed")
    folder.mkdir()
    setup = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
    (folder / "prometheus.yml").write_text(
        setup.replace("15s", "500ms").replace("127.0.0.1:8000", target)
    )
    shutil.copy(ROOT / "deploy/prometheus/alerts.yml", folder)
    (folder / "digest.token").write_text(TOKEN)
    address = f"127.0.0.1:{free_port()}"
    command = [program, f"--web.listen-address={address}", "--config.file=prometheus.yml"]
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            [*command, f"--storage.tsdb.path={folder / 'data'}"],
            cwd=folder,
            stdout=log,
            stderr=log,
        )
        try:
            yield f"http://{address}"
        finally:
            running.kill()
            running.wait()


def _get(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.loads(answer.read())["data"]
    except OSError:  # it is starting
        return None


def _until(ask: Callable[[], object], fits: Callable[[Any], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not fits(found := ask()):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def _dashboard_answers(url: str) -> dict[str, int]:
    """How many rows Prometheus answers to each panel of the dashboard, as Grafana asks for them."""
    dashboard = json.loads((ROOT / "deploy/grafana/digest.json").read_text())
    found: dict[str, int] = {}
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            query = target["expr"].replace("$newsletter", ".*")
            assert "$" not in query, query
            answer = _get(f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}")
            assert answer is not None, (panel["title"], query)  # it is none of Prometheus
            rows = len(answer["result"])
            found[panel["title"]] = found.get(panel["title"], 0) + rows
    return found


@ON_SQLITE
def test_what_is_sent_is_seen_and_a_slot_without_an_issue_alerts(
    make_house: MakeHouse, tmp_path: Path, dialect: str
) -> None:
    house = make_house(READERS)
    house.settings["DIGEST_METRICS_TOKEN"] = TOKEN
    soon = datetime.now(UTC) + timedelta(hours=1)
    every_day = f"mon,tue,wed,thu,fri,sat,sun {soon:%H:%M}"
    house.run("newsletter", "set", "weekly", "--timezone", "UTC", "--schedule", every_day)
    service = Service.start(house)
    with prometheus(tmp_path / "prometheus", urllib.parse.urlsplit(service.url).netloc) as url:
        house.run("issue", "send", "182")
        accepted = urllib.parse.quote('sum(digest_answers_total{outcome="accepted",lane="issue"})')
        _until(
            lambda: _get(f"{url}/api/v1/query?query={accepted}"),
            lambda found: (
                bool(found) and [row["value"][1] for row in found["result"]] == [str(READERS)]
            ),
        )
        _until(
            lambda: _get(f"{url}/api/v1/alerts"),
            lambda found: (
                bool(found)
                and ("DigestNothingApproved", "firing")
                in {(one["labels"]["alertname"], one["state"]) for one in found["alerts"]}
            ),
        )
        _until(  # a rate is there once it was asked for twice
            lambda: _dashboard_answers(url),
            lambda answered: {title for title, rows in answered.items() if rows} >= SEEN,
        )
        (target,) = _get(f"{url}/api/v1/targets")["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
    service.stop()
