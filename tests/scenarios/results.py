"""The table of what the faults showed: collected while tests run, written into a page afterwards.

Tests append lines of JSON to the file that ``DIGEST_TEST_RESULTS`` names; ``python -m
tests.scenarios.results PAGE`` adds them up and puts the table into the page, in place of an older
one, and below it the invariants of the longest runs. A line is written only once everything it says
was asserted.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FILE = "DIGEST_TEST_RESULTS"
BEGIN, END = "<!-- faults -->", "<!-- end of faults -->"
_HEAD = """\
## Faults

Every run is compared with the ledger of a relay of its own and with the rows of the database. Lost:
readers who got nothing and should have. Duplicates: second copies, all with the Message-ID, Date
and bytes of the first. Bound: the most second copies promise 2 allows there.

| fault | database | runs | kills | messages | lost | duplicates | bound |
|---|---|--:|--:|--:|--:|--:|--:|
"""
_INVARIANTS = """
The ten invariants of the longest of these runs: lost (I1), second copies (I2), begun after a reader
had left (I3), to who did not ask (I4), signatures (I5), memory, files, connections and rate of the
workers (I6), who waits for a slow destination (I7), the receipt (I8), how others went on (I9), what
logs tell (I10). Each was asserted.

"""


@dataclass(frozen=True, slots=True)
class Result:
    """What one scenario showed."""

    fault: str
    database: str
    runs: int
    kills: int
    messages: int
    lost: int
    duplicates: int
    bound: int


def record(
    fault: str,
    database: str,
    *,
    runs: int = 1,
    kills: int = 0,
    messages: int,
    duplicates: int = 0,
    bound: int = 0,
) -> None:
    """Say that it held: nobody lost, and no more second copies than ``bound``."""
    assert duplicates <= bound, f"{duplicates} second copies, {bound} are promised at most"
    _write(asdict(Result(fault, database, runs, kills, messages, 0, duplicates, bound)))


def witness(fault: str, invariants: Mapping[str, str]) -> None:
    """Say, and print, what each of the ten invariants was."""
    print(fault)
    for name, found in invariants.items():
        print(f"  {name:<4}{found}")
    _write({"fault": fault, "invariants": invariants})


def _write(line: Mapping[str, Any]) -> None:
    file = os.environ.get(FILE)
    if file is not None:
        with Path(file).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")


def table(lines: Iterable[str]) -> str:
    """The table of all lines; those of one fault and database are added up."""
    sums: dict[tuple[str, str], Result] = {}
    invariants = ""
    for line in lines:
        found = json.loads(line)
        if "invariants" in found:
            told = "; ".join(" ".join(one) for one in found["invariants"].items())
            invariants += f"- {found['fault']}: {told}.\n"
            continue
        new = Result(**found)
        old = sums.get((new.fault, new.database))
        sums[new.fault, new.database] = new if old is None else _sum(old, new)
    ordered = sorted(sums.items(), key=lambda item: _order(item[0]))
    rows = "".join(_line(one) for _, one in ordered)
    return _HEAD + rows + (_INVARIANTS + invariants if invariants else "")


def _line(result: Result) -> str:
    cells = [f"{cell:,}" if isinstance(cell, int) else cell for cell in asdict(result).values()]
    return f"| {' | '.join(cells)} |\n"


def _order(key: tuple[str, str]) -> tuple[int, str, str]:
    number = key[0].split()[0].removeprefix("F")
    return (int(number) if number.isdigit() else 99, *key)


def _sum(old: Result, new: Result) -> Result:
    numbers = {
        name: asdict(old)[name] + value
        for name, value in asdict(new).items()
        if isinstance(value, int)
    }
    return Result(old.fault, old.database, **numbers)


def put_into(page: str, new: str) -> str:
    """``page`` with ``new`` in place of the table it has, or at its end."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before.rstrip()}\n\n{BEGIN}\n{new}{END}\n{after.lstrip()}".lstrip()


def main(page: Path) -> int:
    """Write the table into ``page``; 1 where nothing was collected."""
    file = Path(os.environ.get(FILE, ""))
    if not file.is_file():
        print(f"{FILE} names no file: nothing was collected", file=sys.stderr)
        return 1
    old = page.read_text("utf-8") if page.exists() else "# Results\n"
    page.write_text(put_into(old, table(file.read_text("utf-8").splitlines())), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
