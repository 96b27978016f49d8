"""The provider of identities: what it says of itself, the way to it, and whom it says came back.

Its configuration and its keys are read from the issuer, kept for some minutes, and read again at
once where a token names a key we do not know (keys change). Every address is asked behind the guard
and without following redirects. OpenID Connect Core and Discovery 1.0, RFC 6749 §4.1, RFC 9207.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus, urlencode, urlsplit

from digest.access.id_token import Expected, key_id, refused, verify
from digest.access.way_in import WayIn
from digest.errors import AddressError, FetchError, RefusedError
from digest.mail.address import clean_name, parse_address
from digest.rules.admission import Policy, Said
from digest.rules.link import Trouble
from digest.settings import is_loopback

if TYPE_CHECKING:
    from digest.net.fetch import Fetched, Fetcher

WELL_KNOWN: Final = "/.well-known/openid-configuration"
_SECONDS: Final = 6.0  # for one answer: somebody waits
_MOST: Final = 1 << 18  # bytes of an answer
_KEPT: Final = timedelta(minutes=10)
_KEYS_AGAIN: Final = timedelta(seconds=20)  # made-up names of keys make us ask no more often
_FAILED: Final = timedelta(seconds=10)  # in which a provider that is down is not asked again
_YES: Final = (True, "true", "1")
_GROUPS_MOST: Final = 1_000
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Client:
    """What we are to the provider, and it to us."""

    issuer: str
    client_id: str
    secret: str = field(repr=False)
    redirect_uri: str
    label: str
    scopes: str = "openid email profile"
    verified_claim: str = "email_verified"
    role_claim: str = ""
    allow: str = ""
    passwords: bool = True
    policy: Policy = field(default_factory=Policy)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the issuer says of itself."""

    authorization: str
    token: str
    jwks: str
    userinfo: str
    takes_basic: bool
    names_itself: bool  # in every answer (RFC 9207)


