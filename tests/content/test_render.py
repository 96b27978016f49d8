"""Promises of a rendered issue: whole, readable by everybody, and obedient to nobody's markup."""

from __future__ import annotations

import dataclasses
import html as markup
import itertools
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest import resources
from digest.content.issue import Figure, Fragment, Issue, ItemKind
from digest.content.issue_file import parse_issue
from digest.content.media import Media, image_sources, read_media
from digest.content.render import Rendered, render_issue
from digest.content.theme import Masthead, load_theme
from digest.errors import IssueFileError
from digest.mail.message import Letterhead, Recipient, Slot, compile_message
from tests.content.markup import Page, outlook, without_sections

EXAMPLE = resources.examples() / "quiet-machines-12.md"
MASTHEAD = Masthead(
    name="A Weekly",
    from_name="Anne",
    postal_address="A Weekly\n1 Example Street",
    public_url="https://news.example.org",
    home_url="https://news.example.org/weekly",
    issue_url="https://news.example.org/weekly/182",
)
UTM = {"source": "weekly", "medium": "email"}
TEXT = """---
number: 182
title: A Weekly, Issue #182
preview: Two things to read
---
Hey {name|folks},

an [opening link](https://example.org/opening).

## Industry
A word before.

### [One](https://example.org/one)
*The Site · 4 min*

The blurb & a [second](https://example.org/two?a=1&b=2).

### [Rented](https://sponsor.example/x) {sponsor}
With a [link](https://sponsor.example/y).

## Papers
### [Three](https://arxiv.org/abs/2101.05783)
> Abstract: quoted source.

### [Four](https://github.com/naver-ai/relabel)
Code.

---
Bye {name|friend}, see [the archive](https://news.example.org/archive).
"""


def pictures(issue: Issue, folder: Path) -> dict[str, Media]:
    return {
        source: read_media((folder / source).read_bytes(), path=source)
        for source, _ in image_sources(issue)
    }


def rendered(text: str = TEXT, utm: dict[str, str] | None = None) -> Rendered:
    return render_issue(parse_issue(text), MASTHEAD, load_theme(), utm=utm)


@pytest.fixture(scope="module")
def example() -> Rendered:
    issue = parse_issue(EXAMPLE.read_text("utf-8"))
    return render_issue(
        issue, MASTHEAD, load_theme(), media=pictures(issue, EXAMPLE.parent), utm=UTM
    )


# ── for every reader ────────────────────────────────────────────────────────────────────────────


def test_dark_and_light_are_declared(example: Rendered) -> None:
    metas = {m.get("name"): m.get("content") for m in Page(example.html).attributes("meta")}
    assert metas["color-scheme"] == "light dark"
    assert metas["supported-color-schemes"] == "light dark"
    assert "prefers-color-scheme:dark" in example.html
    assert "[data-ogsc]" in example.html


def test_language_and_direction_stand_on_page_body_and_article(example: Rendered) -> None:
    page = Page(example.html)
    (article,) = [a for _, a in page.tags if a.get("role") == "article"]
    for attributes in (page.attributes("html")[0], page.attributes("body")[0], article):
        assert (attributes["lang"], attributes["dir"]) == ("en", "ltr")
    assert article["aria-roledescription"] == "email"
    assert article["aria-label"]


def test_text_from_the_right_is_set_from_the_right() -> None:
    masthead = dataclasses.replace(MASTHEAD, language="ar", direction="rtl")
    html = render_issue(parse_issue(TEXT), masthead, load_theme()).html
    assert 'lang="ar" dir="rtl"' in html
    assert "border-left" not in html
    assert "border-right" in html
    page = Page(html)
    assert {cell.get("align") for cell in page.attributes("td")} <= {"right", None}
    assert "direction:ltr" not in html


def test_every_table_is_layout_and_every_picture_described(example: Rendered) -> None:
    page = Page(outlook(example.html))
    assert all(table.get("role") == "presentation" for table in page.attributes("table"))
    assert all("alt" in image for image in page.attributes("img"))
    assert any(str(image["alt"]).startswith("Timeline") for image in page.attributes("img"))


