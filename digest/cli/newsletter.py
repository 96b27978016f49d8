"""``digest newsletter``: who sends, in whose name, when."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from cyclopts import Parameter

from digest.cli import looks, output
from digest.cli.connection import connected
from digest.cli.newsletter_skip import skip
from digest.cli.newsletter_welcome import welcome
from digest.cli.options import Json, Many, OfNewsletter, group
from digest.delivery.readiness import what_is_next
from digest.delivery.slots import open_next
from digest.errors import InputError
from digest.mail.headers import clean_line
from digest.rules.automatic import parse_automatic
from digest.rules.schedule import parse_schedule
from digest.rules.slots import GRACE_MAX, local_time
from digest.store.newsletters import (
    Newsletter,
    NewsletterFields,
    add_person,
    create_newsletter,
    get_newsletter,
    list_newsletters,
    newsletter_by_id,
    people,
    return_path_of_domain,
    set_newsletter,
    token_address,
)
from digest.store.session import Session
from digest.store.slots import breaks

app = group("newsletter")

_LATEST_DAYS = 60  # an older issue is no news to anybody

_MAILBOX = re.compile(r"\s*(?P<name>[^<>]*?)\s*<(?P<address>[^<>]+)>\s*")
_FLAGS = {"from_address": "--from", "from_name": "--from", "slug": "NEWSLETTER"}


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Traits:
    """What can be said of a newsletter; None leaves it as it is."""

    name: str | None = None
    """What readers call it."""
    sender: Annotated[str | None, Parameter(name="--from")] = None
    """The From header: 'A Weekly <hello@news.example.org>'."""
    reply_to: str | None = None
    """Where answers go, when not to --from. Empty: to --from."""
    postal_address: str | None = None
    """The sender's postal address; an issue without it is not sent."""
    return_path_domain: str | None = None
    """A domain that receives nothing but bounces."""
    return_path: str | None = None
    """Or a mailbox for them: 'bounces+{token}@example.org'."""
    leave_by_mail: str | None = None
    """Where readers may leave by mail, too: 'leave+{token}@example.org'. Empty: nowhere."""
    list_id: str | None = None
    """The List-Id header; NEWSLETTER.<domain of --from>, when not given."""
    description: str | None = None
    """One sentence for the archive and the sign-up page."""
    language: str | None = None
    """The language of its issues, like en or de-AT."""
    timezone: str | None = None
    """The time zone of its schedule, like Europe/Berlin."""
    schedule: str | None = None
    """When it goes out: 'thu 09:00', 'mon,thu 09:00', 'monthly 1 09:00' or 'cron 0 9 * * thu'."""
    undo_window: int | None = None
    """Seconds between a send slot and the first message."""
    grace: int | None = None
    """Minutes after a slot within which it may still go out: 360, when not given."""
    unready: Literal["hold", "skip"] | None = None
    """What a slot does when nothing is approved: wait for it within the grace, or be skipped."""
    catch_up: Literal["latest", "all"] | None = None
    """Which slots go out when several were missed within the grace: latest, when not given."""
    automatic: str | None = None
    """Have issues make themselves of what feeds bring: 'yes', or
    'at-least=3,per-source=5,at-most=30'. Empty: no."""
    send_latest: int | None = None
    """Who confirms within so many days after an issue went out is sent it; 0 (as without): no."""
    theme: str | None = None
    """The look of its issues."""
    logo: str | None = None
    """The URL of its logo. Empty: none."""
    logo_size: str | None = None
    """Width and height of the logo in pixels as shown, like 120x40. Empty: as it is."""
    colour: Annotated[tuple[str, ...], Many] = ()
    """Colours of the theme, like accent=#a8321a; text must stay readable (4.5:1)."""
    dark_colour: Annotated[tuple[str, ...], Many] = ()
    """The same for readers in the dark."""
    footer: str | None = None
    """One line in the footer, above the postal address. Empty: none."""
    utm: str | None = None
    """Parameters for links, where they have none: 'source=weekly,medium=email'. Empty: none."""
    sections: Annotated[tuple[str, ...], Many] = ()
    """The headings an issue usually has, for `issue new`."""
    editor: Annotated[tuple[str, ...], Many] = ()
    """Addresses of editors, added to those there are."""
    operator: Annotated[tuple[str, ...], Many] = ()
    """Addresses of operators, added to those there are."""

    def fields(
        self, current: Newsletter | None = None, *, themes: Path | None = None
    ) -> NewsletterFields:
        """The columns these traits set; the look is laid over that of ``current``.

        ``themes`` is the folder of themes of one's own.
        """
        fields: dict[str, Any] = {
            key: getattr(self, key)
            for key in (
                *("name", "postal_address", "return_path", "list_id", "description"),
                *("language", "timezone", "schedule", "undo_window", "theme", "reply_to"),
            )
            if getattr(self, key) is not None
        }
        if self.sender is not None:
            fields |= sender_fields(self.sender)
        if self.return_path_domain is not None:
            fields["return_path"] = return_path_of_domain(self.return_path_domain)
        if self.schedule:
            parse_schedule(self.schedule)
        settings = self._settings() | self._look(current, themes)
        if settings:
            fields["settings"] = settings
        return cast("NewsletterFields", fields)

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        if self.leave_by_mail is not None:
            address = self.leave_by_mail
            settings["leave_mailto"] = (
                token_address("--leave-by-mail", address) if address else None
            )
        if self.logo is not None:
            settings["logo_url"] = looks.logo_url(self.logo) if self.logo else None
        if self.logo_size is not None:
            settings["logo_size"] = looks.logo_size(self.logo_size) if self.logo_size else None
        if self.automatic is not None:
            settings["automatic"] = parse_automatic(self.automatic) if self.automatic else None
        if self.grace is not None:
            settings["grace_minutes"] = _grace(self.grace)
        settings |= {
            key: getattr(self, key)
            for key in ("unready", "catch_up")
            if getattr(self, key) is not None
        }
        if self.send_latest is not None:
            settings["send_latest"] = _days(self.send_latest)
        if self.utm is not None:
            settings["utm"] = _utm(self.utm)
        if self.sections:
            settings["sections"] = [_heading(text) for text in self.sections]
        return settings

    def _look(self, current: Newsletter | None, themes: Path | None) -> dict[str, Any]:
        """Colours and words over those of the theme, checked together with it."""
        before = current.settings.get("theme", {}) if current else {}
        over = looks.laid_over(
            before,
            {
                "colours": looks.colours(self.colour, option="--colour"),
                "dark": looks.colours(self.dark_colour, option="--dark-colour"),
                "words": {} if self.footer is None else {"footer": looks.footer(self.footer)},
            },
        )
        if self.theme is not None or over != before:
            theme = self.theme or (current.theme if current else looks.DEFAULT)
            looks.check_look(theme, over, themes=themes)
        return {"theme": over} if over != before else {}


