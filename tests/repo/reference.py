"""The reference pages that are generated: ``python -m tests.repo.reference`` writes them again.

They are made from what the program itself knows (settings, commands, tables of moves), so they
cannot say anything else; ``test_reference.py`` compares them with the files.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from typing import Any
from unittest.mock import patch

from digest.cli.main import COMMANDS, build_app
from digest.content.lint import CHECKS, Check, Severity
from digest.rules.delivery import (
    DELIVERY_MOVES,
    ISSUE_MOVES,
    SETTLED_STATES,
    DeliveryState,
    IssueState,
    StateReason,
)
from digest.rules.subscription import SubscriptionState, SuppressionReason
from digest.settings import env_example
from digest.web.api.calls import Operation
from digest.web.api.routes import OPERATIONS
from digest.web.problem import WORDS
from tests.repo.tree import ROOT

FOLDER = ROOT / "docs" / "reference"
_GENERATED = "<!-- Generated: .venv/bin/python -m tests.repo.reference -->\n"

_SETTINGS_HEAD = """\
# Settings

Read from the environment and from a `.env` in the current folder (the environment wins);
`digest init` writes one. Names start with `DIGEST_`, `__` leads into a group. A name that is nearly
right is refused, not ignored.

"""

_COMMANDS_HEAD = """\
# Command line

From a checkout: `./run digest …`. `--newsletter` may be left out when there is exactly one.

`--json` prints one compact line (lists: one per row) on standard output and nothing else; logs go
to standard error. Exit code 0: done. 1: the answer is "no", paused or held. 2: wrong use or bad
input; standard output is then empty, and with `--json` the last line of standard error is
`{"error","message","where"}`. A rejected reader is a result, not a failure.
"""

_STATES_HEAD = """\
# States

What a row may be (the database checks it too) and what it may become: the tables of
`digest/rules/`.

"""

_FINDINGS_HEAD = """\
# What `digest issue check` finds

An error keeps an issue from being approved, a warning does not, a hint asks for a look; `digest
issue check` exits 1 on an error. A code means the same for ever. Where the table allows it, an
issue may ignore one, with a reason, at its top: `ignore: missing-alt: the picture is an ornament`.

"""

_API_HEAD = """\
# API

`/api/v1/openapi.json` of an installation is the whole document (OpenAPI 3.1), which clients can be
made from. Every call shows a key of `digest api-key create`: `Authorization: Bearer dgk_…`. Errors
are `application/problem+json` (RFC 9457): `title`, `status`, `detail` and, where fields are wrong,
`errors` with a JSON pointer each. Lists have `items` and `next`; give `next` as `after` for the
next page. [How to use it](../how-to/use-the-api.md).

