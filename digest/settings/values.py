"""What the text of a setting must be; each raises ValueError that says so."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import SecretStr

KEY_LENGTH = 32  # characters, as mail/tokens.py wants; `digest init` writes 43, with 256 bits
LOOPBACK_NAMES = frozenset({"localhost"})
DATABASE_SCHEMES = ("sqlite://", "postgresql://", "postgres://")
_PLAIN_URL = re.compile(r"[A-Za-z0-9:/._~%!$&()*+,;=@\[\]-]+")


def is_loopback(host: str | None) -> bool:
    """Whether ``host`` names this machine and nothing else."""
    if not host:
        return False
    if host in LOOPBACK_NAMES or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # a port that is no number shows only when asked for
    except ValueError:
        raise ValueError("is not a URL") from None
    return parts


def read_public_url(url: str) -> str:
    """The URL of the pages as it is used; ValueError says what it must be."""
    parts = _parts(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be like https://news.example.org")
    if parts.query or parts.fragment or parts.username:
        raise ValueError("must be a bare address, without query, fragment or user")
    if not _PLAIN_URL.fullmatch(url):  # it stands in headers and in front of every token
        raise ValueError("has characters that no address of a page has")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must start with https:// (http:// is for loopback addresses only)")
    return url.rstrip("/")


def read_database_url(url: str) -> str:
    """The URL of a database, as psycopg and SQLAlchemy both read it."""
    if not url.startswith(DATABASE_SCHEMES):
        raise ValueError("must start with sqlite:/// or postgresql://")
    parts = _parts(url)
    if parts.scheme == "sqlite":
        return url
    # A password that is cut at its own @ or / would be taken for the host's name, and be printed.
    if url.count("@") > 1 or ("@" in url and "@" not in parts.netloc):
        raise ValueError("has a password with @, / or ?; write these as %40, %2F and %3F")
    if "password" in parse_qs(parts.query):
        raise ValueError("has its password behind the ?; write it as user:password@host")
    return "postgresql" + url[url.index("://") :]


def read_secret_key(key: SecretStr | None) -> SecretStr | None:
    """A key that is long enough to sign with."""
    if key is not None and len(key.get_secret_value().strip()) < KEY_LENGTH:
        raise ValueError(f"must have at least {KEY_LENGTH} characters; `digest init` writes one")
    return key


def read_networks(text: str) -> str:
    """Networks, separated by spaces."""
    for name in text.split():
        try:
            ipaddress.ip_network(name, strict=False)
        except ValueError:
            raise ValueError(f"has {name!r} in it, which is no network like 10.0.0.0/8") from None
    return text


def read_told_url(url: SecretStr) -> SecretStr:
    """A page that is told of something; empty: none is."""
    parts = urlsplit(url.get_secret_value())
    if url.get_secret_value() and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError("is no address like https://hooks.example.org/…")
    return url


def read_issuer(url: str) -> str:
    """The issuer of ID tokens, compared letter by letter (OpenID Connect Core §2); empty: none."""
    if not url:
        return url
    parts = _parts(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not _PLAIN_URL.fullmatch(url):
        raise ValueError("must be like https://accounts.example.org")
    if parts.query or parts.fragment or parts.username:
        raise ValueError("must be a bare address, without query, fragment or user")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must start with https:// (http:// is for loopback addresses only)")
    return url


def read_nameserver(text: str) -> str:
    """A name server's address, with or without a port; empty: those of this machine."""
    host, _, port = text.rpartition(":")
    alone = not (text.count(":") == 1 or host.endswith("]"))
    try:
        if text:
            ipaddress.ip_address((text if alone else host).strip("[]"))
            _ = int(port) if not alone else 0
    except ValueError:
        raise ValueError("is no address like 127.0.0.1 or 127.0.0.1:5353") from None
    return text


def absent_if_empty(value: object) -> object:
    """A name that is given without a value counts as not given."""
    return None if value == "" else value
