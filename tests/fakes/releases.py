"""The code of our releases, out of the history of this checkout."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

# The last two, by their version: the commit it was made of.
RELEASES = {
    "0.1.0": "2d0fc268b125fdab28e608ae84fa1b4dfcf75ccc",
    "0.2.0": "49d1ed5ad1dc3713b4015af5b6df3ea22d72c66f",
}
_ROOT = Path(__file__).resolve().parents[2]
_PARTS = ("digest", "templates", "alembic", "examples", "pyproject.toml")


def unpack(version: str, folder: Path) -> Path:
    """The folder with the code of a release, as a checkout of it has it.

    Skips where the history is not there: a shallow clone, or an archive.
    """
    command = ["git", "archive", RELEASES[version], *_PARTS]
    try:
        archive = subprocess.run(command, cwd=_ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", b"").decode().strip() or error
        pytest.skip(f"the code of {version} is not in the history here: {said}")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder
