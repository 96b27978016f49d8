"""``/metrics`` for Prometheus: queues, issues on their way, slots, what came back; no address.

Only for who shows the token of ``DIGEST_METRICS_TOKEN`` (RFC 6750 §2.1); 404 while none is set: a
page that needs no token would be open to everybody as soon as a proxy stands on this machine.
Numbers of the installation come from its rows, so they survive restarts and are the same on every
machine; what relays answered is counted by each process that sends, since it started. Prometheus'
text format, and OpenMetrics for who asks for that.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.errors import DatabaseError
from digest.store.relays import list_relays
from digest.store.revisions import RevisionState, compare_revision
from digest.store.session import Session
from digest.store.watching import history, on_their_way, standing
from digest.web import metric_families as families
from digest.web.site import Site, site_of

T = TypeVar("T")

LEAST_SECONDS = 10.0  # that a count over everything is kept


class _Given(Collector):
    """Metrics that were made already."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


async def metrics(request: Request) -> Response:
    """Answer ``/metrics`` with everything that is known here."""
    site = _watched(request)
    return _answer(request, [*families.of_process(site.tally), *await _of_database(site)])


async def process_metrics(request: Request) -> Response:
    """Answer ``/metrics`` of a process without pages with its own numbers alone: those of the
    installation are counted once, where the pages are.
    """
    return _answer(request, families.of_process(_watched(request).tally))


def _watched(request: Request) -> Site:
    site = site_of(request)
    if not site.metrics_token:
        raise HTTPException(404)
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {site.metrics_token}".encode()):
        raise HTTPException(401, headers={"www-authenticate": "Bearer"})
    return site


async def _of_database(site: Site) -> list[Metric]:
    """A database that is away is an answer, too: it is what somebody has to be woken for."""
    used, most = site.db.connections
    try:
        async with site.db.read() as session:
            revision: RevisionState = await session.run_sync(compare_revision)
        found = [] if revision is not RevisionState.CURRENT else await _of_rows(site)
    except DatabaseError:
        return list(families.of_database(None, writable=False, used=used, most=most))
    writable = not site.db.refuses_writes
    return [*families.of_database(revision, writable=writable, used=used, most=most), *found]


async def _of_rows(site: Site) -> list[Metric]:
    now = site.clock.now()
    async with site.db.read() as session:
        here = await standing(session, now)
        relays = await list_relays(session)
    running = await site.measured.get("on their way", lambda: _read(site, on_their_way))
    past = await site.measured.get("history", lambda: _read(site, history), least=LEAST_SECONDS)
    return [
        *families.of_slots(here, now),
        *families.of_queues(here, running),
        *families.of_issues(running),
        *families.of_feedback(here, past),
        *families.of_relays(relays, now),
    ]


async def _read(site: Site, ask: Callable[[Session], Awaitable[T]]) -> T:
    async with site.db.read() as session:
        return await ask(session)


def _answer(request: Request, found: Iterable[Metric]) -> Response:
    registry = CollectorRegistry()
    registry.register(_Given(found))
    ProcessCollector(registry=registry)
    encode, kind = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), headers={"content-type": kind})


ROUTES = (Route("/metrics", metrics),)
PROCESS_ROUTES = (Route("/metrics", process_metrics),)
