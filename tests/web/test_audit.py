"""Whatever a person or a program asks for leaves one line, done or not."""

from __future__ import annotations

import httpx2

from digest.rules.rights import Role
from digest.store.audit import Deed, list_deeds
from digest.web.api.routes import OPERATIONS
from digest.web.app import Site
from digest.web.desk.routes import DOORS
from tests.web.api import a_key
from tests.web.conftest import Installation
from tests.web.desk import at_the_desk
from tests.web.test_routes import call, filled

# What asks with a body, and changes nothing.
LOOKS = {"check_issue", "share_issue", "find_reader", "find_suppressions"}


async def lines(site: Site) -> list[Deed]:
    async with site.db.read() as session:
        return await list_deeds(session, limit=1_000)


async def test_every_act_at_the_desk_leaves_one_line(installation: Installation) -> None:
    site = installation.site
    acts = [one for one in DOORS if one.act]
    assert len(acts) > 30
    for door in acts:
        before = len(await lines(site))
        async with at_the_desk(site, Role.OWNER) as person:  # anew: one of them signs out
            answer = await person.post(filled(door.path.replace(":int}", "}")), confirm="yes")
        after = await lines(site)
        assert len(after) == before + 1, (door.act, answer.status_code)
        assert (after[0].who, after[0].action) == ("owner@example.org", door.act)
        assert (after[0].result == "done") is (answer.status_code < 400), (door.act, after[0])


async def test_every_call_of_a_program_that_changes_something_leaves_one_line(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    site = installation.site
    number, key = await a_key(site)
    asking = [one for one in OPERATIONS if one.method != "GET"]
    assert {one.name for one in asking if not one.changes} == LOOKS
    for one in asking:
        before = len(await lines(site))
        answer = await call(client, f"{one.method} {one.path}", key)
        after = await lines(site)
        assert len(after) == before + one.changes, (one.name, answer.text)
        if one.changes:
            assert (after[0].who, after[0].action) == (
                f"api key {number}",
                one.name.replace("_", " "),
            )
            assert (after[0].result == "done") is answer.is_success, (one.name, after[0])
