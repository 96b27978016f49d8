"""What servers say of addresses: which are dead, and which are only full, refused or too late.

Each line is a diagnosis in the words of a server or provider; it goes on where the next is
indented.
"""

from __future__ import annotations

import re

import pytest

from digest.mail.bounce import Kind, read_report
from tests.mail.returned import report

DEAD = """
550 5.1.1 <anne@example.org>: Recipient address rejected: User unknown in virtual mailbox
    table
550 5.1.1 <anne@example.org>: Recipient address rejected: User unknown in relay recipient
    table
550 5.1.1 <anne@example.org>: Recipient address rejected: example.org
550 5.1.1 <anne@example.org>: Recipient address rejected: undeliverable address: host
    mx.example.org[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO command)
550 <anne@example.org>: Recipient address rejected: User unknown in local recipient table
    (in reply to RCPT TO command)
550 5.1.0 <anne@example.org>: Recipient address rejected: User unknown (in reply to RCPT TO
    command)
550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup
550 5.4.1 Recipient address rejected: Access denied. AS(201806281)
    [BL02EPF.mail.protection.outlook.com] (in reply to RCPT TO command)
550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302). [BN8.hotmail.com]
550 5.1.1 RESOLVER.ADR.ExRecipNotFound; not found
550 5.1.1 The email account that you tried to reach does not exist. Please try
    double-checking
550-5.1.1 The email account that you tried to reach does not exist. Please try 550-5.1.1
    double-checking the recipient's email address for typos or 550-5.1.1 unnecessary spaces.
    550 5.1.1 Learn more at https://support.google.com/mail/?p=NoSuchUser
554 delivery error: dd This user doesn't have a yahoo.com account (anne@yahoo.com) [0] -
    mta1.mail.bf1.yahoo.com
552 1 Requested mail action aborted, mailbox not found
550 5.1.1 <anne@example.org> : Email address could not be found, or was misspelled (G8) (in
    reply to RCPT TO command)
550 5.1.1 <anne@icloud.com>: user does not exist (in reply to RCPT TO command)
550 Requested action not taken: mailbox unavailable For explanation visit
    https://postmaster.gmx.net/en/case?c=r0001 (in reply to RCPT TO command)
550 No Such User Here (in reply to RCPT TO command)
550 no such address here (in reply to RCPT TO command)
550 unknown user <anne@example.org> (in reply to RCPT TO command)
550 Invalid Recipient (in reply to RCPT TO command)
550 5.1.1 Recipient invalid
550 Invalid recipient anne@example.org (#5.1.1)
550 sorry, no mailbox here by that name (#5.1.1)
550 sorry, no such user here. (#5.1.1 - chkuser) (in reply to RCPT TO command)
511 sorry, no mailbox here by that name (#5.1.1 - chkuser)
550 5.1.1 unknown or illegal alias: anne@example.org
550 5.1.1 anne@example.org is not a valid mailbox
550 <anne@example.org> is not a known user (in reply to RCPT TO command)
550 Mailbox not found (in reply to RCPT TO command)
550 #5.1.0 Address rejected. (in reply to RCPT TO command)
550 5.1.1 User doesn't exist: anne@example.org
550 5.1.1 <anne@example.org>... User unknown
550 5.1.1 <anne@example.org>... Addressee unknown; relay=[192.0.2.1]
550 5.1.1 <anne@example.org> User not found; rejecting
550 5.1.1 Unknown user; rejecting
550 anne@example.org User not local; please try <bart@example.org>
551 User not local; please try <bart@example.org> (in reply to RCPT TO command)
550 5.1.6 Recipient no longer on server: anne@example.org
550 5.1.1 Mailbox does not exist!
550 5.1.1 The user does not exist.
550 5.1.1 Sorry, no mailbox here by that name
550 5.7.17 Mailbox owner has changed
550 5.1.2 <anne@example.org>: Recipient address rejected: Domain not found
5.1.2 The recipient domain does not exist
Host or domain name not found. Name service error for name=example.org type=A: Host not
    found
Host or domain name not found. Name service error for name=example.org type=MX: Host not
    found
550 5.1.1 <anne@example.org> Utilisateur inconnu
550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. OFR_416 [416]
550 5.1.1 destinatario desconocido
550 Benutzer unbekannt (in reply to RCPT TO command)
550 5.1.1 L'utilisateur n'existe pas
550 Unknown address error
550 5.1.1 mailbox unavailable
550 5.1.1 No such recipient here
550 no mailbox by that name is currently available (in reply to RCPT TO command)
550 5.1.1 - user unknown
550 User [anne@example.org] does not exist (in reply to RCPT TO command)
550 anne@example.org... No such user (in reply to RCPT TO command)
550 Address does not exist (in reply to RCPT TO command)
550 RCPT TO:<anne@example.org> User unknown
550 Unroutable address (in reply to RCPT TO command)
550 Unrouteable address (in reply to RCPT TO command)
550 5.1.1 ADDR_REJECTED
550 Account not found (in reply to RCPT TO command)
550 5.1.1 recipient unknown
550 <anne@example.org> Recipient not found (in reply to RCPT TO command)
550 5.1.1 <anne@example.org>: Email address could not be found, or was misspelled
550 User not exist (in reply to RCPT TO command)
550 5.1.1 user or mailbox not known
554 5.7.1 <anne@example.org>: Recipient address rejected: user unknown (in reply to RCPT TO
    command)
550 5.4.4 Unable to route
5.4.4 (unable to route: no mail hosts for domain)
5.1.2 (bad destination host 'DNS Hard Error looking up example.org (MX): NXDOMAIN')
5.1.2 (bad destination system: no such domain)
5.1.1 (bad destination mailbox address) 550 5.1.1 User unknown
550 5.1.1 Address does not exist - psmtp
550 No such user - psmtp
550 5.1.1 [R2] Recipient anne@example.org does not exist here
550 5.0.0 <anne@example.org>... User unknown
550 <anne@example.org>, Recipient unknown (in reply to RCPT TO command)
550 5.1.1 Recipient address rejected: {Gateway} User unknown
550 Message was not accepted -- invalid mailbox. Local mailbox anne@mail.ru is unavailable:
    user not found
550 5.7.1 No such user! (in reply to RCPT TO command)
550 5.1.1 Not our Customer
550 5.1.1 User does not exist - <anne@zoho.com>
550 5.1.1 Invalid email recipients
550 Invalid Recipient - https://community.mimecast.com/docs/DOC-1369#550 [abc] (in reply to
    RCPT TO command)
550 5.1.1 <anne@proton.me>: Recipient address rejected: Address does not exist (in reply to
    RCPT TO command)
550 Unknown user account (in reply to RCPT TO command)
550 User not found: anne@163.com (in reply to RCPT TO command)
550 5.1.1 Recipient not found. <http://x.proofpoint.com/>
550 Recipient not found. (in reply to RCPT TO command)
550 5.1.1 [internal] user unknown; rejecting
550-5.1.1 anne@example.org 550 5.1.1 does not have an account here
550 5.1.1 Unable to find user
550 Not a valid recipient (in reply to RCPT TO command)
550 5.1.1 No mailbox here by that name
550 mailbox not known (in reply to RCPT TO command)
550 5.1.1 This address does not receive mail
550 the recipient address is invalid (in reply to RCPT TO command)
550 Nobody here by that name (in reply to RCPT TO command)
550 5.1.1 Adresse inconnue
550 anne is not a user here (in reply to RCPT TO command)
550 We do not have that user (in reply to RCPT TO command)
550 the user has no mailbox here (in reply to RCPT TO command)
550 5.1.1 account has been deleted
550 mailbox deleted (in reply to RCPT TO command)
550 Mailbox has been removed (in reply to RCPT TO command)
550 5.1.1 account closed
550 account is not known (in reply to RCPT TO command)
550 No such mailbox: anne (in reply to RCPT TO command)
550 5.1.1 Empfaenger unbekannt
550 Empfänger existiert nicht (in reply to RCPT TO command)
550 user name unknown (in reply to RCPT TO command)
550 recipient does not exist on this server (in reply to RCPT TO command)
550 5.1.1 unknown or illegal user
550 address is unknown (in reply to RCPT TO command)
550 User account not found (in reply to RCPT TO command)
550 invalid username (in reply to RCPT TO command)
550 no one here by that name (in reply to RCPT TO command)
550 The recipient cannot be verified. Please check all recipients of this message to verify
    they are valid. (in reply to RCPT TO command)
550 5.1.1 recipient validation failed
550 Recipient verification failed (in reply to RCPT TO command)
550 The destination user does not exist (in reply to RCPT TO command)
554 5.1.1 Recipient address rejected: not listed
5.1.2 no MX for domain
5.1.2 example.org has no A or MX records
554 5.4.4 [internal] Domain Lookup Failed
554 5.4.4 [internal] no MX or A for domain
Domain of recipient does not exist
DNS Error: Domain name not found
511 Host unknown
"""
ALIVE = """
552 5.2.2 Mailbox full
550 5.2.2 <anne@example.org>: Quota exceeded (mailbox for user is full) (in reply to end of
    DATA command)
452-4.2.2 The recipient's inbox is out of storage space.
552-5.2.2 The recipient's inbox is out of storage space and inactive. Please direct the
    recipient to https://support.google.com/mail/?p=OverQuotaPerm
550 5.1.1 <anne@example.org> user over quota
554 Mailbox disabled, not accepting messages
550 5.2.1 Mailbox disabled for this recipient
550 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using Spamhaus
550 5.1.1 Client host blocked using dnsbl
554 5.7.1 <out.example.net[192.0.2.1]>: Client host rejected: Access denied
550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by organization policy
550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; Delivery
    restriction check failed because the sender was not authenticated when sending to this
    group
550 5.7.124 RESOLVER.RST.NotAuthorizedForGroup
550 5.7.1 RESOLVER.RST.NotAuthorized; not authorized
550 5.7.1 Unable to relay for anne@example.org
550 5.7.1 <anne@example.org>... Relaying denied
550 relay not permitted
554 5.7.1 <anne@example.org>: Relay access denied
550 5.7.64 TenantAttribution; Relay Access Denied
550 5.7.606 Access denied, banned sending IP [192.0.2.1]
550 5.7.26 This mail has been blocked because the sender is unauthenticated.
550-5.7.1 [192.0.2.1 12] Our system has detected that this message is likely 550-5.7.1
    unsolicited mail.
550 5.7.1 Message content rejected, UBE, id=123
550 Message rejected as spam by Content Filtering. (in reply to end of DATA command)
550 High probability of spam
554 Message refused. Your message looks like SPAM
550 5.1.8 <b@bounces.example.net>: Sender address rejected: Domain not found
450 4.1.8 <b@bounces.example.net>: Sender address rejected: Domain not found
553 5.1.8 <b@bounces.example.net>... Domain of sender address b@bounces.example.net does not
    exist
550 5.1.7 <b@bounces.example.net>: Sender address rejected: undeliverable address
550 5.1.0 <b@bounces.example.net> sender rejected : invalid sender domain
550 5.1.0 Sender denied
550 Verification failed for <b@bounces.example.net> No Such User Here Sender verify failed
550 Sender verify failed
550 5.1.7 Invalid address: sender
550-Callback setup failed while verifying <b@bounces.example.net>
550 Access denied - Invalid HELO name (See RFC2821 4.1.1.1)
550 5.7.1 Helo command rejected: Host not found
504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname
450 4.7.1 <anne@example.org>: Recipient address rejected: Greylisted
451 4.7.1 Greylisting in action, please come back in 00:05:00
421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to user complaints
553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in
    Spamhaus's list
554 5.7.9 Message not accepted for policy reasons
552 5.3.4 Message size exceeds fixed limit
552 5.2.3 Message exceeds maximum message size
5.4.7 - Delivery expired (message too old) 'timeout'
#< #4.4.7 smtp; queue expired>
550 4.4.7 QUEUE.Expired; message expired
550 5.4.300 Message expired -> 451 4.4.4 timed out
550 5.4.316 Message expired, connection refused
5.4.1 (unable to connect to host)
5.4.6 (mail loop)
554 5.4.6 Hop count exceeded - possible mail loop
554 5.4.14 Hop count exceeded - possible mail loop ATTR34
5.7.1 Unauthenticated senders not allowed
554 5.6.0 Corrupt message content
550 5.6.0 M2MCVT.StorageError.Exception: ConversionFailedException
550 5.7.520 Access denied, Your organization does not allow external forwarding.
554 5.2.0 STOREDRV.Deliver.Exception:AccountDisabledException; Failed to process message due
    to a permanent exception
554 5.2.1 mailbox is inactive
554 5.2.2
    STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded
550 Blocked by recipient
550 5.7.1 The user or domain that you are sending to (or from) has a policy that prohibited
    the mail that you sent
550 5.7.1 recipient has blocked your address
550 Administrative prohibition
550 5.7.0 Local policy violation
451 4.3.0 Temporary lookup failure
450 4.2.0 <anne@example.org>: Recipient address rejected: Temporarily unavailable
550 5.0.0 Command rejected
554 Virus found in message
550 Rejected due to policy: attachment type not allowed
host mx.example.org[192.0.2.1] refused to talk to me: 554 5.7.1 You are not allowed to
    connect
connect to mx.example.org[192.0.2.1]:25: Connection timed out
connect to mx.example.org[192.0.2.1]:25: No route to host
lost connection with mx.example.org while receiving the initial server greeting
Host or domain name not found. Name service error for name=example.org type=MX: Host not
    found, try again
mail for example.org loops back to myself
TLS is required, but was not offered by host mx.example.org
unable to create file /var/mail/anne: Permission denied
cannot update mailbox /var/mail/anne for user anne. destination /var/mail/anne is not owned
    by recipient
can't create user output file. Command output: procmail: Quota exceeded while writing
554 5.4.0 Error: too many hops
550 5.5.3 Too many recipients
452 4.5.3 Too many recipients
550 Too many invalid recipients
450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]
550 5.7.25 The IP address sending this message does not have a PTR record setup
554 IMTA rejected: PTR
550 Reverse DNS lookup failed for host
521 5.2.1 AOL will not accept delivery of this message.
550 This account is suspended
550 User suspended
550 5.2.1 anne@example.org: account inactive
550 5.7.13 User account disabled
550 Mail account locked due to inactivity
550 5.2.1 The email account that you tried to reach is disabled.
450 4.1.1 <anne@example.org>: Recipient address rejected: unverified address
550 5.2.1 This mailbox has been blocked due to inactivity
550 Account blocked
550 user is terminated
550 5.7.1 Your access to submit messages to this e-mail system has been rejected.
554 Your access to this mail system has been rejected due to the sending MTA's poor
    reputation.
550 Rejected by header based Anti-Spoofing policy
550 Administrative prohibition - envelope blocked
550 5.7.1 Message rejected by recipient: this sender is not wanted
554 Transaction failed
554 5.0.0 Service unavailable
550 5.0.350 Remote server returned an error -> 554 5.7.1 blocked
550 5.7.501 Service unavailable. Spam abuse detected from IP range.
550 5.7.23 The message was rejected because of Sender Policy Framework violation
550 5.7.367 Remote server returned not permitted to relay -> 554 5.7.1
550 5.4.317 Message expired, cannot connect to remote server
550 5.7.700 Access denied, tenant has exceeded threshold
550 5.7.750 Client blocked from sending from unregistered domain
550 5.1.8 Access denied, bad outbound sender
550 5.7.505 Access denied, banned recipient
554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied
550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal
452 4.5.3 Too many recipients
550 Maximum number of messages exceeded for this hour
421 Too many messages in this session
550 message contains banned attachment
550 Rejected because 192.0.2.1 is in a black list at zen.spamhaus.org
550 Requested action aborted; local policy
550 5.7.1 Forged sender: domain does not exist
550 Sender does not exist
550 Bad HELO - host unknown
550 HELO/EHLO: unknown host
554 5.7.1 Mail from unknown host rejected
550 5.7.1 Sender unknown
550 unknown sender
550 Your domain does not exist
550 your mail server's host name was not found
550 cannot verify sender address: no such user
550 sender address does not exist
550 MAIL FROM address unknown
550 could not verify sender: user unknown
554 5.7.1 reverse path does not exist
550 5.7.1 return path user unknown
550 callback to your server failed: 550 no such user
"""
_STATUS = re.compile(r"(?<![\d.])[45]\.\d\.\d{1,3}(?![\d.])")


def lines(table: str) -> list[str]:
    """The diagnoses of ``table``, each on one line."""
    return table.strip().replace("\n    ", " ").split("\n")


def _is_dead(said: str) -> bool:
    status = _STATUS.search(said)
    code = status[0] if status else "5.0.0"
    told = read_report(
        report(
            "Final-Recipient: rfc822; anne@example.org\nAction: failed\n"
            f"Status: {code}\nDiagnostic-Code: smtp; {said}\n"
        )
    )
    assert told.kind is Kind.BOUNCE
    (one,) = told.recipients
    assert one.address == "anne@example.org"
    return one.hard


@pytest.mark.parametrize("said", lines(DEAD))
def test_an_address_that_does_not_exist_is_dead(said: str) -> None:
    assert _is_dead(said)


@pytest.mark.parametrize("said", lines(ALIVE))
def test_what_is_full_refused_or_late_is_not_dead(said: str) -> None:
    assert not _is_dead(said)
