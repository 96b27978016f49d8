"""aiosmtplib: one client for each connection, kept open, with one message after the other.

As documented: ``send_message`` of an ``EmailMessage``. Ready: ``sendmail`` of the joined bytes.
"""

from __future__ import annotations

import asyncio

import aiosmtplib

from bench.peers.letter import return_path, values_of
from bench.peers.task import Task, measured


async def _send(task: Task, number: int) -> None:
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=task.port, start_tls=False)
    async with client:
        for reader in task.share(number):
            values = values_of(reader)
            sender, recipient = return_path(values), values["address"]
            if task.ready:
                data = task.letter.ready(values).encode("ascii")
                await client.sendmail(sender, [recipient], data)
            else:
                message = task.email_message(reader)
                await client.send_message(message, sender=sender, recipients=[recipient])


async def _main() -> None:
    task = Task.read()
    with measured():
        await asyncio.gather(*(_send(task, number) for number in range(task.connections)))


if __name__ == "__main__":
    asyncio.run(_main())
