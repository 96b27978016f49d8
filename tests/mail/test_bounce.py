"""What a mail is: bounces, delays, complaints, answers and ordinary mail are told apart."""

from __future__ import annotations

import pytest

from digest.mail.bounce import Kind, Reason, read_report
from tests.mail.returned import RETURNED, complaint, letter, mail, multipart, report

FAILED = "Final-Recipient: rfc822; anne@example.org\nAction: failed\nStatus: 5.1.1\n"


def test_a_failed_recipient_of_a_report_is_dead_where_the_code_says_so() -> None:
    (one,) = read_report(report(FAILED)).recipients
    assert (one.address, one.status, one.reason) == (
        *("anne@example.org", "5.1.1"),
        Reason.USER_UNKNOWN,
    )
    assert one.final
    assert one.hard


def test_the_headers_of_the_returned_message_are_kept_for_whoever_looks_for_a_token() -> None:
    returned = read_report(report(FAILED)).returned
    assert returned.get("message-id") == "<token@news.example.net>"
    assert returned.get("list-unsubscribe") == "<https://news.example.net/u/leave>"
    assert returned.get("to") == "Anne <anne@example.org>"


def test_a_report_inside_the_returned_message_says_nothing() -> None:
    inner = report(FAILED.replace("anne", "victim")).decode()
    (one,) = read_report(report(FAILED, returned=inner)).recipients
    assert one.address == "anne@example.org"


def test_a_report_in_text_inside_a_returned_message_says_nothing() -> None:
    text = (
        "<anne@example.org>: host mx.example.org said: 550 5.1.1 User unknown (in reply to RCPT TO)"
        f"\n\n{RETURNED}Final-Recipient: rfc822; victim@example.org\nAction: failed\n"
    )
    assert [one.address for one in read_report(mail(text)).recipients] == ["anne@example.org"]


def test_a_report_a_gateway_put_into_another_mail_is_read() -> None:
    wrapped = multipart(
        ("message/rfc822", report(FAILED).decode()), kind="mixed; report-type=delivery-status"
    )
    assert [one.address for one in read_report(wrapped).recipients] == ["anne@example.org"]


def test_one_report_tells_of_several_recipients_each_in_its_way() -> None:
    found = read_report(
        report(
            f"{FAILED}\nFinal-Recipient: rfc822; bart@example.org\nAction: delayed\nStatus: 4.4.1\n"
        )
    )
    assert found.kind is Kind.BOUNCE
    assert [(one.address, one.final, one.hard) for one in found.recipients] == [
        ("anne@example.org", True, True),
        ("bart@example.org", False, False),
    ]


def test_mails_of_one_mailbox_file_are_read_together() -> None:
    other = report(FAILED.replace("anne", "bart"))
    found = read_report(b"From x Thu\n" + report(FAILED) + b"\n\nFrom x Thu\n" + other)
    assert [one.address for one in found.recipients] == ["anne@example.org", "bart@example.org"]


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("delayed", Kind.DELAYED),
        ("delivered", Kind.SUCCESS),
        ("relayed", Kind.SUCCESS),
        ("expanded", Kind.SUCCESS),
        ("deliverable", Kind.SUCCESS),
        ("failed", Kind.BOUNCE),
        ("expired", Kind.BOUNCE),
        ("Failed (bounced)", Kind.BOUNCE),
    ],
)
def test_the_action_says_what_a_report_is(action: str, kind: Kind) -> None:
    found = read_report(report(FAILED.replace("failed", action)))
    assert found.kind is kind
    assert all(one.hard == (kind is Kind.BOUNCE) for one in found.recipients)


DELAYED = [
    """This message was created automatically by mail delivery software.
A message that you sent has not yet been delivered to one or more of its
recipients after more than 24 hours on the queue on mx.example.org.

The address to which the message has not yet been delivered is:

  anne@example.org

No action is required on your part.
""",
    """   ** THIS IS A WARNING MESSAGE ONLY **
   ** YOU DO NOT NEED TO RESEND YOUR MESSAGE **

   ----- The following addresses had transient non-fatal errors -----
<anne@example.org>

550 5.1.1 User unknown
""",
    """Delivery to the following recipient has been delayed:

     anne@example.org

Message will be retried for 2 more day(s)
550 5.1.1 User unknown
""",
    """This is the mail system at host mx.example.org.

# THIS IS A WARNING ONLY.  YOU DO NOT NEED TO RESEND YOUR MESSAGE. #

Your message could not be delivered for more than 4 hour(s).
It will be retried until it is 5 day(s) old.

<anne@example.org>: connect to mx.example.org[192.0.2.7]:25: Connection timed out
""",
]