def sender_fields(text: str) -> dict[str, str]:
    """``Name <address>`` or a bare address, which keeps the name that is there."""
    match = _MAILBOX.fullmatch(text)
    if match is None:
        return {"from_address": text}
    name = match["name"].strip('"').strip()
    return {"from_address": match["address"]} | ({"from_name": name} if name else {})


def _heading(text: str) -> str:
    heading = clean_line(text)
    if not heading:
        raise InputError(
            "A section has a heading.", where="--sections", fix="Leave out empty ones."
        )
    return heading


def _grace(minutes: int) -> int:
    most = GRACE_MAX // timedelta(minutes=1)
    if not 0 <= minutes <= most:
        raise InputError(f"0 to {most} minutes are possible.", where="--grace")
    return minutes


def _days(days: int) -> int | None:
    if not 0 <= days <= _LATEST_DAYS:
        raise InputError(f"0 to {_LATEST_DAYS} days are possible.", where="--send-latest")
    return days or None


def _utm(text: str) -> dict[str, str] | None:
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if not all(key.strip() and value.strip() for key, _, value in pairs):
        raise InputError(
            "This cannot be read.", where="--utm", fix="Like 'source=weekly,medium=email'."
        )
    return {key.strip().removeprefix("utm_"): value.strip() for key, _, value in pairs} or None


