"""Every setting there is, what it means, and what holds where nothing is set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from digest.settings.groups import (
    ApiSettings,
    BackupSettings,
    CheckSettings,
    DkimSettings,
    DnsSettings,
    DoctorSettings,
    FetchSettings,
    HookSettings,
    InboundSettings,
    OidcSettings,
    SenderSettings,
    SignupSettings,
    WebhookSettings,
)
from digest.settings.values import (
    absent_if_empty,
    is_loopback,
    read_database_url,
    read_networks,
    read_public_url,
    read_secret_key,
    read_told_url,
)

PREFIX = "DIGEST_"


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

    database_url: Annotated[str, Field(repr=False), AfterValidator(read_database_url)] = (
        "sqlite:///digest.db"
    )
    """The database: `sqlite:///digest.db` (a file in the current folder), `sqlite:////var/lib/…` or
    `postgresql://user:password@host/name`."""
    relay_url: Annotated[str, Field(repr=False)] = ""
    """The SMTP server that takes our mail: `smtp://user:password@host:587?connections=8`; several
    are separated by spaces. Keys: tls (required, opportunistic, none), connections, per_connection,
    rate, per_hour, per_day, ramp, weight, timeout, profile, queues (no: it passes each message on
    while we wait, so large providers get only as many at once as they take), configuration_set (of
    Amazon SES), stream (of Postmark), and for `digest doctor`: addresses it delivers from,
    return_path (a provider's domain for bounces), selectors (of a provider's keys). Empty: nothing
    can be sent."""
    public_url: Annotated[str, AfterValidator(read_public_url)] = "http://127.0.0.1:8000"
    """Where readers reach the pages of this service. `http://` only on loopback addresses."""
    secret_key: Annotated[
        SecretStr | None, BeforeValidator(absent_if_empty), AfterValidator(read_secret_key)
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
    trusted_proxies: Annotated[str, AfterValidator(read_networks)] = ""
    """Networks of the proxies in front of us, separated by spaces, such as `127.0.0.1 10.0.0.0/8`:
    only what these say in X-Forwarded-For is believed. Without it, all who come through a proxy
    are one client to us, and share what one may do."""
    metrics_token: SecretStr = SecretStr("")
    """What Prometheus has to show at `/metrics` (`Authorization: Bearer …`); without it, that page
    does not exist."""
    alert_url: Annotated[SecretStr, AfterValidator(read_told_url)] = SecretStr("")
    """Where else to tell what operators and editors are mailed, since the relay may be what failed:
    a JSON object with `text`, `incident`, `newsletter` and `reason` is posted there. Into a private
    network only where `DIGEST_WEBHOOKS__ALLOW` opens it."""
    heartbeat_url: Annotated[SecretStr, AfterValidator(read_told_url)] = SecretStr("")
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
    oidc: OidcSettings = OidcSettings()

    @property
    def dkim_folder(self) -> Path:
        """The folder of the keys that sign mail."""
        return self.dkim.folder or self.state_dir / "dkim"

    @property
    def loopback_only(self) -> bool:
        """Whether readers' pages can be reached from this machine only."""
        return is_loopback(urlsplit(self.public_url).hostname)


def every_field() -> dict[str, FieldInfo]:
    """Every environment variable and its field, in the order of the class."""
    return dict(_walk(PREFIX, Settings.model_fields))


def _walk(prefix: str, fields: Mapping[str, FieldInfo]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _walk(f"{prefix}{name.upper()}__", field.annotation.model_fields)
        else:
            yield prefix + name.upper(), field


def one_line(text: str | None) -> str:
    """A description as one line, however it is wrapped in the code."""
    return " ".join((text or "").split())
