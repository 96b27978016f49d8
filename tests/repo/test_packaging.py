"""What is installed: few dependencies, all of them in the lock, nothing in another's way."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import digest
from tests.repo.tree import ROOT

MOST_DEPENDENCIES = 30


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _locked() -> dict[str, Any]:
    packages = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    return next(package for package in packages if package["name"] == "digest")


def _normal(requirement: str) -> tuple[str, frozenset[str], frozenset[str]]:
    """A requirement's name, extras and version bounds, however it is written."""
    match = re.fullmatch(r"([\w.-]+)(?:\[([^\]]*)\])?(.*)", requirement.replace(" ", ""))
    assert match is not None
    extras = frozenset((match[2] or "").split(",")) - {""}
    return match[1].lower(), extras, frozenset(match[3].split(",")) - {""}


def _entry(entry: dict[str, Any]) -> tuple[str, frozenset[str], frozenset[str]]:
    return _normal(
        entry["name"] + f"[{','.join(entry.get('extras', []))}]" + entry.get("specifier", "")
    )


def test_the_core_has_thirty_dependencies_at_most() -> None:
    core = {_normal(requirement)[0] for requirement in _project()["project"]["dependencies"]}
    assert 10 < len(core) <= MOST_DEPENDENCIES


def test_the_lock_holds_what_the_project_asks_for() -> None:
    project, locked = _project(), _locked()
    wanted = {_normal(requirement) for requirement in project["project"]["dependencies"]}
    for extra in project["project"]["optional-dependencies"].values():
        wanted |= {_normal(requirement) for requirement in extra}
    assert {_entry(entry) for entry in locked["metadata"]["requires-dist"]} == wanted

    wanted_for_development = {_normal(name) for name in project["dependency-groups"]["dev"]}
    locked_for_development = locked["metadata"]["requires-dev"]["dev"]
    assert {_entry(entry) for entry in locked_for_development} == wanted_for_development


def test_the_version_is_said_once_and_the_same() -> None:
    assert _project()["project"]["version"] == digest.__version__ == _locked()["version"]


def test_every_file_in_the_lock_has_a_hash() -> None:
    lines = (ROOT / "uv.lock").read_text(encoding="utf-8").splitlines()
    files = [line for line in lines if "url = " in line and "files.pythonhosted.org" in line]
    assert len(files) > 100
    assert not [line for line in files if "sha256:" not in line]


def test_migrations_do_not_hide_the_library_they_use() -> None:
    assert not (ROOT / "alembic" / "__init__.py").exists()


def test_libraries_without_types_are_named_one_by_one() -> None:
    overrides = _project()["tool"]["mypy"]["overrides"]
    silenced = [
        name for entry in overrides if "ignore_missing_imports" in entry for name in entry["module"]
    ]
    assert silenced
    assert not [name for name in silenced if name.startswith(("*", "digest"))]
