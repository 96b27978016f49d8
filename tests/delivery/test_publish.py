from __future__ import annotations

import dataclasses
import io
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import text

from digest.delivery.publish import approve_issue, load_outgoing, prepare_issue
from digest.errors import ConflictError, IssueFileError, RefusedError
from digest.mail.message import Recipient
from digest.rules.delivery import IssueState
from digest.store.issues import get_issue, list_issues
from digest.store.media import get_media, media_of_version
from digest.store.newsletters import set_newsletter
from tests.build import NOW, PUBLIC_URL, a_newsletter, add_issue, an_issue, issue_text

TOKEN = "a" * 40
ANNE = Recipient(
    address="anne@example.org",
    name="Anne",
    token=TOKEN,
    leave="b" * 40,
    preferences="c" * 40,
    date=datetime(2026, 11, 26, 9, 0, tzinfo=UTC),
)


def a_png() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (4, 3), "navy").save(data, "PNG")
    return data.getvalue()


async def count(database, table: str) -> int:
    async with database.read() as session:
        return (await session.execute(text(f"SELECT COUNT(*) FROM {table}"))).scalar_one()


async def test_what_is_loaded_from_the_row_is_what_was_compiled(database):
    newsletter = await a_newsletter(database)
    published = await an_issue(database, newsletter)
    async with database.read() as session:
        loaded = await load_outgoing(session, published.version.id)
    raw = loaded.message.compose(ANNE)
    message = message_from_bytes(raw, policy=policy.default)
    assert message["From"] == "A Weekly <hello@news.example.org>"
    assert message["Subject"] == "A Weekly, Issue #182"
    assert message["Message-ID"] == f"<{TOKEN}@news.example.org>"
    assert message["List-Id"] == "A Weekly <weekly.news.example.org>"
    assert f"<{PUBLIC_URL}/u/{'b' * 40}>" in message["List-Unsubscribe"]
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Feedback-ID"].startswith("182:weekly:issue:digest")
    assert loaded.return_path == "b-{token}@bounces.news.example.org"
    assert loaded.sections == ("Industry", "Code")
    body = message.get_body(("plain",))
    assert body is not None
    assert "Hey Anne," in body.get_content()


async def test_the_sender_as_approved_goes_out_whatever_the_newsletter_says_later(database):
    newsletter = await a_newsletter(database)
    published = await an_issue(database, newsletter)
    async with database.begin() as session:
        before = (await load_outgoing(session, published.version.id)).message.compose(ANNE)
        await set_newsletter(
            session,
            newsletter.id,
            name="Other",
            from_name="Other",
            from_address="other@example.net",
            return_path="x-{token}@example.net",
        )
        after = await load_outgoing(session, published.version.id)
    assert after.message.compose(ANNE) == before
    assert after.return_path == "b-{token}@bounces.news.example.org"


async def test_the_same_text_has_the_same_hash_on_every_day_and_database(database):
    newsletter = await a_newsletter(database)
    published = await an_issue(database, newsletter)
    again = await an_issue(database, newsletter)
    later = dataclasses.replace(newsletter, id=99, created_at=NOW + timedelta(days=1))
    prepared = prepare_issue(later, issue_text(), path="x.md", media={}, public_url=PUBLIC_URL)
    assert again.version == published.version
    assert prepared.draft.hash == published.version.hash
    assert len(published.version.hash) == 64


@pytest.mark.parametrize(
    "change",
    [
        {"from_name": "Another"},
        {"from_address": "other@news.example.org"},
        {"reply_to": "anne@example.org"},
        {"return_path": "x-{token}@bounces.news.example.org"},
        {"list_id": "other.example.org"},
        {"postal_address": "2 Main Street"},
        {"settings": {"utm": {"source": "weekly"}}},
    ],
)
async def test_whatever_a_reader_can_see_changes_the_hash(sqlite_url, change):
    from digest.store.session import Database

    async with await Database.open(sqlite_url) as database:
        newsletter = await a_newsletter(database)
    other = dataclasses.replace(newsletter, **change)
    hashes = {
        prepare_issue(one, issue_text(), path="x.md", media={}, public_url=PUBLIC_URL).draft.hash
        for one in (newsletter, other)
    }
    assert len(hashes) == 2


@pytest.mark.parametrize(
    "old, new",
    [
        ("What it does.", "What it did."),
        ("title: A Weekly", "title: The Weekly"),
        ("preview: What it takes", "preview: What they take"),
        ("https://example.org/more", "https://example.org/less"),
        ("{name|folks}", "{name|friends}"),
    ],
)
async def test_a_changed_word_is_another_version(database, old, new):
    newsletter = await a_newsletter(database)
    first = await an_issue(database, newsletter)
    assert old in issue_text()
    second = await an_issue(database, newsletter, text=issue_text().replace(old, new))
    assert (first.version.ordinal, second.version.ordinal) == (1, 2)
    assert first.version.hash != second.version.hash


