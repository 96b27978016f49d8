"""Run one benchmark: ``python -m bench NAME [--json] [its own arguments]``.

A benchmark is a module of this folder with ``run(args) -> Result``. Exit code 0 when every figure
keeps its limit, 1 when one does not, 2 when there is no such benchmark.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.result import Result

_FOLDER = Path(__file__).resolve().parent
_NOT_A_BENCHMARK = {"__init__", "__main__", "result"}


def names() -> list[str]:
    """The benchmarks there are."""
    return sorted({path.stem for path in _FOLDER.glob("*.py")} - _NOT_A_BENCHMARK)


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark named first and print what it found."""
    as_json = "--json" in arguments
    rest = [argument for argument in arguments if argument != "--json"]
    if not rest or rest[0] not in names():
        print(f"usage: ./run bench NAME [--json]   NAME: {' '.join(names())}", file=sys.stderr)
        return 2
    result: Result = importlib.import_module(f"bench.{rest[0]}").run(rest[1:])
    print(result.as_json() if as_json else result.as_table())
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
