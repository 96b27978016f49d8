"""``digest feedback``: what comes back: explained (which needs no set-up), or taken in."""

from __future__ import annotations

import mailbox
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from digest.cli import output
from digest.cli.connection import read_settings
from digest.cli.files import read_bytes
from digest.cli.options import Json, Many, group
from digest.errors import InputError
from digest.mail.bounce import Recipient, Report, read_report
from digest.mail.mime import READ_MAX

app = group("feedback")
_LATER = {
    "list_all": "List what came back, the newest first.",
    "report": "Tell what came back of an issue: by destination and reason, with a sample.",
    "classify": "Teach words of a server, and the reason that they are.",
}
for _name, _help in _LATER.items():
    _path = f"digest.cli.feedback_reports:{_name}"
    app.command(_path, name=_name.removesuffix("_all"), help=_help)


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


@app.command
async def read(
    file: Annotated[Path | None, Parameter(allow_leading_hyphen=True)] = None,
    /,
    *,
    maildir: Path | None = None,
    imap: bool = False,
    recipient: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    as_json: Json = False,
) -> int:
    """Take in what came back: a mail, a Maildir, or the mailbox that the settings name.

    A mail counts by the signed token in its address or its returned headers; without one it changes
    nothing. For a pipe of an MTA: digest feedback read - --recipient "$ORIGINAL_RECIPIENT".

    Parameters
    ----------
    file
        One mail, or several in mailbox format; - reads standard input.
    maildir
        A Maildir: what is new in it is read, and marked when it is taken in.
    imap
        The unread mail of DIGEST_INBOUND__IMAP.
    recipient
        Whom the mail was sent to (the envelope's recipient), where that is known.
    """
    from digest.inbound.imap import parse_imap, take_imap
    from digest.inbound.maildir import take_maildir
    from digest.inbound.mails import take_mail
    from digest.runtime import open_runtime

    if sum((file is not None, maildir is not None, imap)) != 1:
        raise InputError("Read what?", where="FILE", fix="Name a file, -, --maildir or --imap.")
    settings = read_settings()
    async with open_runtime(settings) as runtime:
        desk = runtime.feedback_desk
        if maildir is not None:
            taken = await take_maildir(desk, maildir)
        elif imap:
            taken = await take_imap(desk, parse_imap(settings.inbound.imap.get_secret_value()))
        else:
            taken = []
            for mail in _mails_of(file):
                taken += await take_mail(desk, mail, source="read", recipients=recipient)
    rows: list[output.Row] = [
        {"kind": one.kind, "effect": one.effect, "known": one.known, "new": one.new}
        for one in taken
    ]
    columns = ("kind", "effect", "known", "new")
    output.rows(rows, as_json=as_json, columns=columns, empty="No mail.")
    return 0


def _mails_of(file: Path | None) -> Iterator[bytes]:
    """The mails of a file, one after the other, however many a mailbox file holds."""
    if file is None or file == Path("-"):
        yield sys.stdin.buffer.read(2 * READ_MAX)
        return
    data = read_bytes(file, limit=2 * READ_MAX)
    if not data.startswith(b"From "):
        yield data
        return
    box = mailbox.mbox(file, create=False)
    try:
        for key in box.keys():  # noqa: SIM118 - iterating gives the mails, parsed
            yield box.get_bytes(key)[: 2 * READ_MAX]
    finally:
        box.close()


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
