"""``digest feedback list|report|classify``: what came back, and words nobody has described yet."""

from __future__ import annotations

from digest.cli import output
from digest.cli.connection import connected
from digest.cli.issue_publish import find_issue
from digest.cli.options import Json, Limit, OfNewsletter
from digest.rules.feedback import Effect
from digest.store.feedback_reports import Which, list_feedback, report_of_issue
from digest.store.feedback_rules import taught, teach, unteach

_LIST = ("received_at", "source", "kind", "effect", "address", "reason", "status", "evidence")
_REPORT = ("destination", "bearing", "reason", "status", "reply", "readers", "sample")


async def list_all(
    *,
    issue: str | None = None,
    effect: Effect | None = None,
    unclassified: bool = False,
    limit: Limit = 100,
    slug: OfNewsletter = None,
    as_json: Json = False,
) -> int:
    """List what came back, the newest first.

    Parameters
    ----------
    issue
        Only of this issue, by number or slug.
    effect
        Only what this was done about, such as quarantined.
    unclassified
        Only what nobody could read: please classify it (digest feedback classify).
    """
    async with connected() as connection, connection.db.read() as session:
        issue_id = None
        if issue is not None:
            issue_id = (await find_issue(session, slug, issue)).id
        found = await list_feedback(session, Which(issue_id, effect, unclassified), limit=limit)
    rows = [{"id": one.id, **{name: getattr(one, name) for name in _LIST}} for one in found]
    if unclassified:
        rows = [row | {"sample": one.sample} for row, one in zip(rows, found, strict=True)]
    columns = ("id", *_LIST, "sample") if unclassified else ("id", *_LIST)
    output.rows(rows, as_json=as_json, columns=columns, empty="Nothing came back.")
    return 0


async def report(issue: str, /, *, slug: OfNewsletter = None, as_json: Json = False) -> int:
    """Tell what came back of an issue: by destination and reason, with a sample.

    Parameters
    ----------
    issue
        The issue, by number or slug.
    """
    async with connected() as connection, connection.db.read() as session:
        found = await report_of_issue(session, (await find_issue(session, slug, issue)).id)
    rows = [{name: getattr(one, name) for name in _REPORT} for one in found]
    output.rows(rows, as_json=as_json, columns=_REPORT, empty="Nothing came back.")
    return 0


async def classify(
    phrase: str | None = None,
    reason: str | None = None,
    /,
    *,
    forget: bool = False,
    as_json: Json = False,
) -> int:
    """Teach words of a server, and the reason that they are; without both, list what is taught.

    Asked only where the parser finds no reason. Say what a server means, not whom it names.

    Parameters
    ----------
    phrase
        Words of a server, such as "mailbox is on vacation".
    reason
        What they mean: userunknown, mailboxfull, blocked, …
    forget
        Take the words back.
    """
    async with connected() as connection:
        if phrase is None or (reason is None and not forget):
            async with connection.db.read() as session:
                rules = (await taught(session)).reasons
            rows = [{"phrase": words, "reason": str(means)} for words, means in rules.items()]
            output.rows(rows, as_json=as_json, columns=("phrase", "reason"), empty="None yet.")
            return 0
        async with connection.db.begin() as session:
            if forget:
                done = await unteach(session, phrase)
            else:
                done = await teach(session, phrase, reason or "", connection.clock.now())
    verb = "Forgotten" if forget else "Taught"
    text = f"{verb}." if done else "Nothing to do: that was so already."
    output.result({"phrase": phrase, "changed": done}, as_json=as_json, text=text)
    return 0
