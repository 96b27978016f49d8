"""Words by which delay notices, auto-replies, challenges and senders of bounces are known.

RFC 3834 (Auto-Submitted, how to answer automatically); the rest is what programs write.
Auto-Submitted alone decides nothing: "auto-replied" stands on a third of all real bounces.
"""

from __future__ import annotations

from digest.mail.mime import Headers, Mail

# Who sends bounces, as local part or name in From or Return-Path.
_DAEMONS = (
    "mailer-daemon",
    "mailerdaemon",
    "mailer_daemon",
    "mail-daemon",
    "maildaemon",
    "mdaemon",
    "postmaster",
    "poostmaster",
    "mail delivery",
    "mail deliver",
    "delivery sub",
    "mail administrator",
    "system administrator",
    "mail system",
    "mail_system",
    "mmdf",
    "smtp_mail_service",
    "bounce",
    "interscan",
    "mailadmin",
    "mail server",
    "mailserver",
    "microsoft outlook",
    "microsoftexchange",
    "autoreply@",
    "undeliverable",
    "deliverystatus",
    "delivery-status",
    "nondelivery",
    "x400",
)
# What subjects and texts of them say.
_FAILURES = (
    "undeliver",
    "undelivered",
    "returned mail",
    "returned to sender",
    "mail returned",
    "returned message",
    "returning message",
    "delivery fail",
    "delivery has failed",
    "delivery status",
    "delivery notification",
    "delivery report",
    "delivery problem",
    "delivery error",
    "delivery failure",
    "delivery unsuccessful",
    "failure notice",
    "failure notif",
    "failure delivery",
    "failed mail",
    "failed delivery",
    "failed to deliver",
    "mail failure",
    "mail error",
    "mail failed",
    "mail system error",
    "mail could not be",
    "could not be delivered",
    "couldn't be delivered",
    "cannot be delivered",
    "can't be delivered",
    "not delivered",
    "was not delivered",
    "wasn't delivered",
    "message could not",
    "nondeliver",
    "non-deliver",
    "non deliver",
    "unable to deliver",
    "was not relayed",
    "was rejected",
    "has been rejected",
    "was blocked",
    "has been blocked",
    "was stopped",
    "duplicated message-id",
    "does not exist",
    "mailbox is full",
    "over quota",
)
_FAILED_SUBJECTS = (
    *_FAILURES,
    "unzustellbar",
    "nicht zugestellt",
    "zustellung",
    "non remis",
    "échec de la remise",
    "no se ha podido entregar",
    "devuelto",
    "devolvido",
    "falha",
    "mancato recapito",
    "impossibile recapitare",
    "onbestelbaar",
    "nie można dostarczyć",
    "не доставлено",
    "недоставлен",
    "配信",
    "送信できません",
    "エラー",
    "退信",
    "投递",
    "传输失败",
    "user unknown",
    "unknown user",
    "message status",
    "processing error",
    "loop alert",
    "delayed",
    "warning:",
    "transient delivery",
    "delivery warning",
    "mail warning",
    "postponed",
    "deferred",
    "permanent delivery",
    "email delivery",
    "errors from",
)
_DELAYED = (
    "warning message only",
    "warning only",
    "this is just a warning",
    "this is only a warning",
    "do not need to resend",
    "don't need to resend",
    "no need to resend",
    "has not yet been delivered",
    "been delivered yet",
    "temporary failure report",
    "not yet been delivered",
    "has been delayed",
    "is delayed",
    "was delayed",
    "have been delayed",
    "delivery is delayed",
    "delivery delayed",
    "delivery delay",
    "still being retried",
    "will be retried",
    "will keep trying",
    "will continue to be attempted",
    "will continue trying",
    "will continue to try",
    "delivery attempts will continue",
    "still trying to deliver",
    "still attempting",
    "will try again for",
    "will retry for",
    "will retry to deliver",
    "message will be retried",
    "delivery will be attempted again",
    "temporarily undeliverable",
    "could not be delivered yet",
    "attempts to deliver the message will continue",
    "no action is required on your part",
    "gmail will retry",
    "delivery incomplete",
    "temporary problem delivering",
    "wird weiter versucht",
    "noch nicht zugestellt",
    "being delayed",
    "has been postponed",
    "continue to try to deliver",
    "temporarily delayed",
    "could not send message for past",
    "will be tried again",
    "continue trying",
    "keep trying",
    "hasn't been delivered yet",
    "still in the queue",
    "remains in the queue",
    "next delivery attempt",
)
_NO_MORE = (
    "permanent error",
    "permanent fatal",
    "permanent failure",
    "failed permanently",
    "given up",
    "giving up",
)
_GIVEN_UP = (
    *_NO_MORE,
    "could not be delivered",
    "no further delivery attempts",
    "has been returned",
    "gave up",
    "undeliverable mail",
    "has failed to these",
)
_NOT_YET = ("delay", "not yet delivered", "could not send message for past", "still being retried")
_QUOTING = ("undeliver", "fail", "returned", "failure")
_ARRIVED = (
    "successful delivery notification",
    "was successfully delivered",
    "has been successfully delivered",
    "successfully delivered to",
    "successfully relayed",
    "was successfully relayed",
    "relayed to non-dsn-aware mailer",
    "delivery status notification (success)",
    "delivery status notification (relay)",
    "successful mail delivery report",
    "mail delivery status report",
)
_AUTOMATIC_HEADERS = (
    "x-autoreply",
    "x-autorespond",
    "x-autoresponder",
    "x-auto-reply-from",
    "x-autoreply-from",
    "x-autoresponse",
    "x-vacation",
    "x-mail-autoreply",
    "x-pm-autoreply",
)
_AUTOMATIC_SUBJECTS = (
    "automatic reply",
    "automatic response",
    "automated reply",
    "automated response",
    "auto reply",
    "auto-reply",
    "autoreply",
    "auto response",
    "auto-response",
    "autoresponse",
    "autoresponder",
    "auto:",
    "out of office",
    "out of the office",
    "out-of-office",
    "ooo:",
    "vacation",
    "on holiday",
    "on leave",
    "on annual leave",
    "away from",
    "i am away",
    "away until",
    "away:",
    "i'm away",
    "is away",
    "automatische antwort",
    "automatisch antwoord",
    "automatische beantwoording",
    "abwesenheit",
    "abwesend",
    "nicht im büro",
    "urlaub",
    "réponse automatique",
    "reponse automatique",
    "absence du bureau",
    "absent du bureau",
    "respuesta automática",
    "respuesta automatica",
    "fuera de la oficina",
    "resposta automática",
    "resposta automatica",
    "risposta automatica",
    "fuori sede",
    "fuori ufficio",
    "autosvar",
    "automatsvar",
    "automaattinen vastaus",
    "afwezig",
    "odpowiedź automatyczna",
    "autoodpowied",
    "automatyczna odpowied",
    "nieobecno",
    "nieobecny",
    "automatická odpověď",
    "автоответ",
    "автоматический ответ",
    "自動返信",
    "自動応答",
    "不在",
    "自动回复",
    "自動回覆",
    "thank you for your email",
    "thank you for contacting",
    "we have received your",
    "your message has been received",
)
_AUTOMATIC_TEXTS = (
    "out of the office",
    "out of office",
    "i am away",
    "i'm away",
    "i will be away",
    "i am currently away",
    "i'm currently away",
    "on vacation",
    "on annual leave",
    "maternity leave",
    "parental leave",
    "will respond to your message",
    "will reply to your",
    "will answer your",
    "upon my return",
    "when i return",
    "when i get back",
    "this is an automatic reply",
    "this is an automated reply",
    "this is an auto-reply",
    "this is an automated response",
    "this is an automatic response",
    "autoresponder",
    "auto-responder",
    "im urlaub",
    "nicht im büro",
    "absent du bureau",
    "de vacaciones",
    "na urlopie",
    "jestem nieobecn",
    "будет отсутствовать",
    "в отпуске",
)
_CHALLENGES = (
    " boxbe ",
    "boxbe.com/",
    "boxbe waiting",
    "boxbe guest",
    "was waitlisted",
    "yourself to my guest list",
    "added to my guest list",
    "to complete this verification",
    "link below to complete the verification",
    "please click on the link to verify",
    "please confirm that you sent",
    "confirm that your message",
    "confirm that you are a human",
    "confirm that you are a real person",
    "prove that you are a human",
    "challenge-response",
    "challenge/response",
    "spamarrest.com",
    "spam arrest",
    "active spam killer",
    "choicemail",
    "to have your message delivered",
    "before your message can be delivered",
    "message will be delivered once you",
    "approved senders list",
    "authenticate your email address",
    "confirm your email to be delivered",
    "antispam uol",
    "please reply to this message to be",
    "only need to do this once",
)


