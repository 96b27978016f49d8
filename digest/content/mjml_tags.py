"""What MJML knows: its tags, where each may stand, which attributes it has and what they may say.

Data after the documentation of MJML 5; ``mjml_lint`` reads it. A tag is a row here. Attributes that
mean the same wherever they stand (a colour is a colour) have their kind in one table.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

__all__ = ["CHOICES", "HTML_INSIDE", "KINDS", "PARENTS", "REFUSED", "Kind", "attributes_of"]

_HEAD: Final = frozenset({"mj-head"})
_ROWS: Final = frozenset({"mj-body", "mj-wrapper"})
_COLUMN: Final = frozenset({"mj-column", "mj-hero"})

# tag → the tags it may stand in; mj-attributes is added below.
PARENTS: Final[dict[str, frozenset[str]]] = {
    "mjml": frozenset(),
    "mj-head": frozenset({"mjml"}),
    "mj-body": frozenset({"mjml"}),
    "mj-title": _HEAD,
    "mj-preview": _HEAD,
    "mj-style": _HEAD,
    "mj-attributes": _HEAD,
    "mj-breakpoint": _HEAD,
    "mj-html-attributes": _HEAD,
    "mj-selector": frozenset({"mj-html-attributes"}),
    "mj-html-attribute": frozenset({"mj-selector"}),
    "mj-all": frozenset({"mj-attributes"}),
    "mj-class": frozenset({"mj-attributes"}),
    "mj-wrapper": frozenset({"mj-body"}),
    "mj-section": _ROWS,
    "mj-hero": _ROWS,
    "mj-group": frozenset({"mj-section"}),
    "mj-column": frozenset({"mj-section", "mj-group"}),
    "mj-text": _COLUMN,
    "mj-image": _COLUMN,
    "mj-button": _COLUMN,
    "mj-divider": _COLUMN,
    "mj-spacer": _COLUMN,
    "mj-table": _COLUMN,
    "mj-social": _COLUMN,
    "mj-social-element": frozenset({"mj-social"}),
    "mj-navbar": _COLUMN,
    "mj-navbar-link": frozenset({"mj-navbar"}),
    "mj-accordion": _COLUMN,
    "mj-accordion-element": frozenset({"mj-accordion"}),
    "mj-accordion-title": frozenset({"mj-accordion-element"}),
    "mj-accordion-text": frozenset({"mj-accordion-element"}),
    "mj-carousel": _COLUMN,
    "mj-carousel-image": frozenset({"mj-carousel"}),
    "mj-raw": _COLUMN | _HEAD | _ROWS | {"mj-section", "mj-social", "mj-navbar", "mj-accordion"},
}
_SETTINGS: Final = frozenset({"mjml", "mj-all", "mj-class", "mj-selector", "mj-html-attribute"})
# What is shown has a class, and takes defaults from mj-attributes.
_SHOWN: Final = frozenset(
    tag for tag, parents in PARENTS.items() if tag not in _SETTINGS and "mj-head" not in parents
) - {"mj-head"}
for _tag in _SHOWN:
    PARENTS[_tag] |= {"mj-attributes"}

# Inside these stands HTML, not MJML.
HTML_INSIDE: Final = frozenset(
    {"mj-text", "mj-raw", "mj-table", "mj-button", "mj-title", "mj-preview", "mj-style"}
    | {"mj-navbar-link", "mj-social-element", "mj-accordion-title", "mj-accordion-text"}
)
# tag → why no theme may have it, and what to do instead.
_NEVER_RUN: Final = ("No mail program runs it, and filters hold it against a mail.", "Remove it.")
REFUSED: Final[dict[str, tuple[str, str]]] = {
    "mj-include": (
        "It would take in a file from outside of the theme.",
        "A theme's own parts are joined with {% include %}.",
    ),
    "mj-font": (
        "It would load a font from elsewhere.",
        "Name fonts readers have in theme.toml, [fonts].",
    ),
    "link": ("It would load a stylesheet or font from elsewhere.", "Use <mj-style>."),
    "base": ("It would bend every link.", "Remove it."),
    **dict.fromkeys(("script", "iframe", "object", "embed", "form"), _NEVER_RUN),
}


class Kind(StrEnum):
    """What the value of an attribute is."""

    COLOUR = "a colour, such as #1d4f7c"
    LENGTH = "a length in px or %"
    PIXELS = "a number of px"
    BOX = "one to four lengths in px or %"
    BORDER = "none, or a border such as 1px solid #cccccc"
    LETTERS = "a size of at least 14px"
    SPACING = "a length in px or em"
    LINE = "a number, or a length in px or %"
    NUMBER = "a number"
    WEIGHT = "normal, bold, or 100 to 900"
    PICTURE = "the address of a picture, beginning with https:"
    CHOICE = "one of a few words"
    TEXT = "text"


_SIDES: Final = ("", "-top", "-right", "-bottom", "-left")
_EDGES: Final = ("-top", "-right", "-bottom", "-left")


def _with(kind: Kind, *names: str) -> dict[str, Kind]:
    return dict.fromkeys(names, kind)


KINDS: Final[dict[str, Kind]] = {
    **_with(Kind.COLOUR, "background-color", "border-color", "color", "ico-color"),
    **_with(Kind.COLOUR, "container-background-color", "inner-background-color"),
    **_with(Kind.COLOUR, "tb-hover-border-color", "tb-selected-border-color"),
    **_with(Kind.LENGTH, "width", "height", "max-height", "icon-size", "icon-height", "icon-width"),
    **_with(Kind.LENGTH, "gap", "tb-width", "background-width", "background-height"),
    **_with(Kind.LENGTH, *(f"{p}padding{e}" for p in ("", "inner-", "ico-") for e in _EDGES)),
    **_with(Kind.BOX, "padding", "inner-padding", "ico-padding", "icon-padding", "text-padding"),
    **_with(Kind.BOX, "border-radius", "inner-border-radius", "tb-border-radius", "border-width"),
    **_with(Kind.BORDER, *(f"{p}border{s}" for p in ("", "inner-") for s in _SIDES), "tb-border"),
    **_with(Kind.LETTERS, "font-size", "ico-font-size"),
    **_with(Kind.SPACING, "letter-spacing"),
    **_with(Kind.LINE, "line-height", "ico-line-height"),
    **_with(Kind.NUMBER, "cellpadding", "cellspacing"),
    **_with(Kind.WEIGHT, "font-weight"),
    **_with(Kind.PICTURE, "src", "background-url", "thumbnails-src", "left-icon", "right-icon"),
    **_with(Kind.PICTURE, "icon-wrapped-url", "icon-unwrapped-url"),
}

CHOICES: Final[dict[str, frozenset[str]]] = {
    name: frozenset(words.split())
    for name, words in {
        "align": "left center right justify",
        "text-align": "left center right justify",
        "ico-align": "left center right",
        "icon-align": "top middle bottom",
        "icon-position": "left right",
        "direction": "ltr rtl",
        "dir": "ltr rtl auto",
        "vertical-align": "top middle bottom",
        "font-style": "normal italic oblique",
        "text-transform": "none uppercase lowercase capitalize initial",
        "ico-text-transform": "none uppercase lowercase capitalize initial",
        "border-style": "solid dashed dotted double none",
        "background-repeat": "repeat no-repeat",
        "full-width": "full-width false",
        "fluid-on-mobile": "true false",
        "hamburger": "hamburger",
        "thumbnails": "visible hidden supported",
        "inline": "inline",
        "position": "file-start",
        "table-layout": "auto fixed initial inherit",
        "target": "_blank _self _parent _top",
        # Where a hero of fixed height puts its words, compilers of MJML disagree.
        "mode": "fluid-height horizontal vertical",
        "owa": "desktop",
    }.items()
}

_PADDING: Final = " ".join(f"padding{side}" for side in _SIDES)
_BORDER: Final = " ".join(f"border{side}" for side in _SIDES) + " border-radius"
_INNER: Final = " ".join(f"inner-border{s}" for s in _SIDES) + " inner-border-radius"
_FONT: Final = "color font-family font-size font-style font-weight line-height text-decoration"
_LINK: Final = "href name rel target title"
_BLOCK: Final = f"container-background-color {_PADDING}"
_GROUND: Final = (
    "background-color background-url background-repeat background-size background-position "
    "background-position-x background-position-y"
)
_SECTION: Final = f"{_GROUND} {_BORDER} {_PADDING} direction full-width text-align"
_ICON: Final = (
    "icon-align icon-width icon-height icon-position icon-wrapped-url icon-wrapped-alt "
    "icon-unwrapped-url icon-unwrapped-alt"
)
_ICO: Final = (
    "align base-url hamburger ico-align ico-open ico-close ico-color ico-font-family ico-font-size "
    "ico-line-height ico-padding ico-padding-top ico-padding-right ico-padding-bottom "
    "ico-padding-left ico-text-transform ico-text-decoration"
)
_THUMBS: Final = "tb-border tb-border-radius"

_ATTRIBUTES: Final[dict[str, str]] = {
    "mjml": "lang dir owa version",
    "mj-style": "inline",
    "mj-breakpoint": "width",
    "mj-selector": "path",
    "mj-html-attribute": "name",
    "mj-body": "background-color width id",
    "mj-wrapper": f"{_SECTION} gap",
    "mj-section": f"{_SECTION} text-padding",
    "mj-hero": f"{_GROUND} {_BLOCK} background-width background-height border-radius height mode "
    "vertical-align inner-background-color inner-padding width "
    + " ".join(f"inner-padding{edge}" for edge in _EDGES),
    "mj-group": "background-color direction vertical-align width",
    "mj-column": f"background-color {_BORDER} {_INNER} {_PADDING} inner-background-color direction "
    "vertical-align width",
    "mj-text": f"{_FONT} {_BLOCK} align height letter-spacing text-transform vertical-align",
    "mj-image": f"{_LINK} {_BORDER} {_BLOCK} align alt src srcset sizes width height max-height "
    "fluid-on-mobile font-size usemap",
    "mj-button": f"{_LINK} {_FONT} {_BORDER} {_BLOCK} align background-color height inner-padding "
    "letter-spacing text-align text-transform vertical-align width",
    "mj-divider": f"{_BLOCK} align border-color border-style border-width width",
    "mj-spacer": f"{_BLOCK} {_BORDER} height",
    "mj-table": f"{_FONT} {_BLOCK} align border cellpadding cellspacing role table-layout "
    "vertical-align width",
    "mj-social": f"{_FONT} {_BLOCK} align border-radius icon-size icon-height icon-padding "
    "inner-padding mode table-layout text-padding vertical-align",
    "mj-social-element": f"{_LINK} {_FONT} {_PADDING} align alt src srcset sizes background-color "
    "border-radius icon-size icon-height icon-padding icon-position text-padding vertical-align",
    "mj-navbar": f"{_PADDING} {_ICO}",
    "mj-navbar-link": f"{_LINK} {_FONT} {_PADDING} letter-spacing text-transform",
    "mj-accordion": f"{_BLOCK} {_ICON} border font-family",
    "mj-accordion-element": f"{_ICON} background-color border font-family",
    "mj-accordion-title": f"{_PADDING} background-color color font-family font-size font-weight",
    "mj-accordion-text": f"{_PADDING} background-color color font-family font-size font-weight "
    "letter-spacing line-height",
    "mj-carousel": f"{_BLOCK} {_THUMBS} align border-radius icon-width left-icon right-icon "
    "tb-hover-border-color tb-selected-border-color tb-width thumbnails",
    "mj-carousel-image": f"{_LINK} {_THUMBS} alt src thumbnails-src border-radius",
    "mj-raw": "position",
}
_EVERYWHERE: Final = frozenset({"css-class", "mj-class"})
_KNOWN: Final = {tag: frozenset(names.split()) for tag, names in _ATTRIBUTES.items()}
_ANY: Final = frozenset().union(*_KNOWN.values())


def attributes_of(tag: str) -> frozenset[str]:
    """The attributes ``tag`` may have; all there are where it gives defaults for every tag."""
    if tag in ("mj-all", "mj-class"):
        return _ANY | _EVERYWHERE | {"name"}
    known = _KNOWN.get(tag, frozenset())
    return known | _EVERYWHERE if tag in _SHOWN else known
