"""Versions: the immutable texts of an issue, each with its hash, its pictures and its links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from digest.errors import NotFoundError, RefusedError
from digest.store import schema
from digest.store.links import link_hash
from digest.store.session import Session
from digest.store.types import insert as upsert

PREFIX_MIN = 8  # hexadecimal digits of a hash that name a version

_v = schema.versions


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One immutable text of an issue, rendered."""

    id: int
    issue_id: int
    ordinal: int
    hash: str
    source: str
    subject: str
    preview: str
    html: str
    plain: str
    web_html: str
    slots: list[dict[str, str]]
    sections: list[str]
    identity: dict[str, Any]
    web_only: bool
    note: str | None
    created_at: datetime
    approved_at: datetime | None
    approved_by: str | None
    pictures: dict[str, str] | None  # hashes by how the text names them; None: not written down


@dataclass(frozen=True, slots=True)
class VersionLink:
    """A link of a version; ``canonical_url`` is what makes two links the same, ``href`` what the
    mail has (empty: the same as ``url``).
    """

    canonical_url: str
    url: str
    title: str
    sponsor: bool
    href: str = ""


@dataclass(frozen=True, slots=True)
class VersionDraft:
    """A version before it is stored, with what the issue is called."""

    number: int | None
    slug: str | None
    title: str
    listed: bool
    hash: str
    source: str
    subject: str
    preview: str
    html: str
    plain: str
    web_html: str
    slots: list[dict[str, str]]
    sections: list[str]
    identity: dict[str, Any]
    pictures: Mapping[str, str] = field(default_factory=dict)  # hashes of stored ones, by name
    links: tuple[VersionLink, ...] = ()


async def store_version(
    session: Session, issue_id: int, ordinal: int, draft: VersionDraft, *, now: datetime
) -> StoredVersion:
    """Write a version down with its pictures and links."""
    row = {
        "issue_id": issue_id,
        "ordinal": ordinal,
        "hash": draft.hash,
        "source": draft.source,
        "subject": draft.subject,
        "preview": draft.preview,
        "html": draft.html,
        "plain": draft.plain,
        "web_html": draft.web_html,
        "slots": draft.slots,
        "sections": draft.sections,
        "identity": draft.identity,
        "pictures": dict(draft.pictures),
        "created_at": now,
    }
    stored = (await session.execute(insert(_v).values(row).returning(_v))).one()
    version = as_version(stored)
    if draft.pictures:
        shown = sorted(set(draft.pictures.values()))
        used = [{"version_id": version.id, "sha256": sha} for sha in shown]
        await session.execute(insert(schema.version_media), used)
    if draft.links:
        await _store_links(session, version.id, draft.links)
    return version


async def _store_links(session: Session, version_id: int, links: Sequence[VersionLink]) -> None:
    table = schema.links
    hashes = [link_hash(link.canonical_url) for link in links]
    urls = {sha: link.canonical_url for sha, link in zip(hashes, links, strict=True)}
    rows = [{"canonical_url": urls[sha], "url_sha256": sha} for sha in sorted(urls)]
    await session.execute(upsert(table).values(rows).on_conflict_do_nothing())
    query = select(table.c.url_sha256, table.c.id).where(table.c.url_sha256.in_(urls))
    found: Any = await session.execute(query)
    ids: dict[str, int] = dict(found.all())
    numbered = enumerate(zip(hashes, links, strict=True))
    used = [
        {
            "version_id": version_id,
            "link_id": ids[sha],
            "position": position,
            "url": link.url,
            "title": link.title,
            "sponsor": link.sponsor,
            "href": link.href if link.href != link.url else None,
        }
        for position, (sha, link) in numbered
    ]
    await session.execute(insert(schema.version_links), used)


async def get_version(session: Session, version_id: int) -> StoredVersion:
    """The version with this id; NotFoundError."""
    row = (await session.execute(select(_v).where(_v.c.id == version_id))).one_or_none()
    if row is None:
        raise NotFoundError("There is no such version.")
    return as_version(row)


async def list_versions(session: Session, issue_id: int) -> list[StoredVersion]:
    """Every version of an issue, the first one first."""
    query = select(_v).where(_v.c.issue_id == issue_id).order_by(_v.c.ordinal)
    return [as_version(row) for row in await session.execute(query)]


async def latest_version(session: Session, issue_id: int) -> StoredVersion | None:
    """The version added last."""
    query = select(_v).where(_v.c.issue_id == issue_id).order_by(_v.c.ordinal.desc()).limit(1)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else as_version(row)


async def find_version(session: Session, issue_id: int, hash_: str) -> StoredVersion:
    """The version whose hash is, or begins with, ``hash_``; RefusedError when there is none."""
    wanted = hash_.strip().lower()
    if len(wanted) < PREFIX_MIN or not set(wanted) <= set("0123456789abcdef"):
        raise RefusedError(
            f"{hash_!r} is no hash of a version.",
            where="hash",
            fix=f"Give at least its first {PREFIX_MIN} digits, as digest issue show prints it.",
        )
    query = (
        select(_v)
        .where(_v.c.issue_id == issue_id, _v.c.web_only.is_(False))
        .where(_v.c.hash.startswith(wanted, autoescape=True))
        .order_by(_v.c.ordinal.desc())
    )
    rows = (await session.execute(query)).all()
    if not rows:
        raise RefusedError(
            "No version of this issue has that hash.",
            where="hash",
            fix="The text may have changed since: see digest issue show.",
        )
    if len({row.hash for row in rows}) > 1:
        raise RefusedError(
            "Several versions begin like that.", where="hash", fix="Give more of it."
        )
    return as_version(rows[0])


def as_version(row: Any) -> StoredVersion:
    """A row of the table as a value: the fields stand in the order of the columns."""
    return StoredVersion(*row)
