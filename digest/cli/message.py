"""``digest message``: messages as bytes. Needs no set-up and asks no network."""

from __future__ import annotations

from pathlib import Path

from digest.cli import output
from digest.cli.files import read_bytes
from digest.cli.options import Json, group
from digest.errors import InputError
from digest.mail.check import Finding, Severity, check_message

app = group("message")

LARGEST = 25 << 20  # bytes: more than large receivers take


@app.command
def check(file: Path, /, *, as_json: Json = False) -> int:
    """Tell what is wrong with a message before it is sent; exit 1 where something is an error.

    Each finding has a stable code, its line, the rule behind it and what to do; with --json, one
    line each.

    Parameters
    ----------
    file
        A message as it is sent, with its header.
    """
    data = read_bytes(file, limit=LARGEST)
    if len(data) > LARGEST:
        raise InputError(
            f"The file has more than {LARGEST >> 20} MB.", where=str(file), fix="Is it a message?"
        )
    findings = check_message(data)
    errors = sum(finding.rule.severity is Severity.ERROR for finding in findings)
    if as_json:
        output.rows([_row(file, one) for one in findings], as_json=True, columns=())
    else:
        for finding in findings:
            output.document(_text(file, finding))
        output.note(_summary(errors, len(findings) - errors))
    return 1 if errors else 0


def _row(file: Path, finding: Finding) -> output.Row:
    return {
        "file": str(file),
        "line": finding.line,
        "code": finding.code,
        "severity": finding.rule.severity,
        "message": finding.message,
        "why": finding.rule.why,
        "fix": finding.rule.fix,
    }


def _text(file: Path, finding: Finding) -> str:
    rule = finding.rule
    place = f"{output.printable(file)}:{finding.line}"
    told = output.printable(finding.message)
    return f"{place}: {rule.severity} {rule.code}: {told}\n    {rule.why}. {rule.fix}\n"


def _summary(errors: int, warnings: int) -> str:
    if not errors and not warnings:
        return "Nothing is wrong."
    return f"{output.counted(errors, 'error')}, {output.counted(warnings, 'warning')}."
