"""What of this machine could keep a send from working: keys, room, copies."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from digest.access.issuer import WELL_KNOWN
from digest.access.issuer_settings import issuer_of
from digest.delivery.dkim_keys import KeyFolder, KeyState
from digest.errors import DigestError, FetchError, SettingsError
from digest.net.dns import split_server
from digest.rules.doctor.checkup import Check, Light, Record
from digest.rules.doctor.signature import KeyUse, OwnKey
from digest.rules.relay import RelayConfig
from digest.settings import Settings

_FULL, _LITTLE = 100 << 20, 1 << 30  # bytes: a send needs some, and its log
_OLD = timedelta(days=2)
BACKUP_MARK = "latest.json"  # written by `digest db backup`, wherever its file went
_PATIENCE = 3.0  # seconds
# The setting that has a provider's webhook believed.
_HOOKS = {"ses": "ses_topic", "postmark": "postmark", "mailgun": "mailgun", "sendgrid": "sendgrid"}
_USES = {
    KeyState.ACTIVE: KeyUse.SIGNS,
    KeyState.NEXT: KeyUse.NEXT,
    KeyState.RETIRED: KeyUse.UNDER_WAY,
}


def examine_keys(folder: Path, *, now: datetime) -> tuple[list[Check], list[OwnKey]]:
    """The rows about the files of the keys, and the keys whose records are needed."""
    keys = KeyFolder(folder)
    checks: list[Check] = []
    owned: list[OwnKey] = []
    try:
        domains = keys.domains()
    except DigestError as error:
        return [Check("dkim-key", str(folder), Light.RED, error.message, error.fix)], []
    for domain in domains:
        try:
            found = keys.keys(domain)
        except DigestError as error:
            checks.append(Check("dkim-key", error.where, Light.RED, error.message, error.fix))
            continue
        owned += [
            OwnKey(domain, Record(key.name, "TXT", key.record), _USES[key.state])
            for key in found
            if key.remove_at is None or key.remove_at > now
        ]
        said = "only this user can read it"
        checks.append(Check("dkim-key", str(folder / domain), Light.GREEN, said))
    return checks, owned


def examine_room(paths: Iterable[Path]) -> list[Check]:
    """The rows about the disks ``paths`` lie on, or will lie on."""
    seen: dict[int, Check] = {}
    for path in paths:
        place = next(one for one in (path, *path.absolute().parents) if one.exists())
        free = shutil.disk_usage(place).free
        device = place.stat().st_dev
        light = Light.RED if free < _FULL else Light.YELLOW if free < _LITTLE else Light.GREEN
        fix = "" if light is Light.GREEN else "Make room: nothing is sent that cannot be recorded."
        seen.setdefault(device, Check("disk", str(place), light, f"{free >> 20:,} MB free", fix))
    return list(seen.values())


async def examine_inbound(settings: Settings, relays: Sequence[RelayConfig]) -> Check:
    """Whether something takes in what comes back."""
    inbound = settings.inbound
    if inbound.lmtp:
        return await _examine_lmtp(inbound.lmtp)
    if inbound.maildir is not None:
        if inbound.maildir.is_dir():
            return Check("inbound", str(inbound.maildir), Light.GREEN, "bounces come by Maildir")
        fix = "Have the mail server deliver there, or correct DIGEST_INBOUND__MAILDIR."
        return Check("inbound", str(inbound.maildir), Light.RED, "there is no such folder", fix)
    if inbound.imap.get_secret_value():
        return Check(
            "inbound", "IMAP", Light.GREEN, "a mailbox is set; --bounce shows that it works"
        )
    told_by = [name for name in _HOOKS if any(one.profile.name == name for one in relays)]
    unset = [name for name in told_by if not _secret(getattr(settings.hooks, _HOOKS[name]))]
    if unset:
        name = f"DIGEST_HOOKS__{_HOOKS[unset[0]].upper()}"
        found = f"what {unset[0]} tells of bounces is not believed: {name} is not set"
        fix = "Set it up, as docs/how-to/bounces.md says."
        return Check("inbound", unset[0], Light.YELLOW, found, fix)
    if told_by:
        found = f"bounces are told by the webhook of {' and '.join(told_by)}"
        return Check("inbound", "", Light.GREEN, found)
    found = "nothing takes bounces in, so addresses that are gone are mailed again and again"
    fix = "Set one of DIGEST_INBOUND__LMTP, __MAILDIR, __IMAP."
    return Check("inbound", "", Light.YELLOW, found, fix)


def _secret(value: SecretStr | str) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


async def _examine_lmtp(address: str) -> Check:
    """Whether our LMTP server greets (RFC 2033 §4: 220)."""
    unix = address.removeprefix("unix:")
    try:
        async with asyncio.timeout(_PATIENCE):
            if unix != address:
                reader, writer = await asyncio.open_unix_connection(unix)
            else:
                host, port = split_server(address)
                reader, writer = await asyncio.open_connection(host, port)
            greeting = await reader.readline()
            writer.close()
    except (OSError, TimeoutError, ValueError) as error:
        found = f"nothing listens there ({str(error) or 'no answer in time'})"
        return Check("inbound", address, Light.YELLOW, found, "Start it: digest run.")
    if greeting.startswith(b"220"):
        return Check("inbound", address, Light.GREEN, "LMTP answers")
    return Check("inbound", address, Light.RED, "what listens there is not LMTP", "Free the port.")


def examine_backups(state_dir: Path, *, now: datetime) -> Check:
    """How old the newest copy is: by the mark of `digest db backup`, or any file beside it in the
    folder ``backups`` of the state folder.
    """
    folder = state_dir / "backups"
    files = [one for one in folder.glob("*") if one.is_file()] if folder.is_dir() else []
    if not files:
        fix = "Make one every day: digest db backup FILE."
        return Check("backup", str(folder), Light.YELLOW, "no copy of the database is known", fix)
    newest = max(files, key=lambda one: one.stat().st_mtime)
    made_at = datetime.fromtimestamp(newest.stat().st_mtime, UTC)
    what = _marked(newest) or newest.name
    found = f"the newest copy is of {made_at:%Y-%m-%d %H:%M} UTC ({what})"
    if now - made_at > _OLD:
        fix = "Look why there is no newer one."
        return Check("backup", str(folder), Light.YELLOW, found, fix)
    return Check("backup", str(folder), Light.GREEN, found)


def _marked(mark: Path) -> str:
    """The file a mark is of; empty where this is no mark."""
    try:
        return str(json.loads(mark.read_bytes())["file"]) if mark.name == BACKUP_MARK else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


async def examine_issuer(settings: Settings, *, now: datetime) -> list[Check]:
    """Whether the provider of sign-ins is what the settings say; no row where there is none."""
    about = settings.oidc.issuer
    try:
        issuer = issuer_of(settings)
        if issuer is None:
            return []
        await issuer.metadata(now)
    except SettingsError as error:
        return [Check("oidc", error.where, Light.RED, error.message, error.fix)]
    except FetchError as error:
        fix = f"Open {about.rstrip('/')}{WELL_KNOWN} from this machine; see DIGEST_OIDC__ALLOW."
        return [Check("oidc", about, Light.RED, f"nobody can sign in by it: {error.message}", fix)]
    found = f"it answers; register {issuer.client.redirect_uri} there"
    return [Check("oidc", about, Light.GREEN, found)]
