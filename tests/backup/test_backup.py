"""A backup holds everything, comes back as it was, and nothing else than that comes back."""

from __future__ import annotations

import asyncio
import io
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from digest.backup.archive import About, ArchiveWriter
from digest.backup.make import Made, Origin, make_backup
from digest.backup.restore import Contents, Target, restore_backup, verify_backup
from digest.backup.sealed import PIECE, SealedWriter, Secret, unsealed
from digest.clock import Clock
from digest.delivery.dkim_keys import KeyFolder
from digest.delivery.epoch import begin_here, follow
from digest.errors import (
    ConflictError,
    DatabaseError,
    DigestError,
    InputError,
    RefusedError,
    SettingsError,
)
from digest.store.engines import migration_engine, parse_place
from digest.store.installation import get_installation
from digest.store.revisions import known_revisions
from digest.store.row_values import ColumnOf
from digest.store.schema import metadata
from digest.store.session import Database, upgrade
from digest.store.workers import acquire_lease
from tests.backup.test_move import marks, other_url, quiet
from tests.build import KEY, NOW, a_newsletter, a_reader, an_installation
from tests.delivery.stage import set_stage
from tests.fakes.relay import FakeRelay
from tests.store.filled import GONE, contents, fill

__all__ = ["other_url"]  # a fixture

SECRET = Secret.key(b"s" * 32)
DOMAIN = "news.example.org"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a backup goes."""
    return tmp_path / "digest.backup"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a DKIM key that signs, and the next one."""
    folder = tmp_path_factory.mktemp("keys") / "dkim"
    KeyFolder(folder).create(DOMAIN, now=NOW)
    KeyFolder(folder).prepare_next(DOMAIN, now=NOW)
    return folder


def backed_up(url: str, keys: Path, file: Path, secret: Secret = SECRET) -> Made:
    return make_backup(Origin(url, (KEY, "o" * 32), keys), file, secret, now=NOW, progress=quiet)


def restored(file: Path, url: str, folder: Path, **options: Any) -> Contents:
    target = Target(url, options.pop("ring", ()), folder)
    secret = options.pop("secret", SECRET)
    return restore_backup(file, secret, target, progress=quiet, **options)


def without_the_word(url: str) -> dict[str, list[dict[str, Any]]]:
    found = contents(url)
    for row in found["installation"]:
        row.pop("take_over_reason")
    return found


def test_everything_comes_back_as_it_was(
    database_url: str, empty_database_url: str, keys: Path, file: Path, tmp_path: Path
) -> None:
    filled = fill(database_url)
    made = backed_up(database_url, keys, file)
    assert made.rows == filled
    assert filled.keys() == metadata.tables.keys()
    assert file.stat().st_mode & 0o777 == 0o600
    assert made.size == file.stat().st_size
    read = verify_backup(file, SECRET, progress=quiet)
    assert (read.rows, read.domains) == (filled, (DOMAIN,))
    found = restored(file, empty_database_url, tmp_path / "there")
    assert (found.rows, found.keys) == (filled, (KEY, "o" * 32))
    assert without_the_word(empty_database_url) == without_the_word(database_url)
    assert KeyFolder(tmp_path / "there").export() == KeyFolder(keys).export()
    for path in (tmp_path / "there").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0


def test_it_comes_back_in_the_other_kind_of_database_too(
    database_url: str, other_url: str, keys: Path, file: Path, tmp_path: Path
) -> None:
    fill(database_url)
    backed_up(database_url, keys, file)
    restored(file, other_url, tmp_path / "there")
    before, after = marks(database_url), marks(other_url)
    assert before.pop("installation") != after.pop("installation")
    assert before == after


async def test_ids_go_on_where_they_were(
    database_url: str, empty_database_url: str, keys: Path, file: Path
) -> None:
    fill(database_url)
    backed_up(database_url, keys, file)
    restored(file, empty_database_url, keys)
    async with await Database.open(empty_database_url) as db:
        added = await a_reader(db, await a_newsletter(db))
    assert added.subscriber_id > GONE


def test_nothing_of_it_can_be_read_without_the_secret(
    database_url: str, keys: Path, file: Path
) -> None:
    fill(database_url)
    backed_up(database_url, keys, file)
    sealed = file.read_bytes()
    for word in (KEY.encode(), b"BEGIN PRIVATE KEY", b"subscribers", b"address", DOMAIN.encode()):
        assert word not in sealed


