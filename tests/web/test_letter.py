"""An issue's HTML as a page: colour schemes settled, landmarks added."""

from __future__ import annotations

import re

from digest.web.letter import as_page, in_scheme

HTML = (
    '<html><head><meta name="color-scheme" content="light dark">'
    "<style>:root{color-scheme: light dark;supported-color-schemes:light dark}"
    "@media (prefers-color-scheme: dark){p{color:#fff}}"
    "@media screen and ( prefers-color-scheme:LIGHT ){p{color:#000}}</style></head>"
    '<body lang="en"><p>light dark</p></body></html>'
)

# What a letter says of its colours, and where its rules for the dark count.
LIGHT, DARK = ("light", "(max-width: 0px)"), ("dark", "(min-width: 0px)")


def scheme_of(letter: str) -> tuple[str, str]:
    """The scheme a letter is shown in: LIGHT, DARK, or as the reader's system prefers."""
    said = re.search(r'<meta name="color-scheme" content="([^"]*)"', letter)
    rules = re.search(r"@media ([^{]*?)\s*\{\s*body\s*\{\s*background-color", letter)
    assert said is not None
    assert rules is not None
    return said[1], rules[1]


def test_a_scheme_settles_every_query_and_no_text() -> None:
    dark = in_scheme(HTML, "dark")
    assert "prefers-color-scheme" not in dark
    assert "@media (min-width: 0px){p{color:#fff}}" in dark
    assert "screen and (max-width: 0px){p{color:#000}}" in dark
    assert 'content="dark"' in dark
    assert "color-scheme: dark;supported-color-schemes:dark" in dark
    assert "<p>light dark</p>" in dark
    assert "@media (max-width: 0px){p{color:#fff}}" in in_scheme(HTML, "light")


def test_a_page_of_the_archive_has_its_bar_before_the_main_landmark() -> None:
    page = as_page(HTML, head="<style>x</style>", before="<nav>bar</nav>")
    assert '<style>x</style></head><body lang="en"><nav>bar</nav><main><p>' in page
    assert page.endswith("</p></main></body></html>")


def test_what_is_no_page_stays_as_it_is() -> None:
    assert as_page("<p>only this</p>", head="x", before="y") == "<p>only this</p>"
