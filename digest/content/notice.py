"""Service mails: a kind, its parameters and a look → subject, text and HTML.

A kind is a folder of ``templates/mail`` with ``subject.txt``, ``body.txt`` and ``body.mjml``. They
are Jinja2 in its immutable sandbox; the MJML escapes whatever it is given. Parameters are data:
what others wrote (a server's reply, a newsletter's name) loses controls, marks that turn the
writing direction and line breaks before it meets a template, so it can neither start a header nor a
tag. What readers get is said in their language (``digest.languages``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from digest import resources
from digest.content.mjml import to_html
from digest.content.plaintext import columns, wrap
from digest.content.theme import Theme
from digest.languages import SOURCE, catalogue, direction_of, spoken
from digest.mail.headers import clean_line
from digest.mail.message import without_marks

__all__ = ["NoticeLook", "RenderedNotice", "render_notice", "render_strip"]

_WIDTH: Final = 72  # columns of the text part
_LONGEST: Final = 2_000  # characters of one parameter; a reply of a server may be 64 KB
_PREHEADER: Final = 90  # characters filled behind the preview, so that the body does not follow
_BLANKS: Final = re.compile(r"\n{3,}")
# What readers get is in their language; the rest tells operators what commands say, in English.
FOR_READERS: Final = frozenset(
    {"address_change", "address_changed", "already_subscribed", "confirmation", "data_link"}
)
_KIND: Final = re.compile(r"[a-z][a-z_]{0,31}")


@dataclass(frozen=True, slots=True)
class NoticeLook:
    """Whose mail it is. ``name`` is the newsletter's, ``home`` the address of our pages."""

    name: str
    home: str
    theme: Theme


@dataclass(frozen=True, slots=True)
class RenderedNotice:
    """A service mail before it is made bytes."""

    subject: str
    plain: str
    html: str


def render_notice(
    kind: str, params: Mapping[str, Any], *, look: NoticeLook, language: str
) -> RenderedNotice:
    """Fill in the templates of ``kind``.

    Raises what Jinja raises where there is no such kind or a parameter is missing.
    """
    if not _KIND.fullmatch(kind):
        raise ValueError(f"{kind!r} is no kind of notice")
    language = spoken(language) if kind in FOR_READERS else SOURCE
    environment = _environment(language)
    page = _page(clean(params), look, language)
    subject = clean_line(environment.get_template(f"{kind}/subject.txt").render(page))
    page["subject"] = subject
    plain = environment.get_template(f"{kind}/body.txt").render(page)
    mjml = environment.get_template(f"{kind}/body.mjml").render(page)
    return RenderedNotice(subject, _wrapped(plain), to_html(mjml, path=f"mail/{kind}"))


def render_strip(params: Mapping[str, Any]) -> tuple[str, str]:
    """What stands above a test of an issue: as HTML (no document of its own) and as text."""
    environment = _environment(SOURCE)
    page = clean(params)
    html = environment.get_template("test/strip.html").render(page)
    plain = environment.get_template("test/strip.txt").render(page)
    return html, _wrapped(plain)


def clean(value: Any) -> Any:
    """``value`` with every text in it on one line, without what could act or hide."""
    if isinstance(value, str):
        return without_marks(clean_line(value[:_LONGEST]))
    if isinstance(value, Mapping):
        return {key: clean(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [clean(one) for one in value]
    return value


def _page(params: Mapping[str, Any], look: NoticeLook, language: str) -> dict[str, Any]:
    theme, direction = look.theme, direction_of(language)
    return {
        **params,
        "name": clean(look.name),
        "home": look.home,
        "language": language,
        "direction": direction,
        "start": "right" if direction == "rtl" else "left",
        "end": "left" if direction == "rtl" else "right",
        "padding": Markup("&#847;&#160;") * _PREHEADER,
        "colours": theme.colours,
        "dark": theme.dark,
        "fonts": {
            name: Markup(stack)  # noqa: S704 - checked by the theme
            for name, stack in theme.fonts.items()
        },
        "layout": theme.layout,
    }


@lru_cache(maxsize=16)
def _environment(language: str) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(resources.templates() / "mail"),
        autoescape=lambda name: not (name or "").endswith(".txt"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(catalogue(language), newstyle=True)  # type: ignore[attr-defined]  # of the extension
    environment.policies["ext.i18n.trimmed"] = True
    return environment


def _wrapped(text: str) -> str:
    """Lines of at most 72 columns; what stands before the first word stands before each line."""
    lines: list[str] = []
    for line in text.strip().splitlines():
        body = line.lstrip(" >-")
        lead = line[: len(line) - len(body)]
        if columns(line) <= _WIDTH:
            lines.append(line.rstrip())
        else:
            lines += wrap(body, first=lead, rest=lead.replace("-", " "))
    return _BLANKS.sub("\n\n", "\n".join(lines)) + "\n"
