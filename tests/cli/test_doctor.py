"""``digest doctor`` and ``digest dns`` from the command line, with everything on loopback."""

from __future__ import annotations

import smtplib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.shell import Shell
from tests.fakes.dovecot import PASSWORD, Dovecot
from tests.fakes.names import NameServer
from tests.scenarios.processes import capture_relay

FROM, BOUNCES = "news.example.org", "bounces.news.example.org"
HOST = "smtp.example.org"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    """A DNS that knows nothing yet, and is asked."""
    with NameServer({}) as server:
        monkeypatch.setenv("DIGEST_DNS__NAMESERVER", f"127.0.0.1:{server.port}")
        yield server


@pytest.fixture
def away(on_sqlite: Shell, names: NameServer, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A newsletter behind a relay on this machine, which delivers from a public address."""
    monkeypatch.setenv("DIGEST_RELAY_URL", "smtp://127.0.0.1:9?tls=none&addresses=192.0.2.25")
    assert on_sqlite("dkim", "new", "--json").code == 0
    return on_sqlite


def test_an_operator_reads_which_record_to_write(away: Shell) -> None:
    said = away("doctor")
    assert said.code == 1
    records = said.out.partition("Records to write:\n\n")[2].splitlines()
    assert f'{BOUNCES}. 3600 IN TXT "v=spf1 ip4:192.0.2.25 ~all"' in records
    assert f'_dmarc.{FROM}. 3600 IN TXT "v=DMARC1; p=none"' in records
    assert f"25.2.0.192.in-addr.arpa. 3600 IN PTR mail.{FROM}." in records
    assert any(line.startswith(f"{BOUNCES}. 3600 IN MX 10 ") for line in records)
    key = away("dkim", "show-dns", "--json").rows[0]
    assert f"{key['name']}. 3600 IN TXT (" in records
    assert f'  "{key["strings"][0]}"' in records


def test_machines_get_a_line_of_json_for_each_row(away: Shell) -> None:
    said = away("doctor", "--json")
    assert said.code == 1
    rows = {row["code"]: row for row in said.rows}
    assert set(rows["spf"]) == {"code", "area", "about", "state", "found", "fix", "records"}
    assert (rows["spf"]["state"], rows["spf"]["area"]) == ("red", "dns")
    assert rows["spf"]["records"] == [
        {"name": BOUNCES, "type": "TXT", "value": "v=spf1 ip4:192.0.2.25 ~all"}
    ]
    assert (rows["relay-reach"]["state"], rows["backup"]["state"]) == ("red", "yellow")
    assert (rows["database"]["state"], rows["dkim-key"]["state"]) == ("green", "green")


def test_what_somebody_knows_better_is_yellow(away: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_DOCTOR__IGNORE", "spf ptr")
    rows = {row["code"]: row for row in away("doctor", "--json").rows}
    assert (rows["spf"]["state"], rows["ptr"]["state"]) == ("yellow", "yellow")
    assert rows["dmarc"]["state"] == "red"


def test_a_key_file_others_can_read_is_red(away: Shell) -> None:
    (key,) = Path(".digest/dkim", FROM).glob("*.pem")
    key.chmod(0o644)
    rows = {row["code"]: row for row in away("doctor", "--json").rows}
    assert (rows["dkim-key"]["state"], rows["dkim-key"]["fix"]) == (
        "red",
        f"chmod 600 .digest/dkim/{FROM}/{key.name}",
    )


def test_a_database_without_tables_is_a_row_not_a_crash(
    shell: Shell, names: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_DATABASE_URL", "sqlite:///new.db")
    said = shell("doctor", "--json")
    rows = {row["code"]: row for row in said.rows}
    assert said.code == 1
    assert (rows["database"]["state"], rows["newsletter"]["state"]) == ("red", "skipped")
    assert "digest db upgrade" in rows["database"]["fix"]


def test_all_records_are_printed_as_a_zone(away: Shell) -> None:
    said = away("dns")
    assert said.code == 0
    assert f'{BOUNCES}. 3600 IN TXT "v=spf1 ip4:192.0.2.25 ~all"\n' in said.out
    rows = away("dns", "--json").rows
    assert [row["type"] for row in rows] == ["TXT", "MX", "TXT", "TXT"]
    assert all(len(part) <= 255 for row in rows for part in row["strings"] or ())


def test_a_test_mail_goes_the_real_way_and_its_source_is_read(
    on_sqlite: Shell, names: NameServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = (
        "Authentication-Results: mx.example.net; dkim=fail header.d=news.example.org; spf=pass\n"
    )
    on_sqlite.write("source.eml", source)
    capture = tmp_path / "capture"
    with capture_relay(capture, "--rejected", "0", "--deferred", "0") as url:
        monkeypatch.setenv("DIGEST_RELAY_URL", url)
        said = on_sqlite(
            *("doctor", "--send", "anne@example.net", "--headers", "source.eml", "--json")
        )
    rows = [row for row in said.rows if row["area"] == "mail"]
    assert said.code == 1
    assert [(row["code"], row["state"]) for row in rows] == [
        ("sent", "green"),
        ("received", "yellow"),  # another Message-ID
        ("received", "red"),
        ("received", "green"),
        ("received", "yellow"),
    ]
    assert b"a test mail" in (capture / "messages").read_bytes()


def test_a_test_mail_is_found_in_its_mailbox(
    on_sqlite: Shell,
    names: NameServer,
    tmp_path: Path,
    open_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    capture = tmp_path / "capture"
    with (
        capture_relay(capture, "--rejected", "0", "--deferred", "0") as url,
        Dovecot(open_folder / "dovecot") as mailbox,
        ThreadPoolExecutor(1) as postman,
    ):
        monkeypatch.setenv("DIGEST_RELAY_URL", url)
        monkeypatch.setenv("DIGEST_MAILBOX_PASSWORD", PASSWORD)
        delivered = postman.submit(_deliver, capture / "messages", mailbox)
        place = f"imap://anne%40example.net@127.0.0.1:{mailbox.imap_port}/INBOX"
        said = on_sqlite(
            *("doctor", "--send", "anne@example.net", "--mailbox", place, "--patience", "60"),
            "--json",
        )
        delivered.result()
        # Nobody's password: told as what it is, and by the option.
        monkeypatch.setenv("DIGEST_MAILBOX_PASSWORD", "wrong")
        refused = on_sqlite("doctor", "--send", "anne@example.net", "--mailbox", place, "--json")
    rows = [(row["code"], row["state"]) for row in said.rows if row["area"] == "mail"]
    assert rows[0] == ("sent", "green")
    assert rows[1:] == [("received", "green")] * 3
    assert (refused.code, refused.error["where"]) == (2, "--mailbox")
    assert "login" in refused.error["message"]


def _deliver(messages: Path, mailbox: Dovecot) -> None:
    """What stands between a relay and a mailbox: checks, and a field that says so."""
    until = time.monotonic() + 60
    while not (messages.exists() and messages.read_bytes().endswith(b"\n")):
        assert time.monotonic() < until, "nothing was sent"
        time.sleep(0.05)
    mail = messages.read_bytes()
    result = b"Authentication-Results: mx.example.net; dkim=pass; spf=pass; dmarc=pass\r\n"
    with smtplib.LMTP("127.0.0.1", mailbox.lmtp_port) as client:
        client.sendmail("", ["anne@example.net"], result + mail[mail.index(b"Message-ID") :])


def test_a_relay_that_refuses_an_unknown_mailbox_needs_no_bounce(
    on_sqlite: Shell, names: NameServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with capture_relay(tmp_path / "capture", "--rejected", "10000", "--deferred", "0") as url:
        monkeypatch.setenv("DIGEST_RELAY_URL", url)
        said = on_sqlite("doctor", "--bounce", "--json")
    (row,) = [row for row in said.rows if row["code"] == "bounce"]
    assert (row["state"], row["about"].endswith(f"@{FROM}")) == ("green", True)


def test_a_bounce_that_does_not_come_is_red(
    on_sqlite: Shell, names: NameServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with capture_relay(tmp_path / "capture", "--rejected", "0", "--deferred", "0") as url:
        monkeypatch.setenv("DIGEST_RELAY_URL", url)
        said = on_sqlite("doctor", "--bounce", "--patience", "0", "--json")
    (row,) = [row for row in said.rows if row["code"] == "bounce"]
    assert (row["state"], said.code) == ("red", 1)
