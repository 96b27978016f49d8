"""Promises of reading a page: what it says of itself is found, and never believed too far."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from digest.collect.page import read_facts
from digest.collect.words import cut, moment, page_url, words
from digest.errors import InputError

URL = "https://example.org/2026/11/a-robot-that-counts.html?utm_source=rss&page=2"


def facts(head: str, *, url: str = URL, kind: str = "text/html; charset=utf-8"):
    return read_facts(f"<html><head>{head}</head></html>".encode(), url=url, content_type=kind)


def test_a_page_that_says_everything_is_taken_at_its_word() -> None:
    found = facts(
        '<title>A robot | Site</title><meta property="og:title" content="A robot that counts">'
        '<meta name=description content="It &amp; counts.">'
        '<meta property="og:site_name" content="The Site"><link rel=canonical href="/robot">'
        '<meta property="article:published_time" content="2026-11-20T09:00:00+01:00">'
        '<link rel=alternate type="application/rss+xml" href="/feed">'
    )
    assert (found.title, found.description) == ("A robot that counts", "It & counts.")
    assert (found.url, found.site) == ("https://example.org/robot", "The Site")
    assert found.published_at == datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert found.feeds == ("https://example.org/feed",)


def test_a_page_that_says_nothing_is_told_by_its_address() -> None:
    for found in (facts(""), read_facts(b"%PDF-1.7", url=URL, content_type="application/pdf")):
        assert (found.title, found.site) == ("a robot that counts", "example.org")
        assert found.url == "https://example.org/2026/11/a-robot-that-counts.html?page=2"
    assert facts("", url="https://www.example.org/").title == "example.org"


@pytest.mark.parametrize(
    "href",
    [
        *("https://evil.example/", "//evil.example/x", "javascript:alert(1)", "data:text/html,x"),
        *("https://example.org@evil.example/", "http://[", "https://u:p@example.org/", ""),
    ],
)
def test_a_page_cannot_give_itself_the_address_of_another_site(href: str) -> None:
    assert facts(f'<link rel=canonical href="{href}">', url="https://example.org/a").url == (
        "https://example.org/a"
    )


def test_a_mobile_page_may_name_the_page_it_is_the_small_form_of() -> None:
    head = '<link rel="canonical" href="https://www.example.org/a">'
    assert facts(head, url="https://m.example.org/a?m=1").url == "https://www.example.org/a"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("<title>Zürich</title>".encode(), "text/html"),
        ("<title>Zürich</title>".encode("latin-1"), "text/html; charset=iso-8859-1"),
        ("<title>Zürich</title>".encode("latin-1"), "text/html; charset=utf-8"),
        ("<title>Zürich</title>".encode("latin-1"), "text/html; charset=no-such"),
        ("\ufeff<title>Zürich</title>".encode("utf-16-le"), "text/html"),
        ("\ufeff<title>Zürich</title>".encode(), "text/html; charset=latin-1"),
        ("<meta charset=cp1250><title>Zürich</title>".encode("cp1250"), ""),
        ("<?xml version='1.0' encoding='utf-8'?><title>Zürich</title>".encode(), "text/html"),
    ],
)
def test_the_letters_of_a_page_are_read_whatever_it_says_of_them(body: bytes, kind: str) -> None:
    assert read_facts(body, url=URL, content_type=kind).title == "Zürich"


HOSTILE = (
    "<script>alert(1)</script>Words",
    "<img src=x onerror=alert(1)>Words",
    "<svg><script>alert(1)</script></svg>Words",
    "<style>*{}</style><b>Words</b>",
    "&lt;b&gt;Words&lt;/b&gt;",
    "W\x00o\x1b[31mr\u202eds\u200b",
    "<!--><script>alert(1)</script>-->Words",
)


@pytest.mark.parametrize("markup", HOSTILE)
def test_words_of_others_are_words_without_markup_or_controls(markup: str) -> None:
    found = words(markup)
    assert "alert" not in found or "<" not in found
    assert "script" not in found.lower()
    assert found.isprintable()
    assert "\u202e" not in found


def test_words_are_cut_at_a_word_and_never_todo() -> None:
    assert words("a" * 5_000_000, most=10) == "a" * 9 + "…"
    assert cut("one two three", 10) == "one two…"
    assert words("TODO: <p>one</p><p>two</p>") == "ToDo: one two"


@pytest.mark.parametrize(
    "url",
    [
        *("javascript:alert(1)", "ftp://example.org/", "mailto:anne@example.org", "", "x"),
        *("https://", "https:///x", "http://u:p@example.org/"),
        f"https://example.org/{'x' * 2_000}",
    ],
)
def test_what_is_no_page_is_no_link(url: str) -> None:
    with pytest.raises(InputError):
        page_url(url)


def test_dates_are_read_or_left_out() -> None:
    assert moment("2026-11-20") == datetime(2026, 11, 20, tzinfo=UTC)
    assert moment("2026-11-20T10:00:00Z") == datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert [moment(text) for text in ("", "yesterday", "9" * 50)] == [None] * 3


def test_a_page_of_a_million_elements_or_levels_is_read_all_the_same() -> None:
    deep = b"<title>Deep</title>" + b"<div>" * 100_000
    wide = b"<title>Wide</title>" + b"<meta name=a content=b>" * 50_000
    assert read_facts(deep, url=URL, content_type="text/html").title == "Deep"
    assert read_facts(wide, url=URL, content_type="text/html").title == "Wide"
