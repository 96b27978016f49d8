"""What reaches the terminal: one line of ASCII for programs, nothing that drives a terminal."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.cli import output
from digest.errors import IssueFileError, NotFoundError, SettingsError
from digest.rules.delivery import IssueState


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_json_is_one_line_of_ascii_and_reads_back(data: dict[str, object]) -> None:
    line = output.json_line(data)
    assert line.isascii()
    assert len(line.splitlines()) <= 1
    assert json.loads(line) == data


@given(st.text())
def test_printable_text_has_no_controls_and_stays_on_its_line(text: str) -> None:
    shown = output.printable(text)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0 for letter in shown)


def test_writing_direction_cannot_be_turned() -> None:
    assert "\u202e" not in output.printable("issue \u202egnp.exe")


def test_times_and_states_are_written_for_programs() -> None:
    line = output.json_line({"at": datetime(2026, 11, 26, 9, tzinfo=UTC), "is": IssueState.DRAFT})
    assert line == '{"at":"2026-11-26T09:00:00Z","is":"draft"}'


def test_rows_are_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[output.Row] = [
        {"name": "Anne\x1b[2J", "readers": 12345},
        {"name": "Bart", "readers": None},
    ]
    output.rows(rows, as_json=False, columns=("name", "readers"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "readers"]
    assert lines[1].split() == ["Anne\N{REPLACEMENT CHARACTER}[2J", "12,345"]
    assert lines[2].split() == ["Bart", "–"]


def test_an_empty_list_says_so_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    output.rows([], as_json=False, columns=("name",), empty="Nobody yet.")
    output.rows([], as_json=True, columns=("name",))
    assert capsys.readouterr() == ("", "Nobody yet.\n")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (IssueFileError(), "issue_file"),
        (NotFoundError(), "not_found"),
        (SettingsError(), "settings"),
    ],
)
def test_errors_have_names(error: SettingsError, code: str) -> None:
    assert output.error_code(error) == code


def test_no_progress_bar_where_nobody_sees_it(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress_bar("Importing", total=10) as bar:
        bar(5)
    assert capsys.readouterr() == ("", "")


def test_our_own_fault_is_told_with_its_traceback_but_without_secrets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        raise ZeroDivisionError("smtp://user:hunter2@relay.example anne@example.org")
    except ZeroDivisionError as error:
        output.tell_fault(error, as_json=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" in err
    assert "hunter2" not in err
    assert "anne@" not in err
    assert json.loads(err.splitlines()[-1])["error"] == "fault"
