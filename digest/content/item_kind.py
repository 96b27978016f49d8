"""What an item is, from its label or else from its link."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from digest.content.issue import TODO, ItemKind

LABELS = {
    "sponsor": ItemKind.SPONSOR,
    "repo": ItemKind.REPOSITORY,
    "paper": ItemKind.PAPER,
    "dataset": ItemKind.DATASET,
    "job": ItemKind.JOB,
    "event": ItemKind.EVENT,
    "video": ItemKind.VIDEO,
}
"""The labels an editor can write, without their braces. A label wins over the link."""

REPOSITORY_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9._-]{1,100}")

# First path parts of github.com that are pages of the site and no owners of repositories.
_SITE_PAGES = frozenset(
    {"about", "apps", "blog", "codespaces", "collections", "contact", "enterprise", "events"}
    | {"explore", "features", "issues", "login", "marketplace", "mobile", "notifications"}
    | {"orgs", "pricing", "pulls", "readme", "search", "security", "settings", "site"}
    | {"solutions", "sponsors", "stars", "team", "topics", "trending", "users"}
)
_PAPERS = (
    ("arxiv.org", re.compile(r"/(?:abs|pdf|html)/.+")),
    ("doi.org", re.compile(r"/10\.\d{4,9}/.+")),
    ("dx.doi.org", re.compile(r"/10\.\d{4,9}/.+")),
    ("openreview.net", re.compile(r"/(?:forum|pdf)/?")),
)


def kind_of_link(url: str) -> ItemKind:
    """REPOSITORY for owner/name on GitHub, PAPER for arXiv, DOI and OpenReview, else ARTICLE."""
    if url == TODO:
        return ItemKind.ARTICLE
    parts = urlsplit(url)
    host = (parts.hostname or "").removeprefix("www.")
    if host == "github.com":
        name = parts.path.strip("/").removesuffix(".git")
        owner = name.split("/")[0].lower()
        known = REPOSITORY_NAME.fullmatch(name) and owner not in _SITE_PAGES
        return ItemKind.REPOSITORY if known else ItemKind.ARTICLE
    for site, path in _PAPERS:
        if host.removeprefix("export.") == site and path.fullmatch(parts.path):
            return ItemKind.PAPER
    return ItemKind.ARTICLE
