"""The tests of an issue: how often it was sent as one, of which version, and what relays said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from digest.rules.delivery import DeliveryState, StateReason
from digest.store.rows import begins
from digest.store.schema import issues, notices
from digest.store.session import Session


@dataclass(frozen=True, slots=True)
class IssueTest:
    """A test that was asked for: the how manieth of its issue it is, and of which version."""

    number: int
    version_id: int


@dataclass(frozen=True, slots=True)
class Approvable:
    """A version as a mail told one address of it; ``may_approve``: by the button in it."""

    address: str
    version_id: int
    may_approve: bool


@dataclass(frozen=True, slots=True)
class NoticeResult:
    """Where a notice stands, and the last words of a relay about it."""

    id: int
    address: str
    state: DeliveryState
    reason: StateReason | None
    attempts: int
    reply_code: int | None
    reply_status: str | None
    reply_text: str | None


def key_of_test(issue_id: int, number: int, address: str) -> str:
    """The ``dedupe_key`` of a test's notice."""
    return f"test:{issue_id}:{number}:{address}"[:255]


async def last_test(session: Session, issue_id: int) -> IssueTest | None:
    """The last test of an issue. Until the transaction ends nobody else begins one of it."""
    await session.execute(select(issues.c.id).where(issues.c.id == issue_id).with_for_update())
    return await test_shown(session, issue_id)


async def test_shown(session: Session, issue_id: int) -> IssueTest | None:
    """The last test of an issue, for who only looks."""
    newest = (
        select(notices.c.params)
        .where(notices.c.kind == "test")
        .where(begins(session, notices.c.dedupe_key, f"test:{issue_id}:"))
        .order_by(notices.c.id.desc())
        .limit(1)
    )
    params = (await session.execute(newest)).scalar()
    return None if params is None else IssueTest(params["number"], params["version_id"])


async def approvable(session: Session, notice_id: int) -> Approvable | None:
    """What a test or a reminder was about; None for any other notice, and one that is forgotten."""
    query = select(notices.c.address, notices.c.params)
    query = query.where(notices.c.id == notice_id, notices.c.kind.in_(("test", "alert")))
    row = (await session.execute(query)).one_or_none()
    if row is None or "version_id" not in row.params:
        return None
    may = row.params.get("may_approve") or row.address in row.params.get("approvers", ())
    return Approvable(row.address, row.params["version_id"], bool(may))


async def notice_results(session: Session, ids: Sequence[int]) -> list[NoticeResult]:
    """What became of these notices so far, in the order they were written."""
    columns = (
        *(notices.c.id, notices.c.address, notices.c.state, notices.c.reason, notices.c.attempts),
        *(notices.c.reply_code, notices.c.reply_status, notices.c.reply_text),
    )
    query = select(*columns).where(notices.c.id.in_(ids)).order_by(notices.c.id)
    return [NoticeResult(*row) for row in await session.execute(query)]
