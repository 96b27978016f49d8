"""Issues by the API: what the command line does, for editors elsewhere."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from io import BytesIO

import httpx2
import pytest
from PIL import Image
from sqlalchemy import select, update

from digest.delivery.checks import Gate
from digest.rules.delivery import IssueState
from digest.rules.relay import parse_relays
from digest.store import schema
from digest.store.audit import list_deeds
from digest.store.issues import get_issue, get_version, move_issue
from digest.web.app import create_app
from tests.build import NOW, PUBLIC_URL, issue_text
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


ONE = f"{LIST}/182"


async def test_an_issue_on_its_way_is_paused_resumed_and_cancelled_and_it_is_written_down(
    installation: Installation, program: Program
) -> None:
    paused = (await program.post(f"{ONE}/pause", {"reason": "a wrong link"})).json()
    assert (paused["state"], paused["paused_reason"], paused["changed"]) == (
        *("paused", "a wrong link", True),
    )
    assert not (await program.post(f"{ONE}/pause", {})).json()["changed"]
    assert (await program.post(f"{ONE}/resume")).json()["state"] == "sending"
    assert (await program.post(f"{ONE}/cancel")).json()["state"] == "cancelled"
    again = await program.post(f"{ONE}/resume")
    assert (again.status_code, again.json()["refused"]) == (409, True)
    async with installation.site.db.read() as session:
        deeds = await list_deeds(session, limit=9)
    assert [one.action for one in reversed(deeds)] == [
        *("pause issue", "pause issue", "resume issue", "cancel issue", "resume issue"),
    ]
    assert [one.result for one in deeds if one.result != "done"] == ["refused: as things stand"]
    assert {(one.who.rstrip("0123456789"), one.subject) for one in deeds} == {
        ("api key ", "weekly 182")
    }


async def test_an_issue_is_scheduled_withdrawn_and_started(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    site = installation.site
    gate = Gate(parse_relays("smtp://127.0.0.1:2525?tls=none"), site.keys, site.public_url, None)
    _, key = await a_key(site)
    transport = httpx2.ASGITransport(create_app(replace(site, gate=gate)))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as sending:
        program, here = Program(sending, key), f"{LIST}/183"
        text = (await added(program, issue_text(183))).json()
        await program.post(f"{here}/approval", {"hash": text["hash"]})
        timed = (await program.put(f"{here}/schedule", {"at": "2098-03-04T09:30"})).json()
        assert timed["scheduled_at"] == "2098-03-04T09:30:00Z"
        assert (await program.put(f"{here}/schedule", {"at": None})).json()["scheduled_at"] is None
        past = await program.put(f"{here}/schedule", {"at": "2020-03-04T09:30"})
        assert past.status_code == 422
        assert (await program.delete(f"{here}/approval")).json()["state"] == "draft"
        assert (await program.post(f"{here}/start")).status_code == 409
        await program.post(f"{here}/approval", {"hash": text["hash"]})
        started = (await program.post(f"{here}/start")).json()
        assert (started["state"], started["changed"]) == ("sending", True)
        assert not (await program.post(f"{here}/start")).json()["changed"]
    nowhere = await Program(client, key).post(f"{LIST}/183/start")
    assert "Nothing is sent from here" in nowhere.json()["detail"]


async def test_deliveries_say_who_was_missed_and_why_and_they_get_it_once_more(
    installation: Installation, program: Program
) -> None:
    rows = schema.deliveries
    async with installation.site.db.begin() as session:
        fates: dict[int, dict[str, object]] = {
            installation.anne: {"state": "rejected", "verdict": "mailbox_full", "reply_code": 552},
            installation.bart: {"state": "accepted"},
        }
        for subscription, fate in fates.items():
            mine = update(rows).where(rows.c.subscription_id == subscription)
            await session.execute(mine.values(**fate, settled_at=NOW))
        await move_issue(session, installation.issue_id, IssueState.FINISHED, now=NOW)
    pages = await program.pages(f"{ONE}/deliveries", limit=1)
    assert [[one["address"] for one in page] for page in pages] == [
        *(["anne@example.org"], ["bart@example.org"]),
    ]
    missed = (await program.get(f"{ONE}/deliveries", missed="true")).json()["items"]
    assert [(one["address"], one["state"]) for one in missed] == [("anne@example.org", "rejected")]
    assert missed[0]["words"]
    assert (await program.get(f"{ONE}/deliveries", state="queued")).json()["items"] == []
    receipt = (await program.get(f"{ONE}/receipt")).json()
    assert sum(one["deliveries"] for one in receipt["lines"]) == receipt["planned"] == 2
    assert (await program.post(f"{ONE}/resend", {})).status_code == 422
    named = (await program.post(f"{ONE}/resend", {"to": ["nobody@example.org"]})).json()
    assert (named["queued"], named["addresses"]) == (0, {"nobody@example.org": "unknown"})
    assert (await program.post(f"{ONE}/resend", {"missed": True})).json()["queued"] == 1


async def test_an_issue_on_its_way_is_a_stream_of_looks_until_it_is_over(
    installation: Installation, program: Program
) -> None:
    await program.post(f"{ONE}/pause", {"reason": "look"})
    patient = replace(installation.site, stream_seconds=30.0)  # it ends when it is over, not before
    transport = httpx2.ASGITransport(create_app(patient))
    _, key = await a_key(patient)
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        answer = await Program(client, key).get(f"{ONE}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    again, look, over = answer.text.split("\n\n")[:3]
    assert again == "retry: 1000"
    name, _, data = look.partition("\ndata: ")
    shown = json.loads(data)
    assert (name, shown["state"], shown["planned"]) == ("event: look", "paused", 2)
    assert (shown["paused_reason"], over) == ("look", "event: over\ndata: ")
