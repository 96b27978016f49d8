"""The files of this repository, as the tests of the house rules read them."""

from __future__ import annotations

import ast
import io
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_LEFT_OUT = {".git", ".venv", ".cache", "dist", "__pycache__"}


@cache
def files() -> tuple[Path, ...]:
    """Every file that is or could be committed; without git, every file that lies here."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        found = (path for path in ROOT.rglob("*") if not _LEFT_OUT & set(path.parts))
    else:
        found = (ROOT / name for name in listed.decode().split("\0") if name)
    return tuple(sorted(path for path in found if path.is_file()))


def named(*suffixes: str, under: str = "") -> list[Path]:
    """The files whose name ends in one of ``suffixes``, below the folder ``under``."""
    folder = ROOT / under
    return [p for p in files() if p.suffix in suffixes and p.is_relative_to(folder)]


def short(path: Path) -> str:
    """A file's name as people say it: from the root."""
    return path.relative_to(ROOT).as_posix()


def text(path: Path) -> str | None:
    """What a file says; ``None`` when it is no UTF-8 text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


@cache
def parsed(path: Path) -> ast.Module:
    """A Python file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def comments(path: Path) -> Iterator[tuple[int, str]]:
    """Every comment of a Python file with its line."""
    source = io.StringIO(path.read_text(encoding="utf-8"))
    for token in tokenize.generate_tokens(source.readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
