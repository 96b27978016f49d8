"""Which form of a letter somebody looks at: device, colour scheme, text or source.

The choice stands in the query of the address, so it works without JavaScript and survives a
reload; a value that is unknown is the first one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast, get_args
from urllib.parse import urlencode

from starlette.requests import Request

from digest.web.letter import Scheme

SHOWN = ("both", "phone", "desktop", "text", "source")


@dataclass(frozen=True, slots=True)
class View:
    """A choice. ``shown`` is one of SHOWN."""

    shown: str = "both"
    scheme: Scheme = "light"

    def query(self, *, shown: str = "", scheme: str = "") -> str:
        """The query of this choice, with one part of it changed."""
        other = replace(self, shown=shown or self.shown, scheme=cast(Scheme, scheme or self.scheme))
        return "?" + urlencode({"show": other.shown, "scheme": other.scheme})


@dataclass(frozen=True, slots=True)
class Frame:
    """A letter in a device. ``width`` is in CSS pixels."""

    device: str
    title: str
    width: int
    src: str


_DEVICES = (("phone", "Phone", 375), ("desktop", "Desktop", 700))


def asked_view(request: Request) -> View:
    """The choice in the query of ``request``."""
    shown = request.query_params.get("show", "")
    scheme = request.query_params.get("scheme", "")
    return View(
        shown if shown in SHOWN else SHOWN[0],
        cast(Scheme, scheme if scheme in get_args(Scheme) else "light"),
    )


def frames(src: str, view: View) -> tuple[Frame, ...]:
    """The frames that ``view`` shows of the letter at ``src``."""
    return tuple(
        Frame(device, f"{title}, {width} pixels wide, {view.scheme}", width, src + view.query())
        for device, title, width in _DEVICES
        if view.shown in ("both", device)
    )
