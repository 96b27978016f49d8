"""A picture put into a text that is being written: chosen, dropped or pasted.

It is kept under its hash as soon as it comes, and the text names it (``content.uploads.name_of``):
no other row says what belongs to which text, so a text may be taken from one page to another. What
no version ever shows is forgotten in time (``delivery.retention``). Without JavaScript the page
comes back with the line to be put into the text.
"""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from digest.content.media import Media
from digest.content.uploads import UPLOAD_MAX, clean_picture, name_of
from digest.errors import InputError
from digest.rules.rights import Right
from digest.store.media import StoredMedia, put_media
from digest.web.client import Turnstile
from digest.web.desk.doors import Door
from digest.web.desk.visit import Visit
from digest.web.desk.writing import FORM_MAX, WRITE, look_again, written_of
from digest.web.forms import File
from digest.web.site import remembered

_AT_MOST: Final = 100  # pictures of one person in ten minutes
_AT_ONCE: Final = 1  # of a process: a large one takes some hundred megabytes


async def add(visit: Visit) -> Response:
    """Take a picture in, and say how a text names it."""
    as_json = visit.request.headers.get("accept", "").startswith("application/json")
    written = await written_of(visit)
    try:
        file = _file(visit)
        picture = await _cleaned(visit, file.data)
    except InputError as error:
        if as_json:
            return JSONResponse({"error": f"{error.message} {error.fix}".strip()}, 422)
        return await look_again(visit, written, unusable=error, status=422)
    stored = StoredMedia(
        picture.sha256, picture.extension, picture.width, picture.height, picture.data
    )
    async with visit.site.db.begin() as session:
        await put_media(session, [stored], now=visit.site.clock.now())
    name = name_of(file.name, picture)
    if as_json:
        return JSONResponse({"name": name, "width": picture.width, "height": picture.height})
    return await look_again(visit, written, added=f"![TODO]({name})")


def _file(visit: Visit) -> File:
    files = visit.form.files
    if len(files) != 1:
        raise InputError("No picture was chosen.", fix="Choose one picture at a time.")
    return files[0]


async def _cleaned(visit: Visit, data: bytes) -> Media:
    request, now = visit.request, visit.site.clock.monotonic()
    turnstile = remembered(request, "picture_turnstile", lambda: Turnstile(_AT_MOST))
    if not turnstile.passes(str(visit.user.id), now):
        raise HTTPException(429, headers={"retry-after": "600"})
    async with remembered(request, "picture_turns", lambda: asyncio.Semaphore(_AT_ONCE)):
        return await asyncio.to_thread(clean_picture, data)


DOORS = (
    Door(
        "POST",
        f"{WRITE}/picture",
        Right.WRITE,
        add,
        "add picture",
        UPLOAD_MAX + FORM_MAX,
        files=True,
    ),
)
