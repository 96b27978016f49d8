"""Python packages we measure beside, or search with: no dependency of ours, installed when asked.

They lie in ``.cache/bench``, each in a folder of its own; what cannot be had is told as None.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

_CACHE = Path(__file__).resolve().parent.parent / ".cache"


def brought(requirement: str, module: str) -> Path | None:
    """The folder that holds ``module``, fetched from the package index if need be."""
    folder = _CACHE / "bench" / module.replace(".", "-")
    place = folder / module.replace(".", "/")
    if not place.is_dir():
        own = sorted(_CACHE.glob("uv-*"))
        uv = shutil.which("uv") or (str(own[-1]) if own else None)
        if uv is None:
            return None
        command = [uv, "pip", "install", "--quiet", "--python", sys.executable]
        only = ["--only-binary", ":all:", "--target", str(folder), requirement]
        subprocess.run([*command, *only], capture_output=True, check=False)
    return folder if place.is_dir() else None
