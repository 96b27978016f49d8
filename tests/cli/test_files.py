"""Files of the user: every way they can be unusable has its own words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from digest.cli.files import read_bytes, read_text, write_text
from digest.errors import InputError


def test_a_missing_file_a_folder_and_a_locked_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_bytes(tmp_path / "missing.md")
    with pytest.raises(InputError, match="a folder"):
        read_bytes(tmp_path)
    with pytest.raises(InputError) as raised:
        read_bytes(tmp_path / ("n" * 300))
    assert raised.value.where.endswith("nnn")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_says_so(tmp_path: Path) -> None:
    file = tmp_path / "locked.md"
    file.write_text("x")
    file.chmod(0)
    with pytest.raises(InputError, match="may not be read"):
        read_bytes(file)


def test_no_file_fills_the_memory() -> None:
    assert len(read_bytes(Path("/dev/zero"), limit=100)) == 101


def test_a_pipe_that_nobody_writes_into_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "issue.md"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="nobody writes"):
        read_bytes(pipe)


def test_a_pipe_with_a_writer_is_read_to_its_end(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    os.write(theirs, b"number: 1")
    os.close(theirs)
    try:
        assert read_bytes(Path(f"/dev/fd/{ours}")) == b"number: 1"
    finally:
        os.close(ours)


def test_text_that_is_no_utf8_names_its_line(tmp_path: Path) -> None:
    file = tmp_path / "latin1.md"
    file.write_bytes(b"one\ntwo\n\xfcber\n")
    with pytest.raises(InputError, match="not UTF-8") as raised:
        read_text(file)
    assert raised.value.where == f"{file}:3"


def test_a_written_file_replaces_the_old_one_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "issue.md"
    file.write_text("old")
    file.chmod(0o640)
    link = tmp_path / "link.md"
    link.symlink_to(file)
    write_text(link, "new")
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert sorted(tmp_path.iterdir()) == [file, link]


def test_a_private_file_is_private_from_its_first_byte(tmp_path: Path) -> None:
    write_text(tmp_path / ".env", "KEY=secret", mode=0o600)
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_text(tmp_path / "nowhere" / "issue.md", "x")
