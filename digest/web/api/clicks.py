"""Clicks by the API: which links of an issue people followed."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal

from digest.access.api_keys import Scope
from digest.mail.tokens import clicks_token
from digest.store.clicks import clicks_of_issue
from digest.web.api.calls import Call, Operation
from digest.web.api.issue_models import IssueName
from digest.web.api.issues import ONE, issue_of
from digest.web.api.models import Answer, Asked
from digest.web.clicks import SPONSOR_DAYS


class ClicksAsked(Asked):
    """Which links."""

    sponsor: Literal["true", "false"] = "false"
    """Those of sponsors alone."""


class ClickedLink(Answer):
    """A link of an issue, and how often it was clicked."""

    url: str
    title: str
    sponsor: bool
    human: int
    """By people."""
    scanner: int
    """By programs that look through mail."""
    page: str | None
    """A page that shows this link's clicks to whoever has its address; of sponsors' links only."""
    until: date | None
    """The last day of that page."""


class IssueClicks(Answer):
    """The links of an issue, the most clicked first. Nobody knows who clicked."""

    issue: IssueName
    items: list[ClickedLink]


async def clicks(call: Call) -> IssueClicks:
    """Rank the links of an issue."""
    asked: ClicksAsked = call.query
    site = call.site
    async with site.db.read() as session:
        _, issue = await issue_of(session, call)
        ranked = await clicks_of_issue(session, issue.id, sponsor=asked.sponsor == "true")
    until = site.clock.now().date() + timedelta(days=SPONSOR_DAYS)
    return IssueClicks(
        issue=issue.name,
        items=[
            ClickedLink(
                url=one.url,
                title=one.title,
                sponsor=one.sponsor,
                human=one.human,
                scanner=one.scanner,
                page=f"{site.public_url}/clicks/"
                f"{clicks_token(site.keys, one.version_id, one.position, until)}"
                if one.sponsor
                else None,
                until=until if one.sponsor else None,
            )
            for one in ranked
        ],
    )


OPERATIONS = (
    Operation(
        "show_clicks",
        "GET",
        f"{ONE}/clicks",
        Scope.ISSUES_READ,
        clicks,
        IssueClicks,
        "How often the links of an issue were clicked, people's clicks apart from programs'",
        query=ClicksAsked,
        problems=(404,),
    ),
)
