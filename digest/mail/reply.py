"""A relay's reply as a value: its code, its enhanced status, its text.

RFC 5321 §4.2 (codes by their first digit, replies of several lines), RFC 3463 (enhanced status
codes), RFC 2034 §4 (each line starts with the status). The first digit of the *reply* decides: a
5.x.x in a 4xx reply stays temporary. What a reply means for a reader or a destination is decided
elsewhere (``rules.verdict``).
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import NamedTuple

from digest.mail.headers import clean_line

TEXT_MAX = 1_000  # characters kept; RFC 5321 §4.5.3.1.5 allows 512 octets a line
RETRY_MIN = timedelta(seconds=1)
RETRY_MAX = timedelta(hours=24)  # a server that asks for more is not believed

_STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?![\w.])[ :-]*")
# One line that needs no care: nothing in it to take away but the status.
_USUAL = re.compile(r"(?:([245]\.\d{1,3}\.\d{1,3}) )?([A-Za-z][!-~]*(?: [!-~]+)*)")
_RETRY = re.compile(
    r"\b(?:try|retry|retrying|come\s+back|resend|wait|greylist\w*|deferred)\b"
    r"(?:\s+(?:again|later|delivery|this|message|it|please|back)\b){0,4}"
    r"[\s,:]*(?:\b(?:in|after|for|at\s+least|another)\b\s*){0,3}"
    r"(?<!\d)(?:(?P<clock>\d{1,3}:\d{2}:\d{2})(?!\d)|(?P<count>\d{1,9})\s*(?P<unit>[a-z]+)\b)",
    re.IGNORECASE,
)
_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600),
}


class Reply(NamedTuple):
    """What the relay answered: the code, one line of text, the enhanced status without the text.

    A tuple, since one is made for every message.
    """

    code: int
    text: str
    status: str | None = None

    @property
    def positive(self) -> bool:
        """The command was done (2yz)."""
        return self.code // 100 == 2

    @property
    def permanent(self) -> bool:
        """Trying again is of no use (5yz)."""
        return self.code // 100 == 5

    @property
    def transient(self) -> bool:
        """Try again: 4yz, and whatever is no answer to the command, so that nobody is lost."""
        return not self.positive and not self.permanent

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), self.status, self.text) if part)


def parse_reply(code: int, text: str | bytes) -> Reply:
    """The reply ``code`` with its ``text``, whose lines (with or without the code in front of each)
    are joined by blanks. Controls go, at most 1,000 characters stay.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    usual = _USUAL.fullmatch(text)
    if usual is not None and len(text) <= TEXT_MAX:
        return Reply(code, usual[2], usual[1])
    lines = [_without_code(line, code) for line in text.splitlines()[:100]]
    found = _STATUS.match(lines[0]) if lines else None
    status = found[1] if found else None
    if status is not None:
        lines = [_without_status(line, status) for line in lines]
    joined = clean_line(" ".join(line[:TEXT_MAX] for line in lines))
    return Reply(code, joined[:TEXT_MAX].rstrip(), status)


def retry_after(reply: Reply) -> timedelta | None:
    """How long the relay asks to wait ("try again in 5 minutes"), between 1 second and 24 hours.

    None when it does not say, or when the reply is not temporary.
    """
    if not reply.transient:
        return None
    for found in _RETRY.finditer(reply.text):
        seconds = _seconds(found)
        if seconds is not None:
            return min(max(timedelta(seconds=seconds), RETRY_MIN), RETRY_MAX)
    return None


def _seconds(found: re.Match[str]) -> int | None:
    if found["clock"]:
        hours, minutes, seconds = map(int, found["clock"].split(":"))
        return hours * 3600 + minutes * 60 + seconds
    unit = _UNITS.get(found["unit"].lower())
    return None if unit is None else int(found["count"]) * unit


def _without_code(line: str, code: int) -> str:
    line = line.strip()
    return line[4:].lstrip() if line[:4] in (f"{code}-", f"{code} ") else line


def _without_status(line: str, status: str) -> str:
    found = _STATUS.match(line)
    return line[found.end() :] if found and found[1] == status else line
