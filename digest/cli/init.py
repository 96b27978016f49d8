"""``digest init``: from an empty folder to a newsletter that can be sent."""

from __future__ import annotations

import re
import secrets
import sys
from pathlib import Path
from typing import Annotated, cast

from cyclopts import Parameter

from digest.cli import output
from digest.cli.files import write_text
from digest.cli.newsletter import Traits, create_with_people, sender_fields
from digest.cli.options import Json
from digest.clock import Clock
from digest.errors import ConflictError, DigestError, InputError
from digest.rules.relay import parse_relays
from digest.settings import ENV_FILE, Settings, keyring, load_settings
from digest.store.installation import ensure_installation
from digest.store.newsletters import Newsletter, NewsletterFields, list_newsletters
from digest.store.session import Database, upgrade

_PRIVATE = 0o600  # the file holds the key and, in the relay's URL, a password
_KEY_BYTES = 32
_QUESTIONS = {
    "DIGEST_RELAY_URL": "Relay that takes the mail, smtp://… (empty: later)",
    "DIGEST_PUBLIC_URL": "Public URL of the pages, https://… (empty: this machine only)",
}
_SLUG = re.compile(r"[^a-z0-9]+")


async def init(
    *,
    newsletter: str | None = None,
    traits: Traits | None = None,
    database_url: str | None = None,
    relay_url: str | None = None,
    public_url: str | None = None,
    yes: Annotated[bool, Parameter(name=("--yes", "-y"))] = False,
    as_json: Json = False,
) -> int:
    """Set up: write .env with a new key, create the database and the first newsletter.

    Asks for what is not given when it runs on a terminal. What is there already is kept: a .env, a
    database, newsletters.

    Parameters
    ----------
    newsletter
        A short name for the newsletter, as in its List-Id and in links.
    database_url
        sqlite:///digest.db, when not given; or postgresql://…
    relay_url
        The SMTP server that takes the mail; it can be added to .env later.
    public_url
        Where readers reach the pages, like https://news.example.org.
    yes
        Ask nothing.
    """
    asks = sys.stdin.isatty() and sys.stderr.isatty() and not yes and not as_json
    traits = traits or Traits()
    given = {
        "DIGEST_DATABASE_URL": database_url,
        "DIGEST_RELAY_URL": relay_url,
        "DIGEST_PUBLIC_URL": public_url,
    }
    fresh = _write_env(given, asks=asks)
    settings = await _opened(fresh=fresh)
    created = await _set_up(settings, newsletter, traits, asks=asks)
    _tell(settings, created, fresh=fresh, as_json=as_json)
    return 0


def _write_env(given: dict[str, str | None], *, asks: bool) -> bool:
    """Write .env; False where there is one, which is never changed."""
    path = Path(ENV_FILE)
    if path.exists():
        if any(given.values()):
            raise ConflictError("There is a .env already.", where=ENV_FILE, fix="Change it there.")
        return False
    for name, question in _QUESTIONS.items():
        given[name] = _or_ask(given[name], question, asks=asks)
    text = _env_text({name: value for name, value in given.items() if value})
    write_text(path, text, mode=_PRIVATE)
    return True


async def _opened(*, fresh: bool) -> Settings:
    """The settings with their database, its tables made; a fresh .env that cannot work goes again.

    Nothing is signed with its key yet, so the next try may begin from an empty folder as well.
    """
    try:
        settings = load_settings()
        parse_relays(settings.relay_url)
        await upgrade(settings.database_url)
    except DigestError:
        if fresh:
            _forget_env()
        raise
    return settings


def _forget_env() -> None:
    Path(ENV_FILE).unlink()


def _env_text(values: dict[str, str]) -> str:
    """Settings as a .env file, with a key that nobody has ever had."""
    values = {"DIGEST_SECRET_KEY": secrets.token_urlsafe(_KEY_BYTES), **values}
    for name, value in values.items():
        if "\n" in value or "\r" in value or "'" in value:
            raise InputError("This cannot stand in a .env file.", where=name)
    lines = [f"{name}='{value}'" for name, value in values.items()]
    return "# Settings of digest; .env.example of the project explains all of them.\n" + (
        "\n".join(lines) + "\n"
    )


def _or_ask(given: str | None, question: str, *, asks: bool) -> str | None:
    if given is not None or not asks:
        return given
    sys.stderr.write(f"{question}: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() or None


async def _set_up(
    settings: Settings, slug: str | None, traits: Traits, *, asks: bool
) -> Newsletter | None:
    """The database's key, and the newsletter if one was asked for or there is none."""
    keys = keyring(settings)
    async with await Database.open(settings.database_url) as db:
        now = Clock(await db.clock_offset()).now()
        async with db.begin() as session:
            await ensure_installation(session, fingerprints=keys.fingerprints, now=now)
            existing = await list_newsletters(session)
        if slug is None and (existing or not (asks or traits.name)):
            return None
        fields = _asked(traits, asks=asks)
        slug = slug or _SLUG.sub("-", fields.get("name", "").lower()).strip("-")
        async with db.begin() as session:
            return await create_with_people(session, slug, traits, fields, now=now)


def _asked(traits: Traits, *, asks: bool) -> NewsletterFields:
    fields: dict[str, object] = dict(traits.fields())
    if asks:
        for key, question in (
            ("name", "Name of the newsletter"),
            ("from_address", "From (hello@news.example.org)"),
            ("postal_address", "Postal address of the sender"),
            ("return_path", "Bounces go to (bounces+{token}@example.org)"),
        ):
            answer = None if fields.get(key) else _or_ask(None, question, asks=True)
            if answer:
                fields |= sender_fields(answer) if key == "from_address" else {key: answer}
    return cast("NewsletterFields", fields)


def _tell(settings: Settings, created: Newsletter | None, *, fresh: bool, as_json: bool) -> None:
    data = {
        "env": ENV_FILE,
        "env_written": fresh,
        "database": "current",
        "relay": bool(settings.relay_url),
        "newsletter": created.slug if created is not None else None,
    }
    lines = [
        f"{ENV_FILE}: {'written, mode 0600; keep its key' if fresh else 'kept as it is'}",
        "Database: up to date",
    ]
    if created is not None:
        lines.append(f"Newsletter: {created.slug}")
    if not settings.relay_url:
        lines.append("No relay yet: set DIGEST_RELAY_URL in .env before sending.")
    lines.append("Next: digest reader import FILE --consent '…', digest issue new")
    output.result(data, as_json=as_json, text="\n".join(lines))
