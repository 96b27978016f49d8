"""Codes of their own that providers put into their replies, as their postmaster pages list them.

These are believed before anything else: the three digits and the enhanced code around them are
often the same for all of them.
"""

from __future__ import annotations

from digest.mail.bounce.reason import Reason, Rows

PROVIDER_CODES: Rows = (
    # Meta (postmaster.facebook.com/response_codes): the address part of the code.
    (Reason.USER_UNKNOWN, "rcp-p1"),
    (Reason.FILTERED, "rcp-p2 | rcp-p3 | int-p6"),
    (Reason.BLOCKED, "pol-p1 | con-p | pol-p3"),
    (Reason.POLICY_VIOLATION, "pol-p4 | pol-p5"),
    (Reason.SPAM_DETECTED, "pol-p6 | pol-p7"),
    (Reason.SPEEDING, "rcp-t4 | int-t1"),
    # Orange and Wanadoo (France Télécom).
    (Reason.USER_UNKNOWN, "ofr_416 | ofr416 | ofr004_416"),
    (Reason.MAILBOX_FULL, "ofr_417 | ofr417"),
    (Reason.SPEEDING, "ofr_105 | ofr_104 | ofr004_104"),
    (Reason.TOO_MANY_CONNECTIONS, "ofr_102 | ofr004_102"),
    (Reason.BLOCKED, "ofr_506 | ofr006_506"),
    (Reason.SPAM_DETECTED, "ofr_515 | ofr_997 | ofr_999"),
    (Reason.USER_UNKNOWN, "lpn007_416 | lpn_416"),  # La Poste
    (Reason.POLICY_VIOLATION, "5.7.9: message not accepted for policy"),
    # Yahoo and AOL (senders.yahooinc.com/smtp-error-codes).
    (Reason.SPEEDING, "[tss04] | [tss05] | [tss09] | [tss11]"),
    (Reason.BLOCKED, "[ts01] | [ts02] | [ts03] | [bl21] | [bl22] | [bl23] | [rly: | [con:b1]"),
    (
        Reason.USER_UNKNOWN,
        """delivery error: dd this user doesn't have |
        requested mail action aborted, mailbox not found |
        delivery error: dd not a valid recipient""",
    ),
    (Reason.SUSPEND, "dd sorry, your message to * this mailbox is disabled"),
    # Microsoft: consumer Outlook (OU-, AS, S) and Exchange Online (sendersupport, NDR codes).
    (
        Reason.BLOCKED,
        """(s3140) | (s3150) | (s3114) | (s3115) | ou-001 | ou-002 | banned sending ip""",
    ),
    (
        Reason.BLOCKED,
        """5.7.511 | 5.7.606 | 5.7.607 | 5.7.608 | 5.7.609 | 5.7.610 | 5.7.649 | 5.7.708""",
    ),
    (Reason.AUTH_FAILURE, "5.7.509 | 5.7.515 | 5.7.512"),
    (Reason.SPEEDING, "5.7.705 | 4.7.850 | 4.7.500 | as(4810) | as(4815)"),
    (Reason.SPAM_DETECTED, "5.7.350 | 5.7.703"),
    (Reason.NO_RELAYING, "5.7.64 tenantattribution"),
    (
        Reason.MAILBOX_FULL,
        """storagequotaexceeded | quotaexceededexception | storedrv.deliver; mailbox full""",
    ),
    (
        Reason.USER_UNKNOWN,
        """resolver.adr.recipnotfound | recipientnotfound | resolver.adr.exrecipnotfound""",
    ),
    (Reason.USER_UNKNOWN, "smtpsend.dns.nonexistentdomain.never"),
    (Reason.REJECTED, "resolver.rst.notauthorized | resolver.rst.sendersize"),
    (
        Reason.HOST_UNKNOWN,
        """dns domain * does not exist | dns.nonexistentdomain | infodomainnonexistent""",
    ),
    (Reason.SECURITY_ERROR, "resolver.rst.auth"),
    (Reason.EXPIRED, "4.4.7 queue.expired | queue.expired"),
    # Outlook.com says by this number that there is no such account.
    (Reason.USER_UNKNOWN, "s2017062302"),
    # Exchange Online: numbers of its non-delivery reports that look like those of addresses.
    (Reason.NOT_COMPLIANT, "5.1.20 multiple | 5.1.20 email"),
    (Reason.SPEEDING, "5.1.90 your | 5.1.90 message"),
    (Reason.USER_UNKNOWN, "5.1.351 remote"),
    # Hotmail's OMC servers write the cause of a refusal in words of their own, with numbers behind.
    (Reason.USER_UNKNOWN, "requested action not taken: mailbox unavailable (-"),
    (Reason.HOST_UNKNOWN, "to the recipient because the domain is not reachable"),
    # Exchange Online refuses unknown recipients at its edge like this (directory-based blocking).
    (Reason.USER_UNKNOWN, "recipient address rejected: access denied"),
    # Google Groups: nobody may post there, or there is no such group.
    (Reason.REJECTED, "groups.google.com"),
    # Google (support.google.com/mail, "?p=" names the cause).
    (Reason.USER_UNKNOWN, "p=nosuchuser | p=accountnotfound"),
    (
        Reason.SUSPEND,
        """p=disableduser | inactive account |
        email account that you tried to reach is inactive""",
    ),
    (Reason.MAILBOX_FULL, "p=overquotaperm | p=overquotatemp"),
    (Reason.SPEEDING, "p=receivingrate | p=receivingratelimit | p=unsolicitedratelimit"),
    (Reason.AUTH_FAILURE, "p=dmarcrejection | p=unauthorizedemail | p=senderauthentication"),
    (Reason.SPAM_DETECTED, "p=unsolicitedmessageerror | p=unsolicitedipeerror | p=blockedmessage"),
    (Reason.NOT_COMPLIANT, "p=rfcmessagenoncompliant"),
    (Reason.REQUIRE_PTR, "p=ipv6_authentication_error | p=sendingdomainpasswordsptr"),
    # Apple (support.apple.com, iCloud Mail postmaster page).
    (Reason.SPAM_DETECTED, "[cs01] | [cs02] | (cs01)"),
    (Reason.BLOCKED, "[hm07] | [hm08] | [is01] | [pr01]"),
    # Charter and Spectrum, Comcast, Cox, Verizon.
    (Reason.TOO_MANY_CONNECTIONS, "aup#i-1010 | aup#o-1000 | aup#1310 | aup#i-1310"),
    (Reason.SPEEDING, "aup#1000 | aup#1070 | aup#1080 | aup#1090 | aup#i-1090"),
    (
        Reason.BLOCKED,
        """aup#1220 | aup#1260 | aup#1270 | aup#1500 | aup#1510 | aup#cxsnd | aup#bl""",
    ),
    (Reason.BLOCKED, "bl000000 | bl000001 | bl000010 | aup#in-"),
    (Reason.AUTH_FAILURE, "aup#1600"),
    (Reason.SPAM_DETECTED, "aup#cnnct | aup#3600"),
    # GoDaddy (secureserver.net): IB codes.
    (Reason.BLOCKED, "ib103 | ib104 | ib108 | ib212 | ib302 | ib703 | ib705"),
    (Reason.TOO_MANY_CONNECTIONS, "ib007 | ib101 | ib110"),
    (Reason.SPAM_DETECTED, "ib203 | ib501 | ib502 | ib604 | ib606 | ib506"),
    (Reason.SPEEDING, "ib504 | ib505 | ib607 | ib705"),
    # Tencent (QQ Mail).
    (
        Reason.USER_UNKNOWN,
        """mailbox unavailable or access denied [m |
        mailbox not found. http://service.mail.qq""",
    ),
    (Reason.SPEEDING, "domain frequency limited"),
    (Reason.SUSPEND, "the email account that you tried to reach is disabled"),
    # NetEase and Sina.
    (Reason.SPAM_DETECTED, "dt:spm | hl:itc | mi:spb"),
    (Reason.BLOCKED, "mi:dmc | hl:irc | hl:iph | dt:rbl | ip:rbl"),
    (Reason.SPEEDING, "rp:qrc | mi:cen | rp:cel | rp:trc | rp:trl | rp:drc"),
    (Reason.USER_UNKNOWN, "rp:rcl no such user"),
    (Reason.AUTH_FAILURE, "mi:spf"),
    # Mimecast (community.mimecast.com): phrases of its gateway.
    (Reason.BLOCKED, "local cti | ip rbl | mimecast.* blocked"),
    (
        Reason.REJECTED,
        """administrative lockout | envelope rejected | anti-spoofing | anti-spoofing policy""",
    ),
    (
        Reason.USER_UNKNOWN,
        """invalid recipient address. * mimecast | recipient address * unknown - ldap""",
    ),
    (Reason.ON_HOLD, "message hold"),
    (Reason.USER_UNKNOWN, "invalid recipient - https://community.mimecast.com"),
    (Reason.REJECTED, "rejected by header based * blocked senders"),
    (Reason.POLICY_VIOLATION, "email rejected due to security policies"),
    # 1&1, GMX, Web.de (postmaster.gmx.net).
    (
        Reason.USER_UNKNOWN,
        """requested action not taken: mailbox unavailable * invalid recipient |
        mailbox unavailable * postmaster.gmx | mailbox unavailable * postmaster.web.de |
        mailbox unavailable * postmaster.1und1""",
    ),
    (Reason.REQUIRE_PTR, "no ptr * nemesis"),
    # Postini, later Google Message Security.
    (Reason.USER_UNKNOWN, "no such user - psmtp | recipient does not exist - psmtp"),
    (Reason.NO_RELAYING, "no relaying allowed - psmtp"),
    (Reason.POLICY_VIOLATION, "message refused - psmtp"),
    # IronPort, for whoever is not in its recipient access table.
    (Reason.USER_UNKNOWN, "#5.1.0 address rejected"),
    # Cox: codes of its gateways.
    (Reason.BLOCKED, "cxbl | aupbl | ipbl0 | ipbl1 | cdrbl"),
    (Reason.TOO_MANY_CONNECTIONS, "cxmxrt | cxcnct"),
    (Reason.SPEEDING, "cxthrt | cxmj"),
    (Reason.REQUIRE_PTR, "cxdns"),
    (Reason.REJECTED, "cxsndr"),
    # cPanel's Exim, for domains that cannot be routed.
    (Reason.HOST_UNKNOWN, "account or domain may not exist, they may be blacklisted"),
    # InterScan tells a refused RCPT command like this, and nothing more.
    (Reason.USER_UNKNOWN, "(and other recipients in the same domain)"),
    # Amazon SES.
    (Reason.SUPPRESSED, "suppression list"),
    # au and KDDI: what their gates answer to whoever is not on a list.
    (Reason.FILTERED, "550 : user unknown"),
)
