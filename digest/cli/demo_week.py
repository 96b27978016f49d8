"""The week after the demo's first issue: clicks on it, links that came in, and an editor.

Everything is made up; the pages are those of real projects, none of which is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from digest.access.sessions import begin_session
from digest.content.links import canonical_url
from digest.rules.candidate import CandidateState
from digest.rules.click import Clicker, Link
from digest.rules.rights import Role
from digest.store.candidates import Find, add_candidate, set_candidates
from digest.store.clicks import add_clicks, clicks_of_issue
from digest.store.growth import count_readers, keep_counts
from digest.store.newsletters import Newsletter
from digest.store.session import Database, Session
from digest.store.users import user_by_id, write_user

EDITOR: Final = "you@demo.example.org"
_TODO_NOTE: Final = "TODO: say in one sentence why this one."


@dataclass(frozen=True, slots=True)
class _Link:
    title: str
    url: str
    description: str
    note: str = ""
    kept: bool = False


_LINKS: Final = (
    _Link(
        "The Byzantine Generals Problem",
        "https://lamport.azurewebsites.net/pubs/byz.pdf",
        "Three generals, some of them traitors, and messengers who may be caught.",
        "The paper that gave liars a name. Read its story, even if you skip the proofs.",
        kept=True,
    ),
    _Link(
        "End-to-End Arguments in System Design",
        "https://web.mit.edu/Saltzer/www/publications/endtoend/endtoend.pdf",
        "What belongs into the network, and what only the two ends can know.",
        _TODO_NOTE,
        kept=True,
    ),
    _Link(
        "The Network is Reliable",
        "https://queue.acm.org/detail.cfm?id=2655736",
        "A collection of everything that has gone wrong between two machines.",
        kept=True,
    ),
    _Link(
        "encode/starlette",
        "https://github.com/encode/starlette",
        "The small framework under the pages you are looking at.",
        "Two thousand lines that can be read in an evening, tests included.",
        kept=True,
    ),
    _Link(
        "Crash-Only Software",
        "https://www.usenix.org/conference/hotos-ix/crash-only-software",
        "Programs that can only be stopped by crashing them, and start by recovering.",
    ),
    _Link(
        "How to Do Distributed Locking",
        "https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html",
        "Why a lock needs a number, and what happens to those who hold it too long.",
    ),
    _Link(
        "RFC 3461: Delivery Status Notifications",
        "https://www.rfc-editor.org/rfc/rfc3461",
        "How to ask a mail server to tell what became of a message.",
    ),
    _Link(
        "Files Are Hard",
        "https://danluu.com/file-consistency/",
        "What it takes to write a file so that it is there after a power cut.",
    ),
    _Link(
        "aio-libs/aiosmtpd",
        "https://github.com/aio-libs/aiosmtpd",
        "A mail server to test against, made of asyncio.",
    ),
    _Link(
        "Idempotence Is Not a Medical Condition",
        "https://queue.acm.org/detail.cfm?id=2187821",
        "Why doing it twice has to be the same as doing it once.",
    ),
    _Link(
        "Ten optimistic claims about email",
        "https://www.example.org/optimistic",
        "The ninth will surprise nobody.",
    ),
    _Link(
        "A mailbox older than its owner",
        "https://www.example.net/mailbox",
        "Thirty years of mail, and how it moved house six times.",
    ),
)


# Of each hundred readers, how many click the first link, the second, …; programs click them all.
_HUMANS: Final = (19.0, 6.1, 12.4, 8.8, 3.2, 9.7, 1.6, 4.4, 2.9, 7.3, 0.8, 2.1)
_SCANNERS: Final = 11.0


async def make_up_clicks(session: Session, issue_id: int, readers: int) -> None:
    """Clicks on the issue that went out: some links are liked better than others."""
    counted: dict[tuple[Link, Clicker], int] = {}
    for place, one in enumerate(await clicks_of_issue(session, issue_id)):
        link = Link(one.version_id, one.position)
        liked = _HUMANS[place % len(_HUMANS)] / (1 + place // len(_HUMANS))
        counted[link, Clicker.HUMAN] = round(readers * liked / 100)
        counted[link, Clicker.SCANNER] = round(readers * _SCANNERS / 100) + place % 3
    await add_clicks(session, counted)


async def begin_week(db: Database, newsletter: Newsletter, *, now: datetime) -> str:
    """Collect the links, and let a made-up editor in; the token of their session."""
    async with db.begin() as session:
        waiting: list[int] = []
        for number, one in enumerate(_LINKS):
            link, _ = await add_candidate(session, newsletter.id, _find(one, number, now), now=now)
            if not one.kept:
                waiting.append(link.id)
        await set_candidates(session, newsletter.id, waiting, CandidateState.WAITING)
        await keep_counts(session, await count_readers(session, now))
        made = await write_user(session, EDITOR, name="You", role=Role.OWNER, now=now)
        assert made is not None
        user = await user_by_id(session, made)
        assert user is not None
        return await begin_session(session, user, browser="the demo's own", now=now)


def _find(one: _Link, number: int, now: datetime) -> Find:
    code = one.url.startswith("https://github.com/")
    return Find(
        url=one.url,
        canonical_url=canonical_url(one.url),
        title=one.title,
        description=one.description,
        site=one.url.split("/")[2].removeprefix("www."),
        note=one.note,
        section="Code" if code else "Worth your time",
        published_at=now - timedelta(days=number % 6, hours=number),
    )
