"""Whatever comes in: no mail and no webhook makes us raise anything but "this is none"."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.packages import brought
from digest.errors import InputError
from digest.inbound.mails import as_feedback, read_mails
from digest.inbound.webhooks import Posted
from digest.inbound.webhooks import base as hooks
from tests.conftest import missing
from tests.inbound.returned import answer, complaint, dsn
from tests.inbound.test_webhooks import HOOKS, dead

_PIECES = [
    *dsn(to="b@example.org").split(b"\r\n"),
    *complaint(to="b@example.org", returned="Message-ID: <x@y>").split(b"\r\n"),
    *answer(to="b@example.org").split(b"\r\n"),
    *(
        b"From x Thu Nov 26 09:00:00 2026",
        b"",
        b"\xff\xfe",
        b"\x00" * 9,
        b"=?x?b?=?=",
        b"--b",
        b"--",
    ),
    *(b"Content-Type: multipart/mixed; boundary=b", b"Content-Type: message/rfc822", b"a" * 40),
    *(b"Content-Transfer-Encoding: base64", b"Content-Type: text/html; charset=utf-7", b"<" * 99),
]
_MAILS = st.lists(st.sampled_from(_PIECES) | st.binary(max_size=40), max_size=60).map(b"\r\n".join)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


def _read_mail(data: bytes) -> None:
    for one in read_mails(data, recipients=("x@example.org",)):
        feedback = as_feedback(one, "fuzz")
        assert len(feedback.claim.tokens) <= 100
        assert feedback.bearing is not None


def _mangled(provider: str, path: list[int], value: object) -> Any:
    """An event of ``provider`` with one of its values another."""
    root: Any = dead(provider, 1, "anne@example.org")
    place = root
    for step in path:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        key = keys[step % len(keys)]
        if not isinstance(place[key], dict | list) or step % 3 == 0:
            place[key] = value
            break
        place = place[key]
    return root


def _read_hook(provider: str, body: bytes) -> None:
    with suppress(InputError):
        for event in HOOKS[provider].events(Posted({}, body)):
            hooks.as_feedback(event, provider, ())


@given(_MAILS)
@settings(max_examples=300, deadline=None)
def test_no_mail_makes_us_raise(data: bytes) -> None:
    _read_mail(data)


@given(st.sampled_from(sorted(HOOKS)), st.lists(st.integers(0, 40), max_size=6), _VALUES)
@settings(max_examples=300, deadline=None)
def test_no_event_makes_us_raise(provider: str, path: list[int], value: object) -> None:
    mangled = _mangled(provider, path, value)
    if provider == "ses":
        mangled = {"Type": "Notification", "Message": json.dumps(mangled)}
    elif provider == "generic":
        mangled = {"events": mangled}
    _read_hook(provider, json.dumps(mangled).encode())


@pytest.mark.long
def test_ten_minutes_of_guided_search_find_nothing_that_raises(tmp_path: Path) -> None:
    atheris = brought("atheris>=3,<4", "atheris")
    if atheris is None:
        missing("atheris, which has wheels for Linux on x86_64 only")
    root = Path(__file__).resolve().parent.parent.parent
    command = [sys.executable, "-m", "tests.inbound.guided_fuzz", str(tmp_path / "seen"), "620"]
    paths = os.environ | {"PYTHONPATH": f"{root}:{atheris}"}
    done = subprocess.run(command, capture_output=True, check=False, text=True, env=paths)
    assert done.returncode == 0, done.stderr[-4_000:]
    assert re.search(r"Done \d{5,} runs", done.stderr), done.stderr[-4_000:]


@pytest.mark.long
@given(_MAILS)
@settings(max_examples=100_000, deadline=None)
def test_no_mail_of_a_hundred_thousand_makes_us_raise(data: bytes) -> None:
    _read_mail(data)
