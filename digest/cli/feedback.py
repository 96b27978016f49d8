"""``digest feedback``: what comes back, read from files. Needs no set-up and changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from digest.cli import output
from digest.cli.files import read_bytes
from digest.cli.options import Json, Many, group
from digest.mail.bounce import Recipient, Report, read_report
from digest.mail.mime import READ_MAX

app = group("feedback")


@app.command
def explain(files: Annotated[tuple[Path, ...], Many], /, *, as_json: Json = False) -> int:
    """Tell what mails are, whom they name and why those were not reached.

    Parameters
    ----------
    files
        One mail each, as received; anything else is told as not-bounce.
    """
    # Everything is read before anything is printed: an error leaves standard output empty.
    told = [(path, read_report(read_bytes(path, limit=READ_MAX))) for path in files]
    for path, report in told:
        output.result(_row(path, report), as_json=as_json, text=_text(path, report))
    return 0


def _row(path: Path, report: Report) -> output.Row:
    return {
        "file": str(path),
        "kind": report.kind,
        "recipients": [
            {
                "address": one.address,
                "status": one.status,
                "reply": one.reply,
                "reason": one.reason,
                "final": one.final,
                "hard": one.hard,
            }
            for one in report.recipients
        ],
    }


def _text(path: Path, report: Report) -> str:
    source = f" (by {report.source})" if report.source else ""
    lines = [f"{output.printable(path)}: {report.kind}{source}"]
    lines += [_line(one) for one in report.recipients]
    return "\n".join(lines)


def _line(one: Recipient) -> str:
    codes = " ".join(code for code in (one.reply, one.status) if code)
    state = "dead address" if one.hard else "given up" if one.final else "not given up"
    told = f"  {one.address}: {one.reason}, {state}"
    return output.printable(
        f"{told} [{codes}] {one.evidence}" if codes else f"{told} {one.evidence}"
    )
