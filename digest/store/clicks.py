"""Links that are counted: where each leads, how often it was followed, and which are liked best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, select

from digest.rules.click import Clicker, Link
from digest.store.schema import issues, link_clicks, newsletters, version_links, versions
from digest.store.session import Session
from digest.store.types import insert

_c, _l = link_clicks, version_links


@dataclass(frozen=True, slots=True)
class Targets:
    """Where the links of a version lead, by their places, and whether their clicks count."""

    issue_id: int
    began_at: datetime | None  # its sending
    counting: bool  # the newsletter counts clicks now
    hrefs: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class LinkClicks:
    """A link of an issue, wherever it stands in it. ``version_id`` and ``position`` name its first
    place in the latest version that has it.
    """

    url: str
    title: str
    sponsor: bool
    version_id: int
    position: int
    human: int
    scanner: int


async def links_of(session: Session, version_id: int) -> dict[str, tuple[int, str]]:
    """Every link as the mail has it: its first place in the version, and its words."""
    query = select(_l.c.position, _l.c.href, _l.c.url, _l.c.title)
    rows = await session.execute(query.where(_l.c.version_id == version_id).order_by(_l.c.position))
    found: dict[str, tuple[int, str]] = {}
    for position, href, url, title in rows:
        found.setdefault(href or url, (position, title))
    return found


async def targets_of(session: Session, version_id: int) -> Targets | None:
    """What is asked at each hit; None: there is no such version."""
    query = (
        select(versions.c.issue_id, issues.c.planned_at, newsletters.c.settings)
        .join_from(versions, issues, issues.c.id == versions.c.issue_id)
        .join(newsletters, newsletters.c.id == issues.c.newsletter_id)
        .where(versions.c.id == version_id)
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    there = await links_of(session, version_id)
    hrefs = {position: href for href, (position, _) in there.items()}
    return Targets(row.issue_id, row.planned_at, bool(row.settings.get("clicks")), hrefs)


async def add_clicks(session: Session, counted: Mapping[tuple[Link, Clicker], int]) -> None:
    """Add to what was counted before."""
    rows = [
        {
            "version_id": link.version_id,
            "position": link.position,
            "clicker": clicker,
            "clicks": number,
        }
        for (link, clicker), number in sorted(counted.items())
    ]
    if rows:
        added = insert(_c).values(rows)
        total = {"clicks": _c.c.clicks + added.excluded.clicks}
        key = list(_c.primary_key.columns)
        await session.execute(added.on_conflict_do_update(index_elements=key, set_=total))


async def clicks_of_issue(
    session: Session, issue_id: int, *, sponsor: bool = False
) -> list[LinkClicks]:
    """The links of an issue, the most clicked first; ``sponsor``: those of sponsors alone.

    Versions of one issue are counted together, as are two places of one link: by its page.
    """
    rows = await session.execute(_counted(versions.c.issue_id == issue_id))
    found: dict[int, LinkClicks] = {}
    for row in rows:
        before = found.get(row.link_id)
        human, scanner = row.human or 0, row.scanner or 0
        found[row.link_id] = LinkClicks(
            url=row.url if before is None else before.url,
            title=row.title if before is None else before.title,
            sponsor=row.sponsor or (before is not None and before.sponsor),
            version_id=row.version_id if before is None else before.version_id,
            position=row.position if before is None else before.position,
            human=human + (before.human if before else 0),
            scanner=scanner + (before.scanner if before else 0),
        )
    ranked = sorted(found.values(), key=lambda one: (-one.human, one.position))
    return [one for one in ranked if one.sponsor or not sponsor]


def _counted(which: ColumnElement[bool]) -> Select[tuple[object, ...]]:
    def clicks(clicker: Clicker) -> ColumnElement[int]:
        return (
            select(func.sum(_c.c.clicks))
            .where(_c.c.version_id == _l.c.version_id, _c.c.position == _l.c.position)
            .where(_c.c.clicker == clicker)
            .scalar_subquery()
        )

    query: Select[tuple[object, ...]] = (
        select(
            *(_l.c.link_id, _l.c.url, _l.c.title, _l.c.sponsor, _l.c.version_id, _l.c.position),
            clicks(Clicker.HUMAN).label("human"),
            clicks(Clicker.SCANNER).label("scanner"),
        )
        .join_from(_l, versions, versions.c.id == _l.c.version_id)
        .where(which)
        .order_by(_l.c.version_id.desc(), _l.c.position)
    )
    return query
