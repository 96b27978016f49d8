"""Which language is spoken, and that it is spoken whole: words, dates, plurals, direction."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from digest.languages import (
    SOURCE,
    accepted,
    catalogue,
    day,
    direction_of,
    languages,
    number,
    own_name,
    say,
    spoken,
)

WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("", ()),
        ("de", ("de",)),
        ("de-AT, en;q=0.8, fr;q=0.9", ("de-AT", "fr", "en")),
        ("en;q=0, es", ("es",)),
        ("fr;q=nonsense, ar;q=1", ("ar",)),
        (";;,,=,q", ("=", "q")),
        ("*", ("*",)),
    ],
)
def test_a_browser_is_heard_in_the_order_it_wishes(header: str, wanted: tuple[str, ...]) -> None:
    assert accepted(header) == wanted


def test_the_first_wish_that_can_be_met_is() -> None:
    assert spoken("nl", None, "de-AT", "fr") == "de"
    assert spoken("FR_ca") == "fr"
    assert spoken("xx", "../../etc", "") == SOURCE


def test_a_language_says_which_way_it_is_written() -> None:
    assert direction_of("he") == direction_of("AR-eg") == "rtl"
    assert direction_of("en") == direction_of("de-AT") == "ltr"


def test_dates_numbers_and_plurals_are_those_of_the_language() -> None:
    assert day(WHEN) == "1 March 2026"
    assert day(WHEN, "de") == "1. März 2026"
    assert day(WHEN, "fr") == "1 mars 2026"
    assert day(WHEN, "es") == "1 de marzo de 2026"
    assert day(WHEN, "ar") == "1 مارس 2026"
    assert (number(1234), number(1234, "de")) == ("1,234", "1.234")
    forms = {catalogue("ar").ngettext("%(num)s week", "%(num)s weeks", n) for n in range(120)}
    assert len(forms) == 6


def test_every_language_has_a_name_that_its_speakers_know() -> None:
    assert [own_name(one) for one in languages()] == [
        *("العربية", "Deutsch", "English", "Español", "Français"),
    ]


def test_words_that_are_no_message_stay_as_they_are() -> None:
    assert say("de", "Werbung") == "Werbung"
    assert say("de", "") == ""
    assert say("xx", "Save") == "Save"
