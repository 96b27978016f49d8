"""A disk of a few megabytes, to be filled: a file system in memory. Needs root."""

from __future__ import annotations

import errno
import io
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """While the block runs, ``folder`` is a disk of ``size`` bytes (6m); OSError: it cannot be."""
    owner = folder.stat()
    options = f"size={size},uid={owner.st_uid},gid={owner.st_gid},mode=0700"
    command = ["mount", "-t", "tmpfs", "-o", options, "small", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False)
    if not mounted or mounted.returncode:
        raise OSError("a disk to be filled needs the right to mount one")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave not a byte free; the file that takes the room."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1):
            while _written(file, b"x" * size):
                pass
    return filler


def _written(file: io.RawIOBase, data: bytes) -> bool:
    try:
        file.write(data)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True
