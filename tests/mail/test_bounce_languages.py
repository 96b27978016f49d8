"""Reports in the languages mail systems speak: kind, recipient and reason are found in all."""

from __future__ import annotations

import pytest

from digest.mail.bounce import Kind, read_report
from tests.mail.returned import RETURNED, mail

NOT_FOUND = "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"

# The subject and the first sentence of Exchange's reports; the diagnosis is English in all.
GIVEN_UP = {
    "English": ("Undeliverable", "Your message to anne@example.org couldn't be delivered."),
    "German": (
        "Unzustellbar",
        "Ihre Nachricht an anne@example.org konnte nicht zugestellt werden.",
    ),
    "French": ("Non remis ", "Votre message à anne@example.org n'a pas pu être remis."),
    "Spanish": ("No se puede entregar", "No se pudo entregar el mensaje a anne@example.org."),
    "Italian": ("Non recapitabile", "Impossibile recapitare il messaggio a anne@example.org."),
    "Portuguese": (
        "Não é possível entregar",
        "Não foi possível entregar a sua mensagem para anne@example.org.",
    ),
    "Dutch": ("Niet te bezorgen", "Uw bericht aan anne@example.org kan niet worden bezorgd."),
    "Polish": ("Niedostarczalne", "Nie można dostarczyć wiadomości do anne@example.org."),
    "Swedish": (
        "Olevererbart",
        "Det gick inte att leverera ditt meddelande till anne@example.org.",
    ),
    "Danish": ("Kan ikke leveres", "Din meddelelse til anne@example.org kunne ikke leveres."),
    "Russian": ("Недоставлено", "Не удалось доставить сообщение для anne@example.org."),
    "Japanese": ("配信不能", "anne@example.org へのメッセージを配信できませんでした。"),
    "Chinese": ("未送达", "未能将您的邮件传递给 anne@example.org。"),
}


@pytest.mark.parametrize("sender", ["Microsoft Outlook <microsoftexchange1@x>", "postmaster@x"])
@pytest.mark.parametrize("language", GIVEN_UP)
def test_a_report_is_read_in_any_language(language: str, sender: str) -> None:
    subject, sentence = GIVEN_UP[language]
    text = f"{sentence}\n\n{NOT_FOUND}\n"
    report = read_report(mail(text, sender=sender, subject=f"{subject}: A Weekly"))
    assert report.kind is Kind.BOUNCE
    assert [(one.address, one.hard) for one in report.recipients] == [("anne@example.org", True)]


# Nothing but words says why.
WORDS = [
    ("Unzustellbare Nachricht", "Der Empfänger anne@example.org ist unbekannt.", True),
    ("Non remis", "L'adresse anne@example.org n'existe pas.", True),
    ("Correo devuelto", "El buzón de anne@example.org no existe.", True),
    ("Mancato recapito", "La casella anne@example.org non esiste.", True),
    ("Falha na entrega", "A caixa de correio anne@example.org não existe.", True),
    ("Onbestelbaar", "Het adres anne@example.org bestaat niet.", True),
    ("Niedostarczona poczta", "Adres anne@example.org nie istnieje.", True),
    ("Письмо не доставлено", "Пользователь anne@example.org не существует.", True),
    ("メール配信エラー", "メールアドレス anne@example.org は存在しません。", True),
    ("系统退信", "收件人 anne@example.org 不存在。", True),
    ("메일 전송 실패", "받는사람 anne@example.org 존재하지 않는 주소입니다.", True),
    ("Unzustellbare Nachricht", "Das Postfach von anne@example.org ist voll.", False),
    ("Non remis", "La boîte aux lettres de anne@example.org est pleine.", False),
    ("Correo devuelto", "El buzón de anne@example.org está lleno.", False),
    ("Mancato recapito", "La casella di anne@example.org è piena.", False),
    ("Письмо не доставлено", "Почтовый ящик anne@example.org переполнен.", False),
    ("系统退信", "收件人 anne@example.org 邮箱已满。", False),
]


@pytest.mark.parametrize(("subject", "text", "dead"), WORDS)
def test_words_of_many_languages_say_who_is_dead(subject: str, text: str, *, dead: bool) -> None:
    report = read_report(mail(f"{text}\n", subject=subject))
    assert report.kind is Kind.BOUNCE
    assert [(one.address, one.hard) for one in report.recipients] == [("anne@example.org", dead)]


DELAYED = [
    ("Delivery delayed", "This message hasn't been delivered yet."),
    ("Zustellung verzögert", "Diese Nachricht wurde noch nicht zugestellt."),
    ("Remise différée ", "Ce message n'a pas encore été remis."),
    ("Entrega retrasada", "Este mensaje todavía no se ha entregado."),
    ("Consegna ritardata", "Il messaggio non è stato ancora recapitato."),
    ("Vertraagd", "Dit bericht is nog niet bezorgd."),
    ("配信遅延", "このメッセージはまだ配信されていません。"),
    ("Message delivery delayed", "Last error: 550 5.1.1 user unknown. We will keep trying."),
]


@pytest.mark.parametrize(("subject", "text"), DELAYED)
def test_a_delay_is_one_in_any_language(subject: str, text: str) -> None:
    report = read_report(mail(f"anne@example.org\n\n{text}\n\n{RETURNED}", subject=subject))
    assert report.kind is Kind.DELAYED
    assert [(one.address, one.final) for one in report.recipients] == [("anne@example.org", False)]


ARRIVED = [
    ("Delivered", "Your message has been delivered to the following recipients:"),
    (
        "Relayed",
        "Delivery to these recipients or groups is complete, but nobody was told:",
    ),
    ("Zugestellt", "Ihre Nachricht wurde an die folgenden Empfänger zugestellt:"),
    ("Return receipt", "----- The following addresses had successful delivery notifications -----"),
]


@pytest.mark.parametrize(("subject", "text"), ARRIVED)
def test_a_notice_of_success_is_one_in_any_language(subject: str, text: str) -> None:
    report = read_report(mail(f"{text}\n\nanne@example.org\n", subject=f"{subject}: A Weekly"))
    assert report.kind is Kind.SUCCESS
    assert not any(one.final for one in report.recipients)


ABSENT = [
    ("Absente Re: A Weekly", "Je suis absente jusqu'au 30 novembre."),
    ("Fuori ufficio Re: A Weekly", "Sono fuori ufficio fino al 30."),
    ("Automatisch antwoord: A Weekly", "De heer Jansen is tot 30 november afwezig."),
    ("自動応答: A Weekly", "ただいま休暇中です。"),
    ("Re: A Weekly", "I have left. anne@example.org does not exist any more: 550 5.1.1."),
]


@pytest.mark.parametrize(("subject", "text"), ABSENT)
def test_an_answer_of_a_machine_gives_nobody_up(subject: str, text: str) -> None:
    answer = "Return-Path: <>\nAuto-Submitted: auto-replied\n"
    report = read_report(mail(text, sender="bart@example.com", subject=subject, headers=answer))
    assert (report.kind, report.recipients) == (Kind.AUTOREPLY, ())
