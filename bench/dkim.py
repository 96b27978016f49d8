"""What a DKIM signature costs: messages of 64 KB, signed by one thread and by two.

Everything beyond the bare RSA signature of the same key (hashing the body, making headers
canonical, writing the field) is ours; both are measured in turn, so that a busy machine slows down
both. Two threads are measured by the clock on the wall: they need two processors that are free.
What is left of that end to end (rows, signatures, a sink on loopback, outcomes in SQLite) stands
beside the same without signatures.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from bench import tools
from bench.compose import sample_messages
from bench.contest import measure
from bench.contestants import Ours
from bench.databases import fresh_databases
from bench.result import Figure, Result
from digest.delivery.dkim_keys import KeyFolder
from digest.mail.dkim import KEY_BITS, Signer

MESSAGES = 400
ROUNDS = 9
_SENT, _SENT_ROUNDS = 10_000, 3
_NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)


def run(args: Sequence[str]) -> Result:  # noqa: ARG001 - the runner hands arguments to all
    """Medians of 9 rounds over 400 messages."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    signer = Signer(key, domain="news.example.org", selector="s1")
    messages = sample_messages(MESSAGES)
    scheme, hashed = padding.PKCS1v15(), SHA256()
    bare, ours, one, two = [], [], [], []
    for _ in range(ROUNDS):
        bare.append(_cost(lambda message: key.sign(message[:1500], scheme, hashed), messages))
        ours.append(_cost(lambda message: signer.sign(message, _NOW), messages))
        one.append(_wall(signer, messages, threads=1))
        two.append(_wall(signer, messages, threads=2))
    share = median(b / o for b, o in zip(bare, ours, strict=True))
    signed, unsigned = _sent()
    speed_up = median(a / b for a, b in zip(one, two, strict=True))
    return Result(
        "dkim",
        (
            Figure("of_the_bare_rsa_rate", 100 * share, "%", limit=80, at_least=True),
            Figure("two_threads", speed_up, "×", limit=1.7, at_least=True),
            Figure("signature", median(ours) * 1e6, "µs/message"),
            Figure("bare_rsa", median(bare) * 1e6, "µs/message"),
            Figure("signed_by_two_threads", 1 / median(two), "messages/s"),
            Figure("sent_and_signed", signed, "messages/s"),
            Figure("sent_without_signatures", unsigned, "messages/s"),
        ),
        notes={"bytes": len(messages[0]), "key_bits": KEY_BITS, "processors": os.cpu_count()},
    )


def _sent() -> tuple[float, float]:
    """Messages per second end to end, with signatures and without: medians of three rounds."""
    with fresh_databases() as urls, tempfile.TemporaryDirectory(prefix="digest-bench-") as folder:
        keys = Path(folder) / "dkim"
        KeyFolder(keys).create("news.example.org", now=_NOW)
        ours = Ours("sqlite", urls["sqlite"])
        both = [
            ours.contestant(_SENT, ", signed", keys=keys),
            ours.contestant(_SENT),
        ]
        with tools.sink() as server:
            rates = [[measure(one, server).rate for one in both] for _ in range(_SENT_ROUNDS)]
    signed, unsigned = (median(rate) for rate in zip(*rates, strict=True))
    return signed, unsigned


def _cost(work: Callable[[bytes], object], messages: Sequence[bytes]) -> float:
    """Seconds of processor time per message."""
    began = process_time()
    for message in messages:
        work(message)
    return (process_time() - began) / len(messages)


def _wall(signer: Signer, messages: Sequence[bytes], *, threads: int) -> float:
    """Seconds by the clock per message; each thread has a share, as in the sender."""

    def work(share: Sequence[bytes]) -> None:
        for message in share:
            signer.sign(message, _NOW)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, [messages[:threads]] * threads))  # threads start before the clock
        began = perf_counter()
        list(pool.map(work, [messages[number::threads] for number in range(threads)]))
        return (perf_counter() - began) / len(messages)
