"""What servers write when they refuse: phrases of many programs, each with the reason it gives.

Phrases stand between bars, in lower case, addresses left out; ``*`` is any gap. The first phrase
that fits wins, so what blames the sender stands before what blames the recipient, and exact wording
before loose. ``DECISIVE`` is believed against the enhanced code, ``TEXTS`` where that code is
vague.
"""

from __future__ import annotations

from digest.mail.bounce.reason import Reason, Rows

DECISIVE: Rows = (
    (Reason.EXPIRED, "unverified address"),  # Postfix could never ask whether there is such a user
    (Reason.HAS_MOVED, "user not local; please try"),  # RFC 5321 §3.4
    (Reason.REJECTED, "too many invalid recipients | too many unknown recipients"),
    (
        Reason.REJECTED,  # whoever asks about the sender, and is told there is no such user or host
        """sender verify failed | sender verification failed | verify sender | verify the sender |
        verify your address | verify return | sender does not exist | sender doesn't exist |
        sender address does not exist | sender address unknown | forged sender | reverse path |
        return path user | your domain does not | your domain is not | your domain has no |
        from unknown host | bad helo | invalid helo | helo/ehlo | ehlo/helo | helo name |
        helo command rejected | callback to | callback setup | callback verification""",
    ),
    (Reason.POLICY_VIOLATION, "content presents a potential"),
    (
        Reason.TOO_MANY_CONNECTIONS,
        """connection rate limit | too many recipients | ip frequency limited |
        connection frequency limited""",
    ),
    (Reason.SECURITY_ERROR, "unauthenticated senders not allowed"),
    (Reason.NOT_COMPLIANT, "multiple addresses in from | messages with multiple"),
    (Reason.SPAM_DETECTED, "due to spam classification | message content rejected"),
    (
        Reason.REJECTED,
        """all recipient addresses rejected |
        sending to/from an address that has been blacklisted""",
    ),
    (
        Reason.NOT_ACCEPT,
        """null mx | nullmx | doesn't receive email according to |
        couldn't find a mail exchanger or ip address | no mx record found |
        malformed or unexpected name server reply""",
    ),
    (
        Reason.MAILBOX_FULL,  # Dovecot, Cyrus, Exchange, Gmail, qmail and vpopmail, Domino, IMail
        """over quota | over disk quota | overquota | over the allowed quota | quota exceed |
        quota is exceeded | quota has been exceeded | quota full |
        exceeded storage allocation | exceeded its * quota | exceeded his * quota |
        exceeding their quota | exceeded * quota | exceeds * quota | out of storage space |
        out of disk space in * mailbox | not enough storage space in | insufficient quota |
        mailbox full | mailbox is full | mailbox was full | mailbox * is full |
        mailfolder is full | maildir is full | maildir over | mail box is full |
        mail box full | mail box space not enough | mailbox exceeds allowed size |
        mailbox has exceeded | mailbox size limit exceeded | exceeded mailbox |
        mailbox_quota | inbox is full | inbox full | account is full | user is over |
        storage quota | disk quota exceeded | disc quota | diskquota |
        no space left in mailbox | not enough space in the mailbox |
        boite du destinataire pleine | boîte aux lettres pleine | boîte * pleine |
        quota dépassé | casella piena | casella * piena | buzón lleno | buzón * lleno |
        cuota excedida | caixa postal cheia | caixa * cheia | cota excedida | quota voll |
        postfach voll | postfach ist voll | postfach * voll | mailbox voll |
        kontingent überschritten | mailbox is vol | postvak is vol | skrzynka * pełna |
        przepełnion | переполнен | kutusu dolu | いっぱいです | 邮箱已满 | 信箱已满 | 郵箱已滿 |
        용량 초과 | full mailbox | mailfull | quotaexceeded""",
    ),
    (
        Reason.VIRUS_DETECTED,
        """contains a virus | contains virus | virus found | virus detected |
        virus was detected | infected with | infected by | infected message |
        malware detected | contained malware | message has been infected | carries virus |
        virus infected | harbours a virus | a virus has been""",
    ),
    (
        Reason.REQUIRE_PTR,
        """mismatches client ip | bad dns ptr | dns ptr resource | unverifyable sending ip |
        no ptr | ptr record | missing reverse dns | rdns record | reverse dns |
        reverse lookup | cannot find your hostname | cannot find your reverse |
        reverse hostname | ip address does not resolve | unresolvable relay host |
        could not resolve your ip | fcrdns | does not have a valid ptr |
        client host rejected: cannot find | invalid hostname of your ip |
        ip name lookup failed""",
    ),
    (
        Reason.AUTH_FAILURE,
        """dmarc | spf check | spf fail | spf record | spf hard fail | spf validation |
        fails spf | failed spf | did not pass spf | is not spf | openspf. | open-spf. |
        sender policy framework | dkim check | dkim verif | dkim fail | dkim signature |
        does not meet the required authentication | unauthenticated email |
        unauthenticated mail | email authentication | is not authenticated |
        not allowed to send mail for | sender address authentication""",
    ),
    (
        Reason.BLOCKED,  # the operators of blocklists, and those who ask them
        """client host rejected | invalid ip for sending mail | not accepting connections |
        spamhaus | spamcop | sorbs.net | dnsbl | barracudacentral | b.barracuda |
        abuseat.org | uceprotect | surriel.com | psbl. | njabl | ordb.org | mailspike |
        senderbase | proofpoint.com/dnsbl | ipcheck.proofpoint | cloudmark.com/csi |
        csi.cloudmark | invaluement | rbl- | rbl. | in an rbl | in rbl | blacklisted |
        blocklisted | black list | blacklist | block list | blocklist | denylist |
        client host * blocked | client host blocked | your ip * block |
        ip address * has been block | ip address * is block | ip address * blocked |
        host * is blocked | banned sending ip | your host is banned | ip banned |
        dynamic ip | dialup | dial-up | dynamic/residential | open relay | open proxy |
        please use the smtp server of your isp | use your isp |
        connection refused by policy | connections not accepted from |
        not accept connection from | no access from mail server | access denied. ip |
        service unavailable; client host | server you are connecting from |
        from your ip address""",
    ),
    (
        Reason.BAD_REPUTATION,
        """poor reputation | low reputation | bad reputation | reputation of | reputation is |
        poor email reputation | poor mail server reputation | sender score | senderscore |
        ip reputation | reputation score""",
    ),
    (
        Reason.SPEEDING,
        """sending * too fast | rate limit | ratelimit | exceeded the rate | mail rate |
        exceeded the maximum number of messages | too many messages | too many emails |
        unusual rate | unusually high rate | unexpected volume | throttl | slow down |
        sending rate | messages per hour | hourly limit | daily limit |
        is receiving mail at a rate | deferring connection | try again slower""",
    ),
    (
        Reason.TOO_MANY_CONNECTIONS,
        """too many connections | too many concurrent | too many simultaneous |
        too many sessions | concurrent connection | connections from your ip |
        connection limit | connection rate limit | connection frequency |
        connection threshold | max number of connections | exceeded * connection""",
    ),
    (
        Reason.SPAM_DETECTED,
        """spam detected | spam message | spam email | spam mail | spam content | spam score |
        spam filter | spam-like | considered spam | considered to be spam |
        identified as spam | identified spam | identified * as spam | classified as spam |
        detected as spam | detected spam | appears to be spam | looks like spam |
        look like spam | seems to be spam | marked as spam | probably spam | probable spam |
        likely spam | likely unsolicited | regarded as spam | is spam | as spam |
        spam rejected | rejected as bulk | rejected due to spam | rejecting banned content |
        no spam | antispam | anti-spam | spamassassin | cloudmark | unsolicited mail |
        unsolicited bulk | unsolicited email | junk mail | high probability of spam |
        mail content denied | suspicious content | blocked by content filter |
        blocked by filter rule | our filter""",
    ),
    (
        Reason.FAILED_STARTTLS,
        """starttls is required | must issue a starttls | tls required | requires tls |
        starttls failed | tls handshake | tls negotiation | tls not available |
        tls is required but | cannot start tls | server certificate not |
        starttls command first | does not support starttls | encryption required""",
    ),
    (
        Reason.NO_RELAYING,
        """relay access denied | relaying denied | relaying disallowed | relay not permitted |
        relaying not permitted | relay denied | relay is denied | relaying is not |
        relaying prohibited | relaying mail to | relay prohibited | relay not allowed |
        not permitted to relay | not allowed to relay | unable to relay | cannot relay |
        does not relay | do not relay | we do not accept mail for | no relaying |
        as a relay | rcpthosts | locally hosted domain | isn't in my list of allowed |
        not local | not gateway | mail server is not configured for""",
    ),
    (
        Reason.SYSTEM_FULL,
        """insufficient system storage | insufficient disk | insufficient system resources |
        no space left on device | disk full | disk is full | mail system full |
        requested mail action aborted: exceeded storage""",
    ),
    (
        Reason.MAILER_ERROR,
        """command died with | command output: | command died: | pipe to |
        local delivery failed | x-unix; | exit status | exited with | procmail |
        exit * mailer | child process of | error writing message: * | unknown mailer error |
        service unavailable * mailer""",
    ),
)

