from __future__ import annotations

import hashlib
import hmac

import pytest
from sqlalchemy import text

from digest.errors import DatabaseError, RefusedError
from digest.rules.subscription import SuppressionReason
from digest.store.subscribers import find_reader
from digest.store.suppressions import address_hash, suppress, suppression_of
from tests.build import NOW, a_newsletter, a_reader, an_installation

BOUNCED = SuppressionReason.BOUNCED


def test_the_hash_is_hmac_sha256_of_the_key_with_the_pepper():
    expected = hmac.new(b"pepper", b"anne@example.org", hashlib.sha256).hexdigest()
    assert address_hash(b"pepper", "anne@example.org") == expected
    assert address_hash(b"other", "anne@example.org") != expected


async def test_a_suppressed_address_is_stored_as_a_hash_only(database):
    await an_installation(database)
    async with database.begin() as session:
        assert await suppress(session, "anne@example.org", reason=BOUNCED, now=NOW)
    async with database.read() as session:
        row = (await session.execute(text("SELECT * FROM suppressions"))).one()
    assert "anne" not in repr(row)


async def test_a_suppressed_address_cannot_be_added(database):
    await an_installation(database)
    newsletter = await a_newsletter(database)
    async with database.begin() as session:
        await suppress(session, "anne@example.org", reason=BOUNCED, now=NOW)
        assert await suppression_of(session, newsletter.id, "anne@example.org") is BOUNCED
        assert await suppression_of(session, newsletter.id, "bart@example.org") is None
    with pytest.raises(RefusedError, match="bounced"):
        await a_reader(database, newsletter, address="ANNE@example.org")
    async with database.read() as session:
        assert await find_reader(session, "anne@example.org") is None


async def test_a_reader_who_is_suppressed_is_marked_for_planning(database):
    await an_installation(database)
    await a_reader(database, await a_newsletter(database))
    async with database.begin() as session:
        assert await suppress(session, "anne@example.org", reason=BOUNCED, now=NOW)
        assert not await suppress(session, "anne@example.org", reason=BOUNCED, now=NOW)
    async with database.read() as session:
        reader = await find_reader(session, "anne@example.org")
    assert reader is not None
    assert reader.suppressed_at == NOW


async def test_there_is_no_hash_without_a_pepper(database):
    async with database.begin() as session:
        with pytest.raises(DatabaseError, match="pepper"):
            await suppress(session, "anne@example.org", reason=BOUNCED, now=NOW)
