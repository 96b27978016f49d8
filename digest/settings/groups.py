"""Settings that belong together: ``DIGEST_GROUP__NAME``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from digest.settings.values import (
    absent_if_empty,
    read_issuer,
    read_nameserver,
    read_networks,
)


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

    allow: Annotated[str, AfterValidator(read_networks)] = ""
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

    allow: Annotated[str, AfterValidator(read_networks)] = ""
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

    nameserver: Annotated[str, AfterValidator(read_nameserver)] = ""
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

    key_file: Annotated[Path | None, BeforeValidator(absent_if_empty)] = None
    """A file of at least 32 random bytes that seals and opens backups, readable by this user only:
    `openssl rand -out backup.key 32`. Keep a copy of it apart from the backups."""
    passphrase_file: Annotated[Path | None, BeforeValidator(absent_if_empty)] = None
    """A file with a passphrase on its first line instead, readable by this user only. With neither,
    the passphrase is asked for."""


class OidcSettings(BaseModel):
    """Signing in at the desk by a provider of identities (OpenID Connect)."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    issuer: Annotated[str, AfterValidator(read_issuer)] = ""
    """The provider, exactly as it names itself: `https://accounts.google.com`. Its configuration is
    read from there (`/.well-known/openid-configuration`). Empty: people sign in by password only.
    Needs the extra `oidc`; see docs/how-to/sign-in-with-a-provider.md."""
    client_id: str = ""
    """The name it has given this installation."""
    client_secret: SecretStr = SecretStr("")
    """The secret it has given this installation."""
    client_secret_file: Annotated[Path | None, BeforeValidator(absent_if_empty)] = None
    """A file with that secret on its first line, instead of the setting."""
    label: str = ""
    """What people call the provider: the button says *Sign in with …*. Empty: its host."""
    scopes: str = "openid email profile"
    """What it is asked to tell of a person, separated by spaces."""
    verified_claim: str = "email_verified"
    """The claim that says that an address was proved to be theirs. Entra ID: `xms_edov`."""
    domains: str = ""
    """Domains, separated by spaces: whoever proves an address there comes in, as `role`, without
    having been added. Beside `role_claim`: nobody else does, whatever the claim says."""
    role: Literal["owner", "operator", "editor", "viewer"] = "viewer"
    """What somebody who comes in by `domains` may do at first."""
    role_claim: str = ""
    """The claim that names groups or roles, such as `groups` or `realm_access.roles`: whoever has
    one that `roles` names comes in without having been added, and has that role, at each sign-in.
    """
    roles: str = ""
    """What the groups of `role_claim` are here: `news-chiefs=owner news-desk=editor`. Of
    several the first counts, in the order owner, operator, editor, viewer."""
    passwords: bool = True
    """Whether passwords let people in, too. The links of `digest user reset` always do, once."""
    allow: Annotated[str, AfterValidator(read_networks)] = ""
    """Networks beside the internet where the provider may be, separated by spaces, such as
    `10.1.0.0/16`."""
