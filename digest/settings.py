"""Settings: read from the environment and from a ``.env`` in the current folder, checked once.

Every name starts with ``DIGEST_``; ``__`` leads into a group. The environment wins over the file.
``python -m digest.settings`` prints ``.env.example``, which is generated from the fields below.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSettingError

from digest.errors import SettingsError

if TYPE_CHECKING:
    from digest.mail.tokens import KeyRing

PREFIX = "DIGEST_"
ENV_FILE = ".env"
KEY_LENGTH = 32  # characters, as mail/tokens.py wants; `digest init` writes 43, with 256 bits
LOOPBACK_NAMES = frozenset({"localhost"})
DATABASE_SCHEMES = ("sqlite://", "postgresql://", "postgres://")
_PLAIN_URL = re.compile(r"[A-Za-z0-9:/._~%!$&()*+,;=@\[\]-]+")
_NAME_IN_FILE = re.compile(r"^\s*(?:export\s+)?(\w+)\s*=", re.MULTILINE)
# Names with our prefix that others read: the tests, and a command line that talks to a server.
OTHER_NAMES = frozenset(
    {"DIGEST_SERVER", "DIGEST_TOKEN", "DIGEST_MAILBOX_PASSWORD", "DIGEST_TEST_REQUIRE"}
)


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


def _database_url(url: str) -> str:
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


def _secret_key(key: SecretStr | None) -> SecretStr | None:
    if key is not None and len(key.get_secret_value().strip()) < KEY_LENGTH:
        raise ValueError(f"must have at least {KEY_LENGTH} characters; `digest init` writes one")
    return key


def _networks(text: str) -> str:
    for name in text.split():
        try:
            ipaddress.ip_network(name, strict=False)
        except ValueError:
            raise ValueError(f"has {name!r} in it, which is no network like 10.0.0.0/8") from None
    return text


def _told_url(url: SecretStr) -> SecretStr:
    parts = urlsplit(url.get_secret_value())
    if url.get_secret_value() and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError("is no address like https://hooks.example.org/…")
    return url


def _nameserver(text: str) -> str:
    host, _, port = text.rpartition(":")
    alone = not (text.count(":") == 1 or host.endswith("]"))
    try:
        if text:
            ipaddress.ip_address((text if alone else host).strip("[]"))
            _ = int(port) if not alone else 0
    except ValueError:
        raise ValueError("is no address like 127.0.0.1 or 127.0.0.1:5353") from None
    return text


def _absent_if_empty(value: object) -> object:
    return None if value == "" else value


class SenderSettings(BaseModel):
    """How the sending process works."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    unrecorded: Annotated[int, Field(ge=1, le=100_000)] = 500
    """Messages that may be sent before their outcomes are recorded: after a crash, at most so many
    (and those in flight) are sent a second time."""
    unrecorded_ms: Annotated[int, Field(ge=1, le=10_000)] = 200
    """Milliseconds of sending after which outcomes are recorded at the latest."""
    grace: Annotated[float, Field(ge=0, le=3600)] = 30.0
    """Seconds a stopped sender waits for the answers to messages it has handed over."""
    in_doubt: Literal["resend", "hold"] = "resend"
    """What happens to a message that a crashed sender may have handed over: it is sent again with
    the same Message-ID (resend), or waits for the operator (hold)."""


class DkimSettings(BaseModel):
    """Whether and with which keys our mail is signed."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    sign: Literal["auto", "always", "never"] = "auto"
    """Whether mail is signed (DKIM) where `digest dkim new` made a key for the domain of its From
    or one above: auto unless the relay signs itself (its profile says so), always, never."""
    folder: Path | None = None
    """Where the private keys lie, readable by this user only. Where nothing is set: the folder
    `dkim` inside the state folder."""


class SignupSettings(BaseModel):
    """How far the sign-up form is open."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    per_network: Annotated[int, Field(ge=1, le=100_000)] = 20
    """Confirmations an hour for sign-ups from one network (/24, or /56 of IPv6)."""
    per_domain: Annotated[int, Field(ge=1, le=100_000)] = 60
    """Confirmations an hour to one domain that is no large provider of mail."""
    total: Annotated[int, Field(ge=1, le=1_000_000)] = 2_000
    """Confirmations an hour altogether."""
    refuse_disposable: bool = True
    """Whether addresses that are made to be thrown away are refused."""


