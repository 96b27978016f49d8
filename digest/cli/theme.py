"""``digest theme``: looks of one's own, from a copy of a shipped one to a checked folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from digest import resources
from digest.cli import output
from digest.cli.files import read_text, unwritable, write_text
from digest.cli.options import Json, group
from digest.content.theme import shipped_themes, theme_folder
from digest.content.theme_check import ThemeFinding, check_theme
from digest.errors import InputError, NotFoundError, RefusedError
from digest.settings import load_settings

app = group("theme")

EXAMPLE = "quiet-machines-12.md"


@app.command
def new(
    folder: Path,
    /,
    *,
    like: Annotated[str, Parameter(show_default=True)] = "default",
    as_json: Json = False,
) -> int:
    """Begin a theme in FOLDER, with the files of a shipped one to change.

    Delete what you leave as it is in the theme `default`: it is taken from there.

    Parameters
    ----------
    folder
        A folder that is not there yet, or is empty.
    like
        The shipped theme to begin with.
    """
    source = _shipped(like)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError("There is something already.", where=str(folder), fix="Name a new folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from None
    names = sorted(path.name for path in source.iterdir() if path.suffix in (".toml", ".mjml"))
    for name in names:
        write_text(folder / name, read_text(source / name))
    shown = output.printable(folder)
    text = (
        f"Begun {shown} like {like}. Look at it while you change it: digest theme preview {shown}"
    )
    output.result({"theme": folder, "like": like, "files": names}, as_json=as_json, text=text)
    return 0


@app.command
def check(theme: str, /, *, as_json: Json = False) -> int:
    """Look for everything that is wrong with a theme: a folder, or the name of a shipped one.

    Values and contrasts of theme.toml, every tag, attribute and value of its MJML, and what a
    sample issue looks like in it. Exit 0: it can be used. Exit 1: it cannot yet, and why.
    """
    folder = _folder(theme)
    findings = check_theme(folder)
    data = {"theme": theme, "ok": not findings, "findings": [_row(f) for f in findings]}
    if as_json:
        output.result(data, as_json=True)
    else:
        for finding in findings:
            where = output.printable(folder / finding.where)
            words = output.printable(f"{finding.message} {finding.fix}").rstrip()
            output.document(f"{where}: {words}\n")
        count = output.counted(len(findings), "finding")
        output.note(f"It cannot be used yet: {count}." if findings else "It can be used.")
    return RefusedError.exit_code if findings else 0


def _row(finding: ThemeFinding) -> dict[str, object]:
    return {
        "file": finding.file,
        "line": finding.line,
        "column": finding.column,
        "message": finding.message,
        "fix": finding.fix,
    }


@app.command
async def preview(
    theme: str,
    /,
    *,
    issue: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    as_json: Json = False,
) -> int:
    """Show a theme in the browser while it is being changed; it follows every save.

    Parameters
    ----------
    theme
        A folder, or the name of a shipped theme.
    issue
        An issue file to show it with; an example, when not given.
    host
        A loopback address.
    port
        A port; any free one, when not given.
    """
    from digest.cli.service import until_stopped
    from digest.web.preview import preview_app
    from digest.web.server import open_listener, serving

    folder = _folder(theme)
    app = preview_app(issue or resources.examples() / EXAMPLE, theme=folder)
    async with serving(app, open_listener(host, port)) as url, until_stopped() as stopped:
        text = f"{output.printable(theme)} at {url} – Ctrl-C ends it."
        output.tell_started({"url": url}, as_json=as_json, text=text)
        await stopped.wait()
    return 0


def _folder(theme: str) -> Path:
    """A folder of one's own where there is one (a path always is), else a theme by its name."""
    path = Path(theme)
    if path.is_dir() or "/" in theme:
        return path
    if theme in shipped_themes():
        return _shipped(theme)
    return theme_folder(theme, load_settings().themes)


def _shipped(name: str) -> Path:
    known = shipped_themes()
    if name not in known:
        there = ", ".join(known)
        raise NotFoundError(
            f"There is no theme {name!r}.", fix=f"Name a folder, or one of: {there}."
        )
    return resources.templates() / "issue" / name
