"""The look and the headers of a real newsletter, for files that are not stored yet."""

from __future__ import annotations

from digest.cli.connection import connected
from digest.cli.letters import Look
from digest.content.issue import Issue
from digest.content.theme import load_theme
from digest.delivery.identity import identity_of, letterhead, masthead
from digest.store.newsletters import get_newsletter


async def newsletter_look(slug: str, issue: Issue | None) -> Look:
    """How ``issue`` would look as one of the newsletter called ``slug``; NotFoundError."""
    async with connected() as found, found.db.read() as session:
        letter = await get_newsletter(session, slug)
    public_url = found.settings.public_url
    name = "" if issue is None else str(issue.number or issue.slug or "")
    identity = identity_of(letter, public_url=public_url, issue=name)
    return Look(
        masthead(letter, public_url=public_url, issue=name),
        load_theme(letter.theme, overrides=letter.settings.get("theme")),
        letterhead(identity, ""),
        letter.settings.get("utm") or {},
    )
