"""The OpenAPI document says what the API does: schemathesis asks all that it allows, and more.

It runs as a program of its own against a real server: every operation, with what fits its schema
and with what does not, without a key, with unknown methods; answers must be those of the document.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import httpx2
import pytest

from digest.access.api_keys import Scope
from digest.web.api.routes import OPERATIONS
from digest.web.app import create_app
from digest.web.server import open_listener, serving
from digest.web.site import Site
from tests.web.api import BASE, a_key
from tests.web.conftest import Installation

# An address has more to it than a schema can say, and so has a section's name.
CONFIG = """\
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "422"]
"""
PATIENCE = 240  # seconds


async def test_the_document_names_every_operation_and_scope(client: httpx2.AsyncClient) -> None:
    document = (await client.get(f"{BASE}/openapi.json")).json()
    named = {
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    }
    assert named == {one.name for one in OPERATIONS}
    assert len(named) == len(OPERATIONS)
    for scope in Scope:
        assert f"`{scope}`" in document["info"]["description"]
    assert document["servers"] == [{"url": f"http://127.0.0.1:8000{BASE}"}]


@pytest.mark.parametrize("dialect", ["postgresql"])  # the stricter one
async def test_schemathesis_finds_nothing_the_document_does_not_say(
    installation: Installation, tmp_path: Path
) -> None:
    site = installation.site
    open_site = Site(
        site.db, site.keys, "http://127.0.0.1", relay_configured=True, api_per_minute=100_000
    )
    _, key = await a_key(site)
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    listener = open_listener("127.0.0.1", 0)
    async with serving(create_app(open_site), listener) as url:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}{BASE}/openapi.json"),
            *("--url", url + BASE, "--header", f"Authorization: Bearer {key}"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--seed", "182"),
            *("--checks", "all", "--no-color", "--generation-database", "none"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    await open_site.desk.settled()
    assert process.returncode == 0, out.decode()
    assert f"Tested: {len(OPERATIONS)}\n" in out.decode()
