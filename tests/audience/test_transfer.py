from __future__ import annotations

import io
from typing import Any

import pytest
from sqlalchemy import text

from digest.audience import transfer
from digest.audience.transfer import ImportReport, ImportWatch, import_readers
from digest.errors import InputError, ReaderFileError
from digest.rules.subscription import SubscriptionState, SuppressionReason
from digest.store.reader_list import list_readers
from digest.store.session import Database
from digest.store.subscribers import find_reader, leave_subscription
from digest.store.suppressions import suppress
from tests.audience.test_leave import StillClock
from tests.build import NOW, a_newsletter, a_reader, an_installation


async def imported(
    database: Database, content: str | bytes, *, consent: str = "asked at the fair", **more: Any
) -> ImportReport:
    data = content.encode() if isinstance(content, str) else content
    async with database.read() as session:
        found = await session.execute(text("SELECT COUNT(*) FROM newsletters"))
    newsletter = (
        await a_newsletter(database) if found.scalar_one() == 0 else await the_newsletter(database)
    )
    return await import_readers(
        database, newsletter, io.BytesIO(data), consent=consent, clock=StillClock(), **more
    )


async def the_newsletter(database: Database):
    from digest.store.newsletters import get_newsletter

    async with database.read() as session:
        return await get_newsletter(session, None)


async def count(database: Database, table: str) -> int:
    async with database.read() as session:
        return (await session.execute(text(f"SELECT COUNT(*) FROM {table}"))).scalar_one()


async def names(database: Database) -> dict[str, str]:
    newsletter = await the_newsletter(database)
    async with database.read() as session:
        return {row.address: row.name for row in await list_readers(session, newsletter.id)}


def adds_up(report: ImportReport) -> bool:
    parts = report.imported + report.left + report.kept_out + report.already + report.duplicates
    rest = report.ended + report.suppressed + report.unconfirmed + report.invalid_count
    return report.rows == parts + rest


async def test_imported_readers_are_active_with_the_consent_they_gave(database):
    report = await imported(database, "email,name\nanne@example.org,Anne\nbart@example.net,\n")
    assert (report.rows, report.imported) == (2, 2)
    assert await names(database) == {"anne@example.org": "Anne", "bart@example.net": ""}
    async with database.read() as session:
        reader = await find_reader(session, "anne@example.org")
        batch = (await session.execute(text("SELECT * FROM consent_batches"))).one()
        linked = await session.execute(text("SELECT consent_batch_id FROM subscriptions"))
        assert set(linked.scalars()) == {batch.id}
    assert reader is not None
    assert reader.subscriptions[0].state is SubscriptionState.ACTIVE
    assert reader.subscriptions[0].confirmed_at == NOW
    assert (batch.source, batch.readers, batch.file_name) == ("asked at the fair", 2, "readers.csv")
    assert len(batch.file_sha256) == 64


async def test_the_same_file_again_adds_nobody(database):
    content = "email,name\nanne@example.org,Anne\nbart@example.net,Bart\n"
    await imported(database, content)
    again = await imported(database, content.replace("Anne", "Somebody"))
    assert (again.imported, again.already) == (0, 2)
    assert adds_up(again)
    assert (await names(database))["anne@example.org"] == "Anne"


async def test_an_import_that_was_cut_short_goes_on_where_it_stopped(database, monkeypatch):
    monkeypatch.setattr(transfer, "CHUNK", 2)
    rows = [f"reader{number}@example.org,\n" for number in range(7)]

    def crash(done: int, _rows: int) -> None:
        if done == 4:
            raise RuntimeError("pulled the plug")

    with pytest.raises(RuntimeError):
        await imported(database, "email,name\n" + "".join(rows), watch=ImportWatch(crash))
    report = await imported(database, "email,name\n" + "".join(rows))
    assert (report.imported, report.already) == (3, 4)
    assert await count(database, "subscriptions") == 7


async def test_bad_rows_are_named_and_the_rest_is_imported(database):
    content = (
        "email,name\n"
        "anne@example.org,Anne\n"
        "nobody,No Body\n"
        ",Empty\n"
        "\n"
        'bart@example.org,"Bart,\nof two lines"\n'
        "cris@example.org,Cris,Smith\n"
        "x\x00y@example.org,Nul\n"
        "dora@example.org,Dora\n"
    )
    report = await imported(database, content)
    assert [row.line for row in report.invalid] == [3, 4, 8, 9]
    assert "no address" in report.invalid[1].reason
    assert "3 columns where the header has 2" in report.invalid[2].reason
    assert (report.imported, report.invalid_count) == (3, 4)
    assert adds_up(report)
    assert (await names(database))["bart@example.org"] == "Bart, of two lines"


