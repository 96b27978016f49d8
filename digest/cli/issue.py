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
    "issue_draft": {
        "draft": "Write the next issue's file from the links that were kept.",
    },
    "issue_check": {
        "check": "Read a file as strictly as sending does, and look for what readers would find.",
    },
    "issue_look": {
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
    "issue_share": {
        "share": "Make a link that shows an issue before it goes out.",
        "pull": "Get the latest version of an issue back: its text, and its pictures.",
    },
    "issue_test": {
        "test": "Send the latest version to a few addresses of your own.",
    },
    "issue_schedule": {
        "schedule": "Let an issue go out at a time of its own, once it is approved.",
    },
    "issue_send": {
        "send": "Send an approved issue, or go on with one that was interrupted.",
    },
    "issue_control": {
        "pause": "Stop an issue on its way; nothing is lost.",
        "resume": "Let an issue go on that you or a brake paused.",
        "cancel": "Send an issue to nobody else, for good.",
        "amend": "Correct the text of an issue for everybody it was not tried for yet.",
        "resend": "Queue an issue once more for readers it did not reach.",
    },
    "issue_archive": {
        "correct": "Correct an issue in the archive and the feeds; nothing is mailed.",
        "unlist": "Take an issue out of the archive's list, the feeds and search engines.",
    },
    "issue_status": {
        "status": "Show how far an issue is, how fast it goes, and what holds it.",
    },
    "issue_receipt": {
        "receipt": "Show what became of every delivery of an issue: the numbers add up.",
        "missed": "List the readers an issue did not reach, and why.",
    },
    "issue_clicks": {
        "clicks": "Show which links of an issue were clicked, the most clicked first.",
    },
}
# `import` and `list` are words of Python, and `test` is one of pytest.
_FUNCTIONS = {"import": "import_file", "list": "list_all", "test": "send_test"}

for _module, _verbs in _VERBS.items():
    for _verb, _help in _verbs.items():
        _function = _FUNCTIONS.get(_verb, _verb)
        app.command(f"digest.cli.{_module}:{_function}", name=_verb, help=_help)
