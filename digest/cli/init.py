"""``digest init``: from an empty folder to a newsletter that can be sent."""

from __future__ import annotations

import re
import secrets
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, cast

from cyclopts import Parameter

from digest.cli import output
from digest.cli.dns import Groups, records_of, zone
from digest.cli.doctor import examine, record_row, show
from digest.cli.files import write_text
from digest.cli.init_questions import (
    ask_fields,
    ask_operator,
    ask_public_url,
    ask_relay,
    read_relay,
)
from digest.cli.newsletter import Traits, create_with_people
from digest.cli.options import Json
from digest.clock import Clock
from digest.delivery.dkim_keys import KeyFolder
from digest.errors import ConflictError, DigestError, InputError
from digest.rules.doctor.checkup import Check, Light
from digest.rules.relay import parse_relays
from digest.settings import ENV_FILE, Settings, keyring, load_settings
from digest.store.installation import ensure_installation
from digest.store.newsletters import (
    Newsletter,
    NewsletterFields,
    list_newsletters,
    return_path_of_domain,
)
from digest.store.session import Database, upgrade

_PRIVATE = 0o600  # the file holds the key and, in the relay's URL, a password
_KEY_BYTES = 32
_SLUG = re.compile(r"[^a-z0-9]+")
_FIRST = "digest newsletter create NAME --name '…' --from '…' --postal-address '…'"
_NEXT = "digest reader import FILE --consent '…', digest issue new"


async def init(
    *,
    newsletter: str | None = None,
    traits: Traits | None = None,
    database_url: str | None = None,
    relay_url: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    public_url: str | None = None,
    yes: Annotated[bool, Parameter(name=("--yes", "-y"))] = False,
    offline: Annotated[bool, Parameter(negative=())] = False,
    as_json: Json = False,
) -> int:
    """Set up: a .env with a new key, the database, the first newsletter and its DKIM key.

    Prints the DNS records to publish, and how things stand; what is red there does not make it
    fail, for records are published afterwards. Asks for what is not given when it runs on a
    terminal. What is there already is kept: a .env, a database, newsletters.

    Parameters
    ----------
    newsletter
        A short name for the newsletter, as in its List-Id and in links.
    database_url
        sqlite:///digest.db, when not given; or postgresql://…
    relay_url
        The SMTP server that takes the mail; it can be added to .env later. With a password in it
        say "-": then it is asked for without being shown, or read from standard input, and stands
        in no list of processes.
    public_url
        Where readers reach the pages, like https://news.example.org.
    yes
        Ask nothing.
    offline
        Do not look at DNS, relay and pages.
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
    created, before = await _set_up(settings, newsletter, traits, asks=asks)
    key = _signing_key(settings, created) if created is not None else None
    groups: Groups = []
    if created is not None and settings.relay_url and not offline:
        groups = await records_of(settings, created, Clock().now())
    checks = [] if offline else await examine(settings)
    _tell(settings, created, key=key, fresh=fresh, groups=groups, checks=checks, as_json=as_json)
    if not as_json:
        output.document(f"Next: {_NEXT if created or before else _FIRST}\n")
    return 0


def _signing_key(settings: Settings, newsletter: Newsletter) -> str | None:
    """The name of the record of the key that signs the newsletter's mail, made where it is needed.

    None where every relay signs itself.
    """
    relays = parse_relays(settings.relay_url)
    needed = not relays or any(not relay.profile.signs_dkim for relay in relays)
    if settings.dkim.sign == "never" or (settings.dkim.sign == "auto" and not needed):
        return None
    folder = KeyFolder(settings.dkim_folder)
    if newsletter.from_domain in folder.domains():
        return folder.keys(newsletter.from_domain)[0].name
    return folder.create(newsletter.from_domain, now=Clock().now()).name


def _write_env(given: dict[str, str | None], *, asks: bool) -> bool:
    """Write .env; False where there is one, which is never changed."""
    path = Path(ENV_FILE)
    if path.exists():
        if any(given.values()):
            raise ConflictError("There is a .env already.", where=ENV_FILE, fix="Change it there.")
        return False
    if given["DIGEST_RELAY_URL"] == "-":
        given["DIGEST_RELAY_URL"] = read_relay()
    for name, ask in (("DIGEST_RELAY_URL", ask_relay), ("DIGEST_PUBLIC_URL", ask_public_url)):
        if given[name] is None and asks:
            given[name] = ask()
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


async def _set_up(
    settings: Settings, slug: str | None, traits: Traits, *, asks: bool
) -> tuple[Newsletter | None, bool]:
    """The database's key, and the newsletter if one was asked for or there is none.

    Returns the one that was made, and whether there was any before.
    """
    keys = keyring(settings)
    async with await Database.open(settings.database_url) as db:
        now = Clock(await db.clock_offset()).now()
        async with db.begin() as session:
            await ensure_installation(session, fingerprints=keys.fingerprints, now=now)
            existing = await list_newsletters(session)
        if slug is None and (existing or not (asks or traits.name)):
            return None, bool(existing)
        fields = _asked(traits, asks=asks)
        slug = slug or _SLUG.sub("-", fields.get("name", "").lower()).strip("-") or "newsletter"
        if asks and not traits.operator:
            operator = ask_operator()
            traits = replace(traits, operator=(operator,)) if operator else traits
        async with db.begin() as session:
            created = await create_with_people(session, slug, traits, fields, now=now)
            return created, bool(existing)


def _asked(traits: Traits, *, asks: bool) -> NewsletterFields:
    fields: dict[str, object] = dict(traits.fields())
    if asks:
        fields |= ask_fields(fields)
    sender = str(fields.get("from_address") or "").rpartition("@")[2]
    if sender and not fields.get("return_path"):
        fields["return_path"] = return_path_of_domain(f"bounces.{sender}")
    return cast("NewsletterFields", fields)


def _tell(
    settings: Settings,
    created: Newsletter | None,
    *,
    key: str | None,
    fresh: bool,
    groups: Groups,
    checks: list[Check],
    as_json: bool,
) -> None:
    red = [check.code for check in checks if check.light is Light.RED]
    data = {
        "env": ENV_FILE,
        "env_written": fresh,
        "database": "current",
        "relay": bool(settings.relay_url),
        "newsletter": created.slug if created is not None else None,
        "dkim": key,
        "records": [record_row(record) for _, records in groups for record in records],
        "red": list(dict.fromkeys(red)),
    }
    lines = [
        f"{ENV_FILE}: {'written, mode 0600; keep its key' if fresh else 'kept as it is'}",
        "Database: up to date",
    ]
    if created is not None:
        lines.append(f"Newsletter: {created.slug}")
    if key is not None:
        lines.append(f"DKIM key: {key}")
    if not settings.relay_url:
        lines.append("No relay yet: set DIGEST_RELAY_URL in .env before sending.")
    if groups:
        lines.append(f"\nPublish these records (again: digest dns):\n\n{zone(groups)}")
    if checks and not as_json:
        output.document("\n".join([*lines, "How things stand (again: digest doctor):", ""]) + "\n")
        show(checks, as_json=False)
        lines = [""]
    output.result(data, as_json=as_json, text="\n".join(lines))
