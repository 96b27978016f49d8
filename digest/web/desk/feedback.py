"""What came back, at the desk: what nobody could place or read, and the words of servers we taught.

A mail without a token of ours is quarantined: it changes nothing, whatever it says, and is shown
for somebody to read. Bounces of unknown reason are read once the words of a server are taught.
"""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.mail.bounce import Reason
from digest.rules.feedback import Effect
from digest.rules.rights import Right
from digest.store.feedback_reports import Which, list_feedback
from digest.store.feedback_rules import taught, teach, unteach
from digest.web.desk.doors import Door
from digest.web.desk.visit import HOME, Visit

PATH = f"{HOME}/feedback"
_PER_PAGE = 50
# What is shown, under which name, and what it means.
_KINDS = {
    "all": ("Everything", "Bounces, complaints and answers, the newest first.", Which()),
    "quarantined": (
        "Quarantined",
        "These carry no token of ours, or a forged one: they changed nothing.",
        Which(effect=Effect.QUARANTINED),
    ),
    "unclassified": (
        "Unclassified",
        "No reason was found in these. Teach the words of the server, and the next one is read.",
        Which(unclassified=True),
    ),
}


async def feedback(visit: Visit) -> Response:
    """Show a page of what came back, of one kind."""
    name = visit.asked("show") or "all"
    if name not in _KINDS:
        raise HTTPException(404)
    title, meaning, which = _KINDS[name]
    before = visit.number("before")
    async with visit.site.db.read() as session:
        found = await list_feedback(session, which, before=before, limit=_PER_PAGE + 1)
        rules = (await taught(session)).reasons
    more = found[_PER_PAGE - 1].id if len(found) > _PER_PAGE else None
    values = {
        "name": name,
        "title": title,
        "meaning": meaning,
        "kinds": {key: kind[0] for key, kind in _KINDS.items()},
        "rows": found[:_PER_PAGE],
        "more": more,
        "rules": rules,
        "reasons": sorted(one.value for one in Reason),
    }
    return visit.page("feedback.html", values, current="feedback")


async def learn(visit: Visit) -> Response:
    """Teach what words of a server mean."""
    phrase, reason = visit.form.one("phrase"), visit.form.one("reason")
    async with visit.site.db.begin() as session:
        await teach(session, phrase, reason, visit.site.clock.now())
    return visit.see(PATH, done="taught", query={"show": "unclassified"})


async def forget(visit: Visit) -> Response:
    """Take taught words back."""
    async with visit.site.db.begin() as session:
        await unteach(session, visit.form.one("phrase"))
    return visit.see(PATH, done="forgotten", query={"show": "unclassified"})


DOORS = (
    Door("GET", PATH, Right.READERS, feedback),
    Door("POST", f"{PATH}/teach", Right.READERS_CHANGE, learn, "teach words"),
    Door("POST", f"{PATH}/forget", Right.READERS_CHANGE, forget, "forget words"),
)
