"""An issue made ready for both of its forms: Markdown read once, links, pictures and slots settled.

``render`` (HTML) and ``plaintext`` walk the same tokens, so a link, a picture or a personal slot
cannot stand in one form and lack in the other. This is also where an author's text loses the
private-use characters that mark slots and sections in a compiled message: nobody can forge one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

from digest.content.issue import TODO, Figure, Fragment, Issue, Item, ItemKind, Section
from digest.content.links import canonical_url, is_web, link_target, with_utm
from digest.content.markdown import FlawError, issue_markdown
from digest.content.theme import Masthead
from digest.errors import IssueFileError
from digest.mail.message import Slot, slot_mark

if TYPE_CHECKING:  # it brings along what reads pictures, 5 MB that senders need not have
    from digest.content.media import Media

__all__ = ["Block", "IssueLayout", "ItemLayout", "Link", "Picture", "SectionLayout", "lay_out"]

# U+E000–U+E003 mark slots and sections; the next ones are this package's own.
_PRIVATE: Final = re.compile("[\ue000-\ue01f]")
# Markdown decodes entities, so the marks must not come in that way either (U+E000 is 57344).
_PRIVATE_ENTITY: Final = re.compile(
    r"&#(?:x0*e0[01][0-9a-f]|0*573(?:4[4-9]|[56][0-9]|7[0-5]));?", re.IGNORECASE
)
# What XML 1.0 (§2.2) cannot hold, and the marks that turn text around (Unicode TR 36).
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)
_WHITE: Final = re.compile(r"\s+")

_MARKDOWN: Final[MarkdownIt] = issue_markdown()


@dataclass(frozen=True, slots=True)
class Link:
    """A link of the issue as its author wrote it. ``section`` is 0 outside of the sections;
    ``href`` is the link as the mail has it, with the parameters of the newsletter.
    """

    url: str
    title: str
    section: int = 0
    sponsor: bool = False
    href: str = ""

    @property
    def canonical(self) -> str:
        """What duplicates are found by."""
        return canonical_url(self.url)


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure as it is shown. Without width and height where only the address is known."""

    src: str
    alt: str
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Markdown that was read.

    ``settled`` has, by the ``id`` of a token, the target of a link (None: it leads nowhere), the
    picture of an image (None: it is only described) and the number of a personal slot. The tokens
    themselves belong to the issue and stay as they were read.
    """

    tokens: tuple[Token, ...] = ()
    settled: Mapping[int, object] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.tokens)


@dataclass(frozen=True, slots=True)
class ItemLayout:
    """An item; ``href`` is None where the link is a placeholder or none a reader may follow."""

    kind: ItemKind
    title: str
    href: str | None
    byline: Block
    picture: Picture | None
    body: Block
    short: bool

    @property
    def sponsor(self) -> bool:
        return self.kind is ItemKind.SPONSOR

    @property
    def joint(self) -> str:
        """What stands between the title of a short item and the words after it."""
        words = self.body.tokens[0].content if self.body else ""
        return "" if not words or words[0] in ",.:;!?)" else " "


@dataclass(frozen=True, slots=True)
class SectionLayout:
    """A section; ``number`` counts from 1 and is the one its readers may mute."""

    number: int
    heading: str
    text: Block
    items: tuple[ItemLayout, ...]


@dataclass(frozen=True, slots=True)
class IssueLayout:
    """The whole issue. ``plain_hrefs`` maps a target with UTM parameters to the one without."""

    title: str
    subject: str
    preview: str
    opening: Block
    sections: tuple[SectionLayout, ...]
    closing: Block
    slots: tuple[Slot, ...]
    leave_url: str
    preferences_url: str
    links: tuple[Link, ...]
    plain_hrefs: Mapping[str, str]


def clean_text(text: str) -> str:
    """One line of an author's text without controls, forged marks and text-turning marks."""
    return _WHITE.sub(" ", _UNPRINTABLE.sub("", _PRIVATE.sub("", text))).strip()


def clean_masthead(masthead: Masthead) -> Masthead:
    """The masthead with its words cleaned as an author's are; the address keeps its lines."""
    lines = map(clean_text, masthead.postal_address.splitlines())
    return replace(
        masthead,
        name=clean_text(masthead.name),
        from_name=clean_text(masthead.from_name),
        why=clean_text(masthead.why),
        postal_address="\n".join(line for line in lines if line),
    )


def lay_out(
    issue: Issue,
    masthead: Masthead,
    *,
    media: Mapping[str, Media],
    utm: Mapping[str, str] | None = None,
) -> IssueLayout:
    """Settle everything of ``issue`` that its two forms have in common.

    Raises IssueFileError (path:line:column) where a picture beside the file was not handed over.
    """
    tags = utm if utm and issue.utm is not False else {}
    own_host = urlsplit(masthead.public_url).hostname or ""
    desk = _Desk(issue.path, masthead, media, tags, own_host)
    opening = desk.block(issue.opening)
    sections = tuple(_section(desk, section) for section in issue.rendered_sections)
    desk.section = 0
    closing = desk.block(issue.closing)
    public = masthead.public_url.rstrip("/")
    return IssueLayout(
        title=clean_text(issue.title),
        subject=clean_text(issue.subject),
        preview=clean_text(issue.preview),
        opening=opening,
        sections=sections,
        closing=closing,
        leave_url=f"{public}/u/{slot_mark(desk.slot('leave'))}",
        preferences_url=f"{public}/p/{slot_mark(desk.slot('preferences'))}",
        slots=tuple(desk.slots),
        links=tuple(desk.links),
        plain_hrefs=desk.plain_hrefs,
    )


