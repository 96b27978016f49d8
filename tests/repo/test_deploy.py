"""What deploy/ says of the service holds for this tree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from digest.cli.options import GROUPS
from digest.settings import env_example
from tests.conftest import missing
from tests.repo.tree import ROOT

DEPLOY = ROOT / "deploy"
CONTAINER = DEPLOY / "Containerfile"
COMPOSE = DEPLOY / "compose.yaml"
UNITS = (
    *("digest.service", "digest-web.service", "digest-scheduler.service"),
    "digest-worker@1.service",
)
PARTS = {"web", "scheduler", "worker"}
_EXPOSED = 20  # tenths of systemd's measure, of 100


@pytest.fixture(params=UNITS)
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A unit, beside what all parts have in common, with a program that is there."""
    if shutil.which("systemd-analyze") is None:
        missing("no systemd-analyze is installed")
    for path in [*DEPLOY.glob("*.service"), *DEPLOY.glob("*.service.d/*.conf")]:
        copy = tmp_path / path.relative_to(DEPLOY)
        copy.parent.mkdir(exist_ok=True)
        text = path.read_text().replace("/opt/digest/.venv/bin/digest", sys.executable)
        copy.write_text(text.replace("/opt/digest", str(ROOT)))
    return tmp_path / request.param


def analyzed(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = ("systemd-analyze", *arguments)
    where = os.environ | {"SYSTEMD_UNIT_PATH": f"{folder}:"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=where)


def test_systemd_understands_the_unit(unit: Path) -> None:
    found = analyzed("verify", str(unit), folder=unit.parent)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_the_unit_may_do_little(unit: Path) -> None:
    template = unit.with_name(unit.name.replace("@1", "@"))
    limit = f"--threshold={_EXPOSED}"
    found = analyzed("security", "--offline=true", limit, str(template), folder=unit.parent)
    assert found.returncode == 0, found.stdout[-300:]


def test_the_container_copies_what_is_there_and_brings_the_uv_of_run() -> None:
    text = CONTAINER.read_text()
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
        for name in line.split()[:-1]
    ]
    assert {"digest", "templates", "alembic", "uv.lock"} <= set(copied)
    assert all((ROOT / name).exists() for name in copied)
    version = re.search(r"^uv_version=(\S+)", (ROOT / "run").read_text(), re.MULTILINE)
    assert version is not None
    assert f"uv=={version[1]}" in text
    assert re.search(r"^USER digest$", text, re.MULTILINE)


def test_the_parts_of_the_compose_file_are_the_parts_there_are() -> None:
    composed = yaml.safe_load(COMPOSE.read_text())
    services = composed["services"]
    assert services.keys() >= PARTS
    assert GROUPS.keys() >= PARTS
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= services.keys(), name
        volumes = {one.partition(":")[0] for one in service.get("volumes", ())}
        assert volumes <= composed["volumes"].keys(), name
        if "build" in service:
            assert (ROOT / service["build"]["dockerfile"]).is_file(), name
        if name in PARTS:
            assert service["command"][:2] == ["digest", name]
            assert service["depends_on"]["upgrade"]["condition"] == "service_completed_successfully"
            assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
            settings = [one for one in service["environment"] if one.startswith("DIGEST_")]
            assert all(f"#{one}=" in env_example() for one in settings), name
    assert services["upgrade"]["command"] == ["digest", "db", "upgrade"]
    assert services["relay"]["ports"] == ["25:25"]  # and not the one that sends for all containers
    assert "smtp://relay:587?" in (DEPLOY / "compose.yaml").read_text()


def test_the_units_of_the_parts_call_the_parts() -> None:
    for part in PARTS:
        (unit,) = [path for path in DEPLOY.glob("digest-*.service") if part in path.name]
        assert f"ExecStart=/opt/digest/.venv/bin/digest {part}\n" in unit.read_text()


def test_the_relay_of_the_compose_file_is_set_up_as_postfix_understands(tmp_path: Path) -> None:
    """Its script is run with the real postconf on a copy of a configuration, then Postfix looks."""
    postconf = shutil.which("postconf", path=f"{os.environ['PATH']}:/usr/sbin")
    if postconf is None:
        missing("no Postfix is installed")
    (tmp_path / "main.cf").write_text("")
    shutil.copy("/usr/share/postfix/master.cf.dist", tmp_path / "master.cf")
    script = (DEPLOY / "relay.sh").read_text().replace("exec postfix start-fg\n", "")
    names = {"MAIL_NAME": "out.example.org", "BOUNCE_DOMAIN": "bounces.example.org"}
    environment = (
        os.environ | names | {"MAIL_CONFIG": str(tmp_path), "PATH": "/usr/sbin:/usr/bin:/bin"}
    )
    done = subprocess.run(
        ["sh", "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    shown = subprocess.run(
        [postconf, "-n"], env=environment, capture_output=True, text=True, check=True
    )
    assert shown.stderr == ""  # a parameter nobody knows would be warned of
    assert "transport_maps = inline:{ { bounces.example.org = lmtp:inet:scheduler:2424 } }" in (
        shown.stdout
    )
    assert "mynetworks = 127.0.0.0/8 [::1]/128\n" in shown.stdout  # at 25 nobody may send
    services = (tmp_path / "master.cf").read_text()
    assert re.search(
        r"^submission +inet .* smtpd\n( +-o .*\n)* +-o .*172\.16", services, re.MULTILINE
    )
    unset = subprocess.run(
        ["sh", "-c", script], env={"PATH": "/bin"}, capture_output=True, check=False
    )
    assert unset.returncode != 0
