"""The languages that pages and mails to readers speak: words, dates and numbers.

English stands in the templates. Every other language is a gettext catalogue beside them,
``templates/words/<language>.po``, read as its translator wrote it: nothing is compiled, and a new
file is a new language. Dates and plurals are Unicode's (CLDR), by Babel. RFC 5646 (names of
languages), RFC 9110 §12.5.4 (Accept-Language).
"""

from __future__ import annotations

from datetime import date
from functools import cache, lru_cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import Translations

from digest.resources import templates

SOURCE = "en"
_RIGHT_TO_LEFT = frozenset({"ar", "dv", "fa", "he", "iw", "ku", "ps", "sd", "ug", "ur", "yi"})
_LONGEST_HEADER = 200  # characters of an Accept-Language that are looked at


def phrase(text: str) -> str:
    """Mark ``text``, which stands in Python, as one that the catalogues translate."""
    return text


def catalogues() -> Path:
    """The folder of ``<language>.po``."""
    return templates() / "words"


@cache
def languages() -> tuple[str, ...]:
    """Those there are words for."""
    return tuple(sorted({SOURCE, *(path.stem for path in catalogues().glob("*.po"))}))


def spoken(*wished: str | None) -> str:
    """The first of ``wished`` (``de``, ``de-AT``) that there are words for, else English."""
    for one in wished:
        base = _base(one or "")
        if base in languages():
            return base
    return SOURCE


def accepted(header: str) -> tuple[str, ...]:
    """The languages of an Accept-Language, the most wanted first."""
    weighed: list[tuple[float, str]] = []
    for part in header[:_LONGEST_HEADER].split(","):
        tag, _, weight = part.partition(";")
        weighed.append((_weight(weight), tag.strip()))
    ordered = sorted(weighed, key=lambda one: -one[0])  # stable: as written where they weigh alike
    return tuple(tag for weight, tag in ordered if tag and weight > 0)


def _weight(text: str) -> float:
    name, _, value = text.strip().partition("=")
    if not name:
        return 1.0
    digits = value.replace(".", "", 1)
    return float(value) if name == "q" and digits.isascii() and digits.isdigit() else 0.0


def direction_of(language: str) -> str:
    """``rtl`` for languages written from right to left, else ``ltr``."""
    return "rtl" if _base(language) in _RIGHT_TO_LEFT else "ltr"


@cache
def catalogue(language: str) -> NullTranslations:
    """The words of ``language``; English where there are none."""
    path = catalogues() / f"{language}.po"
    if language not in languages() or not path.is_file():
        return NullTranslations()
    with path.open("rb") as file:
        read = read_po(file, locale=language)
    compiled = BytesIO()
    write_mo(compiled, read)
    compiled.seek(0)
    return Translations(compiled)


def say(language: str, text: str) -> str:
    """``text``, a message of the catalogues, in ``language``; as it is where it is none."""
    return catalogue(language).gettext(text) if text else ""


def day(when: date | None, language: str = SOURCE) -> str:
    """``26 November 2026``, ``26. November 2026``."""
    return format_date(when, "long", locale=_locale(language)) if when else ""


def number(value: float, language: str = SOURCE) -> str:
    """``1,234``, ``1.234``."""
    return format_decimal(value, locale=_locale(language))


def months(language: str) -> list[str]:
    """The twelve months as they stand within a date."""
    names = _locale(language).months["format"]["wide"]
    return [names[one] for one in range(1, 13)]


def own_name(language: str) -> str:
    """What its speakers call it: ``Deutsch``."""
    name = str(Locale.parse(language).display_name)
    return name[:1].upper() + name[1:]


@lru_cache(maxsize=32)
def _locale(language: str) -> Locale:
    # Day, month, year: what most of those write who read English.
    return Locale.parse("en_GB" if language == SOURCE else language)


def _base(language: str) -> str:
    return language.replace("_", "-").partition("-")[0].lower()
