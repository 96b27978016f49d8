"""Domains whose mailboxes are made to be thrown away.

Only those run for that purpose and for years; aliases that people keep (SimpleLogin, Firefox Relay,
iCloud's Hide My Email, DuckDuckGo) are readers as any others. ``DIGEST_SIGNUP__REFUSE_DISPOSABLE``
turns it off.
"""

from __future__ import annotations

DISPOSABLE = frozenset(
    """
    0-mail.com 10minutemail.com 10minutemail.net 20minutemail.com 33mail.net anonbox.net
    armyspy.com burnermail.io byom.de cuvox.de dayrep.com deadaddress.com despam.it
    discard.email discardmail.com dispostable.com dropmail.me einrot.com emailfake.com
    emailondeck.com emailsensei.com fakeinbox.com fakemail.net fakemailgenerator.com
    filzmail.com fleckens.hu getairmail.com getnada.com grr.la guerrillamail.biz
    guerrillamail.com guerrillamail.de guerrillamail.info guerrillamail.net guerrillamail.org
    guerrillamailblock.com gustr.com harakirimail.com incognitomail.org inboxkitten.com
    jetable.org jourrapide.com luxusmail.org mail-temp.com mail-temporaire.fr mailcatch.com
    maildrop.cc mailexpire.com mailforspam.com mailinator.com mailinator.net mailinator2.com
    mailmetrash.com mailnesia.com mailnull.com mailsac.com mailtothis.com mintemail.com
    moakt.com mohmal.com mt2015.com mytemp.email mytrashmail.com nada.email nowmymail.com
    pokemail.net rhyta.com sharklasers.com sneakemail.com sogetthis.com spam4.me spambog.com
    spambox.us spamex.com spamfree24.org spamgourmet.com spamhole.com spammotel.com
    superrito.com suremail.info teleworm.us temp-mail.io temp-mail.org tempail.com
    tempinbox.com tempmail.net tempmailaddress.com tempmailo.com tempr.email throwam.com
    throwawaymail.com tmpmail.org tmpmail.net trash-mail.com trashmail.com trashmail.de
    trashmail.me trashmail.net trashmail.ws trbvm.com wegwerfemail.de wegwerfmail.de
    wegwerfmail.net wegwerfmail.org yopmail.com yopmail.fr yopmail.net zetmail.com
    """.split()
)


def is_disposable(domain: str) -> bool:
    """Whether ``domain``, or one above it, gives mailboxes to be thrown away."""
    labels = domain.lower().split(".")
    return any(".".join(labels[start:]) in DISPOSABLE for start in range(len(labels) - 1))
