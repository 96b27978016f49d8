"""Pictures put into a text at the desk: whoever may write brings them, and only clean ones stay."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx2
import pytest
from sqlalchemy import func, select

from digest.access.sessions import form_token_of
from digest.content.uploads import UPLOAD_MAX
from digest.rules.rights import RIGHTS, Right, Role
from digest.store.audit import list_deeds
from digest.store.issues import get_issue, latest_version
from digest.store.media import media_of_version
from digest.store.schema import media
from digest.web.app import Site
from tests.build import issue_text
from tests.content.test_media import picture, png_of_size
from tests.content.test_uploads import PAYLOAD, photo
from tests.web.conftest import Installation
from tests.web.desk import Person, a_browser, at_the_desk

BASE = "/desk/n/weekly"
PICTURE = f"{BASE}/write/picture"
JSON = {"accept": "application/json"}
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"


@pytest.fixture
async def editor(installation: Installation) -> AsyncIterator[Person]:
    async with at_the_desk(installation.site, Role.EDITOR) as person:
        yield person


async def bring(
    person: Person,
    data: bytes,
    name: str = "Labels.png",
    *,
    headers: dict[str, str] = JSON,
    **fields: str,
) -> httpx2.Response:
    sent = {"form_token": form_token_of(person.token)} | fields
    files = {"picture": (name, data, "image/png")}
    return await person.client.post(PICTURE, data=sent, files=files, headers=headers)


async def count(site: Site) -> int:
    async with site.db.read() as session:
        return int(await session.scalar(select(func.count()).select_from(media)) or 0)


def shown_in(text: str, name: str) -> str:
    return text.replace("What it does.", f"![What it shows]({name})\n\nWhat it does.")


async def test_a_picture_is_brought_seen_saved_and_served(
    installation: Installation, editor: Person
) -> None:
    site = installation.site
    found = (await bring(editor, photo(), "Ferien in Köln.JPG")).json()
    name = found["name"]
    assert re.fullmatch(r"img/ferien-in-koln-[0-9a-f]{12}\.jpg", name)
    assert (found["width"], found["height"]) == (40, 80)  # upright
    text = shown_in(issue_text(183), name)
    look = (await editor.post(f"{BASE}/write/look", text=text)).text
    assert 'data-shown="yes"' in look, look
    letter = (await editor.post(f"{BASE}/write/letter", text=text)).text
    served = re.search(r"/media/([0-9a-f]{64})\.jpg", letter)
    assert served is not None
    stored = await editor.get(served[0])
    assert stored.headers["content-type"] == "image/jpeg"
    assert b"phones" not in stored.content
    saved = await editor.post(f"{BASE}/write", text=text, based_on="")
    assert saved.status_code == 303
    async with site.db.read() as session:
        issue = await get_issue(session, installation.newsletter.id, "183")
        version = await latest_version(session, issue.id)
        assert version is not None
        assert version.pictures == {name: served[1]}
        assert await media_of_version(session, version.id) == [served[1]]
        written = [deed.action for deed in await list_deeds(session, limit=5)]
    assert written == ["write issue", "add picture"]
    todo = text.replace("What it shows", "TODO")
    assert "Something is still TODO." in (await editor.post(f"{BASE}/write/look", text=todo)).text


async def test_a_text_may_show_what_was_brought_for_another(
    installation: Installation, editor: Person
) -> None:
    name = (await bring(editor, picture("PNG"))).json()["name"]
    assert (await bring(editor, picture("PNG"))).json()["name"] == name  # once for ever
    assert await count(installation.site) == 1
    for number in (183, 184):
        saved = await editor.post(f"{BASE}/write", text=shown_in(issue_text(number), name))
        assert saved.status_code == 303
    other = name.replace(name[-16:-4], "0" * 12)
    look = (await editor.post(f"{BASE}/write/look", text=shown_in(issue_text(185), other))).text
    assert "is not there" in look


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no picture that a mail can show"),
        (SVG, "no picture that a mail can show"),
        (b"<!doctype html><script>alert(1)</script>", "no picture that a mail can show"),
        (picture("TIFF"), "no picture that a mail can show"),
        (png_of_size(60_000, 60_000), "pixels"),
        (png_of_size(40, 30), "damaged"),
        (picture("JPEG", (400, 300))[:900], "damaged"),
        (picture("PNG") + b"\0" * UPLOAD_MAX, "12 MB is the most"),
    ],
    ids=["empty", "svg", "html", "tiff", "bomb", "broken", "truncated", "large"],
)
async def test_what_is_no_good_picture_is_refused_and_nothing_of_it_is_kept(
    installation: Installation, editor: Person, data: bytes, words: str
) -> None:
    before = await count(installation.site)
    refused = await bring(editor, data)
    assert refused.status_code == 422
    assert words in refused.json()["error"]
    assert await count(installation.site) == before
    async with installation.site.db.read() as session:
        (deed,) = await list_deeds(session, limit=5)
    assert (deed.action, deed.result) == ("add picture", "refused (422)")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
async def test_a_program_behind_a_picture_is_served_to_nobody(editor: Person, kind: str) -> None:
    name = (await bring(editor, picture(kind) + PAYLOAD, "x.html")).json()["name"]
    text = shown_in(issue_text(183), name)
    letter = (await editor.post(f"{BASE}/write/letter", text=text)).text
    served = re.search(r"/media/[0-9a-f]{64}\.\w+", letter)
    assert served is not None
    answer = await editor.get(served[0])
    assert PAYLOAD not in answer.content
    assert answer.headers["content-type"] in ("image/png", "image/jpeg")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("role", list(Role))
async def test_whoever_may_write_may_bring_pictures_and_nobody_else(
    installation: Installation, role: Role
) -> None:
    async with at_the_desk(installation.site, role) as person:
        answer = await bring(person, picture("PNG"))
    may = Right.WRITE in RIGHTS[role]
    assert answer.status_code == (200 if may else 403)
    assert await count(installation.site) == int(may)


async def test_a_form_that_is_not_ours_brings_nothing(
    installation: Installation, editor: Person
) -> None:
    site, data = installation.site, picture("PNG")
    assert (await bring(editor, data, form_token="0" * 64)).status_code == 403
    elsewhere = JSON | {"sec-fetch-site": "cross-site"}
    assert (await bring(editor, data, headers=elsewhere)).status_code == 403
    async with a_browser(site) as nobody:
        answer = await nobody.post(PICTURE, files={"picture": ("x.png", data)})
        assert answer.status_code == 403
    raw = await editor.client.post(PICTURE, content=data, headers={"content-type": "image/png"})
    assert raw.status_code == 400
    fields = {"form_token": form_token_of(editor.token), "text": issue_text(183)}
    files = {"picture": ("x.png", data)}
    other = await editor.client.post(f"{BASE}/write", data=fields, files=files)
    assert other.status_code == 400  # a file only where one is asked for
    assert await count(site) == 0
    gone = PICTURE.replace("weekly", "no-such")
    fields = {"form_token": form_token_of(editor.token)}
    assert (await editor.client.post(gone, data=fields, files=files)).status_code == 404


async def test_a_body_without_an_end_is_cut_and_many_pictures_have_to_wait(
    editor: Person,
) -> None:
    assert (await bring(editor, b"\0" * (UPLOAD_MAX + (4 << 20) + 1))).status_code == 413
    answers = [(await bring(editor, SVG)).status_code for _ in range(101)]
    assert set(answers[:100]) == {422}
    assert answers[100] == 429


async def test_without_scripts_the_page_comes_back_with_the_line_and_the_text(
    installation: Installation, editor: Person
) -> None:
    text = issue_text(183, words="what I typed")
    page = await bring(editor, picture("PNG"), headers={}, text=text)
    assert page.status_code == 200
    assert "what I typed" in page.text
    assert re.search(r"!\[TODO\]\(img/labels-[0-9a-f]{12}\.png\)", page.text)
    wrong = await bring(editor, SVG, headers={}, text=text)
    assert wrong.status_code == 422
    assert "No picture was added." in wrong.text
    assert "what I typed" in wrong.text
    none = await editor.client.post(
        PICTURE,
        data={"form_token": form_token_of(editor.token), "text": text},
        files={"picture": ("", b"")},
    )
    assert "No picture was chosen." in none.text
    assert await count(installation.site) == 1
