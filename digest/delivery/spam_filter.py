"""What SpamAssassin says of a message by its own rules, where it is installed.

It is asked without the network and without what it may have learned (``-L``, no Bayes), so that the
same message gets the same points on every machine with the same rules.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from typing import Final

from digest.content.finding import SpamScore

__all__ = ["PROGRAM", "spam_score"]

PROGRAM: Final = "spamassassin"
_ARGUMENTS: Final = ("-L", "-t", "-x", "--cf", "use_bayes 0", "--cf", "use_auto_whitelist 0")
_LONGEST: Final = 60.0  # seconds; it needs about one
_TOTAL: Final = re.compile(
    r"^Content analysis details: +\((-?[0-9.]+) points, +(-?[0-9.]+) required\)", re.MULTILINE
)
_RULE: Final = re.compile(r"^ *(-?\d+\.\d+) ([A-Z][A-Z0-9_]+) ", re.MULTILINE)


async def spam_score(message: bytes) -> SpamScore | None:
    """The points of ``message``; None where SpamAssassin is not installed, or fails."""
    program = shutil.which(PROGRAM)
    if program is None:
        return None
    process = await asyncio.create_subprocess_exec(
        program,
        *_ARGUMENTS,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_LONGEST):
            told, _ = await process.communicate(message)
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return read_report(told.decode("utf-8", "replace"))


def read_report(text: str) -> SpamScore | None:
    """The points and their rules from a report; None where there is none in ``text``."""
    total = None
    for total in _TOTAL.finditer(text):  # noqa: B007 - the last one is its own; a mail may hold one
        pass
    if total is None:
        return None
    rules = [(name, float(points)) for points, name in _RULE.findall(text, total.end())]
    given = sorted((rule for rule in rules if rule[1] >= 0.05), key=lambda rule: -rule[1])
    points = float(total[1]) + 0.0  # it writes -0.0, too
    return SpamScore(points, float(total[2]), tuple(given))
