"""Every exception from a check says why it is one."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.repo.tree import ROOT, comments, named, short

IGNORE = re.compile(
    r"#\s*(?:noqa(?P<all>(?!:))|noqa:\s*[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*|type:\s*ignore(?:\[[^\]]*\])?"
    r"|pragma:\s*no cover|fmt:\s*off|ruff:\s*noqa\S*)(?P<rest>.*)"
)
REASON = re.compile(r"\W*\w+\W+\w+")  # two words at least


def unexplained(comment: str) -> bool:
    """Whether a comment switches a check off and does not say why."""
    match = IGNORE.search(comment)
    if match is None:
        return False
    return match["all"] is not None or not REASON.search(match["rest"])


def test_every_ignore_in_the_code_says_why() -> None:
    bare = [
        f"{short(path)}:{line} {comment}"
        for path in named(".py")
        for line, comment in comments(path)
        if unexplained(comment)
    ]
    assert not bare


@pytest.mark.parametrize(
    "comment",
    ["# noqa", "# noqa: S603", "# noqa: S603 -", "# type: ignore", "# type: ignore[arg-type]  # x"],
)
def test_an_ignore_without_a_reason_is_found(comment: str) -> None:
    assert unexplained(comment)


@pytest.mark.parametrize(
    "comment",
    ["# noqa: S603 - our own program", "# type: ignore[arg-type]  # the stub is wrong", "# why"],
)
def test_an_ignore_with_a_reason_is_fine(comment: str) -> None:
    assert not unexplained(comment)


def test_every_ignore_in_the_configuration_says_why() -> None:
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    rules = tomllib.loads("\n".join(lines))["tool"]["ruff"]["lint"]
    ignored = set(rules["ignore"]).union(*rules["per-file-ignores"].values())
    written = {
        match["rule"]: match["reason"]
        for line in lines
        if (match := re.match(r'\s*"(?P<rule>[A-Z]+\d*)",\s*(?:#\s*(?P<reason>.+))?$', line))
    }
    assert ignored
    assert not {rule for rule in ignored if not written.get(rule)}
