from __future__ import annotations

from datetime import timedelta

import pytest

from digest.errors import DatabaseError, SettingsError
from digest.store.installation import ensure_installation, get_installation, next_epoch
from tests.build import NOW, an_installation


async def test_the_first_start_makes_the_row_and_the_next_ones_find_it(database):
    first = await an_installation(database)
    async with database.begin() as session:
        later = NOW + timedelta(days=1)
        again = await ensure_installation(session, fingerprints=("0" * 16,), now=later)
    assert again == first
    assert len(first.pepper) == 32


async def test_two_installations_have_nothing_in_common(database, sqlite_url, tmp_path):
    from digest.store.session import Database, upgrade

    other_url = f"sqlite:///{tmp_path / 'other.db'}"
    await upgrade(other_url)
    async with await Database.open(other_url) as other:
        one, two = await an_installation(database), await an_installation(other)
    assert one.installation_id != two.installation_id
    assert one.pepper != two.pepper


async def test_a_wrong_key_refuses_to_start(database):
    await an_installation(database, fingerprint="a" * 16)
    async with database.begin() as session:
        with pytest.raises(SettingsError) as refused:
            await ensure_installation(session, fingerprints=("b" * 16,), now=NOW)
    assert refused.value.where == "DIGEST_SECRET_KEY"
    assert "DIGEST_OLD_SECRET_KEYS" in refused.value.fix


async def test_a_key_that_was_changed_on_purpose_is_taken_over(database):
    first = await an_installation(database, fingerprint="a" * 16)
    async with database.begin() as session:
        both = ("b" * 16, "a" * 16)
        taken = await ensure_installation(session, fingerprints=both, now=NOW)
        assert taken.key_fingerprint == "b" * 16
        assert taken.pepper == first.pepper  # never rotates
    async with database.begin() as session:
        with pytest.raises(SettingsError):
            await ensure_installation(session, fingerprints=("a" * 16,), now=NOW)


async def test_every_start_counts_one_epoch_more(database):
    await an_installation(database)
    async with database.begin() as session:
        assert [await next_epoch(session) for _ in range(3)] == [1, 2, 3]
    async with database.read() as session:
        found = await get_installation(session)
    assert found is not None
    assert found.epoch == 3


async def test_an_epoch_needs_an_installation(database):
    async with database.begin() as session:
        with pytest.raises(DatabaseError):
            await next_epoch(session)


async def test_the_pepper_is_in_no_representation(database):
    made = await an_installation(database)
    assert repr(made.pepper) not in repr(made)
