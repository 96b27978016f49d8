"""What the commands share: their groups, and options called and explained the same everywhere."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

Json = Annotated[
    bool, Parameter(name="--json", help="Print one compact line of JSON (lists: one per row).")
]
OfNewsletter = Annotated[
    str | None,
    Parameter(name="--newsletter", help="May be left out when there is exactly one newsletter."),
]
Limit = Annotated[  # of rows that are held in memory at once
    int, Parameter(validator=Number(gte=1, lte=1_000_000), help="At most so many.")
]
DEFAULTS = Parameter(negative=(), show_default=False)  # no --no-json, no [default: False]
Many = Parameter(consume_multiple=True)

# What `digest --help` says of each group; in its own help a group says the same.
GROUPS = {
    "demo": "Send a whole issue to made-up readers through a relay that keeps everything.",
    "init": "Set up: a .env with a new key, the database, the first newsletter.",
    "newsletter": "Newsletters: create, show, list, set, skip, welcome.",
    "issue": "Issues, from the file to the receipt.",
    "link": "Links for the next issue: add, list, keep, drop, move, bookmarklet.",
    "feed": "Feeds that fill the inbox of links: add, list, remove, pull.",
    "theme": "Looks of issues: new, check, preview.",
    "feedback": "What comes back: bounces, complaints, answers.",
    "suppression": "Addresses that are never mailed: list, add, remove.",
    "reader": "Readers: add, import, check, list, show, set, leave, consent, data, erase, export.",
    "delivery": "Deliveries, one per reader and issue: list, show, reconcile.",
    "status": "What goes out next, what is on its way, and what needs somebody.",
    "run": "Serve the pages, keep the schedule and send, in one process.",
    "web": "Serve the pages, without schedule and sender.",
    "scheduler": "Keep the schedule, without pages and sender.",
    "worker": "Send, without pages and schedule.",
    "doctor": "What keeps mail from arriving, and which record to write.",
    "dns": "All DNS records to publish, as a zone file.",
    "dkim": "Keys that sign mail, and their DNS records: new, show-dns, rotate.",
    "message": "Messages as bytes: check.",
    "user": "Who may sign in at the desk: add, list, set, reset, remove, sessions.",
    "api-key": "Keys for programs that use the API: create, list, revoke.",
    "webhook": "Other programs that are told of readers: add, list, remove, enable, test.",
    "log": "What was done at the desk, by programs and by commands.",
    "export": "Everything that is yours, as files to move away with.",
    "db": "The database: upgrade, check, backup, restore, verify, copy.",
}


def group(name: str) -> App:
    """One noun of the command line, to which its verbs are added."""
    return App(name=name, help=GROUPS[name], default_parameter=DEFAULTS)
