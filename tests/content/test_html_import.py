"""A newsletter's HTML, or the mail it came in, keeps its words and links."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.content.html_import import import_eml, import_html
from digest.content.issue_file import parse_issue
from digest.content.issue_format import format_issue
from digest.errors import IssueFileError

LETTER = """<!DOCTYPE html><html><head><meta charset="utf-8"><title>The Anne Letter #12</title>
<style>p { color: red }</style><script>alert(1)</script></head><body>
<div style="display:none;max-height:0">A robot that counts &amp; more&#8203;&zwnj;&nbsp;</div>
<table role="presentation"><tr><td><p><a href="https://anne.example/view">View in browser</a></p>
<h1>The Anne Letter #12</h1>
<p>Hello &mdash; this week <b>two</b> things and <a href="https://anne.example/x?utm_source=n&a=1&utm_campaign=c">a
link</a>!</p>
<h2>Industry</h2>
<h3><a href="https://a.example/1?utm_medium=email">A first thing</a></h3>
<p><em>The Site</em></p>
<p>Text about {it} &lt;b&gt; *so* it is.<br>Second line.</p>
<table><tr><td><b><a
href="https://a.example/2">A second thing</a></b><br>Text of the second.</td></tr></table>
<h2>Code</h2>
<ul><li><a href="https://github.com/anne/counter">anne/counter</a>: counts</li>
<li><a href="javascript:alert(1)">bad link</a> stays words</li></ul>
<h3>Without a link</h3><p>What it says. <a href="https://a.example/3">Read more</a></p>
<p>You get this because you asked. <a href="https://anne.example/u/token">Unsubscribe</a></p>
<img src="https://track.example/p.gif" width="1" height="1">
</td></tr></table></body></html>"""

EXPECTED = """\
---
number: 12
title: The Anne Letter #12
preview: A robot that counts & more
---
Hello — this week two things and [a link](https://anne.example/x?a=1)!

## Industry
### [A first thing](https://a.example/1)
The Site

Text about \\{it} \\<b> \\*so\\* it is.

Second line.

### [A second thing](https://a.example/2)
Text of the second.

## Code
### [anne/counter](https://github.com/anne/counter)
: counts

- bad link stays words

### [Without a link](https://a.example/3)
What it says. [Read more](https://a.example/3)
"""


def mail(**parts: str) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = "The Anne Letter #12: Zoë’s robots"
    message["From"] = "Anne <anne@example.org>"
    message["Date"] = "Mon, 23 Nov 2026 09:00:00 +0100"
    if "text" in parts:
        message.set_content(parts["text"])
    if "html" in parts:
        message.add_alternative(parts["html"], subtype="html")
    return message


def test_a_page_becomes_sections_and_items_with_their_links() -> None:
    imported = import_html(LETTER.encode())
    assert imported.markdown == EXPECTED
    assert (imported.sections, imported.items, imported.missing_links) == (2, 4, ())


def test_scripts_trackers_and_personal_links_do_not_come_along() -> None:
    markdown = import_html(LETTER.encode()).markdown
    for word in ("script", "alert", "utm_", "token", "View in", "track.example", "color"):
        assert word not in markdown


def test_a_mail_is_read_from_its_html_part() -> None:
    imported = import_eml(mail(text="The plain part.", html=LETTER).as_bytes())
    issue = parse_issue(imported.markdown)
    assert issue.title == "The Anne Letter #12: Zoë’s robots"
    assert str(issue.date) == "2026-11-23"
    assert (imported.sections, imported.items) == (2, 4)


def test_a_mail_without_html_is_read_from_its_text() -> None:
    text = "NEWS\n\nA robot counts to ten\nIt took a day.\nhttps://a.example/robot\n"
    issue = parse_issue(import_eml(mail(text=text).as_bytes()).markdown)
    assert issue.title == "The Anne Letter #12: Zoë’s robots"
    assert [item.url for item in issue.sections[0].items] == ["https://a.example/robot"]


@pytest.mark.parametrize("charset", ["iso-8859-1", "windows-1252", "utf-8", "utf-16"])
def test_a_declared_encoding_is_understood(charset: str) -> None:
    page = f'<html><head><meta charset="{charset}"></head><body><p>Zoë</p></body></html>'
    assert "Zoë" in import_html(page.encode(charset)).markdown


def test_items_before_any_heading_get_a_placeholder_for_it() -> None:
    imported = import_html(b'<p><a href="https://a.example/1">A linked title</a></p><p>Text.</p>')
    assert (
        "## TODO section 1\n### [A linked title](https://a.example/1)\nText." in imported.markdown
    )


def test_an_item_without_any_link_is_listed() -> None:
    imported = import_html(b"<h2>News</h2><h3>No link</h3><p>Text.</p>")
    assert [imported.markdown.split("\n")[line - 1] for line in imported.missing_links] == [
        "### [No link](TODO)"
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"   ",
        b"<html><body></body></html>",
        b"<script>x</script>",
        "<p>Zo\u00eb</p>".encode("windows-1252"),
        b"x" * 5_000_001,
        b"<div>" * 20_000 + b"deep",
    ],
)
def test_what_is_no_newsletter_is_refused(data: bytes) -> None:
    with pytest.raises(IssueFileError) as caught:
        import_html(data, path="x.html")
    assert caught.value.where.startswith("x.html")
    assert caught.value.fix


@pytest.mark.parametrize("data", [b"", b"Subject: only\n\n", b"x" * 5_000_001])
def test_what_is_no_mail_is_refused(data: bytes) -> None:
    with pytest.raises(IssueFileError):
        import_eml(data, path="x.eml")


def test_entities_and_files_from_elsewhere_are_not_read() -> None:
    page = b"""<!DOCTYPE html [<!ENTITY x SYSTEM "file:///etc/passwd"><!ENTITY y "yyyyyyyy">]>
    <html><body><p>Text &x; &y; end</p><iframe src="file:///etc/passwd"></iframe></body></html>"""
    markdown = import_html(page).markdown
    assert "root:" not in markdown
    assert "yyyyyyyy end" not in markdown


def test_a_subject_cannot_smuggle_in_front_matter() -> None:
    subject = b"Subject: =?utf-8?q?Nice=0Alisted:_no=0D=0A---_{name|x}=00?=\n"
    message = subject + b"Content-Type: text/html\n\n<p>x</p>"
    issue = parse_issue(import_eml(message).markdown)
    assert (issue.listed, issue.title) == (True, "Nice listed: no --- { name|x}")


@pytest.mark.parametrize(
    "hostile",
    [
        b"<a href=https://a.example>" * 20_000,
        b"<b>" * 200 + b"x",
        b"<table><tr><td>" * 60 + b"x",
        b"<p>" + b"[" * 8_000,
        b"<p>x" * 4_000,
        b"&#xe000;&#x1b;x" * 5_000,
        b"<p style='" + b"display:" * 20_000 + b"'>x",
    ],
)
def test_hostile_pages_are_read_or_refused_without_hanging(hostile: bytes) -> None:
    try:
        imported = import_html(hostile)
    except IssueFileError:
        return
    assert parse_issue(imported.markdown).title


_PIECES = st.sampled_from(
    [
        "<p>",
        "</p>",
        "<h2>",
        "</h2>",
        "<h3>",
        "<li>",
        "<br>",
        "<b>",
        "</b>",
        "word",
        "!",
        "[x]",
        "(y)",
        "{",
        "&",
        "amp;",
        "<a href='https://a.example/(x) y'>",
        "<a href='javascript:x'>",
        "</a>",
        "1.",
        "-",
        ">",
        "#",
        "* ",
        "Abstract:",
        "TODO",
        "`",
        "_",
        "&lt;b&gt;",
        "&#xE000;",
        "<blockquote>",
        "\\",
        "&nbsp;",
        "](",
    ]
)


@settings(deadline=None)
@given(st.lists(_PIECES, max_size=25).map(" ".join) | st.lists(_PIECES, max_size=25).map("".join))
def test_any_page_with_words_gives_a_file_that_can_be_read(page: str) -> None:
    words = "words " + page
    imported = import_html(words.encode())
    assert format_issue(imported.markdown) == imported.markdown
