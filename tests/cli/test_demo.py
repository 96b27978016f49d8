"""``digest demo``: what cannot be shown is told first; the rest is a scenario of its own."""

from __future__ import annotations

import pytest

from tests.cli.shell import Shell


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (("--readers", "0"), "--readers"),
        (("--kill", "-1"), "--kill"),
        (("--readers", "5", "--kill", "5"), "--kill"),
        (("--issue", "missing.md"), "missing.md"),
        (("--issue", "wrong.md"), "wrong.md:3:1"),
    ],
)
def test_what_cannot_be_shown_is_told_before_anything_is_sent(
    shell: Shell, arguments: tuple[str, ...], where: str
) -> None:
    shell.write("wrong.md", "---\nnumber: 1\nheadline: x\n---\n")
    said = shell("demo", "--exit", *arguments)
    assert (said.code, said.out) == (2, "")
    assert said.error["where"].startswith(where)
