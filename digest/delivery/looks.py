"""How a newsletter's issues look, from options to settings: a logo, colours, a line of its own.

What is set is laid over the theme's own values and checked as a theme is: text that could not be
read on its ground is refused when it is set, not when an issue is added.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from digest.content.links import is_web, link_target
from digest.errors import InputError, NotFoundError, ThemeError
from digest.mail.headers import clean_line

DEFAULT = "default"
_URL_MAX = 2_000  # characters
_LOGO_MAX = 2_000  # pixels
_FOOTER_MAX = 300  # characters


def logo_url(text: str) -> str:
    """The URL of a picture on the web; InputError."""
    url = link_target(text)
    if url is None or not is_web(url) or len(url) > _URL_MAX:
        raise InputError(
            "A logo is a picture on the web.",
            where="--logo",
            fix="Write it like https://news.example.org/logo.png.",
        )
    return url


def logo_size(text: str) -> list[int]:
    """``120x40``: width and height in pixels as shown; InputError."""
    match = re.fullmatch(r"([1-9]\d{0,3})[x×]([1-9]\d{0,3})", text.strip())
    size = [int(number) for number in match.groups()] if match else []
    if not size or max(size) > _LOGO_MAX:
        raise InputError(
            f"{text!r} is no size of a logo.", where="--logo-size", fix="Write it like 120x40."
        )
    return size


def colours(pairs: Sequence[str], *, option: str) -> dict[str, str]:
    """``accent=#a8321a`` and so on, by name; InputError."""
    named = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if not name.strip() or not value.strip():
            raise InputError(
                f"{pair!r} is no name and colour.", where=option, fix="Like accent=#a8321a."
            )
        named[name.strip()] = value.strip().lower()
    return named


def footer(text: str) -> str:
    """One line for the footer; InputError where it is too long for one."""
    line = clean_line(text)
    if len(line) > _FOOTER_MAX:
        raise InputError(f"It has more than {_FOOTER_MAX} characters.", where="--footer")
    return line


def laid_over(
    current: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Values of a theme that were set before, with new ones over them, table by table."""
    tables = {table: dict(values) for table, values in current.items()}
    for table, values in new.items():
        if values:
            tables[table] = tables.get(table, {}) | dict(values)
    return tables


def check_look(
    theme: str, overrides: Mapping[str, Mapping[str, Any]], *, themes: Path | None
) -> None:
    """Raise InputError for a theme that is not there, and for values it cannot be shown with."""
    from digest.content.theme import load_theme

    try:
        plain = load_theme(theme, shelf=themes)
        _refuse_unknown(overrides.get("colours", {}), plain.colours, option="--colour")
        _refuse_unknown(overrides.get("dark", {}), plain.dark, option="--dark-colour")
        load_theme(theme, overrides=overrides, shelf=themes)
    except NotFoundError as error:
        raise InputError(error.message, where="--theme", fix=error.fix) from None
    except ThemeError as error:
        option = "--dark-colour" if error.message.startswith("dark.") else "--colour"
        raise InputError(error.message, where=option, fix=error.fix) from None


def _refuse_unknown(given: Mapping[str, str], known: Mapping[str, str], *, option: str) -> None:
    for name in given:
        if name not in known:
            raise InputError(
                f"The theme has no colour {name!r}.",
                where=option,
                fix=f"There are: {', '.join(known)}.",
            )
