"""A theme: a folder of MJML templates and one ``theme.toml`` of colours, fonts and words.

Templates are Jinja2 in its immutable sandbox with autoescape on and undefined names as errors: a
theme can neither reach Python nor change what it is given, and what an author wrote is data to it,
never a template. A theme's folder need only hold what differs from ``default``; the rest comes from
there. Colours are checked when a theme is loaded: text keeps 4.5:1 against its ground in light and
in dark (WCAG 2.2, 1.4.3).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from string import Template as StringTemplate
from typing import Any, Final

from jinja2 import BaseLoader, StrictUndefined, TemplateSyntaxError
from jinja2.exceptions import TemplateNotFound
from jinja2.sandbox import ImmutableSandboxedEnvironment

from digest import resources
from digest.content.mjml_lint import check_template
from digest.errors import NotFoundError, ThemeError
from digest.languages import SOURCE, months, say, spoken

__all__ = [
    "Masthead",
    "Theme",
    "contrast",
    "in_language",
    "load_theme",
    "readable",
    "shipped_themes",
    "theme_folder",
]

Tables = Mapping[str, Mapping[str, Any]]
ENTRY: Final = "index.mjml"
MINIMUM_CONTRAST: Final = 4.5
_TABLES: Final = ("colours", "dark", "fonts", "layout", "words", "fragments")
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
_COLOUR: Final = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)
# A font stack or a number of pixels stands inside a style attribute: nothing there may end it.
_PLAIN_VALUE: Final = re.compile(r"[\w .,'%#-]*")
_WHOLE: Final = re.compile(r"\d{1,4}")
# table → what its values are.
_VALUES: Final = (
    ("colours", _COLOUR, "colour", "Write #rrggbb."),
    ("dark", _COLOUR, "colour", "Write #rrggbb."),
    ("fonts", _PLAIN_VALUE, "list of fonts", "Write names with commas between them."),
    ("layout", _WHOLE, "number of pixels", "Write a whole number."),
)
_TEXT_COLOURS: Final = ("ink", "muted", "accent")
_GROUNDS: Final = ("page", "panel")


@dataclass(frozen=True, slots=True)
class Masthead:
    """What a newsletter lends to the look of its issues.

    ``home_url`` is where somebody subscribes (empty: ``public_url``), ``issue_url`` the page of
    this issue in the archive, ``why`` the sentence that says why a reader gets this (empty: the
    theme's). ``logo_size`` is width and height in pixels as shown.
    """

    name: str
    from_name: str = ""
    postal_address: str = ""
    language: str = "en"
    direction: str = "ltr"
    logo_url: str | None = None
    logo_size: tuple[int, int] | None = None
    home_url: str = ""
    public_url: str = ""
    issue_url: str | None = None
    why: str = ""

    @property
    def subscribe_url(self) -> str:
        """Where a friend this was forwarded to can subscribe."""
        return self.home_url or self.public_url


@dataclass(frozen=True, slots=True)
class Theme:
    """A loaded theme. The mappings are its ``theme.toml``; ``fragments`` maps an HTML tag of an
    author's Markdown to its inline style.
    """

    name: str
    colours: Mapping[str, str]
    dark: Mapping[str, str]
    fonts: Mapping[str, str]
    layout: Mapping[str, int]
    words: Mapping[str, Any]
    fragments: Mapping[str, str]
    environment: ImmutableSandboxedEnvironment = field(repr=False, compare=False)

    @property
    def width(self) -> int:
        """Pixels of the column, its padding included."""
        return self.layout["width"]

    @property
    def text_width(self) -> int:
        """Pixels a figure may be wide."""
        return self.layout["width"] - 2 * self.layout["padding"]

    @property
    def shows_pictures(self) -> bool:
        """Whether pictures are shown, or told in words with a link to each."""
        return bool(self.layout["pictures"])

    def word(self, name: str) -> str:
        """One of the theme's own words, such as the label of a sponsor."""
        return str(self.words.get(name, ""))

    def say(self, word: str, /, **values: object) -> str:
        """A word with ``{names}`` filled in: replaced, because ``str.format`` would evaluate."""
        sentence = self.word(word)
        for key, value in values.items():
            sentence = sentence.replace(f"{{{key}}}", str(value))
        return sentence


def in_language(theme: Theme, language: str) -> Theme:
    """``theme`` with the program's own words and dates in ``language``; a theme's own stay."""
    language = spoken(language)
    if language == SOURCE:
        return theme
    words = {
        name: say(language, value) if isinstance(value, str) else value
        for name, value in theme.words.items()
    }
    if theme.words["months"] == _shipped("default").words["months"]:
        words["months"] = months(language)
    return replace(theme, words=words)


def load_theme(
    name: str = "default",
    *,
    folder: Path | None = None,
    overrides: Tables | None = None,
    shelf: Path | None = None,
) -> Theme:
    """Load and check a theme: ``folder``, or the one called ``name``.

    That is one the program ships, or a folder of that name in ``shelf``, the folder of themes of
    one's own; ``default`` is always the shipped one, which others fall back to.

    ``overrides`` replaces single values of ``theme.toml``, table by table. Raises NotFoundError for
    an unknown name and ThemeError (path:line:column where there is one) for a theme that is broken.
    """
    if folder is None and not overrides and name in shipped_themes():
        return _shipped(name)
    return _load(name, folder or theme_folder(name, shelf), overrides or {})


def shipped_themes() -> tuple[str, ...]:
    """The names of the themes the program ships."""
    root = resources.templates() / "issue"
    return tuple(sorted(path.parent.name for path in root.glob("*/theme.toml")))


@lru_cache(maxsize=8)
def _shipped(name: str) -> Theme:
    return _load(name, theme_folder(name, None), {})


def theme_folder(name: str, shelf: Path | None) -> Path:
    """Where the theme called ``name`` lies: shipped, or in ``shelf``; NotFoundError."""
    known = shipped_themes()
    if name in known:
        return resources.templates() / "issue" / name
    own = sorted(path.parent.name for path in shelf.glob("*/theme.toml")) if shelf else []
    if shelf and name in own and _NAME.fullmatch(name):
        return shelf / name
    there = ", ".join([*known, *own])
    raise NotFoundError(f"There is no theme {name!r}.", fix=f"There are: {there}.")


def _load(name: str, folder: Path, overrides: Tables) -> Theme:
    tables = tables_of(folder, overrides)
    _check_values(tables, str(folder / "theme.toml"))
    environment = _ThemeEnvironment(
        loader=_ThemeLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    _check_templates(environment, folder)
    names = {**tables["colours"], **tables["fonts"], **tables["layout"]}
    fragments = {
        tag: StringTemplate(style).safe_substitute(names)
        for tag, style in tables["fragments"].items()
    }
    known: dict[str, Any] = {table: tables[table] for table in _TABLES[:-1]}
    return Theme(name, fragments=fragments, environment=environment, **known)


def tables_of(folder: Path, overrides: Tables) -> dict[str, dict[str, Any]]:
    """``theme.toml`` of ``default``, then of the folder, then the overrides over them."""
    folders = dict.fromkeys((resources.templates() / "issue" / "default", folder))
    files = [path / "theme.toml" for path in folders]
    layers = [_read_toml(file) for file in files if file.is_file()]
    tables: dict[str, dict[str, Any]] = {table: {} for table in _TABLES}
    for layer in [*layers, overrides]:
        for table, values in layer.items():
            if table not in tables or not isinstance(values, Mapping):
                raise ThemeError(
                    f"A theme has no table {table!r}.",
                    where=str(folder / "theme.toml"),
                    fix=f"The tables are {', '.join(_TABLES)}.",
                )
            tables[table].update(values)
    return tables


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        place = re.search(r"at line (\d+), column (\d+)", str(error))
        where = f"{path}:{place[1]}:{place[2]}" if place else str(path)
        raise ThemeError(f"This is no TOML: {error}.", where=where) from None


def _check_values(tables: Tables, path: str) -> None:
    """Every colour is one, every other value is harmless in a style, and text can be read."""
    for flaw in value_flaws(tables):
        raise ThemeError(flaw.message, where=path, fix=flaw.fix)


@dataclass(frozen=True, slots=True)
class ValueFlaw:
    """A value of a theme that cannot be used, and what would be right."""

    table: str
    key: str
    message: str
    fix: str = ""


def value_flaws(tables: Tables) -> tuple[ValueFlaw, ...]:
    """What is wrong with the values of ``theme.toml``; contrasts where every colour is one."""
    flaws = [
        ValueFlaw(table, key, message, fix)
        for table, pattern, words, fix in _VALUES
        for key, value in tables[table].items()
        if not pattern.fullmatch(str(value)) or (table == "layout") is not _is_number(value)
        for message in [f"{table}.{key} is no {words}: {value!r}."]
    ]
    broken = {(flaw.table, flaw.key) for flaw in flaws}
    for table, text, ground in product(("colours", "dark"), _TEXT_COLOURS, _GROUNDS):
        if not broken & {(table, text), (table, ground)}:
            flaws += _contrast_flaws(tables[table], table, text, ground)
    return tuple(flaws)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _contrast_flaws(
    colours: Mapping[str, str], table: str, text: str, ground: str
) -> list[ValueFlaw]:
    ratio = contrast(colours[text], colours[ground])
    if ratio >= MINIMUM_CONTRAST:
        return []
    message = f"{table}.{text} on {table}.{ground} has a contrast of {ratio:.1f}:1."
    better = readable(colours[text], [colours[name] for name in _GROUNDS])
    advice = f"{better} would do." if better else "choose a darker or lighter colour."
    return [ValueFlaw(table, text, message, f"Text needs {MINIMUM_CONTRAST}:1; {advice}")]


def readable(colour: str, grounds: Sequence[str]) -> str | None:
    """The colour nearest to ``colour`` that can be read on every ground: darker, or lighter.

    None where no shade of it can (grounds too far apart).
    """
    for step in range(1, 101):
        for end in (0, 255):
            mixed = [round(c + (end - c) * step / 100) for c in _channels(colour)]
            shade = "#{:02x}{:02x}{:02x}".format(*mixed)
            if all(contrast(shade, ground) >= MINIMUM_CONTRAST for ground in grounds):
                return shade
    return None


def contrast(one: str, other: str) -> float:
    """Contrast of two ``#rrggbb`` colours, from 1 to 21 (WCAG 2.2, relative luminance)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = [channel / 255 for channel in _channels(colour)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _channels(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


def _check_templates(environment: ImmutableSandboxedEnvironment, folder: Path) -> None:
    """Check and compile every template now, so that a broken one never meets an issue."""
    shipped = resources.templates() / "issue" / "default"
    names = {path.name for root in (shipped, folder) for path in root.glob("*.mjml")}
    for name in sorted(names):
        path = folder / name if (folder / name).is_file() else shipped / name
        try:
            check_template(path.read_text("utf-8"), path=str(path))
            environment.get_template(name)
        except UnicodeDecodeError:
            raise ThemeError("A template is not UTF-8.", where=str(path)) from None
        except TemplateSyntaxError as error:
            where = f"{path}:{error.lineno}:1"
            raise ThemeError(f"{error.message or 'Broken template'}", where=where) from None


class _ThemeEnvironment(ImmutableSandboxedEnvironment):
    """The sandbox, where ``table.key`` of a dictionary is its key before any method of it."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


class _ThemeLoader(BaseLoader):
    """Templates by plain file name, from the theme's folder or else from ``default``.

    Indentation is for the eye of who writes a theme; it is left out here, once, instead of in
    every message.
    """

    def __init__(self, folder: Path) -> None:
        self.folders = (folder, resources.templates() / "issue" / "default")

    def get_source(self, _environment: Any, template: str) -> tuple[str, str, Callable[[], bool]]:
        if Path(template).name != template:
            raise TemplateNotFound(template)
        for folder in self.folders:
            path = folder / template
            if path.is_file():
                source = path.read_text("utf-8")
                lean = "\n".join(line.strip() for line in source.splitlines())
                return lean, str(path), lambda: True
        raise TemplateNotFound(template)