TEXTS: Rows = (
    (
        Reason.REJECTED,  # the sender's address
        """sender address rejected | unresolvable sender | sender domain not found |
        cannot resolve sender | sender domain does not | domain of sender |
        sender verification | sender rejected |
        sender was rejected | sender denied | sender verify failed | sender not verified |
        sender is not | sender domain must | sender domain is empty | sender is spammer |
        sender not pre-approved | sender * not allowed | sender address * rejected |
        sender email address rejected | sender address has been null | invalid sender |
        bad sender | illegal sender | backscatter | returned mail not accepted |
        empty envelope sender | null sender | from address | from <> is not allowed |
        access denied (in reply to mail from | domain of sender | senderdomain |
        sender domain | you are not allowed to post | not have permission to post |
        may not exist, or you may not have permission | not a member of | only members |
        non-member | restricted group | mail from * not accepted |
        rule imposed mailbox access | mail from not owned |
        all recipient addresses rejected | not accepting mail from |
        your access to this mail system has been rejected | your email address is not |
        has installed an invalid mx | rejected because of sending domain |
        envelope blocked""",
    ),
    (Reason.NO_RELAYING, "email address is not verified"),
    (
        Reason.EXPIRED,
        """all hosts have been failing for a long time | could not deliver for the last |
        message will be retried | did not accept our requests to connect |
        delivery time expired | delivery attempts expired | retry time not reached |
        retry timeout exceeded | retry time exceeded | message expired |
        message has expired | expired before it could be | mail delivery time |
        in the queue too long | in queue too long | been in the queue | queue too long |
        queue lifetime | maximum retr | maximum delivery attempts |
        too many failures * attempt | too many delivery attempts | giving up after |
        has not been collected after | could not be delivered for more than |
        could not be delivered within | could not be delivered after |
        cannot be delivered for | not been delivered * days | undeliverable for |
        within the allowed queue period | delivery failed * attempts | delivery timed out |
        delivery expired | conversation * timed out | connection timed out |
        operation timed out | timed out while | timed out | timeout |
        unable to deliver message after multiple retries | unable to deliver * in time |
        host not reachable | too old | wasn't able to establish an smtp connection""",
    ),
    (
        Reason.NETWORK_ERROR,
        """host not found, try again | host name lookup failure | name server * try again""",
    ),
    (
        Reason.HOST_UNKNOWN,
        """host or domain name not found | host not found | host unknown | unknown host |
        unknown domain | domain not found | domain name not found | domain does not exist |
        domain doesn't exist | domain * does not exist | domain * couldn't be found |
        domain * could not be found | domain is invalid | domain syntax error |
        invalid domain | no such domain | no such host | nxdomain | name service error |
        name or service not known | non-existent host | non existent domain |
        nonexistent domain | unrouteable mail domain | unrouteable domain |
        unroutable domain | couldn't find any host | couldn't find a mail exchanger |
        illegal host/domain name found | bad destination host | bad destination system |
        cannot find your domain | cannot resolve domain | dns error | dns lookup fail |
        hostname lookup fail | host lookup | lookup fail * host |
        all host address lookups failed | no mail exchanger | no mx record |
        no mx or a record | no valid mx | malformed or unexpected name server reply |
        recipient domain must exist | recipient address must contain a domain |
        address lookup failed | server * couldn't be found | relay host not found |
        unable to resolve | mail exchanger * not found | not found in dns |
        recipient domain * not found""",
    ),
    (
        Reason.NOT_ACCEPT,
        """does not accept mail | doesn't accept mail | does not accept any mail |
        does not accept email | null mx | nullmx | domain * no mail service |
        host does not accept | smtp protocol returned a permanent error |
        name server: .: host not found | system does not accept |
        not accepting network messages | mail receiving disabled | no longer accepts mail |
        not accepting mail""",
    ),
    (
        Reason.HAS_MOVED,
        """user has moved | user moved | has moved to | please try * new address |
        recipient no longer on server | new address is | address has changed |
        address changed | has been replaced by | is no longer used | now using |
        no longer with | left the company | left the organi""",
    ),
    (
        Reason.SUSPEND,
        """account disabled | account is disabled | account has been disabled |
        account * disabled | account suspended | account is suspended |
        account has been suspended | account * suspended | account inactive |
        account is inactive | account is not active | account not active |
        account * inactive | account deactivated | account * deactivated | account locked |
        account is locked | account closed | account * is closed | account * been closed |
        account expired | account has expired | account * temporarily unavailable |
        account * been terminated | user disabled | user is disabled | user suspended |
        user is suspended | user inactive | user is inactive | user account is expired |
        user * inactive | recipient suspend | recipient disabled | recipient is inactive |
        recipient's mailbox is disabled | recipient * disabled | mailbox disabled |
        mailbox is disabled | mailbox * disabled | mailbox inactive | mailbox is inactive |
        mailbox suspended | mailbox is currently suspended |
        mailbox unavailable or access denied | mailbox frozen | mailbox is frozen |
        mailbox currently suspended | mailbox * is locked | inactive user |
        inactive account | inactive recipient | disabled account | disabled user |
        discontinued | temporarily locked | temporarily suspended |
        is a deactivated mailbox | domain is disabled | domain suspended |
        email account * tried to reach is disabled | not a valid mailbox * expired |
        extended inactivity | boite du destinataire archivee | invalid/inactive user |
        user refuses to receive | blocked due to inactivity | for inactivity |
        due to inactivity | account blocked | account is blocked""",
    ),
    (
        Reason.MESSAGE_TOO_BIG,
        """message too large | message is too large | message too big | message is too big |
        message file too big | message size exceeds | message exceeds |
        message length exceeds | message header size | message size * limit |
        exceeds fixed | exceeds fixed maximum message size | exceeded message size |
        exceeds size limit | exceeds limit | exceeded maximum inbound message size |
        maximum message size | max message size | max size exceeded | mail size limit |
        size limit | line limit exceeded | attachment too""",
    ),
    (
        Reason.NOT_COMPLIANT,
        """not rfc | non-rfc | rfc 5322 | rfc5322 | rfc 2822 | rfc 822 | rfc2821 |
        this message is not rfc | duplicate header | missing required header |
        multiple from | header missing | messages missing a | no from: | invalid header |
        headers are not | bare lf | bare line feed""",
    ),
    (
        Reason.SECURITY_ERROR,
        """authentication required | authentication is required | authentication failed |
        authentication failure | authentication turned on | authenticate first |
        not authenticated | smtp authentication | must authenticate | please turn on smtp |
        insecure | over ssl | ssl required | requires ssl | ssl error |
        unauthorized senders | access denied | security policy |
        you are not authorized | not authorized | not permitted | insufficient security |
        incorrect password | credentials""",
    ),
    (
        Reason.CONTENT_ERROR,
        """message content rejected | content rejected | message format | mime error |
        bad mime | malformed mime | improper use of 8-bit | 8-bit data in |
        message header * invalid | header error |
        the headers in this message contain improper | attachment * not allowed |
        attachments are not | prohibited attachment | banned attachment |
        blocked attachment | executable | suspicious attachment | no subject |
        message body""",
    ),
    (
        Reason.POLICY_VIOLATION,
        """policy reasons | policy violation | for policy | policy rejection | local policy |
        site policy | email policy | administrative prohibition |
        administratively prohibited | administratively denied | denied by policy |
        against policy | violates our | recipient restrictions |
        you have exceeded the * maximum | by administrator |
        you have been blocked by the recipient | awaits moderator | protocol violation |
        too many recipients""",
    ),
    (
        Reason.USER_UNKNOWN,
        """user unknown | unknown user | addressee unknown | user not found |
        user * not found | user doesn't exist | user does not exist |
        user * does not exist | user * doesn't exist | user not known | user * unknown |
        user not exist | user * not known | user doesn't have | user * not listed in |
        user not listed | not a user here | have that user | nobody here by | no one here by |
        mailbox not known | mailbox deleted | mailbox has been deleted |
        mailbox has been removed | account has been deleted | account is not known |
        recipient address is invalid | recipient cannot be verified |
        recipient verification failed | recipient validation failed |
        unknown local | unknown recipient | unknown mailbox | unknown address |
        unknown e-mail | unknown email | unknown account | unknown or illegal |
        user invalid | invalid user | invalid recipient | invalid mailbox |
        invalid address | invalid account | invalid final delivery user | invalid local |
        incorrect address | no such user | no such recipient | no such mailbox |
        no such address | no such account | no such person | no such local user |
        no such name | no such email | no such virtual | not a valid user |
        not a valid recipient | not a valid mailbox | not a valid address |
        not a known user | no mailbox | no account by that name | no account for |
        no user by | no valid recipient | no recipient | mailbox not found |
        mailbox does not exist | mailbox doesn't exist | mailbox * does not exist |
        mailbox * not found | mailbox unknown | mailbox name not allowed |
        mailbox not present | mailbox invalid | mailbox * not exist | address unknown |
        address not found | address does not exist | address doesn't exist |
        address * does not exist | address * doesn't exist | address * could not be found |
        address couldn't be found | address wasn't found | address was not found |
        address * not found | address invalid | address error | address no longer exist |
        address is not valid | address you entered * found | address no longer |
        address not listed | address * unknown |
        address not present | bad destination mailbox | bad address | bad recipient |
        recipient unknown | recipient not found | recipient * not found |
        recipient * unknown | recipient does not exist | recipient * does not exist |
        recipient * doesn't exist | recipient rejected | recipient not recognized |
        recipient name is not recognized | recipient not exist | recipient is not |
        recipient refused | recipient * no longer | recipient invalid |
        recipient cannot be found | account does not exist | account * does not exist |
        account not found | account unknown | account is not valid | account not available |
        account * unavailable | account that you tried to reach does not exist |
        does not have an email account | name is not recognized |
        not listed in * directory | not listed in * address book |
        not listed in public name | not our customer | is unknown | unrouteable address |
        unroutable address | undeliverable address | unknown to | there is no user |
        there is no such | there is no one | this user doesn't | does not exist |
        doesn't exist | not exist | no longer exists | no longer available |
        no longer valid | no longer active | nonexistent | non-existent | nosuchuser |
        not found in directory | check if address is correct | address couldn't be found |
        isn't in my validrcptto | destination addresses were unknown |
        destination not valid | delivery to the following recipient * no such |
        resolver.adr | recipnotfound | inconnu | destinataire invalide | n'existe pas |
        destinataire introuvable | adresse introuvable | utilisateur introuvable |
        no existe | desconocido | no se encontró | no encontrado | nicht gefunden |
        unbekannt | existiert nicht | inesistente | sconosciuto | non esiste | non trovato |
        não existe | inexistente | não encontrado | não foi encontrado | desconhecido |
        nie istnieje | nieznany | nie znaleziono | neexistuje | neznám | nem létezik |
        ismeretlen | finns inte | okänd | finnes ikke | ukjent | findes ikke | ukendt |
        ei ole olemassa | tuntematon | bulunamadı | не существует | не найден |
        пользователь неизвестен | неизвестный пользователь | 不存在 | 見つかりません |
        存在しません | 존재하지 않 | onbekend | bestaat niet | niet gevonden |
        badrcptto""",
    ),
    (Reason.POLICY_VIOLATION, "message refused | mail refused | message rejected"),
    (
        Reason.SYSTEM_ERROR,
        """internal error | internal server error | internal system error |
        internal software error | system error | server error | server configuration error |
        system config | configuration error | local configuration error |
        local error in processing | local problem | unable to connect to |
        no transport provider | can't create output | cannot open | file write error |
        temporary failure | temporarily unavailable | service unavailable |
        service not available | service currently unavailable | processing error |
        error while being processed | loops back to myself | duplicated message-id |
        mail loop | loop alert | looping | out of memory | mail for * loops |
        please try again later | try again later | system not capable |
        resources temporarily""",
    ),
    (
        Reason.NETWORK_ERROR,
        """too many hops | hop count | routing loop | loop detected | loop count exceeded |
        mail forwarding loop | connection refused | connection reset | connection lost |
        connection dropped | connection closed | connection was dropped |
        connection failure | lost connection | network is unreachable |
        network unreachable | no route to host | destination computer was not reachable |
        unable to connect | could not connect | couldn't connect | cannot connect |
        deferred: connection | network error | unrecoverable communication |
        all relays are down | message is looping | failed to connect | could not contact |
        unable to reach | unreachable""",
    ),
    (
        Reason.FILTERED,
        """mailbox unavailable | requested action not taken | restricted |
        recipient * only accepts | not allowed to receive |
        because the recipient is only accepting | permanently rejected message |
        user reject | user does not like | due to extended absence | message filtered""",
    ),
    (Reason.SPAM_DETECTED, "spam | phishing | unsolicited | bulk mail"),
    (
        Reason.SYNTAX_ERROR,
        """syntax error | command unrecognized | unrecognized command |
        command not recognized | bad sequence of commands | command not implemented |
        need rcpt | need mail | helo required""",
    ),
    (
        Reason.BLOCKED,
        """blocked | banned | listed | refused to talk to me | access denied |
        connection rejected | not allowed to connect | bounce.google""",
    ),
    (Reason.ON_HOLD, "on hold | delivery failed | delivery error"),
)