async def test_more_bad_rows_than_can_be_listed_are_counted(database, monkeypatch):
    monkeypatch.setattr(transfer, "LISTED", 3)
    report = await imported(database, "email\n" + "nobody\n" * 10)
    assert (len(report.invalid), report.invalid_count, report.rows) == (3, 10, 10)


async def test_the_same_reader_twice_in_a_file_is_one(database, monkeypatch):
    monkeypatch.setattr(transfer, "CHUNK", 2)
    addresses = ["anne@example.org", "ANNE@Example.ORG", "bart@example.org", "anne@example.org"]
    report = await imported(database, "email\n" + "\n".join(addresses))
    assert (report.imported, report.duplicates, report.already) == (2, 2, 0)
    assert adds_up(report)


async def test_who_left_is_not_brought_back(database):
    newsletter = await a_newsletter(database)
    added = await a_reader(database, newsletter)
    async with database.begin() as session:
        await leave_subscription(session, added.subscription_id, NOW)
    report = await imported(database, "email\nanne@example.org\nbart@example.org\n")
    assert (report.imported, report.ended) == (1, 1)
    assert adds_up(report)
    async with database.read() as session:
        reader = await find_reader(session, "anne@example.org")
    assert reader is not None
    assert reader.subscriptions[0].state is SubscriptionState.ENDED


@pytest.mark.parametrize("reason", [SuppressionReason.ERASED, SuppressionReason.BOUNCED])
async def test_a_suppressed_address_is_not_even_stored(database, reason):
    await an_installation(database)
    async with database.begin() as session:
        await suppress(session, "anne@example.org", reason=reason, now=NOW)
    report = await imported(database, "email\nAnne@example.org\nbart@example.org\n")
    assert (report.imported, report.suppressed) == (1, 1)
    assert adds_up(report)
    assert list(await names(database)) == ["bart@example.org"]
    assert await count(database, "subscribers") == 1


async def test_a_reader_of_another_newsletter_becomes_one_of_this_too(database):
    other = await a_newsletter(database, "daily")
    await a_reader(database, other)
    weekly = await a_newsletter(database, "weekly")
    data = io.BytesIO(b"email\nanne@example.org\n")
    report = await import_readers(database, weekly, data, consent="x", clock=StillClock())
    assert report.imported == 1
    assert (await count(database, "subscribers"), await count(database, "subscriptions")) == (1, 2)


@pytest.mark.parametrize(
    "header",
    ["email,name", "E-Mail,Name", "name;Email", "Name\temail address", "\ufeffemail", '"email"'],
)
async def test_the_column_of_addresses_is_found(database, header):
    delimiter = next((sign for sign in ",;\t" if sign in header), ",")
    cells = [
        "anne@example.org" if "mail" in cell.lower() else "Anne" for cell in header.split(delimiter)
    ]
    report = await imported(database, f"{header}\r\n{delimiter.join(cells)}\r\n")
    assert report.imported == 1


async def test_a_column_called_email_is_preferred_to_one_called_address(database):
    await imported(database, "address,email\n1 Main Street,anne@example.org\n")
    assert list(await names(database)) == ["anne@example.org"]


@pytest.mark.parametrize(
    "content, line, words",
    [
        ("", 1, "no column called email"),
        ("name,town\nAnne,Springfield\n", 1, "no column called email"),
        ("anne@example.org\nbart@example.org\n", 1, "no column called email"),
        ("email,email\na@example.org,b@example.org\n", 1, "two columns"),
        ("email\nanne@example.org\n\xe4\xf6@example.org\n".encode("latin-1"), 3, "UTF-8"),
        (b"email\n" + b"anne@example.org\n" * 9_000 + b"\xff\n", 9_002, "UTF-8"),
        ("email\nanne@example.org\n" + ",".join(["x"] * 65) + "\n", 3, "64 columns"),
        ("email," + ",".join(f"c{n}" for n in range(64)) + "\n", 1, "64 columns"),
        ("email,name\nanne@example.org," + "x" * 65_537 + "\n", 2, "65536"),
        ('email,name\nanne@example.org,"' + "x\n" * 70_000, 2, "no CSV"),
        ("email\n" + "x" * 5_000_000 + "\n", 2, "4194304"),
        ("email,name\ranne@example.org,Anne\r", 1, "CR alone"),
    ],
)
async def test_a_file_that_cannot_be_used_is_refused_whole_with_its_line(
    database, content, line, words
):
    with pytest.raises(ReaderFileError, match=words) as refused:
        await imported(database, content)
    assert refused.value.where == f"readers.csv:{line}"
    for table in ("subscribers", "subscriptions", "consent_batches", "destinations"):
        assert await count(database, table) == 0


