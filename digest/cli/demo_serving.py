"""What the demo does once its issue is out: the pages, and the mail that whoever uses them causes.

Signing up, confirming, another address: all of it is mailed, to a relay that keeps it in the same
folder, so that a reader's whole way can be walked, the mailbox included.
"""

from __future__ import annotations

import asyncio
from socket import socket

from pydantic import SecretStr

from digest.cli import output
from digest.cli.demo_content import SLUG
from digest.cli.demo_processes import DemoProcesses, capture_relay
from digest.clock import Clock
from digest.delivery.sender import Sender
from digest.jobs.sending import send_until
from digest.mail.tokens import KeyRing
from digest.rules.relay import parse_relays
from digest.runtime import Runtime
from digest.settings import Settings
from digest.store.session import Database
from digest.web.demo_pages import demo_app
from digest.web.server import serving, url_of
from digest.web.site import Site


async def serve_demo(
    demo: DemoProcesses, db: Database, listener: socket, *, issue: str, stopped: asyncio.Event
) -> None:
    """Serve what was sent of ``issue``, and whatever comes after it, until ``stopped``."""
    key, sent = demo.environment["DIGEST_SECRET_KEY"], demo.tail.count()
    async with capture_relay(demo, refusing=False) as relay_url:
        settings = Settings.model_construct(  # as it stands here: nothing of an installation's
            database_url=demo.environment["DIGEST_DATABASE_URL"],
            public_url=url_of(listener),
            relay_url=relay_url,
            secret_key=SecretStr(key),
            state_dir=demo.folder / "state",
        )
        runtime = Runtime(settings, db, KeyRing(key), Clock(), parse_relays(relay_url))
        site = Site.of(runtime)
        pages = demo_app(demo.capture, site, newsletter=SLUG, issue=issue, sent=sent)
        async with serving(pages, listener) as url:
            output.note(f"\nThe captured mail is at {url} – Ctrl-C ends the demo.")
            await send_until(Sender.of(runtime), stopped)
        await site.desk.settled()
