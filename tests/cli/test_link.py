"""The link inbox on the command line, and the draft made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import ISSUE, Shell
from tests.collect.web import html, served
from tests.fakes.pages import answer

HOSTILE = (
    '"><script>alert(1)</script> [x](javascript:alert(1)) {name|x} # *a* TODO *|FNAME|* ![p](x.png)'
)


@pytest.fixture
def open_web(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_FETCH__ALLOW", "127.0.0.0/8")


def test_a_link_is_kept_moved_dropped_and_kept_again(installed: Shell, open_web: None) -> None:
    head = (
        "<title>A robot that counts</title><meta name=description content='It counts sheep.'>"
        "<meta property=og:site_name content='The Site'>"
    )
    with served({"/robot?utm_source=x": html(head), "/robot": html(head)}) as pages:
        made = installed("link", "add", pages.url("/robot?utm_source=x"), "--json").json
        again = installed("link", "add", pages.url("/robot"), "--note", "Read it.", "--json").json
    assert (made["title"], made["description"]) == ("A robot that counts", "It counts sheep.")
    assert (made["site"], made["state"], made["new"]) == ("The Site", "kept", True)
    assert (again["id"], again["new"], again["note"]) == (made["id"], False, "Read it.")
    one = str(made["id"])
    said = installed("link", "move", one, "--section", "Industry", "--json")
    assert said.json == {"ids": [1], "section": "Industry"}
    assert installed("link", "drop", one, "--json").json == {"ids": [1], "state": "dropped"}
    assert installed("link", "list", "--json").rows == []
    (row,) = installed("link", "list", "--state", "dropped", "--json").rows
    assert (row["section"], row["note"], row["issue"]) == ("Industry", "Read it.", None)
    assert installed("link", "keep", one).code == 0
    assert [row["state"] for row in installed("link", "list", "--json").rows] == ["kept"]


def test_a_number_that_is_none_changes_nothing(on_sqlite: Shell) -> None:
    on_sqlite("link", "add", "https://example.org/a", "--offline")
    for verb in (("drop",), ("keep",), ("move", "--section", "News")):
        said = on_sqlite("link", *verb, "1", "7")
        assert (said.code, said.out) == (2, "")
    assert on_sqlite("link", "list", "--json").rows[0]["state"] == "kept"


def test_sections_are_proposed_by_what_a_link_is(on_sqlite: Shell) -> None:
    assert (
        on_sqlite("newsletter", "set", "weekly", "--sections", "News", "Code", "Papers").code == 0
    )
    for url, section in (
        ("https://github.com/owner/repository", "Code"),
        ("https://arxiv.org/pdf/2101.05783v2", "Papers"),
        ("https://example.org/page", "News"),
    ):
        said = on_sqlite("link", "add", url, "--offline", "--json")
        assert said.json["section"] == section
    said = on_sqlite(
        "link", "add", "https://example.org/x", "--offline", "--section", "Odd", "--json"
    )
    assert said.json["section"] == "Odd"


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1:8000/", "http://169.254.169.254/latest/meta-data/", "http://[::1]/"),
        *("http://10.0.0.1/", "file:///etc/passwd", "javascript:alert(1)", "http://0x7f000001/"),
        *("http://u:p@example.org/", "nothing"),
    ],
)
def test_a_link_into_our_own_network_is_refused_unasked(on_sqlite: Shell, url: str) -> None:
    said = on_sqlite("link", "add", url, "--json")
    assert (said.code, said.out) == (2, "")
    assert on_sqlite("link", "list", "--json").rows == []


def test_a_redirect_into_a_private_network_is_refused(on_sqlite: Shell, open_web: None) -> None:
    away = answer(302, Location="http://169.254.169.254/latest/meta-data/")
    with served({"/": away}) as pages:
        said = on_sqlite("link", "add", pages.url("/"), "--json")
    assert (said.code, said.out) == (2, "")
    assert "169.254.169.254" in said.error["message"]


def test_a_page_that_cannot_be_read_is_kept_and_said(on_sqlite: Shell, open_web: None) -> None:
    with served({"/big": answer(200, b"x" * (5 << 20)), "/no": answer(404)}) as pages:
        big = on_sqlite("link", "add", pages.url("/big-page"), "--json").json
        gone = on_sqlite("link", "add", pages.url("/no"), "--json").json
        huge = on_sqlite("link", "add", pages.url("/big"), "--json").json
    assert (big["title"], big["trouble"]) == ("big page", "It answers 404.")
    assert gone["trouble"] == "It answers 404."
    assert huge["trouble"].startswith("It has more than")


def test_a_link_an_issue_has_is_not_kept_again(installed: Shell) -> None:
    installed.write("182.md", ISSUE)
    assert installed("issue", "add", "182.md").code == 0
    url = "https://example.org/page?utm_medium=mail#top"
    said = installed("link", "add", url, "--offline", "--json")
    assert (said.code, said.out, said.error["error"]) == (1, "", "refused")
    assert "182" in said.error["message"]
    booked = ("--sponsor", "--for", "2026-12-03")
    assert installed("link", "add", url, "--offline", *booked).code == 0  # a sponsor comes again


def test_a_sponsor_has_a_date_and_a_date_a_sponsor(on_sqlite: Shell) -> None:
    for flags in (("--sponsor",), ("--for", "2026-12-03")):
        said = on_sqlite("link", "add", "https://example.org/x", "--offline", *flags)
        assert said.code == 2


def test_the_draft_of_what_was_kept_passes_the_check(installed: Shell, tmp_path: Path) -> None:
    assert installed("newsletter", "set", "weekly", "--sections", "News", "Code").code == 0
    for url, flags in (
        ("https://example.org/counting-robots", ("--note", "Robots count.\nAll of them.")),
        ("https://github.com/owner/repository", ("--title", "owner/repository")),
        ("https://example.net/with_(brackets)?a=1&b=[2]", ("--title", HOSTILE, "--note", HOSTILE)),
        ("https://example.org/elsewhere", ("--section", "Odd ends")),
    ):
        assert installed("link", "add", url, "--offline", *flags).code == 0
    dropped = installed("link", "add", "https://example.org/never", "--offline", "--json").json
    installed("link", "drop", str(dropped["id"]))
    sponsor = ("--sponsor", "--for", "2026-12-03", "--title", "Label images", "--offline")
    assert installed("link", "add", "https://sponsor.example/?ref=1", *sponsor).code == 0
    said = installed("issue", "draft", "--date", "2026-12-03", "--json")
    assert said.json == {"issue": 1, "items": 4, "sponsors": 1, "out": "issue-1.md"}
    text = (installed.folder / "issue-1.md").read_text()
    assert text.index("## News") < text.index("## Code") < text.index("## Odd ends")
    assert "### [Label images](https://sponsor.example/?ref=1) {sponsor}" in text
    assert "never" not in text
    assert installed("issue", "fmt", "--check", "issue-1.md").code == 0
    checked = installed("issue", "check", "issue-1.md", "--newsletter", "weekly", "--json")
    assert (checked.code, checked.json["items"]) == (0, 5), checked.json["findings"]
    errors = [one for one in checked.json["findings"] if one["severity"] == "error"]
    assert not errors
    out = installed("issue", "render", "issue-1.md", "--out", "look")
    assert out.code == 0
    page = (installed.folder / "look" / "issue.html").read_text()
    assert "<script" not in page
    assert 'href="javascript' not in page
    assert "x.png" not in page.replace("![p](x.png)", "")


def test_what_is_in_an_issue_is_not_drafted_again_but_a_draft_can_be_repeated(
    on_sqlite: Shell,
) -> None:
    on_sqlite("link", "add", "https://example.org/counting-robots", "--offline")
    assert on_sqlite("issue", "draft").code == 0
    assert on_sqlite("issue", "draft").code == 2  # the file is there
    assert on_sqlite("issue", "add", "issue-1.md").code == 0
    said = on_sqlite("issue", "draft", "--number", "1", "--out", "again.md", "--json")
    assert said.json["items"] == 1
    (row,) = on_sqlite("link", "list", "--json").rows
    assert row["issue"] == 1
    said = on_sqlite("issue", "draft", "--json")
    assert (said.code, said.out) == (1, "")


def test_what_was_kept_for_later_comes_into_the_draft(on_sqlite: Shell) -> None:
    later = "\n## Code {later}\n### [Kept](https://example.org/kept)\n"
    on_sqlite.write("182.md", ISSUE + later)
    on_sqlite("issue", "add", "182.md")
    on_sqlite("link", "add", "https://example.org/new", "--offline", "--section", "Code")
    assert on_sqlite("issue", "draft").code == 0
    text = (on_sqlite.folder / "issue-183.md").read_text()
    assert text.count("## Code") == 1
    assert "### [Kept](https://example.org/kept)" in text
    assert on_sqlite("issue", "check", "issue-183.md").code == 0


def test_an_issue_without_its_booked_sponsor_is_not_approved(installed: Shell) -> None:
    url = "https://sponsor.example/?utm_source=weekly"
    booked = ("--sponsor", "--for", "2026-12-03", "--title", "Label images", "--offline")
    assert installed("link", "add", url, *booked).code == 0
    dated = ISSUE.replace("preview:", "date: 2026-12-03\npreview:")
    installed.write("182.md", dated)
    checked = installed("issue", "check", "182.md", "--newsletter", "weekly", "--json")
    assert checked.code == 1
    (finding,) = [one for one in checked.json["findings"] if one["severity"] == "error"]
    assert finding["code"] == "sponsor-missing"
    hash_ = installed("issue", "add", "182.md", "--json").json["hash"]
    assert installed("issue", "approve", "182", hash_).code == 1
    unmarked = f"{dated}\n### [Label images]({url})\n"
    for text, code in (
        (unmarked, 1),
        (unmarked.replace(f"({url})", f"({url}) {{sponsor}}"), 0),
        (dated.replace("preview:", "ignore: sponsor-missing: they asked for it\npreview:"), 0),
        (dated.replace("2026-12-03", "2026-12-10"), 0),  # another week
    ):
        installed.write("182.md", text)
        assert installed("issue", "check", "182.md", "--newsletter", "weekly").code == code
    installed("link", "drop", "1")
    installed.write("182.md", dated)
    assert installed("issue", "check", "182.md", "--newsletter", "weekly").code == 0


def test_an_editor_has_one_page_of_their_own_until_it_is_revoked(installed: Shell) -> None:
    nobody = installed("link", "bookmarklet", "--for", "edda@example.org")
    assert (nobody.code, nobody.error["error"]) == (2, "not_found")
    installed("newsletter", "set", "weekly", "--editor", "edda@example.org")
    first = installed("link", "bookmarklet", "--for", "Edda@example.org", "--json").json
    assert first["url"].startswith("http://127.0.0.1:8000/links/")
    assert installed("link", "bookmarklet", "--for", "edda@example.org").out == first["url"] + "\n"
    for ended in (True, False):
        said = installed("link", "bookmarklet", "--for", "edda@example.org", "--revoke", "--json")
        assert said.json == {"address": "edda@example.org", "revoked": ended}
    again = installed("link", "bookmarklet", "--for", "edda@example.org", "--json").json
    assert again["url"] != first["url"]
