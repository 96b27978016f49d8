"""What a refusal says to do, at the desk: a button instead of a command, where there is one."""

from __future__ import annotations

import re
from typing import Final

# How advice for the command line begins, and what does the same here. The first that fits counts.
_HERE: Final = (
    ("digest issue send", "To send it now, press “Send it now” on the page of the issue."),
    ("digest issue approve", "Look at it, then approve it on the page of the issue."),
    ("digest issue resume", "Once that is settled, press “Resume” on the page of the issue."),
    ("digest issue status", "The page of the issue shows where it stands."),
    ("digest issue show", "The text may have changed: load the page of the issue again."),
    ("digest issue list", "The list of issues has them all."),
    ("digest user reset", "Make another link under “Who works here”."),
)
_COMMAND = re.compile(r"\bdigest [a-z]+ [a-z-]+\b")


def advice_here(fix: str) -> str:
    """``fix`` in the words of the desk; as it is where only the command line can do it."""
    commands = _COMMAND.findall(fix)
    if len(commands) != 1:
        return fix
    return next((words for command, words in _HERE if command == commands[0]), fix)
