"""The editor at the desk: what is typed is looked at as by a check, and a save undoes nobody's."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator

import pytest

from digest.delivery.writing import clean_text, pictures_of
from digest.resources import examples
from digest.rules.delivery import IssueState
from digest.rules.rights import Role
from digest.store.audit import list_deeds
from digest.store.issues import get_issue, latest_version
from digest.web.app import Site
from digest.web.desk.writing import differing
from tests.build import add_issue, an_issue, issue_text
from tests.web.conftest import Installation
from tests.web.desk import Person, at_the_desk
from tests.web.test_letter import DARK, LIGHT, scheme_of

BASE = "/desk/n/weekly"
_TEXT = re.compile(r"<textarea[^>]*>\n(.*?)</textarea>", re.DOTALL)


def typed(page: str) -> str:
    """What stands in the field for the text."""
    found = _TEXT.search(page)
    assert found is not None
    return html.unescape(found[1])


def based_on(page: str) -> str:
    found = re.search(r'name="based_on" value="([0-9a-f]*)"', page)
    assert found is not None
    return found[1]


@pytest.fixture
async def editor(installation: Installation) -> AsyncIterator[Person]:
    async with at_the_desk(installation.site, Role.EDITOR) as person:
        yield person


async def source_of(site: Site, installation: Installation, number: int) -> tuple[int, str]:
    """The ordinal and the text of the latest version."""
    async with site.db.read() as session:
        issue = await get_issue(session, installation.newsletter.id, str(number))
        version = await latest_version(session, issue.id)
    assert version is not None
    return version.ordinal, version.source


async def test_a_new_issue_begins_as_on_the_command_line_and_is_saved(
    installation: Installation, editor: Person
) -> None:
    page = (await editor.get(f"{BASE}/write")).text
    assert typed(page).startswith("---\nnumber: 183\n")
    assert "## Industry" in typed(page)
    assert based_on(page) == ""
    text = issue_text(183)
    saved = await editor.post(f"{BASE}/write", text=text.replace("\n", "\r\n"), based_on="")
    assert saved.headers["location"] == f"{BASE}/i/183/write?done=saved"
    after = (await editor.get(saved.headers["location"])).text
    assert "Saved." in after
    assert typed(after) == text
    assert await source_of(installation.site, installation, 183) == (1, text)
    assert f'src="{BASE}/i/183/letter/1"' in after
    async with installation.site.db.read() as session:
        assert (await list_deeds(session, limit=1))[0].action == "write issue"


async def test_a_save_that_would_undo_anothers_is_refused_with_what_differs(
    installation: Installation, editor: Person
) -> None:
    await an_issue(installation.site.db, installation.newsletter, 183)
    first = based_on((await editor.get(f"{BASE}/i/183/write")).text)
    theirs, mine = issue_text(183, words="three & more"), issue_text(183, words="four items")
    assert (await editor.post(f"{BASE}/write", text=theirs, based_on=first)).status_code == 303
    fields = {"text": mine, "based_on": first, "issue": "183"}
    refused = await editor.post(f"{BASE}/write", **fields)
    assert refused.status_code == 409
    assert typed(refused.text) == mine
    assert "Version 2 was saved while you wrote" in refused.text
    assert re.search(r"<del>.*This week has three &amp; more\.</del>", refused.text)
    assert re.search(r"<ins>.*This week has four items\.</ins>", refused.text)
    assert await source_of(installation.site, installation, 183) == (2, theirs)
    over = await editor.post(f"{BASE}/write", **{**fields, "based_on": based_on(refused.text)})
    assert over.status_code == 303
    assert await source_of(installation.site, installation, 183) == (3, mine)


async def test_a_new_text_does_not_take_the_number_of_an_issue_that_is_there(
    installation: Installation, editor: Person
) -> None:
    await an_issue(installation.site.db, installation.newsletter, 183)
    text = issue_text(183, words="something else")
    refused = await editor.post(f"{BASE}/write", text=text, based_on="")
    assert (refused.status_code, typed(refused.text)) == (409, text)
    same = await editor.post(f"{BASE}/write", text=issue_text(183), based_on="")
    assert same.status_code == 303  # nothing is undone by what is there already
    assert await source_of(installation.site, installation, 183) == (1, issue_text(183))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no issue at all", "not saved"),
        (issue_text(183).replace("preview:", "previous:"), "previous"),
        (issue_text(183, words="\x07"), "not saved"),
        ("", "not saved"),
    ],
)
async def test_a_text_that_cannot_be_stored_stays_on_the_page(
    installation: Installation, editor: Person, text: str, words: str
) -> None:
    answer = await editor.post(f"{BASE}/write", text=text, based_on="")
    assert answer.status_code == 422
    assert words in answer.text.lower()
    assert typed(answer.text) == text
    async with installation.site.db.read() as session:
        issue = await get_issue(session, installation.newsletter.id, "182")
        version = await latest_version(session, issue.id)
    assert version is not None


async def test_what_is_on_its_way_is_shown_and_not_written_on(
    installation: Installation, editor: Person
) -> None:
    away = await editor.get(f"{BASE}/i/182/write")
    assert (away.status_code, away.headers["location"]) == (303, f"{BASE}/i/182")
    text = issue_text(182, words="other words")
    page = await editor.post(f"{BASE}/write", text=text, based_on="", issue="182")
    assert page.status_code == 409
    late = await editor.post(f"{BASE}/write", text=text, based_on=based_on(page.text), issue="182")
    assert (late.status_code, typed(late.text)) == (422, text)
    assert "cannot be replaced" in late.text


async def test_findings_follow_the_text_with_their_lines(
    installation: Installation, editor: Person
) -> None:
    text = issue_text(183).replace("https://github.com/owner/repository", "TODO")
    look = (await editor.post(f"{BASE}/write/look", text=text)).text
    assert 'data-line="17"' in look
    assert "Something is still TODO." in look
    assert "1 to mend before it can go out" in look
    assert "2 sections, 2 items" in look
    broken = (await editor.post(f"{BASE}/write/look", text=text.replace("## Code", "# Code"))).text
    assert 'data-line="16"' in broken
    assert 'data-shown=""' in broken
    again = (await editor.post(f"{BASE}/write/look", text=issue_text(183))).text
    assert "No. 182" in again  # it linked the same pages
    fresh = issue_text(183).replace("example.org", "example.net").replace("owner/", "other/")
    fresh = fresh.replace("preview: What it", "preview: How it").replace("[link]", "[story]")
    good = (await editor.post(f"{BASE}/write/look", text=fresh)).text
    assert "Nothing to mend" in good, good
    async with installation.site.db.read() as session:
        assert await list_deeds(session, limit=5) == []  # to look is nothing done


async def test_the_letter_of_a_text_runs_nothing_and_leads_to_where_one_writes(
    editor: Person,
) -> None:
    fields = {"text": issue_text(183, words="&lt;script>alert(1)&lt;/script>")}
    letter = await editor.post(f"{BASE}/write/letter", line="17", **fields)
    policy = letter.headers["content-security-policy"]
    assert "sandbox allow-popups" in policy
    assert "allow-scripts" not in policy
    assert "frame-ancestors 'self'" in policy
    assert "<script" not in letter.text
    here = r'<span id="here"></span><a [^>]*github\.com/owner/repository'
    assert re.search(here, letter.text)
    assert 'id="here"' not in (await editor.post(f"{BASE}/write/letter", **fields)).text
    plain = (await editor.post(f"{BASE}/write/letter", view="text", **fields)).text
    assert "&lt;script&gt;" in plain
    for view, scheme in (("phone", LIGHT), ("desktop", LIGHT), ("dark", DARK)):
        shown = (await editor.post(f"{BASE}/write/letter", view=view, **fields)).text
        assert scheme_of(shown) == scheme, view
    broken = (await editor.post(f"{BASE}/write/letter", text="<script>alert(1)</script>")).text
    assert "Line 1" in broken
    assert "<script" not in broken


async def test_pictures_of_the_version_before_stay_in_the_text(
    installation: Installation, editor: Person
) -> None:
    site, folder = installation.site, examples()
    text = (folder / "quiet-machines-12.md").read_text(encoding="utf-8")
    media = {"img/lost-reply.png": (folder / "img" / "lost-reply.png").read_bytes()}
    async with site.db.begin() as session:
        await add_issue(session, installation.newsletter, text, media=media)
    page = (await editor.get(f"{BASE}/i/12/write")).text
    changed = text.replace("This week is about", "This issue is about")
    fields = {"text": changed, "based_on": based_on(page), "issue": "12"}
    assert "/media/" in (await editor.post(f"{BASE}/write/letter", **fields)).text
    assert (await editor.post(f"{BASE}/write", **fields)).status_code == 303
    async with site.db.read() as session:
        issue = await get_issue(session, installation.newsletter.id, "12")
        latest = await latest_version(session, issue.id)
        assert latest is not None
        assert (latest.ordinal, latest.source) == (2, changed)
        assert await pictures_of(session, latest) == media
    more = {**fields, "text": changed.replace("img/lost-reply.png", "img/other.png")}
    assert "other.png is not there" in (await editor.post(f"{BASE}/write/look", **more)).text


async def test_a_test_an_approval_and_a_time_are_given_from_the_page(
    installation: Installation, editor: Person
) -> None:
    stored = await an_issue(installation.site.db, installation.newsletter, 183)
    path = f"{BASE}/i/183"
    page = (await editor.get(f"{path}/write")).text
    for act in ("test", "approve", "time"):
        assert f'action="{path}/{act}"' in page
    assert f'name="hash" value="{stored.version.hash}"' in page
    await editor.post(f"{path}/test", to="anne@example.org")
    await editor.post(f"{path}/approve", hash=stored.version.hash)
    after = (await editor.get(f"{path}/write")).text
    assert "Approved" in after
    assert f'action="{path}/withdraw"' in after
    async with installation.site.db.read() as session:
        issue = await get_issue(session, installation.newsletter.id, "183")
    assert issue.state is IssueState.APPROVED


async def test_an_issue_made_of_links_needs_links(
    installation: Installation, editor: Person
) -> None:
    empty = await editor.get(f"{BASE}/write?from=links")
    assert empty.status_code == 409
    assert "Nothing is kept for an issue." in empty.text


def test_lines_end_as_in_a_file() -> None:
    assert clean_text("a\r\nb\rc\nd") == "a\nb\nc\nd"


def test_a_difference_shows_what_is_not_shared_and_its_surroundings() -> None:
    one = "\n".join(str(number) for number in range(20))
    other = one.replace("5", "five").replace("\n18", "")
    kinds = [(line.kind, line.text) for line in differing(one, other)]
    assert ("theirs", "5") in kinds
    assert ("mine", "five") in kinds
    assert ("theirs", "18") in kinds
    assert ("gap", "…") in kinds
    assert ("same", "10") not in kinds
    assert differing("x\n" * 5_000, "y") == []