def _section(desk: _Desk, section: Section) -> SectionLayout:
    desk.section = section.number
    return SectionLayout(
        number=section.number,
        heading=clean_text(section.heading),
        text=desk.block(section.text),
        items=tuple(_item(desk, item) for item in section.items),
    )


def _item(desk: _Desk, item: Item) -> ItemLayout:
    title = clean_text(item.title)
    desk.sponsor = item.kind is ItemKind.SPONSOR
    href = desk.link(item.url, title)
    laid_out = ItemLayout(
        kind=item.kind,
        title=title,
        href=href,
        byline=desk.block(item.byline, inline=True),
        picture=desk.figure(item.figure) if item.figure else None,
        body=desk.block(item.body, inline=item.short),
        short=item.short,
    )
    desk.sponsor = False
    return laid_out


@dataclass(slots=True)
class _Desk:
    """Where an issue is being laid out: what was met so far, and in which section we are."""

    path: str
    masthead: Masthead
    media: Mapping[str, Media]
    utm: Mapping[str, str]
    own_host: str
    section: int = 0
    sponsor: bool = False
    slots: list[Slot] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    plain_hrefs: dict[str, str] = field(default_factory=dict)

    def block(self, fragment: Fragment, *, inline: bool = False) -> Block:
        """Read a piece of Markdown, unless its parser did, and settle what its tokens point to."""
        tokens = fragment.tokens or self._read(fragment, inline=inline)
        settled: dict[int, object] = {}
        for token in tokens:
            if token.children:
                self._settle(token.children, fragment.line, settled)
        return Block(tokens, settled)

    def _read(self, fragment: Fragment, *, inline: bool) -> tuple[Token, ...]:
        if not fragment.text:
            return ()
        text = _PRIVATE_ENTITY.sub("\ufffd", _UNPRINTABLE.sub("", _PRIVATE.sub("", fragment.text)))
        try:
            return tuple(_MARKDOWN.parseInline(text) if inline else _MARKDOWN.parse(text))
        except FlawError as flaw:
            line = fragment.line + text.count("\n", 0, flaw.offset)
            raise IssueFileError(
                flaw.message, where=f"{self.path}:{line}:1", fix=flaw.fix
            ) from None

    def _settle(self, children: list[Token], line: int, settled: dict[int, object]) -> None:
        for at, token in enumerate(children):
            if token.type == "link_open":
                title = _link_text(children, at)
                settled[id(token)] = self.link(str(token.attrs.get("href", "")), title)
            elif token.type == "image":
                source = str(token.attrs.get("src", ""))
                where = f"{self.path}:{line}:1"
                settled[id(token)] = self.picture(source, token.content, where)
            elif token.type == "slot":
                name, fallback = str(token.meta["name"]), str(token.meta["fallback"])
                settled[id(token)] = self.slot(name, clean_text(fallback))

    def link(self, url: str, title: str) -> str | None:
        """The target to write for an author's link; it is noted down where it shows a page."""
        target = None if url == TODO else link_target(url)
        if target is None or not is_web(target):
            return target
        tagged = target
        if self.utm and not self.sponsor:
            tagged = with_utm(target, self.utm, own_host=self.own_host)
        if tagged != target:
            self.plain_hrefs[tagged] = target
        self.links.append(Link(target, title, self.section, self.sponsor, tagged))
        return tagged

    def slot(self, name: str, fallback: str = "") -> int:
        """The number of a personal slot; the same one for the same name and fallback."""
        slot = Slot(name, fallback)
        if slot not in self.slots:
            self.slots.append(slot)
        return self.slots.index(slot)

    def figure(self, figure: Figure) -> Picture | None:
        return self.picture(figure.source, figure.alt, figure.place.within(self.path))

    def picture(self, source: str, alt: str, where: str) -> Picture | None:
        """A picture beside the file by its content, one of the web by its address, TODO as none."""
        if source == TODO:
            return None
        if is_web(source):
            target = link_target(source)
            return Picture(target, clean_text(alt)) if target else None
        found = self.media.get(source)
        if found is None:
            raise IssueFileError(
                f"The picture {source} is not there.",
                where=where,
                fix="Put it beside the issue file, or correct its path.",
            )
        src = f"{self.masthead.public_url.rstrip('/')}/media/{found.name}"
        return Picture(src, clean_text(alt), found.width, found.height)


def _link_text(children: list[Token], at: int) -> str:
    """The words between a link's opening token and its end."""
    words = []
    for token in children[at + 1 :]:
        if token.type == "link_close":
            break
        words.append(token.content)
    return clean_text("".join(words))
