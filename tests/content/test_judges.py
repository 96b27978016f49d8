"""What foreign judges say of every theme: a validator, a support table, a spam filter."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digest.mail.message import Letterhead, Recipient, compile_message
from tests.conftest import missing
from tests.content.gallery import LOOKS, THEMES, page_of, rendered_look
from tests.node.judges import judge

PAGES = [(theme, look) for theme in THEMES for look in LOOKS]

# Features some programs do not have and that we use all the same: what a reader loses without.
GRACEFUL = {
    "role attribute": "nothing: it is spoken where it is known, and WCAG asks for it",
    "aria-label attribute": "nothing: as role",
    "display:none": "nothing: the preview line is 1 px high where it cannot be hidden",
    "word-break": "a word longer than the column makes that column wider",
    "white-space": "a long line of code is not wrapped",
}


def mailed(theme: str, look: str = "example", now: datetime | None = None) -> bytes:
    """The whole message, as Bart gets it."""
    rendered = rendered_look(theme, look)
    letterhead = Letterhead(
        from_name="A Weekly",
        from_address="hello@news.example.org",
        reply_to=None,
        subject=rendered.subject,
        list_id="weekly.news.example.org",
        list_name="A Weekly",
        message_id_domain="news.example.org",
        leave_url="https://news.example.org/u/",
        leave_mailto=None,
        help_url="https://news.example.org/help",
        feedback_id="12:weekly:news:digest",
    )
    compiled = compile_message(
        letterhead, html=rendered.html, plain=rendered.plain, slots=rendered.slots
    )
    date = now or datetime.now(UTC) - timedelta(seconds=5)
    token = "k5" * 20
    reader = Recipient("bart@example.net", "Bart", token, leave=token, preferences=token, date=date)
    return compiled.compose(reader)


def test_the_validator_finds_nothing() -> None:
    answers = judge("validate", [page_of(*page) for page in PAGES])
    assert dict(zip(PAGES, answers, strict=True)) == {page: [] for page in PAGES}


def test_the_validator_would_find_something() -> None:
    page = page_of("letter", "example")
    broken = [
        page.replace("<h2", "<h5", 1).replace("</h2>", "</h5>", 1),
        page.replace("</h1>", ""),
        page.replace("<a ", "<a href='b' ", 1),
        page.replace('<html lang="en"', "<html"),
    ]
    rules = [[finding.split(" ")[1] for finding in found] for found in judge("validate", broken)]
    assert "heading-level:" in rules[0]
    assert "close-order:" in rules[1]
    assert "no-dup-attr:" in rules[2]
    assert "element-required-attributes:" in rules[3]


def test_nothing_depends_on_what_a_large_provider_does_not_show() -> None:
    answers = judge("support", [page_of(*page) for page in PAGES])
    for page, found in zip(PAGES, answers, strict=True):
        assert [line for line in found if line.split(" | ")[0] not in GRACEFUL] == [], page


def test_the_support_table_would_find_something() -> None:
    page = page_of("default", "example").replace('<h1 style="', '<h1 style="border-radius:1px;')
    (found,) = judge("support", [page])
    assert "border-radius | outlook.windows" in found


SCORE = re.compile(r"^Content analysis details: +\((-?[0-9.]+) points", re.MULTILINE)


def spam_score(message: bytes, home: Path) -> float:
    """Points of SpamAssassin's own rules, without the network."""
    program = shutil.which("spamassassin")
    if program is None:
        missing("no spamassassin on the PATH")
    done = subprocess.run(
        [program, "-L", "-t", "-x", "--siteconfigpath=/etc/spamassassin"],
        input=message,
        capture_output=True,
        check=True,
        timeout=120,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )
    found = SCORE.search(done.stdout.decode("utf-8", "replace"))
    assert found, done.stderr[-500:]
    return float(found[1])


@pytest.mark.parametrize(("theme", "look"), PAGES)
def test_spamassassin_gives_no_point(theme: str, look: str, tmp_path: Path) -> None:
    assert spam_score(mailed(theme, look), tmp_path) <= 1.0


def test_spamassassin_would_give_points(tmp_path: Path) -> None:
    # The preview line as MJML writes it, and a mail of nothing but a picture.
    page = (
        '<html><body><div style="color:#ffffff">unseen words</div><img src="https://x.org/a.png">'
    )
    head = b"From: a@example.org\nSubject: FREE MONEY!!!\nContent-Type: text/html\n\n"
    assert spam_score(head + page.encode(), tmp_path) > 1.0
