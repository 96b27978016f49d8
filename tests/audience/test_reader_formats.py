"""Exports of other tools, with the columns they have, become readers as the tool meant them."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from digest.audience import transfer
from digest.audience.reader_layout import Reading, parse_map
from digest.audience.reader_rows import cell_of, parse_moment, safe_cell
from digest.audience.transfer import ImportReport, ImportWatch, import_readers
from digest.errors import InputError, ReaderFileError
from digest.rules.subscription import Standing, SubscriptionState, SuppressionReason
from digest.store import schema
from digest.store.newsletters import get_newsletter
from digest.store.own_data import consent_history
from digest.store.reader_list import ReaderRow, list_readers
from digest.store.session import Database
from digest.store.subscribers import activate_subscription, add_reader, find_reader
from digest.store.suppressions import suppression_of
from tests.audience.test_leave import StillClock
from tests.audience.test_transfer import adds_up, count
from tests.build import NOW, a_newsletter, an_installation

MAILCHIMP = (
    '"Email Address","First Name","Last Name",MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,'
    "CONFIRM_IP,LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,{more}LAST_CHANGED,LEID,EUID,"
    "NOTES,TAGS\n"
)
SUBSCRIBED = MAILCHIMP.format(more="") + (
    'anne@example.org,Anne,Smith,2,"2015-03-16 14:40:47",192.0.2.77,"2015-03-16 14:41:10",'
    '198.51.100.9,,,,,,,,"2015-03-16 14:40:47",1,a1,,"""from the fair"",""early, bird"""\n'
)
UNSUBSCRIBED = MAILCHIMP.format(more="UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_REASON,") + (
    'bart@example.org,Bart,,2,,,"2016-01-01 10:00:00",,,,,,,,,"2019-05-01 08:00:00",No 12,'
    '"NORMAL (no longer interested)","2019-05-01 08:00:00",2,a2,,\n'
    'cris@example.org,Cris,,2,,,"2016-01-01 10:00:00",,,,,,,,,"2019-05-01 08:00:00",No 12,'
    '"ABUSE (marked as spam)","2019-05-01 08:00:00",3,a3,,\n'
)
CLEANED = MAILCHIMP.format(more="CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,") + (
    'dora@example.org,Dora,,2,,,,,,,,,,,,"2018-05-01 08:00:00",No 9,"2018-05-01 08:00:00",4,a4,,\n'
)
NONSUBSCRIBED = MAILCHIMP.format(more="") + "emil@example.org,,,2,,,,,,,,,,,,,5,a5,,\n"


@pytest.fixture
async def db(database: Database) -> Database:
    await an_installation(database)
    await a_newsletter(database)
    return database


async def imported(
    db: Database, content: str | bytes, path: str = "readers.csv", **more: Any
) -> ImportReport:
    async with db.read() as session:
        newsletter = await get_newsletter(session, None)
    data = io.BytesIO(content.encode() if isinstance(content, str) else content)
    given: dict[str, Any] = {"consent": "moved", "clock": StillClock(), "path": path} | more
    report = await import_readers(db, newsletter, data, **given)
    assert adds_up(report), report
    return report


async def readers(db: Database) -> dict[str, ReaderRow]:
    async with db.read() as session:
        newsletter = await get_newsletter(session, None)
        rows = await list_readers(session, newsletter.id)
    return {row.address.partition("@")[0]: row for row in rows}


async def suppressions(db: Database, *names: str) -> list[SuppressionReason | None]:
    async with db.read() as session:
        return [await suppression_of(session, 1, f"{name}@example.org") for name in names]


async def everything(db: Database) -> str:
    async with db.read() as session:
        found = [
            f"{table.name}: {tuple(row)}"
            for table in schema.metadata.sorted_tables
            for row in await session.execute(select(table))
        ]
    return "\n".join(found)


def zipped(**files: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.csv", content)
    return packed.getvalue()


async def test_the_zip_of_mailchimp_brings_everybody_as_they_stood(db: Database) -> None:
    content = zipped(
        subscribed_email_audience_export_1a=SUBSCRIBED,
        unsubscribed_email_audience_export_1a=UNSUBSCRIBED,
        cleaned_email_audience_export_1a=CLEANED,
        nonsubscribed_email_audience_export_1a=NONSUBSCRIBED,
    )
    report = await imported(db, content, "audience.zip")
    assert (report.imported, report.left, report.kept_out, report.unconfirmed) == (1, 1, 2, 1)
    found = await readers(db)
    assert set(found) == {"anne", "bart"}
    anne, bart = found["anne"], found["bart"]
    assert (anne.name, anne.state) == ("Anne Smith", SubscriptionState.ACTIVE)
    assert anne.tags == ("early, bird", "from the fair")
    assert anne.created_at == datetime(2015, 3, 16, 14, 40, 47, tzinfo=UTC)
    assert anne.confirmed_at == datetime(2015, 3, 16, 14, 41, 10, tzinfo=UTC)
    assert (bart.state, bart.ended_at) == (
        SubscriptionState.ENDED,
        datetime(2019, 5, 1, 8, tzinfo=UTC),
    )
    assert await suppressions(db, "anne", "bart", "cris", "dora", "emil") == [
        None,
        None,
        SuppressionReason.COMPLAINED,
        SuppressionReason.BOUNCED,
        None,
    ]


async def test_the_proof_of_a_consent_comes_along_and_no_ip_address(db: Database) -> None:
    await imported(db, SUBSCRIBED, "subscribed_x.csv")
    anne = (await readers(db))["anne"]
    async with db.read() as session:
        history = await consent_history(session, anne.subscription_id)
    [batch, brought] = history
    assert (batch["kind"], batch["source"]) == ("imported", "moved")
    assert (brought["kind"], brought["from"]) == ("brought", "198.51.100.0/24")
    assert brought["detail"]["confirmed_at"] == "2015-03-16T14:41:10+00:00"
    assert brought["detail"]["asked_net"] == "192.0.2.0/24"
    left = await everything(db)
    assert "198.51.100.9" not in left
    assert "192.0.2.77" not in left


@pytest.mark.parametrize(
    "name, standing",
    [
        ("subscribed_members_export_3f.csv", (1, 0, 0)),
        ("/tmp/UNSUBSCRIBED_members_export_3f.csv", (0, 1, 0)),
        ("cleaned_members_export_3f.csv", (0, 0, 1)),
    ],
)
async def test_a_file_of_mailchimp_says_by_its_name_who_is_in_it(
    db: Database, name: str, standing: tuple[int, int, int]
) -> None:
    report = await imported(db, SUBSCRIBED, name)
    assert (report.imported, report.left, report.kept_out) == standing


async def test_a_renamed_file_of_people_who_left_is_known_by_its_columns(db: Database) -> None:
    report = await imported(db, UNSUBSCRIBED, "list.csv")
    assert (report.imported, report.left, report.kept_out) == (0, 1, 1)


async def test_nobody_becomes_a_reader_while_nothing_says_who_left(db: Database) -> None:
    ghost = "id,email,name,note,created_at,labels,tiers\n1,anne@example.org,Anne,,,,\n"
    with pytest.raises(ReaderFileError, match="have left Ghost"):
        await imported(db, ghost, reading=Reading("ghost"))
    plain = NONSUBSCRIBED.replace("TAGS", "TAGS,Town").replace(",a5,,", ",a5,,,")
    with pytest.raises(ReaderFileError, match="nor its name"):
        await imported(db, plain, "list.csv", reading=Reading("mailchimp"))
    report = await imported(db, ghost, reading=Reading("ghost", {}, Standing.ACTIVE))
    assert report.imported == 1


async def test_an_export_of_substack(db: Database) -> None:
    content = (
        "email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at\n"
        "anne@example.org,true,2027-07-01T00:00:00.000Z,yearly,false,2024-01-15T10:00:00.000Z,\n"
        "bart@example.org,false,,other,true,2024-02-01T10:00:00.000Z,\n"
    )
    packed = zipped(**{"posts": "post_id,title\n1,x\n", "email_list.ours": content})
    report = await imported(db, packed, "export.zip")
    assert (report.imported, report.left) == (1, 1)
    anne = (await readers(db))["anne"]
    assert (anne.attributes, anne.created_at.year) == ({"plan": "yearly"}, 2024)


async def test_an_export_of_buttondown(db: Database) -> None:
    states = "regular unactivated unsubscribed undeliverable complained premium nonsense".split()
    rows = "".join(
        f'{name}{number}@example.org,,"{{""company"": ""Acme""}}","a, b",{name},2024-01-15,\n'
        for number, name in enumerate(states)
    )
    header = "email_address,notes,metadata,tags,type,creation_date,unsubscription_date\n"
    report = await imported(db, header + rows)
    assert (report.imported, report.left, report.kept_out, report.unconfirmed) == (2, 1, 2, 1)
    [bad] = report.invalid
    assert (bad.line, "nonsense" in bad.reason, bad.address) == (8, True, "nonsense6@example.org")
    regular = (await readers(db))["regular0"]
    assert (regular.attributes, regular.tags) == ({"company": "Acme"}, ("a", "b"))


async def test_an_export_of_ghost(db: Database) -> None:
    content = (
        "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,"
        "deleted_at,labels,tiers,gift_id\r\n"
        'm1,anne@example.org,Anne,"VIP, early",true,,,2019-10-30T14:52:08.000Z,,"VIP,fair",,\r\n'
        "m2,bart@example.org,,,false,,,2019-10-30T14:52:08.000Z,,,,\r\n"
    )
    report = await imported(db, content)
    assert (report.imported, report.left) == (1, 1)
    anne = (await readers(db))["anne"]
    assert (anne.tags, anne.attributes) == (("VIP", "fair"), {"note": "VIP, early"})


async def test_an_export_of_listmonk(db: Database) -> None:
    content = (
        "uuid,email,name,attributes,status,created_at,updated_at\n"
        'u1,anne@example.org,Anne,"{""city"": ""Berlin"", ""jobs"": [1, 2]}",enabled,'
        "2019-05-01 10:00:00.123456 +0530 IST,\n"
        "u2,bart@example.org,Bart,{},disabled,2019-05-01 10:00:00 +0000 UTC,\n"
        "u3,cris@example.org,Cris,{},blocklisted,2019-05-01 10:00:00 +0000 +0000,\n"
    )
    report = await imported(db, content)
    assert (report.imported, report.left, report.kept_out) == (1, 1, 1)
    anne = (await readers(db))["anne"]
    assert anne.attributes == {"city": "Berlin", "jobs": "[1, 2]"}
    assert anne.created_at == datetime(2019, 5, 1, 4, 30, tzinfo=UTC)
    assert await suppressions(db, "cris") == [SuppressionReason.IMPORTED]


async def test_a_file_killed_half_way_and_imported_again_adds_nothing_twice(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "CHUNK", 2)
    header = "uuid,email,name,attributes,status,created_at,updated_at\n"
    words = ("enabled", "disabled", "blocklisted", "enabled", "enabled", "blocklisted")
    rows = "".join(
        f"u,r{number}@example.org,,{{}},{word},2019-05-01 10:00:00 +0000 UTC,\n"
        for number, word in enumerate(words)
    )

    def crash(done: int, _rows: int) -> None:
        if done == 4:
            raise RuntimeError("pulled the plug")

    with pytest.raises(RuntimeError):
        await imported(db, header + rows, watch=ImportWatch(crash))
    again = await imported(db, header + rows)
    assert (again.imported, again.kept_out, again.already) == (1, 1, 2)
    assert (again.ended, again.suppressed) == (1, 1)
    assert [await count(db, table) for table in ("subscriptions", "suppressions")] == [4, 2]
    assert await count(db, "consent_events") == 4


async def test_a_dry_run_tells_what_would_happen_and_changes_nothing(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "CHUNK", 2)
    content = zipped(
        subscribed_x=SUBSCRIBED
        + "ANNE@example.org,,,2,,,,,,,,,,,,,1,a1,,\nno,,,,,,,,,,,,,,,,,,,\n",
        unsubscribed_x=UNSUBSCRIBED,
        cleaned_x=CLEANED,
    )
    before = await everything(db)
    tried = await imported(db, content, "x.zip", dry_run=True)
    assert await everything(db) == before
    done = await imported(db, content, "x.zip")
    assert tried == done
    assert (done.duplicates, done.invalid_count) == (1, 1)
    assert (done.invalid[0].file, done.invalid[0].line) == ("x.zip/subscribed_x.csv", 4)


async def test_who_left_there_after_the_move_leaves_here_too(db: Database) -> None:
    await imported(db, "email\nbart@example.org\nanne@example.org\n")
    report = await imported(db, UNSUBSCRIBED)
    assert (report.already, report.left_since) == (1, 1)
    found = await readers(db)
    assert found["bart"].state is SubscriptionState.ENDED
    assert found["anne"].state is SubscriptionState.ACTIVE


async def test_who_signed_up_here_in_person_stays(db: Database) -> None:
    await imported(db, "email\nbart@example.org\n")
    async with db.begin() as session:
        await add_reader(session, 1, address="cris@example.org", now=NOW)
        reader = await find_reader(session, "bart@example.org")
        assert reader is not None
        mine = reader.subscriptions[0].id
    await imported(db, UNSUBSCRIBED)
    async with db.begin() as session:
        await activate_subscription(session, mine, NOW, kind="confirmed", source="form")
    again = await imported(db, UNSUBSCRIBED + UNSUBSCRIBED.splitlines()[1].replace("bart", "cora"))
    assert (again.already, again.left_since, again.left) == (1, 0, 1)
    assert (await readers(db))["bart"].state is SubscriptionState.ACTIVE


async def test_of_two_rows_with_one_address_the_stricter_one_counts(db: Database) -> None:
    content = (
        "email,name,state,since\nanne@example.org,,active,\nAnne@example.org,,ended,\n"
        "bart@example.org,,ended,\nbart@example.org,,active,\n"
    )
    report = await imported(db, content)
    assert (report.imported, report.left, report.duplicates) == (0, 2, 2)


async def test_whatever_the_file_says_the_operator_decides(db: Database) -> None:
    report = await imported(db, UNSUBSCRIBED, reading=Reading("mailchimp", {}, Standing.ACTIVE))
    assert report.imported == 2
    as_suppressed = Reading(None, {}, Standing.SUPPRESSED)
    kept_out = await imported(db, "email\nanne@example.org\n", reading=as_suppressed)
    assert kept_out.kept_out == 1
    again = await imported(db, "email\nanne@example.org\n")
    assert (again.imported, again.suppressed) == (0, 1)


async def test_a_reader_who_is_kept_out_later_gets_nothing_any_more(db: Database) -> None:
    await imported(db, "email\ndora@example.org\n")
    await imported(db, CLEANED)
    dora = (await readers(db))["dora"]
    assert dora.suppressed_at == NOW


async def test_columns_can_be_named_one_by_one(db: Database) -> None:
    content = (
        "E-Mail der Person;Vorname;Nachname;Beitritt;Firma;Stand;Notiz\n"
        "anne@example.org;Anne;Smith;2020-02-03;Acme;subscribed;x\n"
        "bart@example.org;Bart;;2020-02-03;;unsubscribed;y\n"
    )
    pairs = ("E-Mail der Person=email", "vorname=first_name", "Nachname=last_name")
    more = ("Beitritt=created", "Firma=attribute.company", "Stand=state", "Notiz=")
    reading = Reading(None, parse_map((*pairs, *more)))
    report = await imported(db, content, reading=reading)
    assert (report.imported, report.left) == (1, 1)
    anne = (await readers(db))["anne"]
    assert (anne.name, anne.attributes) == ("Anne Smith", {"company": "Acme"})
    assert anne.created_at == datetime(2020, 2, 3, tzinfo=UTC)


@pytest.mark.parametrize("pair", ["email", "=email", "X=nothing", "X=attribute.", "X= "])
def test_a_mapping_that_cannot_be_read_is_named(pair: str) -> None:
    if pair == "X= ":
        assert parse_map([pair]) == {"X": ""}
        return
    with pytest.raises(InputError) as refused:
        parse_map([pair])
    assert refused.value.where == "--map"


@pytest.mark.parametrize(
    "columns, words",
    [
        ({"Town": "attribute.town"}, "no column called 'town'"),
        ({"x": "name"}, "two columns called 'x'"),
    ],
)
async def test_a_column_that_is_missing_or_double_is_named(
    db: Database, columns: dict[str, str], words: str
) -> None:
    with pytest.raises(ReaderFileError, match=words) as refused:
        await imported(db, "email,x,x\na@example.org,,\n", reading=Reading(None, columns))
    assert refused.value.where == "readers.csv:1"


async def test_columns_nobody_needs_may_be_there_twice(db: Database) -> None:
    assert (await imported(db, "email,x,x\nanne@example.org,1,2\n")).imported == 1


@pytest.mark.parametrize(
    "cell, words",
    [
        ("{nothing", "no JSON object"),
        ("[1]", "no JSON object"),
        ("[" * 20_000, "no JSON object"),
        ('{"x": "' + "y" * 1_001 + '"}', "1000 characters"),
        ('{"": 1}', "1 to 64 characters"),
        ("{" + ",".join(f'"k{n}": 1' for n in range(51)) + "}", "50 attributes"),
    ],
)
async def test_attributes_that_cannot_be_are_an_error_of_their_row(
    db: Database, cell: str, words: str
) -> None:
    quoted = cell.replace('"', '""')
    content = f'email,name,state,since,attributes\nanne@example.org,,active,,"{quoted}"\n'
    report = await imported(db, content + "bart@example.org,,active,,\n")
    assert (report.imported, report.invalid[0].line) == (1, 2)
    assert words in report.invalid[0].reason


async def test_attributes_hold_nothing_a_database_stumbles_over(db: Database) -> None:
    cell = r'{""a"": ""x\u0000y\ud800"", ""b"": 1e999, ""c"": NaN, ""d"": 99999999999999999999}'
    content = f'email,name,state,since,attributes\nanne@example.org,,active,,"{cell}"\n'
    assert (await imported(db, content)).imported == 1
    assert (await readers(db))["anne"].attributes == {
        "a": "xy",
        "b": "inf",
        "c": "nan",
        "d": "99999999999999999999",
    }


@pytest.mark.parametrize("date", ["yesterday", "2999-01-01", "31/01/2026", "2026-02-30"])
async def test_a_date_that_cannot_be_is_an_error_of_its_row(db: Database, date: str) -> None:
    report = await imported(db, f"email,name,state,since\nanne@example.org,,active,{date}\n")
    assert (report.imported, report.invalid_count) == (0, 1)
    assert date in report.invalid[0].reason


@pytest.mark.parametrize("date", ["", "0000-00-00 00:00:00", "1970-01-01T00:00:00Z"])
async def test_what_machines_write_for_never_is_no_date(db: Database, date: str) -> None:
    await imported(db, f"email,name,state,since\nanne@example.org,,active,{date}\n")
    assert (await readers(db))["anne"].created_at == NOW


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-31T09:00:00.000Z",
        "2026-01-31 09:00:00",
        "2026-01-31 14:30:00.5 +0530 IST",
        "2026-01-31 09:00:00 +0000 UTC",
        "2026-01-31T10:00:00+01:00",
    ],
)
def test_times_are_read_as_tools_write_them(written: str) -> None:
    assert parse_moment(written) == datetime(2026, 1, 31, 9, tzinfo=UTC)


@pytest.mark.parametrize("cell", ["=1+1", "'=1+1", "''", "'quoted'", "+1", "-", "\t", "''=x", "a"])
def test_a_cell_made_safe_is_read_as_it_was(cell: str) -> None:
    assert cell_of([safe_cell(cell)], 0) == cell
    assert not safe_cell(cell).startswith(("=", "+", "-", "@", "\t", "\r"))


async def test_an_erased_reader_is_not_revived_by_any_tool(db: Database) -> None:
    from digest.audience.own_data import erase_reader

    await imported(db, SUBSCRIBED, "subscribed_x.csv")
    anne = (await readers(db))["anne"]
    await erase_reader(db, anne.subscriber_id, clock=StillClock())
    for path in ("subscribed_x.csv", "unsubscribed_x.csv", "cleaned_x.csv"):
        report = await imported(db, SUBSCRIBED, path)
        assert report.suppressed == 1
    left = await everything(db)
    for gone in ("anne", "Anne", "early, bird"):
        assert gone not in left