@pytest.mark.parametrize("text", DELAYED)
def test_a_delay_notice_gives_nobody_up(text: str) -> None:
    found = read_report(mail(text + "\n" + RETURNED, subject="Warning: message delayed"))
    assert found.kind is Kind.DELAYED
    assert [one.address for one in found.recipients] == ["anne@example.org"]
    assert not any(one.final or one.hard for one in found.recipients)


ANSWERS = [
    letter("I am on holiday.", subject="Automatic reply: A Weekly", headers="Return-Path: <>\n"),
    letter("Back on Monday.", subject="Re: A Weekly", headers="Auto-Submitted: auto-replied\n"),
    letter("Ich bin im Urlaub.", subject="Abwesenheitsnotiz: A Weekly"),
    letter("Thanks!", subject="Received", headers="X-Autoreply: yes\n"),
    letter("Thanks!", subject="Received", headers="Precedence: auto_reply\n"),
    letter("Je suis absent.", subject="=?utf-8?q?R=C3=A9ponse_automatique?="),
    letter("I will be away until Monday. Write to cris@example.com.", subject="A Weekly"),
    mail("Cris is out of the office.", sender="postmaster@example.com", subject="Out of Office"),
]


@pytest.mark.parametrize("data", ANSWERS)
def test_an_automatic_answer_is_no_bounce(data: bytes) -> None:
    assert (read_report(data).kind, read_report(data).recipients) == (Kind.AUTOREPLY, ())


CHALLENGES = [
    report(FAILED.replace("5.1.1", "4.7.0"), text="Hello, I use Boxbe to keep my inbox clean."),
    letter("Please click on the link to verify that you are a person.", subject="Verify"),
    letter("To have your message delivered, answer this mail.", subject="Your message to Cris"),
]


@pytest.mark.parametrize("data", CHALLENGES)
def test_a_challenge_is_no_bounce(data: bytes) -> None:
    assert (read_report(data).kind, read_report(data).recipients) == (Kind.CHALLENGE, ())


ORDINARY = [
    letter("Could you send me issue 12 again?", subject="A Weekly"),
    letter("Your parcel could not be delivered to your address.", subject="Delivery status"),
    letter(
        "The address anne@example.org does not exist any more.",
        subject="News",
        headers="Return-Path: <>\n",
    ),
    mail(
        "We have a question about anne@example.org, whose mail was rejected by us as over quota.",
        sender="postmaster@example.com",
        subject="Question",
    ),
    letter(
        "500 readers more! Write to cris@example.com.",
        subject="News",
        headers="Return-Path: <>\n",
    ),
    letter("Your 500 g are on the way to anne@example.org.", subject="Delivery status of an order"),
    letter("See you. anne@example.org is unknown to me.", subject="Re: A Weekly"),
    multipart(("text/plain", "Fwd."), ("message/rfc822", RETURNED), headers="X: y\n").replace(
        b"MAILER-DAEMON@mx.example.org", b"bart@example.com"
    ),
    b"",
    b"\0" * 1000,
    b"%PDF-1.7 no mail at all, but anne@example.org and 550 5.1.1 in it",
    b"From: x\n\n",
]


@pytest.mark.parametrize("data", ORDINARY)
def test_ordinary_mail_and_junk_suppress_nobody(data: bytes) -> None:
    found = read_report(data.replace(b"Undelivered Mail Returned to Sender", b"Look at this"))
    assert (found.kind, found.recipients) == (Kind.NOT_BOUNCE, ())


def test_a_read_receipt_is_no_bounce() -> None:
    found = read_report(
        multipart(
            ("text/plain", "The message was displayed."),
            ("message/disposition-notification", "Final-Recipient: rfc822; anne@example.org"),
            kind="report; report-type=disposition-notification",
        )
    )
    assert (found.kind, found.recipients) == (Kind.MDN, ())


def test_a_full_mailbox_told_by_a_disposition_notification_is_a_bounce() -> None:
    found = read_report(
        multipart(
            (
                "text/plain",
                "Your message to <anne@example.org> was automatically rejected:\nQuota exceeded",
            ),
            ("message/disposition-notification", "Disposition: automatic-action/sent; deleted"),
            kind="report; report-type=disposition-notification",
        )
    )
    (one,) = found.recipients
    assert (found.kind, one.reason, one.hard) == (Kind.BOUNCE, Reason.MAILBOX_FULL, False)


def test_a_complaint_is_no_bounce_of_a_dead_address() -> None:
    found = read_report(complaint("Feedback-Type: abuse\nOriginal-Rcpt-To: anne@example.org\n"))
    (one,) = found.recipients
    assert (found.kind, found.complaint, one.address) == (
        *(Kind.COMPLAINT, "abuse"),
        "anne@example.org",
    )
    assert (one.reason, one.final, one.hard) == (Reason.FEEDBACK, False, False)


