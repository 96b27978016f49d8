"""One way to a provider of identities and back, bound to the browser that began it.

The browser keeps a secret in a cookie that no page can read; what travels by the provider is made
of it by HMAC: ``state`` (a callback that another browser began is refused), ``nonce`` (so is an ID
token of another way), and the verifier of PKCE (so is somebody else's code). Nothing is kept here,
so whichever process answers can go on. RFC 7636, RFC 9700 §2.1 and §4.7, OpenID Connect Core §3.1.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

LASTS = timedelta(minutes=10)
_COOKIE = re.compile(r"([A-Za-z0-9_-]{43})\.([0-9]{1,12})\.(/[A-Za-z0-9._~/-]{0,300})")


@dataclass(frozen=True, slots=True)
class WayIn:
    """``to`` is the page to go to in the end."""

    secret: str = field(repr=False)
    begun: int  # seconds since 1970
    to: str

    @classmethod
    def begin(cls, to: str, now: datetime) -> Self:
        """A new one."""
        return cls(secrets.token_urlsafe(32), int(now.timestamp()), to)

    @classmethod
    def read(cls, cookie: str, now: datetime) -> Self | None:
        """The one a browser is on; None for none, and for one that took too long."""
        match = _COOKIE.fullmatch(cookie)
        if match is None:
            return None
        found = cls(match[1], int(match[2]), match[3])
        age = now.timestamp() - found.begun
        return found if -60 <= age <= LASTS.total_seconds() else None

    @property
    def cookie(self) -> str:
        """What the browser keeps."""
        return f"{self.secret}.{self.begun}.{self.to}"

    @property
    def state(self) -> str:
        """What comes back with the answer."""
        return self._made("state")

    @property
    def nonce(self) -> str:
        """What the ID token has to hold."""
        return self._made("nonce")

    @property
    def verifier(self) -> str:
        """What shows that a code is ours: 64 characters."""
        return self._made("verifier")

    @property
    def challenge(self) -> str:
        """What the provider is told of the verifier: S256."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def is_answered_by(self, state: str) -> bool:
        """Whether an answer with this state is to this way in."""
        return hmac.compare_digest(state.encode(), self.state.encode())

    def _made(self, purpose: str) -> str:
        text = f"{purpose} {self.begun} {self.to}"
        return hmac.digest(self.secret.encode(), text.encode(), "sha256").hex()
