"""``digest link add|list|keep|drop|move`` on an installation elsewhere."""

from __future__ import annotations

from typing import Any

from digest.cli.remote import Server
from digest.collect.inbox import Handed
from digest.rules.candidate import CandidateState


async def add(place: Server, handed: Handed, *, slug: str | None, offline: bool) -> dict[str, Any]:
    """Keep a link there; what is known of it."""
    body = {
        "url": handed.url,
        "note": handed.note,
        "section": handed.section,
        "title": handed.title,
        "sponsor_for": handed.day.isoformat() if handed.day else None,
        "offline": offline,
    }
    found: dict[str, Any] = await place.post(f"{await place.newsletter(slug)}/links", body)
    return found


async def list_all(
    place: Server, state: CandidateState | None, *, slug: str | None
) -> list[dict[str, Any]]:
    """The links of the inbox there."""
    query = f"?state={state.value}" if state else ""
    found: list[dict[str, Any]] = (await place.get(f"{await place.newsletter(slug)}/links{query}"))[
        "items"
    ]
    return found


async def change(
    place: Server, ids: tuple[int, ...], *, slug: str | None, **to: str
) -> dict[str, Any]:
    """Give links a ``state`` or a ``section`` there."""
    path = f"{await place.newsletter(slug)}/links"
    answer = await place.patch(path, {"ids": list(ids), **to})
    return {"ids": answer["ids"], **to}
