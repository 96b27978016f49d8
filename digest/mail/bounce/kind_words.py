"""Words by which bounces, delay notices, successes, auto-replies and challenges are known.

All in lower case, parted by bars; what programs and people write in many languages.
"""

from __future__ import annotations

from digest.mail.scan import phrases

# Who sends bounces, as local part or name in From or Return-Path.
DAEMONS = phrases(
    """mailer-daemon | mailerdaemon | mailer_daemon | mail-daemon | maildaemon | mdaemon |
    postmaster | poostmaster | mail delivery | mail deliver | delivery sub |
    mail administrator | system administrator | mail system | mail_system | mmdf |
    smtp_mail_service | bounce | interscan | mailadmin | mail server | mailserver |
    microsoft outlook | microsoftexchange | autoreply@ | undeliverable | deliverystatus |
    delivery-status | nondelivery | x400"""
)
# What subjects and texts of bounces say.
FAILURES = phrases(
    """undeliver | undelivered | returned mail | returned to sender | mail returned |
    returned message | returning message | delivery fail | delivery has failed |
    delivery status | delivery notification | delivery report | delivery problem |
    delivery error | delivery failure | delivery unsuccessful | failure notice | failure notif |
    failure delivery | failed mail | failed delivery | failed to deliver | mail failure |
    mail error | mail failed | mail system error | mail could not be | could not be delivered |
    couldn't be delivered | cannot be delivered | can't be delivered | not delivered |
    was not delivered | wasn't delivered | message could not | nondeliver | non-deliver |
    non deliver | unable to deliver | was not relayed | was rejected | has been rejected |
    was blocked | has been blocked | was stopped | duplicated message-id | does not exist |
    mailbox is full | over quota"""
)
FAILED_SUBJECTS = (
    *FAILURES,
    *phrases(
        """unzustellbar | nicht zugestellt | zustellung | zugestellt: | übermittelt: |
        non remis | échec de la remise | remise différée |
        no se ha podido entregar | no se puede entregar | no se pudo entregar | devuelto |
        devolvido | falha | não é possível entregar | não foi possível entregar |
        mancato recapito | impossibile recapitare | non recapitabile | onbestelbaar |
        niet te bezorgen | niet bezorgd | olevererbart | kan ikke leveres | kunne ikke leveres |
        ikke levert | ei voida toimittaa | nie można dostarczyć | niedostarcz | nedoručiteln |
        kézbesíthetetlen | teslim edilemedi | nu s-a putut livra | не доставлено | недоставлен |
        配信 | 送信できません | エラー | 退信 | 投递 | 传输失败 | 未送达 | 未传递 |
        未傳遞 | 無法傳遞 | 전송 실패 | 배달되지 않음 |
        user unknown | unknown user | message status |
        processing error | loop alert | delayed | warning: | transient delivery | delivery warning |
        mail warning | postponed | deferred | permanent delivery | email delivery | errors from"""
    ),
)
DELAYED = phrases(
    """warning message only | warning only | this is just a warning | this is only a warning |
    do not need to resend | don't need to resend | no need to resend |
    has not yet been delivered | been delivered yet | temporary failure report |
    not yet been delivered | has been delayed | is delayed | was delayed | have been delayed |
    delivery is delayed | delivery delayed | delivery delay | still being retried |
    will be retried | will keep trying | will continue to be attempted | will continue trying |
    will continue to try | delivery attempts will continue | still trying to deliver |
    still attempting | will try again for | will retry for | will retry to deliver |
    message will be retried | delivery will be attempted again | temporarily undeliverable |
    could not be delivered yet | attempts to deliver the message will continue |
    no action is required on your part | gmail will retry | delivery incomplete |
    temporary problem delivering | wird weiter versucht | noch nicht zugestellt |
    being delayed | has been postponed | continue to try to deliver | temporarily delayed |
    could not send message for past | will be tried again | continue trying | keep trying |
    hasn't been delivered yet | still in the queue | remains in the queue |
    next delivery attempt | wird verzögert | weiterhin versucht |
    n'a pas encore été remis | est différée | tentatives de remise se poursuiv |
    todavía no se ha entregado | aún no se ha entregado | seguirá intentando |
    ainda não foi entregue | continuará tentando | non è stato ancora recapitato |
    ancora consegnat | nog niet bezorgd | nie została jeszcze dostarczona |
    ещё не доставлено | еще не доставлено | まだ配信されていません | 配信が遅れ | 尚未传递 |
    尚未送达 | 继续尝试"""
)
# What ends all hope.
NO_MORE = phrases(
    """permanent error | permanent fatal | permanent failure | failed permanently | given up |
    giving up"""
)
GIVEN_UP = (
    *NO_MORE,
    *phrases(
        """could not be delivered | no further delivery attempts | has been returned | gave up |
        undeliverable mail | has failed to these"""
    ),
)
NOT_YET = phrases(
    """delay | not yet delivered | could not send message for past | still being retried |
    verzögert | différée | retrasad | atrasad | vertraagd | ritardat | opóźnion | 配信遅延 | 延迟"""
)
# Subjects of bounces, which may quote one of ours.
QUOTING = phrases("""undeliver | fail | returned | failure""")
ARRIVED = phrases(
    """successful delivery notification | was successfully delivered |
    has been successfully delivered | successfully delivered to | successfully relayed |
    was successfully relayed | relayed to non-dsn-aware mailer |
    delivery status notification (success) | delivery status notification (relay) |
    successful mail delivery report | mail delivery status report |
    has been delivered to the following | was delivered to the following recipient |
    delivery to these recipients or groups is complete | had successful delivery notifications |
    message was relayed to | wurde erfolgreich zugestellt | an die folgenden empfänger zugestellt |
    a été remis aux destinataires suivants | se entregó a los siguientes destinatarios |
    è stato recapitato ai seguenti destinatari"""
)
AUTOMATIC_HEADERS = phrases(
    """x-autoreply | x-autorespond | x-autoresponder | x-auto-reply-from | x-autoreply-from |
    x-autoresponse | x-vacation | x-mail-autoreply | x-pm-autoreply"""
)
AUTOMATIC_SUBJECTS = phrases(
    """automatic reply | automatic response | automated reply | automated response | auto reply |
    auto-reply | autoreply | auto response | auto-response | autoresponse | autoresponder |
    auto: | out of office | out of the office | out-of-office | ooo: | vacation | on holiday |
    on leave | on annual leave | away from | i am away | away until | away: | i'm away |
    is away | automatische antwort | automatisch antwoord | automatische beantwoording |
    abwesenheit | abwesend | nicht im büro | urlaub | réponse automatique |
    reponse automatique | absence du bureau | absent du bureau | absente | respuesta automática |
    respuesta automatica | fuera de la oficina | resposta automática | resposta automatica |
    risposta automatica | fuori sede | fuori ufficio | autosvar | automatsvar |
    automaattinen vastaus | afwezig | odpowiedź automatyczna | autoodpowied |
    automatyczna odpowied | nieobecno | nieobecny | automatická odpověď | автоответ |
    автоматический ответ | 自動返信 | 自動応答 | 不在 | 自动回复 | 自動回覆 |
    thank you for your email |
    thank you for contacting | we have received your | your message has been received"""
)
AUTOMATIC_TEXTS = phrases(
    """out of the office | out of office | i am away | i'm away | i will be away |
    i am currently away | i'm currently away | on vacation | on annual leave | maternity leave |
    parental leave | will respond to your message | will reply to your | will answer your |
    upon my return | when i return | when i get back | this is an automatic reply |
    this is an automated reply | this is an auto-reply | this is an automated response |
    this is an automatic response | autoresponder | auto-responder | im urlaub | nicht im büro |
    absent du bureau | de vacaciones | limited access to e | i am on leave | i am out of office |
    this is an automated email | na urlopie | jestem nieobecn | будет отсутствовать |
    в отпуске"""
)
CHALLENGES = phrases(
    """i use boxbe | using boxbe | boxbe is | boxbe.com/ | boxbe waiting | boxbe guest |
    was waitlisted | yourself to my guest list | added to my guest list |
    to complete this verification | link below to complete the verification |
    please click on the link to verify | please confirm that you sent |
    confirm that your message | confirm that you are a human |
    confirm that you are a real person | prove that you are a human | prove you are a human |
    prove you are human | to release your message | approved beforehand | senders i have approved |
    my list of approved senders | has not been verified. to release | challenge-response |
    challenge/response | spamarrest.com | spam arrest | active spam killer | choicemail |
    to have your message delivered | before your message can be delivered |
    message will be delivered once you | approved senders list |
    authenticate your email address | confirm your email to be delivered | antispam uol |
    please reply to this message to be | only need to do this once"""
)
