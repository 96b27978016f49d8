"""Issue and theme → the HTML and text of one version, with marks where values and sections stand.

Jinja2 (sandboxed, autoescape) writes MJML, the door in ``mjml`` makes HTML of it; this happens once
per version, never per reader. Personal slots and the borders of sections are private-use
characters, which ``mail.message`` cuts the result at. ``web_html`` is the archive's form of the
same page: names replaced by their fallback, no reader's own links, no UTM parameters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape, unescape
from typing import Final

from jinja2 import TemplateError
from markupsafe import Markup

from digest.content.fragments import Typesetter
from digest.content.issue import Issue, ItemKind
from digest.content.layout import (
    IssueLayout,
    ItemLayout,
    Link,
    SectionLayout,
    clean_masthead,
    lay_out,
)
from digest.content.media import Media
from digest.content.mjml import to_html
from digest.content.plaintext import render_plain
from digest.content.theme import ENTRY, Masthead, Theme, in_language
from digest.errors import ThemeError
from digest.mail.message import Slot, fill_marks, section_mark

__all__ = ["Link", "Rendered", "filled_in", "render_issue"]

# What stands between these is for the one reader: it is cut out of the archive's form.
_PERSONAL_OPEN: Final = "\ue008"
_PERSONAL_CLOSE: Final = "\ue009"
# And what stands between these is for the archive alone: it is cut out of the mail.
_WEB_OPEN: Final = "\ue00a"
_WEB_CLOSE: Final = "\ue00b"
_WEB: Final = re.compile(f"{_WEB_OPEN}.*?{_WEB_CLOSE}", re.DOTALL)
_PERSONAL: Final = re.compile(f"{_PERSONAL_OPEN}.*?{_PERSONAL_CLOSE}", re.DOTALL)
_HREF: Final = re.compile('href="([^"]*)"')

# What an expression in a template can raise beside Jinja's own errors.
_FAULTS: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

# A table of contents helps from here on; below it only pushes the first item down.
CONTENTS_SECTIONS: Final = 4
CONTENTS_ITEMS: Final = 10
# Inbox rows show up to this many characters: the rest is filled, so that the body does not follow.
PREHEADER: Final = 150


@dataclass(frozen=True, slots=True)
class Rendered:
    """One version of an issue. ``html`` and ``plain`` carry marks, ``web_html`` has none.

    ``sections[n - 1]`` is the heading of section ``n``, the number its marks carry.
    """

    subject: str
    preview: str
    html: str
    plain: str
    web_html: str
    slots: tuple[Slot, ...]
    sections: tuple[str, ...]
    links: tuple[Link, ...]


def render_issue(
    issue: Issue,
    masthead: Masthead,
    theme: Theme,
    *,
    media: Mapping[str, Media] | None = None,
    utm: Mapping[str, str] | None = None,
) -> Rendered:
    """Render ``issue`` for one newsletter.

    ``media`` maps the paths of its pictures, as written in the file, to pictures; ``utm`` maps
    ``source``, ``medium``, ``campaign`` to the values links get (``utm: no`` in the file: none).
    Raises IssueFileError for a missing picture, ThemeError for a theme that cannot be filled in.
    """
    masthead, theme = clean_masthead(masthead), in_language(theme, masthead.language)
    layout = lay_out(issue, masthead, media={} if media is None else media, utm=utm)
    page = _page(layout, masthead, theme) | _head_of(issue, layout, theme)
    plain = render_plain(
        layout, masthead, theme, date_line=str(page["date_line"]), contents=bool(page["contents"])
    )
    html = to_html(_fill(theme, page), path=f"{theme.name} (filled in)")
    personal = _with_body_language(html, masthead)
    return Rendered(
        subject=layout.subject,
        preview=layout.preview,
        html=_for_the_mail(personal),
        plain=plain,
        web_html=_for_the_web(personal, layout),
        slots=layout.slots,
        sections=tuple(section.heading for section in layout.sections),
        links=layout.links,
    )


def filled_in(issue: Issue, masthead: Masthead, theme: Theme) -> str:
    """The MJML of an issue without pictures beside its file, before it becomes HTML; ThemeError."""
    masthead, theme = clean_masthead(masthead), in_language(theme, masthead.language)
    layout = lay_out(issue, masthead, media={})
    return _fill(theme, _page(layout, masthead, theme) | _head_of(issue, layout, theme))


def _head_of(issue: Issue, layout: IssueLayout, theme: Theme) -> dict[str, object]:
    date_line = _date_line(issue, layout.title, theme)
    return {"contents": _wants_contents(layout), "date_line": date_line}


def _wants_contents(layout: IssueLayout) -> bool:
    items = sum(len(section.items) for section in layout.sections)
    sections = len(layout.sections)
    return sections >= CONTENTS_SECTIONS or (items >= CONTENTS_ITEMS and sections > 1)


def _date_line(issue: Issue, title: str, theme: Theme) -> str:
    """Number and date, as ``No. 182 · 21 January 2021``; no number where the title says it."""
    parts = []
    if issue.number is not None and not re.search(rf"\b{issue.number}\b", title):
        parts.append(theme.say("number", number=issue.number))
    if issue.date is not None:
        month = theme.words["months"][issue.date.month - 1]
        parts.append(theme.say("date", day=issue.date.day, month=month, year=issue.date.year))
    return " · ".join(parts)


def _page(layout: IssueLayout, masthead: Masthead, theme: Theme) -> dict[str, object]:
    """Everything a template may use; its names are documented in the theme's ``index.mjml``."""
    rtl = masthead.direction == "rtl"
    styles = _mirrored(theme.fragments) if rtl else theme.fragments
    typeset = Typesetter(styles, theme.text_width, pictures=theme.shows_pictures)
    return {
        "title": layout.title,
        "subject": layout.subject or layout.title,
        "heading": _heading(layout.title, masthead.name),
        "preview": layout.preview,
        "padding": Markup("&#847;&#160;") * max(PREHEADER - len(layout.preview), 30),
        "opening": typeset(layout.opening),
        "closing": typeset(layout.closing),
        "sections": [_section(section, theme, typeset) for section in layout.sections],
        "frame": section_mark(0),
        "masthead": masthead,
        "why": masthead.why or theme.say("why", name=masthead.name),
        "postal_address": masthead.postal_address.splitlines(),
        "personal": Markup(_PERSONAL_OPEN),  # noqa: S704 - a constant
        "end_personal": Markup(_PERSONAL_CLOSE),  # noqa: S704 - a constant
        "web": Markup(_WEB_OPEN),  # noqa: S704 - a constant
        "end_web": Markup(_WEB_CLOSE),  # noqa: S704 - a constant
        "leave_url": layout.leave_url,
        "preferences_url": layout.preferences_url,
        "colours": theme.colours,
        "dark": theme.dark,
        "fonts": {
            name: Markup(stack)  # noqa: S704 - checked by the theme
            for name, stack in theme.fonts.items()
        },
        "layout": theme.layout,
        "words": theme.words,
        "start": "right" if rtl else "left",
        "end": "left" if rtl else "right",
    }


