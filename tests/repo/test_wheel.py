"""The wheel has everything: installed into a bare environment elsewhere, it does the demo."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.repo.tree import ROOT, files, short


def _uv() -> str:
    """The uv of the PATH, or the one ``./run`` has brought."""
    brought = sorted((ROOT / ".cache").glob("uv-*"))
    found = shutil.which("uv") or (str(brought[-1]) if brought else None)
    if found is None:
        missing("no uv: neither on the PATH nor brought by ./run")
    return found


def _call(*command: str | Path, folder: Path, seconds: float = 300) -> str:
    """Run a command in ``folder`` and return what it printed; a failure shows what it said."""
    bare = {k: v for k, v in os.environ.items() if not k.startswith(("DIGEST_", "PYTHON", "UV_"))}
    bare.pop("VIRTUAL_ENV", None)
    if os.environ.get("UV_SYSTEM_CERTS") or Path("/etc/ssl/certs/ca-certificates.crt").exists():
        bare["UV_SYSTEM_CERTS"] = "true"  # as ./run does
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=bare | {"UV_PYTHON_DOWNLOADS": "never"},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what is or could be committed."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for path in files():
        target = source / short(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    _call(_uv(), "build", "--quiet", "--wheel", "--out-dir", folder, folder=source)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """A bare environment that has the wheel and what the lock lists for it; its Python."""
    uv, folder = _uv(), wheel.parent
    locked = folder / "requirements.txt"
    export = ("export", "--quiet", "--frozen", "--all-extras", "--no-dev", "--no-emit-project")
    _call(uv, *export, "--output-file", locked, folder=folder / "source")
    _call(uv, "venv", "--quiet", "--python", sys.executable, folder / "bare", folder=folder)
    python = folder / "bare" / "bin" / "python"
    install = (uv, "pip", "install", "--quiet", "--python", python)
    _call(*install, "--require-hashes", "-r", locked, folder=folder)
    _call(*install, "--no-deps", wheel, folder=folder)
    return python


def test_the_wheel_holds_looks_migrations_and_examples(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for top in ("templates", "alembic", "examples"):
        wanted = {
            f"digest/_resources/{short(path)}" for path in files() if short(path).startswith(top)
        }
        assert wanted
        assert wanted <= names
    assert {"digest/py.typed", "digest/__main__.py"} <= names
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"digest"}


def test_the_installed_wheel_does_the_main_job(installed: Path, tmp_path: Path) -> None:
    command = (installed.with_name("digest"), "demo", "--exit", "--json", "--readers", "50")
    printed = _call(*command, folder=tmp_path)
    receipt = json.loads(printed)
    assert receipt["planned"] == 50
    assert receipt["accepted"] + receipt["rejected"] + receipt["deferred"] == 50
    assert receipt["captured"] == receipt["accepted"] > 0
    assert receipt["lost"] == receipt["repeated"] == 0
    assert list(tmp_path.iterdir()) == []


def test_the_installed_wheel_is_not_the_checkout(installed: Path, tmp_path: Path) -> None:
    program = "import digest.resources as r; print(r.templates(), r.migrations(), r.examples())"
    for folder in _call(installed, "-c", program, folder=tmp_path).split():
        assert Path(folder).is_relative_to(installed.parents[1])
        assert Path(folder).is_dir()


def test_a_checkout_has_its_files_once() -> None:
    """An editable installation that copied templates would let them grow old unseen."""
    program = "import sys; print(*sys.path, sep='\\n')"
    paths = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    copies = [p for p in paths.stdout.split() if (Path(p) / "digest" / "_resources").exists()]
    assert copies == []
