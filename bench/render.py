"""Rendering one issue of 30 items: an issue that was read → its HTML and its text part.

What an editor's preview waits for on every save, and what happens once per version, never once per
reader. The theme is loaded before the clock starts, as in a running process.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from bench.result import Figure, Result
from digest.content.issue import Issue
from digest.content.issue_file import parse_issue
from digest.content.render import Rendered, render_issue
from digest.content.theme import Masthead, load_theme

ITEMS, SECTIONS, ROUNDS = 30, 6, 40
LIMIT_MS = 5.0
_BLURB = (
    "A few sentences with *emphasis*, a [second link](https://example.org/more/{n}) and the kind of"
    " words that an editor writes about a page: what it says, why it matters, and who should read"
    " it before the end of the week."
)
_MASTHEAD = Masthead(
    name="A Weekly",
    postal_address="A Weekly\n1 Example Street\nExampletown",
    public_url="https://news.example.org",
)


def issue_text(items: int = ITEMS, sections: int = SECTIONS) -> str:
    """An issue file with that many items: links, bylines, blurbs, quotes in the last section."""
    lines = ["---", "number: 182", "title: A Weekly, Issue #182"]
    lines += ["preview: Thirty things to read, and how long it takes to set them", "---"]
    lines += ["Hey {name|folks},", "", "Text before the first section is the opening.", ""]
    for number in range(items):
        if number % (items // sections) == 0:
            lines += [f"## Section {number // (items // sections) + 1}"]
        lines += [f"### [Title of page number {number}](https://example.org/page/{number})"]
        lines += [f"*The Site · {number} min*", "", _BLURB.format(n=number), ""]
        if number >= items - items // sections:
            lines += ["> Abstract: quoted source, set apart, of a paper.", ""]
    return "\n".join([*lines, "---", "Until next week!"])


def _render(issue: Issue) -> Rendered:
    return render_issue(issue, _MASTHEAD, load_theme(), utm={"source": "weekly"})


def run(args: Sequence[str]) -> Result:
    """Medians of ``ROUNDS`` rounds (or of as many as the first argument says), in milliseconds.

    The limit is on rendering: an issue that was read → its HTML and its text part. Reading the
    file is shown beside it.
    """
    rounds = max(int(args[0]) if args else ROUNDS, 5)
    text = issue_text()
    rendered = _render(parse_issue(text, path="issue.md"))
    reading, rendering = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        issue = parse_issue(text, path="issue.md")
        middle = time.perf_counter()
        _render(issue)
        reading.append((middle - start) * 1000)
        rendering.append((time.perf_counter() - middle) * 1000)
    return Result(
        "render",
        (
            Figure("ms per issue", statistics.median(rendering), "ms", limit=LIMIT_MS),
            Figure("fastest", min(rendering), "ms"),
            Figure("reading the file", statistics.median(reading), "ms"),
        ),
        notes={
            "items": ITEMS,
            "rounds": rounds,
            "html_bytes": len(rendered.html.encode()),
            "plain_bytes": len(rendered.plain.encode()),
        },
    )