@pytest.mark.parametrize(
    "rows, bad",
    [
        ('anne@example.org,"Anne\nbart@example.org,Bart\n', [2]),
        ('anne@example.org,"Anne\nbart@example.org,"Bart"\n', [2]),
        ('"anne@example.org,Anne\nbart@example.org,Bart\ncris@example.org,"\n', [2, 4]),
        ('anne@example.org,"Anne\nbart@example.org,Bart\ncris@example.org,"Cris\n', [2, 4]),
        ('anne@example.org,"Anne" Smith\nbart@example.org,Bart\n', [2]),
        ("anne@example.org,An\rne\nbart@example.org,Bart\n", [2]),
    ],
)
async def test_a_quotation_mark_that_is_not_closed_takes_no_other_reader_away(database, rows, bad):
    report = await imported(database, f"email,name\n{rows}")
    assert await names(database) == {"bart@example.org": "Bart"}
    assert [one.line for one in report.invalid] == bad
    assert adds_up(report)


async def test_a_cell_of_several_lines_is_one_cell(database):
    content = 'note,email,name\n"Old:\nx,cris@example.org,C\n",anne@example.org,"Anne\nSmith"\n'
    await imported(database, content)
    assert await names(database) == {"anne@example.org": "Anne Smith"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
async def test_utf_16_is_named_and_refused(database, encoding):
    with pytest.raises(ReaderFileError, match="UTF-16"):
        await imported(database, "email\nanne@example.org\n".encode(encoding))
    assert await count(database, "consent_batches") == 0


async def test_a_zip_file_is_refused(database):
    with pytest.raises(ReaderFileError):
        await imported(database, b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + bytes(1_000))


@pytest.mark.parametrize("consent", ["", "  ", "\r\n\x00"])
async def test_nobody_is_imported_without_a_word_about_their_consent(database, consent):
    with pytest.raises(InputError) as refused:
        await imported(database, "email\nanne@example.org\n", consent=consent)
    assert refused.value.where == "--consent"
    assert await count(database, "subscribers") == 0


async def test_a_cell_kept_from_being_a_formula_is_read_as_it_was(database):
    await imported(
        database, "email,name\nanne@example.org,'=1+1\nbart@example.org,'quoted'\n'+c@example.org,C"
    )
    assert await names(database) == {
        "anne@example.org": "=1+1",
        "bart@example.org": "'quoted'",
        "+c@example.org": "C",
    }


async def test_no_name_of_a_file_can_change_a_header(database):
    content = 'email,name\nanne@example.org,"Anne\r\nBcc: cris@example.org\u202e\x00"\n'
    await imported(database, content)
    assert await names(database) == {"anne@example.org": "Anne Bcc: cris@example.org"}


async def test_names_with_every_kind_of_sign_survive(database):
    strange = ["Zoë \\N \\t", "O'Neil; DROP TABLE x", "100 % {name} :now", "日本 🎉"]
    rows = "".join(f"r{n}@example.org,{name}\n" for n, name in enumerate(strange))
    await imported(database, f"email,name\n{rows}")
    assert list((await names(database)).values()) == strange


async def test_a_file_that_comes_through_a_pipe_is_read_too(database):
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_where: int) -> int:
            raise io.UnsupportedOperation

    newsletter = await a_newsletter(database)
    pipe = Pipe(b"email\nanne@example.org\n")
    report = await import_readers(database, newsletter, pipe, consent="x", clock=StillClock())
    assert report.imported == 1


async def test_progress_is_told_up_to_the_last_row(database, monkeypatch):
    monkeypatch.setattr(transfer, "CHUNK", 2)
    told: list[tuple[int, int]] = []
    rows = "".join(f"r{number}@example.org\n" for number in range(5))
    await imported(
        database,
        f"email\n{rows}",
        watch=ImportWatch(lambda done, all_: told.append((done, all_))),
    )
    assert told == [(2, 5), (4, 5), (5, 5)]
