"""What a figure is: a measured number, its unit and the limit it has to keep."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. It passes when not above its limit (``at_least``: not below)."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    at_least: bool = False

    @property
    def passed(self) -> bool:
        if self.limit is None:
            return True
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def bound(self) -> str:
        """The limit in words, empty when there is none."""
        if self.limit is None:
            return ""
        return f"{'≥' if self.at_least else '≤'} {_number(self.limit)} {self.unit}"


@dataclass(frozen=True, slots=True)
class Result:
    """What one benchmark found: figures with their limits, ratios for comparing, notes for reading.

    ``notes`` say what is needed to judge the figures: rows, bytes, versions; texts or numbers.
    """

    name: str
    figures: tuple[Figure, ...]
    ratios: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, object] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return all(figure.passed for figure in self.figures)

    def as_json(self) -> str:
        """One compact line."""
        line = {
            "bench": self.name,
            "figures": {f.name: _rounded(f.value) for f in self.figures},
            "limits": {f.name: f.limit for f in self.figures if f.limit is not None},
            "units": {f.name: f.unit for f in self.figures},
            "ratios": {name: _rounded(value) for name, value in self.ratios.items()},
            "notes": dict(self.notes),
            "passed": self.passed,
        }
        return json.dumps(line, ensure_ascii=False, separators=(",", ":"))

    def as_table(self) -> str:
        """A table for people."""
        rows = [
            (f.name, f"{_number(f.value)} {f.unit}", f.bound, "" if f.passed else "missed")
            for f in self.figures
        ]
        rows += [(name, f"{_number(value)} ×", "", "") for name, value in self.ratios.items()]
        rows += [(name, str(value), "", "") for name, value in self.notes.items()]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
        lines = [
            f"{name:<{widths[0]}}  {value:>{widths[1]}}  {bound:<{widths[2]}}  {remark}".rstrip()
            for name, value, bound, remark in rows
        ]
        ended = "passed" if self.passed else "FAILED"
        return "\n".join([f"{self.name}: {ended if self.figures else 'not measured'}", *lines])


def _rounded(value: float) -> float:
    """Four significant digits: more would claim what a shared machine cannot measure."""
    return float(f"{value:.4g}")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"
