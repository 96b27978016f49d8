"""ID tokens that are not believed: forged, of others, of another time (RFC 8725, RFC 9700 §4)."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from digest.access.id_token import Expected, verify
from digest.errors import RefusedError
from tests.build import NOW
from tests.fakes.issuer import a_key

ISSUER, CLIENT, NONCE = "https://id.example", "digest", "n" * 64
EXPECTED = Expected(ISSUER, CLIENT, NONCE, NOW)
RS = {"alg": "RS256", "kid": "one"}
PUBLIC = [a_key().as_dict(private=False)]


def at(offset: timedelta = timedelta(0), now: datetime = NOW) -> int:
    return int((now + offset).timestamp())


def claims(**other: Any) -> dict[str, Any]:
    given = {
        "iss": ISSUER,
        "aud": CLIENT,
        "sub": "17",
        "nonce": NONCE,
        "iat": at(),
        "exp": at(timedelta(minutes=5)),
        **other,
    }
    return {name: value for name, value in given.items() if value is not None}


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_token_in_order_is_believed() -> None:
    assert verify(jwt.encode(RS, claims(), a_key()), PUBLIC, EXPECTED)["sub"] == "17"
    both = claims(aud=[CLIENT, "another"], azp=CLIENT, nbf=at())
    assert verify(jwt.encode(RS, both, a_key()), PUBLIC, EXPECTED)["azp"] == CLIENT


@pytest.mark.parametrize(
    "algorithm, key",
    [
        ("ES256", ECKey.generate_key("P-256", {"kid": "k"})),
        ("ES384", ECKey.generate_key("P-384", {"kid": "k"})),
        ("PS256", RSAKey.import_key(a_key().as_dict(private=True, alg="PS256", kid="k"))),
    ],
)
def test_each_kind_of_public_key_is_known(algorithm: str, key: Any) -> None:
    made = jwt.encode({"alg": algorithm, "kid": "k"}, claims(), key, algorithms=[algorithm])
    assert verify(made, [key.as_dict(private=False)], EXPECTED)["sub"] == "17"


@pytest.mark.parametrize(
    "other, why",
    [
        ({"iss": "https://id.example/"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"aud": "another"}, "for us alone"),
        ({"aud": None}, "for us alone"),
        ({"aud": []}, "for us alone"),
        ({"aud": [CLIENT, "another"]}, "for us alone"),
        ({"aud": [CLIENT, "another"], "azp": "another"}, "for us alone"),
        ({"azp": "another"}, "for us alone"),
        ({"exp": at(timedelta(seconds=-61))}, "time is over"),
        ({"exp": None}, "time is over"),
        ({"exp": "2099"}, "time is over"),
        ({"exp": True}, "time is over"),
        ({"exp": float("nan")}, "time is over"),
        ({"iat": at(timedelta(seconds=61))}, "not made now"),
        ({"iat": at(timedelta(seconds=-601))}, "not made now"),
        ({"iat": None}, "not made now"),
        ({"iat": float("nan")}, "not made now"),
        ({"iat": 10**400}, "not made now"),
        ({"nbf": at(timedelta(seconds=61))}, "has not begun"),
        ({"nbf": "now"}, "has not begun"),
        ({"nonce": "m" * 64}, "another sign-in"),
        ({"nonce": None}, "another sign-in"),
        ({"nonce": [NONCE]}, "another sign-in"),
        ({"sub": None}, "names nobody"),
        ({"sub": ""}, "names nobody"),
        ({"sub": 17}, "names nobody"),
        ({"sub": "x" * 256}, "names nobody"),
    ],
)
def test_what_a_token_says_wrongly_is_said(other: dict[str, Any], why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        verify(jwt.encode(RS, claims(**other), a_key()), PUBLIC, EXPECTED)


def _unsigned(algorithm: str) -> str:
    return f"{part({'alg': algorithm, 'kid': 'one'})}.{part(claims())}."


def _by_the_public_key(secret: bytes) -> str:
    """The classic: a MAC whose key is the public one."""
    signed = f"{part({'alg': 'HS256', 'kid': 'one'})}.{part(claims())}"
    mac = hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def _signed_by_another(**header: Any) -> str:
    return jwt.encode({**RS, **header}, claims(), a_key("another"))


def _changed() -> str:
    head, _, signature = jwt.encode(RS, claims(), a_key()).split(".")
    return f"{head}.{part(claims(sub='1'))}.{signature}"


@pytest.mark.parametrize(
    "token",
    [
        _unsigned("none"),
        _unsigned("None"),
        _unsigned("RS256"),
        _by_the_public_key(a_key().as_pem(private=False)),
        _by_the_public_key(json.dumps(PUBLIC[0]).encode()),
        _signed_by_another(),
        _signed_by_another(jwk=a_key("another").as_dict(private=False)),
        _signed_by_another(kid="another"),
        _changed(),
        jwt.encode({"alg": "RS256", "kid": "two"}, claims(), a_key()),
        f"{part({**RS, 'crit': ['x'], 'x': 1})}.{part(claims())}.AAAA",
        "a.b.c",
        "..",
        "",
        "é.é.é",
        f"{part([1])}.{part(claims())}.AAAA",
        f"{part(RS)}.{part([1])}.AAAA",
        "x" * 20_000,
    ],
)
def test_a_forged_token_is_refused(token: str) -> None:
    with pytest.raises(RefusedError):
        verify(token, PUBLIC, EXPECTED)


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [PUBLIC[0] | {"use": "enc"}],
        [PUBLIC[0] | {"alg": "RS512"}],
        [PUBLIC[0] | {"kty": "EC"}],
        [PUBLIC[0], PUBLIC[0]],
        [PUBLIC[0] | {"n": "AQAB"}],
        [{"kty": "RSA", "kid": "one"}],
        [{"kty": "oct", "kid": "one", "k": "c2VjcmV0"}],
    ],
)
def test_a_key_that_does_not_fit_verifies_nothing(keys: list[dict[str, Any]]) -> None:
    with pytest.raises(RefusedError):
        verify(jwt.encode(RS, claims(), a_key()), keys, EXPECTED)


def test_of_several_keys_the_one_that_is_named_counts() -> None:
    several = [a_key("another").as_dict(private=False), *PUBLIC]
    assert verify(jwt.encode(RS, claims(), a_key()), several, EXPECTED)
    nameless = jwt.encode({"alg": "RS256"}, claims(), a_key())
    assert verify(nameless, PUBLIC, EXPECTED)
    with pytest.raises(RefusedError):
        verify(nameless, several, EXPECTED)