NOTICE = """{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","bounceSubType":
"General","bouncedRecipients":[{"emailAddress":"Anne <Anne@example.org>","status":"5.1.1",
"diagnosticCode":"smtp; 550 5.1.1 user unknown"}]},"mail":{"headers":[{"name":"Message-ID",
"value":"<token@news.example.net>"}]}}

--
If you wish to stop receiving notifications, follow this link.
"""


def test_a_notification_of_ses_in_a_mail_is_read() -> None:
    found = read_report(mail(NOTICE, sender="no-reply@sns.amazonaws.com", subject="Notification"))
    (one,) = found.recipients
    assert (found.kind, one.reason, one.hard) == (Kind.BOUNCE, Reason.USER_UNKNOWN, True)
    assert one.address == "anne@example.org"
    assert found.returned.get("message-id") == "<token@news.example.net>"


@pytest.mark.parametrize("body", ['{"notificationType":"Bounce","bounce":[]}', "{" * 5000, "{}"])
def test_a_broken_notification_is_none(body: str) -> None:
    found = read_report(mail(body, sender="no-reply@sns.amazonaws.com", subject="Notification"))
    assert found.kind is Kind.NOT_BOUNCE


def test_the_recipient_comes_from_x_failed_recipients_where_it_stands() -> None:
    text = "A message could not be delivered.\n\n  anne\n    mailbox is full\n"
    found = read_report(
        mail(text, headers="X-Failed-Recipients: anne@example.org\nAuto-Submitted: auto-replied\n")
    )
    (one,) = found.recipients
    assert (one.address, one.reason) == ("anne@example.org", Reason.MAILBOX_FULL)


def test_the_to_of_a_lists_mail_is_nobody_that_failed() -> None:
    returned = RETURNED.replace("List-Unsubscribe", "List-Post")
    found = read_report(
        multipart(("text/plain", "A recipient is unknown."), ("message/rfc822", returned))
    )
    assert (found.kind, found.recipients) == (Kind.BOUNCE, ())


def test_addresses_are_told_in_lower_case() -> None:
    (one,) = read_report(report(FAILED.replace("anne@example", "Anne@EXAMPLE"))).recipients
    assert one.address == "anne@example.org"


def test_the_last_words_of_a_sentence_are_no_recipient() -> None:
    text = (
        "The mail below did not arrive. For help write to\n<postmaster@mx.example.com>.\n"
        "\n<anne@example.org>: 550 5.1.1 user unknown\n"
    )
    assert [one.address for one in read_report(mail(text)).recipients] == ["anne@example.org"]


ARRIVED = """The original message was received at Thu, 26 Nov 2026 08:00:00 +0100

   ----- The following addresses had successful delivery notifications -----
<anne@example.org>  (relayed to non-DSN-aware mailer)
"""


def test_a_notice_of_success_without_a_status_part_is_no_bounce() -> None:
    found = read_report(mail(ARRIVED, subject="Return receipt"))
    assert found.kind is Kind.SUCCESS
    assert [one.reason for one in found.recipients] == [Reason.DELIVERED]


PIPE = """This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  |/usr/local/bin/filter
    generated by anne@example.org
    local delivery failed

"""


def test_a_pipe_is_told_by_the_address_it_was_generated_by() -> None:
    (one,) = read_report(mail(PIPE + RETURNED)).recipients
    assert (one.address, one.reason) == ("anne@example.org", Reason.MAILER_ERROR)


def test_a_status_block_may_stand_indented_in_a_text() -> None:
    text = (
        "Technical report:\n\n  Final-Recipient: rfc822; anne@example.org\n  Action: failed\n"
        "  Status: 5.2.2\n  Diagnostic-Code: smtp; 552 5.2.2\n    over quota\n"
    )
    (one,) = read_report(mail(text)).recipients
    assert (one.address, one.reason) == ("anne@example.org", Reason.MAILBOX_FULL)
    assert one.evidence == "552 5.2.2 over quota"


QUOTING = [
    "Undeliverable: Out of office, and other places to work",
    "Undelivered Mail Returned to Sender: Urlaub in den Bergen",
    "Delivery failure: trains delayed",
]


@pytest.mark.parametrize("subject", QUOTING)
def test_a_subject_quoted_in_a_bounce_decides_nothing(subject: str) -> None:
    found = read_report(mail("<anne@example.org>: 550 5.1.1 user unknown\n", subject=subject))
    assert found.kind is Kind.BOUNCE
    assert [one.address for one in found.recipients] == ["anne@example.org"]


def test_the_code_of_one_recipient_is_not_anothers() -> None:
    text = "<anne@example.org>:\nUser is over quota.\n\n<bart@example.org>:\nUnknown. (#5.1.1)\n"
    found = read_report(mail(text)).recipients
    assert [(one.status, one.hard) for one in found] == [("", False), ("5.1.1", True)]