def _mirrored(styles: Mapping[str, str]) -> dict[str, str]:
    """The styles of text that runs from the right."""
    return {tag: style.replace("-left:", "-right:") for tag, style in styles.items()}


def _heading(title: str, name: str) -> str:
    """The title without the newsletter's name in front, which the masthead shows already."""
    if not name or not title.casefold().startswith(name.casefold()):
        return title
    rest = title[len(name) :]
    return rest.lstrip(" ,:;–—|·-") or title if not rest[:1].isalnum() else title


def _section(section: SectionLayout, theme: Theme, typeset: Typesetter) -> dict[str, object]:
    kinds = {item.kind for item in section.items if not item.sponsor}
    mixed = len(kinds) > 1
    groups: list[dict[str, object]] = []
    for item in section.items:
        if not groups or groups[-1]["short"] != item.short:
            groups.append({"short": item.short, "entries": []})
        entries = groups[-1]["entries"]
        assert isinstance(entries, list)
        entries.append(_item(item, theme, typeset, labelled=mixed))
    return {
        "number": section.number,
        "mark": section_mark(section.number),
        "anchor": f"section-{section.number}",
        "heading": section.heading,
        "text": typeset(section.text),
        "groups": groups,
        "count": len(section.items),
    }


def _item(
    item: ItemLayout, theme: Theme, typeset: Typesetter, *, labelled: bool
) -> dict[str, object]:
    shown = labelled and item.kind is not ItemKind.ARTICLE and not item.sponsor
    picture = typeset.figure(item.picture, theme.word("picture")) if item.picture else ""
    return {
        "title": item.title,
        "href": item.href,
        "kind": str(item.kind),
        "label": theme.word(item.kind) if shown else "",
        "sponsor": item.sponsor,
        "byline": typeset(item.byline),
        "picture": picture,
        "joint": item.joint,
        "body": typeset(item.body),
    }


def _fill(theme: Theme, page: Mapping[str, object]) -> str:
    try:
        return theme.environment.get_template(ENTRY).render(page)
    except (TemplateError, *_FAULTS) as error:
        raise ThemeError(f"The theme cannot be filled in: {error}.", where=theme.name) from None


def _with_body_language(html: str, masthead: Masthead) -> str:
    """``lang`` and ``dir`` on the body too: webmail drops the html element that has them."""
    spoken = f'lang="{escape(masthead.language)}" dir="{escape(masthead.direction)}"'
    return html.replace("<body ", f"<body {spoken} ", 1)


def _for_the_mail(personal: str) -> str:
    return _WEB.sub("", personal).replace(_PERSONAL_OPEN, "").replace(_PERSONAL_CLOSE, "")


def _for_the_web(personal: str, layout: IssueLayout) -> str:
    page = _PERSONAL.sub("", personal).replace(_WEB_OPEN, "").replace(_WEB_CLOSE, "")
    html = fill_marks(page, [escape(s.fallback) for s in layout.slots])
    if not layout.plain_hrefs:
        return html
    return _HREF.sub(lambda href: _plain_href(href, layout.plain_hrefs), html)


def _plain_href(href: re.Match[str], plain_hrefs: Mapping[str, str]) -> str:
    url = plain_hrefs.get(unescape(href[1]))
    return href[0] if url is None else f'href="{escape(url)}"'
