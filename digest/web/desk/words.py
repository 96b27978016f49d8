"""What the desk says: where its tabs lead, and what was done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Name, path, title, and the right that shows it.
TABS: Final = (
    ("issues", "/n/{here}", "Issues", "look"),
    ("links", "/n/{here}/links", "Links", "write"),
    ("themes", "/n/{here}/themes", "Themes", "approve"),
    ("settings", "/n/{here}/settings", "Settings", "approve"),
    ("readers", "/n/{here}/readers", "Readers", "readers"),
    ("suppressions", "/suppressions", "Never mailed", "readers"),
    ("feedback", "/feedback", "Came back", "readers"),
    ("relays", "/relays", "Relays", "system"),
    ("doctor", "/doctor", "Doctor", "system"),
)

# The page one sees next says so, by the word in its address.
SAID: Final[Mapping[str, str]] = {
    "password": "The password is changed, and every other browser is signed out.",
    "codes-on": "From now on you give a code at each sign-in.",
    "codes-off": "No code is asked for any more.",
    "signed-out": "Signed out there.",
    "saved": "Saved.",
    "settings": "Changed, for what is added from now on.",
    "theme": "Issues look like this from now on.",
    "link": "Kept.",
    "link-unread": "Kept; its page could not be read, so look at its title.",
    "link-keep": "Kept.",
    "link-drop": "Dropped; no feed brings it again.",
    "link-wait": "It waits again.",
    "link-say": "Changed.",
    "test": "The test is in the queue; whoever sends takes it next.",
    "approved": "Approved: this version goes out, and nothing else.",
    "withdrawn": "The approval is taken back; it is a draft again.",
    "timed": "It goes out at that time, once it is approved.",
    "as-usual": "It goes out at the newsletter's next time.",
    "started": "Started.",
    "paused": "Paused: no message of it starts any more.",
    "resumed": "Resumed.",
    "cancelled": "Cancelled: nobody else gets it.",
    "resent": "It is queued once more for those it did not reach.",
    "added": "Subscribed; how they agreed is kept.",
    "reader-changed": "Changed.",
    "ended": "Ended: no message of it starts any more.",
    "asked-again": "Another link to confirm is on its way.",
    "suppressed": "Nothing is mailed to this address any more.",
    "lifted": "This address may be mailed again; who left still gets nothing.",
    "erased": "Erased from every table; a keyed hash keeps the address out.",
    "taught": "Taught: from the next bounce on.",
    "forgotten": "Forgotten.",
    "believed": "Believed: nothing is mailed to them any more.",
    "dropped": "Dropped: they are mailed as before.",
    "role": "The role is changed; they sign in again.",
    "expected": "Added; they sign in with their account at the provider.",
    "provider": "They sign in with the provider from now on: whoever it says has this address.",
    "no-provider": "The provider lets them in no more, and they are signed out everywhere.",
    "removed": "Removed, and signed out everywhere.",
}
