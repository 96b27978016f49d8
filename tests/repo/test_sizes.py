"""Files and functions stay small enough to be read in one go."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.repo.tree import named, parsed, short, text

LONGEST_MODULE = 500
LONGER_MODULES = {
    "alembic/versions/0001_initial.py": 700,  # the same tables once more, as they were on that day
}
LONGEST_FUNCTION = 60
LONGEST_INIT = 30
MOST_POSITIONAL = 5
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}

_SELF = {"self", "cls"}
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _functions() -> Iterator[tuple[str, Function]]:
    for path in named(".py"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, Function):
                yield f"{short(path)}:{node.lineno} {node.name}", node


def test_no_module_is_longer_than_five_hundred_lines() -> None:
    lengths = {short(path): len((text(path) or "").splitlines()) for path in named(".py")}
    assert len(lengths) > 30
    too_long = {
        name: length
        for name, length in lengths.items()
        if length > LONGER_MODULES.get(name, LONGEST_MODULE)
    }
    assert not too_long


def test_no_function_is_longer_than_sixty_lines() -> None:
    lengths = {
        name: (node.end_lineno or node.lineno) - node.lineno + 1 for name, node in _functions()
    }
    assert len(lengths) > 100
    assert not {name: n for name, n in lengths.items() if n > LONGEST_FUNCTION}


def test_no_function_takes_more_than_five_arguments_by_position() -> None:
    counts = {
        name: len([a for a in node.args.posonlyargs + node.args.args if a.arg not in _SELF])
        for name, node in _functions()
        if not name.startswith("tests/")  # a test is called by pytest, by name
    }
    assert not {name: n for name, n in counts.items() if n > MOST_POSITIONAL}


def test_packages_hold_no_logic_in_their_init() -> None:
    for path in named(".py"):
        if path.name == "__init__.py":
            assert len((text(path) or "").splitlines()) <= LONGEST_INIT, short(path)
            defined = [n for n in ast.walk(parsed(path)) if isinstance(n, _DEFINITIONS)]
            assert not defined, f"{short(path)} defines something"


def test_no_module_is_named_after_nothing() -> None:
    assert not [short(path) for path in named(".py") if path.stem in FORBIDDEN_NAMES]


def test_no_class_is_named_after_its_kind() -> None:
    named_badly = [
        f"{short(path)}: {node.name}"
        for path in named(".py", under="digest")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef)
        and (node.name.startswith("Abstract") or node.name.endswith(("Manager", "Helper")))
    ]
    assert not named_badly
