"""Who sends an issue: what a newsletter lends to its look, and the headers frozen with a version.

List-Id (RFC 2919), List-Help, List-Archive and List-Owner (RFC 2369), one-click leaving (RFC 8058)
and Feedback-ID as Gmail's feedback loop reads it: four fields, the last one naming the sender.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from digest.content.theme import Masthead, Theme, load_theme
from digest.languages import direction_of
from digest.mail.message import Letterhead
from digest.store.newsletters import Newsletter

# The envelope's, the footer's, the links'.
_NO_HEADERS = frozenset({"return_path", "postal_address", "clicks"})


def masthead(newsletter: Newsletter, *, public_url: str, issue: str) -> Masthead:
    """What a newsletter lends to the look of its issue called ``issue``."""
    settings = newsletter.settings
    size = settings.get("logo_size")
    return Masthead(
        name=newsletter.name,
        from_name=newsletter.from_name,
        postal_address=newsletter.postal_address,
        language=newsletter.language,
        direction=direction_of(newsletter.language),
        logo_url=settings.get("logo_url"),
        logo_size=(int(size[0]), int(size[1])) if size else None,
        home_url=settings.get("home_url") or "",
        public_url=public_url,
        issue_url=f"{public_url}/i/{newsletter.slug}/{issue}",
        why=settings.get("why") or "",
    )


def theme_of(newsletter: Newsletter, *, themes: Path | None) -> Theme:
    """Its theme, one of the program's or a folder in ``themes``, with its own values over it."""
    return load_theme(newsletter.theme, overrides=newsletter.settings.get("theme"), shelf=themes)


def identity_of(newsletter: Newsletter, *, public_url: str, issue: str) -> dict[str, Any]:
    """Who sends, as it is frozen with a version: all of the headers that no reader changes.

    A mailto for leaving only where mail is received (``leave_mailto`` in the settings).
    """
    counting = {"clicks": True} if newsletter.settings.get("clicks") else {}
    return counting | {
        "from_name": newsletter.from_name,
        "from_address": newsletter.from_address,
        "reply_to": newsletter.reply_to,
        "return_path": newsletter.return_path,
        "postal_address": newsletter.postal_address,
        "list_id": newsletter.list_id,
        "list_name": newsletter.name,
        "message_id_domain": newsletter.from_domain,
        "leave_url": f"{public_url}/u/",
        "leave_mailto": newsletter.settings.get("leave_mailto"),
        "help_url": newsletter.settings.get("help_url") or f"{public_url}/",
        "archive_url": newsletter.settings.get("home_url") or f"{public_url}/",
        "owner": newsletter.reply_to or newsletter.from_address,
        "feedback_id": feedback_id(newsletter, issue=issue),
    }


def feedback_id(newsletter: Newsletter, *, issue: str) -> str:
    """``issue:newsletter:kind:sender``; of nobody it is sent to.

    The sender is the same for all mail of a domain and has 5 to 15 characters, as Gmail asks.
    """
    sender = hashlib.sha256(newsletter.from_domain.encode()).hexdigest()[:8]
    return f"{issue}:{newsletter.slug}:issue:digest{sender}"


def letterhead(identity: Mapping[str, Any], subject: str) -> Letterhead:
    """The headers of a version from what was frozen with it."""
    own = {name: value for name, value in identity.items() if name not in _NO_HEADERS}
    return Letterhead(subject=subject, **own)