def from_daemon(headers: Headers) -> bool:
    """Whether a mail system, no person, is named as the sender."""
    sender = headers.words("from").lower()
    if sender == "<>" or sender.endswith(" <>"):
        return True
    if sender and any(name in sender for name in _DAEMONS):
        return True
    return "mailer-daemon" in headers.get("return-path").lower()


def has_failed_subject(headers: Headers) -> bool:
    """Whether the subject is one of bounces or delay notices."""
    subject = headers.words("subject").lower()
    return any(phrase in subject for phrase in _FAILED_SUBJECTS)


def is_delayed(text: str, subject: str) -> bool:
    """Whether a report (lower case) says that the server still tries."""
    told = any(phrase in text for phrase in _DELAYED)
    # The subject of a bounce may quote one of ours, in which trains are delayed.
    told = told or (
        any(word in subject for word in _NOT_YET) and not any(word in subject for word in _QUOTING)
    )
    return told and not any(phrase in text for phrase in _NO_MORE)


def has_arrived(text: str, subject: str) -> bool:
    """Whether a report (lower case) only says that a mail was delivered, or handed on."""
    told = any(phrase in text or phrase in subject for phrase in _ARRIVED)
    return told and not any(phrase in text for phrase in (*_GIVEN_UP, *_DELAYED))


