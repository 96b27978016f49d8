"""Reading mails that came back: how often right, how fast, and what hostile ones cost.

The corpus is real mail (``bench.corpus``). "Unseen family" leaves out, for each family of mails,
the rows of the tables that led to its recipients: what a program nobody has described would get.
"Unseen providers" leaves out what codes mean that providers define for themselves. The same mails
are read by flufl.bounce beside it, when it can be had (``.cache/bench``; no dependency of ours).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from email import message_from_bytes
from time import perf_counter, process_time
from typing import Any

from bench.corpus import FOLDER, Grades, Read, Sample, families, grade, samples
from bench.packages import brought
from bench.result import Figure, Result
from digest.mail.bounce import families as tables
from digest.mail.bounce import provider_codes, read_report

ROUNDS = 5
_PEER = "flufl.bounce==6.0.0"
_ANYBODY = frozenset({"list", "sentence", "before"})
_HEAD = b"From: MAILER-DAEMON@mx.example.org\r\nReturn-Path: <>\r\nSubject: Undelivered Mail\r\n"


def run(args: Sequence[str]) -> Result:
    """Grade every mail, then measure. Arguments: none."""
    del args
    if not FOLDER.is_dir():
        return Result("feedback", (), notes={"nothing measured": f"{FOLDER} is not there"})
    mails = samples()
    found = grade(mails, lambda mail: read(mail.data))
    unseen, strangers = _grade_unseen(mails), _grade_strangers(mails)
    rate, worst = _rate(mails, lambda mail: read_report(mail.data)), _worst()
    told = 100 * sum(found.complaints) / len(found.complaints)
    figures = [
        Figure("address exactly right", found.share(found.exact), "%", 98.5, at_least=True),
        Figure("a wrong address", found.share(found.wrong), "%", 0.3),
        Figure("kind right", found.share(found.kind), "%", 98, at_least=True),
        Figure("dead: precision", found.precision, "%", 98, at_least=True),
        Figure("dead: recall", found.recall, "%", 98, at_least=True),
        Figure("complaints", told, "%", 97.5, at_least=True),
        Figure("dead by what is no bounce", len(found.suppressed_wrongly), "mails", 0),
        Figure("address, mean over families", found.share(found.families), "%"),
        Figure("address, unseen family", unseen.share(unseen.exact), "%"),
        Figure("address, unseen family, mean", unseen.share(unseen.families), "%"),
        Figure("a wrong address, unseen family", unseen.share(unseen.wrong), "%"),
        Figure("dead: precision, unseen providers", strangers.precision, "%"),
        Figure("dead: recall, unseen providers", strangers.recall, "%"),
        Figure("speed", rate, "mails/s", 2_000, at_least=True),
        Figure("the worst hostile mail", worst, "s", 1),
    ]
    peer, ratios = _peer(mails, rate)
    notes = {"mails": len(mails), "families": len(families(mails))}
    return Result("feedback", (*figures, *peer), ratios=ratios, notes=notes)


def read(data: bytes) -> Read:
    """Our reading of a mail, as it is graded."""
    report = read_report(data)
    return Read(
        kind=report.kind,
        addresses=tuple(one.address for one in report.recipients),
        dead=frozenset(one.address for one in report.recipients if one.hard),
    )


def _grade_unseen(mails: Sequence[Sample]) -> Grades:
    """Every family read without the rows that led to its recipients."""
    every, found = tables.FAMILIES, Grades()
    for members in families(mails).values():
        used = {read_report(mail.data).source for mail in members} - _ANYBODY
        tables.FAMILIES = tuple(row for row in every if row.name not in used)
        one = grade(members, lambda mail: read(mail.data))
        tables.FAMILIES = every
        for name in ("exact", "wrong", "kind", "families"):
            for key, values in getattr(one, name).items():
                getattr(found, name)[key].extend(values)
    return found


def _grade_strangers(mails: Sequence[Sample]) -> Grades:
    """Every mail read as if no provider had told what its own codes mean."""
    every = provider_codes.PROVIDER_CODES
    provider_codes.PROVIDER_CODES = ()
    found = grade(mails, lambda mail: read(mail.data))
    provider_codes.PROVIDER_CODES = every
    return found


def _rate(mails: Sequence[Sample], reader: Callable[[Sample], object]) -> float:
    """Mails a second of one core, the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = process_time()
        for mail in mails:
            reader(mail)
        best = min(best, process_time() - start)
    return len(mails) / best


