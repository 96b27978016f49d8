"""The front of a newsletter: what it is, the form that signs up, its issues page by page.

``/`` shows the newsletter where there is one, else a list of them; ``/n/<name>`` is the home of
one, ``/n/<name>/archive`` every issue of it, to leaf through and to search.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.languages import direction_of
from digest.rules.slots import local_time
from digest.store.archive import Entry, count_entries, list_entries
from digest.store.newsletters import Newsletter, get_newsletter, list_newsletters
from digest.store.session import Session
from digest.store.slots import Break, breaks
from digest.web.page import language_for, page
from digest.web.recent import for_anyone
from digest.web.signup_form import SignupForm, fresh_form
from digest.web.site import Site, site_of

LATEST = 5  # issues on the home of a newsletter
PER_PAGE = 20
_PAGES_MAX = 100_000
_WORDS_MAX = 100  # characters of a search
_SOON = timedelta(days=14)  # a break that begins later is no news yet


@dataclass(frozen=True, slots=True)
class Front:
    """A newsletter as its pages show it."""

    slug: str
    name: str
    description: str
    language: str
    direction: str
    home: str
    issues: tuple[Entry, ...]
    form: SignupForm

    def issue_path(self, entry: Entry) -> str:
        """Where ``entry`` is read."""
        return f"{self.home.removesuffix(f'/n/{self.slug}')}/i/{self.slug}/{entry.name}"


def front(site: Site, newsletter: Newsletter, issues: list[Entry]) -> Front:
    """What the pages show of ``newsletter``, with an empty form."""
    return Front(
        slug=newsletter.slug,
        name=newsletter.name,
        description=newsletter.description,
        language=newsletter.language,
        direction=direction_of(newsletter.language),
        home=site.path(f"/n/{newsletter.slug}"),
        issues=tuple(issues),
        form=fresh_form(site, newsletter.slug),
    )


@for_anyone
async def home(request: Request) -> Response:
    """Show the only newsletter, or list those there are."""
    site = site_of(request)
    async with site.db.read() as session:
        found = await list_newsletters(session)
        if len(found) == 1:
            return await _front_page(session, request, found[0])
        fronts = [front(site, one, await list_entries(session, one.id, limit=3)) for one in found]
    values = {"newsletters": fronts, "prefix": site.prefix}
    return page("home.html", values, language=language_for(request))


@for_anyone
async def newsletter_home(request: Request) -> Response:
    """Show one newsletter."""
    async with site_of(request).db.read() as session:
        newsletter = await newsletter_in(session, request)
        return await _front_page(session, request, newsletter)


async def _front_page(session: Session, request: Request, newsletter: Newsletter) -> Response:
    site = site_of(request)
    issues = await list_entries(session, newsletter.id, limit=LATEST + 1)
    values = {
        "newsletter": front(site, newsletter, issues[:LATEST]),
        "more": len(issues) > LATEST,
        "rest": await _rest(session, newsletter, site.clock.now()),
        "prefix": site.prefix,
        "url": f"{site.public_url}/n/{newsletter.slug}",
    }
    return page("newsletter.html", values, language=language_for(request, newsletter.language))


async def _rest(session: Session, newsletter: Newsletter, now: datetime) -> Break | None:
    """The days without an issue that are now or begin soon."""
    today = local_time(now, newsletter.timezone).date()
    coming = await breaks(session, newsletter.id, since=today)
    return coming[0] if coming and coming[0].first <= today + _SOON else None


@for_anyone
async def archive(request: Request) -> Response:
    """List every issue, or those that have all words of ``q``; newest first."""
    site = site_of(request)
    words = " ".join(request.query_params.get("q", "").split())[:_WORDS_MAX]
    if not words.isprintable():
        words = ""
    number = _page_number(request)
    async with site.db.read() as session:
        newsletter = await newsletter_in(session, request)
        count = await count_entries(session, newsletter.id, words=words)
        pages = max(1, -(-count // PER_PAGE))
        if number > pages:
            raise HTTPException(404)
        skip = (number - 1) * PER_PAGE
        issues = await list_entries(session, newsletter.id, words=words, skip=skip, limit=PER_PAGE)
    values = {
        "newsletter": front(site, newsletter, issues),
        "words": words,
        "count": count,
        "number": number,
        "pages": pages,
        "prefix": site.prefix,
    }
    return page("archive.html", values, language=language_for(request, newsletter.language))


async def embed(request: Request) -> Response:
    """Show the form as HTML to be put on a page elsewhere."""
    site = site_of(request)
    async with site.db.read() as session:
        newsletter = await newsletter_in(session, request)
    values = {
        "newsletter": front(site, newsletter, []),
        "action": f"{site.public_url}/n/{newsletter.slug}/subscribe",
        "prefix": site.prefix,
    }
    return page("embed.html", values, language=language_for(request, newsletter.language))


async def newsletter_in(session: Session, request: Request) -> Newsletter:
    """The newsletter that the path of ``request`` names; NotFoundError."""
    return await get_newsletter(session, request.path_params["newsletter"])


def _page_number(request: Request) -> int:
    asked = request.query_params.get("page", "1")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 7 else 0
    if not 1 <= number <= _PAGES_MAX:
        raise HTTPException(404)
    return number


ROUTES = (
    Route("/n/{newsletter}", newsletter_home),
    Route("/n/{newsletter}/archive", archive),
    Route("/n/{newsletter}/embed", embed),
)
