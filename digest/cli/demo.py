"""``digest demo``: the main job from end to end, on this machine, with nothing set up.

A temporary folder, an embedded database, an issue, made-up readers, a relay that keeps everything.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from digest.audience.transfer import ImportWatch, import_readers
from digest.cli import output
from digest.cli.demo_content import SLUG, example_issue, readers_csv, sendable_text
from digest.cli.demo_processes import (
    CAPTURE,
    DemoProcesses,
    clean_environment,
    send_through_relay,
)
from digest.cli.demo_result import DemoResult, compare, tell
from digest.cli.demo_serving import serve_demo
from digest.cli.options import Json
from digest.cli.pictures import read_pictures
from digest.cli.service import INTERRUPTED, unless_stopped, until_stopped
from digest.clock import Clock
from digest.content.issue_file import parse_issue
from digest.delivery.publish import Prepared, approve_issue, prepare_issue, store_issue
from digest.errors import InputError, RefusedError
from digest.logs import configure_logs
from digest.mail.tokens import KeyRing
from digest.store.installation import ensure_installation
from digest.store.issues import StoredIssue
from digest.store.newsletters import (
    Newsletter,
    create_newsletter,
    return_path_of_domain,
    set_newsletter,
)
from digest.store.session import Database, upgrade
from digest.web.demo_pages import PLACEHOLDER_PATH
from digest.web.server import open_listener, url_of

DOMAIN = "demo.example.org"
MAX_READERS = 1_000_000
_LATEST_DAYS = 60


async def demo(
    *,
    issue: Path | None = None,
    readers: int = 1_000,
    kill: int = 0,
    exit_: Annotated[bool, Parameter(name="--exit")] = False,
    as_json: Json = False,
) -> int:
    """Send a whole issue to made-up readers through a relay that keeps everything.

    Then show the captured mail, the archive and the receipt in the browser, until Ctrl-C. Sign up
    there, and the mail to you is captured too. Nothing leaves this machine, and settings of an
    installation are not looked at. Exit 1: mail was lost.

    Parameters
    ----------
    issue
        An issue file of your own; its TODO links lead to a page of the demo.
    readers
        How many readers; 1,000, when not given.
    kill
        Kill the sending process so many times meanwhile, with SIGKILL.
    exit_
        End after the receipt, without the pages.
    """
    configure_logs("warning")
    if not 1 <= readers <= MAX_READERS:
        raise InputError(f"1 to {MAX_READERS:,} readers are possible.", where="--readers")
    if not 0 <= kill < readers:
        message = f"0 to {readers - 1:,} kills are possible with {readers:,} readers."
        raise InputError(message, where="--kill")
    file = issue or example_issue()
    async with until_stopped() as stopped:
        with tempfile.TemporaryDirectory(prefix="digest-demo-") as name:
            stage = Stage(Path(name), file, readers, kill)
            return await _play(stage, stopped, serve=not exit_, as_json=as_json)


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a demo happens and what it is asked for."""

    folder: Path
    file: Path
    readers: int
    kills: int
    key: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def database_url(self) -> str:
        """The embedded database."""
        return f"sqlite:///{self.folder / 'demo.db'}"


async def _play(stage: Stage, stopped: asyncio.Event, *, serve: bool, as_json: bool) -> int:
    await upgrade(stage.database_url)
    keys = KeyRing(stage.key)
    with closing(open_listener("127.0.0.1", 0)) as listener:
        async with await Database.open(stage.database_url) as db:
            processes = _processes(stage, url_of(listener))
            work = _work(stage, processes, db, keys, quiet=as_json)
            shown = await unless_stopped(work, stopped)
            if shown is None:
                output.note("Stopped.")
                return INTERRUPTED
            tell(shown, as_json=as_json)
            if serve:
                await serve_demo(
                    processes,
                    db,
                    listener,
                    issue=str(shown.issue),
                    stopped=stopped,
                )
    return RefusedError.exit_code if shown.compared.lost else 0


def _processes(stage: Stage, public_url: str) -> DemoProcesses:
    environment = clean_environment(
        DIGEST_DATABASE_URL=stage.database_url,
        DIGEST_PUBLIC_URL=public_url,
        DIGEST_SECRET_KEY=stage.key,
        DIGEST_STATE_DIR=str(stage.folder / "state"),
        DIGEST_LOG_LEVEL="warning",
    )
    return DemoProcesses(stage.folder, environment, stage.readers, stage.kills)


async def _work(
    stage: Stage, processes: DemoProcesses, db: Database, keys: KeyRing, *, quiet: bool
) -> DemoResult:
    """Everything but the pages: store, subscribe, approve, send, compare."""
    newsletter = await _newsletter(stage, db, keys)
    prepared = _prepared(stage.file, newsletter, processes.environment["DIGEST_PUBLIC_URL"])
    sections = [section.heading for section in prepared.issue.rendered_sections]
    async with db.begin() as session:  # what a reader who signs up can choose, and gets at once
        more = {"sections": sections, "send_latest": _LATEST_DAYS}
        await set_newsletter(session, newsletter.id, settings=more)
    issue = await _stored(db, newsletter, prepared)
    with output.progress_bar("Readers", total=stage.readers, quiet=quiet) as bar:
        await import_readers(
            db,
            newsletter,
            readers_csv(stage.readers),
            consent="made up for a demo",
            clock=Clock(),
            path="readers.csv",
            watch=ImportWatch(bar),
        )
    with output.progress_bar("Sending", total=stage.readers, quiet=quiet) as bar:
        sent = await send_through_relay(processes, str(issue.name), progress=bar)
    if sent.kills < stage.kills:
        raise RefusedError(
            f"Only {sent.kills} of {stage.kills} kills found the sender at work.", where="--kill"
        )
    compared = await compare(
        db, keys, issue.id, readers=stage.readers, capture=stage.folder / CAPTURE
    )
    return DemoResult(prepared, sent, compared)


async def _newsletter(stage: Stage, db: Database, keys: KeyRing) -> Newsletter:
    now = Clock().now()
    name = "Quiet Machines" if stage.file == example_issue() else "The Demo Weekly"
    async with db.begin() as session:
        await ensure_installation(session, fingerprints=keys.fingerprints, now=now)
        made = await create_newsletter(
            session,
            SLUG,
            now=now,
            name=name,
            from_name=name,
            from_address=f"hello@{DOMAIN}",
            return_path=return_path_of_domain(f"bounces.{DOMAIN}"),
            postal_address="Example Street 1, 12345 Exampletown",
            description="Made up for the demo: no mail of it leaves this machine.",
        )
        return await set_newsletter(session, made.id, settings={"clicks": True})


def _prepared(file: Path, newsletter: Newsletter, public_url: str) -> Prepared:
    text, filled = sendable_text(file, placeholder_url=f"{public_url}{PLACEHOLDER_PATH}")
    if filled:
        output.note(f"{filled} placeholders are filled in; TODO links lead to a page of the demo.")
    pictures = read_pictures(parse_issue(text, path=str(file)), file)
    media = {name: picture.data for name, picture in pictures.items()}
    return prepare_issue(newsletter, text, path=str(file), media=media, public_url=public_url)


async def _stored(db: Database, newsletter: Newsletter, prepared: Prepared) -> StoredIssue:
    now = Clock().now()
    async with db.begin() as session:
        stored = await store_issue(session, newsletter, prepared, now=now)
        await approve_issue(session, stored.issue, stored.version.hash, by="demo", now=now)
    return stored.issue
