"""Keys on the command line: made, shown for DNS, changed in two steps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digest.delivery.dkim_keys import KeyFolder
from tests.cli.shell import Shell

DOMAIN = "news.example.org"


def today() -> str:
    return f"d{datetime.now(UTC):%Y%m%d}"


def test_a_new_key_comes_with_the_record_to_publish(shell: Shell) -> None:
    before = today()
    said = shell("dkim", "new", DOMAIN, "--json")
    assert said.code == 0
    made = said.json
    assert made["selector"] in (before, today())
    assert made["name"] == f"{made['selector']}._domainkey.{DOMAIN}"
    assert (made["domain"], made["type"], made["state"]) == (DOMAIN, "TXT", "active")
    assert made["value"].startswith("v=DKIM1; k=rsa; p=")
    assert "".join(made["strings"]) == made["value"]
    assert max(map(len, made["strings"])) <= 255
    pem = shell.folder / ".digest" / "dkim" / DOMAIN / f"{made['selector']}.pem"
    assert pem.stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in said.out + said.err


def test_people_get_lines_of_a_zone_file(shell: Shell) -> None:
    made = shell("dkim", "new", DOMAIN, "--json").json
    said = shell("dkim", "show-dns", DOMAIN)
    first, second = made["strings"]
    zone = f'{made["name"]}. 3600 IN TXT (\n  "{first}"\n  "{second}" )\n'
    assert said.out == f"; {made['selector']}: signs now\n{zone}"


def test_the_domain_of_the_only_newsletter_is_taken(on_sqlite: Shell) -> None:
    assert on_sqlite("dkim", "new", "--json").json["domain"] == DOMAIN
    assert len(on_sqlite("dkim", "show-dns", "--json").rows) == 1


def test_a_key_is_changed_in_two_steps(shell: Shell) -> None:
    first = shell("dkim", "new", DOMAIN, "--json").json["selector"]
    following = shell("dkim", "rotate", DOMAIN, "--json").json
    assert following["state"] == "next"
    signing = KeyFolder(Path(".digest/dkim")).signers().of(DOMAIN)
    assert signing is not None
    assert signing.selector == first
    assert shell("dkim", "rotate", DOMAIN, "--activate", "--json").json["state"] == "active"
    rows = shell("dkim", "show-dns", DOMAIN, "--json").rows
    assert [row["state"] for row in rows] == ["active", "retired"]
    assert rows[0]["selector"] == following["selector"]
    until = datetime.fromisoformat(rows[1]["remove_at"])
    assert until - datetime.now(UTC) > timedelta(days=8, hours=23)


def test_people_are_told_what_to_publish_and_what_to_leave(shell: Shell) -> None:
    first = shell("dkim", "new", DOMAIN, "--json").json["selector"]
    said = shell("dkim", "rotate", DOMAIN)
    assert "until then the old key signs on" in said.out
    assert f"digest dkim rotate {DOMAIN} --activate" in said.out
    said = shell("dkim", "rotate", DOMAIN, "--activate")
    assert f"{first}: signs no more; leave its record there until" in said.out


def test_nothing_is_activated_that_was_not_made(shell: Shell) -> None:
    shell("dkim", "new", DOMAIN)
    said = shell("dkim", "rotate", DOMAIN, "--activate", "--json")
    assert (said.code, said.out) == (2, "")
    assert "digest dkim rotate" in said.error["message"]


@pytest.mark.parametrize("verb", ["show-dns", "rotate"])
def test_without_a_key_the_way_to_one_is_told(shell: Shell, verb: str) -> None:
    said = shell("dkim", verb, DOMAIN, "--json")
    assert (said.code, said.out) == (2, "")
    assert f"digest dkim new {DOMAIN}" in said.error["message"]


def test_a_second_new_key_is_refused(shell: Shell) -> None:
    shell("dkim", "new", DOMAIN)
    said = shell("dkim", "new", DOMAIN, "--json")
    assert (said.code, said.out) == (2, "")
    assert "rotate" in said.error["message"]


@pytest.mark.parametrize("wrong", ["../etc", "no-dot", "a b.example"])
def test_what_is_no_domain_is_wrong_use(shell: Shell, wrong: str) -> None:
    said = shell("dkim", "new", wrong, "--json")
    assert (said.code, said.out, said.error["where"]) == (2, "", "DOMAIN")
    assert not (shell.folder / ".digest").exists()
