"""Readers at the desk: sought and found, shown with what they agreed to, changed as commands do."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from digest.rules.rights import Role
from digest.rules.subscription import SubscriptionState, SuppressionReason
from digest.store.audit import list_deeds
from digest.store.reader_search import Sought, search_readers
from digest.store.schema import notices
from digest.store.subscribers import Reader, find_reader
from digest.store.suppressions import evidence_of, suppress, suppression_of
from digest.store.tags import set_tags
from tests.build import NOW, crowd
from tests.web.conftest import Installation
from tests.web.desk import Person, at_the_desk

READERS = "/desk/n/weekly/readers"


@pytest.fixture
async def operator(installation: Installation) -> AsyncIterator[Person]:
    async with at_the_desk(installation.site, Role.OPERATOR) as person:
        yield person


async def _reader(installation: Installation, address: str = "anne@example.org") -> Reader:
    async with installation.site.db.read() as session:
        found = await find_reader(session, address)
    assert found is not None
    return found


async def test_a_whole_address_leads_to_its_reader_and_stands_in_no_address_of_a_page(
    installation: Installation, operator: Person
) -> None:
    anne = await _reader(installation)
    found = await operator.post(f"{READERS}/find", q=" Anne@Example.org ")
    assert found.headers["location"] == f"/desk/readers/{anne.id}"
    nobody = await operator.post(f"{READERS}/find", q="dana@example.org")
    assert (nobody.status_code, "Nobody is known at" in nobody.text) == (404, True)
    part = await operator.post(f"{READERS}/find", q="ann", state="active")
    assert part.headers["location"] == f"{READERS}?state=active&q=ann"
    listed = (await operator.get(part.headers["location"])).text
    assert "anne@example.org" in listed
    assert "bart@example.org" not in listed


async def test_readers_are_sought_by_beginning_domain_state_and_tag_page_by_page(
    installation: Installation,
) -> None:
    db, newsletter = installation.site.db, installation.newsletter
    await crowd(db, newsletter, 30)
    async with db.begin() as session:
        await set_tags(session, installation.bart, ["press"])

    async def all_of(**sought: object) -> list[str]:
        which = Sought(newsletter.id, **sought)  # type: ignore[arg-type]  # its fields
        found, after = [], 0
        while True:
            async with db.read() as session:
                page = await search_readers(session, which, after=after, limit=4)
            found += [row.address for row in page.rows]
            if page.after is None:
                return found
            after = page.after

    assert len(await all_of()) == 31  # the crowd's Anne was there
    assert await all_of(begins="reader1", domain="example.org") == [
        *("reader10@example.org", "reader13@example.org"),
        *("reader16@example.org", "reader19@example.org"),
    ]
    assert set(await all_of(domain="example.net")) == {
        one for one in await all_of() if one.endswith("@example.net")
    }
    assert await all_of(tag="press") == ["bart@example.org"]
    assert await all_of(state=SubscriptionState.ENDED) == []
    assert await all_of(begins="%") == await all_of(begins="_") == []


async def test_what_is_asked_is_a_value_and_never_sql(operator: Person) -> None:
    for asked in ("' OR 1=1 --", "%", "\\", '"; DROP TABLE subscribers; --', "ž" * 400):
        page = await operator.get(READERS, params={"q": asked, "tag": asked})
        assert (page.status_code, "Nobody fits" in page.text) == (200, True), asked
    assert (await operator.get(READERS, params={"state": "every"})).status_code == 404
    assert (await operator.get(READERS, params={"q": "\0"})).status_code == 404
    assert (await operator.get(READERS, params={"after": "x"})).status_code == 404


async def test_a_profile_shows_consent_issues_and_why_nothing_is_mailed(
    installation: Installation, operator: Person
) -> None:
    anne = await _reader(installation)
    async with installation.site.db.begin() as session:
        await suppress(
            session,
            "anne@example.org",
            reason=SuppressionReason.BOUNCED,
            evidence="550 5.1.1 nobody here",
            now=NOW,
        )
    page = (await operator.get(f"/desk/readers/{anne.id}")).text
    assert "550 5.1.1 nobody here" in page
    assert re.search(r"<strong>added</strong>", page)
    assert "/desk/n/weekly/i/182" in page
    assert (await operator.get("/desk/readers/999")).status_code == 404
    assert (await operator.get(f"/desk/readers/{2**63}")).status_code == 404


async def test_a_reader_is_added_with_how_they_agreed_or_not_at_all(
    installation: Installation, operator: Person
) -> None:
    silent = await operator.post(READERS, address="dana@example.org")
    assert (silent.status_code, "how this reader agreed" in silent.text) == (422, True)
    added = await operator.post(READERS, address="dana@example.org", consent="at the fair")
    dana = await _reader(installation, "dana@example.org")
    assert added.headers["location"] == f"/desk/readers/{dana.id}?done=added"
    assert "at the fair" in (await operator.get(added.headers["location"])).text


async def test_names_and_tags_are_changed_and_a_subscription_ends(
    installation: Installation, operator: Person
) -> None:
    anne = await _reader(installation)
    path, mine = f"/desk/readers/{anne.id}", str(installation.anne)
    await operator.post(f"{path}/change", name="Anne B.", tags="press, friends", subscription=mine)
    page = (await operator.get(path)).text
    assert "Anne B." in page
    assert 'value="friends, press"' in page
    other = await operator.post(f"{path}/end", subscription=str(installation.bart))
    assert other.status_code == 404
    assert (await operator.post(f"{path}/end", subscription=mine)).status_code == 303
    assert (await _reader(installation)).subscriptions[0].state is SubscriptionState.ENDED
    waits = await operator.post(f"{path}/confirm", subscription=mine)
    assert (waits.status_code, "waits for no confirmation" in waits.text) == (409, True)
    async with installation.site.db.read() as session:
        mails = select(func.count()).where(notices.c.kind == "confirmation")
        assert (await session.execute(mails)).scalar_one() == 0
        deeds = await list_deeds(session, limit=1)
    assert (deeds[0].action, deeds[0].subject) == ("resend confirmation", str(anne.id))


async def test_nobody_is_ended_or_erased_where_that_cannot_be_written_down(
    installation: Installation, operator: Person
) -> None:
    anne = await _reader(installation)
    path, mine = f"/desk/readers/{anne.id}", str(installation.anne)
    async with installation.site.db.begin() as session:
        await session.execute(text("ALTER TABLE audit RENAME TO lost"))
    assert (await operator.post(f"{path}/end", subscription=mine)).is_error
    assert (await _reader(installation)).subscriptions[0].state is SubscriptionState.ACTIVE
    assert (await operator.post(f"{path}/erase", address="anne@example.org")).is_error
    assert (await _reader(installation)).address == "anne@example.org"


async def test_an_address_is_suppressed_with_a_reason_and_mailed_again(
    installation: Installation, operator: Person
) -> None:
    anne, db = await _reader(installation), installation.site.db
    path, key = f"/desk/readers/{anne.id}", "anne@example.org"
    await operator.post(f"{path}/suppress", evidence="asked on the phone")
    async with db.read() as session:
        assert [one.evidence for one in await evidence_of(session, key)] == ["asked on the phone"]
    await operator.post(f"{path}/lift")
    async with db.read() as session:
        assert await suppression_of(session, installation.newsletter.id, key) is None


async def test_who_is_erased_was_typed_and_is_gone(
    installation: Installation, operator: Person
) -> None:
    anne = await _reader(installation)
    path = f"/desk/readers/{anne.id}"
    kept = await operator.get(f"{path}/data")
    assert kept.headers["content-disposition"] == f'attachment; filename="reader-{anne.id}.json"'
    assert json.loads(kept.text)["address"] == "anne@example.org"
    wrong = await operator.post(f"{path}/erase", address="bart@example.org")
    assert wrong.status_code == 422
    assert (await operator.get(path)).status_code == 200
    await operator.post(f"{path}/erase", address="anne@example.org")
    assert (await operator.get(path)).status_code == 404


async def test_the_latest_suppressions_come_first_with_the_address_where_it_is_known(
    installation: Installation, operator: Person
) -> None:
    for number, who in enumerate(("anne@example.org", "gone@example.org", "bart@example.org")):
        async with installation.site.db.begin() as session:
            await suppress(
                session,
                who,
                reason=SuppressionReason.BOUNCED,
                evidence=f"reason {number}",
                now=NOW + timedelta(minutes=number),
            )
    page = (await operator.get("/desk/suppressions")).text
    shown = re.findall(r"anne@example\.org|bart@example\.org|>a hash<|reason \d", page)
    assert shown == [
        *("bart@example.org", "reason 2", ">a hash<", "reason 1"),
        *("anne@example.org", "reason 0"),
    ]
    await operator.post("/desk/suppressions", address="new@example.org", evidence="by letter")
    assert "by letter" in (await operator.get("/desk/suppressions")).text
