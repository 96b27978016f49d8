"""``/hooks/<provider>``: where providers post what came back.

A provider that is not set up is a 404, a request that proves nothing a 401 that says no more; 200
says that everything in it is committed, and any fault of ours is a 5xx, so that it is posted again.
A failure between two events of one request is no harm: what was taken in is known the next time.
"""

from __future__ import annotations

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from digest.errors import InputError
from digest.inbound.mails import tokens_in
from digest.inbound.webhooks.base import HookRefusedError, Posted, as_feedback
from digest.web.security import read_body
from digest.web.site import site_of

log = structlog.get_logger(__name__)

HOOK_BODY_LIMIT = 2 << 20  # bytes; SendGrid posts many events at once


async def take_hook(request: Request) -> Response:
    """Answer ``/hooks/<provider>``."""
    site = site_of(request)
    hook = site.hooks.get(request.path_params["provider"])
    if hook is None or site.feedback is None:
        raise HTTPException(404)
    try:
        body = await read_body(request, limit=HOOK_BODY_LIMIT)
        posted = Posted({name.lower(): value for name, value in request.headers.items()}, body)
        await hook.verify(posted, site.clock.now())
        taken = 0
        for event in hook.events(posted):
            feedback = as_feedback(event, hook.name, tokens_in(event.texts))
            if feedback is not None:
                await site.feedback.take(feedback)
                taken += 1
    except HookRefusedError as error:
        log.warning("a webhook was refused", provider=hook.name, reason=error.message)
        return JSONResponse({"error": "unproved"}, 401)
    except InputError as error:
        return JSONResponse({"error": error.message}, 400)
    except (HTTPException, ClientDisconnect):
        raise
    except Exception as error:  # whatever broke: the provider keeps it and posts again
        log.error("a webhook could not be taken in", provider=hook.name, exc_info=error)
        return JSONResponse({"error": "not now"}, 503, headers={"retry-after": "60"})
    return JSONResponse({"taken": taken})


ROUTES = (Route("/hooks/{provider}", take_hook, methods=["POST"]),)
