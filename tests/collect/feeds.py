"""Feeds as they are found in the wild, each made up: what a server answers, and what is in it."""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import dataclass

from tests.fakes.pages import Answer, answer

XML = "application/rss+xml; charset=utf-8"
DATE = "Fri, 20 Nov 2026 09:00:00 GMT"
ONE = "https://example.org/one"


def rss(items: str, *, head: str = "", version: str = "2.0", start: str = "") -> str:
    return (
        f'{start}<rss version="{version}"><channel><title>The Site</title>'
        f"<link>https://example.org/</link>{head}{items}</channel></rss>"
    )


def item(
    title: str = "One",
    link: str = ONE,
    *,
    text: str = "Words.",
    date: str = DATE,
    more: str = "",
) -> str:
    dated = f"<pubDate>{date}</pubDate>" if date else ""
    linked = f"<link>{link}</link>" if link else ""
    return (
        f"<item><title>{title}</title>{linked}<description>{text}</description>{dated}{more}</item>"
    )


def atom(entries: str, *, head: str = "", start: str = '<?xml version="1.0"?>') -> str:
    return (
        f'{start}<feed xmlns="http://www.w3.org/2005/Atom"{head}>'
        f"<title>The Site</title><id>urn:x:site</id>{entries}</feed>"
    )


def entry(title: str = "One", link: str = ONE, *, more: str = "") -> str:
    return (
        f'<entry><title>{title}</title><id>urn:x:{link}</id><link href="{link}"/>'
        f"<published>2026-11-20T09:00:00Z</published><summary>Words.</summary>{more}</entry>"
    )


def json_feed(*items: object, **more: object) -> bytes:
    top = {"version": "https://jsonfeed.org/version/1.1", "title": "The Site", "items": items}
    return json.dumps(top | more).encode()


def xml(text: str | bytes, *, kind: str = XML, **fields: str) -> bytes:
    body = text.encode() if isinstance(text, str) else text
    return answer(200, body, content_type=kind, **fields)


async def drip(_asked: object) -> bytes:
    """Never done in time: the fetcher has to give up."""
    await asyncio.sleep(3600)
    return b""


@dataclass(frozen=True, slots=True)
class Case:
    """What is served, the links and titles that come of it, or words of the error."""

    served: Answer
    links: tuple[str, ...] = (ONE,)
    titles: tuple[str, ...] = ("One",)
    error: str = ""
    dated: bool = True


def bad(served: Answer, error: str) -> Case:
    return Case(served, (), (), error)


RDF = """<?xml version="1.0"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel rdf:about="https://example.org/"><title>The Site</title><link>https://example.org/</link>
</channel><item rdf:about="https://example.org/one"><title>One</title>
<link>https://example.org/one</link><dc:date>2026-11-20T09:00:00Z</dc:date></item></rdf:RDF>"""
LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]>"
)
XXE = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
JSON = "application/feed+json"
ONE_JSON = {
    "id": "1",
    "url": ONE,
    "title": "One",
    "content_html": "<p>Words.</p>",
    "date_published": "2026-11-20T09:00:00Z",
}
BOMB = gzip.compress(b"<rss>" + b" " * (200 << 20), 9)

