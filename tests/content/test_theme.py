"""Promises of themes: readable colours, checked templates, and no way out of the sandbox."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from digest import resources
from digest.content.issue_file import parse_issue
from digest.content.render import render_issue
from digest.content.theme import Masthead, contrast, load_theme
from digest.errors import NotFoundError, ThemeError

ISSUE = parse_issue("---\nnumber: 1\ntitle: T\npreview: P\n---\nHello.\n")
MASTHEAD = Masthead(name="A Weekly", public_url="https://news.example.org")


def theme_folder(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        path = tmp_path / name.replace("__", ".")
        path.write_text(text, "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000000", "#ffffff", 21.0), ("#ffffff", "#ffffff", 1.0), ("#767676", "#ffffff", 4.54)],
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == pytest.approx(ratio, abs=0.01)
    assert contrast(other, one) == contrast(one, other)


def test_text_of_the_default_theme_can_be_read_in_light_and_in_dark() -> None:
    theme = load_theme()
    for colours in (theme.colours, theme.dark):
        for text in ("ink", "muted", "accent"):
            for ground in ("page", "panel"):
                assert contrast(colours[text], colours[ground]) >= 4.5


def test_a_newsletter_changes_single_values() -> None:
    theme = load_theme(overrides={"colours": {"accent": "#00405f"}, "words": {"leave": "Leave"}})
    html = render_issue(ISSUE, MASTHEAD, theme).html
    assert "#00405f" in html
    assert load_theme().colours["accent"] not in html
    assert ">Leave</a>" in html
    assert "Preferences" in html


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"colours": {"accent": "red"}}, "no colour"),
        ({"colours": {"ink": "#fff;} body{display:none"}}, "no colour"),
        ({"colours": {"muted": "#bbbbbb"}}, "contrast"),
        ({"dark": {"ink": "#333333"}}, "contrast"),
        ({"fonts": {"text": 'Arial"><script>'}}, "no list of fonts"),
        ({"layout": {"width": "wide"}}, "no number of pixels"),
        ({"colors": {"accent": "#00405f"}}, "no table"),
    ],
)
def test_a_value_that_would_break_the_look_is_refused(
    overrides: dict[str, dict[str, str]], message: str
) -> None:
    with pytest.raises(ThemeError, match=message) as error:
        load_theme(overrides=overrides)
    assert "theme.toml" in error.value.where


@pytest.mark.parametrize("name", ["none", "../default", "Default", ""])
def test_an_unknown_theme_is_not_found(name: str) -> None:
    with pytest.raises(NotFoundError, match="no theme") as error:
        load_theme(name)
    assert "default" in error.value.fix


def test_a_theme_of_ones_own_holds_only_what_differs(tmp_path: Path) -> None:
    folder = theme_folder(
        tmp_path,
        closing__mjml="",
        opening__mjml=(
            "<mj-section><mj-column><mj-text>MINE {{ opening }}</mj-text></mj-column></mj-section>"
        ),
    )
    html = render_issue(ISSUE, MASTHEAD, load_theme("mine", folder=folder)).html
    assert "MINE <p" in html
    assert "Unsubscribe" in html


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("<mj-text>\n<p>never closed</mj-text>", r"item\.mjml:2:\d+"),
        ("<mj-button2/>", r"item\.mjml:1:1"),
        ("\n\n{% if %}", r"item\.mjml:3:\d+"),
        ("<mj-raw><mj-include path='/etc/passwd'/></mj-raw>", r"item\.mjml:1:9"),
    ],
)
def test_a_broken_template_is_named_when_the_theme_is_loaded(
    tmp_path: Path, text: str, where: str
) -> None:
    folder = theme_folder(tmp_path, item__mjml=text)
    with pytest.raises(ThemeError) as error:
        load_theme("mine", folder=folder)
    assert re.search(f"{where}$", error.value.where)


def test_a_broken_theme_toml_is_named_with_line_and_column(tmp_path: Path) -> None:
    folder = theme_folder(tmp_path, theme__toml='[colours]\naccent = "\n')
    with pytest.raises(ThemeError) as error:
        load_theme("mine", folder=folder)
    assert re.search(r"theme\.toml:\d+:\d+$", error.value.where)


@pytest.mark.parametrize(
    "expression",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ masthead.__class__.__init__.__globals__ }}",
        "{{ sections.append(1) }}",
        "{{ cycler.__init__.__globals__.os }}",
        "{{ unknown_name }}",
        "{{ ('%s'|format(masthead)).__class__ }}",
        "{% include '../default/head.mjml' %}",
        "{% include '/etc/passwd' %}",
        "{{ range(999999999)|list }}",
    ],
)
def test_a_template_cannot_leave_its_sandbox(tmp_path: Path, expression: str) -> None:
    column = f"<mj-section><mj-column><mj-text>{expression}</mj-text></mj-column></mj-section>"
    folder = theme_folder(tmp_path, opening__mjml=column)
    theme = load_theme("mine", folder=folder)
    with pytest.raises(ThemeError):
        render_issue(ISSUE, MASTHEAD, theme)


def test_every_shipped_theme_loads() -> None:
    names = [path.parent.name for path in (resources.templates() / "issue").glob("*/theme.toml")]
    assert "default" in names
    for name in names:
        assert load_theme(name).name == name
