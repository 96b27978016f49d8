"""The settings of a newsletter, and the gallery of themes: what ``digest newsletter set`` can do.

Fields are named as the options are, and only what differs from what is set is given on, so that
what two people change at once does not undo each other's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest import resources
from digest.content.issue_file import parse_issue
from digest.content.media import Media, picture_path, take_pictures
from digest.content.render import Rendered, render_issue
from digest.content.theme import shipped_themes
from digest.delivery.identity import masthead, theme_of
from digest.delivery.readiness import what_is_next
from digest.delivery.slots import open_next
from digest.delivery.traits import fields_of
from digest.errors import DigestError, InputError
from digest.rules.rights import Right
from digest.rules.slots import CatchUp, SlotPolicy, Unready
from digest.store.newsletters import (
    ROLES,
    Newsletter,
    get_newsletter,
    newsletter_by_id,
    people,
    set_newsletter,
    set_people,
)
from digest.store.session import Session
from digest.web.desk.doors import Door
from digest.web.desk.issues import LIST
from digest.web.desk.visit import HOME, Visit
from digest.web.letter import as_sample, in_scheme, letter_response
from digest.web.security import origin_of
from digest.web.views import asked_view

SETTINGS: Final = f"{LIST}/settings"
THEMES: Final = f"{LIST}/themes"
_EXAMPLE: Final = "quiet-machines-12.md"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the form: an option's name, how the page calls it, and what stands in it."""

    name: str
    title: str
    hint: str
    value: Callable[[Newsletter], object]
    kind: str = "text"
    choices: tuple[str, ...] = ()


def _setting(name: str, otherwise: object = "") -> Callable[[Newsletter], object]:
    return lambda one: one.settings.get(name) or otherwise


def _pairs(name: str) -> Callable[[Newsletter], str]:
    return lambda one: ",".join(
        f"{key.replace('_', '-')}={value}" for key, value in (one.settings.get(name) or {}).items()
    )


def _automatic(one: Newsletter) -> str:
    given = one.settings.get("automatic")
    return "" if given is None else _pairs("automatic")(one) or "yes"


def _colours(table: str) -> Callable[[Newsletter], str]:
    return lambda one: "\n".join(
        f"{name}={value}" for name, value in one.settings.get("theme", {}).get(table, {}).items()
    )


def _footer(one: Newsletter) -> object:
    return one.settings.get("theme", {}).get("words", {}).get("footer", "")


def _sender(one: Newsletter) -> str:
    return f"{one.from_name} <{one.from_address}>"


def _logo_size(one: Newsletter) -> str:
    return "x".join(str(part) for part in one.settings.get("logo_size") or ())


