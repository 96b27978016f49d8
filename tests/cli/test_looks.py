"""Looks of a newsletter set on the command line: checked when set, laid over the theme's own."""

from __future__ import annotations

import pytest

from tests.cli.shell import ISSUE, Shell


def settings(shell: Shell) -> dict[str, object]:
    found: dict[str, object] = shell("newsletter", "show", "--json").json["settings"]
    return found


def test_colours_and_a_line_of_its_own_are_kept_together(on_sqlite: Shell) -> None:
    def change(*tokens: str) -> None:
        assert on_sqlite("newsletter", "set", "weekly", *tokens).code == 0

    change("--colour", "accent=#A8321A", "--dark-colour", "accent=#ff9f85")
    change("--footer", "Made by three people in Berlin.")
    change("--colour", "ink=#101010", "accent=#9c1c48")
    assert settings(on_sqlite)["theme"] == {
        "colours": {"accent": "#9c1c48", "ink": "#101010"},
        "dark": {"accent": "#ff9f85"},
        "words": {"footer": "Made by three people in Berlin."},
    }


def test_a_look_that_was_set_is_the_look_of_the_issue(on_sqlite: Shell) -> None:
    on_sqlite("newsletter", "set", "weekly", "--colour", "accent=#0b5fa5")
    on_sqlite.write("182.md", ISSUE)
    assert on_sqlite("issue", "render", "182.md", "--newsletter", "weekly", "--out", "o").code == 0
    assert "#0b5fa5" in (on_sqlite.folder / "o" / "issue.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("tokens", "where", "said"),
    [
        (("--colour", "ink=#eeeeee"), "--colour", "contrast"),
        (("--dark-colour", "ink=#222222"), "--dark-colour", "contrast"),
        (("--colour", "blood=#aa0000"), "--colour", "accent"),
        (("--colour", "accent=red"), "--colour", "#rrggbb"),
        (("--colour", "accent=#000000;}</style>"), "--colour", "#rrggbb"),
        (("--colour", "accent"), "--colour", "accent=#"),
        (("--logo-size", "large"), "--logo-size", "120x40"),
        (("--logo-size", "9999x1"), "--logo-size", "120x40"),
        (("--logo", "javascript:alert(1)"), "--logo", "https://"),
        (("--footer", "x" * 301), "--footer", "300"),
        (("--theme", "../default"), "--theme", "default"),
    ],
)
def test_a_look_nobody_could_read_is_refused_when_it_is_set(
    on_sqlite: Shell, tokens: tuple[str, ...], where: str, said: str
) -> None:
    before = settings(on_sqlite)
    refused = on_sqlite("newsletter", "set", "weekly", *tokens)
    assert (refused.code, refused.out, refused.error["where"]) == (2, "", where)
    assert said in refused.error["message"]
    assert settings(on_sqlite) == before


def test_a_logo_has_a_size_until_it_is_taken_away(on_sqlite: Shell) -> None:
    logo = ("--logo", "https://news.example.org/logo.png", "--logo-size", "120x40")
    assert on_sqlite("newsletter", "set", "weekly", *logo).code == 0
    assert settings(on_sqlite)["logo_size"] == [120, 40]
    assert on_sqlite("newsletter", "set", "weekly", "--logo", "", "--logo-size", "").code == 0
    assert settings(on_sqlite) == {}
