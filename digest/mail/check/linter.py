"""All checks in a row, and no more of one kind than a person reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from digest.mail.check import bodies, fields, lists, signature, wire
from digest.mail.check.rules import Finding
from digest.mail.check.source import Source, read_source

SAME_MAX = 10  # findings of one code

_CHECKS: tuple[Callable[[Source], Iterator[Finding]], ...] = (
    *wire.CHECKS,
    *fields.CHECKS,
    *lists.CHECKS,
    *bodies.CHECKS,
    *signature.CHECKS,
)


def check_message(data: bytes) -> tuple[Finding, ...]:
    """What is wrong with the message in ``data``, by line; at most 10 findings of each code.

    Never raises, whatever the bytes are. What is no message at all is one finding.
    """
    source = read_source(data)
    if not source.root.fields:
        return (Finding(1, "not-a-message", "This does not begin with a header field."),)
    found = sorted({finding for check in _CHECKS for finding in check(source)})
    seen: Counter[str] = Counter()
    kept = []
    for finding in found:
        seen[finding.code] += 1
        if seen[finding.code] <= SAME_MAX:
            kept.append(finding)
    return tuple(kept)
