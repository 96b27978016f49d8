"""The message of a stored version, as senders need it.

Apart from ``publish``, which brings along all that parses, checks and renders an issue: memory that
a worker has no use for.
"""

from __future__ import annotations

from dataclasses import replace

from digest.delivery.identity import letterhead
from digest.mail.message import CompiledMessage, Slot, compile_message
from digest.store.issues import StoredVersion


def compile_version(
    version: StoredVersion, *, extra: tuple[tuple[str, str], ...] = ()
) -> CompiledMessage:
    """The message of a stored version; ``extra`` headers are what a relay wants beside ours."""
    return compile_message(
        replace(letterhead(version.identity, version.subject), extra=extra),
        html=version.html,
        plain=version.plain,
        slots=[Slot(**slot) for slot in version.slots],
    )
