"""Where in a row of a file what stands: the header of the file, met with the tool's table.

Nobody may become a reader because a column was overlooked: where a tool says in a column, or by the
file's name, who has left, a file without either is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from digest.audience.reader_formats import PLAIN, TOOLS, Field, ReaderFormat, known_by
from digest.errors import InputError
from digest.rules.subscription import Standing

_ATTRIBUTE = "attribute."
_MAP = "--map"


@dataclass(frozen=True, slots=True)
class Reading:
    """What is said of a file beside what its header says.

    ``tool`` is a name of ``reader_formats.TOOLS``; ``columns`` maps columns to a Field's value, to
    ``attribute.NAME`` or to "", which leaves a column out; ``standing`` holds for every row.
    """

    tool: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    standing: Standing | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Where what stands. ``standing`` is that of every row, where they have one in common."""

    format: ReaderFormat
    width: int
    at: Mapping[Field, int]
    attributes: tuple[tuple[int, str], ...]  # column, name
    standing: Standing | None
    unused: tuple[str, ...]


def lay_out(header: Sequence[str], reading: Reading, *, name: str) -> Layout | None:
    """The layout of a file called ``name`` with these columns; None without one of addresses.

    Raises InputError for a column that is there twice or that ``reading`` misses, and where nothing
    says who has left.
    """
    names = [cell.strip().lower() for cell in header]
    mapped = {column.strip().lower(): target for column, target in reading.columns.items()}
    tool = TOOLS[reading.tool] if reading.tool else known_by(frozenset(names))
    used = _columns(tool, names, mapped)
    if used.get(Field.EMAIL) not in names:
        return None
    attributes = _attributes(tool, names, mapped)
    counts = Counter(names)
    for column in (*used.values(), *attributes, *mapped):
        if counts[column] != 1:
            what = "two columns" if counts[column] else "no column"
            verb = "are" if counts[column] else "is"
            raise InputError(f"There {verb} {what} called {column!r}.")
    taken = {*used.values(), *attributes}
    return Layout(
        format=tool,
        width=len(names),
        at={one: names.index(column) for one, column in used.items()},
        attributes=tuple((names.index(column), kept) for column, kept in attributes.items()),
        standing=_standing(tool, names, used, reading, name=name),
        unused=tuple(column for column in names if column and column not in taken),
    )


def _columns(
    tool: ReaderFormat, names: Sequence[str], mapped: Mapping[str, str]
) -> dict[Field, str]:
    """Which column is which field."""
    asked = {
        Field(target): column
        for column, target in mapped.items()
        if target and not target.startswith(_ATTRIBUTE)
    }
    found = {}
    for one, candidates in tool.columns.items():
        there = [column for column in candidates if column in names and column not in mapped]
        if there and one not in asked:
            found[one] = there[0]
    return found | asked


def _attributes(
    tool: ReaderFormat, names: Sequence[str], mapped: Mapping[str, str]
) -> dict[str, str]:
    """Which columns are kept as attributes, and by which names."""
    own = {one: one for one in tool.attributes if one in names and one not in mapped}
    asked = {
        column: target.removeprefix(_ATTRIBUTE)
        for column, target in mapped.items()
        if target.startswith(_ATTRIBUTE)
    }
    return own | asked


def _standing(
    tool: ReaderFormat,
    names: Sequence[str],
    used: Mapping[Field, str],
    reading: Reading,
    *,
    name: str,
) -> Standing | None:
    if reading.standing is not None:
        return reading.standing
    base = name.replace("\\", "/").rpartition("/")[2].lower()
    by_name = [one for prefix, one in tool.files.items() if base.startswith(prefix)]
    by_mark = [one for column, one in tool.marks.items() if column in names]
    if by_name or by_mark:
        return (by_name or by_mark)[0]
    if Field.STATE in used:
        return None
    if tool is PLAIN:
        return Standing.ACTIVE
    column = tool.columns[Field.STATE][0]
    nothing = (
        f"Neither a column {column!r} nor its name says"
        if tool.files
        else (f"No column {column!r} says")
    )
    raise InputError(
        f"{nothing} which of these readers have left {tool.title}.",
        fix="Export it again with everything in it, or say it: --as active, ended or suppressed.",
    )


def parse_map(pairs: Sequence[str]) -> dict[str, str]:
    """``column=field`` from the command line; InputError names what cannot be read."""
    found = {}
    for pair in pairs:
        column, equals, target = (part.strip() for part in pair.rpartition("="))
        known = target in {"", *Field} or (
            target.startswith(_ATTRIBUTE) and len(target) > len(_ATTRIBUTE)
        )
        if not equals or not column or not known:
            raise InputError(
                f"{pair!r} cannot be read.",
                where=_MAP,
                fix=f"Write COLUMN=FIELD with a FIELD of: {', '.join(Field)}, attribute.NAME; "
                "COLUMN= leaves a column out.",
            )
        found[column] = target
    doubled = [one for one, count in Counter(found.values()).items() if one and count > 1]
    if doubled:
        raise InputError(f"Two columns cannot both be {doubled[0]!r}.", where=_MAP)
    return found
