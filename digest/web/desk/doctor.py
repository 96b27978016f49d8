"""The doctor at the desk: what keeps mail from arriving, and which record to write.

It asks the network and takes some seconds, so a button starts it; what it found stays in this
process, for whoever looks next. Two who press at once wait for one examination.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from digest.errors import RefusedError
from digest.rules.doctor.checkup import Check, Light, Record
from digest.rules.rights import Right
from digest.web.desk.doors import Door
from digest.web.desk.visit import HOME, Visit
from digest.web.site import remembered

PATH = f"{HOME}/doctor"
_ORDER = (Light.RED, Light.YELLOW, Light.SKIPPED, Light.GREEN)
_TITLES = {
    Light.RED: "Mend this",
    Light.YELLOW: "Worth a look",
    Light.SKIPPED: "Not looked at",
    Light.GREEN: "All right",
}


@dataclass(slots=True)
class Examined:
    """What was found last in this process, and when."""

    checks: Sequence[Check] = ()
    at: datetime | None = None
    running: asyncio.Lock = field(default_factory=asyncio.Lock)


def _examined(request: Request) -> Examined:
    return remembered(request, "desk_doctor", Examined)


async def doctor(visit: Visit) -> Response:
    """Show what was found."""
    last = _examined(visit.request)
    groups = [
        (light, _TITLES[light], [one for one in last.checks if one.light is light])
        for light in _ORDER
    ]
    values = {
        "at": last.at,
        "groups": [group for group in groups if group[2]],
        "records": _records(last.checks),
        "can": visit.site.patient is not None,
    }
    return visit.page("doctor.html", values, current="doctor")


def _records(checks: Sequence[Check]) -> list[Record]:
    """The records to write, each once."""
    wanted = (record for one in checks if one.light is not Light.GREEN for record in one.records)
    return list(dict.fromkeys(wanted))


async def look(visit: Visit) -> Response:
    """Examine now."""
    site, last = visit.site, _examined(visit.request)
    if site.patient is None:
        raise RefusedError("This process does not know how mail is sent.", where="doctor")
    from digest.delivery.doctor import examine  # 4 MB, for who asks

    before = last.at
    async with last.running:
        if last.at == before:  # else somebody else has just looked
            found = await examine(site.patient, site.db, visit.newsletters, now=site.clock.now())
            last.checks, last.at = tuple(found), site.clock.now()
    return visit.see(PATH)


DOORS = (
    Door("GET", PATH, Right.SYSTEM, doctor),
    Door("POST", PATH, Right.SYSTEM, look, "run doctor"),
)