class ApiSettings(BaseModel):
    """What programs may do."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    per_minute: Annotated[int, Field(ge=1, le=100_000)] = 600
    """Calls of the API a minute, for each key."""


class FetchSettings(BaseModel):
    """Which pages of others are fetched."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    allow: Annotated[str, AfterValidator(_networks)] = ""
    """Networks beside the internet that pages may be fetched from, separated by spaces, such as
    `10.1.0.0/16`. Without it, no private or loopback address is ever asked, whoever names it."""


class CheckSettings(BaseModel):
    """What `digest issue check` asks beside the text."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    offline: bool = False
    """Whether the pages an issue links to are not asked, as with `--offline`."""
    spam: bool = True
    """Whether SpamAssassin is asked for its points, where it is installed."""


class WebhookSettings(BaseModel):
    """Whom we tell of what happens."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    allow: Annotated[str, AfterValidator(_networks)] = ""
    """Networks that webhooks may lead to beside the internet, separated by spaces, such as
    `10.1.0.0/16` of an intranet; with it, also without TLS. Without it, no private or loopback
    address is ever told anything."""


class InboundSettings(BaseModel):
    """Where bounces, complaints and answers come in; `digest run` listens and reads there."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    lmtp: str = ""
    """Where mail is taken from an MTA by LMTP: `127.0.0.1:2424` or `unix:/run/digest/lmtp`."""
    maildir: Path | None = None
    """A Maildir that an MTA delivers bounces to."""
    imap: SecretStr = SecretStr("")
    """A mailbox for bounces: `imaps://user:password@mail.example.org/INBOX`. Needs the extra
    `imap`."""


class HookSettings(BaseModel):
    """Providers whose webhooks are believed; any other gets a 404 at `/hooks/…`."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    ses_topic: str = ""
    """The ARN of the SNS topic that Amazon SES publishes to: `arn:aws:sns:eu-west-1:…:bounces`."""
    postmark: SecretStr = SecretStr("")
    """The `user:password` that Postmark sends (basic authentication, at `/hooks/postmark`)."""
    mailgun: SecretStr = SecretStr("")
    """Mailgun's HTTP webhook signing key."""
    sendgrid: str = ""
    """SendGrid's verification key of the signed event webhook (base64)."""
    generic: SecretStr = SecretStr("")
    """The key of webhooks in our own form, signed as docs/how-to/bounces.md says."""


class DnsSettings(BaseModel):
    """How the DNS is asked."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    nameserver: Annotated[str, AfterValidator(_nameserver)] = ""
    """The name server that is asked, like `127.0.0.1:5353`. Empty: those of this machine."""
    timeout: Annotated[float, Field(gt=0, le=60)] = 5.0
    """Seconds one question may take."""


class DoctorSettings(BaseModel):
    """What `digest doctor` makes of what it finds."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    ignore: str = ""
    """Codes of `digest doctor`, separated by spaces, whose reds are yellow: they neither keep an
    issue from going out nor fail the command. For whoever has looked, and knows better."""

    @property
    def ignored(self) -> frozenset[str]:
        """The codes as a set."""
        return frozenset(self.ignore.split())


