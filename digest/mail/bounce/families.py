"""How mail systems introduce the recipients in reports for people, where no machine-readable part
is.

One row per program or provider: the phrases after which the addresses stand, in a list below or in
the same sentence. Phrases are in lower case and short enough to stand on one line; a line break in
them counts as a blank. The first phrase of the first row found leads; more specific rows come
first.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """A program's report: its name, and what it writes before the recipients."""

    name: str
    phrases: tuple[str, ...]
    bare: bool = False  # names recipients of its own domain without the domain
    before: bool = False  # the address stands before the phrase, in the same sentence


FAMILIES: tuple[Family, ...] = (
    # --- programs -----------------------------------------------------------------------------
    Family("exim", ("following address(es) failed:", "addresses failed:", "address failed:")),
    Family(
        "exim-warning",
        (
            "address to which the message has not yet been delivered is:",
            "addresses to which the message has not yet been delivered are:",
            "message has not yet been delivered to the following",
            "not yet been delivered to:",
        ),
    ),
    Family(
        "qmail",
        (
            "wasn't able to deliver your message to the following addresses",
            "was not able to deliver your message to the following address",
            "i tried to deliver a bounce message to this address",
            "unable to deliver your message to the following address",
            "unable to deliver message to the following address",
            "to deliver your message to the following addresses",
            "not able to deliver your message to the following",
        ),
    ),
    Family(
        "sendmail", ("addresses had permanent fatal errors -----", "had permanent fatal errors")
    ),
    Family("sendmail-5", ("----- unsent message follows", "----- message not delivered to")),
    Family(
        "sendmail-warning",
        ("addresses had transient non-fatal errors", "addresses had transient", "had temporary"),
    ),
    Family(
        "sendmail-delivery", ("addresses had delivery problems", "address had delivery problems")
    ),
    Family("mdaemon", ("addresses did not receive a copy", "addresses did not receive")),
    Family("opensmtpd", ("the following list of recipients:", "for the following recipients:")),
    Family("courier", ("unable to deliver it to the following addresses",)),
    Family("dragonfly", ("error delivering your mail to", "mail could not be delivered to <")),
    Family("james", ("unable to deliver mail to the following", "i was unable to deliver")),
    Family(
        "imail",
        ("invalid final delivery userid:", "unknown user:", "user mailbox exceeds allowed size:"),
    ),
    Family("imail-queue", ("delivery failed * attempts:", "undeliverable to ", "unknown host:")),
    Family("domino", ("was not delivered to:", "could not be delivered to:")),
    Family("notes", ("failure reasons  --------",)),
    Family(
        "exchange-5", ("did not reach the following recipient(s):", "did not reach the following")
    ),
    Family("exchange", ("delivery has failed to these recipients", "delivery has failed to")),
    Family(
        "iis",
        ("delivery to the following recipients failed", "delivery to the following recipients"),
    ),
    Family("iis-warning", ("delivery to the following recipients has been delayed",)),
    Family("groupwise", ("the message that you sent was undeliverable to the following:",)),
    Family("groupwise-list", ("undeliverable to the following:", "undeliverable to:")),
    Family("sun", ("your message cannot be delivered to the following recipients:",)),
    Family(
        "sun-delay", ("following recipients:", "your message has been enqueued and undeliverable")
    ),
    Family("interscan", ("unable to deliver message to <", "unable to deliver message to")),
    Family("mailmarshal", ("following recipients were affected:", "recipients were affected")),
    Family("m-filter", ("以下のメールアドレスへの送信に失敗しました", "への送信に失敗しました")),
    Family("smtp32", ("user not known:", "user unknown:", "invalid user:")),
    Family(
        "post.office",
        ("could not be delivered to the following", "users did not receive this message:"),
    ),
    Family(
        "post.office-list", ("following recipients did not receive", "did not receive this message")
    ),
    Family("mercury", ("following addresses failed", "delivery of the message failed for")),
    Family(
        "smail",
        (
            "failed addresses follow",
            "failed addresses:",
            "|------------------------- failed addresses",
        ),
    ),
    Family("fml", ("duplicated message-id in",)),
    Family("mmdf", ("your message was not delivered to", "message was not delivered to")),
    Family("pmdf", ("the recipient address", "recipient address:")),
    Family("communigate", ("failed to deliver to", "message delivery to", "failed to deliver")),
    Family("surgemail", ("cannot deliver message to", "message cannot be delivered to")),
    Family("kerio", ("message could not be delivered to:", "address(es) was rejected")),
    Family("zimbra", ("problem delivering your message to", "problems delivering to")),
    Family(
        "mxlogic", ("following recipients could not be reached", "recipients could not be reached")
    ),
    Family(
        "mimesweeper", ("a message could not be delivered to:", "message could not be delivered to")
    ),
    Family("amavis", ("message was not relayed to:", "message was not delivered to:")),
    Family("barracuda", ("was not able to be delivered to", "message was blocked to")),
    # --- providers ----------------------------------------------------------------------------
    Family(
        "gmail",
        (
            "delivery to the following recipient failed permanently:",
            "delivery to the following recipients failed permanently:",
            "delivery to the following recipient has been delayed:",
            "delivery to the following recipient",
            "there was a temporary problem delivering your message to",
            "your message wasn't delivered to",
            "there was a problem delivering your message to",
        ),
    ),
    Family("amazon", ("the mail to the following recipients:", "the following message to")),
    Family("yahoo", ("unable to deliver your message to the following", "cannot be delivered to")),
    Family("aol", ("your mail to the following recipients could not be delivered",), bare=True),
    Family("gmx", ("the following address failed:", "one or more of its recipients")),
    Family("kddi", ("could not be delivered to:", "recipient: <", "account is disabled.")),
    Family("facebook", ("person you're trying to email",)),
    Family("mail.ru", ("to the following recipients could not be", "не удалось доставить")),
    Family("newmail.ru", ("сообщение по следующему адресу",)),
    Family(
        "yandex", ("deliver your message to one or more recipients", "to one or more recipients")
    ),
    Family(
        "t-online", ("nicht zugestellt werden", "konnte nicht zugestellt", "folgende empfänger")
    ),
    Family("orange", ("n'a pas pu être remis", "n'a pu être délivré", "destinataires suivants")),
    Family(
        "terra", ("no se ha podido entregar", "no pudo ser entregado", "destinatarios siguientes")
    ),
    Family("uol", ("não pôde ser entregue", "nao pode ser entregue", "não foi entregue")),
    Family("libero", ("non è stato possibile consegnare", "impossibile recapitare")),
    Family("sina", ("无法发送到您指定的地址", "无法投递", "无法送达", "收件人")),
    Family("demon", ("message, addressed to", "addressed to")),
    Family("usa.net", ("intended recipient:", "intended recipient")),
    Family("hotpop", ("undeliverable address:", "undeliverable recipient")),
    # --- anybody ------------------------------------------------------------------------------
    Family("list", ("failed recipients ------", "failed recipients", "failed recipient")),
    Family("list", ("following recipients", "following recipient", "following addresses")),
    Family("list", ("following address", "following user", "following mailbox", "following email")),
    Family(
        "list", ("not delivered to the following", "address(es):", "recipient(s):", "recipients:")
    ),
    Family(
        "sentence",
        ("delivery to", "deliver to", "delivered to", "deliver mail to", "delivering to"),
    ),
    Family("sentence", ("deliver your message to", "deliver message to", "message to", "mail to")),
    Family(
        "sentence", ("could not be sent to", "sending to", "to which your message was addressed")
    ),
    Family(
        "sentence", ("failed recipient:", "recipient:", "recipient", "destination:", "mailbox:")
    ),
    Family(
        "sentence", ("no such user", "user unknown", "unknown user", "unknown recipient", "user ")
    ),
    Family(
        "sentence",
        ("the account", "the address", "the user", "the mailbox", "account ", "address "),
    ),
    Family(
        "before",
        (
            "is not listed in",
            "not listed in",
            "is not a valid",
            "does not exist",
            "is not known",
            "is unknown",
            "no such user",
            "user unknown",
            "mailbox full",
            "is full",
            "over quota",
            "could not be delivered",
            "cannot be delivered",
            "was not delivered",
            "undeliverable",
            "rejected",
            "failed",
            "no longer",
        ),
        before=True,
    ),
)
