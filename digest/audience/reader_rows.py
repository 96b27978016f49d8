"""A row of a file becomes a reader, or a reason why it cannot.

What another tool knows of a consent is taken over as its proof: when somebody asked, confirmed and
left, and from which network; of an IP address no more than that is kept (rules.signup.net_of).
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from digest.audience.reader_formats import Field
from digest.audience.reader_layout import Layout
from digest.errors import AddressError, InputError
from digest.mail.address import address_key, clean_name, parse_address
from digest.mail.headers import clean_line
from digest.rules.signup import net_of
from digest.rules.subscription import KEPT_OUT, Standing
from digest.rules.traits import Attributes, clean_attributes, clean_tags
from digest.store.reader_import import Brought, ImportedReader

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")

_TEXT_MAX = 320  # characters of what is quoted from a bad row
_FIRST_MAIL = datetime(1971, 1, 1, tzinfo=UTC)
_SKEW = timedelta(days=1)  # a clock or a time zone that is off
# How Go prints a time: "2026-01-31 10:00:00.123456 +0000 UTC"; a zone's name adds nothing.
_GO = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)? ([+-]\d{4})(?: \S+)?")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,2}")
_CODED = re.compile(
    r"[\w ,.'()/-]{1,64}"
)  # a reason chosen from a list, not a letter somebody wrote
_WHY_SUPPRESSED = {one.value: one for one in KEPT_OUT}


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was left out: the line it starts on, why, and which address it has."""

    line: int
    reason: str
    address: str = ""
    file: str = ""


class RowReader:
    """Reads the rows of one file; ``now`` is what no date of the past lies after."""

    def __init__(self, layout: Layout, *, now: datetime) -> None:
        self._layout = layout
        self._now = now
        self._plain = (
            layout.standing is not None
            and not layout.attributes
            and (layout.at.keys() <= {Field.EMAIL, Field.NAME})
        )

    def __call__(self, line: int, cells: Sequence[str]) -> ImportedReader | BadRow:
        """The reader of a row, or why there is none."""
        layout, text = self._layout, self._text(cells, Field.EMAIL).strip()
        if len(cells) > layout.width and any(cells[layout.width :]):
            columns = f"{len(cells)} columns where the header has {layout.width}"
            return BadRow(line, columns, text[:_TEXT_MAX])
        if not text:
            return BadRow(line, "no address")
        try:
            address = parse_address(text)
            brought = None if self._plain else self._brought(cells)
            standing = layout.standing or Standing.ACTIVE
            if not self._plain:
                standing = self._standing(cells)
        except (AddressError, InputError) as error:
            return BadRow(line, error.message, text[:_TEXT_MAX])
        return ImportedReader(
            str(address),
            address_key(address),
            address.domain,
            self._name(cells),
            standing,
            brought,
        )

    def _text(self, cells: Sequence[str], one: Field) -> str:
        column = self._layout.at.get(one)
        return "" if column is None else cell_of(cells, column)

    def _name(self, cells: Sequence[str]) -> str:
        whole = clean_name(self._text(cells, Field.NAME))
        if whole or Field.FIRST_NAME not in self._layout.at:
            return whole
        parts = (self._text(cells, Field.FIRST_NAME), self._text(cells, Field.LAST_NAME))
        return clean_name(" ".join(parts))

    def _standing(self, cells: Sequence[str]) -> Standing:
        """What a row says of its reader; InputError for a word no table has."""
        layout = self._layout
        standing = layout.standing
        if standing is None:
            word = self._text(cells, Field.STATE).strip().lower()
            standing = layout.format.states.get(word)
            if standing is None:
                raise InputError(f"nobody knows what the state {word[:_TEXT_MAX]!r} means")
        why = self._text(cells, Field.SUPPRESSED).strip()
        if why:
            return _WHY_SUPPRESSED.get(why.lower(), Standing.SUPPRESSED)
        if standing is Standing.ENDED:
            reason = self._text(cells, Field.REASON).strip().lower()
            for begins, other in layout.format.reasons.items():
                if reason.startswith(begins):
                    return other
        return standing

    def _brought(self, cells: Sequence[str]) -> Brought:
        """Everything but the address and the name."""
        dates = {
            one: self._moment(cells, one)
            for one in (Field.CREATED, Field.ASKED, Field.CONFIRMED, Field.LEFT)
        }
        language = self._text(cells, Field.LANGUAGE).strip()
        return Brought(
            language=language if _LANGUAGE.fullmatch(language) else None,
            tags=self._tags(cells),
            attributes=self._attributes(cells),
            created_at=dates[Field.CREATED],
            asked_at=dates[Field.ASKED],
            confirmed_at=dates[Field.CONFIRMED],
            paused_until=self._moment(cells, Field.PAUSED_UNTIL, past=False),
            left_at=dates[Field.LEFT],
            asked_net=self._net(cells, Field.ASKED_IP),
            confirmed_net=self._net(cells, Field.CONFIRMED_IP),
            reason=self._reason(cells),
        )

    def _moment(self, cells: Sequence[str], one: Field, *, past: bool = True) -> datetime | None:
        text = self._text(cells, one).strip()
        if not text:
            return None
        found = parse_moment(text)
        if found is None or (past and found > self._now + _SKEW):
            raise InputError(f"the date {text[:64]!r} ({one}) cannot be")
        return found if found > _FIRST_MAIL else None  # 1970 is how machines write "never"

    def _net(self, cells: Sequence[str], one: Field) -> str | None:
        text = self._text(cells, one).strip()
        net = net_of(text) if text else "unknown"
        return None if net == "unknown" else net

    def _reason(self, cells: Sequence[str]) -> str | None:
        """Kept in a record that never changes, so nothing that could say who it was."""
        text = clean_line(self._text(cells, Field.REASON))
        return text if _CODED.fullmatch(text) else None

    def _tags(self, cells: Sequence[str]) -> tuple[str, ...]:
        text = self._text(cells, Field.TAGS).strip()
        return clean_tags(_listed(text)) if text else ()

    def _attributes(self, cells: Sequence[str]) -> Attributes:
        given = _object(self._text(cells, Field.ATTRIBUTES).strip())
        for column, name in self._layout.attributes:
            given[name] = cell_of(cells, column)
        return clean_attributes(given) if given else {}


def _listed(text: str) -> Iterable[str]:
    """Tags as tools write them: a JSON array, or words between commas, perhaps in quotes."""
    if text.startswith("["):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, list) and all(isinstance(one, str) for one in found):
            return found
    return next(csv.reader([" ".join(text.split())], skipinitialspace=True), [])


def _object(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError("the attributes are no JSON object")
    return found


def parse_moment(text: str) -> datetime | None:
    """A time as tools write it, in UTC where no zone stands with it; None for what is none."""
    go = _GO.fullmatch(text)
    try:
        found = datetime.fromisoformat(go[1] + go[2] if go else text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return datetime(1970, 1, 1, tzinfo=UTC) if text.startswith("0000-00-00") else None


def cell_of(cells: Sequence[str], column: int) -> str:
    """A cell without the apostrophe that keeps a spreadsheet from running it as a formula."""
    if column >= len(cells):
        return ""
    cell = cells[column]
    return cell[1:] if cell.startswith("'") and _acts(cell) else cell


def safe_cell(cell: str) -> str:
    """A cell that no spreadsheet runs; ``cell_of`` reads it as it was (CSV formula injection)."""
    return f"'{cell}" if _acts(cell) else cell


def _acts(cell: str) -> bool:
    return cell.lstrip("'").startswith(FORMULA_SIGNS)
