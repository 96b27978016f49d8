"""Work on a database in a process that dies at its n-th statement or commit, by SIGKILL.

As a program (a module that calls ``serve``) it reads ``NUMBER URL`` from standard input, one a
line. For each, a child begins the work on that database and kills itself right before its n-th
statement or commit: ``-`` is printed; or, where it comes to its end, how many there were. At the
number 0 it does the work itself: then everything is imported and at hand, and a death costs a fork.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from sqlalchemy import event
from sqlalchemy.engine import Engine

ROOT = Path(__file__).resolve().parents[2]
NEVER = 1_000_000

Kill = Callable[[int, str], int | None]


@contextmanager
def killed(module: str) -> Iterator[Kill]:
    """Gives what lets a module's work begin, and be killed at a step, on a database: None, or how
    many steps there were where it came to its end.
    """
    with subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        asked, told = process.stdin, process.stdout
        assert asked is not None
        assert told is not None

        def kill(number: int, url: str) -> int | None:
            print(number, url, file=asked, flush=True)
            said = told.readline().strip()
            assert said, "its process has died"
            return None if said == "-" else int(said)

        yield kill
        asked.close()
        assert process.wait(60) == 0


def serve(work: Callable[[str], None]) -> None:
    """Begin ``work`` in a child for each line."""
    for line in sys.stdin:
        number, url = line.split()
        if number == "0":
            _warm_up(lambda: work(url))  # noqa: B023 (called at once)
            continue
        out, into = os.pipe()
        child = os.fork()
        if not child:
            _die_at(int(number), lambda: work(url), into)  # noqa: B023 (called before the next line)
        os.close(into)
        _, status = os.waitpid(child, 0)
        with os.fdopen(out) as pipe:
            said = pipe.read()
        assert os.waitstatus_to_exitcode(status) == (0 if said else -signal.SIGKILL), status
        print(said or "-", flush=True)


def _warm_up(work: Callable[[], None]) -> None:
    with os.fdopen(os.dup(1), "w") as told:
        os.dup2(2, 1)  # as in a child
        work()
        os.dup2(told.fileno(), 1)
    gc.collect()
    gc.freeze()  # what a child does not look through it does not copy
    print(0, flush=True)


def _die_at(number: int, work: Callable[[], None], into: int) -> NoReturn:
    steps = 0

    def step(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == number:
            os.kill(os.getpid(), signal.SIGKILL)

    os.dup2(2, 1)  # what it logs is no answer
    code = 1
    try:
        event.listen(Engine, "before_cursor_execute", step)
        event.listen(Engine, "commit", step)
        work()
        os.write(into, f"{steps}".encode())
        code = 0
    except BaseException:  # noqa: BLE001 (it is told, and the parent sees the code)
        traceback.print_exc()
    finally:
        os._exit(code)