class BackupSettings(BaseModel):
    """What opens the file of `digest db backup`."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    key_file: Annotated[Path | None, BeforeValidator(_absent_if_empty)] = None
    """A file of at least 32 random bytes that seals and opens backups, readable by this user only:
    `openssl rand -out backup.key 32`. Keep a copy of it apart from the backups."""
    passphrase_file: Annotated[Path | None, BeforeValidator(_absent_if_empty)] = None
    """A file with a passphrase on its first line instead, readable by this user only. With neither,
    the passphrase is asked for."""


class Settings(BaseSettings):
    """What an installation is told; nothing else is read from the environment."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    database_url: Annotated[str, Field(repr=False), AfterValidator(_database_url)] = (
        "sqlite:///digest.db"
    )
    """The database: `sqlite:///digest.db` (a file in the current folder), `sqlite:////var/lib/…` or
    `postgresql://user:password@host/name`."""
    relay_url: Annotated[str, Field(repr=False)] = ""
    """The SMTP server that takes our mail: `smtp://user:password@host:587?connections=8`; several
    are separated by spaces. Keys: tls (required, opportunistic, none), connections, per_connection,
    rate, per_hour, per_day, ramp, weight, timeout, profile, configuration_set (of Amazon SES),
    stream (of Postmark), and for `digest doctor`: addresses it delivers from, return_path (a
    provider's domain for bounces), selectors (of a provider's keys). Empty: nothing can be sent."""
    public_url: Annotated[str, AfterValidator(read_public_url)] = "http://127.0.0.1:8000"
    """Where readers reach the pages of this service. `http://` only on loopback addresses."""
    secret_key: Annotated[
        SecretStr | None, BeforeValidator(_absent_if_empty), AfterValidator(_secret_key)
    ] = None
    """Signs every link and address that comes back: at least 32 random characters; `digest init`
    writes 43. Keep it: with another key, the links in mail that is out do nothing."""
    old_secret_keys: SecretStr = SecretStr("")
    """Earlier keys whose signatures still count, separated by spaces."""
    state_dir: Path = Path(".digest")
    """A folder of this machine, for what must not be restored together with the database."""
    host: str = "127.0.0.1"
    """The address the web pages are served on."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 8000
    """The port the web pages are served on."""
    trusted_proxies: Annotated[str, AfterValidator(_networks)] = ""
    """Networks of the proxies in front of us, separated by spaces, such as `127.0.0.1 10.0.0.0/8`:
    only what these say in X-Forwarded-For is believed. Without it, all who come through a proxy
    are one client to us, and share what one may do."""
    metrics_token: SecretStr = SecretStr("")
    """What Prometheus has to show at `/metrics` (`Authorization: Bearer …`); without it, that page
    does not exist."""
    alert_url: Annotated[SecretStr, AfterValidator(_told_url)] = SecretStr("")
    """Where else to tell what operators and editors are mailed, since the relay may be what failed:
    a JSON object with `text`, `incident`, `newsletter` and `reason` is posted there. Into a private
    network only where `DIGEST_WEBHOOKS__ALLOW` opens it."""
    heartbeat_url: Annotated[SecretStr, AfterValidator(_told_url)] = SecretStr("")
    """What is asked for (GET) after each send slot that went as it should: a monitor that hears
    nothing in time can call you. Into a private network as with `DIGEST_ALERT_URL`."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important log line that is written."""
    log_format: Literal["auto", "text", "json"] = "auto"
    """Log lines for people (text) or machines (json); auto: text on a terminal, else json."""
    keep_days: Annotated[int, Field(ge=0)] = 400
    """Days (35 or more) after which rows of readers who got an issue become counts; 0: never.
    Whatever else became of a delivery is kept, and what came back of it."""
    themes: Path | None = None
    """A folder of your own themes: a newsletter with the theme `mine` looks as its folder `mine`
    says. See docs/themes.md."""
    sender: SenderSettings = SenderSettings()
    dkim: DkimSettings = DkimSettings()
    signup: SignupSettings = SignupSettings()
    inbound: InboundSettings = InboundSettings()
    hooks: HookSettings = HookSettings()
    api: ApiSettings = ApiSettings()
    fetch: FetchSettings = FetchSettings()
    check: CheckSettings = CheckSettings()
    webhooks: WebhookSettings = WebhookSettings()
    dns: DnsSettings = DnsSettings()
    doctor: DoctorSettings = DoctorSettings()
    backup: BackupSettings = BackupSettings()

    @property
    def dkim_folder(self) -> Path:
        """The folder of the keys that sign mail."""
        return self.dkim.folder or self.state_dir / "dkim"

    @property
    def loopback_only(self) -> bool:
        """Whether readers' pages can be reached from this machine only."""
        return is_loopback(urlsplit(self.public_url).hostname)