async def test_it_is_made_while_a_sender_works_and_is_of_one_moment(
    database: Database,
    empty_database_url: str,
    database_url: str,
    keys: Path,
    file: Path,
    tmp_path: Path,
) -> None:
    stage = await set_stage(database, 400)
    await stage.start()
    async with FakeRelay() as relay:
        sending = asyncio.create_task(stage.send(relay))
        await stage.until_at_least("accepted", 1)
        copies = [tmp_path / f"{number}.backup" for number in range(3)]
        for copy in copies:
            await asyncio.to_thread(backed_up, database_url, keys, copy)
        await sending
    assert await stage.states() == {"accepted": 400}
    counted = []
    for copy in copies:
        found = restored(copy, empty_database_url, keys, replace=True)
        assert found.rows["deliveries"] == 400
        rows = contents(empty_database_url)["deliveries"]
        counted.append(sum(row["state"] == "accepted" for row in rows))
    assert counted == sorted(counted)
    async with await Database.open(empty_database_url) as db:
        with pytest.raises(RefusedError, match="put back from a backup"):
            await begin_here(db, tmp_path / "state", now=Clock().now(), scheduler=True)
        with pytest.raises(RefusedError, match="put back from a backup"):
            await follow(db, tmp_path / "state")
        began = await begin_here(db, tmp_path / "state", now=Clock().now(), take_over=True)
        assert began.held is not None
        assert began.held.deliveries == 400 - counted[-1]
        again = await begin_here(db, tmp_path / "state", now=Clock().now())
        assert again.held is None


# Only into an empty place.


async def test_a_database_with_rows_is_left_alone_unless_told(
    database_url: str, empty_database_url: str, keys: Path, file: Path
) -> None:
    fill(database_url)
    backed_up(database_url, keys, file)
    restored(file, empty_database_url, keys)
    async with await Database.open(empty_database_url) as db:
        await a_newsletter(db, "another")
    before = contents(empty_database_url)
    with pytest.raises(ConflictError, match="rows in this database") as refused:
        restored(file, empty_database_url, keys)
    assert "--replace" in refused.value.fix
    assert contents(empty_database_url) == before
    restored(file, empty_database_url, keys, replace=True)
    assert len(contents(empty_database_url)["newsletters"]) == 3


async def test_a_database_that_was_only_set_up_is_empty(
    database_url: str, other_url: str, keys: Path, file: Path
) -> None:
    await upgrade(other_url)
    fill(other_url)
    backed_up(other_url, keys, file)
    async with await Database.open(database_url) as db:
        own = await an_installation(db)
    restored(file, database_url, keys)
    async with await Database.open(database_url) as db, db.read() as session:
        found = await get_installation(session)
    assert found is not None
    assert found.installation_id != own.installation_id


async def test_nothing_is_put_under_a_sender_that_works(
    database_url: str, keys: Path, file: Path
) -> None:
    fill(database_url)
    backed_up(database_url, keys, file)
    async with await Database.open(database_url) as db:
        lease = await acquire_lease(db, Clock())
        with pytest.raises(RefusedError, match="sending"):
            restored(file, database_url, keys, replace=True)
        await lease.release()


def test_other_keys_are_left_alone_unless_told(
    sqlite_url: str, keys: Path, file: Path, tmp_path: Path
) -> None:
    fill(sqlite_url)
    backed_up(sqlite_url, keys, file)
    there = tmp_path / "there"
    KeyFolder(there).create(DOMAIN, now=NOW)
    url = f"sqlite:///{tmp_path / 'new.db'}"
    with pytest.raises(ConflictError, match=DOMAIN):
        restored(file, url, there)
    assert not (tmp_path / "new.db").exists()
    restored(file, url, there, replace=True)
    assert KeyFolder(there).export() == KeyFolder(keys).export()


