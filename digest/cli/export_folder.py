"""A folder an export is written into: ours alone, and the same again when it is written again.

A file in it lists what we wrote. Without that list a folder that holds anything is somebody else's
and refused; with it, what an earlier export wrote and this one did not is taken away, since a
reader may have been erased between. Each file is replaced in one step, for its owner alone.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from digest.cli.files import unwritable
from digest.errors import InputError, RefusedError

LIST = ".digest-export.json"


class ExportFolder:
    """Writes files of one export; ``finish`` when all of them are there."""

    def __init__(self, folder: Path) -> None:
        """Make or take ``folder``; RefusedError when it holds what no export has written."""
        self.folder = folder
        self._written: set[str] = set()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            there = {path.name for path in folder.iterdir()}
        except FileExistsError:
            raise InputError("This is a file.", where=str(folder), fix="Name a folder.") from None
        except OSError as error:
            raise unwritable(folder, error) from None
        self._before = self._listed() if LIST in there else set()
        if there and LIST not in there:
            raise RefusedError(
                "There is something else in this folder.",
                where=str(folder),
                fix="Name one that is empty, or not there yet.",
            )
        self._write_list(self._before)

    def _listed(self) -> set[str]:
        try:
            found = json.loads((self.folder / LIST).read_text("utf-8"))["files"]
        except (OSError, ValueError, KeyError, TypeError):
            return set()
        names = {name for name in found if isinstance(name, str)}
        return {name for name in names if ".." not in PurePosixPath(name).parts and name[:1] != "/"}

    def _write_list(self, names: set[str]) -> None:
        self._replace(LIST, json.dumps({"files": sorted(names)}, indent=1).encode())

    def write(self, name: str, data: bytes) -> None:
        """Write the file ``name``, a path within the folder."""
        self._replace(name, data)
        self._written.add(name)

    def write_json(self, name: str, value: Any) -> None:
        """Write ``value`` as JSON a person can read."""
        text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
        self.write(name, f"{text}\n".encode())

    async def stream(self, name: str, parts: AsyncIterator[str]) -> int:
        """Write what comes, part by part; how many lines that were."""
        lines = 0
        with self._opened(name) as (file, done):
            async for part in parts:
                lines += part.count("\n")
                file.write(part.encode())
            done()
        self._written.add(name)
        return lines

    def finish(self) -> None:
        """Take away what an earlier export wrote and this one did not."""
        for name in self._before - self._written:
            path = self.folder / name
            if self._within(path):
                path.unlink(missing_ok=True)
        self._write_list(self._written)

    def _replace(self, name: str, data: bytes) -> None:
        with self._opened(name) as (file, done):
            file.write(data)
            done()

    def _within(self, path: Path) -> bool:
        return path.parent.resolve().is_relative_to(self.folder.resolve())

    @contextmanager
    def _opened(self, name: str) -> Iterator[tuple[BinaryIO, Callable[[], None]]]:
        """A new file beside ``name``, which takes its place when ``done`` is called."""
        target = self.folder / name
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._within(target):
                raise RefusedError("A link leads out of the folder.", where=str(target.parent))
            handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    yield file, lambda: self._take(file, temporary, target)
            finally:
                Path(temporary).unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(target, error) from None

    @staticmethod
    def _take(file: BinaryIO, temporary: str, target: Path) -> None:
        file.flush()
        Path(temporary).replace(target)
