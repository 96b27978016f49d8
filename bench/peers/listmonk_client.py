"""listmonk: its server, with a PostgreSQL database of its own, sends one campaign.

As documented, with its limits out of the way: as many connections and workers as the others have,
batches of 5,000, no rate. It is set up by its own ``--install``; readers, the campaign and the
settings then go straight into its tables, as its pages would write them. Measured is from the
moment it takes up the campaign to the one it calls it finished, which is when its database says so.
It writes headers of its own; the text is ours. Its image that counts opens is left out.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import psycopg

from bench.peers.letter import PeerLetter, values_of
from bench.tools import free_port, peak_memory, serving

_NAME = "listmonk"  # its database
_BATCH = 5_000
_LOOK = 0.05  # seconds between two questions how far it is
_VALUE = re.compile(r"\{\{(\w+)\}\}")
_LIST = """INSERT INTO lists (uuid, name, type, tags)
    VALUES (gen_random_uuid(), 'bench', 'private', '{}') RETURNING id"""
_MEMBERS = """INSERT INTO subscriber_lists (subscriber_id, list_id, status)
    SELECT id, %s, 'confirmed' FROM subscribers WHERE attribs ? 'token'"""  # not its samples
_TEMPLATE = """INSERT INTO templates (name, type, subject, body)
    VALUES ('bench', 'campaign', '', '{{ template "content" . }}') RETURNING id"""
_CAMPAIGN = """INSERT INTO campaigns (uuid, name, subject, from_email, body, altbody, content_type,
    tags, messenger, template_id) VALUES (gen_random_uuid(), 'bench', %s, %s, %s, %s, 'html', '{}',
    'email', %s) RETURNING id"""
_FOR_LIST = "INSERT INTO campaign_lists (campaign_id, list_id, list_name) VALUES (%s, %s, 'bench')"
_FAR = "SELECT status, extract(epoch FROM now() - started_at) FROM campaigns WHERE id = %s"
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Send, and print what was measured."""
    task = json.loads(sys.argv[1])
    database = urlsplit(task["database"])
    with psycopg.connect(task["database"], autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {_NAME} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {_NAME}")
    port = free_port()
    environment = _environment(port, parse_qs(database.query)["host"][0], database.username or "")
    command = [task["program"], "--config", ""]
    subprocess.run(
        [*command, "--install", "--yes"], env=environment, check=True, stdout=subprocess.DEVNULL
    )
    letter = PeerLetter.read(task["letter"])
    own_url = database._replace(path=f"/{_NAME}").geturl()
    with tempfile.TemporaryDirectory() as folder, psycopg.connect(own_url, autocommit=True) as own:
        _settle(own, task["port"], task["connections"])
        campaign = _fill(own, letter, task["messages"])
        with serving(command, port, Path(folder) / "log", environment) as process:
            began = _processor_seconds(process)
            seconds = _send(own, campaign)
            cpu = _processor_seconds(process) - began
            memory = peak_memory(process)
    print(json.dumps({"seconds": seconds, "cpu": cpu, "memory": memory}), flush=True)


def _environment(port: int, host: str, user: str) -> dict[str, str]:
    given = {
        "app__address": f"127.0.0.1:{port}",
        "db__host": host,
        "db__port": "5432",
        "db__user": user,
        "db__password": "",
        "db__database": _NAME,
        "db__ssl_mode": "disable",
        "db__max_open": "25",
        "db__max_idle": "25",
        "db__max_lifetime": "300s",
    }
    return os.environ | {f"LISTMONK_{name}": value for name, value in given.items()}


def _settle(own: psycopg.Connection, port: int, connections: int) -> None:
    relay = {
        "enabled": True,
        "host": "127.0.0.1",
        "port": port,
        "auth_protocol": "none",
        "username": "",
        "password": "",
        "hello_hostname": "",
        "max_conns": connections,
        "idle_timeout": "15s",
        "wait_timeout": "60s",
        "max_msg_retries": 2,
        "tls_type": "none",
        "tls_skip_verify": True,
        "email_headers": [],
    }
    settings = {
        "smtp": [relay],
        "app.concurrency": connections,
        "app.message_rate": 1_000_000,
        "app.batch_size": _BATCH,
        "app.check_updates": False,
    }
    for key, value in settings.items():
        own.execute("UPDATE settings SET value = %s WHERE key = %s", (json.dumps(value), key))


def _fill(own: psycopg.Connection, letter: PeerLetter, messages: int) -> int:
    """Its readers, and a campaign that waits; the campaign's number."""
    copying = "COPY subscribers (uuid, email, name, attribs) FROM STDIN"
    with own.cursor() as rows, rows.copy(copying) as copy:
        for number in range(messages):
            values = values_of(number)
            address, name = values.pop("address"), values.pop("name")
            copy.write_row((UUID(int=number + 1), address, name, json.dumps(values)))
    readers = _one(own, _LIST)
    own.execute(_MEMBERS, (readers,))
    texts = (_as_theirs(letter.html), _as_theirs(letter.plain))
    sender = f"{letter.from_name} <{letter.from_address}>"
    campaign = _one(own, _CAMPAIGN, letter.subject, sender, *texts, _one(own, _TEMPLATE))
    own.execute(_FOR_LIST, (campaign, readers))
    own.execute("ANALYZE")
    return campaign


def _one(own: psycopg.Connection, statement: str, *given: Any) -> int:
    row = own.execute(statement.encode(), given).fetchone()
    assert row is not None
    return int(row[0])


def _as_theirs(text: str) -> str:
    """Our places for values as its templates name them."""
    names = {"address": ".Subscriber.Email", "name": ".Subscriber.Name"}
    return _VALUE.sub(
        lambda found: "{{ " + names.get(found[1], f".Subscriber.Attribs.{found[1]}") + " }}", text
    )


def _send(own: psycopg.Connection, campaign: int) -> float:
    """Seconds from taking up the campaign until it is called finished."""
    own.execute("UPDATE campaigns SET status = 'running' WHERE id = %s", (campaign,))
    while True:
        row = own.execute(_FAR, (campaign,)).fetchone()
        assert row is not None
        status, seconds = row
        if status == "finished":
            return float(seconds)
        if status != "running":
            raise RuntimeError(f"listmonk calls the campaign {status}")
        time.sleep(_LOOK)


def _processor_seconds(process: int) -> float:
    """Of a running process, as proc(5) counts them: fields 14 and 15, behind its name."""
    fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


if __name__ == "__main__":
    main()
