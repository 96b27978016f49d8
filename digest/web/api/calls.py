"""One call of the API, from the request to the answer: the key, its scope, the limits, the values.

An operation is a row of a table (``routes.OPERATIONS``); its route and its part of the OpenAPI
document are made from that row. Whoever shows no good key learns nothing but that: 401 comes before
anything is looked up. RFC 6750 §3 (bearer tokens), RFC 9457 (problems).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import structlog
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.access.api_keys import Key, Scope, check_key, mark_used
from digest.errors import (
    AddressError,
    ConflictError,
    DigestError,
    InputError,
    RefusedError,
    SettingsError,
)
from digest.store.audit import write_down
from digest.store.noting import noting
from digest.store.session import Session
from digest.web.client import Turnstile, client_net
from digest.web.problem import API, problem
from digest.web.security import BODY_LIMIT, read_body
from digest.web.site import Site, remembered, site_of

log = structlog.get_logger(__name__)

BASE = f"{API}/v1"
_CHALLENGE = {"www-authenticate": 'Bearer realm="digest"'}
_WRONG_KEYS = 100  # of one network in ten minutes
_ID_MAX = 2**63 - 1
_NUMBERED = re.compile(r"\{(reader|subscription)\}")
_ERRORS_MAX = 20  # that are named


@dataclass(frozen=True, slots=True)
class Call:
    """A request that may be answered; ``name``, ``query`` and ``body`` as its operation says."""

    site: Site
    key: Key
    request: Request
    name: str
    query: Any
    body: Any

    @property
    def path(self) -> Mapping[str, Any]:
        """What stands in the path."""
        return self.request.path_params

    @property
    def door(self) -> str:
        """What stands in the record of consents for what this call changes."""
        return f"api key {self.key.id}"

    async def note(self, session: Session, result: str = "done") -> None:
        """Write down what was done, or that it was not."""
        act, now = self.name.replace("_", " "), self.site.clock.now()
        subject = " ".join(str(part) for part in self.path.values())
        await write_down(session, self.door, act, subject=subject, result=result, now=now)

    def number(self, name: str) -> int:
        """An id in the path; 404 for one that no column holds."""
        number: int = self.path[name]
        if number > _ID_MAX:
            raise HTTPException(404)
        return number


class RefusalError(Exception):
    """An operation that cannot be done as things stand; ``status`` is that of the answer."""

    def __init__(self, status: int, error: DigestError) -> None:
        super().__init__(error.message)
        self.status = status
        self.refused = isinstance(error, RefusedError)
        self.detail = _said(error)


def _said(error: DigestError) -> str:
    return " ".join(part for part in (error.message, error.fix) if part)


Answering: TypeAlias = Callable[[Call], Awaitable[BaseModel | Response]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing a program may do. ``problems``: statuses beside those every operation has;
    ``stream``: it answers with events, each of whose data is an ``answer``; ``looks``: it changes
    nothing, though its question has a body.
    """

    name: str
    method: str
    path: str
    scope: Scope
    answering: Answering
    answer: type[BaseModel]
    summary: str
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    body_limit: int = BODY_LIMIT
    status: int = 200
    problems: tuple[int, ...] = ()
    stream: bool = False
    looks: bool = False

    @property
    def changes(self) -> bool:
        """Whether it is written down that it was done."""
        return self.method != "GET" and not self.looks


@dataclass(slots=True)
class Turnstiles:
    """How often a key may call, and how often a network may show a key that is none."""

    keys: Turnstile
    strangers: Turnstile = field(default_factory=lambda: Turnstile(_WRONG_KEYS, 600.0))


def routes_of(operations: Iterable[Operation]) -> list[Route]:
    """The routes that answer ``operations``: one for each path, so that a 405 names all methods."""
    paths: dict[str, dict[str, Operation]] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method] = one
    return [_route(path, by_method) for path, by_method in paths.items()]


def _route(path: str, by_method: Mapping[str, Operation]) -> Route:
    async def answer(request: Request) -> Response:
        operation = by_method["GET" if request.method == "HEAD" else request.method]
        try:
            return await _answer(request, operation)
        except (AddressError, InputError) as error:
            return problem(422, error.message, errors=_named(error))
        except RefusalError as error:
            return problem(error.status, error.detail, refused=error.refused)
        except (RefusedError, ConflictError, SettingsError) as error:
            return problem(409, _said(error), refused=isinstance(error, RefusedError))

    pattern = _NUMBERED.sub(r"{\1:int}", path)
    return Route(BASE + pattern, answer, methods=list(by_method))


