"""The issue file made of what was kept: sections, items with their notes, sponsors in their place.

Words of pages and feeds are written as Markdown that says the same words and nothing else, so a
title never becomes a heading, a link or a slot. The file passes ``digest issue check``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from digest.collect.words import cut
from digest.content.issue_format import Beginning, format_issue, kept_for_later
from digest.content.markdown_words import escape_line, escape_words, linked
from digest.mail.headers import clean_line
from digest.store.candidates import Candidate

__all__ = ["draft_issue", "in_sections", "per_source"]

_PREVIEW: Final = 130  # characters; 30 to 140 look best
_BRACKETS: Final = str.maketrans("{}", "()")  # no slot stands in a preview line
_NO_SECTION: Final = "Links"


def draft_issue(
    begun: Beginning,
    picked: Sequence[Candidate],
    *,
    timezone: str,
    sponsors: Sequence[Candidate] = (),
) -> str:
    """The Markdown of an issue; sections without items are left out."""
    zone = ZoneInfo(timezone)
    parts = {
        heading: [_item(one, zone) for one in items]
        for heading, items in in_sections(picked, begun.sections).items()
    }
    carried = kept_for_later(begun.previous) if begun.previous else {}
    written = {escape_words(clean_line(heading)): texts for heading, texts in parts.items()}
    for heading, text in carried.items():
        written.setdefault(heading, []).append(text)
    first = next(iter(written), _NO_SECTION)
    for sponsor in sponsors:
        written.setdefault(first, []).append(_item(sponsor, zone, label=" {sponsor}"))
    front = ["---", f"number: {begun.number}", f"title: {clean_line(begun.title)}"]
    front.append(f"preview: {_preview(picked or sponsors)}")
    if begun.date is not None:
        front.append(f"date: {begun.date.isoformat()}")
    blocks = ["\n".join([*front, "---"])]
    for heading, texts in written.items():
        blocks += [f"## {heading}", *texts]
    return format_issue("\n\n".join(blocks) + "\n")


def in_sections(picked: Sequence[Candidate], usual: Sequence[str]) -> Mapping[str, list[Candidate]]:
    """The items by section: the usual ones in their order, then the others as they came."""
    found: dict[str, list[Candidate]] = {heading: [] for heading in usual}
    for one in picked:
        found.setdefault(one.section or _NO_SECTION, []).append(one)
    return {heading: items for heading, items in found.items() if items}


def per_source(picked: Sequence[Candidate], most: int) -> list[Candidate]:
    """At most ``most`` items of each site, its latest, in the order they had."""
    by_site: dict[str, list[Candidate]] = {}
    for one in picked:
        by_site.setdefault(one.site.casefold(), []).append(one)
    chosen = {
        one.id
        for items in by_site.values()
        for one in sorted(items, key=_when, reverse=True)[:most]
    }
    return [one for one in picked if one.id in chosen]


def _when(one: Candidate) -> datetime:
    return one.published_at or one.added_at


def _item(one: Candidate, zone: ZoneInfo, *, label: str = "") -> str:
    lines = [f"### {linked(one.title, one.url)}{label}"]
    when = one.published_at.astimezone(zone) if one.published_at and not label else None
    byline = " · ".join(filter(None, (one.site, f"{when.day} {when:%B %Y}" if when else "")))
    if byline and not label:
        lines.append(f"*{escape_words(byline)}*")
    texts = one.note.splitlines() or [one.description]
    body = "\n\n".join(escape_line(text) for text in texts if text)
    return "\n".join(lines) + (f"\n\n{body}" if body else "")


def _preview(picked: Sequence[Candidate]) -> str:
    """The first titles, as many as an inbox shows."""
    text = clean_line(picked[0].title) if picked else ""
    for one in picked[1:]:
        longer = f"{text}, {clean_line(one.title)}"
        if len(longer) > _PREVIEW:
            break
        text = longer
    return cut(text.translate(_BRACKETS), _PREVIEW)
