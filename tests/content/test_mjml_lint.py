"""Promises of the lint of templates: every flaw is found, with its line and column and its fix."""

from __future__ import annotations

import re

import pytest

from digest import resources
from digest.content.mjml_lint import check_template, includes_of, lint_template
from digest.errors import ThemeError

BROKEN = [
    ("<mj-text>\n  <p>unclosed\n</mj-text>", 3, "mismatched tag"),
    ("<mj-section>\n  <mj-txt>a</mj-txt>\n</mj-section>", 2, "no tag of MJML"),
    ("<mj-section>\n  <mj-text>a</mj-text>\n</mj-section>", 2, "cannot stand in <mj-section>"),
    ("<mj-column>\n\n <p>a</p></mj-column>", 3, "stands in no <mj-text>"),
    ("<mj-text>\n<mj-button>a</mj-button></mj-text>", 2, "cannot stand in HTML"),
    ('<mj-raw>\n<mj-include path="a"/></mj-raw>', 2, "not allowed"),
    ('<mj-text align="left"\n align="right">a</mj-text>', 2, "duplicate attribute"),
    ("<mj-text>&nbsp;</mj-text>", 1, "undefined entity"),
    ("{% if a %}\n<mj-text>\n{% endif %}", 3, "mismatched tag"),
]


@pytest.mark.parametrize(("template", "line", "message"), BROKEN)
def test_a_broken_template_is_named_with_line_and_column(
    template: str, line: int, message: str
) -> None:
    with pytest.raises(ThemeError, match=re.escape(message)) as error:
        check_template(template, path="theme/item.mjml")
    assert re.fullmatch(rf"theme/item\.mjml:{line}:\d+", error.value.where)


def test_the_column_of_a_broken_tag_is_its_own() -> None:
    with pytest.raises(ThemeError) as error:
        check_template("<mj-column>\n    <mj-txt/></mj-column>", path="t")
    assert error.value.where == "t:2:5"
    with pytest.raises(ThemeError) as error:
        check_template("<mj-column><mj-txt/></mj-column>", path="t")
    assert error.value.where == "t:1:12"


def test_jinja_may_stand_anywhere_in_a_template() -> None:
    check_template(
        '{# a < b #}<mj-text padding="{{ 1 if a < b else 2 }}">{% for x in y %}\n'
        "<p {{ attributes }}>{{ x }}</p>{% endfor %}</mj-text>",
        path="t",
    )


COLUMN = "<mj-section>\n<mj-column>\n  {}\n</mj-column>\n</mj-section>"

FLAWS = [
    ('<mj-text colour="#000">a</mj-text>', "no attribute colour"),
    ('<mj-divider font-size="16px"/>', "no attribute font-size"),
    ('<mj-text color="#12345">a</mj-text>', "a colour"),
    ('<mj-text color="redd">a</mj-text>', "a colour"),
    ('<mj-text font-size="16">a</mj-text>', "at least 14px"),
    ('<mj-text font-size="1em">a</mj-text>', "at least 14px"),
    ('<mj-text font-size="12px">a</mj-text>', "at least 14px"),
    ('<mj-text padding="10 px">a</mj-text>', "one to four lengths"),
    ('<mj-text padding="1px 2px 3px 4px 5px">a</mj-text>', "one to four lengths"),
    ('<mj-text padding-left="10">a</mj-text>', "a length"),
    ('<mj-text line-height="tall">a</mj-text>', "a number"),
    ('<mj-text align="middle">a</mj-text>', "none of its words"),
    ('<mj-text font-weight="fat">a</mj-text>', "normal, bold"),
    ('<mj-divider border-width="thin"/>', "lengths"),
    ('<mj-button border="1px solid nothing">a</mj-button>', "a border"),
    ('<mj-button href="https://example.org" border="solid">a</mj-button>', "a border"),
    ('<mj-image src="https://example.org/a.png"/>', "has no alt"),
    ('<mj-image src="a.png" alt="A"/>', "address of a picture"),
    ('<mj-image src="http://example.org/a.png" alt="A"/>', "address of a picture"),
    ('<mj-social><mj-social-element name="x">a</mj-social-element></mj-social>', "without src"),
    ('<mj-text><img src="https://example.org/a.png"/></mj-text>', "<img> has no alt"),
    ("<mj-text><table><tr><td>a</td></tr></table></mj-text>", "has no role"),
    ('<mj-text><p onclick="x()">a</p></mj-text>', "a script in onclick"),
    ('<mj-text><p style="font-size:11px">a</p></mj-text>', "too small"),
    ("<mj-text><script>1</script></mj-text>", "No mail program runs it"),
    ('<mj-text><link rel="stylesheet" href="https://fonts.example"/></mj-text>', "from elsewhere"),
    ('<mj-include path="../../etc/passwd"/>', "outside of the theme"),
]


