"""A reader's own pages: what they change, and that a link of somebody else's changes nothing."""

from __future__ import annotations

import itertools
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from digest.mail.tokens import TokenKind
from digest.rules.subscription import SubscriptionState
from digest.store.newsletters import set_newsletter
from digest.store.schema import consent_events, notices, passes, subscribers, subscriptions
from digest.store.session import Database
from digest.store.subscribers import get_subscription
from tests.build import PUBLIC_URL
from tests.web.conftest import Installation

CHANGES: tuple[tuple[str, dict[str, str]], ...] = (
    ("choice", {"cadence": "monthly", "name": "Mallory"}),
    ("pause", {"weeks": "4"}),
    ("resume", {}),
    ("address", {"email": "mallory@example.net"}),
    ("data", {}),
)


def page_of(installation: Installation, subscription_id: int) -> str:
    return f"/p/{installation.site.keys.sign(TokenKind.PREFERENCES, subscription_id)}"


async def rows(db: Database) -> list[Any]:
    """All that these pages could change."""
    tables = (subscribers, subscriptions, consent_events, notices, passes)
    async with db.read() as session:
        return [list((await session.execute(select(t).order_by(t.c.id))).all()) for t in tables]


async def last_link(db: Database, kind: str) -> str:
    """Where the link in the last notice of ``kind`` leads."""
    async with db.read() as session:
        query = select(notices.c.params).where(notices.c.kind == kind)
        params = (await session.execute(query.order_by(notices.c.id.desc()))).scalars().first()
    assert params is not None
    return str(params["url"]).removeprefix(PUBLIC_URL)


async def test_a_reader_chooses_and_is_told_that_it_is_saved(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    db, path = installation.site.db, page_of(installation, installation.anne)
    async with db.begin() as session:
        sections = {"sections": ["Industry", "Code"]}
        await set_newsletter(session, installation.newsletter.id, settings=sections)
    form = {"section": ["Code"], "cadence": "monthly", "name": "Anne"}
    answer = await client.post(f"{path}/choice", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?done=saved")
    text = (await client.get(answer.headers["location"])).text
    assert "Saved." in text
    assert 'value="Code" checked' in text
    assert 'value="Industry" checked' not in text
    assert 'value="monthly" checked' in text
    async with db.read() as session:
        mine = await get_subscription(session, installation.anne)
    assert mine is not None
    assert mine.muted == ["Industry"]


async def test_a_reader_pauses_and_comes_back(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    path = page_of(installation, installation.anne)
    await client.post(f"{path}/pause", data={"weeks": "2"})
    assert "Nothing is sent to you until" in (await client.get(path)).text
    await client.post(f"{path}/resume")
    assert "Get it again now" not in (await client.get(path)).text
    for weeks in ("", "0", "3", "99999", "-1", "x", "٤"):
        assert (await client.post(f"{path}/pause", data={"weeks": weeks})).status_code == 400


async def test_a_change_needs_the_token_of_that_very_subscription(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    """IDOR: every other token, of every other kind, by every method."""
    keys, db = installation.site.keys, installation.site.db
    before = await rows(db)
    wrong = [keys.sign(kind, installation.anne) for kind in TokenKind if kind.name not in _FINE]
    wrong += ["", "x", "a" * 40, page_of(installation, installation.anne)[3:-1]]
    for token, (change, form) in itertools.product(wrong, CHANGES):
        answer = await client.post(f"/p/{token}/{change}", data=form)
        assert answer.status_code == 404, (token, change)
    own = page_of(installation, installation.anne)
    for method, (change, form) in itertools.product(("GET", "HEAD", "PUT", "DELETE"), CHANGES):
        answer = await client.request(method, f"{own}/{change}", data=form)
        assert answer.status_code == 405, (method, change)
    assert await rows(db) == before


_FINE = ("PREFERENCES", "TEST")


async def test_a_test_messages_page_changes_nothing(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    before = await rows(installation.site.db)
    token = installation.site.keys.sign(TokenKind.TEST, installation.anne)
    for change, form in CHANGES:
        answer = await client.post(f"/p/{token}/{change}", data=form)
        assert answer.headers["location"] == f"/p/{token}?done=test"
    assert "nothing has changed" in (await client.get(f"/p/{token}?done=test")).text
    assert await rows(installation.site.db) == before


async def test_an_address_moves_by_the_button_behind_the_link(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    db, path = installation.site.db, page_of(installation, installation.anne)
    answers = [
        await client.post(f"{path}/address", data={"email": f"{name}@example.org"})
        for name in ("new", "bart", "nobody")
    ]
    assert len({(answer.content, answer.headers["location"]) for answer in answers}) == 1
    await client.post(f"{path}/address", data={"email": "anne@example.com"})
    link = await last_link(db, "address_change")
    before = await rows(db)
    for _ in range(20):
        assert (await client.get(link)).status_code == 200
    assert await rows(db) == before


async def test_ones_data_is_behind_a_link_that_was_mailed(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    db, path = installation.site.db, page_of(installation, installation.anne)
    assert "anne@example.org" not in (await client.get(path)).text
    await client.post(f"{path}/data")
    link = await last_link(db, "data_link")
    assert "anne@example.org" in (await client.get(link)).text
    copy = await client.post(f"{link}/export")
    assert copy.json()["address"] == "anne@example.org"
    assert "attachment" in copy.headers["content-disposition"]
    assert copy.headers["cache-control"] == "no-store"
    assert (await client.post(f"{link}/erase")).status_code == 400
    erased = await client.post(f"{link}/erase", data={"sure": "yes"})
    assert "You are erased" in erased.text
    assert (await client.get(link)).status_code == 410
    assert "You are not subscribed" in (await client.get(path)).text


async def test_who_has_just_left_can_undo_it_and_nobody_else(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    site = installation.site
    path = f"/u/{installation.leave_token(installation.anne)}"
    left = await client.post(path, data={"List-Unsubscribe": "One-Click"})
    stamp = left.text.split('name="stamp" value="')[1][:40]
    other = f"/u/{installation.leave_token(installation.bart)}"
    await client.post(other, data={"List-Unsubscribe": "One-Click"})
    forged = stamp[:-1] + ("b" if stamp.endswith("a") else "a")
    for wrong in ("", "x", installation.leave_token(installation.anne), forged):
        assert (await client.post(f"{path}/undo", data={"stamp": wrong})).status_code == 410
    assert (await client.post(f"{other}/undo", data={"stamp": stamp})).status_code == 410
    assert installation.anne in site.leavers
    back = await client.post(f"{path}/undo", data={"stamp": stamp})
    assert "You are subscribed again" in back.text
    assert installation.anne not in site.leavers
    async with site.db.read() as session:
        anne = await get_subscription(session, installation.anne)
        bart = await get_subscription(session, installation.bart)
    assert anne is not None
    assert bart is not None
    assert (anne.state, bart.state) == (SubscriptionState.ACTIVE, SubscriptionState.ENDED)


@pytest.mark.parametrize("payload", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
async def test_a_name_is_text_and_nothing_else(
    installation: Installation, client: httpx2.AsyncClient, payload: str
) -> None:
    path = page_of(installation, installation.anne)
    await client.post(f"{path}/choice", data={"name": payload, "cadence": "every"})
    text = (await client.get(f"{path}?done={payload}")).text
    assert payload not in text
