"""``digest issue render|preview``: what readers would get, without sending anything."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

from digest.cli import output
from digest.cli.files import read_bytes, unwritable
from digest.cli.look import Look, look_of, sample_recipient
from digest.cli.options import Json
from digest.cli.pictures import read_pictures
from digest.content.issue import Issue
from digest.content.issue_file import decode_issue, parse_issue
from digest.content.media import Media
from digest.content.render import Rendered, render_issue
from digest.mail.message import compile_message


async def render(
    file: Path, /, *, out: Path, newsletter: str | None = None, as_json: Json = False
) -> int:
    """Write an issue as it is mailed: issue.html, issue.txt, issue.eml and its pictures.

    Parameters
    ----------
    file
        An issue file.
    out
        The folder to write to.
    newsletter
        In this newsletter's name; without one a sample sender's, and no set-up is needed.
    """
    issue = read_file(file)
    look = await look_of(newsletter, issue)
    rendered, pictures = rendered_file(issue, file, look)
    message = message_of(rendered, look)
    parsed = email.message_from_bytes(message, policy=email.policy.default)
    files: dict[str, bytes] = {
        "issue.html": _part(parsed, "html"),
        "issue.txt": _part(parsed, "plain"),
        "issue.eml": message,
        **{f"media/{picture.name}": picture.data for picture in pictures.values()},
    }
    _write_all(out, files)
    data: dict[str, Any] = {
        "issue": issue.name,
        "out": out,
        "files": list(files),
        "html_bytes": len(files["issue.html"]),
        "message_bytes": len(message),
    }
    written = f"Written to {output.printable(out)}: {', '.join(files)}"
    output.result(data, as_json=as_json, text=written)
    return 0


def message_of(rendered: Rendered, look: Look) -> bytes:
    """The message as a reader who does not exist would get it."""
    letterhead = replace(look.letterhead, subject=rendered.subject)
    compiled = compile_message(
        letterhead, html=rendered.html, plain=rendered.plain, slots=rendered.slots
    )
    return compiled.compose(sample_recipient())


def _part(message: EmailMessage, kind: str) -> bytes:
    """The text of a part as a reader's program decodes it, with the line ends of a file."""
    part = message.get_body(preferencelist=(kind,))
    assert part is not None  # compile_message writes both
    data = cast("bytes", part.get_payload(decode=True))
    return data.replace(b"\r\n", b"\n")


def _write_all(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        target = folder / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        except OSError as error:
            raise unwritable(target, error) from None


async def preview(
    file: Path,
    /,
    *,
    newsletter: str | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    as_json: Json = False,
) -> int:
    """Show a file in the browser while it is being written; it follows every save.

    Parameters
    ----------
    file
        An issue file.
    newsletter
        With this newsletter's look; without one a sample's, and no set-up is needed.
    host
        A loopback address.
    port
        A port; any free one, when not given.
    """
    from digest.cli.service import until_stopped
    from digest.web.preview import preview_app
    from digest.web.server import open_listener, serving

    read_bytes(file)  # a file that is not there is told now, one that is wrong is shown
    look = await look_of(newsletter, None)
    app = preview_app(file, masthead=look.masthead if newsletter else None, theme=look.theme)
    async with serving(app, open_listener(host, port)) as url, until_stopped() as stopped:
        text = f"{output.printable(file)} at {url} – Ctrl-C ends it."
        output.tell_started({"url": url}, as_json=as_json, text=text)
        await stopped.wait()
    return 0


def read_file(file: Path) -> Issue:
    """The issue in a file; InputError, IssueFileError."""
    return parse_issue(decode_issue(read_bytes(file), path=str(file)), path=str(file))


def rendered_file(issue: Issue, file: Path, look: Look) -> tuple[Rendered, dict[str, Media]]:
    """The issue with the pictures beside its file, and these by the path it names them with."""
    pictures = read_pictures(issue, file)
    rendered = render_issue(issue, look.masthead, look.theme, media=pictures, utm=look.utm or None)
    return rendered, pictures
