"""Reports for people: each program's layout leads to the recipient it names, and to the reason."""

from __future__ import annotations

import pytest

from digest.mail.bounce import Kind, Reason, read_report
from tests.mail.returned import RETURNED, mail

# Program, what it writes, the reason.
FAMILIES = [
    (
        "qmail",
        """Hi. This is the qmail-send program at mx.example.org.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<anne@example.org>:
192.0.2.7 does not like recipient.
Remote host said: 550 5.1.1 <anne@example.org> user unknown
Giving up on 192.0.2.7.

--- Below this line is a copy of the message.

""",
        Reason.USER_UNKNOWN,
    ),
    (
        "exim",
        """This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  anne@example.org
    host mx.example.org [192.0.2.7]
    SMTP error from remote mail server after RCPT TO:<anne@example.org>:
    552 5.2.2 <bart@example.org> is over quota

------ This is a copy of the message, including all the headers. ------

""",
        Reason.MAILBOX_FULL,
    ),
    (
        "postfix without a status part",
        """This is the mail system at host mx.example.org.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

For further assistance, please send mail to <postmaster@mx.example.org>

                   The mail system

<anne@example.org>: host mx.example.org[192.0.2.7] said: 550 5.7.1 Client host
    blocked using zen.spamhaus.org (in reply to RCPT TO command)

""",
        Reason.BLOCKED,
    ),
    (
        "sendmail 5",
        """   ----- Transcript of session follows -----
While talking to mx.example.org:
>>> RCPT To:<anne@example.org>
<<< 550 <anne@example.org>... User unknown
550 <anne@example.org>... User unknown

   ----- Unsent message follows -----
""",
        Reason.USER_UNKNOWN,
    ),
    (
        "sendmail without a status part",
        """The original message was received at Thu, 26 Nov 2026 08:00:00 +0100
from out.example.net [192.0.2.1]

   ----- The following addresses had permanent fatal errors -----
<anne@example.org>
    (reason: 550 5.1.1 <anne@example.org>... User unknown)

   ----- Transcript of session follows -----
... while talking to mx.example.org.:
>>> RCPT To:<anne@example.org>
<<< 550 5.1.1 <anne@example.org>... User unknown

""",
        Reason.USER_UNKNOWN,
    ),
    (
        "OpenSMTPD",
        """    Hi!

    This is the MAILER-DAEMON, please DO NOT REPLY to this email.

    An error has occurred while attempting to deliver a message for
    the following list of recipients:

anne@example.org: 550 5.1.1 anne@example.org: Recipient address rejected: User unknown

    Below is a copy of the original message:

""",
        Reason.USER_UNKNOWN,
    ),
    (
        "James",
        """Hi. This is the James mail server at mx.example.org.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out. Below
I include the list of recipients and the reason why I was unable to deliver
your message.

Failed recipient(s):
anne@example.org

Error message:
550 5.1.1 no such user here

""",
        Reason.USER_UNKNOWN,
    ),
    (
        "MailMarshal",
        """Your message:
  From:    hello@news.example.net
  Subject: A Weekly, Issue #182
Could not be delivered because of

550 5.1.1 User unknown

The following recipients were affected:
    anne@example.org

""",
        Reason.USER_UNKNOWN,
    ),
    (
        "SurfControl",
        """Your message could not be sent.
A transcript of the attempts to send the message follows.
The number of attempts made: 1
Addressed To: anne@example.org

Thu 26 Nov 2026 08:00:00 +0100
Failed to send to identified host,
anne@example.org: [192.0.2.7], 550 5.1.1 anne@example.org... No such user
--- Message non-deliverable.

""",
        Reason.USER_UNKNOWN,
    ),
    (
        "GMX",
        """This message was created automatically by mail delivery software.
A message that you sent could not be delivered to one or more of
its recipients. The following addresses failed:

<anne@example.org>

SMTP error from remote server after RCPT command:
host mx.example.org[192.0.2.7]:
5.1.1 <anne@example.org>... User is unknown

--- The header of the original message is following. ---

""",
        Reason.USER_UNKNOWN,
    ),
    (
        "Biglobe",
        """   ----- The following addresses had delivery problems -----
<anne@example.org>

   ----- Non-delivered information -----
The number of messages in recipient's mailbox exceeded the local limit: mailbox full

""",
        Reason.MAILBOX_FULL,
    ),
    (
        "GroupWise",
        """The message that you sent was undeliverable to the following:
\tanne@example.org (user not found)

Possibly truncated original message follows:

""",
        Reason.USER_UNKNOWN,
    ),
    (
        "CommuniGate",
        """Failed to deliver to 'anne@example.org'
LOCAL module(account anne) reports:
 account is full (quota exceeded)

""",
        Reason.MAILBOX_FULL,
    ),
    (
        "Mercury",
        """-- Start of Mercury error report --
One or more addresses in your message have failed. The following addresses failed:

   anne@example.org  [550 5.1.1 no such user]

""",
        Reason.USER_UNKNOWN,
    ),
    (
        "SmarterMail",
        """Could not deliver message to the following recipient(s):

Failed Recipient: anne@example.org
Reason: Remote host said: 550 5.1.1 No such user here

   -- The header and top 20 lines of the message follows --

""",
        Reason.USER_UNKNOWN,
    ),
    (
        "hMailServer",
        """Your message did not reach some or all of the intended recipients.

   Sent: Thu, 26 Nov 2026 08:00:00 +0100
   Subject: A Weekly, Issue #182

The following recipient(s) could not be reached:

anne@example.org
   Error Type: SMTP
   Remote server (192.0.2.7) issued an error.
   hMailServer sent: RCPT TO:<anne@example.org>
   Remote server replied: 550 User unknown

hMailServer
""",
        Reason.USER_UNKNOWN,
    ),
    (
        "XMail",
        """[<00>] XMail bounce: Rcpt=[anne@example.org];Error=[550 5.1.1 Recipient unknown]


[<01>] Error sending message [1290.mx] from [mx.example.org].

ID:        <S1290>
Mail From: <b-token@bounces.example.net>
Rcpt To:   <anne@example.org>

""",
        Reason.USER_UNKNOWN,
    ),
    (
        "IronPort",
        """The following message to <anne@example.org> was undeliverable.
The reason for the problem:
5.1.0 - Unknown address error 550-'5.1.1 <anne@example.org>: Recipient unknown'

""",
        Reason.USER_UNKNOWN,
    ),
    (
        "Barracuda",
        """Your message to: anne@example.org
was blocked by our Spam Firewall. The email you sent with the following
subject has NOT BEEN DELIVERED:

Subject: A Weekly, Issue #182

""",
        None,
    ),
    (
        "Exchange 2010",
        """Delivery has failed to these recipients or groups:

Anne (anne@example.org)<mailto:anne@example.org>
The e-mail address you entered couldn't be found. Please check the recipient's e-mail address.

Diagnostic information for administrators:

Generating server: mx.example.org

anne@example.org
#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##

""",
        Reason.USER_UNKNOWN,
    ),
    (
        "Exchange 5.5",
        """Your message

  To:      anne@example.org
  Subject: A Weekly, Issue #182
  Sent:    Thu, 26 Nov 2026 08:00:00 +0100

did not reach the following recipient(s):

anne@example.org on Thu, 26 Nov 2026 08:00:10 +0100
    The recipient name is not recognized
    MSEXCH:IMS:ORG:SITE:MX 0 (000C05A6) Unknown Recipient

""",
        Reason.USER_UNKNOWN,
    ),
    (
        "IIS",
        """This is an automatically generated Delivery Status Notification.

Delivery to the following recipients failed.

       anne@example.org

""",
        None,
    ),
    (
        "Domino",
        """Your message

  Subject: A Weekly, Issue #182

was not delivered to:

  anne@example.org

because:

  User anne (anne@example.org) not listed in Domino Directory

""",
        Reason.USER_UNKNOWN,
    ),
    (
        "Gmail",
        """Delivery to the following recipient failed permanently:

     anne@example.org

Technical details of permanent failure:
Google tried to deliver your message, but it was rejected by the server for the recipient
domain example.org by mx.example.org. [192.0.2.7].

The error that the other server returned was:
550 5.1.1 The email account that you tried to reach does not exist.

----- Original message -----

""",
        Reason.USER_UNKNOWN,
    ),
    (
        "Gmail in short",
        """** Address not found **

Your message wasn't delivered to anne@example.org because the address couldn't be found, or is
unable to receive mail.

""",
        Reason.USER_UNKNOWN,
    ),
    (
        "MDaemon",
        """The attached message had PERMANENT fatal delivery errors!

YOUR MESSAGE WAS NOT DELIVERED!

The following addresses did NOT receive a copy of your message:

> anne@example.org

--- Session Transcript ---
 RCPT To:<anne@example.org>
 550 5.1.1 Unknown user

""",
        Reason.USER_UNKNOWN,
    ),
    (
        "DragonFly",
        """This is the DragonFly Mail Agent v0.13 at out.example.net.

There was an error delivering your mail to <anne@example.org>.

mx.example.org [192.0.2.7] did not like our RCPT TO:
550 5.1.1 <anne@example.org>: User unknown

Message headers follow.

""",
        Reason.USER_UNKNOWN,
    ),
    (
        "Yahoo",
        """Sorry, we were unable to deliver your message to the following address.

<anne@example.org>:
554: 5.7.9: Message not accepted for policy reasons. See https://postmaster.example.org/errors

""",
        Reason.POLICY_VIOLATION,
    ),
    (
        "Zoho",
        """This message was created automatically by mail delivery software.
A message that you sent could not be delivered to one or more of its recipients.

anne@example.org Invalid Address, ERROR_CODE :550, ERROR_CODE :5.1.1 No such user

""",
        Reason.USER_UNKNOWN,
    ),
    (
        "Mimecast",
        """Delivery to the following recipients failed permanently:

* anne@example.org

Reason: 550 5.1.1 Invalid recipient address

""",
        Reason.USER_UNKNOWN,
    ),
    (
        "T-Online",
        """Ihre Nachricht konnte nicht zugestellt werden an folgende Empfänger:

anne@example.org
  550 5.1.1 Unbekannter Empfänger, user unknown

""",
        Reason.USER_UNKNOWN,
    ),
    (
        "Post.Office",
        """This Message was undeliverable due to the following reason:

The user(s) account is temporarily over quota.

<anne@example.org>

Please reply to Postmaster@mx.example.org
if you feel this message to be in error.

""",
        Reason.MAILBOX_FULL,
    ),
    (
        "smail",
        """|------------------------- Message log follows: -------------------------|
 no valid recipients were found for this message
|------------------------- Failed addresses follow: ---------------------|
 <anne@example.org> ... unknown user
|------------------------- Message text follows: ------------------------|
""",
        Reason.USER_UNKNOWN,
    ),
]


@pytest.mark.parametrize(("name", "text", "reason"), FAMILIES, ids=[row[0] for row in FAMILIES])
def test_a_report_for_people_names_its_recipient(
    name: str, text: str, reason: Reason | None
) -> None:
    report = read_report(mail(text + RETURNED))
    assert report.kind is Kind.BOUNCE
    assert [one.address for one in report.recipients] == ["anne@example.org"]
    (one,) = report.recipients
    assert one.final
    assert reason is None or one.reason is reason
    assert one.hard == (one.reason is Reason.USER_UNKNOWN)
    assert report.returned.get("message-id") == "<token@news.example.net>"
