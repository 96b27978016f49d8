"""What a receiver's own checks say of our test mail, and what that means for us (RFC 8601)."""

from __future__ import annotations

from digest.mail.auth_results import Received
from digest.rules.doctor.checkup import Check, Light

_FIXES = {
    "dkim": "See the row dkim above; where it is green, something on the way changes the mail.",
    "spf": "See the row spf above: it was asked of the domain and address named here.",
    "dmarc": "See the rows dmarc and alignment above.",
}


def judge_received(received: Received, *, token: str, address: str) -> list[Check]:
    """The rows about the mail that arrived at ``address`` with ``token`` in its Message-ID."""
    if not received.results:
        found = "there is no Authentication-Results in it, so the receiver's word is missing"
        fix = "Paste the whole source of the mail, as the receiving mailbox shows it."
        return [Check("received", address, Light.YELLOW, found, fix)]
    checks = []
    if token not in received.message_id:
        # Some relays write a Message-ID of their own.
        found = (
            f"it may be another mail: its Message-ID is {received.message_id[:100] or 'missing'}"
        )
        fix = "Take the source of the mail that was sent just now."
        checks.append(Check("received", address, Light.YELLOW, found, fix))
    for method, fix in _FIXES.items():
        said = [one for one in received.results if one.method == method]
        passed = [one for one in said if one.result == "pass"]
        about = f"{received.authority}: {method}"
        if passed:
            domain = passed[0].domain
            found = f"pass ({domain})" if domain else "pass"
            checks.append(Check("received", about, Light.GREEN, found))
        elif said:
            one = said[0]
            found = f"{one.result} ({one.domain})" if one.domain else one.result
            checks.append(Check("received", about, Light.RED, found, fix))
        else:
            checks.append(Check("received", about, Light.YELLOW, "it says nothing of it", fix))
    return checks
