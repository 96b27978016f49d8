"""Promises of ``digest theme``: begin with a shipped one, be told everything that is wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from digest import resources
from digest.content.theme import Masthead, shipped_themes, theme_folder
from digest.content.theme_check import check_theme
from digest.errors import NotFoundError
from digest.web.draft import Drafts
from tests.cli.shell import ISSUE, Shell


@pytest.mark.parametrize("name", shipped_themes())
def test_a_shipped_theme_can_be_used(shell: Shell, name: str) -> None:
    said = shell("theme", "check", name, "--json")
    assert said.code == 0
    assert said.json == {"theme": name, "ok": True, "findings": []}


@pytest.mark.parametrize("name", shipped_themes())
def test_a_theme_begun_like_another_can_be_used_at_once(shell: Shell, name: str) -> None:
    begun = shell("theme", "new", "mine", "--like", name, "--json").json
    assert "theme.toml" in begun["files"]
    assert shell("theme", "check", "mine", "--json").json["ok"] is True


def test_a_theme_begun_like_another_is_its_copy(shell: Shell) -> None:
    shell("theme", "new", "mine", "--like", "letter")
    copy = {path.name for path in (shell.folder / "mine").iterdir()}
    assert {"theme.toml", "masthead.mjml", "section.mjml"} <= copy


def test_everything_wrong_is_told_with_its_place_and_exit_1(shell: Shell) -> None:
    shell("theme", "new", "mine", "--like", "letter")
    folder = shell.folder / "mine"
    toml = (folder / "theme.toml").read_text("utf-8")
    line = toml[: toml.index("accent =")].count("\n") + 1
    (folder / "theme.toml").write_text(toml.replace('"#1d4f7c"', '"#9db8d0"'), "utf-8")
    (folder / "closing.mjml").write_text("\n <mj-sektion/>", "utf-8")
    (folder / "opening.mjml").write_text('{% include "../../../etc/passwd" %}', "utf-8")
    said = shell("theme", "check", "mine", "--json")
    assert said.code == 1
    places = {(found["file"], found["line"], found["column"]) for found in said.json["findings"]}
    assert places == {("theme.toml", line, 1), ("closing.mjml", 2, 2), ("opening.mjml", 1, 1)}
    told = shell("theme", "check", "mine")
    assert told.code == 1
    assert "mine/closing.mjml:2:2: <mj-sektion> is no tag" in told.out
    assert "Is mj-section meant?" in told.out
    assert "would do" in told.out


FAULTS = [
    ("masthead.mjml", "<h1", "<h2", "</h1>", "</h2>", "<h1>"),
    ("footer.mjml", "{{ leave_url }}", "https://example.org/", "", "", "leave_url"),
    ("section.mjml", "<h2", "<h4", "</h2>", "</h4>", "follows"),
    ("footer.mjml", "colours.accent", "colours.accen", "", "", "cannot be filled in"),
    ("section.mjml", "{% for", "{% four", "", "", "four"),
    ("footer.mjml", "{{ colours.muted }}", "{{ words.leave }}", "", "", "a colour"),
]


@pytest.mark.parametrize(("file", "old", "new", "end", "new_end", "message"), FAULTS)
def test_what_only_shows_when_filled_in_is_found(
    shell: Shell, file: str, old: str, new: str, end: str, new_end: str, message: str
) -> None:
    shell("theme", "new", "mine")
    path = shell.folder / "mine" / file
    text = path.read_text("utf-8").replace(old, new)
    path.write_text(text.replace(end, new_end) if end else text, "utf-8")
    findings = check_theme(shell.folder / "mine")
    assert any(message in finding.message for finding in findings), findings
    assert all(finding.fix or finding.line for finding in findings)


async def test_a_preview_follows_the_files_of_a_theme(shell: Shell) -> None:
    shell("theme", "new", "mine", "--like", "letter")
    folder = shell.folder / "mine"
    example = resources.examples() / "quiet-machines-12.md"
    drafts = Drafts(example, Masthead(name="N", postal_address="Street 1"), folder)
    assert "#1d4f7c" in drafts.read("https://news.example.org").html
    changes = drafts.changes(every=0.01)
    seen = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0)
    toml = (folder / "theme.toml").read_text("utf-8")
    while not seen.done():  # a change in the tick of the first look would not be one
        toml += "\n"
        (folder / "theme.toml").write_text(toml.replace("#1d4f7c", "#00405f"), "utf-8")
        await asyncio.sleep(0.02)
    html = drafts.read("https://news.example.org").html
    assert "#00405f" in html
    assert "#1d4f7c" not in html
    (folder / "closing.mjml").write_text("<mj-sektion/>", "utf-8")
    error = drafts.read("https://news.example.org").error
    assert error is not None
    assert "closing.mjml:1:1" in error.where
    await changes.aclose()


def test_nothing_is_written_over(shell: Shell) -> None:
    (shell.folder / "mine").mkdir()
    shell.write("mine/theme.toml", "mine")
    said = shell("theme", "new", "mine", "--json")
    assert (said.code, said.out) == (2, "")
    assert (shell.folder / "mine" / "theme.toml").read_text() == "mine"


@pytest.mark.parametrize("name", ["nope", "../default", "here"])
def test_what_is_no_theme_is_wrong_use(shell: Shell, name: str) -> None:
    (shell.folder / "here").mkdir()
    said = shell("theme", "check", name, "--json")
    assert (said.code, said.out) == (2, "")
    assert "theme" in said.error["message"]


def test_a_newsletter_is_mailed_in_a_theme_of_ones_own_folder(
    on_sqlite: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    themes = on_sqlite.folder / "themes"
    assert on_sqlite("theme", "new", "themes/mine", "--like", "letter").code == 0
    toml = (themes / "mine" / "theme.toml").read_text("utf-8")
    (themes / "mine" / "theme.toml").write_text(toml.replace("#1d4f7c", "#00405f"), "utf-8")
    refused = on_sqlite("newsletter", "set", "weekly", "--theme", "mine")
    assert (refused.code, refused.error["where"]) == (2, "--theme")
    monkeypatch.setenv("DIGEST_THEMES", str(themes))
    assert on_sqlite("theme", "check", "mine", "--json").json["ok"] is True
    assert on_sqlite("newsletter", "set", "weekly", "--theme", "mine").code == 0
    on_sqlite.write("182.md", ISSUE)
    assert on_sqlite("issue", "render", "182.md", "--out", "o", "--newsletter", "weekly").code == 0
    html = (on_sqlite.folder / "o" / "issue.html").read_text("utf-8")
    assert "#00405f" in html
    assert on_sqlite("issue", "add", "182.md").code == 0
    monkeypatch.delenv("DIGEST_THEMES")
    gone = on_sqlite("issue", "add", "182.md", "--json")
    assert (gone.code, gone.out) == (2, "")
    assert "mine" in gone.error["message"]


@pytest.mark.parametrize("name", ["../mine", "Mine", "mine/../mine", "default"])
def test_only_a_plain_name_leads_into_the_folder_of_themes(name: str, tmp_path: Path) -> None:
    for folder in (tmp_path / "mine", tmp_path / "themes" / "mine", tmp_path / "themes" / "Mine"):
        folder.mkdir(parents=True)
        (folder / "theme.toml").write_text("")
    if name == "default":
        assert theme_folder(name, tmp_path / "themes").parent == resources.templates() / "issue"
        return
    with pytest.raises(NotFoundError, match="There is no theme"):
        theme_folder(name, tmp_path / "themes")
