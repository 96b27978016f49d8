"""``digest issue``: every verb of an issue's life, in the order of that life.

The verbs that only work on files load neither the database nor the sender.
"""

from __future__ import annotations

from digest.cli.options import group

app = group("issue")

_VERBS = {
    "issue_files": {
        "new": "Begin the next issue: number, date, usual sections, what was kept for later.",
        "fmt": "Bring an issue file into its normal form.",
        "import": "Make an issue file from a plain-text, HTML or .eml newsletter.",
    },
    "issue_look": {
        "check": "Read a file as strictly as sending does, and look for what readers would find.",
        "render": "Write an issue as it is mailed: HTML, text, the whole message.",
        "preview": "Show a file in the browser while it is being written.",
    },
    "issue_publish": {
        "add": "Store a file as the next version of its issue.",
        "list": "List the issues of a newsletter.",
        "show": "Show an issue and its versions.",
        "approve": "Approve one version, by its hash: this and nothing else goes out.",
        "withdraw": "Take an approval back.",
    },
    "issue_send": {
        "send": "Send an approved issue, or go on with one that was interrupted.",
        "status": "Show how far an issue is.",
        "receipt": "Show what became of every delivery of an issue.",
        "missed": "List the readers an issue did not reach.",
    },
}
# `import` and `list` are words of Python.
_FUNCTIONS = {"import": "import_file", "list": "list_all"}

for _module, _verbs in _VERBS.items():
    for _verb, _help in _verbs.items():
        _function = _FUNCTIONS.get(_verb, _verb)
        app.command(f"digest.cli.{_module}:{_function}", name=_verb, help=_help)
