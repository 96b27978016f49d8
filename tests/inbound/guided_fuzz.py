"""Mails and webhooks made by libFuzzer, which looks for ways through our parsers nobody has taken.

``python -m tests.inbound.guided_fuzz FOLDER SECONDS`` starts from reports in our own words and,
where it lies beside the checkout, from the real mails of the corpus. FOLDER keeps what led further,
so that the next run goes on from there, and the input that made us raise, or took too long.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

atheris: Any = import_module("atheris")  # bench.packages brings it

with atheris.instrument_imports(include=["digest"]):
    from bench.corpus import FOLDER, samples
    from digest.errors import InputError
    from digest.inbound.mails import as_feedback, read_mails
    from digest.inbound.webhooks import Posted
    from digest.inbound.webhooks import base as hooks
    from tests.inbound.returned import answer, complaint, dsn
    from tests.inbound.test_webhooks import HOOKS, dead

INPUT_MAX = 16 << 10
PATIENCE = 5  # seconds for one input, whose every branch is counted
MAIL = 0  # the first byte says what the rest is: a mail, or an event of a provider
PROVIDERS = tuple(sorted(HOOKS))


def read(data: bytes) -> None:
    """Take ``data`` for what its first byte says."""
    which = data[0] if data else MAIL
    if MAIL < which <= len(PROVIDERS):
        provider = PROVIDERS[which - 1]
        with suppress(InputError):
            for event in HOOKS[provider].events(Posted({}, data[1:])):
                hooks.as_feedback(event, provider, ())
        return
    for one in read_mails(data[1:], recipients=("x@example.org",)):
        as_feedback(one, "fuzz")


def plant(folder: Path) -> None:
    """Write what the search starts from."""
    address = "b@example.org"
    mails = [dsn(to=address), complaint(to=address, returned="Message-ID: <x@y>")]
    mails.append(answer(to=address))
    if FOLDER.is_dir():
        mails += [one.data for one in samples() if len(one.data) < INPUT_MAX]
    for number, mail in enumerate(mails):
        (folder / f"mail-{number}").write_bytes(bytes([MAIL]) + mail)
    for number, provider in enumerate(PROVIDERS):
        event = json.dumps(dead(provider, 1, "anne@example.org")).encode()
        (folder / f"event-{number}").write_bytes(bytes([number + 1]) + event)


def main() -> None:
    """Search for so many seconds; libFuzzer ends the process, with 0 where nothing was found."""
    folder, seconds = Path(sys.argv[1]), int(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    plant(folder)
    told = [f"-max_total_time={seconds}", f"-max_len={INPUT_MAX}", f"-timeout={PATIENCE}"]
    atheris.Setup(["fuzz", *told, f"-artifact_prefix={folder}/found-", str(folder)], read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