def load_settings(*, env_file: Path | str | None = ENV_FILE) -> Settings:
    """Read the environment and ``env_file`` (``None``: no file at all).

    Raises SettingsError that names the environment variable and says what to write.
    """
    _refuse_misspelt(_names_given(env_file))
    try:
        return Settings(_env_file=env_file)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise _explained(first) from None
    except UnreadableSettingError as error:
        raise SettingsError(str(error), where=PREFIX + "*", fix="Write it as text.") from None


def keyring(settings: Settings) -> KeyRing:
    """The keys that sign and verify tokens; SettingsError where no key is set."""
    from digest.mail.tokens import KeyRing

    if settings.secret_key is None:
        raise SettingsError(
            "No secret key is set.",
            where="DIGEST_SECRET_KEY",
            fix="Run `digest init`, which writes one to .env, or set the key of this database.",
        )
    old = settings.old_secret_keys.get_secret_value().split()
    return KeyRing(settings.secret_key.get_secret_value(), old)


def database_url_of(text: str) -> str:
    """The URL of another database, checked as ``DIGEST_DATABASE_URL`` is; SettingsError."""
    try:
        return _database_url(text)
    except ValueError as error:
        raise SettingsError(f"The URL {error}.", where="--to") from None


def _explained(error: ErrorDetails) -> SettingsError:
    name = PREFIX + "__".join(str(part) for part in error["loc"]).upper()
    reason = error["msg"].removeprefix("Value error, ")
    described = _fields().get(name)
    fix = f"Meaning: {_one_line(described.description)}" if described is not None else ""
    return SettingsError(f"{name} {_as_clause(reason)}.", where=name, fix=fix)


def _as_clause(reason: str) -> str:
    """Pydantic says "Input should be …"; after the variable's name that reads "should be …"."""
    return reason.removeprefix("Input ") if reason.startswith("Input ") else reason


def _names_given(env_file: Path | str | None) -> list[str]:
    names = [name.upper() for name in os.environ]
    if env_file is not None and Path(env_file).is_file():
        try:
            text = Path(env_file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise SettingsError(
                "The file cannot be read as UTF-8 text.",
                where=str(env_file),
                fix="Save it as UTF-8 and make it readable.",
            ) from None
        names += [name.upper() for name in _NAME_IN_FILE.findall(text)]
    return [name for name in names if name.startswith(PREFIX)]


def _refuse_misspelt(names: Iterable[str]) -> None:
    """A name that is nearly one of ours is a mistake, found out only on sending day otherwise."""
    known = list(_fields())
    for name in sorted(set(names) - set(known) - OTHER_NAMES):
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.9)
        if near:
            raise SettingsError(
                f"There is no setting {name}.", where=name, fix=f"Did you mean {near[0]}?"
            )


def _fields() -> dict[str, FieldInfo]:
    """Every environment variable and its field, in the order of the class."""
    return dict(_walk(PREFIX, Settings.model_fields))


def _walk(prefix: str, fields: Mapping[str, FieldInfo]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _walk(f"{prefix}{name.upper()}__", field.annotation.model_fields)
        else:
            yield prefix + name.upper(), field


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


_HEADER = """\
# Settings of digest. Copy to .env (mode 0600) and change, or let `digest init` write it.
# Every line shows the value that holds where nothing is set.
# Generated: python -m digest.settings > .env.example
"""


def env_example() -> str:
    """The text of ``.env.example``: every setting with its meaning and what it is without it."""
    blocks = [_HEADER]
    for name, field in _fields().items():
        meaning = textwrap.wrap(_one_line(field.description), 96, break_long_words=False)
        comment = "".join(f"# {line}\n" for line in meaning)
        blocks.append(f"{comment}#{name}={_written(field.default)}\n")
    return "\n".join(blocks)


def _written(default: object) -> str:
    if default is None:
        return ""
    return default.get_secret_value() if isinstance(default, SecretStr) else str(default)


if __name__ == "__main__":
    sys.stdout.write(env_example())
