"""Options that several commands share, called and explained the same everywhere."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

Json = Annotated[
    bool, Parameter(name="--json", help="Print one compact line of JSON (lists: one per row).")
]
OfNewsletter = Annotated[
    str | None,
    Parameter(name="--newsletter", help="May be left out when there is exactly one newsletter."),
]
DEFAULTS = Parameter(negative=(), show_default=False)  # no --no-json, no [default: False]
Many = Parameter(consume_multiple=True)


def group(name: str, text: str) -> App:
    """One noun of the command line, to which its verbs are added."""
    return App(name=name, help=text, default_parameter=DEFAULTS)