"""

_ONCE_MORE = """
An operator may send a row once more that is rejected, expired, cancelled or held: as a new ordinal
or, when it was held, as the same; never to somebody who left, was erased or is suppressed.
"""

_DELIVERY_MEANS = {
    DeliveryState.QUEUED: "planned, or given back by a worker; nobody has it in hand",
    DeliveryState.SENDING: "a worker has claimed it and may be talking to the relay",
    DeliveryState.ACCEPTED: "the relay answered 250 after the final dot",
    DeliveryState.DEFERRED: "not now: it is tried again when `not_before` has come",
    DeliveryState.REJECTED: "the relay refused it for good; the reply says why",
    DeliveryState.EXPIRED: "48 hours of trying are over, or the next issue has started",
    DeliveryState.CANCELLED: "the reader left, or an operator stopped it",
    DeliveryState.SUPPRESSED: "the address was suppressed after the issue was planned",
    DeliveryState.SKIPPED: "nothing of the issue was for this reader",
    DeliveryState.HELD: "an operator has to decide",
}
_REASON_MEANS = {
    StateReason.LEFT: "the reader left (`cancelled`)",
    StateReason.STOPPED: "an operator stopped the issue (`cancelled`)",
    StateReason.IN_DOUBT: "perhaps sent by a worker that died (`held`, where that is the policy)",
    StateReason.POISON: "took its worker down more than once (`held`)",
    StateReason.BREAKER: "a brake held it (`held`)",
    StateReason.SUPERSEDED: "the next issue of the newsletter has started (`expired`)",
}
_ISSUE_MEANS = {
    IssueState.DRAFT: "has versions, none of them approved",
    IssueState.APPROVED: "one version is what will go out",
    IssueState.SENDING: "planned: one row per reader, and the sender at work",
    IssueState.PAUSED: "stopped by an operator or a brake; nothing is lost",
    IssueState.FINISHED: "every delivery is settled",
    IssueState.CANCELLED: "will never go out; what was accepted stays accepted",
}
_SUBSCRIPTION_MEANS = {
    SubscriptionState.PENDING: "asked, not yet confirmed: gets a confirmation, no issue",
    SubscriptionState.ACTIVE: "gets every issue",
    SubscriptionState.PAUSED: "asked for a rest; gets no issue until it is over",
    SubscriptionState.ENDED: "left; comes back only by asking again",
}
_SUPPRESSION_MEANS = {
    SuppressionReason.BOUNCED: "the mailbox is gone",
    SuppressionReason.COMPLAINED: 'somebody pressed "spam"',
    SuppressionReason.LEFT: "asked never to be mailed again",
    SuppressionReason.ERASED: "asked to be forgotten; only a keyed hash is left",
    SuppressionReason.IMPORTED: "was on a list of suppressions that was imported",
    SuppressionReason.OPERATOR: "an operator said so",
}


def settings_page() -> str:
    """``docs/reference/settings.md``: every setting with its meaning and default."""
    rows = ["| Setting | Default | Meaning |", "|---|---|---|"]
    for block in env_example().split("\n\n")[1:]:
        *meaning, assignment = block.strip().splitlines()
        name, _, default = assignment.removeprefix("#").partition("=")
        text = " ".join(line.removeprefix("# ") for line in meaning)
        rows.append(f"| `{name}` | {f'`{default}`' if default else ''} | {text} |")
    return _SETTINGS_HEAD + _GENERATED + "\n" + "\n".join(rows) + "\n"


def states_page() -> str:
    """``docs/reference/states.md``: every state, what it means and where it leads."""
    parts = [
        "## A delivery, and a notice\n",
        _table(_DELIVERY_MEANS, DELIVERY_MOVES, dict.fromkeys(SETTLED_STATES, "settled")),
        "\nWhy a row is cancelled, held or expired:\n",
        _table(_REASON_MEANS),
        _ONCE_MORE,
        "\n## An issue\n",
        _table(_ISSUE_MEANS, ISSUE_MOVES),
        "\n## A subscription\n",
        _table(_SUBSCRIPTION_MEANS),
        "\nWhy an address is suppressed:\n",
        _table(_SUPPRESSION_MEANS),
    ]
    return _STATES_HEAD + _GENERATED + "\n" + "\n".join(parts) + "\n"


def findings_page() -> str:
    """``docs/reference/findings.md``: every code, what it is about and what to do."""
    rows = ["| Code | | What it finds | What to do | Ignorable |", "|---|---|---|---|---|"]
    for severity in Severity:
        rows += [_finding_row(check) for check in CHECKS if check.severity is severity]
    return _FINDINGS_HEAD + _GENERATED + "\n" + "\n".join(rows) + "\n"


def _finding_row(check: Check) -> str:
    meaning = " ".join((check.look.__doc__ or "").split())
    ignorable = "yes" if check.ignorable else "no"
    fix = check.fix.replace("|", "\\|")
    return f"| `{check.code}` | {check.severity} | {meaning} | {fix} | {ignorable} |"


def commands_page() -> str:
    """``docs/reference/cli.md``: every command as its ``--help`` tells it."""
    # Cyclopts takes the name of a program that was started with -m from its arguments.
    with patch.object(sys, "argv", ["digest"]):
        documented = build_app(COMMANDS).generate_docs().removeprefix("# digest\n")
    return (
        _COMMANDS_HEAD + "\n" + _GENERATED + re.sub(r"[ \t]+$", "", documented, flags=re.MULTILINE)
    )


def api_page() -> str:
    """``docs/reference/api.md``: every operation, and what may go wrong."""
    rows = ["| Call | What it does | Scope |", "|---|---|---|"]
    rows += [f"| `{_called(one)}` | {one.summary} | `{one.scope}` |" for one in OPERATIONS]
    said = ["| Status | |", "|---|---|"]
    said += [f"| {status} {title} | {detail} |" for status, (title, detail) in WORDS.items()]
    return "\n".join([_API_HEAD + _GENERATED, *rows, "", *said, ""])


def _called(one: Operation) -> str:
    fields = [*(one.body.model_fields if one.body is not None else ())]
    query = "?" + "&".join(one.query.model_fields) if one.query is not None else ""
    body = f" {{{', '.join(fields)}}}" if fields else ""
    return f"{one.method} {one.path}{query}{body}"


PAGES: dict[str, Callable[[], str]] = {
    "api.md": api_page,
    "cli.md": commands_page,
    "findings.md": findings_page,
    "settings.md": settings_page,
    "states.md": states_page,
}


def write() -> None:
    """Write every generated page."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


def _table(
    means: Mapping[Any, str],
    moves: Mapping[Any, frozenset[Any]] | None = None,
    remarks: Mapping[Any, str] | None = None,
) -> str:
    head = "| State | Meaning |" + (" Leads to |" if moves is not None else "")
    rows = [head, re.sub(r"[^|]+", "---", head)]
    for state, meaning in means.items():
        row = f"| `{state}` | {meaning} |"
        if moves is not None:
            leads = moves.get(state, frozenset())
            following = ", ".join(f"`{to}`" for to in type(state) if to in leads)
            row += f" {following or (remarks or {}).get(state, '')} |"
        rows.append(row)
    return "\n".join(rows)


if __name__ == "__main__":
    write()
