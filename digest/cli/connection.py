"""What a command that needs the installation starts with: settings, logs, database, key."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from digest.clock import Clock
from digest.logs import configure_logs
from digest.settings import ENV_FILE, Settings, keyring, load_settings
from digest.store.installation import ensure_installation, get_installation
from digest.store.noting import aside
from digest.store.session import Database

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Connection:
    """An installation as a command sees it."""

    settings: Settings
    db: Database
    clock: Clock


def read_settings() -> Settings:
    """The settings, with logs going where they say."""
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    _warn_of_open_file(Path(ENV_FILE))
    return settings


def _warn_of_open_file(path: Path) -> None:
    """The key in it can end anybody's subscription, and the relay's password can send mail."""
    with suppress(OSError):
        mode = path.stat().st_mode
        if stat.S_ISREG(mode) and mode & stat.S_IRWXO:
            log.warning("everybody on this machine can read the settings", fix=f"chmod 600 {path}")


@asynccontextmanager
async def connected() -> AsyncIterator[Connection]:
    """Open the database that the settings name.

    Raises SettingsError where the database was made with another secret key, DatabaseError where it
    cannot be used.
    """
    settings = read_settings()
    async with await Database.open(settings.database_url) as db:
        clock = Clock(await db.clock_offset())
        await _check_key(settings, db, clock)
        yield Connection(settings, db, clock)


async def _check_key(settings: Settings, db: Database, clock: Clock) -> None:
    """Every command refuses a foreign key; only the first one with a new key has to write."""
    if settings.secret_key is None:
        return
    keys = keyring(settings)
    async with db.read() as session:
        found = await get_installation(session)
    if found is not None and found.key_fingerprint == keys.fingerprint:
        return
    with aside():
        async with db.begin() as session:
            await ensure_installation(session, fingerprints=keys.fingerprints, now=clock.now())
