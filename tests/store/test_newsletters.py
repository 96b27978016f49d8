from __future__ import annotations

from dataclasses import fields

import pytest

from digest.errors import ConflictError, InputError, NotFoundError
from digest.store import schema
from digest.store.issues import StoredIssue, StoredVersion
from digest.store.newsletters import (
    Newsletter,
    add_person,
    get_newsletter,
    list_newsletters,
    newsletter_by_id,
    people,
    return_path_of_domain,
    set_newsletter,
)
from tests.build import a_newsletter


@pytest.mark.parametrize(
    "value, table",
    [
        (Newsletter, schema.newsletters),
        (StoredIssue, schema.issues),
        (StoredVersion, schema.versions),
    ],
)
def test_a_value_has_the_fields_of_its_row_in_their_order(value, table):
    assert [field.name for field in fields(value)] == [column.name for column in table.c]


async def test_what_was_created_is_what_is_read(database):
    made = await a_newsletter(database, "weekly", timezone="Europe/Berlin", language="de-AT")
    async with database.read() as session:
        found = await get_newsletter(session, "weekly")
    assert found == made
    assert found.list_id == "weekly.news.example.org"
    assert found.from_name == "A Weekly"
    assert (found.timezone, found.language, found.undo_window) == ("Europe/Berlin", "de-AT", 300)
    assert found.settings == {}


async def test_without_a_name_the_only_newsletter_is_meant(database):
    made = await a_newsletter(database)
    async with database.read() as session:
        assert await get_newsletter(session, None) == made


async def test_without_a_name_among_several_they_are_listed(database):
    await a_newsletter(database, "weekly")
    await a_newsletter(database, "daily")
    async with database.read() as session:
        with pytest.raises(NotFoundError, match="daily, weekly"):
            await get_newsletter(session, None)
        with pytest.raises(NotFoundError, match="daily, weekly"):
            await get_newsletter(session, "monthly")
        assert [one.slug for one in await list_newsletters(session)] == ["daily", "weekly"]


async def test_where_there_is_no_newsletter_the_message_says_how_to_make_one(database):
    async with database.read() as session:
        with pytest.raises(NotFoundError, match="digest newsletter create"):
            await get_newsletter(session, None)


async def test_a_slug_is_given_once(database):
    await a_newsletter(database, "weekly")
    with pytest.raises(ConflictError):
        await a_newsletter(database, "weekly")


async def test_a_change_touches_only_what_is_given(database):
    made = await a_newsletter(database, settings={"utm": {"source": "weekly"}, "logo_url": "x"})
    async with database.begin() as session:
        await set_newsletter(session, made.id, name="Another", settings={"logo_url": None})
    async with database.read() as session:
        found = await newsletter_by_id(session, made.id)
    assert (found.name, found.from_name) == ("Another", "A Weekly")
    assert found.settings == {"utm": {"source": "weekly"}}


@pytest.mark.parametrize(
    "field, value",
    [
        ("name", "\r\n"),
        ("from_address", "nobody"),
        ("from_address", "a@b@example.org"),
        ("reply_to", "x y@example.org"),
        ("return_path", "bounces@example.org"),
        ("return_path", "b-{token}-{token}@example.org"),
        ("return_path", "{token}@{token}.example.org"),
        ("return_path", "a-prefix-of-25-characters-{token}@example.org"),
        ("list_id", "not a domain"),
        ("language", "English, please"),
        ("timezone", "Middle/Earth"),
        ("theme", "../../etc"),
        ("undo_window", -1),
        ("postal_address", "x" * 5_000),
    ],
)
async def test_a_field_that_cannot_be_used_is_named(database, field, value):
    with pytest.raises(InputError) as refused:
        await a_newsletter(database, **{field: value})
    assert refused.value.where == field
    async with database.read() as session:
        assert await list_newsletters(session) == []


@pytest.mark.parametrize("slug", ["", "Weekly", "a b", "-a", "a/b", "x" * 65])
async def test_a_slug_is_letters_digits_and_hyphens(database, slug):
    with pytest.raises(InputError):
        await a_newsletter(database, slug)


async def test_an_unknown_field_is_refused(database):
    with pytest.raises(InputError, match="no such field"):
        await a_newsletter(database, colour="red")


@pytest.mark.parametrize(
    "text", ["A\r\nBcc: cris@example.org", "A\x00B", "A\u202eB", "A\u2028B", "A\x85B"]
)
async def test_nothing_that_could_end_a_header_is_stored_in_a_name(database, text):
    made = await a_newsletter(database, name=text, from_name=text)
    other = await a_newsletter(database, "other", name=text)  # and what is taken for the sender's
    for stored in (made.name, made.from_name, other.from_name):
        assert not set(stored) & set("\r\n\x00\u202e\u2028\x85")


async def test_an_international_domain_is_stored_as_a_labels(database):
    made = await a_newsletter(database, from_address="hallo@bücher.example")
    assert made.from_address == "hallo@xn--bcher-kva.example"
    assert made.list_id == "weekly.xn--bcher-kva.example"


async def test_a_domain_for_bounces_makes_a_return_path(database):
    path = return_path_of_domain("Bounces.News.Example.org")
    assert (await a_newsletter(database, return_path=path)).return_path == (
        "b-{token}@bounces.news.example.org"
    )


async def test_people_have_a_part_once(database):
    made = await a_newsletter(database)
    async with database.begin() as session:
        assert await add_person(session, made.id, role="editor", address="anne@example.org")
        assert not await add_person(session, made.id, role="editor", address="anne@example.org")
        assert await add_person(session, made.id, role="operator", address="anne@example.org")
        with pytest.raises(InputError):
            await add_person(session, made.id, role="emperor", address="anne@example.org")
        assert len(await people(session, made.id)) == 2
        assert [one.address for one in await people(session, made.id, "editor")] == [
            "anne@example.org"
        ]
