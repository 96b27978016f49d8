"""Logs: one line each on standard error, and nothing in them that belongs to a reader."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from digest.logs import configure_logs, redact


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, logging.getLogger("digest").level)
    yield
    root.handlers[:], root.level = before[0], before[1]
    logging.getLogger("digest").setLevel(before[2])


def test_a_line_is_json_without_addresses_secrets_and_line_breaks() -> None:
    stream = io.StringIO()
    configure_logs("info", "json", stream=stream)
    structlog.get_logger("digest").info(
        "sent\nand done",
        address="anne@example.org",
        reply="550 <anne@example.org> unknown\x1b[2J",
        relay="smtp://user:hunter2@relay.example.org:587",
        token="x",
        params={"address": "bart@example.org", "password": "hunter2"},
        seen=["cris@example.org"],
        link="https://news.example.org/u/" + "a" * 40,
        number=3,
    )
    (line,) = stream.getvalue().splitlines()
    for secret in ("anne", "bart", "cris", "hunter2", "\x1b", "a" * 40):
        assert secret not in line
    event = json.loads(line)
    assert event["number"] == 3
    assert event["address"] == "…@example.org"


def test_addresses_show_where_they_are_asked_for() -> None:
    stream = io.StringIO()
    configure_logs("info", "json", stream=stream, addresses=True)
    structlog.get_logger("digest").info("sent", address="anne@example.org")
    assert json.loads(stream.getvalue())["address"] == "anne@example.org"


def test_libraries_log_in_the_same_form_but_warnings_only() -> None:
    stream = io.StringIO()
    configure_logs("info", "json", stream=stream)
    logging.getLogger("alembic").info("Context impl SQLiteImpl.")
    logging.getLogger("alembic").warning("bounced from %s", "anne@example.org")
    assert json.loads(stream.getvalue())["event"] == "bounced from …@example.org"


def test_a_traceback_is_redacted_too() -> None:
    stream = io.StringIO()
    configure_logs("info", "text", stream=stream)
    try:
        raise ValueError("smtp://user:hunter2@relay.example.org anne@example.org")
    except ValueError:
        structlog.get_logger("digest").exception("failed")
    assert "Traceback" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()
    assert "anne@" not in stream.getvalue()


def test_redacting_leaves_other_words_alone() -> None:
    assert redact("issue 182 at https://news.example.org/i/weekly/182") == (
        "issue 182 at https://news.example.org/i/weekly/182"
    )


def test_a_password_with_an_at_sign_in_it_is_hidden_whole() -> None:
    assert "hunter2" not in redact("smtp://digest:one@hunter2@relay.example.org refused")
