"""The pages behind a mail's links: RFC 8058's one-click POST, and everything that must not act."""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator

import httpx2
import pytest
from sqlalchemy import func, select

from digest.mail.tokens import KeyRing, TokenKind
from digest.rules.delivery import DeliveryState
from digest.rules.subscription import SubscriptionState
from digest.store.engines import parse_place
from digest.store.schema import consent_events, deliveries, subscriptions
from digest.store.session import Database
from digest.web.app import Site, create_app
from digest.web.public import is_one_click
from tests.build import PUBLIC_URL, a_reader
from tests.web.conftest import Installation

ONE_CLICK = b"List-Unsubscribe=One-Click"
URLENCODED = {"content-type": "application/x-www-form-urlencoded"}
MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'
)
MULTIPART_TYPE = {"content-type": "multipart/form-data; boundary=b"}


async def state_of(db: Database, subscription_id: int) -> SubscriptionState:
    async with db.read() as session:
        query = select(subscriptions.c.state).where(subscriptions.c.id == subscription_id)
        state: SubscriptionState = (await session.execute(query)).scalar_one()
        return state


async def everything(db: Database) -> list[object]:
    """All that a page could have changed."""
    async with db.read() as session:
        rows: list[object] = []
        for table in (subscriptions, consent_events, deliveries):
            rows += (await session.execute(select(table).order_by(table.c.id))).all()
        return rows


ACCEPTED: tuple[tuple[dict[str, str], bytes], ...] = (
    (URLENCODED, ONE_CLICK),
    (URLENCODED, ONE_CLICK + b"\r\n"),
    ({"content-type": "application/x-www-form-urlencoded; charset=UTF-8"}, ONE_CLICK),
    ({}, ONE_CLICK),
    (MULTIPART_TYPE, MULTIPART),
    ({"content-type": 'Multipart/Form-Data; boundary="b"'}, MULTIPART),
    (URLENCODED | {"origin": "https://evil.example"}, ONE_CLICK),
    (URLENCODED | {"sec-fetch-site": "cross-site", "cookie": "a=b"}, ONE_CLICK),
)


