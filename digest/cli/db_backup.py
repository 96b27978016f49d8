"""``digest db backup``, ``restore`` and ``verify``: an installation in one encrypted file."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from getpass import getpass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from digest.backup import make
from digest.backup import restore as back
from digest.backup.sealed import MINIMUM, Secret, opens_with_passphrase
from digest.cli import output
from digest.cli.connection import read_settings
from digest.cli.files import write_text
from digest.cli.options import Json
from digest.clock import Clock
from digest.errors import InputError, SettingsError
from digest.settings import ENV_FILE, Settings, keyring
from digest.settings.groups import BackupSettings
from digest.store.session import upgrade

_PRIVATE = 0o600
_SHORTEST = 12  # characters of a passphrase: scrypt makes a guess slow, not a short word long


async def backup(file: Path, /, *, as_json: Json = False) -> int:
    """Write the database, the key ring, the DKIM keys and all pictures into one encrypted file.

    The service may run and send meanwhile: the file holds the database as of one moment. It is
    sealed with DIGEST_BACKUP__KEY_FILE or DIGEST_BACKUP__PASSPHRASE_FILE; with neither, a
    passphrase is asked for. Look at it with `digest db verify`.

    Parameters
    ----------
    file
        Where to write it; no file of that name is there yet.
    """
    settings = read_settings()
    keyring(settings)  # a backup without its key would be none: links in mail that is out die
    secret = _new_secret(settings.backup)
    origin = make.Origin(settings.database_url, _keys(settings), settings.dkim_folder)
    now = Clock().now()
    with output.progress_bar("Backup", quiet=as_json) as bar:
        made = await asyncio.to_thread(
            make.make_backup, origin, file, secret, now=now, progress=bar
        )
    make.note_backup(settings.state_dir, file, now)
    data = {
        "file": file,
        "bytes": made.size,
        "made_at": now,
        "revision": made.revision,
        "rows": sum(made.rows.values()),
    }
    text = (
        f"{file}: {made.size:,} bytes, {data['rows']:,} rows. Look at it: digest db verify {file}"
    )
    output.result(data, as_json=as_json, text=text)
    return 0


async def restore(
    file: Path,
    /,
    *,
    replace: Annotated[
        bool, Parameter(help="Drop what is in the database, and the DKIM keys of these domains.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Put a backup back into the empty database of DIGEST_DATABASE_URL, of either kind.

    All of it or nothing. A key ring that is not set here is written to .env. A backup does not know
    what was sent since it was made: nothing is sent before `digest run --take-over`, which holds
    whatever may have been.

    Parameters
    ----------
    file
        The backup.
    """
    settings = read_settings()
    secret = _known_secret(settings.backup, file)
    set_here = _keys(settings) if settings.secret_key is not None else ()
    target = back.Target(settings.database_url, set_here, settings.dkim_folder)
    with output.progress_bar("Restore", quiet=as_json) as bar:
        found = await asyncio.to_thread(
            back.restore_backup, file, secret, target, replace=replace, progress=bar
        )
    await upgrade(settings.database_url)
    written = settings.secret_key is None
    if written:
        _write_keys(back.env_lines(found.keys))
    data = {**_contents(file, found), "key_written": written}
    lines = [f"{file}: {data['rows']:,} rows are back, as of {found.about.made_at}."]
    if written:
        lines.append(f"The secret key stands in {ENV_FILE} of this folder.")
    lines.append("Nothing is sent yet. Next: digest run --take-over")
    output.result(data, as_json=as_json, text="\n".join(lines))
    return 0