def test_headings_are_in_order_below_one_title(example: Rendered) -> None:
    levels = [int(tag[1]) for tag, _ in Page(example.html).tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_no_text_is_smaller_than_14_pixels(example: Rendered) -> None:
    body = example.html[example.html.index('role="article"') :]
    sizes = {int(size) for size in re.findall(r"font-size:(\d+)px", body)}
    assert min(sizes - {0, 1}) >= 14  # what is 1 px high is the line of a rule


def test_figures_have_a_size_and_fit_the_column(example: Rendered) -> None:
    (figure,) = [i for i in Page(example.html).attributes("img") if "Timeline" in str(i["alt"])]
    assert int(str(figure["width"])) <= load_theme().text_width
    assert int(str(figure["height"])) > 0
    assert str(figure["src"]).startswith("https://news.example.org/media/")
    assert "height:auto" in str(figure["style"])


def test_a_long_issue_has_a_table_of_contents(example: Rendered) -> None:
    words = Page(example.html).text
    assert all(f"{heading} " in words for heading in example.sections)
    assert words.index("In this issue") < words.index(example.sections[-1])
    assert "In this issue" not in Page(rendered().html).text


def test_contents_lead_to_the_sections_on_the_web_only(example: Rendered) -> None:
    # Tapped in the apps of Gmail, Outlook and Yahoo, a jump within the mail does nothing.
    page = Page(example.web_html)
    targets = {a["id"] for _, a in page.tags if "id" in a}
    jumps = [link[1:] for link in page.links if link.startswith("#")]
    assert len(jumps) == len(example.sections)
    assert set(jumps) <= targets
    assert not [link for link in Page(example.html).links if link.startswith("#")]


def test_the_example_is_lean(example: Rendered) -> None:
    assert len(example.html.encode()) < 60_000


def test_nothing_is_loaded_but_pictures(example: Rendered) -> None:
    page = Page(example.html)
    assert not {"script", "link", "iframe", "form", "video"} & {tag for tag, _ in page.tags}
    assert "@import" not in example.html
    assert "@font-face" not in example.html


def test_the_preview_line_comes_first_and_is_filled_up(example: Rendered) -> None:
    text = "".join(Page(example.html).words).lstrip()
    assert text.startswith(example.preview)
    padding = text[len(example.preview) : 150]
    assert set(padding) <= {"\u034f", "\u00a0"}


def test_the_footer_says_why_who_and_how_to_leave() -> None:
    result = rendered()
    text = Page(result.html).text
    for words in (
        "Forwarded to you? Subscribe",
        "You get this because you subscribed to A Weekly.",
        "1 Example Street",
        "Preferences",
        "Unsubscribe",
    ):
        assert words in text
        assert words.split("?")[0] in result.plain


def test_a_sponsor_is_labelled_in_both_forms() -> None:
    result = rendered()
    assert re.search(r">Sponsor</p>", result.html)
    assert "[Sponsor] Rented" in result.plain


def test_kinds_are_told_apart_where_a_section_mixes_them() -> None:
    text = Page(rendered().html).text
    assert "Repository" in text
    assert "Paper" in text


def test_a_placeholder_is_shown_but_leads_nowhere() -> None:
    text = TEXT.replace("https://example.org/one", "TODO")
    result = rendered(text)
    assert "One" in Page(result.html).text
    assert "TODO" not in "".join(Page(result.html).links)


def test_a_picture_that_was_not_handed_over_is_named_with_its_place() -> None:
    text = TEXT.replace("*The Site · 4 min*", "![Alt](img/none.png)")
    with pytest.raises(IssueFileError) as error:
        render_issue(parse_issue(text, path="x.md"), MASTHEAD, load_theme())
    assert error.value.where.startswith("x.md:14:")


# ── links and the archive ───────────────────────────────────────────────────────────────────────


def test_utm_parameters_go_to_readers_but_not_to_sponsors_own_pages_or_the_archive() -> None:
    result = rendered(utm=UTM)
    links = Page(result.html).links
    assert "https://example.org/one?utm_source=weekly&utm_medium=email" in links
    assert "https://example.org/two?a=1&b=2&utm_source=weekly&utm_medium=email" in links
    assert "https://sponsor.example/x" in links
    assert "https://sponsor.example/y" in links
    assert "https://news.example.org/archive" in links
    assert "utm_" not in result.web_html
    assert "https://example.org/two?a=1&b=2" in Page(result.web_html).links


def test_an_issue_can_do_without_utm_parameters() -> None:
    text = TEXT.replace("preview:", "utm: no\npreview:")
    assert "utm_" not in rendered(text, utm=UTM).html


def test_links_are_listed_with_their_section_and_sponsor() -> None:
    links = {link.url: link for link in rendered(utm=UTM).links}
    assert links["https://example.org/opening"].section == 0
    assert links["https://example.org/one"].title == "One"
    assert links["https://example.org/one"].section == 1
    assert links["https://sponsor.example/y"].sponsor
    assert not links["https://arxiv.org/abs/2101.05783"].sponsor
    assert links["https://arxiv.org/abs/2101.05783"].section == 2


def test_the_archive_knows_no_reader(example: Rendered) -> None:
    for result in (rendered(), example):
        assert not re.search("[\ue000-\uf8ff]", result.web_html)
        assert "/u/" not in result.web_html
        assert "/p/" not in result.web_html
        assert "Unsubscribe" not in result.web_html
        assert Page(result.web_html).balanced
    assert "Hey folks," in Page(rendered().web_html).text
    assert "Bye friend," in Page(rendered().web_html).text


# ── slots and sections ──────────────────────────────────────────────────────────────────────────


def test_personal_values_stand_in_slots() -> None:
    result = rendered()
    assert set(result.slots) == {
        Slot("name", "folks"),
        Slot("name", "friend"),
        Slot("leave"),
        Slot("preferences"),
    }
    for form in (result.html, result.plain):
        used = {result.slots[int(number)] for number in re.findall("\ue000([0-9]+)\ue001", form)}
        assert used == set(result.slots)
        leave = result.slots.index(Slot("leave"))
        assert f"https://news.example.org/u/\ue000{leave}\ue001" in form


def test_both_forms_mark_the_same_sections(example: Rendered) -> None:
    for form in (example.html, example.plain):
        marks = {int(number) for number in re.findall("\ue002([0-9]+)\ue003", form)}
        assert marks == set(range(len(example.sections) + 1))


def test_any_sections_can_be_cut_out_and_the_page_stays_whole(example: Rendered) -> None:
    numbers = range(1, len(example.sections) + 1)
    for count in range(len(example.sections) + 1):
        for muted in itertools.combinations(numbers, count):
            html = without_sections(example.html, set(muted))
            page = Page(html)
            assert page.balanced, muted
            assert Page(outlook(html)).balanced, muted
            for number, heading in enumerate(example.sections, 1):
                expected = 0 if number in muted else 2  # in the contents and above its items
                assert page.text.count(heading) >= expected, (muted, heading)
                assert (heading in page.text) is (number not in muted)


def test_a_muted_section_takes_its_links_along(example: Rendered) -> None:
    for number, heading in enumerate(example.sections, 1):
        plain = without_sections(example.plain, {number})
        html = without_sections(example.html, {number})
        assert heading not in plain
        gone = {link.url for link in example.links if link.section == number}
        kept = {link.url for link in example.links if link.section != number}
        for url in gone - kept:
            assert url not in plain
            assert url not in markup.unescape(html)
        assert all(url in plain for url in kept)
        assert "\n\n\n\n" not in plain


def test_a_rendered_issue_can_be_composed_for_a_reader(example: Rendered) -> None:
    letterhead = Letterhead(
        from_name="Anne",
        from_address="hello@news.example.org",
        reply_to=None,
        subject=example.subject,
        list_id="weekly.news.example.org",
        list_name="A Weekly",
        message_id_domain="news.example.org",
        leave_url="https://news.example.org/u/",
        leave_mailto=None,
        help_url="https://news.example.org/",
        feedback_id="12:weekly:news:digest",
    )
    compiled = compile_message(
        letterhead, html=example.html, plain=example.plain, slots=example.slots
    )
    reader = Recipient(
        address="bart@example.org",
        name="Bart <b>",
        token="t" * 40,
        leave="l" * 40,
        preferences="p" * 40,
        date=datetime(2026, 11, 26, 9, tzinfo=UTC),
    )
    message = compiled.compose(reader, muted=frozenset({2}))
    assert b"Bart &lt;b&gt;" in message
    assert b"RFC 1047" not in message
    assert b"\xee\x80" not in message
    assert b"=EE=80" not in message


# ── text ────────────────────────────────────────────────────────────────────────────────────────


def test_every_link_of_the_page_is_in_the_text(example: Rendered) -> None:
    for result in (rendered(utm=UTM), example):
        links = [link for link in Page(result.html).links if link.startswith("http")]
        assert len(links) > 8
        for link in links:
            assert re.search(rf"{re.escape(link)}$", result.plain, re.MULTILINE), link


def test_nine_of_ten_words_of_each_form_are_in_the_other(example: Rendered) -> None:
    def words(text: str) -> set[str]:
        return set(re.findall(r"[^\W\d_]{2,}", re.sub(r"https?://\S+", "", text)))

    page, plain = words(Page(example.html).text), words(example.plain)
    assert len(page & plain) >= 0.9 * len(page)
    assert len(page & plain) >= 0.9 * len(plain)


# ── hostile authors ─────────────────────────────────────────────────────────────────────────────

PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    '" onmouseover="alert(1)',
    "' onmouseover='alert(1)",
    '\\" onmouseover=\\"alert(1)',
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "--><script>alert(1)</script><!--",
    "<![endif]--><script>alert(1)</script>",
    "<!--[if mso]><b>x</b><![endif]-->",
    "<mj-include path='/etc/passwd'/>",
    "</mj-text><mj-raw><script>1</script></mj-raw><mj-text>",
    "{{ 7*7 }}",
    "{% for x in range(9) %}x{% endfor %}",
    "{{ ''.__class__.__mro__ }}",
    "{{ config }}",
    "{# gone #}",
    "${7*7} #{7*7} <%= 7*7 %>",
    "%(password)s {0.__class__} {name}",
    "&#57344;0&#57345;",
    "&#xE000;1&#xE001; &#xe002;0&#xe003;",
    "\ue0000\ue001\ue0020\ue003\ue008\ue009",
    "a\u202eb\u2066c\x00d\x1be",
    "]]> <![CDATA[ x ]]> <?php 1 ?>",
    "&nbsp;&eacute;&lt;script&gt;",
    "a\u00a0b\u200db\u0301",
    "javascript:alert(1)",
]


