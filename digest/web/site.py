"""What the pages need from the rest of the house: one value, handed to every request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.requests import Request

from digest.audience.leave import Leavers
from digest.clock import Clock

if TYPE_CHECKING:
    from digest.mail.tokens import KeyRing
    from digest.store.session import Database


@dataclass(frozen=True, slots=True)
class Site:
    """An installation as its pages see it. ``home`` is the path of the list of newsletters."""

    db: Database
    keys: KeyRing
    public_url: str
    relay_configured: bool
    clock: Clock = field(default_factory=Clock)
    leavers: Leavers = field(default_factory=Leavers)
    home: str = "/"


def site_of(request: Request) -> Site:
    """The installation ``request`` is for."""
    site: Site = request.app.state.site
    return site
