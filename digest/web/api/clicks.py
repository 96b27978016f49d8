"""Clicks by the API: which links of an issue people followed."""

from __future__ import annotations

from datetime import date
from typing import Literal

from digest.access.api_keys import Scope
from digest.store.clicks import LinkClicks, clicks_of_issue
from digest.web.api.calls import Call, Operation
from digest.web.api.issue_models import IssueName
from digest.web.api.issues import ONE, issue_of
from digest.web.api.models import Answer, Asked
from digest.web.clicks import sponsor_page


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
    async with call.site.db.read() as session:
        _, issue = await issue_of(session, call)
        ranked = await clicks_of_issue(session, issue.id, sponsor=asked.sponsor == "true")
    return IssueClicks(issue=issue.name, items=[_link(call, one) for one in ranked])


def _link(call: Call, one: LinkClicks) -> ClickedLink:
    page, until = sponsor_page(call.site, one) or (None, None)
    return ClickedLink(
        url=one.url,
        title=one.title,
        sponsor=one.sponsor,
        human=one.human,
        scanner=one.scanner,
        page=page,
        until=until,
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