def hostile(payload: str) -> Issue:
    """An issue with the payload in every field, also where its file would have been refused."""
    issue = parse_issue(TEXT)
    item = dataclasses.replace(
        issue.sections[0].items[0],
        title=payload,
        url=f"https://example.org/{payload}",
        byline=Fragment(f"`{payload}`" if "`" not in payload else "", 1),
        figure=Figure(payload, "https://example.org/x.png", issue.sections[0].place),
    )
    scripted = dataclasses.replace(item, url=payload, kind=ItemKind.REPOSITORY)
    short = dataclasses.replace(item, short=True, body=Fragment(), byline=Fragment(), figure=None)
    section = dataclasses.replace(issue.sections[0], heading=payload, items=(item, scripted, short))
    return dataclasses.replace(
        issue,
        title=payload,
        subject=payload,
        preview=payload,
        sections=(section, issue.sections[1]),
    )


def skeleton(html: str) -> list[tuple[str, frozenset[str]]]:
    return [(tag, frozenset(attributes)) for tag, attributes in Page(html).tags]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_field_becomes_markup_template_or_mark(payload: str) -> None:
    masthead = dataclasses.replace(
        MASTHEAD, name=f"N {payload}", postal_address=payload, why=payload
    )
    result = render_issue(hostile(payload), masthead, load_theme())
    # The same issue with harmless words has the same tags with the same attributes.
    calm = dataclasses.replace(masthead, name="N x", postal_address="x", why="x")
    harmless = render_issue(hostile("x"), calm, load_theme())
    for form, reference in ((result.html, harmless.html), (result.web_html, harmless.web_html)):
        assert skeleton(form) == skeleton(reference)
        assert Page(form).balanced
        assert len(Page(form).comments) == len(Page(reference).comments)
        assert not re.search("[\ue004-\ue01f]", form)
    marks = re.compile("[\ue000-\ue003]")
    assert len(marks.findall(result.html)) == len(marks.findall(harmless.html))
    assert len(marks.findall(result.plain)) == len(marks.findall(harmless.plain))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", result.plain)


