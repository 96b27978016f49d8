"""Keys of programs: a secret that is kept as a hash, and an end that comes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from digest.access.api_keys import check_key, create_key, mark_used
from digest.errors import InputError
from digest.store.api_keys import NewKey, list_keys, revoke_key
from digest.store.schema import api_keys
from digest.store.session import Database
from tests.build import NOW

SCOPES = ("readers:read",)


async def test_a_key_is_good_until_it_is_revoked_or_its_time_is_over(database: Database) -> None:
    async with database.begin() as session:
        first, lasting = await create_key(session, NewKey("shop", SCOPES), NOW)
        end = NOW + timedelta(days=1)
        _, short = await create_key(session, NewKey("trial", SCOPES, end), NOW)
        found = await check_key(session, lasting, NOW)
        assert found is not None
        assert (found.id, found.scopes) == (first, frozenset(SCOPES))
        assert await check_key(session, short, end - timedelta(seconds=1)) is not None
        assert await check_key(session, short, end) is None
        assert await revoke_key(session, first, NOW)
        assert await check_key(session, lasting, NOW) is None
        assert not await revoke_key(session, first, NOW)


async def test_the_secret_of_a_key_is_nowhere_in_its_row(database: Database) -> None:
    async with database.begin() as session:
        _, text = await create_key(session, NewKey("shop", SCOPES), NOW)
        row = (await session.execute(select(api_keys))).one()
    secret = text.split("_", 2)[2]
    assert len(secret) == 43
    assert secret not in str(row)


async def test_only_the_very_text_of_a_key_opens_anything(database: Database) -> None:
    async with database.begin() as session:
        number, text = await create_key(session, NewKey("shop", SCOPES), NOW)
        _, other = await create_key(session, NewKey("blog", SCOPES), NOW)
        secret = text.split("_", 2)[2]
        swapped = f"dgk_{number}_{other.split('_', 2)[2]}"
        flipped = text[:-2] + ("A" if text[-2] != "A" else "B") + text[-1]
        for wrong in (
            *("", secret, text[:-1], text + "A", text.upper(), f" {text}", f"{text}\n"),
            *(swapped, flipped, f"dgk_0{number}_{secret}", f"dgk_{10**17}_{secret}"),
            *(f"dgk_{10**30}_{secret}", f"dgk_-1_{secret}", f"dgk_١_{secret}"),
        ):
            assert await check_key(session, wrong, NOW) is None, wrong


async def test_the_day_a_key_was_used_on_is_kept_and_never_goes_back(database: Database) -> None:
    async with database.begin() as session:
        _, text = await create_key(session, NewKey("shop", SCOPES), NOW)
        for days in (0, 3, 1):
            found = await check_key(session, text, NOW + timedelta(days=days))
            assert found is not None
            await mark_used(session, found, NOW + timedelta(days=days))
        [key] = await list_keys(session)
        assert key.last_used_on == (NOW + timedelta(days=3)).date()
        later = await check_key(session, text, NOW + timedelta(days=3))
        assert later is not None
        assert later.used_today


@pytest.mark.parametrize(
    ("name", "scopes", "days"),
    [
        ("", SCOPES, 1),
        ("x" * 101, SCOPES, 1),
        ("shop", (), 1),
        ("shop", (*SCOPES, "readers:*"), 1),
        ("shop", SCOPES, 0),
        ("shop", SCOPES, -1),
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(
    database: Database, name: str, scopes: tuple[str, ...], days: int
) -> None:
    async with database.begin() as session:
        with pytest.raises(InputError):
            await create_key(session, NewKey(name, scopes, NOW + timedelta(days=days)), NOW)
        assert await list_keys(session) == []