async def _answer(request: Request, operation: Operation) -> Response:
    site = site_of(request)
    key = await _key_of(request, site)
    if key is None:
        return problem(401, headers=_CHALLENGE)
    if not _turnstiles(request, site).keys.passes(str(key.id), site.clock.monotonic()):
        raise HTTPException(429, headers={"retry-after": "60"})
    if operation.scope.value not in key.scopes:
        return problem(
            403,
            f"This key has no scope {operation.scope.value}.",
            headers={
                "www-authenticate": f'Bearer error="insufficient_scope", scope="{operation.scope}"'
            },
        )
    if not key.used_today:
        async with site.db.begin() as session:
            await mark_used(session, key, site.clock.now())
    try:
        query = _query(request, operation.query)
        body = await _body(request, operation)
    except ValidationError as error:
        return _refused(error)
    call = Call(site, key, request, operation.name, query, body)
    found = await (_done(call, operation) if operation.changes else operation.answering(call))
    if isinstance(found, Response):
        return found
    if operation.method != "GET":
        log.info("api", key=key.id, operation=operation.name)
    return Response(found.model_dump_json(), operation.status, media_type="application/json")


async def _done(call: Call, operation: Operation) -> BaseModel | Response:
    """Do it; its line goes with it (``store.noting``), that of what was not done by itself."""
    result = "failed"
    with noting(call.note) as act:
        try:
            found = await operation.answering(call)
            result = "done"
        except (DigestError, RefusalError):
            result = "refused: as things stand"  # like a sign-in, forgotten in time
            raise
        except HTTPException as error:
            result = f"refused: {error.status_code}"
            raise
        finally:
            act.over = True
            if not act.written:
                async with call.site.db.begin() as session:
                    await call.note(session, result)
    return found


async def _key_of(request: Request, site: Site) -> Key | None:
    """The good key that was shown; 429 for a network that shows too many that are not."""
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not shown:
        return None
    async with site.db.read() as session:
        key = await check_key(session, shown.strip(), site.clock.now())
    if key is None:
        net = client_net(request, site.proxies)
        if not _turnstiles(request, site).strangers.passes(net, site.clock.monotonic()):
            raise HTTPException(429, headers={"retry-after": "600"})
    return key


def _turnstiles(request: Request, site: Site) -> Turnstiles:
    def make() -> Turnstiles:
        return Turnstiles(Turnstile(site.api_per_minute, 60.0))

    return remembered(request, "api_turnstiles", make)


def _query(request: Request, model: type[BaseModel] | None) -> BaseModel | None:
    pairs = request.query_params.multi_items()
    names = [name for name, _ in pairs]
    known = model.model_fields if model is not None else {}
    for name in names:
        if name not in known or names.count(name) > 1:
            wrong = "is given twice" if name in known else "is nothing to ask for here"
            raise InputError(f"{name[:100]!r} {wrong}.", where="query")
    return model.model_validate(dict(pairs)) if model is not None else None


async def _body(request: Request, operation: Operation) -> BaseModel | None:
    model = operation.body
    if model is None:
        return None
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, headers={"accept": "application/json"})
    return model.model_validate_json(await read_body(request, limit=operation.body_limit))


def _refused(error: ValidationError) -> Response:
    """400 for what is no JSON, 422 with the fields for what is not what we expect."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if any(one["type"] == "json_invalid" for one in found):
        return problem(400)
    return problem(422, errors=[_field(one) for one in found[:_ERRORS_MAX]])


def _field(one: ErrorDetails) -> dict[str, str]:
    """RFC 6901: where in the body or the query, and what is wrong there."""
    steps = (str(part).replace("~", "~0").replace("/", "~1")[:100] for part in one["loc"])
    return {"pointer": "".join(f"/{step}" for step in steps), "detail": one["msg"]}


def _named(error: AddressError | InputError) -> list[dict[str, str]]:
    where = "address" if isinstance(error, AddressError) else error.where
    return [{"pointer": f"/{where}", "detail": error.message}] if where else []
