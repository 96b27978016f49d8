"""Whether an ID token is the issuer's, for us, of now and of this very way in.

The algorithms are ours to choose, never the token's: signatures by public keys only, so neither
``none`` nor a MAC made of a public key passes. OpenID Connect Core §3.1.3.7, RFC 7515, RFC 7519,
RFC 8725 §3.1.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import ModuleType
from typing import Any, Final

from digest.errors import RefusedError, SettingsError

ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512"),
)
_KINDS: Final = {"R": "RSA", "P": "RSA", "E": "EC"}
_SHORTEST_RSA: Final = 2048  # bits (RFC 7518 §3.3)
_APART: Final = 60  # seconds two clocks may be apart
_OLDEST: Final = 600  # seconds since a token was made for us, which it is at the end of a sign-in
_MOST: Final = 16_384  # characters
_SUBJECT_MAX: Final = 255


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token has to say."""

    issuer: str
    client_id: str
    nonce: str
    now: datetime


def joserfc() -> ModuleType:
    """The library that knows signatures; SettingsError where it is not installed."""
    try:
        import joserfc
        import joserfc.errors
        import joserfc.jwk
        import joserfc.jwt
    except ImportError:
        raise SettingsError(
            "Signing in by a provider needs a package that is not installed.",
            where="DIGEST_OIDC__ISSUER",
            fix="Install digest with its extra: pip install 'digest[oidc]'.",
        ) from None
    return joserfc


def key_id(token: str) -> str | None:
    """The name of the key a token says it is signed with; RefusedError for what is no token."""
    found = _header(token).get("kid")
    return found if isinstance(found, str) else None


def _header(token: str) -> dict[str, Any]:
    part = token[:_MOST].partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:  # of base64, of text, of JSON
        raise refused("it is no token") from None
    if not isinstance(header, dict) or len(token) > _MOST:
        raise refused("it is no token")
    return header


def verify(token: str, keys: Sequence[Mapping[str, Any]], expected: Expected) -> dict[str, Any]:
    """The claims of ``token``; RefusedError says what is wrong with it. ``keys`` are the issuer's,
    as its JWKS has them.
    """
    jose = joserfc()
    header = _header(token)
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise refused("it is not signed by a public key")
    key = _key(jose, keys, header.get("kid"), algorithm)
    try:
        claims: dict[str, Any] = jose.jwt.decode(token, key, algorithms=[algorithm]).claims
    except (jose.errors.JoseError, ValueError):
        raise refused("its signature is not the issuer's") from None
    for wrong, words in _WRONG:
        if wrong(claims, expected):
            raise refused(words)
    return claims


def _key(jose: ModuleType, keys: Sequence[Mapping[str, Any]], kid: object, algorithm: str) -> Any:
    """The one key that may have signed; RefusedError for none, and for several."""
    kind = _KINDS[algorithm[0]]
    fitting = [
        one
        for one in keys
        if one.get("kty") == kind
        and (kid is None or one.get("kid") == kid)
        and one.get("use", "sig") == "sig"
        and one.get("alg", algorithm) == algorithm
    ]
    if len(fitting) != 1:
        raise refused("the issuer has no such key")
    if kind == "RSA" and len(str(fitting[0].get("n"))) * 6 < _SHORTEST_RSA:  # base64
        raise refused("the issuer's key is too short")
    public = {name: value for name, value in fitting[0].items() if name in _PUBLIC}
    try:
        return jose.jwk.import_key(public)
    except (jose.errors.JoseError, ValueError, TypeError):
        raise refused("the issuer's key cannot be read") from None


_PUBLIC: Final = frozenset({"kty", "n", "e", "crv", "x", "y"})


def _is_audience(claims: dict[str, Any], expected: Expected) -> bool:
    """Whether it is for us, and for nobody else who might have handed it on."""
    audience = claims.get("aud")
    others = audience if isinstance(audience, list) else [audience]
    party = claims.get("azp")
    if expected.client_id not in others or party not in (None, expected.client_id):
        return False
    return len(others) == 1 or party == expected.client_id


def _moment(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _is_over(claims: dict[str, Any], expected: Expected) -> bool:
    end = _moment(claims, "exp")
    return end is None or not end > expected.now.timestamp() - _APART  # also what is no number


def _is_not_of_now(claims: dict[str, Any], expected: Expected) -> bool:
    made, now = _moment(claims, "iat"), expected.now.timestamp()
    return made is None or not now - _OLDEST <= made <= now + _APART


def _begins_later(claims: dict[str, Any], expected: Expected) -> bool:
    begin = _moment(claims, "nbf")
    return "nbf" in claims and (begin is None or not begin <= expected.now.timestamp() + _APART)


def _is_of_another_way(claims: dict[str, Any], expected: Expected) -> bool:
    nonce = claims.get("nonce")
    if not isinstance(nonce, str):
        return True
    return not hmac.compare_digest(nonce.encode(), expected.nonce.encode())


def _names_nobody(claims: dict[str, Any], _expected: Expected) -> bool:
    subject = claims.get("sub")
    return not (isinstance(subject, str) and 0 < len(subject) <= _SUBJECT_MAX)


_WRONG: Final[tuple[tuple[Callable[[dict[str, Any], Expected], bool], str], ...]] = (
    (lambda claims, expected: claims.get("iss") != expected.issuer, "it is of another issuer"),
    (lambda claims, expected: not _is_audience(claims, expected), "it is not for us alone"),
    (_is_over, "its time is over"),
    (_is_not_of_now, "it was not made now"),
    (_begins_later, "its time has not begun"),
    (_is_of_another_way, "it is of another sign-in"),
    (_names_nobody, "it names nobody"),
)


def refused(why: str) -> RefusedError:
    """The ID token is not taken, because of ``why``."""
    return RefusedError(f"The ID token is refused: {why}.", where="oidc")
