"""How ``--help`` looks: plain text in two columns, as wide as the terminal and never ragged."""

from __future__ import annotations

import io
import re
import shutil
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cyclopts.help.formatters.plain import PlainFormatter

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

_WIDEST = 100  # characters of a line; longer ones are hard to read
_UNWRAPPED = 100_000
_LABEL_MAX = 24  # a longer one has its own line
_KEPT = re.compile(r"\s|[-*] ")  # how a line begins that is no running text


class HelpText(PlainFormatter):
    """Formats panels and descriptions for cyclopts; the rest is its plain text."""

    def __call__(
        self,
        console: Console,
        options: ConsoleOptions,  # noqa: ARG002 - cyclopts calls it so
        panel: HelpPanel,
    ) -> None:
        """Print the commands or the parameters of a panel."""
        entries = [(_label(one), _said(one)) for one in panel.entries]
        entries = [(label, said) for label, said in entries if label]
        if not entries:
            return
        lines = [f"{panel.title}:"] if panel.title else []
        fitting = [len(label) for label, _ in entries if len(label) <= _LABEL_MAX]
        indent = 4 + max(fitting, default=_LABEL_MAX)
        for label, said in entries:
            lines += _entry(label, said, indent=indent, width=_width())
        self._print_plain(console, "\n".join([*lines, ""]))

    def render_description(
        self,
        console: Console,
        options: ConsoleOptions,  # noqa: ARG002 - cyclopts calls it so
        description: Any,
    ) -> None:
        """Print what a command does, its paragraphs set anew."""
        text = _plain(description)
        if text:
            width = _width()
            told = "\n\n".join(_paragraph(one, width) for one in re.split(r"\n\s*\n", text))
            self._print_plain(console, f"{told}\n")

    def _print_plain(self, console: Console, text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)  # its lines are set


def _width() -> int:
    """Of the terminal as it is now: a console keeps the width it was made with."""
    return min(shutil.get_terminal_size().columns, _WIDEST)


def _label(entry: HelpEntry) -> str:
    if entry.display_labels and entry.type is not None:
        return ", ".join(entry.display_labels_with_metavar)
    return ", ".join((*entry.positive_names, *entry.positive_shorts)) or ", ".join(
        entry.display_labels
    )


def _said(entry: HelpEntry) -> str:
    parts = [" ".join(_plain(entry.description).split())]
    if entry.choices:
        parts.append(f"[{' | '.join(entry.choices)}]")
    if entry.default is not None:
        parts.append(f"[default: {entry.default}]")
    if entry.required:
        parts.append("[required]")
    return " ".join(part for part in parts if part)


def _entry(label: str, said: str, *, indent: int, width: int) -> Iterator[str]:
    space = " " * indent
    lines = textwrap.wrap(said, max(width - indent, 20), break_on_hyphens=False) or [""]
    head = f"  {label}"
    if len(head) + 2 > indent:
        yield head
    else:
        yield f"{head:<{indent}}{lines.pop(0)}".rstrip()
    yield from (f"{space}{line}" for line in lines if line)


def _paragraph(text: str, width: int) -> str:
    """Running text is set anew; lines that are indented or of a list stay as they are."""
    lines = text.splitlines()
    if any(_KEPT.match(line) for line in lines):
        return text.rstrip()
    return textwrap.fill(" ".join(lines), width, break_on_hyphens=False)


def _plain(found: Any) -> str:
    """What ``found`` says, in the lines it was written in."""
    from rich.console import Console

    if found is None:
        return ""
    console = Console(file=io.StringIO(), width=_UNWRAPPED, no_color=True)
    with console.capture() as captured:
        console.print(found, markup=False, highlight=False, emoji=False)
    return "\n".join(line.rstrip() for line in captured.get().strip().splitlines())