@pytest.mark.parametrize("payload", ["{{ 7*7 }}", "{% raw %}x{% endraw %}", "${7*7}", "<b>x</b>"])
def test_template_syntax_is_shown_as_written(payload: str) -> None:
    result = render_issue(hostile(payload), MASTHEAD, load_theme())
    assert payload in Page(result.html).text
    assert payload in result.plain
    assert "49" not in Page(result.html).text


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_text_is_refused_or_harmless(payload: str) -> None:
    issue = parse_issue(TEXT)
    written = dataclasses.replace(issue, opening=Fragment(payload, 6), closing=Fragment())
    calm = dataclasses.replace(issue, opening=Fragment("x", 6), closing=Fragment())
    try:
        result = render_issue(written, MASTHEAD, load_theme())
    except IssueFileError as refused:
        place = refused.where
        assert place.startswith("issue.md:")
        return
    assert skeleton(result.html) == skeleton(render_issue(calm, MASTHEAD, load_theme()).html)
    assert "<script" not in result.html


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_heading_is_only_a_heading(heading: str) -> None:
    issue = parse_issue(TEXT)
    section = dataclasses.replace(issue.sections[0], heading=heading)
    written = dataclasses.replace(issue, sections=(section, issue.sections[1]))
    result = render_issue(written, MASTHEAD, load_theme())
    assert skeleton(result.html) == skeleton(render_issue(issue, MASTHEAD, load_theme()).html)
    assert Page(result.html).balanced


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//x", "vbscript:x"]
)
def test_a_link_that_shows_no_page_is_text(link: str) -> None:
    issue = parse_issue(TEXT)
    item = dataclasses.replace(issue.sections[0].items[0], url=link)
    section = dataclasses.replace(issue.sections[0], items=(item,))
    result = render_issue(dataclasses.replace(issue, sections=(section,)), MASTHEAD, load_theme())
    assert link not in "".join(Page(result.html).links)
    assert "One" in Page(result.html).text
