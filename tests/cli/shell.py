"""A shell for tests: the command line called in this process, and what it printed."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from digest.cli.main import run

KEY = "0123456789abcdef0123456789abcdef"
NEWSLETTER = (
    *("newsletter", "create", "weekly", "--name", "A Weekly"),
    *("--from", "A Weekly <hello@news.example.org>", "--postal-address", "Main Street 1"),
    *("--return-path-domain", "bounces.news.example.org"),
)
ISSUE = """\
---
number: 182
title: A Weekly, Issue #182
preview: What it takes to build a product on it, a robot that counts, and more
---
Hey {name|folks},

Text before the first section is the opening.

## Industry
### [Title of the linked page](https://example.org/page)
*The Site · 4 min*

The blurb, in Markdown. A second [link](https://example.org/more) is fine.

## Code
### [owner/repository](https://github.com/owner/repository)
What it does.
"""


def a_picture(width: int = 4) -> bytes:
    """A PNG."""
    data = io.BytesIO()
    Image.new("RGB", (width, 3)).save(data, "PNG")
    return data.getvalue()


@dataclass(frozen=True, slots=True)
class Said:
    """An exit code and both streams."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one line on standard output."""
        (line,) = self.out.splitlines()
        return json.loads(line)

    @property
    def rows(self) -> list[Any]:
        """Standard output, a line a row."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> Any:
        """What the last line of standard error tells a program."""
        return json.loads(self.err.splitlines()[-1])


@dataclass(slots=True)
class Shell:
    """Calls ``digest`` in a folder of its own."""

    folder: Path
    captured: pytest.CaptureFixture[str]
    printed: list[str] = field(default_factory=list)

    def __call__(self, *tokens: str) -> Said:
        self.captured.readouterr()
        code = run(tokens)
        out, err = self.captured.readouterr()
        return Said(code, out, err)

    def write(self, name: str, content: str | bytes) -> str:
        """A file in the folder; its name."""
        data = content.encode() if isinstance(content, str) else content
        (self.folder / name).parent.mkdir(exist_ok=True)
        (self.folder / name).write_bytes(data)
        return name
