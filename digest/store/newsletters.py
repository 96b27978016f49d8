"""Newsletters: who sends, when, and who may see to it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict, Unpack
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import delete, select, update

from digest.errors import AddressError, ConflictError, InputError, NotFoundError
from digest.mail.address import LOCAL_MAX, clean_name, parse_address
from digest.mail.headers import clean_line
from digest.mail.tokens import TOKEN_LENGTH
from digest.rules.schedule import parse_schedule
from digest.store import schema
from digest.store.session import Session
from digest.store.slots import close_slot
from digest.store.types import insert

ROLES = ("editor", "operator")
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,2}")
_UNDO_MAX = 86_400
_TEXT_MAX = 2_000

_WHEN = ("schedule", "timezone")

_t = schema.newsletters


@dataclass(frozen=True, slots=True)
class Newsletter:
    """One newsletter, as its row says.

    ``return_path`` holds ``{token}``; ``undo_window`` is in seconds.
    """

    id: int
    slug: str
    name: str
    description: str
    from_name: str
    from_address: str
    reply_to: str | None
    return_path: str
    postal_address: str
    list_id: str
    language: str
    timezone: str
    schedule: str | None
    undo_window: int
    theme: str
    settings: dict[str, Any]
    next_run_at: datetime | None
    created_at: datetime
    ended_at: datetime | None

    @property
    def from_domain(self) -> str:
        """The domain behind the @ of the sender's address."""
        return self.from_address.rpartition("@")[2]


class NewsletterFields(TypedDict, total=False):
    """What may be set on a newsletter; ``settings`` is merged key by key, None removes a key."""

    name: str
    description: str
    from_name: str
    from_address: str
    reply_to: str | None
    return_path: str
    postal_address: str
    list_id: str
    language: str
    timezone: str
    schedule: str | None
    undo_window: int
    theme: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Person:
    """Who has a part in a newsletter: ``editor`` or ``operator``."""

    address: str
    role: str


def return_path_of_domain(domain: str) -> str:
    """The envelope sender of a newsletter that has ``domain`` for nothing but bounces."""
    return f"b-{{token}}@{domain.strip().lower()}"


async def create_newsletter(
    session: Session, slug: str, *, now: datetime, **fields: Unpack[NewsletterFields]
) -> Newsletter:
    """Create a newsletter.

    ``name``, ``from_address`` and ``return_path`` are needed; ``from_name`` is the name and
    ``list_id`` is ``slug.domain`` where they are not given. Raises InputError naming the field that
    cannot be used, ConflictError when the slug is taken.
    """
    if not _SLUG.fullmatch(slug):
        raise InputError(
            f"{slug!r} cannot name a newsletter.",
            where="slug",
            fix="Use lower-case letters, digits and hyphens, at most 64.",
        )
    for needed in ("name", "from_address", "return_path"):
        if not fields.get(needed):
            raise InputError("This is needed.", where=needed)
    values = checked_fields(fields)
    values = {"postal_address": "", "from_name": values["name"], "settings": {}} | values
    values.setdefault("list_id", f"{slug}.{values['from_address'].rpartition('@')[2]}")
    statement = insert(_t).values(slug=slug, created_at=now, **values)
    created = await session.execute(statement.on_conflict_do_nothing().returning(_t))
    row = created.one_or_none()
    if row is None:
        raise ConflictError(
            f"There is a newsletter {slug!r} already.",
            where="slug",
            fix=f"Take another name, or change it: digest newsletter set {slug}.",
        )
    return _newsletter(row)


async def set_newsletter(
    session: Session, newsletter_id: int, **fields: Unpack[NewsletterFields]
) -> Newsletter:
    """Change what is given; InputError names the field that cannot be used.

    Another schedule or time zone makes another next slot: the one there was is forgotten.
    """
    values = checked_fields(fields)
    current = await newsletter_by_id(session, newsletter_id)
    if any(values.get(key, getattr(current, key)) != getattr(current, key) for key in _WHEN):
        await close_slot(session, newsletter_id)
    if "settings" in values:
        merged = current.settings | values["settings"]
        values["settings"] = {key: value for key, value in merged.items() if value is not None}
    if values:
        await session.execute(update(_t).where(_t.c.id == newsletter_id).values(**values))
    return await newsletter_by_id(session, newsletter_id)


async def newsletter_by_id(session: Session, newsletter_id: int) -> Newsletter:
    """The newsletter with this id; NotFoundError."""
    row = (await session.execute(select(_t).where(_t.c.id == newsletter_id))).one_or_none()
    if row is None:
        raise NotFoundError("There is no such newsletter.")
    return _newsletter(row)


async def get_newsletter(session: Session, slug: str | None) -> Newsletter:
    """The newsletter called ``slug``, or with None the only one; NotFoundError lists them."""
    everything = await list_newsletters(session)
    found = [one for one in everything if slug is None or one.slug == slug]
    if len(found) == 1:
        return found[0]
    if not everything:
        raise NotFoundError(
            "There is no newsletter yet.",
            where="--newsletter",
            fix="Run: digest newsletter create NAME --from 'A Weekly <hello@news.example.org>'.",
        )
    names = ", ".join(one.slug for one in everything)
    message = f"There is no newsletter {slug!r}." if slug else "There are several newsletters."
    raise NotFoundError(message, where="--newsletter", fix=f"Choose one of: {names}.")


