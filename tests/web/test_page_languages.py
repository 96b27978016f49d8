"""Pages and mails speak a reader's language: their choice, the newsletter's, or the browser's."""

from __future__ import annotations

import re
from html import unescape

import httpx2
import pytest
from sqlalchemy import select

from digest.content.issue_file import parse_issue
from digest.content.notice import FOR_READERS, NoticeLook, render_notice
from digest.content.render import render_issue
from digest.content.theme import Masthead, load_theme
from digest.languages import catalogue, languages, say
from digest.mail.address import parse_address
from digest.mail.tokens import TokenKind
from digest.store.newsletters import set_newsletter
from digest.store.preferences import speak_to
from digest.store.schema import notices, wordings
from digest.store.subscribers import get_subscription
from tests.build import PUBLIC_URL, issue_text
from tests.web.conftest import Installation

PARAMS = {
    "newsletter": "A Weekly",
    "url": "https://news.example.org/c/x",
    "preferences_url": "https://news.example.org/p/x",
}
HTML = re.compile(r'<html lang="([a-z]+)" dir="([a-z]+)">')
# Words of English pages that no other language has.
ENGLISH = re.compile(r"\b(?:Your|You|Search|Sign up|Skip to|Unsubscribe|Nothing|mailbox)\b")


def own_paths(installation: Installation) -> tuple[str, ...]:
    keys, anne = installation.site.keys, installation.anne
    return (
        f"/u/{keys.sign(TokenKind.LEAVE, anne)}",
        f"/p/{keys.sign(TokenKind.PREFERENCES, anne)}",
    )


@pytest.mark.parametrize("language", languages())
async def test_every_page_of_a_newsletter_speaks_its_language(
    installation: Installation, client: httpx2.AsyncClient, language: str
) -> None:
    async with installation.site.db.begin() as session:
        await set_newsletter(session, installation.newsletter.id, language=language)
    public = ("/n/weekly", "/n/weekly/archive", "/n/weekly/archive?q=no", "/n/weekly/subscribe")
    for path in (*public, "/n/weekly/asked", "/n/weekly/embed", *own_paths(installation)):
        answer = await client.get(path, headers={"accept-language": "en"})
        found = HTML.search(answer.text)
        assert found is not None, path
        assert found.groups() == (language, "rtl" if language == "ar" else "ltr"), path
        if language != "en":
            assert not ENGLISH.search(re.sub(r"<[^>]+>", " ", answer.text)), path


async def test_a_newsletter_in_a_language_we_do_not_speak_has_pages_in_the_browsers(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    async with installation.site.db.begin() as session:
        await set_newsletter(session, installation.newsletter.id, language="fa")
    page = (await client.get("/n/weekly", headers={"accept-language": "fr-CA, en"})).text
    assert '<html lang="fr" dir="ltr">' in page
    assert (
        '<p class="lead" lang="fa" dir="rtl">' in page
    )  # its own words are said to be what they are


async def test_a_reader_chooses_a_language_and_is_spoken_to_in_it(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    leave, preferences = own_paths(installation)
    answer = await client.post(f"{preferences}/choice", data={"name": "Anne", "language": "es"})
    assert "Guardado." in (await client.get(answer.headers["location"])).text
    assert "¿Quieres darte de baja?" in (await client.get(leave)).text
    await client.post(f"{preferences}/choice", data={"name": "Anne", "language": "xx"})
    assert "Tu suscripción" in (await client.get(preferences)).text
    await client.post(f"{preferences}/choice", data={"name": "Anne", "language": ""})
    assert "Your subscription" in (await client.get(preferences)).text


async def test_who_leaves_is_answered_in_the_language_of_the_button(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    leave = own_paths(installation)[0]
    async with installation.site.db.begin() as session:
        mine = await get_subscription(session, installation.anne)
        assert mine is not None
        await speak_to(session, mine.subscriber_id, "ar")
    action = re.search(r'action="([^"]+)"', (await client.get(leave)).text)
    assert action is not None
    left = await client.post(action[1], data={"List-Unsubscribe": "One-Click"})
    assert say("ar", "You have left") in left.text
    assert 'dir="rtl"' in left.text


async def test_pages_of_nobody_speak_the_browsers_language(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    for path in ("/nothing", "/u/nonsense", "/c/" + "x" * 43):
        german = await client.get(path, headers={"accept-language": "de"})
        assert '<html lang="de" dir="ltr">' in german.text, path
        assert '<html lang="en"' in (await client.get(path)).text, path


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("kind", sorted(FOR_READERS))
def test_a_mail_to_a_reader_is_whole_in_every_language(kind: str, language: str) -> None:
    look = NoticeLook("A Weekly", PUBLIC_URL, load_theme())
    shown = render_notice(kind, PARAMS, look=look, language=f"{language}-AT")
    assert f'<html lang="{language}' in shown.html
    assert ('dir="rtl"' in shown.html) is (language == "ar")
    assert PARAMS["url"][:-1].rsplit("/", 2)[0] in shown.plain
    if language != "en":
        assert not ENGLISH.search(shown.subject + shown.plain)


def test_a_mail_in_a_language_we_do_not_speak_is_english_from_left_to_right() -> None:
    look = NoticeLook("A Weekly", PUBLIC_URL, load_theme())
    shown = render_notice("confirmation", PARAMS, look=look, language="fa")
    assert shown.subject == "Please confirm: A Weekly"
    assert 'dir="rtl"' not in shown.html


def test_the_usual_words_of_an_issue_are_in_its_language_and_its_own_are_left_alone() -> None:
    issue = parse_issue(issue_text())
    head = Masthead("A Weekly", language="de", postal_address="x", public_url=PUBLIC_URL)
    german = render_issue(issue, head, load_theme())
    assert "Abbestellen" in german.html
    assert "Sie bekommen dies, weil Sie A Weekly abonniert haben." in german.plain
    assert "Unsubscribe" not in german.html + german.plain
    own = load_theme(overrides={"words": {"leave": "Tschüss", "months": ["Jänner"] * 12}})
    shown = render_issue(issue, head, own)
    assert "Tschüss" in shown.html
    assert "Jänner" in shown.plain or "Januar" not in shown.plain


def test_a_language_without_a_catalogue_has_the_words_of_english() -> None:
    assert catalogue("nl").gettext("Save") == "Save"


@pytest.mark.parametrize("language", languages())
async def test_the_words_that_are_kept_with_a_consent_are_those_of_the_page(
    installation: Installation, client: httpx2.AsyncClient, language: str
) -> None:
    site = installation.site
    async with site.db.begin() as session:
        await set_newsletter(session, installation.newsletter.id, name="A & B", language=language)
    await site.desk.ask(1, parse_address("cris@example.org"), net="192.0.2.0/24", source="form")
    await site.desk.settled()
    async with site.db.read() as session:
        [mail] = (await session.execute(select(notices))).all()
    path = mail.params["url"].removeprefix(PUBLIC_URL)
    shown = unescape(re.sub(r"<[^>]+>", "", (await client.get(path)).text))
    await client.post(path, data={"confirm": "yes"})
    async with site.db.read() as session:
        [kept] = (await session.execute(select(wordings))).all()
    assert (kept.language, "A & B" in kept.text) == (language, True)
    for line in kept.text.splitlines():
        assert line in shown
