"""Reading and writing the user's files, with errors that say which file and what to do."""

from __future__ import annotations

import os
import select
import stat
import tempfile
from pathlib import Path
from typing import BinaryIO

from digest.errors import InputError

MAX_ISSUE_FILE = 4 << 20  # bytes read of an issue or a mail: more than either may have


def open_file(path: Path) -> BinaryIO:
    """The file, open for reading; a pipe that nobody writes into is refused, not waited for.

    Raises InputError where it is missing, a folder, or may not be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if stat.S_ISFIFO(os.fstat(handle).st_mode):
                _refuse_idle(handle, path)
            os.set_blocking(handle, True)
            return os.fdopen(handle, "rb")
        except BaseException:
            os.close(handle)
            raise
    except OSError as error:
        raise unreadable(path, error) from None


def _refuse_idle(pipe: int, path: Path) -> None:
    """InputError for a pipe without a writer and with nothing in it."""
    waiting = select.poll()
    waiting.register(pipe, select.POLLIN)
    if any(event & select.POLLIN for _, event in waiting.poll(0)):
        return
    try:
        came = os.read(pipe, 1)
    except BlockingIOError:  # somebody has it open and will write
        return
    # A byte that came between the two questions is gone: say so rather than go on without it.
    message = "This pipe was not ready." if came else "This is a pipe, and nobody writes into it."
    raise InputError(message, where=str(path), fix="Name a file.")


def read_bytes(path: Path, *, limit: int = MAX_ISSUE_FILE) -> bytes:
    """The file's content, at most ``limit`` + 1 bytes of it, so that no file fills the memory.

    Raises InputError where it is missing, a folder, or may not be read.
    """
    with open_file(path) as file:
        try:
            return file.read(limit + 1)
        except OSError as error:
            raise unreadable(path, error) from None


def read_text(path: Path, *, limit: int = MAX_ISSUE_FILE) -> str:
    """The file as UTF-8 text; InputError where it is none."""
    data = read_bytes(path, limit=limit)
    if len(data) > limit:
        raise InputError(
            f"The file has more than {limit >> 20} MB.", where=str(path), fix="Is it the right one?"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            "The file is not UTF-8 text.", where=f"{path}:{line}", fix="Save it as UTF-8."
        ) from None


def write_text(path: Path, text: str, *, mode: int | None = None) -> None:
    """Replace the file by UTF-8 text; see ``write_bytes``."""
    write_bytes(path, text.encode(), mode=mode)


def write_bytes(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Replace the file in one step: whoever reads it sees the old one or the new one, never half.

    ``mode`` are the permissions of a new file; those of a file that is there are kept. Raises
    InputError where it cannot be written.
    """
    target = path.resolve()  # a link keeps pointing to the file it points to
    try:
        if mode is None:
            mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(file.fileno(), mode)
                file.write(data)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise unwritable(path, error) from None


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def unreadable(path: Path, error: OSError) -> InputError:
    """The InputError for a file that could not be opened or read."""
    if isinstance(error, FileNotFoundError):
        return InputError("There is no such file.", where=str(path), fix="Check the path.")
    if isinstance(error, IsADirectoryError):
        return InputError("This is a folder.", where=str(path), fix="Name a file in it.")
    if isinstance(error, PermissionError):
        return InputError(
            "The file may not be read.", where=str(path), fix="Check its permissions."
        )
    return InputError(f"The file cannot be read: {error.strerror}.", where=str(path))


def unwritable(path: Path, error: OSError) -> InputError:
    """The InputError for a file or folder that could not be written."""
    reason = error.strerror or str(error)
    return InputError(f"This cannot be written: {reason}.", where=str(path), fix="Check the path.")


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet; InputError where it is."""
    refuse_existing(path)
    write_text(path, text)


def refuse_existing(path: Path) -> None:
    """InputError where there is such a file."""
    if path.exists():
        raise InputError("It is there already.", where=str(path), fix="Name another file.")
