"""Users: a password is set by a link once; who is changed or removed is signed out."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from digest.access import codes
from digest.access.sessions import IDLE, LONGEST, begin_session, visitor_of
from digest.access.users import (
    add_user,
    ask_for_codes,
    change_password,
    first_link,
    follow_link,
    get_user,
    known_user,
    link_of,
    remove_user,
    reset_user,
    set_role,
)
from digest.errors import ConflictError, InputError, NotFoundError, RefusedError
from digest.rules.rights import Right, Role, may
from digest.store.session import Database
from digest.store.user_sessions import list_sessions
from digest.store.users import User
from tests.build import NOW

PASSWORD = "a horse, a battery and a staple"
ANNE = "anne@example.org"


async def invited(db: Database, address: str = ANNE, role: Role = Role.EDITOR) -> str:
    async with db.begin() as session:
        return await add_user(session, address, role=role, now=NOW)


async def somebody(db: Database, address: str = ANNE, role: Role = Role.EDITOR) -> User:
    secret = await invited(db, address, role)
    return await follow_link(db, secret, password=PASSWORD, now=NOW)


async def signed_in(db: Database, user: User, now: datetime = NOW) -> str:
    async with db.begin() as session:
        return await begin_session(session, user, browser="b", now=now)


async def is_in(db: Database, token: str, now: datetime = NOW) -> bool:
    async with db.read() as session:
        return await visitor_of(session, token, now) is not None


async def test_a_link_sets_a_password_once(database: Database) -> None:
    secret = await invited(database)
    assert await known_user(database, ANNE, PASSWORD, code="", now=NOW) is None
    anne = await follow_link(database, secret, password=PASSWORD, now=NOW)
    found = await known_user(database, " Anne@Example.ORG ", PASSWORD, code="", now=NOW)
    assert found == anne
    assert anne.password_hash is not None
    assert anne.password_hash.startswith("$argon2id$")
    with pytest.raises(NotFoundError):
        await follow_link(database, secret, password="another one altogether", now=NOW)
    assert await known_user(database, ANNE, PASSWORD, code="", now=NOW) is not None


async def test_of_two_who_follow_a_link_at_once_one_does(database: Database) -> None:
    secret = await invited(database)
    both = await asyncio.gather(
        follow_link(database, secret, password=PASSWORD, now=NOW),
        follow_link(database, secret, password=PASSWORD + "!", now=NOW),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in both) == ["NotFoundError", "User"]


async def test_a_link_ends_after_three_days_and_with_the_next_one(database: Database) -> None:
    first = await invited(database)
    async with database.begin() as session:
        assert await link_of(session, first, NOW + timedelta(days=3)) is None
        assert await link_of(session, "x" * 5_000, NOW) is None
        second = await reset_user(session, await get_user(session, ANNE), NOW)
        assert await link_of(session, first, NOW) is None
        assert await link_of(session, second, NOW) is not None


@pytest.mark.parametrize("password", ["", "short", "x" * 30, "abababababababab", "x" * 300, ANNE])
async def test_a_password_that_is_easily_guessed_is_refused(
    database: Database, password: str
) -> None:
    secret = await invited(database)
    with pytest.raises(InputError):
        await follow_link(database, secret, password=password, now=NOW)
    await follow_link(database, secret, password=PASSWORD, now=NOW)


async def test_the_first_link_makes_an_owner_as_long_as_there_is_nobody(database: Database) -> None:
    async with database.begin() as session:
        earlier = await first_link(session, NOW)
        secret = await first_link(session, NOW)
    assert earlier
    assert secret
    with pytest.raises(NotFoundError):  # each start makes another
        await follow_link(database, earlier, password=PASSWORD, address=ANNE, now=NOW)
    with pytest.raises(InputError):
        await follow_link(database, secret, password=PASSWORD, address="nobody", now=NOW)
    owner = await follow_link(database, secret, password=PASSWORD, address=ANNE, now=NOW)
    assert (owner.address, owner.role) == (ANNE, Role.OWNER)
    async with database.begin() as session:
        assert await first_link(session, NOW) is None


async def test_the_first_link_is_nothing_once_somebody_was_added(database: Database) -> None:
    async with database.begin() as session:
        secret = await first_link(session, NOW)
    assert secret
    await invited(database)
    with pytest.raises(NotFoundError):
        await follow_link(
            database, secret, password=PASSWORD, address="mallory@example.org", now=NOW
        )


async def test_nobody_is_added_twice(database: Database) -> None:
    await invited(database)
    with pytest.raises(ConflictError):
        await invited(database, "ANNE@example.org")


async def test_a_session_ends_when_it_is_idle_and_when_it_is_old(database: Database) -> None:
    token = await signed_in(database, await somebody(database))
    assert await is_in(database, token)
    assert await is_in(database, token, NOW + IDLE - timedelta(seconds=1))
    assert not await is_in(database, token, NOW + IDLE)
    assert not await is_in(database, token, NOW + LONGEST)
    for wrong in ("", token[:-1], token + "x", token.swapcase(), "x" * 10_000):
        assert not await is_in(database, wrong)


@pytest.mark.parametrize("change", ["reset", "role", "remove", "password", "codes"])
async def test_whoever_is_changed_is_signed_out(database: Database, change: str) -> None:
    """Everywhere; who changes their own password stays in with that browser alone."""
    await somebody(database, "cris@example.org", Role.OWNER)
    anne = await somebody(database)
    token, other = await signed_in(database, anne), await signed_in(database, anne)
    async with database.read() as session:
        mine = await visitor_of(session, token, NOW)
    assert mine is not None
    async with database.begin() as session:
        if change == "reset":
            await reset_user(session, anne, NOW)
        elif change == "role":
            await set_role(session, anne, Role.VIEWER)
        elif change == "remove":
            await remove_user(session, anne)
    if change == "password":
        await change_password(
            database, anne, old=PASSWORD, new=PASSWORD + "!", session_id=mine.session_id
        )
    elif change == "codes":
        secret = codes.new_secret()
        code = a_code(secret, NOW)
        await ask_for_codes(
            database, anne, secret=secret, code=code, session_id=mine.session_id, now=NOW
        )
    assert await is_in(database, token) is (change in ("password", "codes"))
    assert not await is_in(database, other)
    async with database.read() as session:
        assert len(await list_sessions(session)) == (change in ("password", "codes"))


async def test_somebody_is_always_an_owner(database: Database) -> None:
    anne = await somebody(database, role=Role.OWNER)
    async with database.begin() as session:
        with pytest.raises(RefusedError):
            await remove_user(session, anne)
        with pytest.raises(RefusedError):
            await set_role(session, anne, Role.EDITOR)
    await somebody(database, "bart@example.org", Role.OWNER)
    async with database.begin() as session:
        await remove_user(session, anne)


def a_code(secret: str, now: datetime) -> str:
    import base64

    return codes._code(base64.b32decode(secret), int(now.timestamp()) // 30)


async def test_a_one_time_code_is_asked_for_and_good_once(database: Database) -> None:
    anne = await somebody(database)
    secret = codes.new_secret()
    with pytest.raises(InputError):
        await ask_for_codes(database, anne, secret=secret, code="000 000", session_id=0, now=NOW)
    await ask_for_codes(
        database, anne, secret=secret, code=a_code(secret, NOW), session_id=0, now=NOW
    )

    async def tries(code: str, now: datetime) -> bool:
        return await known_user(database, ANNE, PASSWORD, code=code, now=now) is not None

    later = NOW + timedelta(minutes=2)
    assert not await tries("", later)
    assert not await tries(a_code(secret, NOW), NOW)  # used when it was set up
    good = a_code(secret, later)
    assert await tries(f"{good[:3]} {good[3:]}", later)
    assert not await tries(good, later)
    assert not await tries(a_code(secret, later + timedelta(minutes=5)), later)


def test_codes_are_those_of_the_rfc() -> None:
    """RFC 6238, appendix B (SHA-1), the last six of its eight digits."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    for second, code in ((59, "287082"), (1111111109, "081804"), (20000000000, "353130")):
        moment = datetime.fromtimestamp(second, UTC)
        assert codes.step_of(secret, code, moment) == second // 30
    assert codes.step_of(secret, "287082", datetime.fromtimestamp(59 + 90, UTC)) is None
    assert codes.step_of("no base32!", "287082", NOW) is None


def test_each_role_has_its_rights() -> None:
    assert all(may(Role.OWNER, right) for right in Right)
    assert [right for right in Right if may(Role.VIEWER, right)] == [Right.LOOK]
    assert not may(Role.EDITOR, Right.READERS)
    assert not may(Role.OPERATOR, Right.APPROVE)
    assert not may(Role.OPERATOR, Right.PEOPLE)
