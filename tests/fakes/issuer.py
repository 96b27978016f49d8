"""A provider of identities on loopback that says whatever a test wants it to say, signed or not."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.fakes.pages import Asked, Pages, answer

CLIENT_ID, SECRET = "digest at example.org", "a secret: of two words & more"
SIGN = {"alg": "RS256", "kid": "one"}


@cache
def a_key(kid: str = "one") -> RSAKey:
    """A key that signs, the same for all tests of a process."""
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


@dataclass(slots=True)
class FakeIssuer:
    """``person`` are the claims it makes; ``says`` changes its metadata, ``token`` the answer of
    its token endpoint, ``userinfo`` that of its other one.
    """

    pages: Pages
    person: dict[str, Any] = field(default_factory=dict)
    keys: list[RSAKey] = field(default_factory=lambda: [a_key()])
    says: dict[str, Any] = field(default_factory=dict)
    token: Mapping[str, Any] | None = None
    userinfo: Mapping[str, Any] | None = None
    sent: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.pages.url("")

    def authorized(self, location: str, code: str = "a-code") -> dict[str, str]:
        """Let the browser in that was sent to ``location``: what it brings back."""
        query = parse_qs(urlsplit(location).query, strict_parsing=True)
        self.sent = {name: values[0] for name, values in query.items()}
        return {"code": code, "state": self.sent["state"], "iss": self.url}

    def claims(self, **other: Any) -> dict[str, Any]:
        """Those of an ID token that is in order."""
        now = int(time.time())
        of_it = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 300}
        return {**of_it, "nonce": self.sent.get("nonce"), **self.person, **other}

    def _metadata(self, _asked: Asked) -> bytes:
        return _json(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize?of=the+house",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "userinfo_endpoint": f"{self.url}/me",
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
                **self.says,
            }
        )

    def _keys(self, _asked: Asked) -> bytes:
        return _json({"keys": [key.as_dict(private=False) for key in self.keys]})

    def _token(self, asked: Asked) -> bytes:
        """What RFC 6749 §4.1.3 and RFC 7636 §4.6 have it check."""
        given = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        both = base64.b64decode(asked.fields["authorization"].removeprefix("Basic ")).decode()
        wanted = "digest+at+example.org:a+secret%3A+of+two+words+%26+more"
        fine = (
            challenge == self.sent.get("code_challenge")
            and given.get("redirect_uri") == self.sent.get("redirect_uri")
            and given.get("code") == "a-code"
            and both == wanted
        )
        if not fine:
            return _json({"error": "invalid_grant"}, 400)
        if self.token is not None:
            return _json(self.token)
        signed = jwt.encode({**SIGN, "kid": self.keys[0].kid}, self.claims(), self.keys[0])
        return _json({"id_token": signed, "access_token": "opaque", "token_type": "Bearer"})

    def _userinfo(self, asked: Asked) -> bytes:
        if asked.fields.get("authorization") != "Bearer opaque" or self.userinfo is None:
            return answer(401)
        return _json(self.userinfo)


@asynccontextmanager
async def an_issuer(**person: Any) -> AsyncIterator[FakeIssuer]:
    """One that knows a person."""
    async with Pages({}) as pages:
        made = FakeIssuer(pages, person)
        pages.answers = {
            "/.well-known/openid-configuration": made._metadata,
            "/keys": made._keys,
            "/token": made._token,
            "/me": made._userinfo,
        }
        yield made


def _json(value: Mapping[str, Any], status: int = 200) -> bytes:
    return answer(status, json.dumps(value).encode(), content_type="application/json")
