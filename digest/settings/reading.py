"""Reading settings: once, from the environment and from a ``.env`` in the current folder."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError as UnreadableSettingError

from digest.errors import SettingsError
from digest.settings.fields import PREFIX, Settings, every_field, one_line
from digest.settings.values import read_database_url

if TYPE_CHECKING:
    from digest.mail.tokens import KeyRing

ENV_FILE = ".env"
_NAME_IN_FILE = re.compile(r"^\s*(?:export\s+)?(\w+)\s*=", re.MULTILINE)
# Names with our prefix that others read: the tests, and a command line that talks to a server.
OTHER_NAMES = frozenset(
    {"DIGEST_SERVER", "DIGEST_TOKEN", "DIGEST_MAILBOX_PASSWORD", "DIGEST_TEST_REQUIRE"}
)


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
        return read_database_url(text)
    except ValueError as error:
        raise SettingsError(f"The URL {error}.", where="--to") from None


def _explained(error: ErrorDetails) -> SettingsError:
    name = PREFIX + "__".join(str(part) for part in error["loc"]).upper()
    reason = error["msg"].removeprefix("Value error, ")
    described = every_field().get(name)
    fix = f"Meaning: {one_line(described.description)}" if described is not None else ""
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
    known = list(every_field())
    for name in sorted(set(names) - set(known) - OTHER_NAMES):
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.9)
        if near:
            raise SettingsError(
                f"There is no setting {name}.", where=name, fix=f"Did you mean {near[0]}?"
            )
