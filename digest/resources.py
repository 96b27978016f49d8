"""Where files that are no Python lie: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _folder(name: str) -> Path:
    bundled = _PACKAGE / "_resources" / name
    return bundled if bundled.is_dir() else _PACKAGE.parent / name


def templates() -> Path:
    """The folder of issue themes, service mails and pages."""
    return _folder("templates")


def migrations() -> Path:
    """The folder with alembic's ``env.py`` and its versions."""
    return _folder("alembic")


def examples() -> Path:
    """The folder of issues that can be sent as they are."""
    return _folder("examples")