async def test_pictures_are_stored_with_the_version_and_are_part_of_its_hash(database):
    newsletter = await a_newsletter(database)
    source = issue_text().replace("*The Site", "![A picture](img/x.png)\n*The Site")
    async with database.begin() as session:
        published = await add_issue(
            session,
            newsletter,
            source,
            path="issue.md",
            media={"img/x.png": a_png()},
            public_url=PUBLIC_URL,
            now=NOW,
        )
        (sha,) = await media_of_version(session, published.version.id)
        stored = await get_media(session, sha)
    assert stored is not None
    assert (stored.data, stored.extension, stored.width) == (a_png(), "png", 4)
    assert f"/media/{sha}.png" in published.version.web_html


@pytest.mark.parametrize(
    "source",
    [
        "no front matter",
        issue_text().replace("title:", "titel:"),
        issue_text().replace("(https://example.org/page)", ""),
        issue_text().replace("https://example.org/page", "javascript:alert(1)"),
        issue_text() + "\n## Empty\n",
        issue_text().replace("*The Site", "![Gone](img/gone.png)\n*The Site"),
        issue_text() + "\n<script>alert(1)</script>\n",
    ],
)
async def test_a_text_with_an_error_stores_nothing(database, source):
    newsletter = await a_newsletter(database)
    with pytest.raises(IssueFileError) as refused:
        await an_issue(database, newsletter, text=source)
    assert refused.value.where.startswith(("issue.md", "img/"))
    for table in ("issues", "versions", "media", "links"):
        assert await count(database, table) == 0


async def test_a_picture_that_is_none_stores_nothing(database):
    newsletter = await a_newsletter(database)
    source = issue_text().replace("*The Site", "![A picture](img/x.png)\n*The Site")
    with pytest.raises(IssueFileError):
        async with database.begin() as session:
            await add_issue(
                session,
                newsletter,
                source,
                path="issue.md",
                media={"img/x.png": b"<svg onload=alert(1)>"},
                public_url=PUBLIC_URL,
                now=NOW,
            )
    assert await count(database, "versions") == 0


async def test_a_placeholder_may_be_stored_but_not_approved(database):
    newsletter = await a_newsletter(database)
    source = issue_text().replace("https://example.org/page", "TODO")
    published = await an_issue(database, newsletter, text=source)
    async with database.begin() as session:
        with pytest.raises(RefusedError) as refused:
            await approve_issue(
                session, published.issue, published.version.hash, by="anne", now=NOW
            )
        assert (await get_issue(session, newsletter.id, "182")).state is IssueState.DRAFT
    assert "issue 182:11:" in refused.value.message


async def test_a_complete_issue_is_approved_by_the_beginning_of_its_hash(database):
    newsletter = await a_newsletter(database)
    published = await an_issue(database, newsletter)
    async with database.begin() as session:
        approved = await approve_issue(
            session, published.issue, published.version.hash[:8], by="anne", now=NOW
        )
        assert approved.id == published.version.id
        assert (await get_issue(session, newsletter.id, "182")).state is IssueState.APPROVED


async def test_an_issue_of_the_past_is_finished_and_goes_to_nobody(database):
    newsletter = await a_newsletter(database)
    then = NOW - timedelta(days=365)
    arguments: dict[str, Any] = {"path": "x.md", "media": {}, "public_url": PUBLIC_URL, "now": NOW}
    async with database.begin() as session:
        published = await add_issue(session, newsletter, issue_text(1), sent_at=then, **arguments)
    issue = published.issue
    assert (issue.state, issue.planned, issue.finished_at) == (IssueState.FINISHED, 0, then)
    with pytest.raises(ConflictError):
        async with database.begin() as session:
            await add_issue(session, newsletter, issue_text(1), sent_at=then, **arguments)
    assert await count(database, "versions") == 1


async def test_an_issue_that_is_here_already_cannot_become_one_of_the_past(database):
    newsletter = await a_newsletter(database)
    await an_issue(database, newsletter)
    with pytest.raises(ConflictError, match="here already"):
        async with database.begin() as session:
            await add_issue(
                session,
                newsletter,
                issue_text(words="other words"),
                path="x.md",
                media={},
                public_url=PUBLIC_URL,
                now=NOW,
                sent_at=NOW,
            )
    async with database.read() as session:
        (issue,) = await list_issues(session, newsletter.id)
    assert issue.state is IssueState.DRAFT
    assert await count(database, "versions") == 1


async def test_template_syntax_in_every_field_stays_text(database):
    evil = "{{ 7*7 }} {% for x in y %} ${7*7} {{ config }}"
    newsletter = await a_newsletter(database, name=evil, from_name=evil, postal_address=evil)
    source = issue_text().replace("What it does.", "`{{ 7*7 }} {{ config }}`")
    published = await an_issue(database, newsletter, text=source)
    version = published.version
    for form in (version.html, version.plain, version.web_html):
        assert "49" not in form.replace("#49", "")
        assert "7*7" in form


async def test_a_title_with_marks_that_reverse_text_reaches_no_header(database):
    newsletter = await a_newsletter(database)
    source = issue_text().replace("title: A Weekly", "title: A\u202eWeekly")
    try:
        published = await an_issue(database, newsletter, text=source)
    except IssueFileError:
        assert await count(database, "versions") == 0
        return
    async with database.read() as session:
        raw = (await load_outgoing(session, published.version.id)).message.compose(ANNE)
    assert "\u202e" not in message_from_bytes(raw, policy=policy.default)["Subject"]
