"""What is committed is finished, speaks of the project only and holds on every machine."""

from __future__ import annotations

import ast
import re

import pytest

from tests.repo.tree import comments, files, named, parsed, short, text

# At the start of a comment; in the middle it is the placeholder that issue files hold.
UNFINISHED = re.compile(r"^#+\s*(TODO|FIXME|XXX|HACK)\b")
SOMEBODYS_FOLDER = re.compile(r"(?<![\w.~$}/])/(?:home|root|Users|work|farm)/[\w.]+")
GENERATED = {"uv.lock"}


def test_no_comment_says_that_something_is_unfinished() -> None:
    left = [
        f"{short(path)}:{line} {comment}"
        for path in named(".py")
        for line, comment in comments(path)
        if UNFINISHED.search(comment)
    ]
    assert not left


def test_no_function_is_left_to_be_written() -> None:
    left = [
        f"{short(path)}:{node.lineno}"
        for path in named(".py", under="digest")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Name) and node.id == "NotImplementedError"
    ]
    assert not left


def test_no_file_names_a_folder_of_somebodys_machine() -> None:
    found = [
        f"{short(path)}:{number} {match[0]}"
        for path in files()
        if short(path) not in GENERATED
        for number, line in enumerate((text(path) or "").splitlines(), 1)
        for match in SOMEBODYS_FOLDER.finditer(line)
    ]
    assert not found


@pytest.mark.parametrize("top", ["home", "root", "Users"])
def test_the_search_for_folders_finds_one(top: str) -> None:
    assert SOMEBODYS_FOLDER.search(f"open(/{top}/anne)")
    assert not SOMEBODYS_FOLDER.search(f"https://example.org/{top}/anne")


def test_no_file_is_a_program_without_its_first_line() -> None:
    for path in files():
        if path.stat().st_mode & 0o111:
            assert (text(path) or "").startswith("#!"), short(path)
