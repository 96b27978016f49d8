"""What the desk says: where its tabs lead, and what was done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Name, path, title, and the right that shows it.
TABS: Final = ()

# The page one sees next says so, by the word in its address.
SAID: Final[Mapping[str, str]] = {
    "password": "The password is changed, and every other browser is signed out.",
    "codes-on": "From now on you give a code at each sign-in.",
    "codes-off": "No code is asked for any more.",
    "signed-out": "Signed out there.",
    "role": "The role is changed; they sign in again.",
    "removed": "Removed, and signed out everywhere.",
}
