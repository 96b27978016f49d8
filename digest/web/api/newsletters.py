"""Newsletters, and the way in to one: the API's share of what anyone sees."""

from __future__ import annotations

import ipaddress

from digest.access.api_keys import Scope
from digest.errors import InputError, NotFoundError
from digest.rules.signup import net_of
from digest.store.newsletters import Newsletter as StoredNewsletter
from digest.store.newsletters import list_newsletters
from digest.store.session import Session
from digest.web.api.calls import Call, Operation
from digest.web.api.models import NewSignup, Newsletter, Newsletters, SignupTaken
from digest.web.signup import ACCEPTED
from digest.web.signup_form import typed_address


async def list_all(call: Call) -> Newsletters:
    """Every newsletter, by name."""
    async with call.site.db.read() as session:
        found = await list_newsletters(session)
    return Newsletters(items=[Newsletter.of(one) for one in found])


async def show(call: Call) -> Newsletter:
    """One newsletter."""
    async with call.site.db.read() as session:
        return Newsletter.of(await newsletter_called(session, call.path["newsletter"]))


async def sign_up(call: Call) -> SignupTaken:
    """Take a sign-up by the form's own way: the same caps, and the mail that asks for a yes."""
    asked: NewSignup = call.body
    address = typed_address(call.site, asked.address.strip())
    async with call.site.db.read() as session:
        newsletter = await newsletter_called(session, call.path["newsletter"])
    net = f"api key {call.key.id}" if asked.ip is None else _net(asked.ip)
    await call.site.desk.ask(newsletter.id, address, net=net, source="api")
    return SignupTaken.model_validate(ACCEPTED)


def _net(text: str) -> str:
    try:
        return net_of(str(ipaddress.ip_address(text)))
    except ValueError:
        raise InputError("This is no IP address.", where="ip") from None


async def newsletter_called(session: Session, slug: str) -> StoredNewsletter:
    """The newsletter of this name; NotFoundError."""
    for one in await list_newsletters(session):
        if one.slug == slug:
            return one
    raise NotFoundError


OPERATIONS = (
    Operation(
        "list_newsletters",
        "GET",
        "/newsletters",
        Scope.NEWSLETTERS_READ,
        list_all,
        Newsletters,
        "List the newsletters",
    ),
    Operation(
        "show_newsletter",
        "GET",
        "/newsletters/{newsletter}",
        Scope.NEWSLETTERS_READ,
        show,
        Newsletter,
        "Show a newsletter",
        problems=(404,),
    ),
    Operation(
        "sign_up",
        "POST",
        "/newsletters/{newsletter}/signups",
        Scope.SIGNUPS_WRITE,
        sign_up,
        SignupTaken,
        "Ask for a newsletter on a visitor's behalf. They get a mail with a button to confirm, or "
        "nothing, and the answer is the same for every address.",
        body=NewSignup,
        status=202,
        problems=(404,),
    ),
)
