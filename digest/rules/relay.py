"""The relays we hand mail to: what ``DIGEST_RELAY_URL`` says, and what each kind of relay is like.

``smtp://user:password@host:587?tls=required&connections=8`` speaks TLS after STARTTLS (RFC 3207),
``smtps://`` from the first byte (RFC 8314 §3.3). The profiles say what a relay changes in a
message, whether its replies are the destination's, which headers it wants (our token in a tag of
its own, its tracking off), and how its own id is read from the final 250.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from digest.errors import SettingsError
from digest.mail.reply import Reply
from digest.rules.ramp import parse_ramp
from digest.settings import is_loopback

SETTING = "DIGEST_RELAY_URL"
SUBMISSION, SUBMISSIONS = 587, 465  # RFC 6409 §3.1, RFC 8314 §7.3
_EXAMPLE = "smtp://user:password@smtp.example.org:587?connections=8"


class Tls(StrEnum):
    """How much TLS a relay must offer before anything of ours is sent to it."""

    REQUIRED = "required"  # with a certificate that fits the name
    OPPORTUNISTIC = "opportunistic"  # where offered (RFC 7435); verified once a password is sent
    NONE = "none"


@dataclass(frozen=True, slots=True)
class RelayProfile:
    """What a kind of relay does with a message it takes."""

    name: str
    keeps_message_id: bool = True
    keeps_date: bool = True
    keeps_envelope_sender: bool = True
    answers_for_destination: bool = False  # else it only queues: a 250 says nothing of a reader
    signs_dkim: bool = True
    adds_unsubscribe: bool = False
    headers: tuple[tuple[str, str], ...] = ()  # of every message; values may hold {token}
    issue_headers: tuple[tuple[str, str], ...] = ()  # of issues besides, not of notices
    message_id: re.Pattern[str] | None = None  # its own id, group 1, in the final 250
    feedback: str = "bounce mail"

    def read_message_id(self, reply: Reply) -> str | None:
        """The relay's own id of a message it accepted, where it names one."""
        found = self.message_id.search(reply.text) if self.message_id else None
        return found.group(1)[:255] if found else None


_QUEUED_AS = re.compile(r"\bqueued as\W*([A-Za-z0-9._+=-]+)", re.IGNORECASE)

STREAM, CONFIGURATION_SET = "X-PM-Message-Stream", "X-SES-CONFIGURATION-SET"
# Blanks between the parts: a header field folds there. Every filter is on unless it is set to 0.
_SMTPAPI = (
    '{"unique_args": {"digest": "{token}"}, "filters": '
    '{"clicktrack": {"settings": {"enable": 0}}, '
    '"opentrack": {"settings": {"enable": 0}}, '
    '"subscriptiontrack": {"settings": {"enable": 0}}}}'
)

