"""Secrets are compared in constant time and never printed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.repo.tree import named, parsed, short

SECRET = re.compile(r"(?:^|_)(?:token|secret|mac|hmac|signature|password|api_key|csrf)s?$")
# Comparisons that look like one and are none, each with its reason.
FINE: dict[str, str] = {}


def compared_secrets(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every ``==`` or ``!=`` with a name that says it is secret, except against a constant."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        if not any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops):
            continue
        sides = [node.left, *node.comparators]
        if any(isinstance(side, ast.Constant) for side in sides):
            continue  # `password == ""` tells nothing
        for side in sides:
            name = side.attr if isinstance(side, ast.Attribute) else getattr(side, "id", "")
            if SECRET.search(name):
                yield node.lineno, name


def test_secrets_are_compared_in_constant_time() -> None:
    found = [
        f"{short(path)}:{line} {name}"
        for path in named(".py", under="digest")
        for line, name in compared_secrets(parsed(path))
        if f"{short(path)} {name}" not in FINE
    ]
    assert not found, "use hmac.compare_digest"


@pytest.mark.parametrize("code", ["token == given", "given != self.mac", "a.secret == b.secret"])
def test_a_careless_comparison_is_found(code: str) -> None:
    assert list(compared_secrets(ast.parse(code)))


@pytest.mark.parametrize("code", ["kind == given", "token == ''", "tokens_seen == 3"])
def test_a_harmless_comparison_is_not(code: str) -> None:
    assert not list(compared_secrets(ast.parse(code)))


def test_tokens_are_compared_in_constant_time_somewhere() -> None:
    used = [
        short(path)
        for path in named(".py", under="digest")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and node.attr == "compare_digest"
    ]
    assert "digest/mail/tokens.py" in used
