"""In whose name a file is looked at: a newsletter's, or a sample's where none is named."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from digest.content.issue import Issue
from digest.content.theme import Masthead, Theme, load_theme
from digest.mail.message import Letterhead, Recipient
from digest.mail.tokens import TOKEN_LENGTH

SAMPLE_URL = "https://news.example.org"
SAMPLE_TOKEN = "a" * TOKEN_LENGTH  # worth nothing


@dataclass(frozen=True, slots=True)
class Look:
    """What an issue is rendered with, and the headers of its message but for the subject."""

    masthead: Masthead
    theme: Theme
    letterhead: Letterhead
    utm: dict[str, str]


async def look_of(slug: str | None, issue: Issue | None) -> Look:
    """How ``issue`` looks in the newsletter called ``slug``, or in a sample; NotFoundError."""
    if slug is None:
        return _sample()
    # Only here, so that looking at a file starts without a database.
    from digest.cli.connection import connected
    from digest.delivery.identity import identity_of, letterhead, masthead, theme_of
    from digest.store.newsletters import get_newsletter

    async with connected() as found, found.db.read() as session:
        newsletter = await get_newsletter(session, slug)
    public_url = found.settings.public_url
    name = "" if issue is None else str(issue.name)
    return Look(
        masthead(newsletter, public_url=public_url, issue=name),
        theme_of(newsletter, themes=found.settings.themes),
        letterhead(identity_of(newsletter, public_url=public_url, issue=name), ""),
        newsletter.settings.get("utm") or {},
    )


def _sample() -> Look:
    masthead = Masthead(
        name="A Weekly",
        from_name="A Weekly",
        postal_address="Sample Street 1, 12345 Sampletown",
        public_url=SAMPLE_URL,
        home_url=SAMPLE_URL,
    )
    letterhead = Letterhead(
        from_name="A Weekly",
        from_address="hello@news.example.org",
        reply_to=None,
        subject="",
        list_id="weekly.news.example.org",
        list_name="A Weekly",
        message_id_domain="news.example.org",
        leave_url=f"{SAMPLE_URL}/u/",
        leave_mailto=None,
        help_url=f"{SAMPLE_URL}/help",
        feedback_id="sample:weekly:issue:digest",
    )
    return Look(masthead, load_theme("default"), letterhead, {})


def sample_recipient(now: datetime | None = None) -> Recipient:
    """A reader who does not exist."""
    return Recipient(
        address="anne@example.org",
        name="Anne",
        token=SAMPLE_TOKEN,
        leave=SAMPLE_TOKEN,
        preferences=SAMPLE_TOKEN,
        date=now or datetime.now(UTC),
    )
