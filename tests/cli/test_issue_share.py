"""A version to look at, its text, and what the archive shows of an issue that is out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import ISSUE, Shell, a_picture
from tests.scenarios.processes import capture_relay

CORRECTED = ISSUE.replace("The blurb", "The right blurb")


@pytest.fixture
def stored(installed: Shell) -> Shell:
    installed.write("182.md", ISSUE)
    assert installed("issue", "add", "182.md").code == 0
    return installed


@pytest.fixture
def out(stored: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Issue 182 went out."""
    stored("reader", "add", "anne@example.org")
    digits = stored("issue", "add", "182.md", "--json").json["hash"]
    stored("issue", "approve", "182", digits)
    with capture_relay(tmp_path / "capture", "--rejected", "0", "--deferred", "0") as url:
        monkeypatch.setenv("DIGEST_RELAY_URL", url)
        assert stored("issue", "send", "182", "--wait").code == 0
    return stored


def test_a_link_to_a_version_names_it_and_its_last_day(stored: Shell) -> None:
    first = stored("issue", "share", "182", "--json").json
    assert "/share/" in first["url"]
    assert first["version"] == 1
    stored.write("182.md", CORRECTED)
    stored("issue", "add", "182.md")
    assert stored("issue", "share", "182", "--json").json["version"] == 2
    again = stored("issue", "share", "182", "--version", first["hash"][:10], "--json").json
    assert again["url"] == first["url"]
    assert stored("issue", "share", "182", "--days", "0").code == 2


def test_the_text_of_an_issue_can_be_had_back(stored: Shell) -> None:
    assert stored("issue", "pull", "182").out == ISSUE
    said = stored("issue", "pull", "182", "--out", "back.md", "--json").json
    assert (said["version"], said["file"]) == (1, "back.md")
    assert (stored.folder / "back.md").read_text() == ISSUE
    again = stored("issue", "pull", "182", "--out", "back.md")
    assert (again.code, again.error["where"]) == (2, "back.md")


@pytest.fixture
def illustrated(installed: Shell) -> Shell:
    """Issue 182 has two pictures."""
    pictures = "![One](img/x.png) ![Two](y.png)"
    installed.write("img/x.png", a_picture())
    installed.write("y.png", a_picture(3))
    installed.write("182.md", ISSUE.replace("*The Site", f"{pictures}\n*The Site"))
    assert installed("issue", "add", "182.md").code == 0
    return installed


def test_its_pictures_come_with_it(illustrated: Shell) -> None:
    (illustrated.folder / "again").mkdir()
    said = illustrated("issue", "pull", "182", "--out", "again/182.md")
    assert said.out == "Version 1 is in again/182.md, its 2 pictures beside it.\n"
    assert (illustrated.folder / "again/y.png").read_bytes() == a_picture(3)
    beside = illustrated("issue", "pull", "182", "--out", "copy.md", "--json")
    assert beside.json["pictures"] == ["img/x.png", "y.png"]  # which are there already


@pytest.mark.parametrize("hinders", ["another picture", "a link elsewhere", "a file for a folder"])
def test_nothing_is_written_over_or_outside_for_a_picture(
    illustrated: Shell, tmp_path: Path, hinders: str
) -> None:
    again, outside = illustrated.folder / "again", tmp_path / "outside"
    again.mkdir()
    outside.mkdir()
    if hinders == "another picture":
        (again / "y.png").write_bytes(a_picture(5))
    elif hinders == "a link elsewhere":
        (again / "img").symlink_to(outside)
    else:
        (again / "img").write_text("a file")
    refused = illustrated("issue", "pull", "182", "--out", "again/182.md")
    assert refused.code == 2, refused.err
    assert not (again / "182.md").exists()
    assert not list(outside.iterdir())
    if hinders == "another picture":
        assert (again / "y.png").read_bytes() == a_picture(5)
        assert not (again / "img").exists()


def test_a_correction_is_for_the_web_alone(out: Shell) -> None:
    out.write("182.md", CORRECTED)
    said = out("issue", "correct", "182", "182.md", "--note", "The blurb was wrong.", "--json")
    assert (said.code, said.json["version"]) == (0, 2)
    versions = out("issue", "show", "182", "--json").json["versions"]
    assert [one["approved"] for one in versions] == [True, False]
    assert [one["correction"] for one in versions] == [None, "The blurb was wrong."]
    assert out("issue", "receipt", "182", "--json").json["accepted"] == 1
    again = out("issue", "correct", "182", "182.md", "--note", "Once more.")
    assert (again.code, "version 2" in again.error["message"]) == (1, True)
    assert len(out("issue", "show", "182", "--json").json["versions"]) == 2


@pytest.mark.parametrize(
    ("text", "note", "where"),
    [
        (CORRECTED, " ", "--note"),
        (CORRECTED.replace("number: 182", "number: 183"), "Wrong.", "number"),
    ],
)
def test_a_correction_needs_a_note_and_the_text_of_its_issue(
    out: Shell, text: str, note: str, where: str
) -> None:
    out.write("182.md", text)
    said = out("issue", "correct", "182", "182.md", "--note", note)
    assert (said.code, said.error["where"]) == (2, where)


def test_what_is_not_out_is_not_corrected_on_the_web(stored: Shell) -> None:
    said = stored("issue", "correct", "182", "182.md", "--note", "Wrong.")
    assert (said.code, said.error["where"]) == (1, "issue 182")


def test_an_issue_is_unlisted_and_listed_again(out: Shell) -> None:
    assert out("issue", "unlist", "182", "--json").json == {"issue": 182, "listed": False}
    assert out("issue", "show", "182", "--json").json["listed"] is False
    out("issue", "unlist", "182", "--undo")
    assert out("issue", "show", "182", "--json").json["listed"] is True


def test_clicks_are_ranked_and_a_sponsor_has_a_page(installed: Shell) -> None:
    assert installed("newsletter", "set", "weekly", "--clicks", "on").code == 0
    assert installed("newsletter", "show", "weekly", "--json").json["settings"]["clicks"] is True
    sponsored = ISSUE + "\n### [A good tool](https://sponsor.example/tool) {sponsor}\nIts words.\n"
    installed.write("182.md", sponsored)
    assert installed("issue", "add", "182.md").code == 0
    every = installed("issue", "clicks", "182", "--json").rows
    assert [one["human"] for one in every] == [0] * len(every)
    (one,) = installed("issue", "clicks", "182", "--sponsor", "--json").rows
    assert (one["url"], one["sponsor"]) == ("https://sponsor.example/tool", True)
    assert "/clicks/" in one["page"]
    assert installed("issue", "clicks", "182", "--days", "0").code == 2
    assert installed("newsletter", "set", "weekly", "--clicks", "off").code == 0
    settings = installed("newsletter", "show", "weekly", "--json").json["settings"]
    assert "clicks" not in settings
