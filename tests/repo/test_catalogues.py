"""Every language says all that readers are told, and nothing that a page does not fill in."""

from __future__ import annotations

import re

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from digest.languages import SOURCE, catalogues, languages
from tests.repo.catalogues import messages

OTHERS = [one for one in languages() if one != SOURCE]
# What is filled in, and the tags: neither may be lost or come to be in a translation.
PARTS = re.compile(r"%\(\w+\)s|\{\w+\}|<[^>]+>")


def the_catalogue(language: str) -> dict[str, Message]:
    with (catalogues() / f"{language}.po").open("rb") as file:
        return {_name(one.id): one for one in read_po(file, locale=language) if one.id}


def _name(message: object) -> str:
    return message if isinstance(message, str) else str(message[0])  # type: ignore[index]  # a plural's


def _words(message: Message) -> tuple[str, ...]:
    given = message.string
    return (given,) if isinstance(given, str) else tuple(given or ())


def test_there_are_several_languages_and_one_of_them_runs_from_the_right() -> None:
    assert {"ar", "de", "es", "fr"} <= set(OTHERS)


@pytest.mark.parametrize("language", OTHERS)
def test_a_catalogue_has_the_messages_there_are(language: str) -> None:
    """``python -m tests.repo.catalogues`` adds what is missing, for its translator to fill in."""
    assert set(the_catalogue(language)) == {_name(message) for message, _ in messages()}


@pytest.mark.parametrize("language", OTHERS)
def test_no_message_lacks_its_words(language: str) -> None:
    found = the_catalogue(language)
    forms = max(len(_words(one)) for one in found.values())
    for name, message in found.items():
        words = _words(message)
        assert all(words), name
        assert not message.fuzzy, name
        if message.pluralizable:
            assert len(words) == forms, name
        else:
            assert set(PARTS.findall(words[0])) == set(PARTS.findall(name)), name


def test_the_search_for_messages_finds_some_of_every_kind() -> None:
    found = {_name(message): place for message, place in messages()}
    assert found["Do you want to leave?"] == "templates/web/leave.html"
    assert found["One step is left"].startswith("templates/mail/confirmation/")
    assert found["There is nothing here"] == "digest/web/page.py"
    assert found["Read online"].endswith("theme.toml")
    assert "contents" not in found