@dataclass(slots=True)
class Issuer:
    """The provider, and what this process remembers of it."""

    client: Client
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    _metadata: tuple[datetime, Metadata] | None = None
    _failed: tuple[datetime, FetchError] | None = None
    _keys: tuple[datetime, Sequence[Mapping[str, Any]]] | None = None

    async def address_of(self, way: WayIn, now: datetime) -> str:
        """Where the browser is sent to sign in; FetchError where the provider does not answer."""
        metadata = await self.metadata(now)
        asked = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": self.client.redirect_uri,
            "scope": self.client.scopes,
            "state": way.state,
            "nonce": way.nonce,
            "code_challenge": way.challenge,
            "code_challenge_method": "S256",
        }
        joint = "&" if urlsplit(metadata.authorization).query else "?"
        return f"{metadata.authorization}{joint}{urlencode(asked)}"

    async def identify(self, way: WayIn, answer: Mapping[str, str], now: datetime) -> Said:
        """Whom the provider means by its answer to this way in.

        Raises RefusedError for an answer that is not its own or not to be believed, FetchError
        where it cannot be asked.
        """
        metadata = await self.metadata(now)
        named = answer.get("iss")
        if named != self.client.issuer and (named is not None or metadata.names_itself):
            raise RefusedError("The answer is of another issuer.", where="oidc")  # RFC 9700 §4.4
        if "error" in answer or not answer.get("code"):
            why = answer.get("error", "")[:60]
            raise RefusedError(f"The provider let nobody in: {why or 'it says nothing'}.")
        async with self._fetcher() as fetcher:
            tokens = await self._exchange(fetcher, metadata, way, answer["code"])
            claims = await self._verified(fetcher, metadata, tokens.get("id_token"), way, now)
            if self._wants_more(claims) and metadata.userinfo:
                claims = await self._with_more(fetcher, metadata, claims, tokens)
        return self._said(claims)

    async def metadata(self, now: datetime) -> Metadata:
        """What the issuer says of itself; FetchError where it does not, or says it wrongly."""
        async with self._reading:  # whoever comes at once waits for one answer
            return await self._known(now)

    async def _known(self, now: datetime) -> Metadata:
        if self._metadata is not None and now - self._metadata[0] < _KEPT:
            return self._metadata[1]
        if self._failed is not None and now - self._failed[0] < _FAILED:
            raise self._failed[1]
        try:
            async with self._fetcher() as fetcher:
                url = self.client.issuer.rstrip("/") + WELL_KNOWN
                found = self._read(_object(await fetcher.ask("GET", url, max_bytes=_MOST), url))
        except FetchError as error:
            self._failed = (now, error)
            raise
        self._metadata, self._failed = (now, found), None
        return found

    def _read(self, said: Mapping[str, Any]) -> Metadata:
        where = self.client.issuer
        if said.get("issuer") != where:  # letter by letter (Discovery §4.3)
            raise _wrong(f"it names itself {str(said.get('issuer'))[:200]!r}", where)
        methods = said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        found = Metadata(
            authorization=self._endpoint(said, "authorization_endpoint"),
            token=self._endpoint(said, "token_endpoint"),
            jwks=self._endpoint(said, "jwks_uri"),
            userinfo=self._endpoint(said, "userinfo_endpoint", needed=False),
            takes_basic=isinstance(methods, list) and "client_secret_basic" in methods,
            names_itself=said.get("authorization_response_iss_parameter_supported") is True,
        )
        methods = said.get("code_challenge_methods_supported", ["S256"])
        if not isinstance(methods, list) or "S256" not in methods:
            raise _wrong("it does not know PKCE with S256", where)
        return found

    def _endpoint(self, said: Mapping[str, Any], name: str, *, needed: bool = True) -> str:
        """An address the issuer names: over TLS, unless all of it is on this machine."""
        url = said.get(name, "")
        try:
            parts = urlsplit(url if isinstance(url, str) else "")
            here = is_loopback(parts.hostname) and self.client.issuer.startswith("http://")
        except ValueError:
            raise _wrong(f"its {name} is no address", self.client.issuer) from None
        if parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and here)):
            return str(url)
        if not url and not needed:
            return ""
        raise _wrong(f"its {name} is missing or not over TLS", self.client.issuer)

    async def _exchange(
        self, fetcher: Fetcher, metadata: Metadata, way: WayIn, code: str
    ) -> Mapping[str, Any]:
        """What the code is worth: RFC 6749 §4.1.3 with RFC 7636 §4.5."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.client.redirect_uri,
            "code_verifier": way.verifier,
        }
        headers = {"Content-Type": _FORM, "Accept": "application/json"}
        user, secret = self.client.client_id, self.client.secret
        if metadata.takes_basic:
            both = f"{quote_plus(user)}:{quote_plus(secret)}".encode()  # RFC 6749 §2.3.1
            headers["Authorization"] = f"Basic {base64.b64encode(both).decode()}"
        else:
            form |= {"client_id": user, "client_secret": secret}
        body = urlencode(form).encode()
        answer = await fetcher.ask(
            "POST", metadata.token, body=body, headers=headers, max_bytes=_MOST
        )
        if 400 <= answer.status < 500:
            why = _error_in(answer)
            raise RefusedError(f"The provider does not take the code: {why}.", where="oidc")
        return _object(answer, metadata.token)

    async def _verified(
        self, fetcher: Fetcher, metadata: Metadata, token: object, way: WayIn, now: datetime
    ) -> dict[str, Any]:
        if not isinstance(token, str):
            raise refused("there is none")
        kept = self._keys
        named = key_id(token)
        known = kept is not None and now - kept[0] < _KEPT
        if kept is not None and known and not any(one.get("kid") == named for one in kept[1]):
            known = now - kept[0] < _KEYS_AGAIN
        if kept is None or not known:
            answer = await fetcher.ask("GET", metadata.jwks, max_bytes=_MOST)
            keys = _object(answer, metadata.jwks).get("keys")
            if not isinstance(keys, list):
                raise _wrong("its keys cannot be read", metadata.jwks)
            kept = self._keys = (now, [one for one in keys if isinstance(one, dict)])
        expected = Expected(self.client.issuer, self.client.client_id, way.nonce, now)
        return verify(token, kept[1], expected)

    def _wants_more(self, claims: Mapping[str, Any]) -> bool:
        wanted = self.client.role_claim
        return "email" not in claims or bool(wanted and _found(claims, wanted) is None)

    async def _with_more(
        self,
        fetcher: Fetcher,
        metadata: Metadata,
        claims: dict[str, Any],
        tokens: Mapping[str, Any],
    ) -> dict[str, Any]:
        """The claims with those of the UserInfo endpoint (Core §5.3), if it means the same one."""
        access = tokens.get("access_token")
        if not isinstance(access, str) or not access.isascii() or not access.isprintable():
            return claims
        answer = await fetcher.ask(
            "GET",
            metadata.userinfo,
            headers={"Authorization": f"Bearer {access}", "Accept": "application/json"},
            max_bytes=_MOST,
        )
        more = _object(answer, metadata.userinfo)
        if more.get("sub") != claims["sub"]:  # Core §5.3.2
            raise RefusedError("The provider's user info is of somebody else.", where="oidc")
        return {**more, **claims}

    def _said(self, claims: Mapping[str, Any]) -> Said:
        client = self.client
        address = claims.get("email")
        try:
            clean = str(parse_address(address)).lower() if isinstance(address, str) else ""
        except AddressError:
            clean = ""
        groups = _found(claims, client.role_claim) if client.role_claim else None
        listed = groups if isinstance(groups, list) else [groups]
        name = claims.get("name")
        return Said(
            issuer=client.issuer,
            subject=claims["sub"],
            address=clean,
            proved=bool(clean) and claims.get(client.verified_claim) in _YES,
            name=clean_name(name) if isinstance(name, str) else "",
            groups=frozenset(one for one in listed[:_GROUPS_MOST] if isinstance(one, str)),
        )

    @asynccontextmanager
    async def _fetcher(self) -> AsyncIterator[Fetcher]:
        from digest.net.fetch import Fetcher, Limits
        from digest.net.guard import Guard

        guard = Guard(tuple(map(ip_network, self.client.allow.split())))
        limits = Limits(seconds=_SECONDS, pause=0.0)
        async with Fetcher("digest (sign-in)", guard=guard, limits=limits) as fetcher:
            yield fetcher


def _found(claims: Mapping[str, Any], name: str) -> Any:
    """The claim of this name, or, where names have dots, the one inside of others."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _object(answer: Fetched, url: str) -> Mapping[str, Any]:
    """The JSON object that was answered; FetchError for anything else."""
    if answer.status != 200:
        raise _wrong(f"it answers {answer.status}", url)
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _wrong("it answers with something else than JSON", url)
    return found


def _error_in(answer: Fetched) -> str:
    """The code of an error (RFC 6749 §5.2), as far as it is one."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = None
    code = found.get("error") if isinstance(found, dict) else None
    return code[:60] if isinstance(code, str) and code.isascii() else f"status {answer.status}"


def _wrong(words: str, where: str) -> FetchError:
    return FetchError(words, trouble=Trouble.PROTOCOL, where=where)
