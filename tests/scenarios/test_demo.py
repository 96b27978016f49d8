"""The main job from end to end, in real processes, as a newcomer sees it first."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import httpx2
import pytest

from digest.cli.demo_content import DOMAINS, example_issue, readers_csv, sendable_text
from digest.content.issue_file import parse_issue, placeholders
from tests.cli.shell import ISSUE
from tests.scenarios.processes import PATIENCE, Script, environment

KEYS = (
    *("issue", "sections", "items", "planned", "accepted", "rejected", "deferred"),
    *("captured", "lost", "repeated", "seconds", "messages_per_second"),
)


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """A folder whose .env and environment would mislead anything that looked at them."""
    (tmp_path / ".env").write_text("DIGEST_PORT=nonsense\nDIGEST_RELAY_URL=smtp://192.0.2.1\n")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    misleading = environment(
        DIGEST_RELAY_URL="smtp://192.0.2.1:25",
        DIGEST_DATABASE_URL="postgresql://nobody@192.0.2.1/none",
        DIGEST_SENDER__UNRECORDED="many",
        TMPDIR=str(scratch),
    )
    return Script(tmp_path, misleading)


def left_behind(script: Script) -> list[Path]:
    return list((script.folder / "scratch").iterdir())


def test_a_thousand_readers_get_it_or_are_accounted_for(script: Script) -> None:
    shown = script.json("demo", "--exit")
    assert tuple(shown) == KEYS
    assert shown["planned"] == 1_000
    assert shown["accepted"] + shown["rejected"] + shown["deferred"] == 1_000
    assert shown["captured"] == shown["accepted"]
    assert (shown["lost"], shown["repeated"]) == (0, 0)
    assert shown["rejected"] > 5
    assert shown["deferred"] > 10
    assert left_behind(script) == []


def test_killed_twice_nobody_is_lost(script: Script) -> None:
    shown = script.json("demo", "--exit", "--kill", "2", "--readers", "400")
    assert shown["planned"] == 400
    assert shown["accepted"] + shown["rejected"] + shown["deferred"] == 400
    assert (shown["captured"], shown["lost"]) == (shown["accepted"], 0)
    assert 0 <= shown["repeated"] <= 400
    assert left_behind(script) == []


def test_the_imported_sample_goes_out_whole(script: Script, shared: Path) -> None:
    sample = shared / "data" / "issues" / "deep-learning-weekly-182.txt"
    script.run("issue", "import", str(sample), "--out", "182.md")
    with script.start("demo", "--exit", "--json", "--issue", "182.md") as process:
        out, err = process.communicate(timeout=PATIENCE)
    shown = json.loads(out)
    assert process.returncode == 0
    assert (shown["issue"], shown["sections"], shown["items"]) == (182, 6, 17)
    assert shown["planned"] == 1_000
    assert shown["captured"] == shown["accepted"]
    assert "placeholders" in err


def test_people_read_that_nothing_was_lost_and_can_look_until_ctrl_c(script: Script) -> None:
    (script.folder / "mine.md").write_text(ISSUE)
    command = ("demo", "--readers", "40", "--kill", "1", "--issue", "mine.md")
    with script.start(*command) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = ""
        while "messages per second" not in said:
            said += process.stdout.readline()
        assert re.search(r"lost 0, repeated \d+ after 1 kill with SIGKILL", said)
        url = pages_of(process)
        for path in ("/", "/inbox", "/receipt", "/i/demo/182"):
            with urllib.request.urlopen(url + path, timeout=30) as answer:
                assert answer.status == 200
                page = answer.read().decode()
        assert "A Weekly, Issue #182" in page
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert left_behind(script) == []


def pages_of(process: subprocess.Popen[str]) -> str:
    """Where a demo that was started serves its pages, once it says so."""
    assert process.stderr is not None
    found = None
    while found is None:
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
    return found[0]


@contextmanager
def opened(script: Script, *, readers: int) -> Iterator[httpx2.Client]:
    """A browser on the pages of a demo, which ends with it and leaves nothing behind."""
    with script.start("demo", "--readers", str(readers)) as process:
        try:
            url = pages_of(process)
            with httpx2.Client(base_url=url, follow_redirects=True, timeout=30) as browser:
                yield browser
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert left_behind(script) == []


def test_a_visitor_walks_a_readers_whole_way_from_the_form_to_undo(script: Script) -> None:
    with opened(script, readers=5) as browser:
        walk(browser, "cris@example.org")


def walk(browser: httpx2.Client, address: str) -> None:
    counted = re.search(r"\d+ messages", browser.get("/receipt").text)
    given = {"email": address, "stamp": stamp_in(browser.get("/n/demo").text)}
    while "/asked" not in str(browser.post("/n/demo/subscribe", data=given).url):
        time.sleep(0.2)  # as a person reads: a form that comes back at once is a machine's
    confirm = link_in_mail(browser, address, "/c/")
    assert "Yes, subscribe me" in browser.get(confirm).text
    assert "You are subscribed" in browser.post(confirm, data={"confirm": "yes"}).text
    preferences = link_in_mail(browser, address, "/p/")  # the latest issue came
    assert browser.get(preferences).text.count('name="section"') == 5
    saved = browser.post(f"{preferences}/choice", data={"name": "Cris", "section": "Code"})
    assert "Saved." in saved.text
    leave = link_in_mail(browser, address, "/u/")
    left = browser.post(leave, data={"List-Unsubscribe": "One-Click"}).text
    back = browser.post(f"{leave}/undo", data={"stamp": stamp_in(left)}).text
    assert "You are subscribed again" in back
    assert counted is not None
    assert counted[0] in browser.get("/receipt").text  # it is of the issue, whatever came since


def stamp_in(page: str) -> str:
    found = re.search(r'name="stamp" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def link_in_mail(browser: httpx2.Client, address: str, start: str) -> str:
    """The path of the first link like this in the latest mail to ``address`` that has one."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        inbox = browser.get("/inbox").text
        for number in re.findall(rf'href="/inbox/(\d+)">\s*<span class="to"><bdi>{address}', inbox):
            found = re.search(rf"{start}[\w-]+", browser.get(f"/inbox/{number}?show=text").text)
            if found is not None:
                return found[0]
        time.sleep(0.1)
    raise AssertionError(f"no mail with {start} came")


