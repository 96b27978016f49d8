"""smtplib: one thread for each connection, kept open, with one message after the other.

As documented: ``send_message`` of an ``EmailMessage``. Ready: ``sendmail`` of the joined bytes.
"""

from __future__ import annotations

import smtplib
from concurrent.futures import ThreadPoolExecutor

from bench.peers.letter import return_path, values_of
from bench.peers.task import Task, measured


def _send(task: Task, number: int) -> None:
    with smtplib.SMTP("127.0.0.1", task.port) as client:
        for reader in task.share(number):
            values = values_of(reader)
            sender, recipient = return_path(values), values["address"]
            if task.ready:
                client.sendmail(sender, [recipient], task.letter.ready(values).encode("ascii"))
            else:
                message = task.email_message(reader)
                client.send_message(message, from_addr=sender, to_addrs=[recipient])


def _main() -> None:
    task = Task.read()
    with measured(), ThreadPoolExecutor(task.connections) as threads:
        for done in [threads.submit(_send, task, number) for number in range(task.connections)]:
            done.result()


if __name__ == "__main__":
    _main()
