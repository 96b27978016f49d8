"""What can be set of a newsletter, from what somebody said to the columns of its row.

Traits are named as on the command line (``return_path_domain``, ``send_latest``, …) and come as
text, numbers or lists of text; the page of its settings and ``digest newsletter set`` give the
same. Errors name the option, ``--send-latest``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, cast

from digest.delivery import looks
from digest.errors import InputError
from digest.mail.headers import clean_line
from digest.rules.automatic import parse_automatic
from digest.rules.schedule import parse_schedule
from digest.rules.slots import GRACE_MAX
from digest.store.newsletters import (
    Newsletter,
    NewsletterFields,
    return_path_of_domain,
    token_address,
)

__all__ = ["fields_of", "sender_fields"]

_LATEST_DAYS: Final = 60  # an older issue is no news to anybody
_MAILBOX: Final = re.compile(r"\s*(?P<name>[^<>]*?)\s*<(?P<address>[^<>]+)>\s*")
_COLUMNS: Final = frozenset(
    (
        *("name", "postal_address", "return_path", "list_id", "description"),
        *("language", "timezone", "schedule", "undo_window", "theme", "reply_to"),
    )
)


def fields_of(
    given: Mapping[str, Any], current: Newsletter | None = None, *, themes: Path | None = None
) -> NewsletterFields:
    """The columns that what is ``given`` sets; the look is laid over that of ``current``.

    ``themes`` is the folder of themes of one's own. Raises InputError for what cannot be.
    """
    fields: dict[str, Any] = {key: value for key, value in given.items() if key in _COLUMNS}
    if "sender" in given:
        fields |= sender_fields(given["sender"])
    if "return_path_domain" in given:
        fields["return_path"] = return_path_of_domain(given["return_path_domain"])
    if fields.get("schedule"):
        parse_schedule(fields["schedule"])
    settings: dict[str, Any] = {
        setting: read(given[trait])
        for trait, (setting, read) in _SETTINGS.items()
        if trait in given
    }
    settings |= _look(given, current, themes)
    if settings:
        fields["settings"] = settings
    return cast("NewsletterFields", fields)


def sender_fields(text: str) -> dict[str, str]:
    """``Name <address>`` or a bare address, which keeps the name that is there."""
    match = _MAILBOX.fullmatch(text)
    if match is None:
        return {"from_address": text}
    name = match["name"].strip('"').strip()
    return {"from_address": match["address"]} | ({"from_name": name} if name else {})


def _look(
    given: Mapping[str, Any], current: Newsletter | None, themes: Path | None
) -> dict[str, Any]:
    """Colours and words over those of the theme, checked together with it."""
    before = current.settings.get("theme", {}) if current else {}
    over = looks.laid_over(
        before,
        {
            "colours": looks.colours(given.get("colour", ()), option="--colour"),
            "dark": looks.colours(given.get("dark_colour", ()), option="--dark-colour"),
            "words": {"footer": looks.footer(given["footer"])} if "footer" in given else {},
        },
    )
    if "theme" in given or over != before:
        theme = given.get("theme") or (current.theme if current else looks.DEFAULT)
        looks.check_look(theme, over, themes=themes)
    return {"theme": over} if over != before else {}


def _as_it_is(value: Any) -> Any:
    return value


def _leave_by_mail(address: str) -> str | None:
    return token_address("--leave-by-mail", address) if address else None


def _grace(minutes: int) -> int:
    most = GRACE_MAX // timedelta(minutes=1)
    if not 0 <= minutes <= most:
        raise InputError(f"0 to {most} minutes are possible.", where="--grace")
    return minutes


def _days(days: int) -> int | None:
    if not 0 <= days <= _LATEST_DAYS:
        raise InputError(f"0 to {_LATEST_DAYS} days are possible.", where="--send-latest")
    return days or None


def _utm(text: str) -> dict[str, str] | None:
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if not all(key.strip() and value.strip() for key, _, value in pairs):
        raise InputError(
            "This cannot be read.", where="--utm", fix="Like 'source=weekly,medium=email'."
        )
    return {key.strip().removeprefix("utm_"): value.strip() for key, _, value in pairs} or None


def _headings(texts: Sequence[str]) -> list[str]:
    headings = [clean_line(text) for text in texts]
    if not all(headings):
        raise InputError(
            "A section has a heading.", where="--sections", fix="Leave out empty ones."
        )
    return headings


# trait → the setting it is kept as, and how it is read; None takes a setting away.
_SETTINGS: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "leave_by_mail": ("leave_mailto", _leave_by_mail),
    "logo": ("logo_url", lambda text: looks.logo_url(text) if text else None),
    "logo_size": ("logo_size", lambda text: looks.logo_size(text) if text else None),
    "automatic": ("automatic", lambda text: parse_automatic(text) if text else None),
    "grace": ("grace_minutes", _grace),
    "unready": ("unready", _as_it_is),
    "catch_up": ("catch_up", _as_it_is),
    "send_latest": ("send_latest", _days),
    "clicks": ("clicks", lambda word: word == "on" or None),
    "utm": ("utm", _utm),
    "sections": ("sections", _headings),
}
