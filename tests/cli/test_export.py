"""Moving away: what is written, that it can be taken back, and whose folders are left alone."""

from __future__ import annotations

import csv
import io
import json
import re
import stat
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.shell import ISSUE, NEWSLETTER, Shell

CONSENT = ("--consent", "asked at the fair")
PICTURED = ISSUE.replace(
    "*The Site · 4 min*\n", "*The Site · 4 min*\n\n![The labelling screen](img/labels.png)\n"
).replace("What it does.", "What it does: ![how it looks](img/looks.png) it looks.")


def a_png(colour: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (400, 200), colour).save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def stocked(installed: Shell) -> Shell:
    """A newsletter with two past issues, a draft, pictures, and readers in every state."""
    (installed.folder / "img").mkdir()
    for number, colours in ((181, ("red", "blue")), (182, ("green", "white"))):
        for name, colour in zip(("labels", "looks"), colours, strict=True):
            installed.write(f"img/{name}.png", a_png(colour))
        text = PICTURED.replace("182", str(number))
        link = f"http://127.0.0.1:8000/i/weekly/{number - 1}"
        installed.write(f"{number}.md", text.replace("https://example.org/more", link))
        past = ("--sent-at", f"2021-01-{number - 170}")
        assert installed("issue", "add", f"{number}.md", *past).code == 0
    installed.write("183.md", ISSUE.replace("182", "183"))
    assert installed("issue", "add", "183.md").code == 0
    installed.write(
        "readers.csv", "email,name\nanne@example.org,=Anne\nbart@example.org,\ncris@example.org,\n"
    )
    installed("reader", "import", "readers.csv", *CONSENT)
    installed("reader", "set", "anne@example.org", "--tag", "VIP", "--attribute", "company=Acme")
    installed("reader", "leave", "bart@example.org")
    installed.write("out.csv", "email\ncris@example.org\ndora@example.org\n")
    installed("reader", "import", "out.csv", "--as", "suppressed")
    return installed


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_everything_is_there_and_counted(stocked: Shell) -> None:
    said = stocked("export", "out", "--json").json
    assert (said["issues"], said["pages"], said["pictures"], said["readers"]) == (3, 2, 4, 3)
    assert (said["suppressed"], said["suppressed_by_hash_only"]) == (1, 1)
    assert said["pictures_unnamed"] == 0
    folder = stocked.folder / "out"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}
    settings = json.loads((folder / "weekly/newsletter.json").read_text())
    assert (settings["slug"], settings["postal_address"]) == ("weekly", "Main Street 1")
    consents = (folder / "weekly/consent.jsonl").read_text().splitlines()
    bart = next(one for one in map(json.loads, consents) if one["email"] == "bart@example.org")
    assert [event["kind"] for event in bart["consent"]] == ["imported", "left"]
    [kept_out] = csv.DictReader(io.StringIO((folder / "suppressed.csv").read_text()))
    assert (kept_out["email"], kept_out["reason"]) == ("cris@example.org", "imported")


