"""``/metrics``: for who shows the token; counted from the rows; never an address."""

from __future__ import annotations

from dataclasses import replace

import httpx2

from digest.mail.bounce import Reason
from digest.store.session import Database
from digest.web.app import Site, create_app
from tests.audience.came_back import ANNE, a_scene
from tests.build import PUBLIC_URL
from tests.delivery.stage import KEYS

TOKEN = "a token for Prometheus"


async def test_what_came_back_is_counted_and_names_nobody(database: Database) -> None:
    scene = await a_scene(database)
    sent = await scene.sent()
    await scene.bounce(sent[ANNE], Reason.USER_UNKNOWN, address=ANNE)
    site = Site(database, KEYS, PUBLIC_URL, relay_configured=True, metrics_token=TOKEN)
    async with _client(site) as client:
        refused = await client.get("/metrics", headers={"authorization": "Bearer other"})
        answer = await client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert refused.status_code == 401
    line = 'digest_feedback_total{effect="suppressed",kind="bounce",source="mail"} 1.0'
    assert line in answer.text
    assert "digest_suppressed_readers 1.0" in answer.text
    assert "@" not in answer.text
    async with _client(replace(site, metrics_token="")) as client:
        assert (await client.get("/metrics")).status_code == 404


def _client(site: Site) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(create_app(site))
    return httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL)