def is_automatic(headers: Headers, text: str) -> bool:
    """Whether a mail (text in lower case) is a person's automatic answer."""
    if any(name in headers for name in _AUTOMATIC_HEADERS):
        return True
    if "auto_reply" in headers.get("precedence").lower():
        return True
    subject = headers.words("subject").lower().strip()
    failed = has_failed_subject(headers)
    if subject.startswith(_AUTOMATIC_SUBJECTS):
        return True
    if not failed and any(phrase in subject for phrase in _AUTOMATIC_SUBJECTS):
        return True
    daemon = from_daemon(headers)
    if daemon and tells_failure(text):
        return False
    if headers.get("auto-submitted").lower().startswith("auto-replied") and not daemon:
        return not failed
    answers = subject.startswith(("re:", "aw:", "sv:", "odp:")) or "in-reply-to" in headers
    return (answers or not failed) and any(phrase in text for phrase in _AUTOMATIC_TEXTS)


def is_challenge(mail: Mail, text: str) -> bool:
    """Whether a mail (text in lower case) asks the sender to prove to be a person."""
    head = f"{mail.headers.get('from')} {mail.headers.words('subject')}".lower()
    return any(phrase in text or phrase in head for phrase in _CHALLENGES)


def tells_failure(text: str) -> bool:
    """Whether a text (lower case) says that a mail did not arrive."""
    return any(phrase in text for phrase in (*_GIVEN_UP, *_FAILURES, *_DELAYED))
