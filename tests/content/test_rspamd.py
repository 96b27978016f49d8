"""What rspamd says of each theme, signed and sent in earnest: SPF, DKIM and DMARC by a real DNS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from digest.mail.dkim import Signer, record_strings, record_value
from tests.content.gallery import LOOKS, THEMES
from tests.content.test_judges import mailed
from tests.fakes.names import NameServer
from tests.fakes.spam_filter import SpamFilter

DOMAIN, BOUNCES, HOST = "news.example.org", "bounces.news.example.org", "mx.news.example.org"
ADDRESS, STRANGER = "192.0.2.25", "192.0.2.99"
SPF = f'"v=spf1 ip4:{ADDRESS} -all"'


@pytest.fixture(scope="module")
def signer() -> Signer:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return Signer(key, domain=DOMAIN, selector="s1")


@pytest.fixture(scope="module")
def rspamd(signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpamFilter]:
    record = record_strings(record_value(signer._key.public_key()))
    zone = {
        (DOMAIN, "A"): [ADDRESS],
        (DOMAIN, "MX"): [f"10 {HOST}."],
        (DOMAIN, "TXT"): [SPF],
        (BOUNCES, "MX"): [f"10 {HOST}."],
        (BOUNCES, "TXT"): [SPF],
        (HOST, "A"): [ADDRESS],
        (f"_dmarc.{DOMAIN}", "TXT"): ['"v=DMARC1; p=reject"'],
        (f"s1._domainkey.{DOMAIN}", "TXT"): [" ".join(f'"{part}"' for part in record)],
        ("25.2.0.192.in-addr.arpa", "PTR"): [f"{HOST}."],
    }
    with (
        NameServer(zone) as names,
        SpamFilter(tmp_path_factory.mktemp("rspamd"), names.port) as started,
    ):
        yield started


def judged(rspamd: SpamFilter, message: bytes, address: str = ADDRESS) -> tuple[float, set[str]]:
    """The score, and the names of all that was found."""
    answer: dict[str, Any] = rspamd.judge(
        message, sender=f"b-{'k5' * 20}@{BOUNCES}", recipient="bart@example.net", address=address
    )
    return float(answer["score"]), set(answer["symbols"])


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("theme", THEMES)
def test_a_signed_issue_has_a_score_below_zero(
    rspamd: SpamFilter, signer: Signer, theme: str, look: str
) -> None:
    now = datetime.now(UTC)
    message = mailed(theme, look, now)
    score, found = judged(rspamd, signer.sign(message, now) + message)
    assert {"R_SPF_ALLOW", "R_DKIM_ALLOW", "DMARC_POLICY_ALLOW", "HAS_LIST_UNSUB"} <= found
    assert "MID_RHS_MATCH_FROM" in found
    assert score <= 0, found


def test_what_was_changed_on_the_way_is_refused(rspamd: SpamFilter, signer: Signer) -> None:
    now = datetime.now(UTC)
    message = mailed("letter", now=now)
    forged = signer.sign(message, now) + message.replace(b"Quiet Machines", b"Quite Machines")
    score, found = judged(rspamd, forged, STRANGER)
    assert {"R_SPF_FAIL", "R_DKIM_REJECT", "DMARC_POLICY_REJECT"} <= found
    assert score > 0