def test_ctrl_c_while_it_sends_leaves_no_process_and_no_folder(script: Script) -> None:
    # A rate that --kill brings along, so that there is a meanwhile.
    with script.start("demo", "--exit", "--readers", "5000", "--kill", "40") as process:
        capture = _capture_folder(script, process)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert left_behind(script) == []
    assert _processes_naming(capture) == []


def _capture_folder(script: Script, process: subprocess.Popen[str]) -> str:
    """Wait until mail is on its way; the folder it goes to."""
    while process.poll() is None:
        for ledger in (script.folder / "scratch").glob("digest-demo-*/capture/ledger.jsonl"):
            if ledger.stat().st_size:
                return str(ledger.parent)
    raise AssertionError("the demo ended before it sent anything")


def _processes_naming(text: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if text.encode() in command and int(folder.name) != os.getpid():
            found.append(command.decode())
    return found


def test_the_example_can_be_sent_as_it_is() -> None:
    text, filled = sendable_text(example_issue(), placeholder_url="http://127.0.0.1/todo")
    assert filled == 0
    assert placeholders(parse_issue(text)) == ()


def test_every_kind_of_placeholder_is_filled_in(tmp_path: Path) -> None:
    file = tmp_path / "draft.md"
    file.write_text(
        "---\nnumber: 7\ntitle: TODO\npreview: TODO\n---\nTODO\n\n"
        "## TODO section 1\n### [TODO](TODO)\nSee [this](TODO) and TODO.\n\n"
        "## Code\n### [owner/repository](https://github.com/owner/repository)\n"
        "![A picture](TODO)\n\nText.\n\n## Next week {later}\n### [Kept](TODO)\nTODO\n"
    )
    text, filled = sendable_text(file, placeholder_url="http://127.0.0.1/todo")
    issue = parse_issue(text)
    assert placeholders(issue) == ()
    assert filled >= 8
    assert issue.sections[0].heading == "Section 1"
    assert issue.sections[0].items[0].url.startswith("http://127.0.0.1/todo?n=")
    assert issue.sections[1].items[0].figure is None
    assert "### [Kept](TODO)" in text


def test_the_readers_live_where_nobody_does() -> None:
    lines = readers_csv(500).getvalue().decode().splitlines()
    assert lines[0] == "email,name"
    addresses = {line.partition(",")[0] for line in lines[1:]}
    assert len(addresses) == 500
    assert {address.partition("@")[2] for address in addresses} <= set(DOMAINS)
    for domain in DOMAINS:  # RFC 2606 §3
        assert domain.endswith((".example.com", ".example.net", ".example.org"))
    assert readers_csv(500).getvalue() == readers_csv(500).getvalue()


def test_an_issues_week_is_walked_with_the_sender_killed_on_the_way(script: Script) -> None:
    """From the links to a receipt that adds up: real processes, a real SIGKILL."""
    with opened(script, readers=80) as browser:
        week(browser)


WEEK = ["Demo", "Links", "Write", "Approve", "Send", "Receipt", "Inbox", "Archive"]
OPEN = {"queued", "sending", "deferred", "held"}  # of a reader whose fate is still open


def week(browser: httpx2.Client) -> None:
    strip = re.search(
        r'<nav aria-label="An issue\'s week">(.*?)</nav>', browser.get("/").text, re.DOTALL
    )
    assert strip is not None
    assert re.findall(r">(\w+)<", strip[1]) == WEEK
    inbox = browser.get("/desk/n/demo/links").text
    assert "4 kept, 8 waiting" in inbox
    token = field_of(inbox, "form_token")

    def post(path: str, **fields: str) -> httpx2.Response:
        answer = browser.post(path, data={"form_token": token, **fields})
        assert answer.status_code == 200, (path, answer.text)
        return answer

    post(f"/desk/n/demo/links/{field_of(inbox, 'link')}", do="keep")
    assert "Save it first" in browser.get("/week/send").text  # nothing to send yet
    page = browser.get("/week/write").text
    assert "Save it first" not in page
    text = unescape(page.partition("<textarea")[2].partition(">\n")[2].partition("</textarea>")[0])
    assert text.count("\n### ") == 5
    assert "1 to mend before it can go out" in page
    text = re.sub(r"TODO[^\n]*", "Read it first.", text)
    saved = post("/desk/n/demo/write", text=text, based_on="")
    path = str(saved.url.path).removesuffix("/write")
    post(f"{path}/approve", hash=field_of(saved.text, "hash"))
    going = post(f"{path}/start").text
    assert "sending" in going
    assert step_of(going) == "Send"
    counted(browser, lambda accepted: accepted > 5)
    pid = process_of(browser.get("/week/send").text)
    assert str(browser.post("/week/kill", data={"back": path}).url.path) == path
    counted(browser, lambda accepted: accepted == planned_of(browser))
    after = back_again(browser)
    assert process_of(after) != pid
    fates, planned = fates_of(after)
    assert (planned, sum(fates.values())) == (planned_of(browser), planned)
    assert fates.keys() & OPEN == set()
    assert len(captured(browser)) == fates["accepted"]
    assert browser.post("/week/kill", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    away = browser.post("/week/kill", data={"back": "//example.org"}, follow_redirects=False)
    assert away.headers["location"] == "/"
    assert browser.get("/week/said").text.startswith("The sender ")  # what the strip asks again
    assert step_of(after) == "Receipt"


def step_of(page: str) -> str:
    """The step that the strip above a page says it is."""
    found = re.search(r'aria-current="step">(\w+)<', page)
    assert found is not None
    return found[1]


def field_of(page: str, name: str) -> str:
    """The value of a hidden field, or the number of the first link that waits."""
    found = (
        re.search(r'<ul class="links waiting">\s*<li id="link-(\d+)"', page)
        if name == "link"
        else re.search(rf'name="{name}" value="([^"]+)"', page)
    )
    assert found is not None, name
    return found[1]


def process_of(page: str) -> str:
    found = re.search(r"The sender is process (\d+)\.", page)
    assert found is not None
    return found[1]


def planned_of(browser: httpx2.Client) -> int:
    page = browser.get("/week/send").text
    found = re.search(r"accepted of ([\d,]+)", page)
    assert found is not None
    return int(found[1].replace(",", ""))


def fates_of(receipt: str) -> tuple[dict[str, int], int]:
    """How many readers have which fate, by the name of its list, and how many were planned."""
    row = re.compile(r'href="/desk/n/demo/i/\w+/receipt/([\w/-]+)">(\d+)<')
    body, _, foot = receipt.partition("<tfoot>")
    fates = {fate: int(number) for fate, number in row.findall(body.partition("<tbody>")[2])}
    planned = row.search(foot)
    assert planned is not None
    return fates, int(planned[2])


def captured(browser: httpx2.Client) -> set[str]:
    """Who got a message with the subject of the latest: the relay's word, not ours."""
    row = r'class="to"><bdi>([^<]+)</bdi>.*?class="subject"><bdi>([^<]+)</bdi>'
    first = browser.get("/inbox").text
    pages = re.search(r"Page 1 of (\d+)", first)
    assert pages is not None
    found = [
        one
        for number in range(1, int(pages[1]) + 1)
        for one in re.findall(row, browser.get(f"/inbox?page={number}").text, re.DOTALL)
    ]
    return {address for address, subject in found if subject == found[0][1]}


def back_again(browser: httpx2.Client) -> str:
    """The receipt, once the sender that was killed is there again: it may have had nothing left."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        page = browser.get("/week/receipt").text
        if "Killed once" in page:
            return page
        time.sleep(0.05)
    raise AssertionError("it does not come back")


def counted(browser: httpx2.Client, enough: Callable[[int], bool]) -> None:
    """Wait until so many were accepted."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        page = browser.get("/week/send").text
        found = re.search(r"<strong>([\d,]+)</strong><span>accepted of", page)
        if found is not None and enough(int(found[1].replace(",", ""))):
            return
        time.sleep(0.05)
    raise AssertionError("it does not go on")