GROUPS: Final[Mapping[str, tuple[Field, ...]]] = {
    "What readers see": (
        Field("name", "Name", "", lambda one: one.name),
        Field(
            "description",
            "In one sentence",
            "For the archive and the sign-up page.",
            lambda one: one.description,
            "lines",
        ),
        Field("sender", "From", "As in A Weekly <hello@news.example.org>.", _sender),
        Field(
            "reply_to",
            "Answers go to",
            "Empty: to the address above.",
            lambda one: one.reply_to or "",
        ),
        Field(
            "postal_address",
            "Postal address",
            "Stands in the footer; without it nothing is sent.",
            lambda one: one.postal_address,
            "lines",
        ),
        Field("footer", "A line in the footer", "Above the postal address.", _footer),
        Field("language", "Language", "Like en or de-AT.", lambda one: one.language),
    ),
    "When it goes out": (
        Field(
            "schedule",
            "Schedule",
            "Like thu 09:00, mon,thu 09:00 or monthly 1 09:00.",
            lambda one: one.schedule or "",
        ),
        Field("timezone", "Time zone", "Like Europe/Berlin.", lambda one: one.timezone),
        Field(
            "undo_window",
            "Undo window, in seconds",
            "Between the slot and the first message.",
            lambda one: one.undo_window,
            "number",
        ),
        Field(
            "grace",
            "Grace, in minutes",
            "How long after its slot it may still go out.",
            lambda one: SlotPolicy.of(one.settings).grace // timedelta(minutes=1),
            "number",
        ),
        Field(
            "unready",
            "When nothing is approved",
            "",
            lambda one: SlotPolicy.of(one.settings).unready,
            "choice",
            tuple(Unready),
        ),
        Field(
            "catch_up",
            "When slots were missed",
            "",
            lambda one: SlotPolicy.of(one.settings).catch_up,
            "choice",
            tuple(CatchUp),
        ),
        Field(
            "automatic",
            "Issues make themselves",
            "Empty: never. Or yes, or at-least=3,per-source=5,at-most=30.",
            _automatic,
        ),
        Field(
            "send_latest",
            "Days in which new readers get the last issue",
            "0: they do not.",
            _setting("send_latest", 0),
            "number",
        ),
    ),
    "How it looks": (
        Field("logo", "Logo", "The address of a picture.", _setting("logo_url")),
        Field("logo_size", "Its size", "Width and height as shown, like 120x40.", _logo_size),
        Field(
            "colour",
            "Colours",
            "One in a line, like accent=#a8321a; text stays readable.",
            _colours("colours"),
            "list",
        ),
        Field("dark_colour", "Colours in the dark", "", _colours("dark"), "list"),
        Field(
            "sections",
            "Usual sections",
            "One heading in a line.",
            lambda one: "\n".join(one.settings.get("sections") or ()),
            "list",
        ),
    ),
    "Where mail and links go": (
        Field("return_path", "Bounces go to", "With {token} in it.", lambda one: one.return_path),
        Field(
            "leave_by_mail",
            "Leaving by mail",
            "With {token} in it; empty: nowhere.",
            _setting("leave_mailto"),
        ),
        Field(
            "list_id",
            "List-Id",
            "Mail programs sort by it: change it never, if you can.",
            lambda one: one.list_id,
        ),
        Field(
            "clicks",
            "Count clicks",
            "How often each link is followed, never by whom; readers are told. Links of what is "
            "added from then on lead through this server.",
            lambda one: "on" if one.settings.get("clicks") else "off",
            "check",
            ("off", "on"),
        ),
        Field("utm", "Parameters for links", "Like source=weekly,medium=email.", _pairs("utm")),
    ),
}
FIELDS: Final = tuple(one for group in GROUPS.values() for one in group)


async def settings(visit: Visit) -> Response:
    """Show what is set."""
    async with visit.site.db.read() as session:
        newsletter = await get_newsletter(session, visit.part("newsletter"))
        who = await _people(session, newsletter)
    given = {one.name: str(one.value(newsletter)) for one in FIELDS}
    return await _settings_page(visit, newsletter, given | who)


async def _people(session: Session, newsletter: Newsletter) -> dict[str, str]:
    """Who gets mail about it: by role, one address in a line."""
    found: dict[str, list[str]] = {role: [] for role in ROLES}
    for one in await people(session, newsletter.id):
        found[one.role].append(one.address)
    return {role: "\n".join(addresses) for role, addresses in found.items()}


async def change(visit: Visit) -> Response:
    """Set what was changed; what is wrong is named beside its field, and nothing is set then."""
    site, form = visit.site, visit.form
    async with site.db.read() as session:
        newsletter = await get_newsletter(session, visit.part("newsletter"))
        who = await _people(session, newsletter)
    before = {one.name: str(one.value(newsletter)) for one in FIELDS} | who
    given = {
        # the last, which of a box that is ticked is its own
        name: form.all(name)[-1].replace("\r\n", "\n") if form.all(name) else was
        for name, was in before.items()
    }
    try:
        changed = {
            one.name: _read(one, given[one.name])
            for one in FIELDS
            if given[one.name] != before[one.name]
        }
        parts = {role: given[role].split() for role in who if given[role] != who[role]}
        await _set(visit, newsletter, changed, parts)
    except InputError as error:
        return await _settings_page(visit, newsletter, given, error=error)
    return visit.see(f"{HOME}/n/{newsletter.slug}/settings", done="settings")


def _read(field: Field, text: str) -> object:
    """What stands in a field, as the option takes it."""
    if field.kind == "number":
        if not (text.isascii() and text.isdigit() and len(text) < 8):
            raise InputError("Write a whole number.", where=field.name)
        return int(text)
    if field.choices and text not in field.choices:
        raise InputError(f"Choose one of: {', '.join(field.choices)}.", where=field.name)
    if field.kind == "list":
        return [line.strip() for line in text.splitlines() if line.strip()]
    return text