PROFILES: dict[str, RelayProfile] = {
    profile.name: profile
    for profile in (
        RelayProfile("generic", signs_dkim=False, message_id=_QUEUED_AS),
        RelayProfile("postfix", signs_dkim=False, message_id=_QUEUED_AS),
        RelayProfile(
            "ses",
            keeps_message_id=False,
            keeps_date=False,
            keeps_envelope_sender=False,
            headers=(("X-SES-MESSAGE-TAGS", "digest={token}"),),
            message_id=re.compile(r"\bOk:?\s+([0-9a-f-]{20,})", re.IGNORECASE),
            feedback="webhook ses",
        ),
        RelayProfile(
            "postmark",
            keeps_message_id=False,
            keeps_envelope_sender=False,
            headers=(
                ("X-PM-Metadata-digest", "{token}"),
                ("X-PM-TrackOpens", "false"),
                ("X-PM-TrackLinks", "None"),
                ("X-PM-KeepID", "true"),
            ),
            # Without it Postmark takes the stream for single mails, where notices belong.
            issue_headers=((STREAM, "broadcast"),),
            message_id=_QUEUED_AS,
            feedback="webhook postmark",
        ),
        RelayProfile(
            "mailgun",
            keeps_envelope_sender=False,
            headers=(
                ("X-Mailgun-Variables", '{"digest":"{token}"}'),
                ("X-Mailgun-Track", "no"),
                ("X-Mailgun-Track-Clicks", "no"),
                ("X-Mailgun-Track-Opens", "no"),
            ),
            feedback="webhook mailgun",
        ),
        RelayProfile(
            "sendgrid",
            keeps_envelope_sender=False,
            headers=(("X-SMTPAPI", _SMTPAPI),),
            message_id=_QUEUED_AS,
            feedback="webhook sendgrid",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """One relay. Its ``repr`` and ``name`` never hold the password."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    implicit_tls: bool = False
    tls: Tls = Tls.REQUIRED
    connections: int = 4
    per_connection: int = 1000  # messages, then a new connection
    rate: float | None = None  # messages a second
    per_hour: int | None = None
    per_day: int | None = None
    ramp: tuple[int, ...] = ()  # messages on each sending day of a warm-up
    weight: int = 1
    timeout: float | None = None  # seconds, of every phase; None: those of RFC 5321 §4.5.3.2
    addresses: tuple[str, ...] = ()  # it delivers from these; () where nobody said
    return_path: str | None = None  # the domain a provider puts into the envelope instead of ours
    selectors: tuple[str, ...] = ()  # of the DKIM keys a provider signs with
    profile: RelayProfile = PROFILES["generic"]

    @property
    def name(self) -> str:
        """``host:port``, what the database and the logs know it by."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_relays(text: str) -> tuple[RelayConfig, ...]:
    """Read ``DIGEST_RELAY_URL``: no, one or several URLs, separated by spaces.

    Raises SettingsError that names the key and says what to write; it never repeats the URL, which
    may hold a password.
    """
    relays = tuple(parse_relay(url) for url in text.split())
    names = [relay.name for relay in relays]
    if len(set(names)) != len(names):
        raise _wrong("The same host and port stand there twice.", "Name each relay once.")
    return relays


def no_relay() -> SettingsError:
    """What is said where a relay is needed and none is set."""
    return _wrong(
        "No relay is set, so nothing can be sent.",
        "Set it to smtp://user:password@smtp.example.org:587.",
    )


def parse_relay(url: str) -> RelayConfig:
    """Read one relay's URL; see ``parse_relays``."""
    parts = _split(url)
    implicit = parts.scheme == "smtps"
    options = _options(parts.query)
    tls = options.get("tls", Tls.REQUIRED)
    if implicit and tls is not Tls.REQUIRED:
        raise _wrong("smtps:// always speaks TLS.", "Leave the key tls away, or write smtp://.")
    host = (parts.hostname or "").lower()
    username = unquote(parts.username) if parts.username else None
    if username and tls is Tls.NONE and not is_loopback(host):
        raise _wrong(
            "A password would be sent in clear text.",
            "Leave the key tls away or write tls=required.",
        )
    options["profile"] = _with_names(
        options.get("profile", PROFILES["generic"]),
        configuration_set=options.pop("configuration_set", None),
        stream=options.pop("stream", None),
    )
    if not options.pop("queues", True):
        options["profile"] = replace(options["profile"], answers_for_destination=True)
    return RelayConfig(
        host=host,
        port=parts.port or (SUBMISSIONS if implicit else SUBMISSION),
        username=username,
        password=unquote(parts.password) if parts.password else None,
        implicit_tls=implicit,
        **options,
    )


def _with_names(
    profile: RelayProfile, *, configuration_set: str | None, stream: str | None
) -> RelayProfile:
    """A profile with the names somebody gave to things at their provider."""
    if configuration_set is not None:
        if profile.name != "ses":
            raise _wrong("Only Amazon SES has configuration sets.", "Write profile=ses beside it.")
        headers = ((CONFIGURATION_SET, configuration_set), *profile.headers)
        profile = replace(profile, headers=headers)
    if stream is not None:
        if profile.name != "postmark":
            raise _wrong("Only Postmark has streams.", "Write profile=postmark beside it.")
        profile = replace(profile, issue_headers=((STREAM, stream),))
    return profile


def _wrong(message: str, fix: str) -> SettingsError:
    return SettingsError(message, where=SETTING, fix=fix)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise _wrong("This is not a URL.", f"Write it like {_EXAMPLE}.") from None
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise _wrong(
            "A relay's URL starts with smtp:// or smtps:// and names a host.",
            f"Write it like {_EXAMPLE}.",
        )
    if parts.path not in ("", "/") or parts.fragment:
        raise _wrong("A relay's URL has no path.", f"Write it like {_EXAMPLE}.")
    if not _HOST.fullmatch(parts.hostname):
        raise _wrong("The host holds characters no host has.", f"Write it like {_EXAMPLE}.")
    for part in (unquote(parts.username or ""), unquote(parts.password or "")):
        if any(ord(character) < 32 or ord(character) == 127 for character in part):
            raise _wrong("User or password hold control characters.", "Check the percent signs.")
    return parts


_HOST = re.compile(r"[A-Za-z0-9._:-]{1,255}")


def _options(query: str) -> dict[str, Any]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise _wrong(
            "What follows ? is not key=value&key=value.", f"Write it like {_EXAMPLE}."
        ) from None
    options: dict[str, Any] = {}
    for key, value in pairs:
        reader = _READERS.get(key)
        if reader is None:
            raise _wrong(f"There is no key {key[:40]!r}.", f"Known are: {', '.join(_READERS)}.")
        if key in options:
            raise _wrong(f"The key {key} stands there twice.", "Write it once.")
        options[key] = reader(key, value)
    return options


def _whole(least: int, most: int) -> Callable[[str, str], int]:
    def read(key: str, value: str) -> int:
        if not value.isascii() or not value.isdigit() or not least <= int(value[:12]) <= most:
            raise _wrong(
                f"{key} is no whole number from {least} to {most}.", f"Write {key}={least}."
            )
        return int(value)

    return read


def _seconds(key: str, value: str) -> float:
    return _fraction(key, value, most=3600.0)


def _per_second(key: str, value: str) -> float:
    return _fraction(key, value, most=1_000_000.0)


def _fraction(key: str, value: str, *, most: float) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 < number <= most:
        raise _wrong(f"{key} is no number above 0 and up to {most:g}.", f"Write {key}=10.")
    return number


def _tls(key: str, value: str) -> Tls:
    try:
        return Tls(value)
    except ValueError:
        raise _wrong(f"{key} is one of {', '.join(Tls)}.", "Write tls=required.") from None


def _ramp(_key: str, value: str) -> tuple[int, ...]:
    return parse_ramp(value, where=SETTING)


def _yes(key: str, value: str) -> bool:
    if value not in ("yes", "no"):
        raise _wrong(f"{key} is yes or no.", f"Write {key}=yes.")
    return value == "yes"


def _profile(key: str, value: str) -> RelayProfile:
    if value not in PROFILES:
        raise _wrong(f"There is no {key} {value[:40]!r}.", f"Known are: {', '.join(PROFILES)}.")
    return PROFILES[value]


def _called(key: str, value: str) -> str:
    if not _CALLED.fullmatch(value):
        raise _wrong(
            f"{key} holds a character no such name has.",
            "It has up to 64 letters, digits, hyphens and underscores.",
        )
    return value


_CALLED = re.compile(r"[A-Za-z0-9_-]{1,64}")


def _addresses(key: str, value: str) -> tuple[str, ...]:
    try:
        return tuple(str(ipaddress.ip_address(one.strip("[] "))) for one in value.split(","))
    except ValueError:
        raise _wrong(f"{key} is a list of IP addresses.", f"Write {key}=192.0.2.25.") from None


def _domain_name(key: str, value: str) -> str:
    name = value.strip().rstrip(".").lower()
    if not _DNS_NAME.fullmatch(name) or "." not in name:
        raise _wrong(f"{key} is no domain.", f"Write {key}=bounces.news.example.org.")
    return name


def _selectors(key: str, value: str) -> tuple[str, ...]:
    names = tuple(one.strip().lower() for one in value.split(","))
    if not all(_DNS_NAME.fullmatch(name) for name in names):
        raise _wrong(f"{key} is a list of names before ._domainkey.", f"Write {key}=s1,s2.")
    return names


_DNS_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")

_READERS: dict[str, Callable[[str, str], Any]] = {
    "tls": _tls,
    "connections": _whole(1, 256),
    "per_connection": _whole(1, 1_000_000),
    "rate": _per_second,
    "per_hour": _whole(1, 1_000_000_000),
    "per_day": _whole(1, 1_000_000_000),
    "ramp": _ramp,
    "weight": _whole(1, 1000),
    "timeout": _seconds,
    "profile": _profile,
    "queues": _yes,
    "configuration_set": _called,
    "stream": _called,
    "addresses": _addresses,
    "return_path": _domain_name,
    "selectors": _selectors,
}
