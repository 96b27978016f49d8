"""Promises of the one door to MJML: nothing is reinterpreted, included or silently dropped."""

from __future__ import annotations

import html as markup
import re
from html.parser import HTMLParser
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mjml import mjml2html

from digest.content.mjml import to_html
from digest.errors import ThemeError

RESERVED = "\ue010\ue011\ue012"  # refused at the door, see below
CHARACTERS = st.characters(
    exclude_categories=["Cs", "Cc"], exclude_characters=f"\ufffe\uffff{RESERVED}"
) | st.sampled_from("\n\t\"\\'<>&")


def document(body: str, head: str = "") -> str:
    column = f"<mj-section><mj-column>{body}</mj-column></mj-section>"
    return f"<mjml><mj-head>{head}</mj-head><mj-body>{column}</mj-body></mjml>"


def attribute(value: str) -> str:
    return quoteattr(value, {"\n": "&#10;", "\t": "&#9;", "\r": "&#13;"})


class Images(HTMLParser):
    """The attributes of every img, as a browser reads them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            assert len(attrs) == len(dict(attrs)), "an attribute stands twice"
            self.found.append(dict(attrs))

    handle_startendtag = handle_starttag


@settings(deadline=None)
@given(st.text(CHARACTERS, max_size=30))
def test_an_attribute_says_the_same_after_mjml(value: str) -> None:
    written = f'<mj-text><img src="x.png" alt={attribute(value)}/></mj-text>'
    (image,) = Images(to_html(document(written), path="t")).found
    assert image == {"src": "x.png", "alt": value}


@settings(deadline=None)
@given(st.text(CHARACTERS, max_size=30))
def test_an_attribute_of_a_component_says_the_same_after_mjml(value: str) -> None:
    written = f'<mj-image src="x.png" alt={attribute(value)}/>'
    (image,) = Images(to_html(document(written), path="t")).found
    assert image["alt"] == value
    assert set(image) == {"src", "alt", "width", "height", "style"}


def test_without_the_door_a_quote_becomes_an_attribute() -> None:
    # The hole this module closes; when this fails, mjml-python closed it itself.
    hostile = document("<mj-image src='x.png' alt='a\" onload=\"alert(1)'/>")
    (open_door,) = Images(mjml2html(hostile, fonts={})).found
    (closed_door,) = Images(to_html(hostile, path="t")).found
    assert "onload" in open_door
    assert closed_door["alt"] == 'a" onload="alert(1)'
    assert "onload" not in closed_door


@settings(deadline=None)
@given(st.text(CHARACTERS, max_size=30))
def test_a_title_says_the_same_in_the_attribute_made_from_it(value: str) -> None:
    value = f"a{value}b"
    title = f"<mj-title>{escape(value)}</mj-title>"
    html = to_html(document("<mj-text>a</mj-text>", title), path="t")
    parser = _Articles()
    parser.feed(html)
    (article,) = parser.found
    assert set(article) <= {"aria-label", "aria-roledescription", "role", "lang", "dir", "style"}
    assert article["aria-label"] == re.sub(r"[ \t\n]+", " ", value)


class _Articles(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if dict(attrs).get("role") == "article":
            self.found.append(dict(attrs))


@settings(deadline=None)
@given(st.text(CHARACTERS, max_size=40))
def test_text_says_the_same_after_mjml(value: str) -> None:
    value = f"a{value}b"
    html = to_html(document(f"<mj-text><b>{escape(value)}</b></mj-text>"), path="t")
    parser = _Bold()
    parser.feed(html)
    assert parser.words == value


class _Bold(HTMLParser):
    words = ""
    inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = self.inside or tag == "b"

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "b"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.words += data


@pytest.mark.parametrize("character", RESERVED)
def test_a_character_that_stands_for_another_is_refused(character: str) -> None:
    with pytest.raises(ThemeError, match="private-use"):
        to_html(document(f"<mj-text>{character}</mj-text>"), path="t")


@pytest.mark.parametrize(
    "source",
    [
        document('<mj-include path="/etc/passwd"/>'),
        document('<mj-text><mj-include path="file:///etc/passwd"/></mj-text>'),
        '<mjml><mj-body><mj-include path="http://127.0.0.1/x" type="html"/></mj-body></mjml>',
        document("<mj-text><script>alert(1)</script></mj-text>"),
        '<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        + document("<mj-text>&x;</mj-text>"),
    ],
    ids=["include", "include in text", "http include", "script", "external entity"],
)
def test_nothing_is_taken_in_from_elsewhere(source: str) -> None:
    with pytest.raises(ThemeError) as error:
        to_html(source, path="t")
    assert "root:" not in str(error.value)


@pytest.mark.parametrize("entity", ["&#92;", "&#x5c;", "&#x005C;", "&#127;", "&#x7F;", "&#34;"])
def test_an_entity_in_an_attribute_is_its_character(entity: str) -> None:
    written = f'<mj-image src="x.png" alt="a{entity}b"/>'
    (image,) = Images(to_html(document(written), path="t")).found
    assert image["alt"] == f"a{markup.unescape(entity)}b"
    assert set(image) == {"src", "alt", "width", "height", "style"}


def test_no_fonts_are_loaded() -> None:
    html = to_html(document('<mj-text font-family="Roboto, Lato">a</mj-text>'), path="t")
    assert "fonts.googleapis" not in html
    assert "@import" not in html


def test_a_stylesheet_keeps_its_signs() -> None:
    html = to_html(
        document("<mj-text>a</mj-text>", "<mj-style>a &gt; b {color:red}</mj-style>"), path="t"
    )
    assert "a > b {color:red}" in html


INLINE = (
    '<mj-style inline="inline">.note &gt; b {color: #123456} .box {background-color: #abcdef}'
    ".late {margin: 9px}</mj-style>"
)


def test_inline_styles_are_written_into_their_tags() -> None:
    body = (
        '<mj-text css-class="box"><p class="note">a <b>b</b></p>'
        '<p class="late" style="margin:1px">\ue0000\ue001 \ue0021\ue003</p></mj-text>'
    )
    html = to_html(document(body, INLINE), path="t")
    assert re.search(r'<b style="color: ?#123456;?">b</b>', html)
    assert re.search(r'<td[^>]*class="box"[^>]*background-color: ?#abcdef', html)
    assert "<mj-style" not in html
    assert "<style>.note" not in html
    # What a tag says itself wins, and the marks of slots and sections stay where they were.
    assert re.search(r'<p class="late" style="[^"]*margin: ?1px', html)
    assert "9px" not in html
    assert "\ue0000\ue001 \ue0021\ue003" in html


def test_inlining_loads_nothing_and_keeps_what_outlook_reads() -> None:
    remote = '<mj-style inline="inline">@import url(file:///etc/passwd); b {color: red}</mj-style>'
    body = "<mj-text><b>a</b></mj-text>"
    html = to_html(document(body, remote), path="t")
    assert "root:" not in html
    plain = to_html(document(body), path="t")
    assert html.count("<!--[if mso") == plain.count("<!--[if mso") > 0
    assert html.startswith("<!")


def test_the_preview_line_is_hidden_and_in_no_white_letters() -> None:
    html = to_html(document("<mj-text>a</mj-text>", "<mj-preview>unseen</mj-preview>"), path="t")
    (style,) = re.findall(r'<div style="([^"]*)">unseen', html)
    assert style.startswith("display:none")
    assert "color" not in style


def test_a_filled_in_document_that_is_broken_is_named_with_line_and_column() -> None:
    with pytest.raises(ThemeError) as error:
        to_html("<mjml>\n<mj-body>\n</mjml>", path="mine")
    assert re.fullmatch(r"mine:\d+:\d+", error.value.where)
