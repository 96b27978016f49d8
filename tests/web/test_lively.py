"""What others wrote is text wherever the desk shows it: also where a page has it but now and then.

What browsers make of worse words is in ``tests/browser/test_desk.py``, of the same installation.
"""

from __future__ import annotations

from html import escape

from digest.clock import Clock
from digest.mail.tokens import KeyRing
from digest.store.session import Database
from digest.web.site import Site
from tests.build import KEY, PUBLIC_URL, issue_text
from tests.web.desk import at_the_desk
from tests.web.lively import lively

WORD = "<b>strange words</b>"
WEEKLY, MAPS = "/desk/n/weekly", "/desk/n/maps"
# Where, and what stands around it.
PLACES = (
    ("/desk/relays", '<span class="mono wrap">550 5.1.1 {}</span>'),
    (f"{WEEKLY}/i/178/receipt/delivery/6", '<p class="mono">550 5.1.1 {}</p>'),
    (f"{WEEKLY}/i/181/receipt", '<th scope="row"><bdi>{}</bdi><br><a class="soft small"'),
    (f"{WEEKLY}/i/183", "<strong>Approved</strong> by <bdi>{}</bdi>"),
    (f"{MAPS}/i/12", "<strong>Paused:</strong> {}"),
    (f"{MAPS}/i/12/receipt", "It is paused: {}"),
    ("/desk/readers/1", '<span class="chip"><bdi>{}</bdi></span>'),
    ("/desk/readers/1", "Without: <bdi>{}</bdi>"),
    ("/desk/readers/1", "<dt><bdi>{0}</bdi></dt><dd><bdi>{0}</bdi></dd>"),
    ("/desk/suppressions", 'nobody believed it yet.<br><span class="mono">{}</span>'),
    ("/desk/feedback?show=unclassified", "“<bdi>{}</bdi>” means <strong>suspend</strong>"),
    ("/desk/feedback?show=quarantined", "{}"),
)


async def test_what_others_wrote_is_text_wherever_the_desk_shows_it(sqlite_url: str) -> None:
    shown = escape(WORD)

    def text(number: int) -> str:
        return issue_text(number).replace("Title of the linked page", shown)

    async with await Database.open(sqlite_url) as db:
        await lively(db, Clock().now(), word=WORD, readers=40, text=text)
        site = Site(db, KeyRing(KEY), PUBLIC_URL, relay_configured=True)
        async with at_the_desk(site) as owner:
            for path, around in PLACES:
                page = (await owner.get(path)).text
                assert around.format(shown) in page, path
                assert WORD not in page, path