@contextmanager
def _flags_named() -> Iterator[None]:
    """An error about a column names the option it came from."""
    try:
        yield
    except InputError as error:
        flag = _FLAGS.get(error.where) or f"--{error.where.replace('_', '-')}"
        where = error.where if error.where.startswith("--") else flag
        raise InputError(error.message, where=where, fix=error.fix) from None


@app.command
async def create(newsletter: str, /, *, traits: Traits | None = None, as_json: Json = False) -> int:
    """Create a newsletter called NEWSLETTER, as in its List-Id and in links."""
    traits = traits or Traits()
    async with connected() as found:
        async with found.db.begin() as session:
            now = found.clock.now()
            fields = traits.fields(themes=found.settings.themes)
            created = await create_with_people(session, newsletter, traits, fields, now=now)
        text = f"Created. Next: digest reader import FILE --newsletter {created.slug} --consent '…'"
        async with found.db.read() as session:
            output.result(await _row(session, created, now), as_json=as_json, text=text)
    return 0


@app.command(name="set")
async def change(newsletter: str, /, *, traits: Traits | None = None, as_json: Json = False) -> int:
    """Change what is given; the rest stays."""
    traits = traits or Traits()
    async with connected() as found, found.db.begin() as session:
        current = await get_newsletter(session, newsletter)
        with _flags_named():
            fields = traits.fields(current, themes=found.settings.themes)
            changed = await set_newsletter(session, current.id, **fields)
            await _add_people(session, changed, traits)
        now = found.clock.now()
        await open_next(session, changed, now)
        changed = await newsletter_by_id(session, changed.id)
        text = "Changed."
        if changed.schedule:
            text += f" {await what_is_next(session, changed, now)}"
        output.result(await _row(session, changed, now), as_json=as_json, text=text)
    return 0


@app.command
async def show(newsletter: OfNewsletter = None, /, *, as_json: Json = False) -> int:
    """Show all that is set of a newsletter."""
    async with connected() as found, found.db.read() as session:
        shown = await get_newsletter(session, newsletter)
        now = found.clock.now()
        row = await _row(session, shown, now)
        if not as_json:
            row["next"] = str(await what_is_next(session, shown, now))
        output.result(row, as_json=as_json)
    return 0


@app.command(name="list")
async def list_all(*, as_json: Json = False) -> int:
    """List the newsletters."""
    async with connected() as found, found.db.read() as session:
        now = found.clock.now()
        rows = [await _row(session, one, now) for one in await list_newsletters(session)]
    columns = ("newsletter", "name", "from_address", "schedule", "timezone", "next_run_at")
    empty = "There is no newsletter yet. Run: digest newsletter create NAME --from '…'."
    output.rows(rows, as_json=as_json, columns=columns, empty=empty)
    return 0


async def create_with_people(
    session: Session, slug: str, traits: Traits, fields: NewsletterFields, *, now: datetime
) -> Newsletter:
    """Create a newsletter with its editors and operators; errors name the options."""
    with _flags_named():
        created = await create_newsletter(session, slug, now=now, **fields)
        await _add_people(session, created, traits)
    await open_next(session, created, now)
    return await newsletter_by_id(session, created.id)


async def _add_people(session: Session, newsletter: Newsletter, traits: Traits) -> None:
    for role, addresses in (("editor", traits.editor), ("operator", traits.operator)):
        for address in addresses:
            try:
                await add_person(session, newsletter.id, role=role, address=address)
            except InputError as error:
                raise InputError(error.message, where=f"--{role}", fix=error.fix) from None


async def _row(session: Session, newsletter: Newsletter, now: datetime) -> dict[str, object]:
    today = local_time(now, newsletter.timezone).date()
    everyone = await people(session, newsletter.id)
    fields = asdict(newsletter)
    hidden = ("id", "slug", "ended_at")
    return {
        "newsletter": newsletter.slug,
        **{key: value for key, value in fields.items() if key not in hidden},
        "editors": _having("editor", everyone),
        "operators": _having("operator", everyone),
        "breaks": [
            f"{one.first}..{one.last}" for one in await breaks(session, newsletter.id, since=today)
        ],
        "next": (await what_is_next(session, newsletter, now)).as_dict(),
    }


def _having(role: str, everyone: Sequence[Any]) -> list[str]:
    return [person.address for person in everyone if person.role == role]


app.command(skip)
app.command(welcome)