async def _set(
    visit: Visit,
    newsletter: Newsletter,
    changed: Mapping[str, object],
    parts: Mapping[str, Sequence[str]] | None = None,
) -> None:
    site = visit.site
    async with visit.site.db.begin() as session:
        current = await newsletter_by_id(session, newsletter.id)
        fields = fields_of(changed, current, themes=site.themes)
        after = await set_newsletter(session, current.id, **fields)
        for role, addresses in (parts or {}).items():
            try:
                await set_people(session, current.id, role=role, addresses=addresses)
            except InputError as error:
                raise InputError(error.message, where=role, fix=error.fix) from None
        await open_next(session, after, site.clock.now())


async def _settings_page(
    visit: Visit,
    newsletter: Newsletter,
    given: Mapping[str, str],
    *,
    error: InputError | None = None,
) -> Response:
    async with visit.site.db.read() as session:
        coming = await what_is_next(session, newsletter, visit.site.clock.now())
    where = error.where.lstrip("-").replace("-", "_") if error else ""
    wrong = _ALIASES.get(where, where)
    values: dict[str, Any] = {
        "newsletter": newsletter,
        "groups": GROUPS,
        "given": given,
        "people": {role: given[role] for role in ROLES},
        "error": error,
        "wrong": wrong if wrong in given else "",
        "coming": coming,
        "path": visit.site.path(f"{HOME}/n/{newsletter.slug}"),
    }
    return visit.page("settings.html", values, current="settings", status=422 if error else 200)


# what an error calls a field → the field of the form
_ALIASES: Final = {"from": "sender", "from_address": "sender", "from_name": "sender"}


async def themes(visit: Visit) -> Response:
    """Every theme there is, with a sample in it."""
    async with visit.site.db.read() as session:
        newsletter = await get_newsletter(session, visit.part("newsletter"))
    values = {
        "newsletter": newsletter,
        "themes": _names(visit.site.themes),
        "path": visit.site.path(f"{HOME}/n/{newsletter.slug}"),
        "view": asked_view(visit.request),
    }
    return visit.page("themes.html", values, current="themes")


async def sample(visit: Visit) -> Response:
    """An issue that comes with the program, as this newsletter would send it in a theme."""
    site, name = visit.site, visit.part("theme")
    if name not in _names(site.themes):
        raise HTTPException(404)
    async with site.db.read() as session:
        newsletter = await get_newsletter(session, visit.part("newsletter"))
    try:
        rendered = await asyncio.to_thread(
            _sample, replace(newsletter, theme=name), site.public_url, site.themes
        )
    except DigestError as error:  # a theme of one's own that cannot be used yet
        return visit.page("refused.html", {"error": error, "back": ""}, status=409)
    html = in_scheme(as_sample(rendered.html, rendered.slots), asked_view(visit.request).scheme)
    return letter_response(html, images=[origin_of(site.public_url)], framed=True)


def _sample(newsletter: Newsletter, public_url: str, shelf: Path | None) -> Rendered:
    text, media = _example()
    return render_issue(
        parse_issue(text),
        masthead(newsletter, public_url=public_url, issue="12"),
        theme_of(newsletter, themes=shelf),
        media=media,
    )


@lru_cache(maxsize=1)
def _example() -> tuple[str, Mapping[str, Media]]:
    folder = resources.examples()
    text = (folder / _EXAMPLE).read_text(encoding="utf-8")
    issue = parse_issue(text)

    def beside(source: str) -> bytes:
        return picture_path(folder, source).read_bytes()

    return text, take_pictures(issue, beside, path=_EXAMPLE)


async def pick(visit: Visit) -> Response:
    """Have issues look like this from now on; what is stored stays as it is."""
    name = visit.form.one("theme")
    async with visit.site.db.read() as session:
        newsletter = await get_newsletter(session, visit.part("newsletter"))
    if name not in _names(visit.site.themes):
        raise InputError("There is no such theme.", where="theme")
    await _set(visit, newsletter, {"theme": name})
    return visit.see(f"{HOME}/n/{newsletter.slug}/themes", done="theme")


def _names(shelf: Path | None) -> list[str]:
    own = (
        sorted(path.name for path in shelf.iterdir() if (path / "theme.toml").is_file())
        if shelf is not None and shelf.is_dir()
        else []
    )
    return list(dict.fromkeys([*shipped_themes(), *own]))


DOORS = (
    Door("GET", SETTINGS, Right.APPROVE, settings),
    Door("POST", SETTINGS, Right.APPROVE, change, "set newsletter"),
    Door("GET", THEMES, Right.APPROVE, themes),
    Door("POST", THEMES, Right.APPROVE, pick, "set theme"),
    Door("GET", f"{THEMES}/{{theme}}", Right.APPROVE, sample),
)
