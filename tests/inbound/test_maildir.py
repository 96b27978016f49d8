"""A Maildir is emptied behind us, and only behind us."""

from __future__ import annotations

from pathlib import Path

import pytest

from digest.errors import DigestError
from digest.inbound.maildir import take_maildir
from digest.mail.tokens import TokenKind
from digest.store.session import Database
from tests.audience.came_back import ANNE, Scene, a_scene
from tests.delivery.stage import KEYS
from tests.inbound.returned import answer, dsn


@pytest.fixture
async def scene(database: Database) -> Scene:
    return await a_scene(database)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("new", "cur", "tmp"):
        (tmp_path / "Maildir" / name).mkdir(parents=True)
    return tmp_path / "Maildir"


async def test_a_bounce_is_seen_and_ordinary_mail_is_left_for_a_person(scene, folder):
    sent = await scene.sent()
    token = KEYS.sign(TokenKind.DELIVERY, sent[ANNE])
    (folder / "new" / "1.M1.mx").write_bytes(dsn(to=f"bounces+{token}@example.org"))
    (folder / "new" / "2.M2.mx").write_bytes(answer(to="hello@news.example.org"))
    assert len(await take_maildir(scene.desk, folder)) == 2
    assert await scene.suppressed() == {ANNE}
    assert sorted(path.name for path in (folder / "cur").iterdir()) == [
        "1.M1.mx:2,S",
        "2.M2.mx:2,F",
    ]
    assert await take_maildir(scene.desk, folder) == []


async def test_a_mail_stays_where_it_is_until_it_is_committed(scene, folder):
    sent = await scene.sent()
    token = KEYS.sign(TokenKind.DELIVERY, sent[ANNE])
    (folder / "new" / "1").write_bytes(dsn(to=f"bounces+{token}@example.org"))
    async with scene.db.begin() as session:
        await session.exec_driver_sql("ALTER TABLE feedback RENAME TO away")
    with pytest.raises(DigestError):
        await take_maildir(scene.desk, folder)
    assert [path.name for path in (folder / "new").iterdir()] == ["1"]
    async with scene.db.begin() as session:
        await session.exec_driver_sql("ALTER TABLE away RENAME TO feedback")
    await take_maildir(scene.desk, folder)
    assert await scene.suppressed() == {ANNE}