async def list_newsletters(session: Session) -> list[Newsletter]:
    """All that have not ended, by name."""
    rows = await session.execute(select(_t).where(_t.c.ended_at.is_(None)).order_by(_t.c.slug))
    return [_newsletter(row) for row in rows]


async def add_person(session: Session, newsletter_id: int, *, role: str, address: str) -> bool:
    """Make somebody ``editor`` or ``operator``; False when they were."""
    if role not in ROLES:
        raise InputError(
            f"{role!r} is no part to have.", where="role", fix="Use: editor, operator."
        )
    values = {"newsletter_id": newsletter_id, "role": role, "address": _address("address", address)}
    statement = insert(schema.newsletter_people).values(**values).on_conflict_do_nothing()
    return (await session.execute(statement)).rowcount == 1


async def set_people(
    session: Session, newsletter_id: int, *, role: str, addresses: Sequence[str]
) -> None:
    """Have these and nobody else as ``editor`` or ``operator``."""
    kept = [_address("address", one) for one in addresses]
    table = schema.newsletter_people
    mine = delete(table).where(table.c.newsletter_id == newsletter_id, table.c.role == role)
    await session.execute(mine.where(table.c.address.not_in(kept)))
    for one in kept:
        await add_person(session, newsletter_id, role=role, address=one)


async def people(session: Session, newsletter_id: int, role: str | None = None) -> list[Person]:
    """Who has a part in a newsletter, or one role of it, by address."""
    table = schema.newsletter_people
    query = select(table.c.address, table.c.role).where(table.c.newsletter_id == newsletter_id)
    if role is not None:
        query = query.where(table.c.role == role)
    rows = await session.execute(query.order_by(table.c.role, table.c.address))
    return [Person(*row) for row in rows]


def _newsletter(row: Any) -> Newsletter:
    return Newsletter(*row)  # the fields stand in the order of the columns


def checked_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as they are stored; InputError names the one that cannot be."""
    given: dict[str, Any] = dict(fields)
    unknown = given.keys() - NewsletterFields.__annotations__.keys()
    if unknown:
        raise InputError("A newsletter has no such field.", where=min(unknown))
    return {name: _CHECKS[name](name, value) for name, value in given.items()}


def _address(name: str, value: str) -> str:
    try:
        return str(parse_address(value.strip()))
    except AddressError as error:
        raise InputError(error.message, where=name, fix=error.fix) from error


def _optional_address(name: str, value: str | None) -> str | None:
    return _address(name, value) if value else None


def _name(name: str, value: str) -> str:
    cleaned = clean_name(value)
    if not cleaned:
        raise InputError("This must not be empty.", where=name)
    return cleaned


def _text(name: str, value: str) -> str:
    """Lines of text; whatever else breaks or reverses a line goes."""
    lines = (clean_line(line) for line in value.splitlines())
    text = "\n".join(line for line in lines if line)
    if len(text) > _TEXT_MAX:
        raise InputError(f"At most {_TEXT_MAX} characters, please.", where=name)
    return text


def token_address(name: str, value: str) -> str:
    """An address with one ``{token}`` in its local part; InputError names the field."""
    local, _, domain = value.strip().rpartition("@")
    advice = "Write it like 'bounces+{token}@example.org'."
    if local.count("{token}") != 1 or "{" in domain:
        raise InputError("The address needs one {token} before the @.", where=name, fix=advice)
    address = _address(name, f"{local.replace('{token}', 'a' * TOKEN_LENGTH)}@{domain}")
    if len(address.rpartition("@")[0]) > LOCAL_MAX:
        raise InputError(f"It is longer than {LOCAL_MAX} with a token.", where=name, fix=advice)
    return f"{local}@{address.rpartition('@')[2]}"


def _list_id(name: str, value: str) -> str:
    """RFC 2919 §3: a name in a domain one has."""
    listed = value.strip().lower()
    try:
        parse_address(f"list@{listed}")
    except AddressError as error:
        raise InputError(
            "This is no name in a domain.", where=name, fix="Write it like weekly.news.example.org."
        ) from error
    return listed


def _pattern(pattern: re.Pattern[str], example: str) -> Any:
    def check(name: str, value: str) -> str:
        if not pattern.fullmatch(value):
            raise InputError(f"{value!r} cannot be used.", where=name, fix=f"Example: {example}.")
        return value

    return check


def _timezone(name: str, value: str) -> str:
    if value not in available_timezones():
        raise InputError(
            f"{value!r} is no time zone.", where=name, fix="Write it like Europe/Berlin."
        )
    return ZoneInfo(value).key


def _undo_window(name: str, value: int) -> int:
    if not 0 <= value <= _UNDO_MAX:
        raise InputError(f"0 to {_UNDO_MAX} seconds are possible.", where=name)
    return value


def _schedule(name: str, value: str | None) -> str | None:
    schedule = _name(name, value) if value else None
    if schedule:
        parse_schedule(schedule)
    return schedule


def _settings(_name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    return dict(value)


_CHECKS: dict[str, Any] = {
    "name": _name,
    "description": _text,
    "from_name": _name,
    "from_address": _address,
    "reply_to": _optional_address,
    "return_path": token_address,
    "postal_address": _text,
    "list_id": _list_id,
    "language": _pattern(_LANGUAGE, "en, de-AT"),
    "timezone": _timezone,
    "schedule": _schedule,
    "undo_window": _undo_window,
    "theme": _pattern(_SLUG, "default"),
    "settings": _settings,
}