async def verify(file: Path, /, *, as_json: Json = False) -> int:
    """Read all of a backup and write nothing: is it whole, and what does it hold?

    Every piece is authenticated, every table counted and compared with its fingerprint.

    Parameters
    ----------
    file
        The backup.
    """
    settings = read_settings()
    secret = _known_secret(settings.backup, file)
    with output.progress_bar("Verify", quiet=as_json) as bar:
        found = await asyncio.to_thread(back.verify_backup, file, secret, progress=bar)
    data = _contents(file, found)
    tables = {name: count for name, count in found.rows.items() if count}
    made = f"Made {found.about.made_at} by digest {found.about.version}"
    lines = [
        f"{file}: whole. {made} (tables {found.about.revision}, from {found.about.dialect}).",
        f"DKIM keys: {', '.join(found.domains) or 'none'}.",
        *(f"{count:>12,}  {name}" for name, count in tables.items()),
    ]
    output.result(data, as_json=as_json, text="\n".join(lines))
    return 0


def _contents(file: Path, found: back.Contents) -> dict[str, object]:
    return {
        "file": file,
        "made_at": found.about.made_at,
        "version": found.about.version,
        "revision": found.about.revision,
        "rows": sum(found.rows.values()),
        "tables": found.rows,
        "dkim": list(found.domains),
    }


def _keys(settings: Settings) -> tuple[str, ...]:
    current = settings.secret_key.get_secret_value() if settings.secret_key else ""
    return (current, *settings.old_secret_keys.get_secret_value().split())


def _write_keys(lines: str) -> None:
    path = Path(ENV_FILE)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if before and not before.endswith("\n"):
        before += "\n"
    write_text(
        path, before + lines, mode=_PRIVATE
    )  # whoever could read it before: now a key is in it


# What seals and opens a file: never an argument, which everybody on the machine can read.


def _new_secret(settings: BackupSettings) -> Secret:
    secret = _set_secret(settings)
    if secret is not None:
        return secret
    text = _asked("Passphrase of the backup: ")
    if len(text) < _SHORTEST:
        raise InputError(f"A passphrase has at least {_SHORTEST} characters.", where="passphrase")
    if _asked("The same again: ") != text:
        raise InputError("These are two passphrases.", where="passphrase")
    return Secret.passphrase(text)


def _known_secret(settings: BackupSettings, file: Path) -> Secret:
    try:
        with file.open("rb") as head:
            by_passphrase = opens_with_passphrase(head, name=str(file))
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"The backup cannot be read: {reason}.", where=str(file)) from error
    if not by_passphrase and settings.key_file is None:
        raise SettingsError(
            "This backup opens with a key file.", where="DIGEST_BACKUP__KEY_FILE", fix="Set it."
        )
    chosen = (
        BackupSettings(passphrase_file=settings.passphrase_file)
        if by_passphrase
        else BackupSettings(key_file=settings.key_file)
    )
    return _set_secret(chosen) or Secret.passphrase(_asked("Passphrase of the backup: "))


def _set_secret(settings: BackupSettings) -> Secret | None:
    if settings.key_file is not None:
        content = _private_bytes(settings.key_file, "DIGEST_BACKUP__KEY_FILE")
        if len(content) < MINIMUM:
            raise SettingsError(
                f"The key file has fewer than {MINIMUM} bytes.",
                where=str(settings.key_file),
                fix=f"openssl rand -out {settings.key_file} {MINIMUM}",
            )
        return Secret.key(content)
    if settings.passphrase_file is not None:
        content = _private_bytes(settings.passphrase_file, "DIGEST_BACKUP__PASSPHRASE_FILE")
        text = content.partition(b"\n")[0].rstrip(b"\r").decode(errors="replace")
        if len(text) < _SHORTEST:
            raise SettingsError(
                f"A passphrase has at least {_SHORTEST} characters.",
                where=str(settings.passphrase_file),
            )
        return Secret.passphrase(text)
    return None


def _private_bytes(path: Path, setting: str) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(1 << 20)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError(f"{path} cannot be read: {reason}.", where=setting) from error
    if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(
            "Others on this machine may read it.", where=str(path), fix=f"chmod 600 {path}"
        )
    return content


def _asked(question: str) -> str:
    if not sys.stdin.isatty():
        raise SettingsError(
            "Nothing is set that seals and opens backups.",
            where="DIGEST_BACKUP__KEY_FILE",
            fix="openssl rand -out backup.key 32; chmod 600 backup.key; and set it to that file.",
        )
    return getpass(question)
