"""``digest newsletter``: who sends, in whose name, when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from dataclasses import fields as dataclass_fields
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from digest.cli import output
from digest.cli.connection import connected
from digest.cli.newsletter_skip import skip
from digest.cli.newsletter_welcome import welcome
from digest.cli.options import Json, Many, OfNewsletter, group
from digest.delivery.readiness import what_is_next
from digest.delivery.slots import open_next
from digest.delivery.traits import fields_of
from digest.errors import InputError
from digest.rules.slots import local_time
from digest.store.newsletters import (
    Newsletter,
    NewsletterFields,
    add_person,
    create_newsletter,
    get_newsletter,
    list_newsletters,
    newsletter_by_id,
    people,
    set_newsletter,
)
from digest.store.session import Session
from digest.store.slots import breaks

app = group("newsletter")

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
    clicks: Literal["on", "off"] | None = None
    """Whether clicks on links are counted, people's apart from programs', and never who clicked.
    Holds for versions that are stored from then on. Off at first."""
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
        given = {one.name: getattr(self, one.name) for one in dataclass_fields(self)}
        return fields_of(
            {name: value for name, value in given.items() if value not in (None, ())},
            current,
            themes=themes,
        )


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
