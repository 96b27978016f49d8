"""The tree of errors that is drawn is the one there is."""

from __future__ import annotations

import inspect
import re

from digest import errors

_BRANCH = re.compile(r"^(?P<lines>(?:│   |    )*)(?:├── |└── )?(?P<name>\w+Error)\b(?P<says>.*)$")


def _drawn() -> dict[str, str | None]:
    """Each error's parent as the docstring draws it."""
    parents: dict[str, str | None] = {}
    path: list[str] = []
    for line in inspect.cleandoc(errors.__doc__ or "").splitlines():
        match = _BRANCH.match(line.removeprefix("    "))
        if match is None or match["name"] in parents:
            continue
        depth = 0 if "──" not in line else len(match["lines"]) // 4 + 1
        del path[depth:]
        parents[match["name"]] = path[-1] if path else None
        path.append(match["name"])
    return parents


def _real() -> dict[str, str | None]:
    classes = [
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, errors.DigestError)
    ]
    parents = {value.__name__: value.__mro__[1].__name__ for value in classes}
    return {name: None if parent == "Exception" else parent for name, parent in parents.items()}


def test_the_tree_drawn_is_the_tree_there_is() -> None:
    assert len(_real()) > 5
    assert _drawn() == _real()


def test_every_error_says_something_without_being_told() -> None:
    for name in _real():
        error = getattr(errors, name)
        assert inspect.getdoc(error), name
        assert error.exit_code in (1, 2), name


def test_exit_codes_drawn_are_the_ones_there_are() -> None:
    drawing = errors.__doc__ or ""
    drawn = dict(re.findall(r"(\w+Error)\s+exit (\d)", drawing))
    for name in _real():
        if name in drawn:
            assert getattr(errors, name).exit_code == int(drawn[name])
    assert {"DigestError", "RefusedError"} <= drawn.keys()


def test_all_errors_raised_by_hand_belong_to_the_tree_or_to_python() -> None:
    assert issubclass(errors.DigestError, Exception)
    assert str(errors.RefusedError()) == "The answer is no."
