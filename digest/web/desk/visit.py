"""Who stands before a page of the desk, and the cookie and the frame they get.

The cookie is ``__Host-`` (RFC 6265bis §4.1.3.2) wherever pages are served over https; on a loopback
address without TLS it cannot be. SameSite=Lax, so that a link in a mail still opens the desk; what
changes something needs the form's token besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from digest.access.sessions import LONGEST, Visitor
from digest.rules.rights import Right
from digest.store.audit import write_down
from digest.store.newsletters import Newsletter, list_newsletters
from digest.store.session import Session
from digest.store.users import User
from digest.web.desk.words import SAID, TABS
from digest.web.forms import Form
from digest.web.page import page
from digest.web.site import Site, site_of, tour_values

HOME = "/desk"
SIGN_IN = f"{HOME}/sign-in"
_DIGITS = 18  # what both databases take as a number
# Forms are asked for by pages of ours only; a referrer within the site gives nothing away and lets
# browsers say where a form came from. Other pages with a secret in their path send no referrer at
# all, but then a browser says ``Origin: null`` of our own form (Fetch §3.2), which ``is_own``
# refuses where no Sec-Fetch-Site stands beside it: so the link that sets a password has this, too.
_PRIVATE = {"referrer-policy": "same-origin", "x-robots-tag": "noindex, nofollow"}


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of somebody who is signed in and may make it. ``form`` is what a POST brought,
    ``act`` what the log calls it.
    """

    request: Request
    visitor: Visitor
    newsletters: tuple[Newsletter, ...] = ()
    form: Form = field(default_factory=lambda: Form([]))
    act: str = ""

    @property
    def site(self) -> Site:
        return site_of(self.request)

    @property
    def user(self) -> User:
        return self.visitor.user

    @property
    def by(self) -> str:
        """Who did it, as records have it."""
        return self.user.address

    async def note(self, session: Session, result: str = "done") -> None:
        """Write down what was done, or why it was not."""
        subject = " ".join(str(part) for part in self.request.path_params.values())
        now = self.site.clock.now()
        await write_down(session, self.by, self.act, subject=subject, result=result, now=now)

    def part(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def asked(self, name: str) -> str:
        """What the query says, "" where it says nothing."""
        return self.request.query_params.get(name, "").strip()

    def number(self, name: str) -> int | None:
        """The number in the query, None where it says nothing; 404 for what is no number."""
        text = self.asked(name)
        if text and not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
            raise HTTPException(404)
        return int(text) if text else None

    def page(
        self,
        template: str,
        values: Mapping[str, Any],
        *,
        current: str = "",
        status: int = 200,
    ) -> Response:
        """A page of the desk in its frame. ``current`` is where one is in the navigation."""
        found = {**self.frame(current), **values}
        return page(f"desk/{template}", found, status=status, headers=_PRIVATE)

    def frame(self, current: str) -> dict[str, Any]:
        """What the frame of a page needs."""
        slug = self.request.path_params.get("newsletter")
        here = next((one for one in self.newsletters if one.slug == slug), None)
        return {
            "prefix": self.site.prefix,
            "me": self.user,
            "may": frozenset(right.value for right in Right if self.visitor.may(right)),
            "form_token": self.visitor.form_token,
            "newsletters": self.newsletters,
            "chosen_paper": here.slug if here else "",
            "here": here or (self.newsletters[0] if self.newsletters else None),
            "current": current,
            "tabs": TABS,
            "done": self.asked("done"),
            "said": SAID,
            **tour_values(self.request),
        }

    def see(self, path: str, *, done: str = "", query: Mapping[str, str] | None = None) -> Response:
        """Go to a page of the desk, which says what was done: a word of ``words.SAID``."""
        asked = {**(query or {}), **({"done": done} if done else {})}
        more = f"?{urlencode(asked)}" if asked else ""
        return RedirectResponse(self.site.path(path) + more, 303)


async def newsletters_of(site: Site) -> tuple[Newsletter, ...]:
    """What the frame leads to."""
    async with site.db.read() as session:
        return tuple(await list_newsletters(session))


def cookie_name(site: Site, of: str = "") -> str:
    """Under which name a session's token lies in the browser, or a secret ``of`` something else."""
    return ("__Host-desk" if site.public_url.startswith("https://") else "desk") + of


def set_cookie(
    response: Response, site: Site, token: str, *, of: str = "", lasts: timedelta = LONGEST
) -> None:
    """Give the browser its token, or another secret ``of`` what it is on."""
    response.set_cookie(
        cookie_name(site, of),
        token,
        max_age=int(lasts.total_seconds()),
        path="/",
        secure=site.public_url.startswith("https://"),
        httponly=True,
        samesite="lax",
    )


def drop_cookie(response: Response, site: Site, *, of: str = "") -> None:
    """Take it away."""
    secure = site.public_url.startswith("https://")
    response.delete_cookie(
        cookie_name(site, of), path="/", secure=secure, httponly=True, samesite="lax"
    )


def plain_page(
    site: Site, template: str, values: Mapping[str, Any] | None = None, *, status: int = 200
) -> Response:
    """A page of the desk for who is not signed in."""
    found = {"prefix": site.prefix, **(values or {})}
    return page(f"desk/{template}", found, status=status, headers=_PRIVATE)
