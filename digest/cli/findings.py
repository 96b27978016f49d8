"""Findings as lines: for a person, or as annotations of a pull request.

An annotation is a workflow command of GitHub Actions, ``::error file=182.md,line=3,col=1,title=code
::words``. What stands in it was written by whoever opened the pull request, so it is escaped as the
runner undoes it: no text can end the line, begin a command of its own or add a property.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from digest.cli import output
from digest.errors import IssueFileError

_LEVELS = {"error": "error", "warning": "warning", "hint": "notice"}
_PLACE = re.compile(r":(\d+)(?::(\d+))?$")


def tell_findings(
    findings: Iterable[Mapping[str, Any]], file: object, *, annotate: bool = False
) -> None:
    """Print findings, each as ``issue check --json`` has it."""
    for one in findings:
        where = f"{file}:{one['line']}:{one['column']}"
        line = f"{where}: {one['severity']} [{one['code']}] {one['message']} {one['fix']}"
        if annotate:
            line = _annotation(one, file=file)
        output.document(f"{output.printable(line).rstrip()}\n")


def tell_verdict(found: Mapping[str, Any]) -> None:
    """Say what was not looked at, how long the issue is, and whether it can be sent."""
    for name, why in found["not_checked"].items():
        output.note(f"Not checked: {name}, since {why}.")
    counts = ", ".join(output.counted(found[key], key[:-1]) for key in ("sections", "items"))
    in_the_way = sum(one["severity"] == "error" for one in found["findings"])
    verdict = f"It cannot be sent yet: {in_the_way} to be settled."
    output.note(f"{counts}. {verdict if in_the_way else 'It can be sent.'}")


def _annotation(found: Mapping[str, Any], *, file: object) -> str:
    properties = {
        "file": file,
        "line": found["line"],
        "col": found["column"],
        "title": found["code"],
    }
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    words = f"{found['message']} {found['fix']}".strip()
    return f"::{_LEVELS[found['severity']]} {listed}::{_text(words)}"


def annotation_of_error(error: IssueFileError, *, file: object) -> str:
    """The line for a file that cannot be read as an issue."""
    place = _PLACE.search(error.where)
    found = {
        "severity": "error",
        "line": place[1] if place else 1,
        "column": (place[2] if place else None) or 1,
        "code": "syntax",
        "message": error.message,
        "fix": error.fix,
    }
    return output.printable(_annotation(found, file=file))


def _text(value: object) -> str:
    return str(value).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: object) -> str:
    return _text(value).replace(":", "%3A").replace(",", "%2C")
