"""What the pages need from the rest of the house: one value, handed to every request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import urlsplit

from starlette.requests import Request

from digest.access.issuer import Issuer
from digest.access.issuer_settings import issuer_of
from digest.audience.clicks import ClickDesk
from digest.audience.feedback import FeedbackDesk
from digest.audience.leave import LeaveDesk, Leavers
from digest.audience.signup import SignupDesk
from digest.clock import Clock
from digest.collect.asking import Asker
from digest.delivery.tally import Tally
from digest.inbound.webhooks import Hook
from digest.inbound.webhooks.configured import hooks_of
from digest.rules.signup import SignupLimits
from digest.web.client import Networks, networks
from digest.web.kept import Kept, for_metrics, for_pages
from digest.web.recent import KEEP_SECONDS, RecentPages

if TYPE_CHECKING:
    from digest.delivery.checks import Gate
    from digest.delivery.doctor import Patient
    from digest.mail.tokens import KeyRing
    from digest.runtime import Runtime
    from digest.store.session import Database

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    """A page of a walk. ``mark`` is what its address has; "" where its address says nothing.

    ``first`` says what has to be done where this step leads to an earlier one; ``apart`` is a page
    of the readers' site, which has no strip and opens beside. ``unasked`` is what the address of a
    page has that is this step unless its query asks for another.
    """

    key: str
    title: str
    path: str
    mark: str = ""
    first: str = ""
    apart: bool = False
    unasked: str = ""


@dataclass(frozen=True, slots=True)
class Tour:
    """A walk through the pages, shown above each: in a demo. ``said`` is how things are there."""

    steps: tuple[Step, ...]
    said: Callable[[], str]
    act: str  # where the button posts to
    again: str  # where to ask how things are by now

    def step_of(self, path: str) -> str:
        """The key of the step whose address ``path`` is, "" for none."""
        return next((one.key for one in self.steps if one.mark and one.mark in path), "")

    def unasked(self, path: str) -> str:
        """The same where neither the address nor its query names a step."""
        return next((one.key for one in self.steps if one.unasked and one.unasked in path), "")

    def asked(self, key: str) -> Step | None:
        """The step called so."""
        return next((one for one in self.steps if one.key == key), None)


@dataclass(frozen=True, slots=True)
class Site:
    """An installation as its pages see it. ``home`` is the path of the list of newsletters.

    ``desk`` answers sign-ups and ``clicks`` writes down clicks after their requests: wait for both
    (``settled()``) before the database is closed.
    """

    db: Database
    keys: KeyRing
    public_url: str
    relay_configured: bool
    clock: Clock = field(default_factory=Clock)
    leavers: Leavers = field(default_factory=Leavers)
    home: str = "/"
    limits: SignupLimits = field(default_factory=SignupLimits)
    refuse_disposable: bool = True
    proxies: Networks = ()
    api_per_minute: int = 600
    hooks: Mapping[str, Hook] = field(default_factory=dict)
    feedback: FeedbackDesk | None = None
    themes: Path | None = None  # looks of one's own
    gate: Gate | None = (
        None  # what must hold before an issue goes out; None: nothing goes from here
    )
    patient: Patient | None = field(default=None, repr=False)  # what the doctor examines
    metrics_token: str = field(default="", repr=False)
    stream_seconds: float = 60.0  # of one stream of events; then the browser asks again
    tally: Tally = field(default_factory=Tally)
    measured: Kept = field(default_factory=for_metrics, compare=False)
    counted: Kept = field(default_factory=for_pages, compare=False)
    asker: Asker = field(default_factory=Asker)
    issuer: Issuer | None = field(default=None, repr=False, compare=False)  # who else signs in
    recent: RecentPages = field(default_factory=RecentPages, compare=False)
    tour: Tour | None = field(default=None, compare=False)
    desk: SignupDesk = field(init=False, repr=False, compare=False)
    leave_desk: LeaveDesk = field(init=False, repr=False, compare=False)
    clicks: ClickDesk = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        desk = SignupDesk(self.db, self.keys, self.public_url, self.clock, self.limits)
        object.__setattr__(self, "desk", desk)  # made of the other fields, once
        object.__setattr__(self, "leave_desk", LeaveDesk(self.db, self.clock, self.leavers))
        object.__setattr__(self, "clicks", ClickDesk(self.db, self.clock))

    @classmethod
    def of(cls, runtime: Runtime) -> Self:
        """The site of an open installation, as its settings say."""
        settings = runtime.settings
        signup = settings.signup
        return cls(
            db=runtime.db,
            keys=runtime.keys,
            public_url=settings.public_url,
            relay_configured=bool(runtime.relays),
            clock=runtime.clock,
            leavers=runtime.leavers,
            limits=SignupLimits(signup.per_network, signup.per_domain, signup.total),
            refuse_disposable=signup.refuse_disposable,
            hooks=hooks_of(settings.hooks),
            feedback=runtime.feedback_desk,
            themes=settings.themes,
            gate=runtime.gate,
            patient=runtime.patient,
            metrics_token=settings.metrics_token.get_secret_value(),
            tally=runtime.tally,
            asker=Asker.of(settings),
            issuer=issuer_of(settings),
            proxies=networks(settings.trusted_proxies),
            api_per_minute=settings.api.per_minute,
            recent=RecentPages(KEEP_SECONDS),
        )

    async def settled(self) -> None:
        """Have everything done that was put off, and wait for it."""
        await self.desk.settled()
        await self.clicks.settled()

    @property
    def passwords(self) -> bool:
        """Whether people sign in by password."""
        return self.issuer is None or self.issuer.client.passwords

    @property
    def prefix(self) -> str:
        """What stands before every path of ours: "" or ``/news``."""
        return urlsplit(self.public_url).path.rstrip("/")

    def path(self, path: str) -> str:
        """The path of a link to our own ``path``."""
        return self.prefix + path


def site_of(request: Request) -> Site:
    """The installation ``request`` is for."""
    site: Site = request.app.state.site
    return site


def remembered(request: Request, name: str, make: Callable[[], T]) -> T:
    """What this process remembers under ``name``, made when it is asked for first."""
    state = request.app.state
    if not hasattr(state, name):
        setattr(state, name, make())
    found: T = getattr(state, name)
    return found


def tour_values(request: Request) -> dict[str, object]:
    """What the strip of a tour needs, on whichever page it stands."""
    tour = site_of(request).tour
    if tour is None:
        return {"tour": None}
    here = tour.step_of(request.url.path)
    asked = tour.asked(request.query_params.get("step", ""))
    query = f"?{request.url.query}" if request.url.query else ""
    return {
        "tour": tour,
        "tour_step": here or (asked.key if asked else tour.unasked(request.url.path)),
        "tour_first": asked.first if asked and here else "",
        "tour_here": f"{request.url.path}{query}" if request.method == "GET" else "/",
    }
