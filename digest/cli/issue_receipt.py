"""``digest issue receipt|missed``: what became of every reader, in numbers that add up."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from digest.cli import output
from digest.cli.connection import connected
from digest.cli.delivery import rows_of
from digest.cli.issue_publish import find_issue
from digest.cli.options import Json, OfNewsletter
from digest.delivery.receipt_data import delivery_data, receipt_data
from digest.rules import words
from digest.rules.delivery import DeliveryState, StateReason
from digest.store.delivery_rows import DeliveryRow, Which
from digest.store.issues import StoredIssue
from digest.store.receipts import DestinationCount, Receipt, destination_counts
from digest.store.receipts import receipt as count_rows
from digest.store.reports import issue_totals, replies_of_issue

DESTINATIONS = 10  # for people; JSON has more
_DESTINATIONS_JSON = 1_000


async def receipt(issue: str, /, *, slug: OfNewsletter = None, as_json: Json = False) -> int:
    """Show what became of every delivery of an issue; the numbers add up to those planned.

    Parameters
    ----------
    issue
        Its number or slug.
    """
    async with connected() as found, found.db.read() as session:
        stored = await find_issue(session, slug, issue)
        counted = await count_rows(session, stored.id)
        totals = await issue_totals(session, stored.id)
        places = await destination_counts(session, stored.id, limit=_DESTINATIONS_JSON)
        replies = await replies_of_issue(session, stored.id)
    if as_json:
        data = receipt_data(stored, counted, totals, places)
        output.result(data | {"replies": [asdict(one) for one in replies]}, as_json=True)
    else:
        output.document("\n".join(in_words(stored, counted, places)) + "\n")
    return 0


def in_words(
    issue: StoredIssue, counted: Receipt, places: tuple[DestinationCount, ...]
) -> list[str]:
    """A receipt for people: a sentence, the sums, and how to open each of them."""
    lines = [words.receipt_sentence(issue.state, counted.accepted, counted.planned)]
    lines[0] = f"Issue {issue.name}, {issue.title}: {lines[0]}"
    if not counted.planned:
        return [output.printable(line) for line in lines]
    if issue.paused_reason:
        lines.append(f"It is paused: {issue.paused_reason}")
    if counted.first_accepted_at and counted.last_accepted_at:
        first, last = counted.first_accepted_at, counted.last_accepted_at
        lines.append(
            f"The first was accepted {first:%Y-%m-%d %H:%M:%S}, the last {last:%H:%M:%S} UTC."
        )
    lines += ["", *_sums(issue, counted), *_doubts(issue, counted)]
    lines += [*_causes(issue, counted), *_versions(issue, counted), *_places(issue, places)]
    return [output.printable(line) for line in lines]


def _sums(issue: StoredIssue, counted: Receipt) -> list[str]:
    told = [(rows, words.fate(*fate), _option(*fate)) for fate, rows in counted.fates.items()]
    width = max(len(text) for _, text, _ in told)
    lines = [f"  {rows:>9,}  {text:<{width}}  {option}" for rows, text, option in told]
    lines += [f"  {'-' * 9}", f"  {counted.planned:>9,}  planned", ""]
    lines.append(f"Each list: digest delivery list --issue {issue.name} and the options beside it.")
    if issue.rolled_up_at is not None:
        lines.append(
            f"Readers who got it are counted, and not listed any more, since "
            f"{issue.rolled_up_at:%Y-%m-%d} (DIGEST_KEEP_DAYS)."
        )
    return lines


def _option(state: DeliveryState, reason: StateReason | None) -> str:
    return f"--state {state}" + (f" --reason {reason}" if reason else "")


def _doubts(issue: StoredIssue, counted: Receipt) -> list[str]:
    lines = []
    if counted.in_doubt:
        lines += ["", f"{counted.in_doubt:,} {words.IN_DOUBT}", _list(issue, "--in-doubt")]
    if counted.fates.get((DeliveryState.HELD, StateReason.IN_DOUBT)):
        lines.append(f"Decide: digest delivery reconcile accept|resend|drop --issue {issue.name}")
    if counted.repeated:
        lines += ["", f"{counted.repeated:,} {words.REPEATED}", _list(issue, "--repeated")]
    return lines


def _list(issue: StoredIssue, option: str) -> str:
    return f"Who: digest delivery list --issue {issue.name} {option}"


def _causes(issue: StoredIssue, counted: Receipt) -> list[str]:
    if not counted.causes:
        return []
    lines = ["", "Why not:"]
    for one in counted.causes:
        cause = words.why(one.state, None, one.verdict, blame=one.blame)
        reply = f'  "{one.reply}"' if one.reply else ""
        lines.append(f"  {one.rows:>9,}  {cause}{reply}")
    lines.append(f"Reader by reader: digest issue missed {issue.name}")
    return lines


def _versions(issue: StoredIssue, counted: Receipt) -> list[str]:
    if len(counted.versions) < 2:
        return []
    return [
        "",
        "Who got which text:",
        *(
            f"  {one.planned:>9,}  version {one.ordinal} ({one.hash[:12]}), "
            f"{one.accepted:,} of them accepted"
            for one in counted.versions
        ),
        _list(issue, "--version NUMBER"),
    ]


def _places(issue: StoredIssue, places: tuple[DestinationCount, ...]) -> list[str]:
    if len(places) < 2:
        return []
    shown = places[:DESTINATIONS]
    width = max(len(one.destination) for one in shown)
    titles = ("planned", "accepted", "refused", "put off", "waiting", "held")
    lines = ["", f"  {'where to':<{width}}" + "".join(f"  {title:>9}" for title in titles)]
    for one in shown:
        numbers = (one.planned, one.accepted, one.rejected, one.deferred, one.waiting, one.held)
        cells = "".join(f"  {f'{number:,}' if number else '–':>9}" for number in numbers)
        lines.append(f"  {one.destination:<{width}}{cells}")
    if len(places) > len(shown):
        lines.append(f"  and {len(places) - len(shown):,} more, all of them with --json")
    lines.append(f"Each: digest delivery list --issue {issue.name} --destination NAME")
    return lines


async def missed(issue: str, /, *, slug: OfNewsletter = None, as_json: Json = False) -> int:
    """List the readers an issue did not reach, or not yet, and why.

    Parameters
    ----------
    issue
        Its number or slug.
    """
    listed = 0
    async with connected() as found:
        async with found.db.read() as session:
            stored = await find_issue(session, slug, issue)
        async for row in rows_of(found, stored, Which(missed=True)):
            listed += 1
            output.result(_missed(row), as_json=as_json, text=_line(row))
    if not listed and not as_json:
        output.note("Nobody was missed.")
    return 0


def _missed(row: DeliveryRow) -> dict[str, Any]:
    data = delivery_data(row)
    return {key: data[key] for key in _MISSED}


_MISSED = (
    *("id", "address", "state", "reason", "verdict", "words", "reply", "attempts", "version"),
    *("not_before", "settled_at"),
)


def _line(row: DeliveryRow) -> str:
    cause = words.why(row.state, row.reason, row.verdict, blame=row.blame)
    reply = f'  "{row.reply}"' if row.reply else ""
    return output.printable(f"{row.address}  {cause}{reply}")
