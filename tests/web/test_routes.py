"""Every route × every method × everybody who might ask: who may do what, and that nobody else may.

The rows come from the application itself: a route that is new has no entry, and fails here until
somebody has said who it is for.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Any

import httpx2
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from digest.access.api_keys import RIGHT_OF, Scope, scopes_of
from digest.cli.main import COMMANDS, build_app
from digest.mail.tokens import KeyRing, TokenKind
from digest.rules.rights import RIGHTS, Right, Role
from digest.store import schema
from digest.store.api_keys import revoke_key
from digest.store.session import Database
from digest.web.api.routes import OPERATIONS
from digest.web.app import site_routes
from digest.web.desk.routes import DOORS
from tests.build import PUBLIC_URL, issue_text
from tests.web.api import ALL, BASE, a_key
from tests.web.conftest import Installation
from tests.web.desk import a_browser, at_the_desk

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
SEEN = "GET HEAD"

# What anyone may ask for; the two that take a POST take a sign-up, which only asks by mail.
PUBLIC = {
    "/healthz": SEEN,
    "/readyz": SEEN,
    "/robots.txt": SEEN,
    "/sitemap.xml": SEEN,
    "/media/{name}": SEEN,
    "/i/{newsletter}/{issue}": SEEN,
    "/n/{newsletter}": SEEN,
    "/n/{newsletter}/archive": SEEN,
    "/n/{newsletter}/asked": SEEN,
    "/n/{newsletter}/embed": SEEN,
    "/n/{newsletter}/feed.atom": SEEN,
    "/n/{newsletter}/feed.json": SEEN,
    "/n/{newsletter}/feed.rss": SEEN,
    "/n/{newsletter}/subscribe": f"{SEEN} POST",
    "/n/{newsletter}/subscribe.json": f"{SEEN} POST OPTIONS",
    "/api/v1/openapi.json": SEEN,
    "/admin": SEEN,  # leads to the desk
    "/desk/sign-in": f"{SEEN} POST",
    **dict.fromkeys(("/desk/sign-in/oidc", "/desk/sign-in/oidc/back"), SEEN),
}
# Where a signed token in the path is the authority, and of which purpose it has to be.
TOKEN = {
    "/u/{token}": (f"{SEEN} POST OPTIONS", TokenKind.LEAVE),
    "/u/{token}/undo": ("POST", TokenKind.LEAVE),
    "/p/{token}": (SEEN, TokenKind.PREFERENCES),
    "/p/{token}/choice": ("POST", TokenKind.PREFERENCES),
    "/p/{token}/pause": ("POST", TokenKind.PREFERENCES),
    "/p/{token}/resume": ("POST", TokenKind.PREFERENCES),
    "/p/{token}/address": ("POST", TokenKind.PREFERENCES),
    "/p/{token}/data": ("POST", TokenKind.PREFERENCES),
}
# The same, for who works on an issue; see tests/web/test_review.py for what they show.
REVIEW = {
    "/links/{token}": (f"{SEEN} POST", TokenKind.BOOKMARKLET),  # tests/web/test_bookmarklet.py
    "/share/{token}": (SEEN, TokenKind.SHARE),
    "/r/{token}": (SEEN, TokenKind.CLICK),  # tests/web/test_clicks.py
    "/clicks/{token}": (SEEN, TokenKind.CLICKS),
    "/approve/{token}": (f"{SEEN} POST", TokenKind.APPROVE),
}
# Where the secret of one mail is, which is kept as a hash and has an end.
SECRET = {
    "/c/{secret}": f"{SEEN} POST",
    "/a/{secret}": f"{SEEN} POST",
    "/d/{secret}": SEEN,
    "/d/{secret}/export": "POST",
    "/d/{secret}/erase": "POST",
    "/desk/welcome/{secret}": f"{SEEN} POST",
}
# What a program may do with which scope.
API = {
    "GET /newsletters": "newsletters:read",
    "GET /newsletters/{newsletter}": "newsletters:read",
    "POST /newsletters/{newsletter}/signups": "signups:write",
    "GET /newsletters/{newsletter}/issues": "issues:read",
    "POST /newsletters/{newsletter}/issues": "issues:write",
    "POST /newsletters/{newsletter}/check": "issues:read",
    "GET /newsletters/{newsletter}/issues/{issue}/source": "issues:read",
    "GET /newsletters/{newsletter}/issues/{issue}/status": "issues:read",
    "GET /newsletters/{newsletter}/issues/{issue}/clicks": "issues:read",
    "POST /newsletters/{newsletter}/issues/{issue}/previews": "issues:read",
    "POST /newsletters/{newsletter}/issues/{issue}/tests": "issues:write",
    "POST /newsletters/{newsletter}/issues/{issue}/approval": "issues:approve",
    "DELETE /newsletters/{newsletter}/issues/{issue}/approval": "issues:approve",
    "PUT /newsletters/{newsletter}/issues/{issue}/schedule": "issues:approve",
    "GET /newsletters/{newsletter}/issues/{issue}/events": "issues:read",
    "GET /newsletters/{newsletter}/issues/{issue}/receipt": "issues:read",
    "GET /newsletters/{newsletter}/issues/{issue}/deliveries": "deliveries:read",
    "POST /newsletters/{newsletter}/issues/{issue}/resend": "deliveries:write",
    "POST /newsletters/{newsletter}/issues/{issue}/start": "issues:steer",
    "POST /newsletters/{newsletter}/issues/{issue}/pause": "issues:steer",
    "POST /newsletters/{newsletter}/issues/{issue}/resume": "issues:steer",
    "POST /newsletters/{newsletter}/issues/{issue}/cancel": "issues:steer",
    "GET /newsletters/{newsletter}/links": "links:read",
    "POST /newsletters/{newsletter}/links": "links:write",
    "PATCH /newsletters/{newsletter}/links": "links:write",
    "GET /readers": "readers:read",
    "POST /readers/find": "readers:read",
    "GET /readers/{reader}": "readers:read",
    "PATCH /readers/{reader}": "readers:write",
    "GET /subscriptions/{subscription}": "readers:read",
    "PATCH /subscriptions/{subscription}": "readers:write",
    "POST /subscriptions/{subscription}/leave": "readers:write",
    "GET /subscriptions/{subscription}/consent": "readers:read",
    "GET /suppressions": "suppressions:read",
    "POST /suppressions/find": "suppressions:read",
}
# What leads to another page: the desk, and the issue that is on its way by now.
OIDC = ("/desk/sign-in/oidc", "/desk/sign-in/oidc/back")  # to the sign-in, where none is set
ELSEWHERE = ("/admin", "/desk/n/{newsletter}/i/{issue}/write", *OIDC)
# What somebody who is signed in may do with which right; "": whoever they are.
DESK = {
    "GET /desk": "look",
    "GET /desk/n/{newsletter}": "look",
    "GET /desk/n/{newsletter}/i/{issue}": "look",
    "GET /desk/n/{newsletter}/i/{issue}/letter/{version}": "look",
    "GET /desk/n/{newsletter}/i/{issue}/events": "look",
    "POST /desk/n/{newsletter}/i/{issue}/test": "write",
    "POST /desk/n/{newsletter}/i/{issue}/approve": "approve",
    "POST /desk/n/{newsletter}/i/{issue}/withdraw": "approve",
    "POST /desk/n/{newsletter}/i/{issue}/time": "approve",
    "POST /desk/n/{newsletter}/i/{issue}/start": "steer",
    "POST /desk/n/{newsletter}/i/{issue}/pause": "steer",
    "POST /desk/n/{newsletter}/i/{issue}/resume": "steer",
    "POST /desk/n/{newsletter}/i/{issue}/cancel": "steer",
    "POST /desk/n/{newsletter}/i/{issue}/resend": "readers-change",
    "GET /desk/n/{newsletter}/write": "write",
    "GET /desk/n/{newsletter}/i/{issue}/write": "write",
    "POST /desk/n/{newsletter}/write": "write",
    "POST /desk/n/{newsletter}/write/look": "write",
    "POST /desk/n/{newsletter}/write/picture": "write",
    "POST /desk/n/{newsletter}/write/letter": "write",
    "GET /desk/n/{newsletter}/settings": "approve",
    "POST /desk/n/{newsletter}/settings": "approve",
    "GET /desk/n/{newsletter}/themes": "approve",
    "POST /desk/n/{newsletter}/themes": "approve",
    "GET /desk/n/{newsletter}/themes/{theme}": "approve",
    "GET /desk/n/{newsletter}/links": "write",
    "POST /desk/n/{newsletter}/links": "write",
    "POST /desk/n/{newsletter}/links/order": "write",
    "POST /desk/n/{newsletter}/links/{link}": "write",
    "GET /desk/n/{newsletter}/i/{issue}/receipt": "look",
    "GET /desk/n/{newsletter}/i/{issue}/receipt/delivery/{delivery}": "readers",
    "GET /desk/n/{newsletter}/i/{issue}/receipt/{state}": "readers",
    "GET /desk/n/{newsletter}/i/{issue}/receipt/{state}/{reason}": "readers",
    "GET /desk/n/{newsletter}/i/{issue}/receipt/after/{what}": "readers",
    "GET /desk/n/{newsletter}/readers": "readers",
    "POST /desk/n/{newsletter}/readers": "readers-change",
    "POST /desk/n/{newsletter}/readers/find": "readers",
    "GET /desk/readers/{reader}": "readers",
    "GET /desk/readers/{reader}/data": "readers",
    "POST /desk/readers/{reader}/change": "readers-change",
    "POST /desk/readers/{reader}/end": "readers-change",
    "POST /desk/readers/{reader}/confirm": "readers-change",
    "POST /desk/readers/{reader}/suppress": "readers-change",
    "POST /desk/readers/{reader}/lift": "readers-change",
    "POST /desk/readers/{reader}/erase": "readers-change",
    "GET /desk/suppressions": "readers",
    "POST /desk/suppressions": "readers-change",
    "POST /desk/suppressions/held": "readers-change",
    "GET /desk/feedback": "readers",
    "POST /desk/feedback/teach": "readers-change",
    "POST /desk/feedback/forget": "readers-change",
    "GET /desk/relays": "system",
    "GET /desk/doctor": "system",
    "POST /desk/doctor": "system",
    "GET /desk/account": "",
    "POST /desk/account/password": "",
    "POST /desk/account/codes": "",
    "POST /desk/account/sessions": "",
    "POST /desk/sign-out": "",
    "GET /desk/people": "people",
    "POST /desk/people": "people",
    "POST /desk/people/{user}/reset": "people",
    "POST /desk/people/{user}/role": "people",
    "POST /desk/people/{user}/oidc": "people",
    "POST /desk/people/{user}/remove": "people",
    "GET /desk/log": "people",
}
_BODIES: dict[str, Any] = {
    "/newsletters/{newsletter}/signups": {"address": "cris@example.org"},
    "/newsletters/{newsletter}/issues": {"text": issue_text(190)},
    "/newsletters/{newsletter}/check": {"text": issue_text(191)},
    "/newsletters/{newsletter}/issues/{issue}/previews": {},
    "/newsletters/{newsletter}/issues/{issue}/tests": {"to": ["edda@example.org"]},
    "/newsletters/{newsletter}/issues/{issue}/approval": {"hash": "0" * 64},
    "/newsletters/{newsletter}/issues/{issue}/schedule": {"at": None},
    "/newsletters/{newsletter}/issues/{issue}/resend": {"missed": True},
    "/newsletters/{newsletter}/issues/{issue}/pause": {},
    "POST /newsletters/{newsletter}/links": {"url": "https://example.org/x", "offline": True},
    "PATCH /newsletters/{newsletter}/links": {"ids": [1], "state": "dropped"},
    "/readers/find": {"address": "anne@example.org"},
    "/readers/{reader}": {"name": "Anna"},
    "/subscriptions/{subscription}": {"cadence": "monthly"},
    "/suppressions/find": {"address": "anne@example.org"},
}
# Where a provider's signature, or a token of the settings, is the authority; see their own tests.
SIGNED = {"/hooks/{provider}": "POST", "/metrics": SEEN}
ONE_CLICK = {"List-Unsubscribe": "One-Click", "confirm": "yes", "sure": "yes"}
UNKNOWN = "x" * 43


TOO_LATE = ("/approval", "/schedule", "/start", "/resend")  # for an issue that is on its way


def entries() -> dict[str, set[str]]:
    """Every path of the tables above, with its methods."""
    found = {path: set(methods.split()) for path, methods in (PUBLIC | SECRET | SIGNED).items()}
    found |= {path: set(methods.split()) for path, (methods, _) in (TOKEN | REVIEW).items()}
    rows = [f"{method} {BASE}{path}" for method, _, path in (row.partition(" ") for row in API)]
    for row in (*rows, *DESK):
        method, _, path = row.partition(" ")
        found.setdefault(path, set()).update(SEEN.split() if method == "GET" else {method})
    return found


def without_entry(routes: Iterable[BaseRoute]) -> list[str]:
    """The routes whose path or methods nobody has said anything about."""
    known = entries()
    return [
        f"{path} {sorted(methods)}"
        for path, methods in _paths(routes)
        if known.get(path) != methods
    ]


def _paths(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, set[str]]]:
    for route in routes:
        assert isinstance(route, Route)
        yield route.path.replace(":int}", "}"), set(route.methods or ())


async def everything(db: Database) -> list[Any]:
    """Every row of every table, but the day a key was used on."""
    async with db.read() as session:
        return [
            (table.name, row)
            for table in schema.metadata.sorted_tables
            if table is not schema.api_keys
            for row in sorted(map(tuple, await session.execute(select(table))), key=repr)
        ]


def filled(path: str, **values: object) -> str:
    """A path with its places filled."""
    names = {
        "newsletter": "weekly",
        "issue": "182",
        "name": "none.png",
        "token": UNKNOWN,
        "secret": UNKNOWN,
        "reader": 1,
        "subscription": 1,
        "provider": "postmark",
        "user": 99,
        "version": 1,
        "link": 1,
        "theme": "default",
        "delivery": 1,
        "state": "cancelled",
        "reason": "left",
        "what": "left",
    }
    return path.format(**{**names, **values})


def test_every_route_has_an_entry_and_every_entry_a_route() -> None:
    assert not without_entry(site_routes())
    assert entries().keys() == {path for path, _ in _paths(site_routes())}


def test_a_new_route_or_method_without_an_entry_is_found() -> None:
    async def new(_request: Request) -> Response:
        return PlainTextResponse("")

    assert without_entry([Route("/admin/users", new)])
    assert without_entry([Route("/p/{token}", new, methods=["GET", "DELETE"])])
    assert without_entry([Route(f"{BASE}/readers/{{reader:int}}", new, methods=["DELETE"])])


async def test_a_method_that_has_no_entry_is_refused_everywhere(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    before = await everything(installation.site.db)
    _, key = await a_key(installation.site)
    for (path, allowed), method in itertools.product(entries().items(), METHODS):
        if method not in allowed:
            headers = {"authorization": f"Bearer {key}"}
            answer = await client.request(method, filled(path), headers=headers, data=ONE_CLICK)
            assert answer.status_code == 405, (method, path)
            assert set(answer.headers["allow"].split(", ")) == allowed
    assert await everything(installation.site.db) == before


async def test_looking_at_anything_with_every_right_changes_nothing(
    installation: Installation,
) -> None:
    site = installation.site
    _, key = await a_key(site)
    async with at_the_desk(site, Role.OWNER) as owner:
        before = await everything(site.db)
        for path, allowed in entries().items():
            kind = TOKEN[path][1] if path in TOKEN else TokenKind.LEAVE
            place = filled(path, token=site.keys.sign(kind, installation.anne))
            for method in sorted(allowed & {"GET", "HEAD", "OPTIONS"}):
                headers = {"authorization": f"Bearer {key}"}
                answer = await owner.client.request(method, place, headers=headers)
                absent = path in SECRET or path in SIGNED or path in REVIEW
                expected = {404, 410} if absent or "{name}" in path else {200, 204}
                if path in ELSEWHERE:
                    expected = {303}
                assert answer.status_code in expected, (method, path)
        assert await everything(site.db) == before


async def test_a_token_of_another_purpose_or_key_opens_no_page(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    """All get the same bytes, whatever is wrong with them."""
    site = installation.site
    before = await everything(site.db)
    seen: dict[str, set[bytes]] = {}
    for path, (allowed, kind) in (TOKEN | REVIEW).items():
        good = site.keys.sign(kind, installation.anne)
        others = [one for one in TokenKind if one not in (kind, TokenKind.TEST)]
        wrong = [site.keys.sign(one, installation.anne) for one in others]
        wrong += [KeyRing("z" * 32).sign(kind, installation.anne), good[:-1], good + "a", UNKNOWN]
        wrong += [good[:-1] + ("a" if good[-1] != "a" else "b"), good[:20], "%00", "%0d%0aX:y"]
        for token, method in itertools.product(wrong, sorted(set(allowed.split()) - {"HEAD"})):
            answer = await client.request(method, filled(path, token=token), data=ONE_CLICK)
            assert answer.status_code == 404, (method, path, token)
            seen.setdefault(method, set()).add(answer.content)
    assert await everything(site.db) == before
    assert all(len(bodies) == 1 for bodies in seen.values())


async def test_a_secret_that_is_none_opens_no_page(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    site = installation.site
    before = await everything(site.db)
    leave = site.keys.sign(TokenKind.LEAVE, installation.anne)
    for path, allowed in SECRET.items():
        for secret, method in itertools.product((UNKNOWN, leave, "x" * 500), allowed.split()):
            answer = await client.request(method, filled(path, secret=secret), data=ONE_CLICK)
            assert answer.status_code in (404, 410), (method, path)
    assert await everything(site.db) == before


async def test_a_key_opens_what_its_scope_says_and_nothing_else(
    installation: Installation,
) -> None:
    """Nobody, a wrong key, a revoked one, an expired one, every scope but the right one."""
    site = installation.site
    number, revoked = await a_key(site)
    async with site.db.begin() as session:
        await revoke_key(session, number, site.clock.now())
    _, expired = await a_key(site, expired=True)
    before = await everything(site.db)
    roles = {"nobody": ("", 401), "revoked": (revoked, 401), "expired": (expired, 401)}
    roles["unknown"] = (f"dgk_1_{UNKNOWN}", 401)
    for row, scope in API.items():
        wrong = (await a_key(site, [one for one in ALL if one != scope]))[1]
        async with a_browser(site) as client:  # each has so many wrong keys before it is shut out
            for role, (key, status) in {**roles, "wrong scope": (wrong, 403)}.items():
                answer = await call(client, row, key)
                assert answer.status_code == status, (row, role)
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.headers["www-authenticate"].startswith("Bearer")
    assert await everything(site.db) == before
    async with a_browser(site) as client:
        for row, scope in API.items():
            right = (await a_key(site, [scope]))[1]
            answer = await call(client, row, right)
            assert answer.is_success or (row.endswith(TOO_LATE) and answer.status_code == 409), row


async def test_a_key_made_for_a_role_opens_what_the_role_may_do_at_the_desk(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    for role in Role:
        _, key = await a_key(installation.site, scopes_of(role))
        for row, scope in API.items():
            answer = await call(client, row, key)
            opens = RIGHT_OF[Scope(scope)] in RIGHTS[role]
            assert (answer.status_code != 403) == opens, (role, row)


# Acts of the desk, and what does the same without it; None: about the browser itself.
SAME = {
    "write issue": "issue add",
    "add picture": "issue add",
    "test issue": "issue test",
    "approve issue": "issue approve",
    "withdraw issue": "issue withdraw",
    "schedule issue": "issue schedule",
    "send issue": "issue send",
    "pause issue": "issue pause",
    "resume issue": "issue resume",
    "cancel issue": "issue cancel",
    "resend issue": "issue resend",
    "add link": "link add",
    "order links": "link order",
    "change link": "link edit",
    "set newsletter": "newsletter set",
    "set theme": "newsletter set",
    "add reader": "reader add",
    "find reader": "reader show",
    "change reader": "reader set",
    "end subscription": "reader leave",
    "resend confirmation": "reader resend-confirmation",
    "suppress address": "suppression add",
    "lift suppression": "suppression remove",
    "settle held bounces": "suppression remove",
    "erase reader": "reader erase",
    "teach words": "feedback classify",
    "forget words": "feedback classify",
    "run doctor": "doctor",
    "add user": "user add",
    "reset user": "user reset",
    "set role": "user set",
    "set sign-in": "user set",
    "remove user": "user remove",
    "change password": "user reset",
    "change one-time codes": "user reset",
    "sign out elsewhere": "user sessions",
    "sign out": None,
}
OF_ISSUES = ("test", "approve", "withdraw", "schedule", "send", "pause", "resume", "cancel")


def test_whatever_the_desk_does_a_command_does_and_of_issues_the_api_too() -> None:
    assert {one.act for one in DOORS if one.act} == SAME.keys()
    app = build_app(COMMANDS)
    for command in filter(None, SAME.values()):
        reduce(lambda group, name: group[name], command.split(), app)  # KeyError: there is none
    operations = {one.name for one in OPERATIONS}
    assert operations >= {f"{act}_issue" for act in (*OF_ISSUES, "resend")}


def test_every_door_of_the_desk_has_the_right_that_is_written_here() -> None:
    doors = {f"{one.method} {one.path.replace(':int}', '}')}": one.right or "" for one in DOORS}
    assert doors == DESK
    assert len(doors) == len(DOORS)
    unnamed = {one.path for one in DOORS if one.method == "POST" and not one.act}
    assert unnamed == {"/desk/n/{newsletter}/write/look", "/desk/n/{newsletter}/write/letter"}


async def test_a_door_of_the_desk_opens_to_a_role_that_has_its_right_and_to_no_other(
    installation: Installation,
) -> None:
    """Nobody and every role, at every door; whoever is refused changed nothing."""
    site = installation.site
    async with a_browser(site) as nobody:
        before = await everything(site.db)
        for row in DESK:
            method, _, path = row.partition(" ")
            answer = await nobody.request(method, filled(path), data=ONE_CLICK)
            assert answer.status_code == (303 if method == "GET" else 403), row
            assert answer.headers.get("location", "/desk/sign-in").startswith("/desk/sign-in")
        assert await everything(site.db) == before
    for role, (row, right) in itertools.product(Role, DESK.items()):
        async with at_the_desk(site, role) as person:
            method, _, path = row.partition(" ")
            refused = bool(right) and Right(right) not in RIGHTS[role]
            before = await everything(site.db) if refused else []
            answer = await (person.get if method == "GET" else person.post)(filled(path))
            if refused:
                assert answer.status_code == 403, (role, row)
                assert await everything(site.db) == before, (role, row)
            else:
                assert answer.status_code != 403, (role, row)
                assert "/sign-in" not in answer.headers.get("location", "") or "sign-out" in row


async def call(client: httpx2.AsyncClient, row: str, key: str) -> httpx2.Response:
    """Call the API as ``row`` says."""
    method, _, path = row.partition(" ")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    sent = _BODIES.get(row) or _BODIES.get(path)
    body = {"json": sent} if method != "GET" and sent is not None else {}
    return await client.request(method, PUBLIC_URL + BASE + filled(path), headers=headers, **body)
