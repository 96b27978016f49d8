"""An issue that was sent to a relay that takes some, refuses some and puts some off."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import ISSUE, Said, Shell
from tests.scenarios.processes import capture_relay

HALF = ("--rejected", "2500", "--deferred", "2500")  # of 10,000 addresses


def planned(shell: Shell, readers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 182, planned for so many readers at two domains; nobody sends it."""
    rows = [f"r{n}@{'example.org' if n % 3 else 'example.net'}" for n in range(readers)]
    shell.write("readers.csv", "\n".join(["email", *rows]))
    assert shell("reader", "import", "readers.csv", "--consent", "made up").code == 0
    shell.write("182.md", ISSUE)
    hash_ = shell("issue", "add", "182.md", "--json").json["hash"]
    assert shell("issue", "approve", "182", hash_).code == 0
    monkeypatch.setenv("DIGEST_RELAY_URL", "smtp://127.0.0.1:1?tls=none")
    assert shell("issue", "send", "182").code == 0


def sent(shell: Shell, capture: Path, monkeypatch: pytest.MonkeyPatch, *shares: str) -> Said:
    """Send issue 182, each reader tried once."""
    with capture_relay(capture, *(shares or ("--rejected", "0", "--deferred", "0"))) as url:
        monkeypatch.setenv("DIGEST_RELAY_URL", url)
        return shell("issue", "send", "182", "--wait", "--no-retries", "--json")
