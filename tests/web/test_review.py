"""A version that is shown before it goes out, and the approval from a test mail."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.message import Message

import httpx2
import pytest
from sqlalchemy import select

from digest.delivery.issue_tests import write_tests
from digest.delivery.notices import NoticeLetters
from digest.delivery.publish import approve_issue
from digest.delivery.slot_mail import (
    remind,
    remind_of_time,
    tell_held,
    tell_newer,
    tell_unapproved,
)
from digest.mail.tokens import TokenKind, share_token
from digest.rules.delivery import IssueState
from digest.rules.slots import SlotPolicy
from digest.store.issues import StoredIssue, get_version, issue_by_id
from digest.store.newsletters import add_person
from digest.store.schema import notices
from digest.store.slots import open_slot, slots_of
from tests.build import PUBLIC_URL, an_issue, issue_text
from tests.delivery.stage import Stage, Watch
from tests.fakes.relay import FakeRelay
from tests.web.conftest import Installation

EDITOR, SPONSOR = "edda@example.org", "sponsor@example.com"


@pytest.fixture
async def draft(installation: Installation) -> StoredIssue:
    """Issue 183, which nobody approved; Edda is an editor."""
    site = installation.site
    async with site.db.begin() as session:
        await add_person(session, installation.newsletter.id, role="editor", address=EDITOR)
    return (await an_issue(site.db, installation.newsletter, 183)).issue


async def button(installation: Installation, issue: StoredIssue, address: str) -> str:
    """The path of the button in the test that ``address`` got."""
    site = installation.site
    async with site.db.begin() as session:
        asked = await write_tests(
            session, installation.newsletter, issue, [address], now=site.clock.now()
        )
    return f"/approve/{site.keys.sign(TokenKind.APPROVE, asked.notice_ids[0])}"


async def state(installation: Installation, issue: StoredIssue) -> StoredIssue:
    async with installation.site.db.read() as session:
        return await issue_by_id(session, issue.id)


def share(installation: Installation, version_id: int, *, days: int) -> str:
    until = (installation.site.clock.now() + timedelta(days=days)).date()
    return f"/share/{share_token(installation.site.keys, version_id, until)}"


async def test_a_shared_version_is_shown_until_its_day_is_over_and_to_no_crawler(
    installation: Installation, client: httpx2.AsyncClient, draft: StoredIssue
) -> None:
    stored = await an_issue(installation.site.db, installation.newsletter, 183)
    shown = await client.get(share(installation, stored.version.id, days=0))
    assert shown.status_code == 200
    assert "not published" in shown.text
    assert "version 1" in shown.text
    assert (shown.headers["cache-control"], shown.headers["x-robots-tag"]) == (
        "no-store",
        "noindex, nofollow",
    )
    assert "script" not in shown.headers["content-security-policy"].replace("script-src 'none'", "")
    over = await client.get(share(installation, stored.version.id, days=-1))
    assert over.status_code == 410
    assert "/share/" in (await client.get("/robots.txt")).text


async def test_what_has_gone_out_is_not_said_to_be_unpublished(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    shown = await client.get(share(installation, installation.version_id, days=1))
    assert "has gone out" in shown.text
    assert "is what was sent" in shown.text
    assert "not published" not in shown.text


async def test_an_editor_approves_by_the_button_and_never_by_looking(
    installation: Installation, client: httpx2.AsyncClient, draft: StoredIssue
) -> None:
    path = await button(installation, draft, EDITOR)
    looked = await client.get(path)
    assert looked.status_code == 200
    assert "Approve version 1" in looked.text
    assert (await state(installation, draft)).state is IssueState.DRAFT
    approved = await client.post(path)
    assert approved.status_code == 200
    assert "Issue 183 is approved" in approved.text
    now = await state(installation, draft)
    assert now.state is IssueState.APPROVED
    async with installation.site.db.read() as session:
        version = await get_version(session, now.approved_version_id or 0)
    assert version.approved_by == EDITOR
    assert "approved already" in (await client.get(path)).text


async def test_who_only_reads_along_cannot_approve(
    installation: Installation, client: httpx2.AsyncClient, draft: StoredIssue
) -> None:
    path = await button(installation, draft, SPONSOR)
    for answer in (await client.get(path), await client.post(path)):
        assert answer.status_code == 404
    assert (await state(installation, draft)).state is IssueState.DRAFT


async def test_the_button_approves_what_was_sent_and_says_that_there_is_a_newer_text(
    installation: Installation, client: httpx2.AsyncClient, draft: StoredIssue
) -> None:
    path = await button(installation, draft, EDITOR)
    text = issue_text(183).replace("blurb", "second thought")
    newer = await an_issue(installation.site.db, installation.newsletter, 183, text=text)
    assert newer.version.ordinal == 2
    assert "newer text, version 2" in (await client.get(path)).text
    await client.post(path)
    async with installation.site.db.read() as session:
        approved = (await issue_by_id(session, draft.id)).approved_version_id
        assert (await get_version(session, approved or 0)).ordinal == 1


async def test_an_unfinished_text_is_refused_with_the_place(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    site = installation.site
    async with site.db.begin() as session:
        await add_person(session, installation.newsletter.id, role="editor", address=EDITOR)
    text = f"{issue_text(184)}\nTODO\n"
    unfinished = await an_issue(site.db, installation.newsletter, 184, text=text)
    path = await button(installation, unfinished.issue, EDITOR)
    refused = await client.post(path)
    assert refused.status_code == 409
    assert "not ready" in refused.text


async def test_an_issue_that_is_out_needs_no_approval(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    site = installation.site
    async with site.db.begin() as session:
        await add_person(session, installation.newsletter.id, role="editor", address=EDITOR)
        issue = await issue_by_id(session, installation.issue_id)
    path = await button(installation, issue, EDITOR)
    assert (await client.post(path)).status_code == 409


async def test_an_editor_approves_from_the_reminder_and_nobody_else_does(
    installation: Installation, client: httpx2.AsyncClient, draft: StoredIssue
) -> None:
    """Who has no part in the newsletter is told as well, without a way to approve."""
    site, newsletter = installation.site, installation.newsletter
    now = site.clock.now()
    async with site.db.begin() as session:
        await open_slot(session, newsletter.id, now.replace(tzinfo=None), due_at=now, now=now)
        (slot,) = await slots_of(session, newsletter.id)
        policy = SlotPolicy.of(newsletter.settings)
        await remind(session, newsletter, slot, before=timedelta(hours=2), now=now)
        await tell_held(session, newsletter, slot, None, policy=policy, now=now)
    async with FakeRelay() as relay:
        stage = Stage(site.db, newsletter, draft.id, "", Watch())
        letters = NoticeLetters(site.db, site.keys, public_url=PUBLIC_URL)
        await stage.sender(relay, write_notice=letters).send_notices()
    links = re.compile(rf"{re.escape(PUBLIC_URL)}(/(?:approve|share)/[a-z2-7]+)")
    found = [(one.recipient, links.findall(text_of(one.message))) for one in relay.ledger]
    assert sorted((to, len(paths)) for to, paths in found) == [
        *((EDITOR, 2), (EDITOR, 2), (newsletter.from_address, 0)),
    ]
    approve, look = next(paths for to, paths in found if to == EDITOR)
    assert "A preview" in (await client.get(look)).text
    assert "Approve version 1" in (await client.get(approve)).text
    assert (await state(installation, draft)).state is IssueState.DRAFT
    async with site.db.read() as session:
        theirs = select(notices.c.id).where(notices.c.address == newsletter.from_address)
        other = site.keys.sign(TokenKind.APPROVE, await session.scalar(theirs) or 0)
    assert (await client.post(f"/approve/{other}")).status_code == 404
    assert (await client.post(approve)).status_code == 200
    assert (await state(installation, draft)).state is IssueState.APPROVED


async def test_the_reminder_says_what_goes_out_what_is_newer_and_lets_that_be_approved(
    installation: Installation, client: httpx2.AsyncClient, draft: StoredIssue
) -> None:
    site, newsletter = installation.site, installation.newsletter
    first = await an_issue(site.db, newsletter, 183)
    text = issue_text(183).replace("The blurb", "A thought")
    now = site.clock.now()
    slot_at = datetime(2026, 11, 26, 9)
    async with site.db.begin() as session:
        await approve_issue(session, first.issue, first.version.hash, by="Anne", now=now)
        await open_slot(session, newsletter.id, slot_at, due_at=now, now=now)
        (slot,) = await slots_of(session, newsletter.id)
    newer = await an_issue(site.db, newsletter, 183, text=text)
    async with site.db.begin() as session:
        issue = await issue_by_id(session, draft.id)
        written = await tell_newer(
            session, newsletter, slot, issue, before=timedelta(hours=2), now=now
        )
        assert written == 1
    async with FakeRelay() as relay:
        stage = Stage(site.db, newsletter, draft.id, "", Watch())
        letters = NoticeLetters(site.db, site.keys, public_url=PUBLIC_URL)
        await stage.sender(relay, write_notice=letters).send_notices()
    [one] = relay.ledger
    said = " ".join(text_of(one.message).split())
    assert one.recipient == EDITOR
    assert (
        "Issue 183, version 1, goes out on Thursday, 26 November 2026, 09:00 (UTC). "
        "Version 2 is newer and not approved (2 words differ)."
    ) in said
    assert f"digest issue approve 183 {newer.version.hash[:12]}" in said
    approve = re.search(rf"{re.escape(PUBLIC_URL)}(/approve/[a-z2-7]+)", said)
    assert approve is not None
    assert (await client.post(approve[1])).status_code == 200
    assert (await state(installation, draft)).approved_version_id == newer.version.id


async def test_an_issue_with_a_time_of_its_own_is_approved_from_its_reminder(
    installation: Installation, client: httpx2.AsyncClient, draft: StoredIssue
) -> None:
    site, newsletter = installation.site, installation.newsletter
    now, at = site.clock.now(), datetime(2026, 11, 30, 10, tzinfo=UTC)
    async with site.db.begin() as session:
        before = timedelta(hours=2)
        await remind_of_time(session, newsletter, draft, at=at, before=before, now=now)
        await tell_unapproved(session, newsletter, draft, at=at, now=now)
    async with FakeRelay() as relay:
        stage = Stage(site.db, newsletter, draft.id, "", Watch())
        letters = NoticeLetters(site.db, site.keys, public_url=PUBLIC_URL)
        await stage.sender(relay, write_notice=letters).send_notices()
    mails = [one.message for one in relay.ledger if one.recipient == EDITOR]
    said = [" ".join(text_of(one).split()) for one in mails]
    said.sort(key=lambda text: "did not go out" in text)  # two connections sent them
    assert len(said) == 2
    for words, text in zip(("nobody has approved it", "did not go out"), said, strict=True):
        assert words in text
        assert "Monday, 30 November 2026, 10:00 (UTC)" in text
        assert "digest issue schedule 183 --newsletter weekly --at" in text
    approve = re.search(rf"{re.escape(PUBLIC_URL)}(/approve/[a-z2-7]+)", said[1])
    assert approve is not None
    assert (await client.post(approve[1])).status_code == 200
    assert (await state(installation, draft)).state is IssueState.APPROVED


def text_of(message: Message) -> str:
    """The text part of a mail."""
    part = next(part for part in message.walk() if part.get_content_type() == "text/plain")
    return bytes(part.get_payload(decode=True)).decode()
