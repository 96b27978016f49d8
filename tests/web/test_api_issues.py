"""Issues by the API: what the command line does, for editors elsewhere."""

from __future__ import annotations

import base64
from io import BytesIO

import httpx2
import pytest
from PIL import Image
from sqlalchemy import select

from digest.rules.delivery import IssueState
from digest.store import schema
from digest.store.issues import get_issue, get_version
from tests.build import issue_text
from tests.web.api import Program, a_key
from tests.web.conftest import Installation


def a_picture() -> str:
    data = BytesIO()
    Image.new("RGB", (2, 2)).save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


LIST = "/newsletters/weekly/issues"


@pytest.fixture
async def program(installation: Installation, client: httpx2.AsyncClient) -> Program:
    _, key = await a_key(installation.site)
    return Program(client, key)


async def added(program: Program, text: str, **more: object) -> httpx2.Response:
    return await program.post(LIST, {"text": text, **more})


async def test_a_text_is_added_tested_and_approved(
    installation: Installation, program: Program
) -> None:
    first = (await added(program, issue_text(183))).json()
    assert (first["issue"], first["version"]) == (183, 1)
    assert "already-sent" in {one["code"] for one in first["findings"]}
    tested = (await program.post(f"{LIST}/183/tests", {"to": ["edda@example.org"]})).json()
    assert (tested["test"], tested["hash"]) == (1, first["hash"])
    approved = (await program.post(f"{LIST}/183/approval", {"tested": True})).json()
    assert (approved["state"], approved["hash"]) == ("approved", first["hash"])
    async with installation.site.db.read() as session:
        issue = await get_issue(session, installation.newsletter.id, "183")
        version = await get_version(session, issue.approved_version_id or 0)
        kinds = list(await session.scalars(select(schema.notices.c.kind)))
    assert issue.state is IssueState.APPROVED
    assert (version.approved_by or "").startswith("api key ")
    assert kinds == ["test"]


async def test_a_list_a_text_and_the_counts_can_be_read(program: Program) -> None:
    await added(program, issue_text(183))
    listed = (await program.get(LIST)).json()["items"]
    assert [(one["issue"], one["state"]) for one in listed] == [(183, "draft"), (182, "sending")]
    source = (await program.get(f"{LIST}/183/source")).json()
    assert source["source"] == issue_text(183)
    counts = (await program.get(f"{LIST}/182/status")).json()
    assert (counts["planned"], counts["queued"], counts["in_doubt"]) == (2, 2, 0)


async def test_a_text_made_of_an_older_version_is_refused(program: Program) -> None:
    first = (await added(program, issue_text(183))).json()["hash"]
    second = issue_text(183).replace("blurb", "second thought")
    assert (await added(program, second, based_on=first)).status_code == 201
    third = issue_text(183).replace("blurb", "third thought")
    late = await added(program, third, based_on=first)
    assert late.status_code == 409
    assert "Version 2 of issue 183 was added since" in late.json()["detail"]
    assert (await added(program, third)).status_code == 201  # whoever says nothing knows better


async def test_pictures_come_with_the_text(program: Program) -> None:
    text = issue_text(183).replace(
        "## ",
        "## Pictures\n### [One](https://example.org/one)\n![A square](img/a.png)\n\nText.\n\n## ",
        1,
    )
    missing = await added(program, text)
    assert missing.status_code == 422
    assert "img/a.png" in missing.json()["errors"][0]["detail"]
    pictures = {"img/a.png": a_picture()}
    assert (await added(program, text, pictures=pictures)).status_code == 201


@pytest.mark.parametrize(
    ("text", "place"),
    [("no front matter", "issue.md:1"), (issue_text(183) + "\n<script>", "issue.md:")],
)
async def test_a_text_that_is_no_issue_is_told_with_its_place(
    program: Program, text: str, place: str
) -> None:
    for path in (LIST, "/newsletters/weekly/check"):
        answer = await program.post(path, {"text": text})
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert error["pointer"] == "/text"
        assert place in error["detail"]


async def test_a_check_stores_nothing_and_says_what_stands_in_the_way(
    installation: Installation, program: Program
) -> None:
    answer = await program.post(
        "/newsletters/weekly/check", {"text": f"{issue_text(183)}\n### [TODO](TODO)\nTODO\n"}
    )
    found = answer.json()
    assert (answer.status_code, found["ok"]) == (200, False)
    assert {one["code"] for one in found["findings"]} >= {"placeholder"}
    assert [one["issue"] for one in (await program.get(LIST)).json()["items"]] == [182]


async def test_what_cannot_be_approved_says_why(program: Program) -> None:
    await added(program, f"{issue_text(183)}\n### [TODO](TODO)\nTODO\n")
    digits = (await program.get(f"{LIST}/183/source")).json()["hash"]
    for body in ({"hash": digits}, {"hash": "0" * 64}, {"tested": True}):
        answer = await program.post(f"{LIST}/183/approval", body)
        assert answer.status_code == 409, body
        assert answer.json()["detail"]
    for wrong in ({}, {"hash": digits, "tested": True}):
        assert (await program.post(f"{LIST}/183/approval", wrong)).status_code == 422
    assert (await added(program, issue_text(182))).status_code == 409  # it is on its way


@pytest.mark.parametrize("name", ["999", "nobody", "%00", "%F0%9F%92%A9"])
async def test_an_issue_that_is_not_there_is_not_found(program: Program, name: str) -> None:
    assert (await program.get(f"{LIST}/{name}/source")).status_code == 404
