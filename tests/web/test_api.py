"""The API as programs use it: what it says, what it changes, and how it says no."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from digest.audience.own_data import erase_reader
from digest.mail.tokens import KeyRing
from digest.rules.subscription import SubscriptionState, SuppressionReason
from digest.store.api_keys import revoke_key
from digest.store.engines import parse_place
from digest.store.schema import consent_events, notices, signups, subscribers, subscriptions
from digest.store.session import Database
from digest.store.suppressions import suppress
from digest.web.app import create_app
from digest.web.site import Site
from tests.build import NOW, PUBLIC_URL, a_newsletter, a_reader
from tests.web.api import BASE, Program, a_key
from tests.web.conftest import Installation

PROBLEM = "application/problem+json"


@pytest.fixture
async def program(installation: Installation, client: httpx2.AsyncClient) -> Program:
    _, key = await a_key(installation.site)
    return Program(client, key)


async def everything(db: Database) -> list[Any]:
    """All that a call could have changed."""
    tables = (subscribers, subscriptions, consent_events, notices, signups)
    async with db.read() as session:
        return [
            row
            for table in tables
            for row in await session.execute(select(table).order_by(table.c.id))
        ]


async def test_newsletters_are_listed_and_shown(program: Program) -> None:
    [listed] = (await program.get("/newsletters")).json()["items"]
    shown = (await program.get("/newsletters/weekly")).json()
    assert listed == shown
    assert shown["name"] == "A Weekly"
    assert "postal_address" not in shown
    assert (await program.get("/newsletters/none")).status_code == 404


async def test_readers_come_page_by_page_in_one_order(
    installation: Installation, program: Program
) -> None:
    db, weekly = installation.site.db, installation.newsletter
    daily = await a_newsletter(db, "daily")
    for number in range(5):
        await a_reader(db, daily, f"reader{number}")
    await a_reader(db, daily, "Anne")
    pages = await program.pages("/readers", limit=3)
    assert [len(page) for page in pages] == [3, 3, 1]
    numbers = [one["reader"] for page in pages for one in page]
    assert numbers == sorted(set(numbers))
    [anne, bart] = (await program.get("/readers", newsletter=weekly.slug)).json()["items"]
    assert [one["newsletter"] for one in anne["subscriptions"]] == ["daily", "weekly"]
    assert bart["address"] == "bart@example.org"
    assert (await program.get("/readers", newsletter="none")).status_code == 404


async def test_a_reader_who_comes_or_goes_hides_nobody_on_the_next_page(
    installation: Installation, program: Program
) -> None:
    db, weekly = installation.site.db, installation.newsletter
    for number in range(4):
        await a_reader(db, weekly, f"reader{number}")
    first = (await program.get("/readers", limit=3)).json()
    await erase_reader(db, first["items"][0]["reader"], clock=installation.site.clock)
    await a_reader(db, weekly, "late")
    rest = (await program.get("/readers", limit=9, after=first["next"])).json()
    assert [one["address"].partition("@")[0] for one in rest["items"]] == [
        *("reader1", "reader2", "reader3", "late")
    ]
    assert rest["next"] is None


async def test_readers_are_filtered_by_the_state_of_a_subscription(
    installation: Installation, program: Program
) -> None:
    db, weekly = installation.site.db, installation.newsletter
    daily = await a_newsletter(db, "daily")
    await a_reader(db, daily, "Anne", state=SubscriptionState.PENDING)
    await a_reader(db, weekly, "Cris", state=SubscriptionState.PENDING)

    async def named(**query: str) -> list[str]:
        items = (await program.get("/readers", **query)).json()["items"]
        return [one["name"] for one in items]

    assert await named(state="pending") == ["Anne", "Cris"]
    assert await named(state="pending", newsletter="weekly") == ["Cris"]
    assert await named(state="active", newsletter="daily") == []
    assert await named(state="ended") == []


async def test_readers_are_tagged_described_and_found_by_their_tags(
    installation: Installation, program: Program
) -> None:
    anne = f"/subscriptions/{installation.anne}"
    tagged = await program.patch(anne, {"tags": ["team", " beta  testers ", "team"]})
    assert tagged.json()["tags"] == ["beta testers", "team"]
    assert [len(page) for page in await program.pages("/readers", tag="team")] == [1]
    both = {"newsletter": "weekly", "tag": "beta testers", "state": "active"}
    found = (await program.get("/readers", **both)).json()["items"]
    assert [one["address"] for one in found] == ["anne@example.org"]
    assert (await program.get("/readers", **{**both, "state": "ended"})).json()["items"] == []
    assert (await program.patch(anne, {"tags": ["team"]})).json()["tags"] == ["team"]
    assert (await program.patch(anne, {"cadence": "monthly"})).json()["tags"] == ["team"]
    reader = f"/readers/{found[0]['reader']}"
    given = {"attributes": {"city": "Ghent", "seats": 3, "trial": True}}
    assert (await program.patch(reader, given)).json()["attributes"] == given["attributes"]
    changed = (
        await program.patch(reader, {"attributes": {"seats": None, "city": "Bruges"}})
    ).json()
    assert changed["attributes"] == {"city": "Bruges", "trial": True}
    assert (changed["name"], changed["subscriptions"][0]["tags"]) == ("Anne", ["team"])


async def test_a_reader_is_found_by_address_and_renamed(program: Program) -> None:
    found = (await program.post("/readers/find", {"address": "ANNE@example.org"})).json()
    renamed = await program.patch(f"/readers/{found['reader']}", {"name": "  Anne\tMarie "})
    assert renamed.json()["name"] == "Anne Marie"
    assert (await program.get(f"/readers/{found['reader']}")).json() == renamed.json()
    assert (await program.post("/readers/find", {"address": "x@example.org"})).status_code == 404
    refused = await program.post("/readers/find", {"address": "nothing"})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/address"


async def test_who_was_erased_is_not_there_any_more(
    installation: Installation, program: Program
) -> None:
    found = (await program.post("/readers/find", {"address": "anne@example.org"})).json()
    await erase_reader(installation.site.db, found["reader"], clock=installation.site.clock)
    assert (await program.get(f"/readers/{found['reader']}")).status_code == 404
    assert (await program.patch(f"/readers/{found['reader']}", {"name": "x"})).status_code == 404
    listed = (await program.get("/readers")).text
    assert "Bart" in listed
    assert "erased" not in listed


async def test_sections_and_cadence_are_chosen_on_a_readers_behalf(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    site = installation.site
    newsletter = await a_newsletter(site.db, "daily", settings={"sections": ["Jobs", "Code"]})
    anne = await a_reader(site.db, newsletter, "Anne")
    number, key = await a_key(site, ["readers:write", "readers:read"])
    program, path = Program(client, key), f"/subscriptions/{anne.subscription_id}"
    assert (await program.patch(path, {"muted": ["Jobs", "Jobs"]})).json()["muted"] == ["Jobs"]
    changed = (await program.patch(path, {"cadence": "monthly"})).json()
    assert (changed["muted"], changed["cadence"]) == (["Jobs"], "monthly")
    assert (await program.get(path)).json() == changed
    assert (await program.patch(path, {})).json() == changed
    unknown = await program.patch(path, {"muted": ["News"]})
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (422, "/muted")
    events = (await program.get(f"{path}/consent")).json()["items"]
    assert [one["kind"] for one in events] == ["added", "preferences", "preferences"]
    assert events[-1]["source"] == f"api key {number}"
    assert events[-1]["detail"] == {"muted": ["Jobs"], "cadence": "monthly"}


async def test_consent_events_come_page_by_page(
    installation: Installation, program: Program
) -> None:
    path = f"/subscriptions/{installation.anne}"
    for cadence in ("monthly", "every", "monthly"):
        await program.patch(path, {"cadence": cadence})
    pages = await program.pages(f"{path}/consent", limit=2)
    assert [[one["kind"] for one in page] for page in pages] == [
        ["added", "preferences"],
        ["preferences", "preferences"],
    ]


async def test_a_subscription_is_ended_once_and_for_all(
    installation: Installation, program: Program
) -> None:
    path = f"/subscriptions/{installation.anne}"
    for _ in range(2):
        ended = await program.post(f"{path}/leave")
        assert (ended.status_code, ended.json()["state"]) == (200, "ended")
    assert installation.anne in installation.site.leavers
    events = (await program.get(f"{path}/consent")).json()["items"]
    assert [one["kind"] for one in events] == ["added", "left"]


async def test_a_sign_up_takes_the_way_of_the_form(
    installation: Installation, program: Program
) -> None:
    """One answer for everybody, a mail that asks, and nobody subscribed by it."""
    site = installation.site
    async with site.db.begin() as session:
        reason = SuppressionReason.COMPLAINED
        await suppress(session, "angry@example.org", reason=reason, now=NOW)
    answers = set()
    for name in ("new", "anne", "angry", "new"):
        body = {"address": f"{name}@example.org", "ip": "192.0.2.7"}
        answer = await program.post("/newsletters/weekly/signups", body)
        answers.add((answer.status_code, answer.content, tuple(sorted(answer.headers.items()))))
    assert len(answers) == 1
    assert answers.pop()[0] == 202
    await site.desk.settled()
    async with site.db.read() as session:
        mails = (await session.execute(select(notices.c.kind).order_by(notices.c.id))).scalars()
        assert sorted(mails) == ["already_subscribed", "confirmation"]
        asked = (await session.execute(select(signups.c.net, signups.c.source).distinct())).all()
        assert asked == [("192.0.2.0/24", "api")]
    found = (await program.post("/readers/find", {"address": "new@example.org"})).json()
    assert [one["state"] for one in found["subscriptions"]] == ["pending"]


async def test_sign_ups_by_one_key_share_the_cap_of_one_network(
    installation: Installation, program: Program
) -> None:
    site = installation.site
    for number in range(site.limits.per_net + 3):
        # Providers of their own, so that no other cap is met.
        body = {"address": f"cris@domain{number}.example.org"}
        assert (await program.post("/newsletters/weekly/signups", body)).status_code == 202
    await site.desk.settled()
    async with site.db.read() as session:
        mails = (await session.execute(select(notices.c.id))).all()
    assert len(mails) == site.limits.per_net


async def test_suppressions_say_why_and_not_who(
    installation: Installation, program: Program
) -> None:
    async with installation.site.db.begin() as session:
        for name, reason in (("angry", "complained"), ("gone", "bounced")):
            await suppress(
                session, f"{name}@example.org", reason=SuppressionReason(reason), now=NOW
            )
    pages = await program.pages("/suppressions", limit=1)
    assert [one["reason"] for page in pages for one in page] == ["complained", "bounced"]
    assert "hash" not in str(pages)
    for name, reasons in (("gone", ["bounced"]), ("anne", [])):
        found = await program.post("/suppressions/find", {"address": f"{name}@example.org"})
        assert [one["reason"] for one in found.json()["items"]] == reasons
    assert len((await program.get("/suppressions", newsletter="weekly")).json()["items"]) == 2


WRONG: tuple[tuple[str, str, Any, int], ...] = (
    ("POST", "/readers/find", {"address": "anne@example.org", "name": "x"}, 422),
    ("POST", "/readers/find", {"address": ["anne@example.org"]}, 422),
    ("POST", "/readers/find", {"address": None}, 422),
    ("POST", "/readers/find", {}, 422),
    ("POST", "/readers/find", [], 422),
    ("POST", "/readers/find", "anne@example.org", 422),
    ("POST", "/readers/find", {"address": "a\x00b@example.org"}, 422),
    ("POST", "/readers/find", {"address": "anne@example.org\r\nBcc: bart@example.org"}, 422),
    ("PATCH", "/readers/1", {"name": "x" * 201}, 422),
    ("PATCH", "/readers/1", {"name": "x", "address": "cris@example.org"}, 422),
    ("PATCH", "/readers/1", {"name": 7}, 422),
    ("PATCH", "/subscriptions/1", {"state": "active"}, 422),
    ("PATCH", "/subscriptions/1", {"cadence": "daily"}, 422),
    ("PATCH", "/subscriptions/1", {"muted": "Jobs"}, 422),
    ("PATCH", "/subscriptions/1", {"muted": [""] * 101}, 422),
    ("PATCH", "/subscriptions/1", {"tags": "team"}, 422),
    ("PATCH", "/subscriptions/1", {"tags": [f"{n}" for n in range(51)]}, 422),
    ("PATCH", "/readers/1", {"attributes": {"a": ["b"]}}, 422),
    ("PATCH", "/readers/1", {"attributes": {"": "b"}}, 422),
    ("GET", "/readers?tag=", None, 422),
    ("PATCH", "/subscriptions/9223372036854775808", {}, 404),
    ("PATCH", "/subscriptions/0", {}, 404),
    ("PATCH", "/subscriptions/-1", {}, 404),
    ("POST", "/newsletters/weekly/signups", {"address": "cris@mailinator.com"}, 422),
    ("POST", "/newsletters/weekly/signups", {"address": "c@example.org", "ip": "1.2.3"}, 422),
    ("POST", "/newsletters/none/signups", {"address": "cris@example.org"}, 404),
    ("GET", "/readers?limit=0", None, 422),
    ("GET", "/readers?limit=501", None, 422),
    ("GET", "/readers?limit=1_0", None, 422),
    ("GET", "/readers?limit=%2B1", None, 422),
    ("GET", "/readers?after=-1", None, 422),
    ("GET", "/readers?after=99999999999999999999", None, 422),
    ("GET", "/readers?state=Active", None, 422),
    ("GET", "/readers?state=active&state=ended", None, 422),
    ("GET", "/readers?newsletter=weekly'--", None, 422),
    ("GET", "/readers?sort=address_key", None, 422),
    ("GET", "/suppressions?address_hash=0", None, 422),
    ("GET", "/newsletters?fields=*", None, 422),
    ("GET", "/nothing", None, 404),
    ("GET", "/readers/", None, 404),
    ("GET", "/readers/1%2F..%2F2", None, 404),
    ("DELETE", "/readers/1", None, 405),
    ("GET", "/readers/find", None, 405),
    ("OPTIONS", "/readers", None, 405),
)


async def test_what_cannot_be_used_is_a_problem_and_changes_nothing(
    installation: Installation, program: Program
) -> None:
    before = await everything(installation.site.db)
    for method, path, body, status in WRONG:
        case = f"{method} {path} {body}"[:80]
        sent = {"json": body} if body is not None else {}
        answer = await program.client.request(method, BASE + path, headers=program.headers, **sent)
        assert answer.status_code == status, case
        assert answer.headers["content-type"] == PROBLEM, case
        assert answer.json()["status"] == status, case
    assert await everything(installation.site.db) == before


async def test_a_body_is_small_json_and_nothing_else(program: Program) -> None:
    path = f"{BASE}/readers/find"
    for content, kind, status in (
        (b'{"address": "anne@example.org"}', "application/json", 200),
        (b'{"address": "anne@example.org"}', "Application/JSON; charset=utf-8", 200),
        (b'{"address": "anne@example.org"}', "text/plain", 415),
        (b"address=anne%40example.org", "application/x-www-form-urlencoded", 415),
        (b'{"address": "anne@example.org"}', "", 415),
        (b"", "application/json", 400),
        (b"{'address'}", "application/json", 400),
        (b'{"address": "\\ud800"}', "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b'{"address": NaN}', "application/json", 422),
        (b"x" * 70_000, "application/json", 413),
    ):
        headers = program.headers | ({"content-type": kind} if kind else {})
        answer = await program.client.post(path, content=content, headers=headers)
        assert answer.status_code == status, (content[:40], kind)
        if status != 200:
            assert answer.headers["content-type"] == PROBLEM


async def test_a_405_names_every_method_there_is(program: Program) -> None:
    answer = await program.client.put(f"{BASE}/readers/1", headers=program.headers)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].replace(" ", "").split(",")) == {"GET", "HEAD", "PATCH"}


async def test_a_key_that_calls_too_often_waits(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    site = installation.site
    slow = Site(site.db, site.keys, PUBLIC_URL, relay_configured=True, api_per_minute=3)
    transport = httpx2.ASGITransport(create_app(slow))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as opened:
        one, other = [Program(opened, (await a_key(site))[1]) for _ in range(2)]
        statuses = [(await one.get("/newsletters")).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        late = await one.get("/newsletters")
        assert (late.headers["retry-after"], late.headers["content-type"]) == ("60", PROBLEM)
        assert (await other.get("/newsletters")).status_code == 200


async def test_a_network_that_guesses_keys_is_shut_out(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    guess = Program(client, f"dgk_1_{'x' * 43}")
    statuses = [(await guess.get("/newsletters")).status_code for _ in range(102)]
    assert statuses == [401] * 100 + [429] * 2


async def test_every_bad_key_gets_the_same_answer(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    site = installation.site
    number, revoked = await a_key(site)
    _, expired = await a_key(site, expired=True)
    async with site.db.begin() as session:
        await revoke_key(session, number, site.clock.now())
    answers = set()
    for shown in (f"Bearer {revoked}", f"Bearer {expired}", "Bearer x", "Basic x", "", revoked):
        headers = {"authorization": shown} if shown else {}
        answer = await client.get(f"{BASE}/readers", headers=headers)
        answers.add((answer.status_code, answer.content, tuple(sorted(answer.headers.items()))))
    assert len(answers) == 1
    status, _, headers_seen = answers.pop()
    assert status == 401
    assert ("www-authenticate", 'Bearer realm="digest"') in headers_seen


async def test_the_api_sets_no_cookie_and_lets_no_other_site_read_it(program: Program) -> None:
    for path in ("/newsletters", "/openapi.json", "/nothing"):
        answer = await program.client.get(
            BASE + path, headers=program.headers | {"origin": "https://evil.example"}
        )
        assert not {name for name in answer.headers if name.startswith("access-control")}
        assert "set-cookie" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"


async def test_the_open_door_of_the_sign_up_says_no_so_that_any_site_can_read_it(
    client: httpx2.AsyncClient,
) -> None:
    path = "/n/weekly/subscribe.json"
    answers = [
        await client.post(path, content=b"{"),
        await client.post(path, content=b"x" * 70_000),
        await client.put(path),
        await client.get("/n/none/subscribe.json"),
        *[await client.post(path, json={"email": "x"}) for _ in range(61)][-1:],
    ]
    assert [answer.status_code for answer in answers] == [400, 413, 405, 404, 429]
    for answer in answers:
        assert answer.headers["content-type"] == PROBLEM
        assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_database_that_is_away_is_a_503_to_programs_too(
    tmp_path: Path, keys: KeyRing
) -> None:
    """Never a 200, never a page: the program asks again."""
    gone = Database(parse_place(f"sqlite:///{tmp_path / 'gone' / 'digest.db'}"))
    app = create_app(Site(gone, keys, PUBLIC_URL, relay_configured=True))
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as opened:
        program = Program(opened, f"dgk_1_{'x' * 43}")
        for answer in (await program.get("/readers"), await program.post("/subscriptions/1/leave")):
            assert answer.status_code == 503
            assert answer.headers["content-type"] == PROBLEM
            assert int(answer.headers["retry-after"]) > 0
    await gone.close()
