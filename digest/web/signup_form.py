"""The sign-up form: what it looks like, and whether somebody looked at it before sending it.

No CAPTCHA: a stamp says when the form was shown and is signed, so a script must wait as a person
does, and a field that nobody sees stays empty with everybody but scripts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from digest.errors import AddressError
from digest.languages import phrase
from digest.mail.address import Address, parse_address
from digest.mail.tokens import TokenKind
from digest.rules.disposable import is_disposable
from digest.rules.signup import form_age_fits
from digest.web.site import Site

ADDRESS_MAX = 320  # characters that are looked at, and shown again
TRAP = "website"  # nobody sees it, and whoever fills it is a script
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SignupForm:
    """A form as it is shown: empty, or again with what was typed and what is wrong with it."""

    action: str
    stamp: str
    address: str = ""
    error: str = ""
    once_more: bool = False  # it came without a stamp, as from another site: one more click


def fresh_form(
    site: Site, slug: str, *, address: str = "", error: str = "", once_more: bool = False
) -> SignupForm:
    """A form for the newsletter ``slug``, stamped now."""
    action = site.path(f"/n/{slug}/subscribe")
    return SignupForm(action, new_stamp(site), address[:ADDRESS_MAX], error, once_more)


def new_stamp(site: Site) -> str:
    """A stamp that says it is now."""
    passed = site.clock.now() - _EPOCH
    return site.keys.sign(TokenKind.FORM, passed // timedelta(milliseconds=1))


def stamp_fits(site: Site, stamp: str) -> bool:
    """Whether ``stamp`` is ours, and neither too new nor too old."""
    token = site.keys.read(stamp)
    if token is None or token.kind is not TokenKind.FORM:
        return False
    shown = _EPOCH + timedelta(milliseconds=token.id)
    return form_age_fits(site.clock.now() - shown)


def typed_address(site: Site, text: str) -> Address:
    """The address somebody typed; AddressError in words for them."""
    if not text:
        raise AddressError(phrase("Please write your email address."))
    try:
        address = parse_address(text[: ADDRESS_MAX + 1])
    except AddressError:
        raise AddressError(phrase("This does not look like an email address.")) from None
    if site.refuse_disposable and is_disposable(address.domain):
        raise AddressError(phrase("This address will not last. Please use one you will keep."))
    return address
