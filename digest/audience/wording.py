"""What a reader agrees to, word for word: the page with the button that confirms.

The page's template says the same words; a test holds the two together in every language. GDPR
Art. 7(1): that somebody agreed has to be shown, and so does to what.
"""

from __future__ import annotations

from digest.languages import phrase, say

_ASKED = (
    phrase("One click, and you are in"),
    phrase("From then on you get every issue of <bdi>%(name)s</bdi>."),
    phrase("Yes, subscribe me"),
)


def asked_words(newsletter: str, language: str) -> str:
    """The words around the button, a line each and the button's own last."""
    said = (say(language, one) for one in _ASKED)
    plain = (one.replace("<bdi>", "").replace("</bdi>", "") for one in said)
    return "\n".join(one % {"name": newsletter} for one in plain)
