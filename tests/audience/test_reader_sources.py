"""Zip files of other tools: read where they lie, within limits, and refused when they are none."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from sqlalchemy import text

from digest.audience import reader_sources
from digest.errors import ReaderFileError
from digest.store.session import Database
from tests.audience.test_reader_formats import SUBSCRIBED, UNSUBSCRIBED, imported, zipped
from tests.audience.test_transfer import count
from tests.build import a_newsletter, an_installation


@pytest.fixture
async def db(database: Database) -> Database:
    await an_installation(database)
    await a_newsletter(database)
    return database


def a_bomb(size: int) -> bytes:
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("subscribed_x.csv", "w") as member,
    ):
        for _ in range(size >> 20):
            member.write(b"\n" * (1 << 20))
    return packed.getvalue()


async def test_a_zip_bomb_is_refused_unseen(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ReaderFileError, match="more than 200 MB"):
        await imported(db, a_bomb(201 << 20), "mailchimp.zip")
    monkeypatch.setattr(reader_sources, "ARCHIVE_MAX", 100)
    with pytest.raises(ReaderFileError, match="is not read"):
        await imported(db, zipped(subscribed_x=SUBSCRIBED), "mailchimp.zip")


async def test_a_zip_that_lies_about_its_size_is_refused(db: Database) -> None:
    content = zipped(subscribed_x=SUBSCRIBED * 100)
    lying = bytearray(content)
    at = lying.rindex(b"PK\x01\x02") + 24  # the uncompressed size in the central directory
    lying[at : at + 4] = (100).to_bytes(4, "little")
    with pytest.raises(ReaderFileError):
        await imported(db, bytes(lying), "mailchimp.zip")
    assert await count(db, "subscribers") == 0


@pytest.mark.parametrize("broken", ["cut", "flipped", "empty", "no tables", "slip"])
async def test_a_zip_that_is_none_is_refused_and_nothing_is_unpacked(
    db: Database, broken: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    good = zipped(subscribed_x=SUBSCRIBED * 50)
    middle = len(good) // 3
    content = {
        "cut": good[: len(good) // 2],
        "flipped": good[:middle] + bytes([good[middle] ^ 255]) + good[middle + 1 :],
        "empty": good[:4],
        "no tables": _archive("readme.txt", "x"),
        "slip": _archive("../../../evil.csv", "no,table\n"),
    }[broken]
    with pytest.raises(ReaderFileError):
        await imported(db, content, "mailchimp.zip")
    assert await count(db, "subscribers") == 0
    assert list(folder.iterdir()) == []
    assert not list(tmp_path.rglob("evil*"))


def _archive(name: str, content: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, content)
    return packed.getvalue()


async def test_the_batch_of_each_file_is_written_down(db: Database) -> None:
    await imported(db, zipped(subscribed_x=SUBSCRIBED, unsubscribed_x=UNSUBSCRIBED), "m.zip")
    async with db.read() as session:
        rows = await session.execute(text("SELECT file_name, readers FROM consent_batches"))
        assert sorted(map(tuple, rows)) == [("subscribed_x.csv", 1), ("unsubscribed_x.csv", 1)]