def test_issues_are_taken_back_with_their_own_pictures(
    stocked: Shell, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {
        name: stocked("issue", "show", name, "--json").json["versions"][-1]["hash"]
        for name in ("181", "182")
    }
    stocked("export", "out")
    issues = stocked.folder / "out/weekly/issues"
    assert (issues / "181/img/labels.png").read_bytes() == a_png("red")
    assert (issues / "182/img/looks.png").read_bytes() == a_png("white")
    monkeypatch.setenv("DIGEST_DATABASE_URL", empty_database_url)
    assert stocked("db", "upgrade").code == 0
    assert stocked(*NEWSLETTER).code == 0
    for line in (issues / "issues.jsonl").read_text().splitlines():
        one = json.loads(line)
        when = ("--sent-at", one["sent_at"]) if one["sent_at"] else ()
        added = stocked("issue", "add", f"out/weekly/issues/{one['file']}", *when, "--json").json
        assert before.get(str(one["issue"])) in (None, added["hash"])
    table = ("reader", "import", "out/weekly/readers.csv", *CONSENT, "--json")
    done = stocked(*table).json
    assert (done["imported"], done["left"], done["kept_out"]) == (1, 1, 1)
    anne = stocked("reader", "show", "anne@example.org", "--json").json
    assert (anne["name"], anne["attributes"]) == ("=Anne", {"company": "Acme"})
    assert anne["subscriptions"][0]["tags"] == ["VIP"]


def test_the_archive_needs_no_server(stocked: Shell) -> None:
    stocked("export", "out")
    archive = stocked.folder / "out/weekly/archive"
    pages = {path.name: path.read_text() for path in archive.glob("*.html")}
    assert set(pages) == {"index.html", "181.html", "182.html"}
    for name, html in pages.items():
        ours = re.findall(r"""(?:href|src)=["']([^"':]+)["']""", html)
        assert ours, name
        missing = [one for one in ours if not (archive / one.partition("#")[0]).is_file()]
        assert not missing, name
        assert "/media/" not in html.replace('"media/', "")
        assert "<script" not in html
    assert '"181.html"' in pages["182.html"]
    assert "183" not in pages["index.html"]
    shown = re.findall(r'src="(media/[^"]+)"', pages["181.html"])
    assert [(archive / one).read_bytes() for one in shown] == [a_png("red"), a_png("blue")]


def test_written_again_it_is_the_same_and_without_who_was_erased(stocked: Shell) -> None:
    stocked("export", "out")
    folder = stocked.folder / "out"
    first = files(folder)
    assert stocked("export", "out").code == 0
    assert files(folder) == first
    (folder / "weekly/notes.txt").write_text("mine")
    stocked("reader", "erase", "anne@example.org")
    stocked("export", "out")
    again = files(folder)
    assert again.keys() == first.keys() | {"weekly/notes.txt"}
    assert not [name for name, data in again.items() if b"anne" in data.lower()]
    stocked("export", "out", "--newsletter", "weekly", "--raw")
    assert b",=" not in files(folder)["weekly/readers.csv"]


def test_what_an_earlier_export_wrote_and_is_no_more_is_taken_away(stocked: Shell) -> None:
    stocked("export", "out")
    folder = stocked.folder / "out"
    listed = json.loads((folder / ".digest-export.json").read_text())
    outside = stocked.folder / "precious.txt"
    outside.write_text("x")
    (folder / "old.csv").write_text("x")
    (folder / "elsewhere").symlink_to(stocked.folder)
    more = ["old.csv", "../precious.txt", str(outside), "elsewhere/precious.txt", 7]
    listed["files"] += more
    (folder / ".digest-export.json").write_text(json.dumps(listed))
    assert stocked("export", "out").code == 0
    assert not (folder / "old.csv").exists()
    assert outside.read_text() == "x"


def test_a_folder_of_somebody_else_is_left_alone(on_sqlite: Shell) -> None:
    theirs = on_sqlite.folder / "theirs"
    theirs.mkdir()
    (theirs / "README.txt").write_text("mine")
    said = on_sqlite("export", "theirs", "--json")
    assert (said.code, said.out, said.error["error"]) == (1, "", "refused")
    assert files(theirs) == {"README.txt": b"mine"}
    on_sqlite.write("file", "x")
    assert on_sqlite("export", "file").code == 2
    assert on_sqlite("export", "file/below").code == 2
    assert on_sqlite("export", "out", "--newsletter", "none").code == 2


def test_a_link_out_of_the_folder_is_not_followed(stocked: Shell) -> None:
    stocked("export", "out")
    elsewhere = stocked.folder / "elsewhere"
    elsewhere.mkdir()
    archive = stocked.folder / "out/weekly/archive"
    archive.rename(stocked.folder / "moved")
    archive.symlink_to(elsewhere)
    assert stocked("export", "out").code == 1
    assert list(elsewhere.iterdir()) == []


def test_cells_of_the_table_run_nothing(stocked: Shell) -> None:
    stocked("export", "plain")
    stocked("export", "raw", "--raw")
    tables = [(stocked.folder / one / "weekly/readers.csv").read_text() for one in ("plain", "raw")]
    assert [",'=Anne," in table for table in tables] == [True, False]
