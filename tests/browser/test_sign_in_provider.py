"""Signing in with a provider of identities that others wrote (OpenID Certified), in Chromium."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from digest.access.issuer import Client, Issuer
from digest.access.issuer_settings import BACK
from digest.access.users import expect_user, first_link
from digest.mail.tokens import KeyRing
from digest.rules.admission import Policy
from digest.rules.rights import Role
from digest.store.audit import list_deeds
from digest.store.session import Database
from digest.web.app import Site, create_app
from digest.web.server import open_listener, serving
from tests.browser.test_desk import _walked
from tests.browser.test_journey import WCAG, violations
from tests.browser.test_pages import browser
from tests.build import KEY, an_installation
from tests.fakes.ports import free_port
from tests.node.judges import installed

__all__ = ["browser"]  # a fixture

pytestmark = pytest.mark.browser

_NODE = Path(__file__).resolve().parents[1] / "node"


@contextlib.asynccontextmanager
async def a_real_provider(redirect_uri: str) -> AsyncIterator[str]:
    """The provider of ``tests/node/provider.mjs``; its issuer."""
    installed()
    process = await asyncio.create_subprocess_exec(
        *("node", str(_NODE / "provider.mjs"), str(free_port()), redirect_uri),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"]},
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        assert line, "the provider did not start"
        yield line.decode().strip()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


@contextlib.asynccontextmanager
async def a_house(db: Database, **other: object) -> AsyncIterator[tuple[str, Site]]:
    """A desk on a real socket, beside the provider."""
    listener = open_listener("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    keys = KeyRing(KEY)
    await an_installation(db, fingerprint=keys.fingerprint)
    async with a_real_provider(url + BACK) as issuer:
        client = Client(
            issuer,
            "digest",
            "a secret of the house",
            url + BACK,
            "Example Co.",
            allow="127.0.0.0/8",
            **other,  # type: ignore[arg-type]  # as a test wants it
        )
        site = Site(db, keys, url, relay_configured=True, issuer=Issuer(client))
        async with serving(create_app(site), listener):
            yield url, site


async def let_in_there(page: Page, name: str) -> None:
    """The provider's own forms: who one is, and that we may know."""
    await page.fill("input[name=login]", name)
    await page.fill("input[name=password]", "anything")
    await page.click("button[type=submit]")
    await page.click("button[type=submit]")


async def test_people_sign_in_with_a_real_provider(browser: Browser, database: Database) -> None:
    async with a_house(database) as (url, site):
        now = site.clock.now()
        async with database.begin() as session:
            await expect_user(session, "anne@example.org", role=Role.OWNER, name="Anne", now=now)
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(f"{url}/desk/people")
        await page.get_by_role("link", name="Sign in with Example Co.").click()
        await let_in_there(page, "anne")
        await expect(page).to_have_url(f"{url}/desk/people")
        await expect(page.get_by_text("anne@example.org").first).to_be_visible()
        kept = {one["name"]: one for one in await context.cookies(url)}
        assert "desk-way-in" not in kept
        assert (kept["desk"]["httpOnly"], kept["desk"]["sameSite"]) == (True, "Lax")
        other = await (await browser.new_context()).new_page()
        await other.goto(f"{url}/desk")
        await other.get_by_role("link", name="Sign in with Example Co.").click()
        await let_in_there(other, "bart")
        await expect(other.get_by_role("alert")).to_contain_text("ask an owner")
        assert "bart@example.org" in await other.inner_text("main")
        async with database.read() as session:
            deeds = await list_deeds(session, limit=5)
        assert [(one.who, one.result) for one in deeds] == [
            ("bart@example.org", "refused: nobody has added them"),
            ("anne@example.org", "done"),
        ]


async def test_a_claim_of_a_real_provider_is_a_role_and_an_unproved_address_none(
    browser: Browser, database: Database
) -> None:
    policy = Policy(roles={"chiefs": Role.OWNER})
    async with a_house(database, role_claim="groups", policy=policy) as (url, _site):
        for name, words in (("chief", "Who works here"), ("unproved", "That did not let you in")):
            page = await (await browser.new_context()).new_page()
            await page.goto(f"{url}/desk/people")
            await page.get_by_role("link", name="Sign in with Example Co.").click()
            await let_in_there(page, name)
            await expect(page.locator("main")).to_contain_text(words)


@pytest.mark.parametrize("passwords", [True, False], ids=["beside passwords", "alone"])
async def test_the_way_in_can_be_used_by_all(
    browser: Browser, node_modules: Path, sqlite_template: Path, tmp_path: Path, *, passwords: bool
) -> None:
    """Light and dark, on a phone and a desktop, also when something went wrong; by keyboard."""
    axe = (node_modules / "axe-core" / "axe.min.js").read_text("utf-8")
    shutil.copyfile(sqlite_template, tmp_path / "digest.db")
    async with (
        await Database.open(f"sqlite:///{tmp_path}/digest.db") as db,
        a_house(db, passwords=passwords) as (url, site),
    ):
        async with db.begin() as session:
            first = f"/desk/welcome/{await first_link(session, site.clock.now())}"
        for scheme in ("light", "dark"):
            for width in (360, 1280):
                context = await browser.new_context(
                    color_scheme=scheme,
                    viewport={"width": width, "height": 800},
                    bypass_csp=True,  # axe comes from outside
                )
                page = await context.new_page()
                for path in (first, "/desk/sign-in", f"{BACK}?state=x"):
                    await page.goto(url + path)
                    assert await violations(page, axe, WCAG) == []
                    wide = await page.evaluate("document.documentElement.scrollWidth")
                    assert wide <= width
        for path in (first, f"{BACK}?state=x", "/desk/sign-in"):
            await page.goto(url + path)
            await _walked(page, path)
        link = page.get_by_role("link", name="Sign in with Example Co.")
        await link.focus()
        await link.press("Enter")
        await expect(page.locator("input[name=login]")).to_be_visible()
