"""Mails that came back, with what is known of each, and how a reading of them is graded.

The corpus lies beside the checkout (``../shared/data/bounces``); its README says what the fields
mean. Near-duplicates form a group, and every group counts as one mail.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "bounces"
SOURCES = ("sisimai", "flufl")
_NUMBER = re.compile(r"[-_]\d+\.\w+$")
_NAMING = frozenset({"bounce", "delayed", "complaint", "success"})


@dataclass(frozen=True, slots=True)
class Sample:
    """One mail and its truth."""

    name: str
    family: str
    group: str
    kind: str
    recipients: tuple[dict[str, Any], ...]
    data: bytes

    @property
    def names_somebody(self) -> bool:
        return self.kind in _NAMING and bool(self.recipients)


@dataclass(frozen=True, slots=True)
class Read:
    """What a parser found in a mail: its kind ("" where it tells none), addresses, dead ones."""

    kind: str
    addresses: tuple[str, ...]
    dead: frozenset[str] = frozenset()


@dataclass(slots=True)
class Grades:
    """Sums over groups, and over families."""

    exact: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    wrong: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    kind: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    families: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    complaints: list[bool] = field(default_factory=list)
    hard: dict[tuple[bool, bool], int] = field(default_factory=lambda: defaultdict(int))
    suppressed_wrongly: list[str] = field(default_factory=list)

    def share(self, sums: dict[str, list[bool]]) -> float:
        """Per cent, each key (a group or a family) with the same weight."""
        return 100 * sum(sum(one) / len(one) for one in sums.values()) / len(sums)

    @property
    def precision(self) -> float:
        """Per cent of the addresses called dead that are dead."""
        return 100 * self.hard[True, True] / max(1, self.hard[True, True] + self.hard[True, False])

    @property
    def recall(self) -> float:
        """Per cent of the dead addresses that were called so."""
        return 100 * self.hard[True, True] / max(1, self.hard[True, True] + self.hard[False, True])


def samples(folder: Path = FOLDER) -> list[Sample]:
    """Every labelled mail of the corpus."""
    found = []
    for source in SOURCES:
        for line in (folder / f"{source}.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            if row["kind"] == "unlabelled":
                continue
            file = row["file"]
            found.append(
                Sample(
                    name=f"{source}/{file}",
                    family=f"{source}/{_NUMBER.sub('', file)}",
                    group=row["group"],
                    kind=row["kind"],
                    recipients=tuple(row["recipients"]),
                    data=(folder / source / file).read_bytes(),
                )
            )
    return found


def grade(mails: Iterable[Sample], read: Callable[[Sample], Read]) -> Grades:
    """Compare what ``read`` finds with the truth."""
    grades = Grades()
    for mail in mails:
        found = read(mail)
        right = found.kind == mail.kind
        grades.kind[mail.group].append(right)
        if mail.kind == "complaint":
            grades.complaints.append(right)
        if mail.kind not in ("bounce", "unlabelled") and found.dead:
            grades.suppressed_wrongly.append(mail.name)
        if mail.names_somebody:
            _grade_addresses(grades, mail, found)
    return grades


def _grade_addresses(grades: Grades, mail: Sample, found: Read) -> None:
    accepted = [{one.lower() for one in r["accept"]} for r in mail.recipients]
    addresses = [one.lower() for one in found.addresses]
    extra = [one for one in addresses if not any(one in accept for accept in accepted)]
    missing = [accept for accept in accepted if not accept.intersection(addresses)]
    grades.exact[mail.group].append(not extra and not missing)
    grades.families[mail.family].append(not extra and not missing)
    grades.wrong[mail.group].append(bool(extra))
    for recipient, accept in zip(mail.recipients, accepted, strict=True):
        if "hard" in recipient:
            called = bool(accept.intersection(one.lower() for one in found.dead))
            grades.hard[called, recipient["hard"]] += 1


def families(mails: Sequence[Sample]) -> dict[str, list[Sample]]:
    """The mails by family: the program, provider or kind of test they are named after."""
    found: dict[str, list[Sample]] = defaultdict(list)
    for mail in mails:
        found[mail.family].append(mail)
    return found