CASES: dict[str, Case] = {
    # The formats.
    "rss 0.91": Case(xml(rss(item(date=""), version="0.91")), dated=False),
    "rss 0.92": Case(xml(rss(item(), version="0.92"))),
    "rss 1.0": Case(xml(RDF)),
    "rss 2.0": Case(xml(rss(item()))),
    "atom 1.0": Case(xml(atom(entry()), kind="application/atom+xml")),
    "atom 0.3": Case(
        xml(
            '<feed version="0.3" xmlns="http://purl.org/atom/ns#"><title>The Site</title><entry>'
            f'<title>One</title><link rel="alternate" href="{ONE}"/>'
            "<issued>2026-11-20T09:00:00Z</issued></entry></feed>"
        )
    ),
    "json feed 1.1": Case(xml(json_feed(ONE_JSON), kind=JSON)),
    "json feed with a byte order mark": Case(xml(b"\xef\xbb\xbf" + json_feed(ONE_JSON), kind=JSON)),
    "json feed with odd items": Case(
        xml(json_feed(7, None, {"id": 9}, {"url": ["x"]}, ONE_JSON), kind=JSON)
    ),
    # Letters and types.
    "as plain text": Case(xml(rss(item()), kind="text/plain")),
    "as html": Case(xml(rss(item()), kind="text/html")),
    "without a type": Case(answer(200, rss(item()).encode())),
    "byte order mark": Case(xml("\ufeff" + rss(item()))),
    "blank lines before it": Case(xml("\n\n  " + atom(entry()))),
    "utf-16": Case(xml(rss(item("Zürich")).encode("utf-16"), kind="text/xml"), titles=("Zürich",)),
    "latin-1 that says utf-8": Case(xml(rss(item("Zürich")).encode("latin-1")), titles=("Zürich",)),
    "utf-8 that says latin-1": Case(
        xml(rss(item("Zürich"), start='<?xml version="1.0" encoding="utf-8"?>'), kind="text/xml"),
        titles=("Zürich",),
    ),
    "windows-1252": Case(
        xml(
            rss(item("“One”"), start='<?xml version="1.0" encoding="windows-1252"?>').encode(
                "cp1252"
            ),
            kind="application/xml",
        ),
        titles=("“One”",),
    ),
    "html in titles": Case(
        xml(rss(item("&lt;b&gt;One&lt;/b&gt; &amp;amp; two"))), titles=("One & two",)
    ),
    "cdata": Case(
        xml(rss(item("<![CDATA[One & <i>two</i>]]>", text="<![CDATA[<p>Words.</p>]]>"))),
        titles=("One & two",),
    ),
    "atom xhtml": Case(
        xml(
            atom(
                entry().replace(
                    "<title>One</title>",
                    '<title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">One <b>two</b>'
                    "</div></title>",
                )
            )
        ),
        titles=("One two",),
    ),
    # Links.
    "relative links": Case(xml(rss(item(link="/one", date=DATE)).replace("x", "x"))),
    "relative links with a base": Case(
        xml(atom(entry(link="one"), head=' xml:base="https://example.org/"'))
    ),
    "only a guid": Case(xml(rss(item(link="", more=f"<guid>{ONE}</guid>")))),
    "only a recording": Case(
        xml(rss(item(link="", more=f'<enclosure url="{ONE}" type="audio/mpeg" length="1"/>')))
    ),
    "tracked links": Case(xml(rss(item(link=f"{ONE}?utm_source=rss&amp;utm_medium=feed")))),
    "links that are none": Case(
        xml(
            rss(
                item("J", "javascript:alert(1)")
                + item("D", "data:text/html,x")
                + item("F", "file:///etc/passwd")
                + item("U", "https://u:p@example.org/")
                + item("L", "https://example.org/" + "x" * 3_000)
                + item()
            )
        )
    ),
    "the same page twice": Case(xml(rss(item() + item("Again", f"{ONE}#top")))),
    "the same id twice": Case(
        xml(
            rss(
                item(more='<guid isPermaLink="false">1</guid>')
                + item("Two", f"{ONE}/2", more='<guid isPermaLink="false">1</guid>')
            )
        )
    ),
    # Dates.
    "no dates": Case(xml(rss(item(date=""))), dated=False),
    "dates that are none": Case(xml(rss(item(date="yesterday, at noon"))), dated=False),
    "dates to come": Case(xml(rss(item(date="Fri, 20 Nov 2099 09:00:00 GMT"))), dated=False),
    "old entries": Case(
        xml(rss(item("Old", f"{ONE}/old", date="Fri, 20 Nov 2020 09:00:00 GMT") + item()))
    ),
    # Little in it.
    "no title": Case(
        xml(rss(item(title="", text="Just some words."))), titles=("Just some words.",)
    ),
    "nothing but a link": Case(
        xml(rss(f"<item><link>{ONE}</link></item>")), titles=("one",), dated=False
    ),
    "empty": Case(xml(rss("")), (), ()),
    # Broken.
    "truncated": Case(
        xml(rss(item() + item("Two", f"{ONE}/2")).partition("</channel>")[0] + "<item><title>Thr"),
        (ONE, f"{ONE}/2"),
        ("One", "Two"),
    ),
    "not well-formed": Case(
        xml(rss(item("One & two")).replace("</channel>", "")), titles=("One & two",)
    ),
    "bad characters": Case(xml(rss(item("O\x08n\x1be"))), titles=("One",)),
    "no feed but a page": bad(xml("<!doctype html><p>Hello", kind="text/html"), "no feed"),
    "nothing": bad(answer(200, b""), "no feed"),
    "json that is none": bad(
        xml(b'{"version": "https://jsonfeed.org/version/1.1', kind=JSON), "broken"
    ),
    "json of something else": bad(xml(b'{"version": 2}', kind=JSON), "no JSON Feed"),
    "json without end": bad(xml(b'{"a":' * 100_000, kind=JSON), "broken"),
    # Hostile.
    "script-laden": Case(
        xml(
            rss(
                item(
                    "&lt;script&gt;alert(1)&lt;/script&gt;One",
                    text="<![CDATA[<img src=x onerror=alert(1)><script>alert(2)</script>W]]>",
                )
            )
        )
    ),
    "billion laughs": bad(xml(LAUGHS + rss(item("&j;"))), "entities"),
    "billion laughs in utf-16": bad(xml((LAUGHS + rss(item("&j;"))).encode("utf-16")), "entities"),
    "external entity": bad(xml(XXE + rss(item("&a;"))), "entities"),
    "external dtd": Case(xml('<!DOCTYPE rss SYSTEM "http://169.254.169.254/x.dtd">' + rss(item()))),
    "huge": bad(xml(b"<rss>" + b" " * (6 << 20)), "more than"),
    "gzip bomb": bad(xml(BOMB, Content_Encoding="gzip"), "more than"),
    "not gzip": bad(xml(b"<rss/>", Content_Encoding="gzip"), "unpacked"),
    "packed": Case(xml(gzip.compress(rss(item()).encode()), Content_Encoding="gzip")),
    "many entries": Case(
        xml(rss("".join(item(str(n), f"{ONE}/{n}") for n in range(1_000)))),
        tuple(f"{ONE}/{n}" for n in range(100)),
        tuple(str(n) for n in range(100)),
    ),
    "slow drip": bad(drip, "does not answer"),
    "redirects to the metadata of a cloud": bad(
        answer(302, Location="http://169.254.169.254/latest/"), "link-local"
    ),
    "redirects to a private network": bad(answer(301, Location="http://10.1.2.3/feed"), "private"),
    "redirects in a circle": bad(answer(302, Location="/feed"), "on and on"),
    "redirects to a file": bad(answer(302, Location="file:///etc/passwd"), "address"),
    # Refusals.
    "gone": bad(answer(410), "gone for good"),
    "not found": bad(answer(404), "answers 404"),
    "out of order": bad(answer(500), "answers 500"),
    "no http": bad(b"hello\r\n\r\n", "HTTP"),
}
