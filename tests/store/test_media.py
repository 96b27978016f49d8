from __future__ import annotations

import hashlib

from digest.store.media import StoredMedia, get_media, put_media
from tests.build import NOW


def a_picture(data: bytes = b"\x89PNG\x00picture") -> StoredMedia:
    return StoredMedia(hashlib.sha256(data).hexdigest(), "png", 2, 1, data)


async def test_a_picture_is_served_as_it_was_taken_in(database):
    picture = a_picture(bytes(range(256)))
    async with database.begin() as session:
        await put_media(session, [picture], now=NOW)
    async with database.read() as session:
        assert await get_media(session, picture.sha256) == picture
        assert await get_media(session, "0" * 64) is None


async def test_the_same_picture_is_stored_once(database):
    for _ in range(2):
        async with database.begin() as session:
            await put_media(session, [a_picture(), a_picture()], now=NOW)
    async with database.read() as session:
        assert await get_media(session, a_picture().sha256) == a_picture()
