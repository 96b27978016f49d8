"""Run benchmarks: ``python -m bench NAME [--json] [its own arguments]``, or ``--all --write PAGE``.

A benchmark is a module of this folder with ``run(args) -> Result``. Exit code 0 when every figure
keeps its limit, 1 when one does not, 2 when there is no such benchmark.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.result import Result

_FOLDER = Path(__file__).resolve().parent


def names() -> list[str]:
    """The benchmarks there are."""
    modules = (path for path in _FOLDER.glob("*.py") if path.stem != "__main__")
    return sorted(path.stem for path in modules if "\ndef run(" in path.read_text("utf-8"))


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark named first and print what it found; with ``--all``, every one."""
    as_json = "--json" in arguments
    rest = [argument for argument in arguments if argument != "--json"]
    if rest[:1] == ["--all"]:
        return _all(Path(rest[rest.index("--write") + 1]) if "--write" in rest else None)
    if not rest or rest[0] not in names():
        print(f"usage: ./run bench NAME [--json]   NAME: {' '.join(names())}", file=sys.stderr)
        return 2
    result = _measured(rest[0], rest[1:])
    print(result.as_json() if as_json else result.as_table())
    return 0 if result.passed else 1


def _measured(name: str, arguments: Sequence[str]) -> Result:
    result: Result = importlib.import_module(f"bench.{name}").run(arguments)
    return result


def _all(page: Path | None) -> int:
    results = []
    for name in names():
        results.append(_measured(name, []))
        print(results[-1].as_table(), flush=True)
    if page is not None:
        page.write_text(_page(results), encoding="utf-8")
    return 0 if all(result.passed for result in results) else 1


def _page(results: Sequence[Result]) -> str:
    """A page with every figure and what it was measured on."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    parts = [
        "# Results\n",
        f"Written by `./run long` on {datetime.now(UTC):%d %B %Y}: {machine}.\n",
        *(f"```\n{result.as_table()}\n```\n" for result in results),
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
