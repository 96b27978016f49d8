"""The text of an issue file before it means anything: bytes, lines, limits and comments.

HTML comments are taken out first, with every line kept where it stands, and never inside code
(CommonMark 0.31 §4.5 fenced code, §6.1 code spans). All limits of an issue file stand here.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from digest.errors import IssueFileError

MAX_BYTES = 1 << 20
"""A long issue is 30 KB; at 1 MiB something else was handed in."""
MAX_ITEMS = 1_000
MAX_SECTIONS = 200
MAX_LINE = 20_000
"""Characters of a line. The longest abstracts have 3,000."""
MAX_VALUE = 1_000
"""Characters of a front-matter value."""

# C0 without tab and newline, DEL, C1, lone surrogates, the private-use area (where a compiled
# message keeps its marks) and the two non-characters at the end of the plane.
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ue000-\uf8ff\ufffe\uffff]")
_MARK = re.compile(r"\n|\\.|`+|<!--")
_FENCE = re.compile(
    r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*(`{3,}(?=[^`\n]*$)|~{3,})", re.MULTILINE
)
# Where the text of a paragraph ends at the latest, and with it a code span in it: at a blank
# line, a heading, a rule, the start of a quote, a list or a fence.
_BREAK = re.compile(
    r"^[ \t]*(?:$|(?P<line>#{1,6}(?:[ \t]|$)|(?:-[ \t]*){3,}$|(?:\*[ \t]*){3,}$|(?:_[ \t]*){3,}$)"
    r"|[-+*][ \t]|\d{1,9}[.)][ \t]|>|```|~~~)",
    re.MULTILINE,
)
_TICKS = re.compile("`+")


def forbidden_character(text: str) -> re.Match[str] | None:
    """The first character that may stand nowhere in an issue: a control or a private-use one."""
    return _FORBIDDEN.search(text)


def without_forbidden(text: str) -> str:
    """The text without those characters."""
    return _FORBIDDEN.sub("", text)


def issue_error(path: str, message: str, fix: str, *, line: int, column: int = 1) -> IssueFileError:
    """An error at a line and column (both from 1) of ``path``."""
    return IssueFileError(message, where=f"{path}:{line}:{column}", fix=fix)


def decode_issue(data: bytes, *, path: str) -> str:
    """The text of an issue file: UTF-8 (a byte order mark is dropped), at most 1 MiB.

    Raises IssueFileError, with line and column of the first byte that is not UTF-8.
    """
    if len(data) > MAX_BYTES:
        raise issue_error(
            path,
            f"The file has more than {MAX_BYTES:,} bytes, which is the most for an issue.",
            "Split it into several issues, or keep the pictures in files beside it.",
            line=1,
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line_start = before.rfind(b"\n") + 1
        raise issue_error(
            path,
            f"The file is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}.",
            "Save it as UTF-8 in your editor.",
            line=before.count(b"\n") + 1,
            column=len(before[line_start:].decode("utf-8", "replace")) + 1,
        ) from None


def split_lines(text: str, *, path: str) -> list[str]:
    """The lines of a text without trailing space; CRLF and CR are line ends too.

    Raises IssueFileError at a forbidden character and where a limit is passed.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > MAX_BYTES:
        message = f"The text has {len(text):,} characters; an issue has at most {MAX_BYTES:,}."
        raise issue_error(path, message, "Split it into several issues.", line=1)
    bad = forbidden_character(text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        column = bad.start() - text.rfind("\n", 0, bad.start())
        kind = "private-use" if "\ue000" <= bad[0] <= "\uf8ff" else "control"
        message = f"The {kind} character U+{ord(bad[0]):04X} cannot stand in an issue."
        raise issue_error(path, message, "Delete it.", line=line, column=column)
    lines = [line.rstrip(" \t") for line in text.split("\n")]
    for number, line_text in enumerate(lines, 1):
        if len(line_text) > MAX_LINE:
            message = f"The line has {len(line_text):,} characters; at most {MAX_LINE:,} may stand."
            raise issue_error(path, message, "Break it into several lines.", line=number)
    return lines


@dataclass(frozen=True, slots=True)
class Body:
    """The lines after the front matter, as written and without their comments.

    ``raw`` and ``bare`` have the same number of lines; line 0 is line ``first`` of the file.
    """

    path: str
    first: int
    raw: tuple[str, ...]
    bare: tuple[str, ...]
    removed: dict[int, tuple[tuple[int, int], ...]]

    def column(self, line: int, column: int) -> int:
        """The column (from 1) in the file of a column (from 0) of a line without comments."""
        for at, length in self.removed.get(line, ()):
            if at <= column:
                column += length
        return column + 1

    def error(
        self, message: str, fix: str, *, line: int, column: int | None = None
    ) -> IssueFileError:
        """An error at a line and column (from 0) of the lines without comments."""
        at = 1 if column is None else self.column(line, column)
        return issue_error(self.path, message, fix, line=self.first + line, column=at)


def strip_comments(lines: list[str], *, first: int, path: str) -> Body:
    """Take the HTML comments out of the lines of a body; line ``first`` of the file is its first.

    Raises IssueFileError for a comment that is not closed.
    """
    text = "\n".join(lines)
    bare: list[str] = []
    removed: dict[int, tuple[tuple[int, int], ...]] = {}
    current, position = "", 0
    for start, end in _comments(text, first=first, path=path):
        *whole, last = text[position:start].split("\n")
        if whole:
            bare += [current + whole[0], *whole[1:]]
            current = ""
        current += last
        inside = text.count("\n", start, end)
        if inside:
            bare += [current, *[""] * (inside - 1)]
            current = ""
        length = end - (start if not inside else text.rfind("\n", start, end) + 1)
        removed[len(bare)] = (
            *removed.get(len(bare), ()),
            (_shifted(removed, bare, current), length),
        )
        position = end
    *whole, last = text[position:].split("\n")
    bare += [current + whole[0], *whole[1:], last] if whole else [current + last]
    return Body(
        path=path,
        first=first,
        raw=tuple(lines),
        bare=tuple(line.rstrip(" \t") for line in bare),
        removed=removed,
    )


def _shifted(removed: dict[int, tuple[tuple[int, int], ...]], bare: list[str], current: str) -> int:
    # Columns are shifted by one comment after the other, so each stands at its column in the file.
    return len(current) + sum(length for _, length in removed.get(len(bare), ()))


def _comments(text: str, *, first: int, path: str) -> list[tuple[int, int]]:
    """Where the comments are, as offsets; one pass, with code left out."""
    breaks = _breaks(text)
    ticks: dict[int, list[int]] = {}
    for run in _TICKS.finditer(text):
        ticks.setdefault(len(run[0]), []).append(run.start())
    found: list[tuple[int, int]] = []
    position, at_line_start = 0, True
    while position < len(text):
        fence = _FENCE.match(text, position) if at_line_start else None
        if fence:
            position, at_line_start = _after_fence(text, fence), False
            continue
        mark = _MARK.search(text, position)
        if mark is None:
            break
        position, at_line_start = mark.end(), mark[0] == "\n"
        if mark[0].startswith("`"):
            # Behind an escaped tick a run is shorter than it looks, and may be the only one.
            position = _after_code(mark, ticks.get(len(mark[0]), []), breaks)
        elif mark[0] == "<!--":
            end = text.find("-->", mark.end())
            if end < 0:
                line = text.count("\n", 0, mark.start())
                column = mark.start() - text.rfind("\n", 0, mark.start())
                raise issue_error(
                    path,
                    "This comment is not closed.",
                    "Write --> where it ends, or \\<!-- for the characters themselves.",
                    line=first + line,
                    column=column,
                )
            position = end + 3
            found.append((mark.start(), position))
    return found


def _after_fence(text: str, fence: re.Match[str]) -> int:
    closing = re.compile(rf"^[ \t>]*{fence[1][0]}{{{len(fence[1])},}}[ \t]*$", re.MULTILINE)
    end = closing.search(text, fence.end())
    return end.end() if end else len(text)


def _breaks(text: str) -> list[int]:
    found: list[int] = []
    for match in _BREAK.finditer(text):
        found.append(match.start())
        if match["line"]:
            end = text.find("\n", match.start())
            found.append(len(text) if end < 0 else end + 1)
    return found


def _after_code(opening: re.Match[str], same: list[int], breaks: list[int]) -> int:
    closer = bisect_right(same, opening.start())
    ends = bisect_left(breaks, opening.end())
    if closer == len(same) or (ends < len(breaks) and breaks[ends] <= same[closer]):
        return opening.end()
    return same[closer] + len(opening[0])