def test_a_key_ring_that_is_set_here_has_to_know_the_keys_of_the_backup(
    sqlite_url: str, keys: Path, file: Path, tmp_path: Path
) -> None:
    fill(sqlite_url)
    backed_up(sqlite_url, keys, file)
    url = f"sqlite:///{tmp_path / 'new.db'}"
    with pytest.raises(SettingsError, match="another secret key"):
        restored(file, url, keys, ring=("x" * 32,))
    restored(file, url, keys, ring=("x" * 32, KEY, "o" * 32))


def test_a_file_that_is_there_is_not_written_over(sqlite_url: str, keys: Path, file: Path) -> None:
    file.write_bytes(b"precious")
    with pytest.raises(ConflictError):
        backed_up(sqlite_url, keys, file)
    assert file.read_bytes() == b"precious"
    assert [one for one in file.parent.iterdir() if one.name.endswith(".part")] == []


def test_a_folder_that_is_not_there_is_told(sqlite_url: str, keys: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        backed_up(sqlite_url, keys, tmp_path / "none" / "x.backup")


# What was changed, cut off or made up.


@pytest.fixture
def whole(sqlite_url: str, keys: Path, file: Path) -> bytes:
    """A backup of a few pieces."""
    fill(sqlite_url, 200)
    noise = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(60_000))
    with migration_engine(parse_place(sqlite_url)).begin() as connection:
        connection.execute(text("UPDATE versions SET html = :noise WHERE id < 4"), {"noise": noise})
    backed_up(sqlite_url, keys, file)
    content = file.read_bytes()
    assert len(content) > 2 * (PIECE + 16) + 43
    return content


def refuses(file: Path, content: bytes, tmp_path: Path, match: str = "backup") -> None:
    """Neither verified nor restored, and nothing is left of it."""
    file.write_bytes(content)
    with pytest.raises(InputError, match=match):
        verify_backup(file, SECRET, progress=quiet)
    with pytest.raises(InputError, match=match):
        restored(file, f"sqlite:///{tmp_path / 'new.db'}", tmp_path / "new-keys")
    assert not (tmp_path / "new.db").exists()
    assert not (tmp_path / "new-keys").exists()