def _worst() -> float:
    """Seconds for the slowest of the mails that are made to be slow."""
    worst = 0.0
    for data in _hostile():
        start = perf_counter()
        read_report(data)
        worst = max(worst, perf_counter() - start)
    return worst


def _hostile() -> list[bytes]:
    nested = "".join(
        f"Content-Type: multipart/mixed; boundary=b{i}\r\n\r\n--b{i}\r\n" for i in range(3_000)
    )
    block = b"Final-Recipient: rfc822; a%d@example.org\r\nAction: failed\r\n\r\n"
    status = b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n"
    return [
        _HEAD + nested.encode(),
        _HEAD
        + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        + b"--b\r\n\r\nx\r\n" * 100_000,
        _HEAD + b"\r\n" + b"a" * 5_000_000,
        _HEAD + b"\r\n" + b"a@" * 2_500_000,
        _HEAD + b"X-A: b\r\n" * 200_000 + b"\r\nx",
        _HEAD + b"X-Failed-Recipients: " + b",".join(b"a%d@example.org" % i for i in range(50_000)),
        _HEAD
        + status
        + b"Content-Type: message/delivery-status\r\n\r\n"
        + b"".join(block % number for number in range(50_000)),
        _HEAD
        + status.replace(b"x\r\n", b"".join(b"<a%d@example.org>: no\r\n" % n for n in range(2_000)))
        + b"Content-Type: message/delivery-status\r\n\r\n"
        + b"".join(
            b"Final-Recipient: local; a%d\r\nAction: failed\r\n\r\n" % n for n in range(200)
        ),
        _HEAD + b"Content-Type: text/html\r\n\r\n" + b"<a mailto:" * 25_000,
        _HEAD + b"Content-Type: text/html; charset=x-junk\r\n\r\n" + b"<\xff" * 2_500_000,
        _HEAD + b"\r\n" + b"A line of an ordinary mail.\r\n" * 1_100_000,
    ]


def _peer(mails: Sequence[Sample], rate: float) -> tuple[tuple[Figure, ...], dict[str, float]]:
    """flufl.bounce on the same mails; nothing where it cannot be had."""
    scan = _scanner()
    if scan is None:
        return (), {}

    def theirs(mail: Sample) -> Read:
        try:
            given_up, delayed = scan(message_from_bytes(mail.data))
        except Exception:  # noqa: BLE001 - whatever it raises counts as nothing found
            return Read("", ())
        found = tuple(one.decode("ascii", "replace") for one in {*given_up, *delayed})
        return Read("bounce" if given_up else "delayed" if delayed else "not-bounce", found)

    found, speed = grade(mails, theirs), _rate(mails, theirs)
    return (
        Figure("flufl.bounce: address exactly right", found.share(found.exact), "%"),
        Figure("flufl.bounce: a wrong address", found.share(found.wrong), "%"),
        Figure("flufl.bounce: mean over families", found.share(found.families), "%"),
        Figure("flufl.bounce: speed", speed, "mails/s"),
    ), {"speed, to flufl.bounce": rate / speed}


def _scanner() -> Callable[[Any], tuple[set[bytes], set[bytes]]] | None:
    """``all_failures`` of flufl.bounce, installed beside the benchmarks if need be."""
    target = brought(_PEER, "flufl.bounce")
    if target is None:
        return None
    sys.path.append(str(target))
    try:
        module = importlib.import_module("flufl.bounce")
    except ImportError:
        return None
    finally:
        sys.path.remove(str(target))
    scan: Callable[[Any], tuple[set[bytes], set[bytes]]] = module.all_failures
    return scan
