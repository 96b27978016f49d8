"""What the demo does once its issue is out: the pages, and the mail that whoever uses them causes.

Signing up, writing the next issue, sending it: all of it is mailed by a process of its own, to a
relay that keeps it in the same folder, so that a reader's and an editor's whole way can be walked,
the mailbox included, and the sender can be killed on it.
"""

from __future__ import annotations

import asyncio
from socket import socket

from pydantic import SecretStr

from digest.cli import output
from digest.cli.demo_content import SLUG
from digest.cli.demo_processes import DemoProcesses, capture_relay
from digest.cli.demo_sender import KeptSender
from digest.cli.demo_week import begin_week, make_up_clicks
from digest.clock import Clock
from digest.mail.tokens import KeyRing
from digest.rules.relay import parse_relays
from digest.runtime import Runtime
from digest.settings import Settings
from digest.store.issues import get_issue
from digest.store.newsletters import get_newsletter
from digest.store.session import Database
from digest.web.demo_pages import demo_app
from digest.web.demo_week import Week
from digest.web.server import serving, url_of
from digest.web.site import Site


async def serve_demo(
    demo: DemoProcesses, db: Database, listener: socket, *, issue: str, stopped: asyncio.Event
) -> None:
    """Serve what was sent of ``issue``, and whatever comes after it, until ``stopped``."""
    sent = demo.tail.count()
    async with capture_relay(demo, refusing=False) as relay_url:
        demo.environment["DIGEST_RELAY_URL"] = relay_url
        runtime = _runtime(demo, db, public_url=url_of(listener), relay_url=relay_url)
        sender = KeptSender(demo)
        site = Site.of(runtime)
        token = await _begun(runtime, issue, demo.readers)
        week = Week(SLUG, issue, token, sender.kill, sender.said)
        pages = demo_app(demo.capture, site, newsletter=SLUG, issue=issue, sent=sent, week=week)
        async with serving(pages, listener) as url:
            output.note(f"\nAn issue's week is at {url} – Ctrl-C ends the demo.")
            await sender.keep(stopped)
        await site.settled()


def _runtime(demo: DemoProcesses, db: Database, *, public_url: str, relay_url: str) -> Runtime:
    key = demo.environment["DIGEST_SECRET_KEY"]
    settings = Settings.model_construct(  # as it stands here: nothing of an installation's
        database_url=demo.environment["DIGEST_DATABASE_URL"],
        public_url=public_url,
        relay_url=relay_url,
        secret_key=SecretStr(key),
        state_dir=demo.folder / "state",
    )
    return Runtime(settings, db, KeyRing(key), Clock(), parse_relays(relay_url))


async def _begun(runtime: Runtime, issue: str, readers: int) -> str:
    async with runtime.db.begin() as session:
        newsletter = await get_newsletter(session, SLUG)
        out = await get_issue(session, newsletter.id, issue)
        await make_up_clicks(session, out.id, readers)
    return await begin_week(runtime.db, newsletter, now=runtime.clock.now())
