"""The OpenAPI 3.1 document: made from the table of operations, so it cannot say anything else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from digest import __version__
from digest.access.api_keys import Scope
from digest.web.api.calls import BASE, Operation
from digest.web.problem import MEDIA_TYPE, WORDS

_EVERY = (401, 403, 422, 429, 503)
_EVENTS = "text/event-stream"
_WITH_BODY = (400, 408, 413, 415)
_PATHS: Mapping[str, dict[str, Any]] = {
    "newsletter": {"type": "string"},
    "issue": {"type": "string"},
    "reader": {"type": "integer", "minimum": 1},
    "subscription": {"type": "integer", "minimum": 1},
}
_INTRODUCTION = """\
Every call shows a key: `Authorization: Bearer dgk_…`; `digest api-key create` makes one, with the
scopes it shall have. Errors are problems (RFC 9457). Lists come page by page: give `next` of one as
`after` for the next. Nobody can be subscribed here without their own word: `sign_up` sends a mail
with a button.
"""


class FieldError(BaseModel):
    """What is wrong with one field."""

    pointer: str
    """Where, as a JSON pointer."""
    detail: str


class Problem(BaseModel):
    """What is wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = Field(default_factory=list)
    refused: bool = False
    """All was understood, and the answer is no: asked again it is the same."""


def document_of(operations: Iterable[Operation], public_url: str) -> dict[str, Any]:
    """The document for ``operations`` of the installation at ``public_url``."""
    rows = list(operations)
    schemas = _schemas(rows)
    paths: dict[str, dict[str, Any]] = {}
    for one in rows:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    scopes = ", ".join(f"`{scope}`" for scope in Scope)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "digest",
            "version": __version__,
            "description": f"{_INTRODUCTION}\nScopes: {scopes}.\n",
        },
        "servers": [{"url": public_url + BASE}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "responses": {str(status): _problem(status) for status in WORDS},
            "schemas": schemas,
        },
    }


def _schemas(rows: list[Operation]) -> dict[str, Any]:
    said = [(one.answer, "serialization") for one in rows] + [(Problem, "serialization")]
    told = [(one.body, "validation") for one in rows if one.body is not None]
    models: Any = list(dict.fromkeys((*said, *told)))
    _, found = models_json_schema(models, ref_template="#/components/schemas/{model}")
    schemas: dict[str, Any] = found["$defs"]
    return schemas


def _operation(one: Operation) -> dict[str, Any]:
    problems = sorted({*_EVERY, *one.problems, *(_WITH_BODY if one.body is not None else ())})
    answers = {str(code): {"$ref": f"#/components/responses/{code}"} for code in problems}
    good = {
        "description": (one.answer.__doc__ or "").strip(),
        "content": {_EVENTS if one.stream else "application/json": {"schema": _answer(one)}},
    }
    made: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "description": f"Scope: `{one.scope}`.",
        "parameters": [*_in_path(one), *_in_query(one)],
        "responses": {str(one.status): good, **answers},
    }
    if one.body is not None:
        content = {"application/json": {"schema": _reference(one.body)}}
        made["requestBody"] = {"required": True, "content": content}
    return made


def _answer(one: Operation) -> dict[str, Any]:
    return {"type": "string"} if one.stream else _reference(one.answer)


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _in_path(one: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name, schema in _PATHS.items()
        if f"{{{name}}}" in one.path
    ]


def _in_query(one: Operation) -> list[dict[str, Any]]:
    if one.query is None:
        return []
    fields = one.query.model_json_schema()["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": schema.get("description", ""),
            "schema": _plain(schema),
        }
        for name, schema in fields.items()
    ]


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a parameter: what is left out is no null."""
    kinds = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    kept = dict(kinds[0]) if kinds else dict(schema)
    return {name: kept[name] for name in kept if name not in ("title", "description", "anyOf")}


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": WORDS[status][0], "content": {MEDIA_TYPE: {"schema": schema}}}