async def test_a_one_click_post_leaves(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    """In either form, from anywhere, without a cookie; and only who the token names."""
    db = installation.site.db
    for number, (headers, body) in enumerate(ACCEPTED):
        reader = await a_reader(db, installation.newsletter, f"reader{number}")
        path = f"/u/{installation.leave_token(reader.subscription_id)}"
        answer = await client.post(path, content=body, headers=headers)
        assert answer.status_code == 200, headers
        assert "location" not in answer.headers
        assert "set-cookie" not in answer.headers
        assert len(answer.content) < 2_000
        assert await state_of(db, reader.subscription_id) is SubscriptionState.ENDED, headers
        assert reader.subscription_id in installation.site.leavers
    assert await state_of(db, installation.bart) is SubscriptionState.ACTIVE


async def test_leaving_takes_back_what_has_not_begun(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    path = f"/u/{installation.leave_token(installation.anne)}"
    await client.post(path, content=ONE_CLICK, headers=URLENCODED)
    async with installation.site.db.read() as session:
        states = await session.execute(select(deliveries.c.state).order_by(deliveries.c.id))
        assert list(states.scalars()) == [DeliveryState.CANCELLED, DeliveryState.QUEUED]


async def test_fifty_posts_at_once_are_all_answered_and_recorded_once(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    path = f"/u/{installation.leave_token(installation.anne)}"
    posts = (client.post(path, content=ONE_CLICK, headers=URLENCODED) for _ in range(50))
    answers = await asyncio.gather(*posts)
    assert {answer.status_code for answer in answers} == {200}
    async with installation.site.db.read() as session:
        query = select(func.count()).where(consent_events.c.kind == "left")
        assert (await session.execute(query)).scalar_one() == 1


REFUSED: tuple[tuple[dict[str, str], bytes], ...] = (
    (URLENCODED, b""),
    ({}, b""),
    (URLENCODED, b"List-Unsubscribe=Yes"),
    (URLENCODED, b"list-unsubscribe=one-click"),
    (URLENCODED, b"Unsubscribe=One-Click"),
    (URLENCODED, ONE_CLICK + b"&" + ONE_CLICK),
    (URLENCODED, ONE_CLICK + b"&to=everyone"),
    (URLENCODED, b"\xff\xfe"),
    ({"content-type": "application/json"}, b'{"List-Unsubscribe":"One-Click"}'),
    ({"content-type": "application/json"}, ONE_CLICK),
    ({"content-type": "text/plain"}, ONE_CLICK),
    (MULTIPART_TYPE, b""),
    (MULTIPART_TYPE, MULTIPART.replace(b"One-Click", b"No")),
    (MULTIPART_TYPE, MULTIPART.replace(b'"List-', b'"x"; filename="List-')),
    (MULTIPART_TYPE, MULTIPART[:-8]),
    ({"content-type": "multipart/form-data"}, MULTIPART),
    (MULTIPART_TYPE, ONE_CLICK),
)


async def test_a_post_that_says_anything_else_never_acts(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    before = await everything(installation.site.db)
    path = f"/u/{installation.leave_token(installation.anne)}"
    for headers, body in REFUSED:
        answer = await client.post(path, content=body, headers=headers)
        assert answer.status_code == 400, (headers, body)
    assert await everything(installation.site.db) == before


async def test_looking_at_the_links_changes_nothing(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    """Mail scanners and browsers that fetch ahead, a hundred times."""
    before = await everything(installation.site.db)
    leave = f"/u/{installation.leave_token(installation.anne)}"
    keys = installation.site.keys
    preferences = f"/p/{keys.sign(TokenKind.PREFERENCES, installation.anne)}"
    ahead: tuple[dict[str, str], ...] = ({}, {"purpose": "prefetch"}, {"sec-purpose": "prefetch"})
    for _, headers in itertools.product(range(8), ahead):
        for method in ("GET", "HEAD", "OPTIONS"):
            assert (await client.request(method, leave, headers=headers)).status_code == 200
        for method in ("GET", "HEAD"):
            assert (await client.request(method, preferences, headers=headers)).status_code == 200
    assert await everything(installation.site.db) == before


async def test_the_page_has_a_button_that_posts_the_same(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    path = f"/u/{installation.leave_token(installation.anne)}"
    text = (await client.get(path)).text
    assert f'<form method="post" action="{path}?lang=en">' in text
    assert 'name="List-Unsubscribe" value="One-Click"' in text
    assert "A Weekly" in text
    assert "anne@example.org" not in text


async def test_other_methods_are_refused(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    path = f"/u/{installation.leave_token(installation.anne)}"
    for method in ("PUT", "DELETE", "PATCH"):
        answer = await client.request(method, path)
        assert answer.status_code == 405
        assert "POST" in answer.headers["allow"]


def wrong_tokens(keys: KeyRing, subscription_id: int) -> list[str]:
    """Every way a token can be wrong for leaving."""
    right = keys.sign(TokenKind.LEAVE, subscription_id)
    flipped = [
        right[:at] + ("a" if right[at] != "a" else "b") + right[at + 1 :] for at in range(40)
    ]
    others = [
        keys.sign(kind, subscription_id)
        for kind in (TokenKind.DELIVERY, TokenKind.NOTICE, TokenKind.PREFERENCES)
    ]
    foreign = KeyRing("another key that is long enough, too").sign(TokenKind.LEAVE, subscription_id)
    raw = base64.b32decode(right.upper())
    next_one = base64.b32encode(raw[:8] + bytes([raw[8] + 1]) + raw[9:]).decode().lower()
    odd = [
        "",
        "x",
        right[:-1],
        right + "a",
        right + "=",
        "%00",
        "%2e%2e%2f",
        "é" * 40,
        "0" * 40,
        "1" * 4000,
    ]
    return [*flipped, *others, foreign, next_one, *odd]


async def test_every_wrong_token_gets_the_same_answer_and_does_nothing(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    before = await everything(installation.site.db)
    tokens = wrong_tokens(installation.site.keys, installation.anne)
    seen = set()
    for token, method in itertools.product(tokens, ("GET", "POST")):
        body = ONE_CLICK if method == "POST" else b""
        answer = await client.request(method, f"/u/{token}", content=body, headers=URLENCODED)
        assert answer.status_code == 404, token
        seen.add((answer.content, tuple(sorted(answer.headers.items()))))
    assert len(seen) == 1
    assert await everything(installation.site.db) == before


async def test_a_leave_token_opens_no_preferences(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    answer = await client.get(f"/p/{installation.leave_token(installation.anne)}")
    assert answer.status_code == 404


async def test_a_token_works_in_upper_case(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    path = f"/u/{installation.leave_token(installation.anne).upper()}"
    assert (await client.post(path, content=ONE_CLICK, headers=URLENCODED)).status_code == 200
    assert await state_of(installation.site.db, installation.anne) is SubscriptionState.ENDED


async def test_who_left_is_told_so_without_a_name(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    """Left, or erased: the id is nobody's any more."""
    left = f"/u/{installation.leave_token(installation.anne)}"
    await client.post(left, content=ONE_CLICK, headers=URLENCODED)
    erased = f"/u/{installation.leave_token(4711)}"
    answers = [
        await client.get(left),
        await client.get(erased),
        await client.post(left, content=ONE_CLICK, headers=URLENCODED),
        await client.post(erased, content=ONE_CLICK, headers=URLENCODED),
    ]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert "You are not subscribed" in answers[0].text
    assert "anne" not in answers[0].text.lower()


async def test_the_links_of_a_test_message_are_real_pages_that_change_nothing(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    before = await everything(installation.site.db)
    token = installation.site.keys.sign(TokenKind.TEST, installation.anne)
    assert "Unsubscribe" in (await client.get(f"/u/{token}")).text
    assert f'action="/u/{token}?lang=en"' in (await client.get(f"/p/{token}")).text
    answer = await client.post(f"/u/{token}", content=ONE_CLICK, headers=URLENCODED)
    assert answer.status_code == 200
    assert "nothing has changed" in answer.text
    assert await everything(installation.site.db) == before


async def test_preferences_show_the_subscription_and_the_way_out(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    path = f"/p/{installation.site.keys.sign(TokenKind.PREFERENCES, installation.anne)}"
    text = (await client.get(path)).text
    assert "A Weekly" in text
    assert f'action="/u/{installation.leave_token(installation.anne)}?lang=en"' in text
    assert "anne@example.org" not in text
    assert (await client.post(path, content=ONE_CLICK, headers=URLENCODED)).status_code == 405
    leave = f"/u/{installation.leave_token(installation.anne)}"
    await client.post(leave, content=ONE_CLICK, headers=URLENCODED)
    assert "You are not subscribed" in (await client.get(path)).text


async def test_nothing_of_a_readers_page_is_kept_or_passed_on(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    token = installation.leave_token(installation.anne)
    answers = [
        await client.get(f"/u/{token}"),
        await client.get(f"/p/{installation.site.keys.sign(TokenKind.PREFERENCES, 1)}"),
        await client.post(f"/u/{token}", content=ONE_CLICK, headers=URLENCODED),
    ]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "noindex" in answer.headers["x-robots-tag"]
        assert "http" not in answer.text.replace("https://www.w3.org", "")


async def test_a_huge_body_is_refused_and_does_nothing(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield ONE_CLICK
        yield b"&x=" + b"x" * 100_000

    before = await everything(installation.site.db)
    path = f"/u/{installation.leave_token(installation.anne)}"
    announced = await client.post(path, content=b"x" * 100_000, headers=URLENCODED)
    streamed = await client.post(path, content=chunks(), headers=URLENCODED)
    assert announced.status_code == streamed.status_code == 413
    assert await everything(installation.site.db) == before


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all.db", "postgresql://127.0.0.1:1/none"])
async def test_without_a_database_nobody_is_told_they_left(keys: KeyRing, url: str) -> None:
    async with Database(parse_place(url)) as db:
        app = create_app(Site(db, keys, PUBLIC_URL, relay_configured=True))
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
            path = f"/u/{keys.sign(TokenKind.LEAVE, 1)}"
            answers = [
                await client.post(path, content=ONE_CLICK, headers=URLENCODED),
                await client.get(path),
                await client.get("/"),
            ]
    for answer in answers:
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["cache-control"] == "no-store"


def test_a_content_type_cannot_bring_a_header_into_the_parser() -> None:
    assert not is_one_click("multipart/form-data; boundary=b\r\nX: y", MULTIPART)
    assert not is_one_click("multipart/form-data; boundary=é", MULTIPART)
