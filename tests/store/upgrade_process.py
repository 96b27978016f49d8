"""A process that upgrades a database, to be killed (``store.killed``)."""

from __future__ import annotations

import asyncio

from digest.store.session import upgrade
from tests.store.killed import serve

if __name__ == "__main__":
    serve(lambda url: asyncio.run(upgrade(url)))
