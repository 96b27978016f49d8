"""Health for whoever watches: ``/healthz`` says the process is alive, ``/readyz`` that it can work.

Ready means: the database answers and takes what is written, its tables are those this code knows,
or newer ones (an upgrade is under way, and this process goes on until its own turn comes), and
there is a relay to hand mail to. What is missing is named in ``failing``. Asking writes nothing:
whether the last write went well is known. RFC 9110 §15.6.4 (503).
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from digest.errors import DatabaseError
from digest.store.revisions import RevisionState, compare_revision
from digest.web.page import RETRY_SECONDS
from digest.web.site import Site, site_of

_WELL = ("ok", RevisionState.CURRENT, RevisionState.NEWER)


async def alive(_request: Request) -> Response:
    """Answer ``/healthz``."""
    return JSONResponse({"status": "alive"})


async def ready(request: Request) -> Response:
    """Answer ``/readyz``: 200 when everything is there, else 503 and what is missing."""
    checks = await checks_of(site_of(request))
    failing = [name for name, state in checks.items() if state not in _WELL]
    body = {"status": "not ready" if failing else "ready", "failing": failing, "checks": checks}
    if not failing:
        return JSONResponse(body)
    return JSONResponse(body, 503, headers={"retry-after": str(RETRY_SECONDS)})


async def checks_of(site: Site) -> dict[str, str]:
    """Each thing that must be there, and how it is: ``ok`` or ``current`` where it is well."""
    relay = "ok" if site.relay_configured else "none configured"
    try:
        async with site.db.read() as session:
            revision: RevisionState = await session.run_sync(compare_revision)
    except DatabaseError:
        return {"database": "no answer", "migrations": "unknown", "relay": relay}
    database = "refuses to be written to" if site.db.refuses_writes else "ok"
    return {"database": database, "migrations": str(revision), "relay": relay}


ROUTES = (Route("/healthz", alive), Route("/readyz", ready))