@pytest.mark.parametrize(("body", "message"), FLAWS)
def test_each_flaw_is_found_where_it_stands(body: str, message: str) -> None:
    flaws = lint_template(COLUMN.format(body))
    assert len(flaws) == 1, flaws
    assert message in flaws[0].message
    assert flaws[0].line == 3
    assert flaws[0].column in (3, 3 + body.find("<", 1))
    assert flaws[0].fix


def test_a_hero_of_fixed_height_is_refused_because_compilers_disagree_on_it() -> None:
    (flaw,) = lint_template('<mj-hero mode="fixed-height" height="300px">\n</mj-hero>')
    assert "fluid-height" in flaw.fix


HEAD_FLAWS = [
    ('<mj-font name="Inter" href="https://fonts.example/inter"/>', "load a font"),
    ("<mj-style>@import url(https://fonts.example/x.css);</mj-style>", "from elsewhere"),
    ("<mj-style>@font-face{src:local(x)}</mj-style>", "from elsewhere"),
    ("<mj-style>a{background:url('//example.org/a.png')}</mj-style>", "from elsewhere"),
    ('<mj-style inline="yes">a{}</mj-style>', "none of its words"),
    ('<mj-attributes><mj-text colour="red"/></mj-attributes>', "no attribute colour"),
    ('<mj-attributes><mj-all color="reddish"/></mj-attributes>', "a colour"),
    ("<mj-text>a</mj-text>", "cannot stand in <mj-head>"),
]


@pytest.mark.parametrize(("head", "message"), HEAD_FLAWS)
def test_the_head_is_judged_too(head: str, message: str) -> None:
    (flaw,) = lint_template(f"<mj-head>\n{head}</mj-head>")
    assert message in flaw.message
    assert flaw.line == 2


GOOD = """<mj-head>
  <mj-attributes>
    <mj-all font-family="Georgia, serif"/><mj-class name="big" font-size="20px" color="navy"/>
    <mj-image padding="0"/>
  </mj-attributes>
  <mj-style inline="inline">.a { color: red; background: url("data:image/png;base64,x") }</mj-style>
</mj-head>
<mj-wrapper padding="0 10% 5px" border="1px solid rgba(0, 0, 0, 0.5)" full-width="full-width">
  <mj-section background-color="transparent" direction="{{ masthead.direction }}">
    <mj-group><mj-column width="{{ 50 }}%" border-radius="{% if a %}3px{% endif %}">
      <mj-text mj-class="big" color="{{ colours.ink }}" line-height="1.6" font-size="0">a</mj-text>
      <mj-image src="{{ masthead.logo_url }}" alt="" width="100px" height="auto"/>
      <mj-divider border-width="1px" border-style="dashed" border-color="#ccc"/>
      <mj-spacer height="20px"/>
      <mj-table><tr><td>a</td></tr></mj-table>
      <mj-navbar><mj-navbar-link href="https://example.org">a</mj-navbar-link></mj-navbar>
    </mj-column></mj-group>
  </mj-section>
</mj-wrapper>
"""


def test_what_mjml_knows_is_no_flaw() -> None:
    assert lint_template(GOOD) == ()


@pytest.mark.parametrize(
    "path", sorted((resources.templates() / "issue").glob("*/*.mjml")), ids=lambda p: str(p)[-30:]
)
def test_the_shipped_templates_have_no_flaw(path) -> None:
    assert lint_template(path.read_text("utf-8")) == ()


def test_all_flaws_of_a_file_are_told_at_once() -> None:
    source = (
        '<mj-text colour="a">a</mj-text>\n<mj-txt/>\n<mj-text align="x" font-size="9px">a</mj-text>'
    )
    assert [(flaw.line, flaw.column) for flaw in lint_template(source)] == [
        (1, 1),
        (2, 1),
        (3, 1),
        (3, 1),
    ]


def test_a_value_of_jinja_is_not_judged_and_one_beside_it_is() -> None:
    source = (
        '<mj-text color="{{ a }}{# " #}" align="{% if b %}left{% endif %}" padding="1">a</mj-text>'
    )
    (flaw,) = lint_template(source)
    assert "padding='1'" in flaw.message


def test_included_files_are_named_with_their_place() -> None:
    source = "a\n  {% include \"../x.mjml\" %}\n{%- import 'm.mjml' as m %}{% include name %}"
    assert list(includes_of(source)) == [(2, 3, "../x.mjml"), (3, 1, "m.mjml")]
