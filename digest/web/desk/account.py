"""One's own account: the password, one-time codes, and the browsers that are signed in."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.access.codes import app_url, new_secret
from digest.access.passwords import SHORTEST
from digest.access.users import ask_for_codes, ask_for_no_codes, change_password
from digest.errors import InputError
from digest.store.user_sessions import end_session, end_sessions, list_sessions
from digest.web.desk.doors import Door
from digest.web.desk.sign_in import leave
from digest.web.desk.visit import HOME, Visit

ACCOUNT = f"{HOME}/account"


async def account(visit: Visit) -> Response:
    """Show it."""
    async with visit.site.db.read() as session:
        opened = await list_sessions(session, visit.user.id)
    secret = new_secret()
    values = {
        "sessions": opened,
        "this": visit.visitor.session_id,
        "shortest": SHORTEST,
        "label": visit.site.issuer.client.label if visit.site.issuer else "",
        "secret": secret,
        "secret_shown": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "app": app_url(secret, address=visit.user.address),
    }
    return visit.page("account.html", values, current="account")


async def password(visit: Visit) -> Response:
    """Set another password."""
    new = visit.form.raw("new")
    await change_password(
        visit.site.db,
        visit.user,
        old=visit.form.raw("old"),
        new=new,
        session_id=visit.visitor.session_id,
    )
    return visit.see(ACCOUNT, done="password")


async def codes(visit: Visit) -> Response:
    """Ask for a one-time code at each sign-in, or for none any more."""
    if visit.form.one("off"):
        await ask_for_no_codes(visit.site.db, visit.user, password=visit.form.raw("old"))
        return visit.see(ACCOUNT, done="codes-off")
    await ask_for_codes(
        visit.site.db,
        visit.user,
        secret=visit.form.one("secret"),
        code=visit.form.one("code"),
        session_id=visit.visitor.session_id,
        now=visit.site.clock.now(),
    )
    return visit.see(ACCOUNT, done="codes-on")


async def sessions(visit: Visit) -> Response:
    """Sign one other browser out, or all of them."""
    which = visit.form.one("session")
    async with visit.site.db.begin() as session:
        if which == "others":
            await end_sessions(session, visit.user.id, but=visit.visitor.session_id)
        else:
            number = number_in(which)
            if not await end_session(session, number, user_id=visit.user.id):
                raise HTTPException(404)
    return visit.see(ACCOUNT, done="signed-out")


def number_in(text: str) -> int:
    """A number that a form names; InputError for what is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InputError("This is no number.", where="form")
    return int(text)


DOORS = (
    Door("GET", ACCOUNT, None, account),
    Door("POST", f"{ACCOUNT}/password", None, password, "change password"),
    Door("POST", f"{ACCOUNT}/codes", None, codes, "change one-time codes"),
    Door("POST", f"{ACCOUNT}/sessions", None, sessions, "sign out elsewhere"),
    Door("POST", f"{HOME}/sign-out", None, leave, "sign out"),
)
