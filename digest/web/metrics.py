"""``/metrics`` for Prometheus: what came back, and where deliveries stand; never an address.

Only for who shows the token of ``DIGEST_METRICS_TOKEN`` (RFC 6750 §2.1); 404 while none is set. The
numbers are counted from the rows when they are asked for, so they survive restarts and are the same
on every machine. Prometheus' text format.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.store.feedback_reports import FeedbackNumbers, feedback_numbers
from digest.web.site import site_of


class _Numbers(Collector):
    """One look at the database, as metrics."""

    def __init__(self, numbers: FeedbackNumbers) -> None:
        self._numbers = numbers

    def collect(self) -> Iterator[Metric]:
        """What Prometheus gets."""
        came_back = CounterMetricFamily(
            "digest_feedback",
            "What came back, by the door it came through and what was done about it.",
            labels=("source", "kind", "effect"),
        )
        for source, kind, effect, number in self._numbers.came_back:
            came_back.add_metric((source, kind, effect), number)
        yield came_back
        yield GaugeMetricFamily(
            "digest_suppressed_readers",
            "Readers who get no mail any more.",
            value=self._numbers.suppressed,
        )


async def metrics(request: Request) -> Response:
    """Answer ``/metrics``."""
    site = site_of(request)
    if not site.metrics_token:
        raise HTTPException(404)
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {site.metrics_token}".encode()):
        raise HTTPException(401, headers={"www-authenticate": "Bearer"})
    async with site.db.read() as session:
        numbers = await feedback_numbers(session)
    registry = CollectorRegistry()
    registry.register(_Numbers(numbers))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


ROUTES = (Route("/metrics", metrics),)
