"""What the pages tell people to type exists, and their words and links hold."""

from __future__ import annotations

import ast
import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from digest.cli.main import run
from digest.delivery.retention import KEPT
from digest.store.forgetting import (
    forget_pictures,
    forget_quarantined,
    forget_refusals,
    forget_schedulers,
    forget_usage,
    forget_words,
)
from digest.store.old_notices import forget_notices
from digest.store.schema import metadata
from tests.repo.tree import ROOT, named, parsed, short

DECISION_HEADINGS = ["Context", "Decision", "Consequences", "Alternatives", "Status"]
# The nouns of this house; each is explained once.
NOUNS = """newsletter, issue, version, section, item, subscriber, address, subscription, audience,
    delivery, notice, attempt, envelope sender, VERP, relay, relay profile, destination, reply,
    enhanced status code, verdict, blame, outcome, DSN, bounce, complaint, feedback, suppression,
    theme, slot, send slot, receipt, token, worker, accepted, editor, operator"""
_FENCED = re.compile(r"^```(?P<kind>\w*)\n(?P<body>.*?)^```", re.MULTILINE | re.DOTALL)
_SHELL = {"sh", "console", "bash"}


def _pages() -> list[Path]:
    return [path for path in named(".md") if not short(path).startswith(("examples/", "tests/"))]


def _page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _typed(pages: list[Path]) -> Iterator[tuple[str, list[str]]]:
    """Every line of a shell example that calls ``./run`` or ``digest``, without its comment."""
    for path in pages:
        for block in _FENCED.finditer(path.read_text(encoding="utf-8")):
            if block["kind"] not in _SHELL:
                continue
            for line in block["body"].replace("\\\n", " ").splitlines():
                for part in re.split(r"\s(?:&&|\|)\s", line):
                    words = shlex.split(part.removeprefix("$ "), comments=True)
                    if words[:1] == ["./run"] or words[:1] == ["digest"]:
                        yield f"{short(path)}: {part.strip()}", words


TYPED = dict(_typed([p for p in _pages() if short(p) != "docs/reference/cli.md"]))


def test_the_pages_have_examples() -> None:
    assert len(TYPED) > 12
    assert {"./run demo", "./run test"} <= {" ".join(words[:2]) for words in TYPED.values()}


@pytest.mark.parametrize("example", sorted(TYPED))
def test_an_example_on_a_page_calls_what_there_is(example: str) -> None:
    words = TYPED[example]
    if words[0] == "./run":
        commands = re.findall(r"^  (\w+) ", _page("run").split("END\n")[0], re.MULTILINE)
        assert words[1] in commands
        if words[1] not in ("digest", "demo"):
            return
        words = words[1:] if words[1] == "demo" else words[2:]
    else:
        words = words[1:]
    help_text = _help([word for word in words if not word.startswith("-")])
    for option in (word.partition("=")[0] for word in words if word.startswith("--")):
        assert re.search(rf"{option}\b", help_text), f"no {option} in:\n{help_text}"


def _help(words: list[str]) -> str:
    """What ``--help`` prints for the longest command ``words`` begin with."""
    printed = io.StringIO()
    for length in (2, 1):
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
            if run([*words[:length], "--help"]) == 0:
                break
    else:
        pytest.fail(f"there is no command {words[:2]}")
    text = printed.getvalue()
    if words and length == 1:
        assert "Commands:" not in text, f"{words[0]} has no command {words[1:2]}"
    return text


def test_every_word_of_the_house_is_in_the_glossary_once() -> None:
    explained = re.findall(r"^\*\*([^*]+)\*\*:", _page("docs/glossary.md"), re.MULTILINE)
    assert len(explained) == len(set(explained))
    assert {" ".join(noun.split()) for noun in NOUNS.split(",")} <= set(explained)


def test_every_decision_has_its_five_headings() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    listed = _page("docs/decisions/README.md")
    assert len(pages) >= 6
    for page in pages:
        headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert headings == DECISION_HEADINGS, page.name
        assert page.name in listed


def test_every_promise_names_the_tests_that_show_it() -> None:
    page = _page("docs/explanation/promises.md")
    promises = re.split(r"^## \d\. ", page.partition("\n## What is not")[0], flags=re.MULTILINE)[1:]
    tests = {
        node.name
        for path in named(".py", under="tests")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert len(promises) == 8
    for promise in promises:
        shown_by = set(re.findall(r"`(test_\w+)`", promise))
        assert shown_by, promise
        assert shown_by <= tests


def test_of_every_table_it_is_said_how_long_what_is_in_it_stays() -> None:
    page = _page("docs/explanation/what-is-kept.md")
    told = set(re.findall(r"`(\w+)`", page)) & set(metadata.tables)
    assert told == set(metadata.tables)
    rows = {line.split("|")[1].strip(): line for line in page.splitlines() if line.startswith("|")}
    times = {
        "`notices` and their `attempts`": forget_notices,
        "`feedback` without a token of ours": forget_quarantined,
        "`audit`": forget_refusals,
        "`media`": forget_pictures,
        "`relay_usage`": forget_usage,
        "`schedulers`, `workers`, `budgets`": forget_schedulers,
    }
    for row, forget in times.items():
        kept = KEPT[forget]
        assert kept is not None
        assert f"{kept.days} days" in rows[row]
    assert KEPT.keys() - times.values() == {forget_words}
    assert "DIGEST_KEEP_DAYS" in rows["`feedback`"]


def test_links_between_pages_lead_somewhere() -> None:
    targets = [
        (page, target)
        for page in _pages()
        for target in _links(_FENCED.sub("", page.read_text(encoding="utf-8")))
    ]
    assert len(targets) > 20
    assert not [
        f"{short(page)}: {target}"
        for page, target in targets
        if not (page.parent / target).exists()
    ]


def _links(prose: str) -> list[str]:
    """The targets of the links of a page that lead to a file of ours."""
    found = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", prose))
    files = (target.partition("#")[0] for target in found)
    return [f for f in files if f and not re.match(r"(?:https?|mailto):", f)]


def test_the_two_commands_of_the_readme_are_the_two_we_promise() -> None:
    readme = _page("README.md")
    first = _FENCED.search(readme)
    assert first is not None
    commands = [line.split("#")[0].strip() for line in first["body"].splitlines()]
    assert commands == ["./run demo", "./run test"]
