"""Settings of a newsletter and themes at the desk: what ``digest newsletter set`` can do."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from digest.delivery.publish import approve_issue
from digest.rules.rights import Role
from digest.store.audit import list_deeds
from digest.store.newsletters import Newsletter, newsletter_by_id, people, set_newsletter
from digest.store.slots import schedule_issue
from digest.web.desk.newsletter import FIELDS
from tests.build import an_issue, issue_text
from tests.web.conftest import Installation
from tests.web.desk import Person, at_the_desk

BASE = "/desk/n/weekly"
_FIELD = r'<input (?![^>]*type="checkbox")[^>]*name="(\w+)"[^>]*value="([^"]*)"'


@pytest.fixture
async def editor(installation: Installation) -> AsyncIterator[Person]:
    async with at_the_desk(installation.site, Role.EDITOR) as person:
        yield person


async def now(installation: Installation) -> Newsletter:
    async with installation.site.db.read() as session:
        return await newsletter_by_id(session, installation.newsletter.id)


async def test_a_box_that_is_ticked_counts_clicks_and_one_that_is_not_does_not(
    installation: Installation, editor: Person
) -> None:
    box = re.compile(r'<input id="f-clicks"[^>]*type="checkbox"[^>]*>')
    shown = box.search((await editor.get(f"{BASE}/settings")).text)
    assert shown is not None
    assert "checked" not in shown[0]
    await editor.post(f"{BASE}/settings", clicks=["off", "on"])  # as a browser sends it
    assert (await now(installation)).settings["clicks"] is True
    shown = box.search((await editor.get(f"{BASE}/settings")).text)
    assert shown is not None
    assert "checked" in shown[0]
    await editor.post(f"{BASE}/settings", clicks="off")
    assert "clicks" not in (await now(installation)).settings
    assert (await editor.post(f"{BASE}/settings", clicks="perhaps")).status_code == 422


async def test_who_gets_mail_about_a_newsletter_is_written_one_in_a_line(
    installation: Installation, editor: Person
) -> None:
    async def parts() -> list[tuple[str, str]]:
        async with installation.site.db.read() as session:
            found = await people(session, installation.newsletter.id)
        return [(one.role, one.address) for one in found]

    given = {"editor": "cris@example.org\r\nanne@example.org", "operator": "bart@example.org"}
    assert (await editor.post(f"{BASE}/settings", **given)).status_code == 303
    assert await parts() == [
        ("editor", "anne@example.org"),
        ("editor", "cris@example.org"),
        ("operator", "bart@example.org"),
    ]
    wrong = await editor.post(f"{BASE}/settings", editor="no address", operator="", name="X")
    assert (wrong.status_code, 'href="#f-editor"' in wrong.text) == (422, True)
    assert len(await parts()) == 3
    await editor.post(f"{BASE}/settings", editor="cris@example.org", operator="")
    assert await parts() == [("editor", "cris@example.org")]


async def test_what_is_changed_is_set_and_the_rest_stays(
    installation: Installation, editor: Person
) -> None:
    before = await now(installation)
    saved = await editor.post(
        f"{BASE}/settings",
        name="Another Weekly",
        schedule="thu 09:00",
        timezone="Europe/Berlin",
        grace="90",
        sections="News\r\n\r\n Code ",
        colour="accent=#123456",
        automatic="yes",
        utm="source=weekly",
    )
    assert saved.headers["location"] == f"{BASE}/settings?done=settings"
    after = await now(installation)
    assert (after.name, after.schedule, after.timezone) == (
        *("Another Weekly", "thu 09:00", "Europe/Berlin"),
    )
    assert after.from_address == before.from_address
    assert after.return_path == before.return_path
    assert after.next_run_at is not None
    assert after.settings["sections"] == ["News", "Code"]
    assert after.settings["grace_minutes"] == 90
    assert after.settings["theme"]["colours"] == {"accent": "#123456"}
    assert after.settings["automatic"] == {}
    page = (await editor.get(saved.headers["location"])).text
    assert "Changed, for what is added from now on." in page
    assert 'value="Another Weekly"' in page
    shown = dict(re.findall(_FIELD, page))
    fields = {name: html.unescape(value) for name, value in shown.items() if name != "form_token"}
    assert fields["automatic"] == "yes"
    assert (await editor.post(f"{BASE}/settings", **fields)).status_code == 303
    assert await now(installation) == after  # what is shown, sent again, changes nothing


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", " ", "name"),
        ("sender", "nobody", "address"),
        ("timezone", "Mars/Phobos", "no time zone"),
        ("schedule", "sometimes", "sometimes"),
        ("grace", "-1", "whole number"),
        ("grace", "9" * 6, "minutes are possible"),
        ("undo_window", "soon", "whole number"),
        ("unready", "panic", "Choose one of"),
        ("colour", "accent=#fefefe", "contrast"),
        ("colour", "accent", "no name and colour"),
        ("logo", "javascript:alert(1)", "picture on the web"),
        ("return_path", "b@example.org", "{token}"),
        ("utm", "weekly", "cannot be read"),
        ("language", "<script>", "cannot be used"),
    ],
)
async def test_what_cannot_be_set_is_named_beside_its_field_and_nothing_is_set(
    installation: Installation, editor: Person, field: str, value: str, words: str
) -> None:
    before = await now(installation)
    fields = {"description": "Something else.", field: value}
    answer = await editor.post(f"{BASE}/settings", **fields)
    assert answer.status_code == 422
    assert words in html.unescape(answer.text)
    assert re.search(rf'id="f-{field}"[^>]*aria-invalid="true"', answer.text)
    assert "Something else." in answer.text
    assert await now(installation) == before


async def test_a_theme_is_looked_at_in_a_frame_that_runs_nothing_and_picked(
    installation: Installation, editor: Person
) -> None:
    page = (await editor.get(f"{BASE}/themes?scheme=dark")).text
    for name in ("default", "letter"):
        assert f'src="{BASE}/themes/{name}?scheme=dark"' in page
        sample = await editor.get(f"{BASE}/themes/{name}?scheme=dark")
        assert "A Weekly" in sample.text
        assert "sandbox allow-popups" in sample.headers["content-security-policy"]
    assert (await editor.get(f"{BASE}/themes/../../x")).status_code == 404
    assert (await editor.get(f"{BASE}/themes/none")).status_code == 404
    assert (await editor.post(f"{BASE}/themes", theme="letter")).status_code == 303
    assert (await now(installation)).theme == "letter"
    assert (await editor.post(f"{BASE}/themes", theme="../default")).status_code == 422


async def test_what_holds_where_nothing_is_set_is_shown_and_its_opposite_can_be_set(
    installation: Installation, editor: Person
) -> None:
    """Issues that make themselves skip an empty slot; and no grace at all is a setting, too."""
    await editor.post(f"{BASE}/settings", automatic="yes", grace="0")
    page = (await editor.get(f"{BASE}/settings")).text
    assert "<option selected>skip</option>" in page
    assert re.search(r'name="grace"[^>]*value="0"', page)
    assert (await editor.post(f"{BASE}/settings", unready="hold")).status_code == 303
    settings = (await now(installation)).settings
    assert (settings["unready"], settings["grace_minutes"]) == ("hold", 0)


async def test_what_was_not_set_is_not_written_down_as_done(
    installation: Installation, editor: Person
) -> None:
    await editor.post(f"{BASE}/settings", grace="-1")
    async with installation.site.db.read() as session:
        deed = (await list_deeds(session, limit=1))[0]
    assert (deed.action, deed.result) == ("set newsletter", "refused (422)")


def test_every_field_has_a_name_of_its_own() -> None:
    names = [one.name for one in FIELDS]
    assert len(names) == len(set(names))
    assert all(one.title for one in FIELDS)


async def test_every_page_that_says_what_comes_next_says_what_is_newer_and_not_approved(
    installation: Installation, editor: Person
) -> None:
    site, newsletter = installation.site, installation.newsletter
    first = await an_issue(site.db, newsletter, 183)
    text = issue_text(190).replace("number: 190", "slug: special")
    special = await an_issue(site.db, newsletter, 190, text=text)
    now = site.clock.now()
    async with site.db.begin() as session:
        await set_newsletter(session, newsletter.id, schedule="thu 09:00")
        for one in (first, special):
            await approve_issue(session, one.issue, one.version.hash, by="Anne", now=now)
        await schedule_issue(session, special.issue.id, datetime(2030, 12, 1, 18, tzinfo=UTC))
    text = issue_text(183).replace("The blurb", "A thought")
    await an_issue(site.db, newsletter, 183, text=text)
    for path in ("/desk", BASE, f"{BASE}/i/183", f"{BASE}/settings"):
        answer = await editor.get(path)
        assert answer.status_code == 200, path
        said = " ".join(re.sub(r"<[^>]+>", "", answer.text).split())
        assert "Issue 183, version 1, goes out on Thursday" in said, path
        assert "Version 2 is newer and not approved; 2 words differ." in said, path
        assert "goes out on Sunday 1 December, 18:00, a time of its own." in said, path