def test_a_backup_that_ends_too_early_is_refused(whole: bytes, file: Path, tmp_path: Path) -> None:
    pieces = [43 + number * (PIECE + 16) for number in range(3)]
    for end in (0, 1, 42, *pieces, pieces[1] + 1, len(whole) // 2, len(whole) - 1):
        refuses(file, whole[:end], tmp_path)


def test_a_backup_with_one_bit_changed_is_refused(whole: bytes, file: Path, tmp_path: Path) -> None:
    places = [*range(0, 43, 3), *range(43, len(whole), len(whole) // 12), len(whole) - 1]
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1 << (place % 8)
        refuses(file, bytes(changed), tmp_path)


def test_pieces_in_another_order_left_out_or_added_are_refused(
    whole: bytes, file: Path, tmp_path: Path
) -> None:
    size = PIECE + 16
    head, first, second, rest = (
        whole[:43],
        whole[43 : 43 + size],
        whole[43 + size : 43 + 2 * size],
        whole[43 + 2 * size :],
    )
    for content in (
        head + second + first + rest,
        head + second + rest,
        head + first + rest,
        head + first + second,
        head + first + second + rest + first,
        whole + b"\0",
        whole + whole,
    ):
        refuses(file, content, tmp_path)


def test_another_secret_opens_nothing(sqlite_url: str, keys: Path, file: Path) -> None:
    backed_up(sqlite_url, keys, file, Secret.passphrase("correct horse battery"))
    with pytest.raises(InputError, match="does not open"):
        verify_backup(file, Secret.passphrase("correct horse batterz"), progress=quiet)
    with pytest.raises(InputError, match="opens with a passphrase"):
        verify_backup(file, SECRET, progress=quiet)
    verify_backup(file, Secret.passphrase("correct horse battery"), progress=quiet)


@pytest.mark.parametrize(
    "content",
    [b"", b"SQLite format 3\0", b"digest backup 1\n", b"digest backup 1\n" + b"\xff" * 99],
)
def test_a_file_that_is_no_backup_is_told(file: Path, tmp_path: Path, content: bytes) -> None:
    refuses(file, content, tmp_path, match="no backup|damaged")


def test_what_was_sealed_is_what_comes_out() -> None:
    for size in (0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 5):
        content = bytes(itertools.islice(itertools.cycle(range(251)), size))
        out = io.BytesIO()
        writer = SealedWriter(out, SECRET)
        for at in range(0, size, 1000):
            writer.write(content[at : at + 1000])
        writer.close()
        out.seek(0)
        assert b"".join(unsealed(out, SECRET, name="x")) == content


# A backup that somebody with the secret made up.


ABOUT = About("2026-11-26T09:00:00+00:00", "0.1.0", known_revisions()[-1], "sqlite", "x", 1, "y")


def made_up(file: Path, **given: Any) -> None:
    tables: list[tuple[str, list[tuple[str, str]], list[list[Any]]]] = given.get("tables", [])
    with file.open("wb") as out:
        writer = SealedWriter(out, SECRET)
        archive = ArchiveWriter(writer.write)
        archive.begin(given.get("about", ABOUT), [KEY], given.get("files", {}))
        for name, columns, rows in tables:
            named = [ColumnOf(*one) for one in columns]
            for _ in archive.table(name, named, iter([rows])):
                pass
        archive.end({})
        writer.close()


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/cron.d/x",
        "/etc/passwd",
        "news.example.org/../../x.pem",
        "../x.pem",
        "./x.pem",
        "a/b/x.pem",
        "..//x.pem",
        "a\\..\\x.pem",
        "a/.hidden.pem",
        "a/x.pem\n",
        "a/x.pem\0.pem",
        "a..b/x.pem",
        "a/x.py",
        "x.pem",
        "",
    ],
)
def test_a_file_leads_nowhere_but_into_the_folder_of_the_keys(
    file: Path, tmp_path: Path, name: str
) -> None:
    made_up(file, files={name: b"x"})
    refuses(file, file.read_bytes(), tmp_path, match="no name of a DKIM key")


def test_a_backup_of_newer_tables_is_refused(file: Path, tmp_path: Path) -> None:
    made_up(file, about=replace(ABOUT, revision="9999", version="9.9"))
    for _ in range(2):
        with pytest.raises(DatabaseError, match=r"newer version of digest .* \(9\.9\)"):
            verify_backup(file, SECRET, progress=quiet)
    with pytest.raises(DatabaseError, match="newer version"):
        restored(file, f"sqlite:///{tmp_path / 'new.db'}", tmp_path)
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize(
    "tables",
    [
        [("sqlite_master", [("name", "plain")], [["x"]])],
        [("alembic_version", [("version_num", "plain")], [["9999"]])],
        [("media", [("sha256", "plain"), ("nothing", "plain")], [["x", 1]])],
        [("media", [("sha256", "plain")], [["x", 1]])],
        [("media", [("sha256", "plain")], [["x"]])],
        [("feedback_rules", [("id", "plain"), ("phrase", "plain")], [["one", {"a": 1}]])],
        [("feedback_rules", [("id", "plain"), ("created_at", "time")], [[1, "yesterday"]])],
        [("feedback_rules", [("id", "plain")], []), ("feedback_rules", [("id", "plain")], [])],
    ],
)
def test_rows_that_no_table_has_are_refused(
    empty_database_url: str, file: Path, tmp_path: Path, tables: Any
) -> None:
    made_up(file, tables=tables)
    with pytest.raises(DigestError):
        restored(file, empty_database_url, tmp_path / "new-keys")
    place = parse_place(empty_database_url)
    assert place.path is None or not place.path.exists()
    assert not (tmp_path / "new-keys").exists()


def test_a_backup_of_older_tables_is_brought_up_to_date(
    empty_database_url: str, file: Path, tmp_path: Path
) -> None:
    columns = [("id", "plain"), ("installation_id", "plain"), ("epoch", "plain")]
    columns += [("key_fingerprint", "plain"), ("pepper", "bytes"), ("created_at", "time")]
    row = [1, "an-old-one", 7, "y", "cGVwcGVy", ABOUT.made_at]
    made_up(file, about=replace(ABOUT, revision="0001"), tables=[("installation", columns, [row])])
    restored(file, empty_database_url, tmp_path / "keys")
    (found,) = contents(empty_database_url)["installation"]
    assert (found["installation_id"], found["pepper"], found["epoch"]) == (
        "an-old-one",
        b"pepper",
        7,
    )
