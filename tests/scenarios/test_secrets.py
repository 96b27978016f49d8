"""What is secret stays out of logs and of the list of processes, which everybody on a machine sees.

Standards, class 25. The secrets are planted: the key, the relay's password, those of pages and of
webhooks. An environment is its operator's own (``/proc/PID/environ`` has the mode 0400) and is not
looked at, but for the demo's, which makes its own key.
"""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from digest.mail.tokens import KeyRing, TokenKind
from tests.cli.shell import KEY
from tests.fakes.certificates import Authority
from tests.fakes.relay_plan import At, Plan, Rule
from tests.scenarios.conftest import ON_SQLITE, MakeHouse
from tests.scenarios.house import SEND, House, address
from tests.scenarios.processes import PATIENCE, Script, environment
from tests.scenarios.service import Service

READERS = 40
PLANTED = {
    name: f"planted{secrets.token_hex(16)}"
    for name in (
        "DIGEST_OLD_SECRET_KEYS",
        "DIGEST_METRICS_TOKEN",
        "DIGEST_HOOKS__POSTMARK",
        "DIGEST_HOOKS__GENERIC",
        "DIGEST_OIDC__CLIENT_SECRET",
    )
}
PASSWORD = f"planted{secrets.token_hex(16)}"
SLOW = Plan(starttls=True, login=True, pause=0.02)
MARK = f"MARK={secrets.token_hex(16)}".encode()


def command_lines() -> dict[int, bytes]:
    """What ``ps`` shows of every process there is: its arguments, and the names of its threads."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            shown = [place / "cmdline", *place.glob("task/*/comm")]
            found[int(place.name)] = b" ".join(file.read_bytes() for file in shown)
        except OSError:  # it has ended
            continue
    return found


def shows_none_of(planted: Iterable[str]) -> None:
    for pid, line in command_lines().items():
        assert not [one for one in planted if one.encode() in line], (pid, line)


def guarded(house: House, authority: Authority) -> House:
    """The house with every secret there is, and a relay that wants a password."""
    url = house.relay.url(tls="required", connections=2)
    house.settings |= PLANTED
    house.settings |= {"DIGEST_OIDC__ISSUER": "http://127.0.0.1:9", "DIGEST_OIDC__CLIENT_ID": "x"}
    house.settings["DIGEST_RELAY_URL"] = url.replace("smtp://", f"smtp://anne:{PASSWORD}@")
    house.settings["SSL_CERT_FILE"] = str(authority.trusted)
    house.settings["DIGEST_LOG_LEVEL"] = "debug"
    return house


@ON_SQLITE
def test_no_log_and_no_list_of_processes_shows_a_secret_or_a_reader(
    make_house: MakeHouse, dialect: str, tmp_path: Path
) -> None:
    authority = Authority.make(tmp_path / "authority")
    refusing = Plan(starttls=True, login=True, rules=(Rule(At.AUTH, reply="535 5.7.8 no"),))
    house = make_house(READERS, refusing, certificate=authority.certificate())
    script = Script(house.folder, environment(**guarded(house, authority).environment))
    leave = KeyRing(KEY).sign(TokenKind.LEAVE, 1)
    planted = {*PLANTED.values(), PASSWORD, KEY, leave}
    with script.start(*SEND, "--wait", "--json") as sender:
        house.relay.until(lambda state: state["connections"] > 0)
        shows_none_of(planted)
        _, first = sender.communicate(timeout=PATIENCE)
    house.relay.does(SLOW)
    with script.start("run", "--port", "0", "--json") as serving:
        assert serving.stdout is not None
        url = re.search(r"http://[^\"]+", serving.stdout.readline())
        assert url is not None
        pages = Service(house, None, url[0])  # type: ignore[arg-type]  # it is only asked
        house.run(*SEND)
        house.relay.until_taken(READERS // 2)
        shows_none_of(planted)
        assert pages.ask(f"/u/{leave}", b"List-Unsubscribe=One-Click").status == 200
        assert pages.ask(f"/api/v1/readers?key={PASSWORD}").status == 401
        house.until_states(lambda states: not set(states) & {"queued", "sending", "deferred"})
        shows_none_of(planted)
        serving.terminate()
        _, second = serving.communicate(timeout=PATIENCE)
    assert "535" in first
    assert second.count("\n") > 3
    people = {address(number).partition("@")[0] + "@" for number in range(READERS)}
    assert [one for one in planted | people if one in first + second] == []


def test_the_demos_own_key_is_in_no_list_of_processes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "digest", "demo", "--readers", "50", "--exit", "--json"]
    name, _, value = MARK.decode().partition("=")
    keys: set[str] = set()
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(**{name: value}), stdout=subprocess.PIPE
    ) as demo:
        deadline = time.monotonic() + PATIENCE
        while demo.poll() is None:
            assert time.monotonic() < deadline
            keys |= keys_of_the_marked()
            shows_none_of(keys)
            time.sleep(0.02)
    assert demo.returncode == 0
    assert len(keys) == 1


def keys_of_the_marked() -> set[str]:
    """The key in the environment of every process that began in the demo."""
    found = set()
    for place in Path("/proc").glob("[0-9]*/environ"):
        try:
            words = place.read_bytes().split(b"\0")
        except OSError:
            continue
        if MARK in words:
            found |= {one.decode() for one in words if one.startswith(b"DIGEST_SECRET_KEY=")}
    return {one.partition("=")[2] for one in found}
