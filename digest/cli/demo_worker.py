"""The demo's sender as a process of its own, so that it can be killed while the pages stay.

``python -m digest.cli.demo_worker`` sends whatever is due until its standard input closes: it never
outlives the demo, whatever becomes of that.
"""

from __future__ import annotations

import asyncio
import sys

from digest.delivery.sender import Sender
from digest.jobs.sending import send_until
from digest.logs import configure_logs
from digest.runtime import open_runtime
from digest.settings import load_settings


async def main() -> None:
    """Send until nobody is there to send for."""
    settings = load_settings()
    configure_logs("error")  # that rows of a dead one are taken back is told on the pages
    stopped = asyncio.Event()
    async with open_runtime(settings) as runtime:
        waiting = asyncio.create_task(_told(stopped))
        await send_until(Sender.of(runtime), stopped)
        await waiting


async def _told(stopped: asyncio.Event) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
    stopped.set()


if __name__ == "__main__":
    asyncio.run(main())
