"""One-time codes from an app, as a second thing to know. RFC 6238 (TOTP), RFC 4226 (HOTP)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode

_SECONDS = 30
_DIGITS = 6
_SECRET_BYTES = 20  # RFC 4226 §4, R6


def new_secret() -> str:
    """A secret as apps take it: base32, without padding."""
    return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def app_url(secret: str, *, address: str) -> str:
    """What an app on the same device opens."""
    query = urlencode({"secret": secret, "issuer": "digest"})
    return f"otpauth://totp/digest:{quote(address)}?{query}"


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """The step of time whose code this is: now, or one to either side; None for a wrong code."""
    digits = "".join(code.split())
    if len(digits) != _DIGITS or not (digits.isascii() and digits.isdigit()):
        return None
    try:
        key = base64.b32decode(secret, casefold=True)
    except ValueError:
        return None
    current = int(now.timestamp()) // _SECONDS
    found = None
    for step in (current - 1, current, current + 1):
        if hmac.compare_digest(_code(key, step), digits):
            found = step
    return found


def _code(key: bytes, step: int) -> str:
    """RFC 4226 §5.3."""
    mac = hmac.digest(key, step.to_bytes(8, "big"), hashlib.sha1)
    offset = mac[-1] & 15
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**_DIGITS).zfill(_DIGITS)
