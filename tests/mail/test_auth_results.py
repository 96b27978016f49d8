"""A receiver's word about a message: the topmost field, and nothing below it."""

from __future__ import annotations

from digest.mail.auth_results import read_received
from digest.rules.doctor.checkup import Light
from digest.rules.doctor.received import judge_received

TOKEN = "k5" * 20
PASSED = f"""\
Authentication-Results: mx.example.net (a filter (of ours));
 dkim=pass (2048-bit key) header.d=news.example.org header.s=d1;
 spf=pass smtp.mailfrom=b-x@bounces.news.example.org;
 dmarc=pass (p=REJECT) header.from=news.example.org
Message-ID: <{TOKEN}@news.example.org>
Subject: A Weekly: a test mail

Hello
"""


def lights(text: str) -> dict[str, Light]:
    rows = judge_received(read_received(text), token=TOKEN, address="anne@example.net")
    return {row.about: row.light for row in rows}


def test_what_passed_is_read_with_its_domains() -> None:
    received = read_received(PASSED)
    assert received.authority == "mx.example.net"
    assert [(one.method, one.result, one.domain) for one in received.results] == [
        ("dkim", "pass", "news.example.org"),
        ("spf", "pass", "bounces.news.example.org"),
        ("dmarc", "pass", "news.example.org"),
    ]
    assert set(lights(PASSED).values()) == {Light.GREEN}


def test_a_failure_is_red_and_silence_is_yellow() -> None:
    text = PASSED.replace("dkim=pass", "dkim=fail").replace("spf=pass", "iprev=pass")
    assert lights(text) == {
        "mx.example.net: dkim": Light.RED,
        "mx.example.net: spf": Light.YELLOW,
        "mx.example.net: dmarc": Light.GREEN,
    }


def test_a_field_below_the_receivers_own_is_not_believed() -> None:
    forged = "Authentication-Results: mx.example.net; dkim=fail header.d=evil.example\n" + PASSED
    assert lights(forged)["mx.example.net: dkim"] is Light.RED


def test_another_mail_is_noticed() -> None:
    assert Light.YELLOW in lights(PASSED.replace(TOKEN, "other")).values()
    assert set(lights("Subject: hello\n\n").values()) == {Light.YELLOW}
