"""Plain-text newsletters made up for tests, each with what it should be read as."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Letter:
    """A text and its parts: sections as (heading, titles), links in order."""

    about: str
    text: str
    name: int | str
    title: str
    sections: list[tuple[str, list[str]]]
    preview: str = ""
    opening: bool = True
    closing: bool = False
    links: list[str] = field(default_factory=list)


def _todo(count: int) -> list[str]:
    return ["TODO"] * count


LETTERS = [
    Letter(
        about="addresses in parentheses, headings in capitals, no preview",
        text="""#12 – The Compiler Post

Hello all,

Short one this week.

NEWS

A new compiler lands in the tree (https://example.org/compiler)
It is faster, and it says why it fails.

Another title without anything

TOOLS

fastgrep
Searches a tree in a second.
https://example.org/fastgrep

Until next time!
""",
        name=12,
        title="#12 – The Compiler Post",
        sections=[
            ("NEWS", ["A new compiler lands in the tree", "Another title without anything"]),
            ("TOOLS", ["fastgrep"]),
        ],
        closing=True,
        links=["https://example.org/compiler", "TODO", "https://example.org/fastgrep"],
    ),
    Letter(
        about="emoji headings, bylines in parentheses, numbered entries, a signature, no opening",
        text="""Data Notes Issue 7

🚀 Launches

Vector things get cheaper
(The Site, 4 min)
Prices fell by half.

📚 Reading
1. First long read about a thing - https://example.org/one
2. Second long read about a thing - https://example.org/two

--
You are receiving this because you asked.
Unsubscribe: https://example.org/u
""",
        name=7,
        title="Data Notes Issue 7",
        sections=[
            ("🚀 Launches", ["Vector things get cheaper"]),
            (
                "📚 Reading",
                ["1. First long read about a thing", "2. Second long read about a thing"],
            ),
        ],
        opening=False,
        closing=True,
        links=["TODO", "https://example.org/one", "https://example.org/two"],
    ),
    Letter(
        about="no number, lost headings, title and text in one paragraph",
        text="""The Garden Letter

Spring is here and so are the links.
We walked a lot.


Robots learn to prune
A robot pruned a tree and the tree lived.

Soil sensors for everyone
Sensors are cheap now.


Bees like blue
A study found that bees like blue flowers.
""",
        name="the-garden-letter",
        title="The Garden Letter",
        sections=[
            ("TODO section 1", ["Robots learn to prune", "Soil sensors for everyone"]),
            ("TODO section 2", ["Bees like blue"]),
        ],
        links=_todo(3),
    ),
    Letter(
        about="ruled headings, bullets over two lines, wrapped text",
        text="""=====================
HACK WEEKLY - ISSUE 45
=====================

In this issue we look at parsers, and a little at
printers. There is also a long piece on tables which
took a week to write and a day to read, so sit down.

ARTICLES
--------

* How we wrote a parser by hand and why you should
  not do the same (5 minutes)
  https://example.org/parser

* The table that grew: a story of a database table
  https://example.org/table

JOBS
----

* Compiler engineer, Berlin
  https://example.org/job1
""",
        name=45,
        title="HACK WEEKLY - ISSUE 45",
        sections=[
            (
                "ARTICLES",
                [
                    "How we wrote a parser by hand and why you should not do the same (5 minutes)",
                    "The table that grew:",
                ],
            ),
            ("JOBS", ["Compiler engineer, Berlin"]),
        ],
        links=[
            "https://example.org/parser",
            "https://example.org/table",
            "https://example.org/job1",
        ],
    ),
    Letter(
        about="all headings there, the address between title and text",
        text="""Weekly Bits — Issue No. 301
Databases, boats and a bug that was nobody's fault

Hi everyone!

This is the three hundred and first issue. We are still here.

Databases

Why the vacuum matters
https://example.org/vacuum
A long look at what happens when nobody cleans up.

An index for everything
https://example.org/index
It turns out there is one.

Boats

A boat that steers itself
https://example.org/boat
Nobody is at the wheel. By Anne.

Bugs

Nobody's fault
https://example.org/bug
A bug that took three teams and a lawyer.

See you next week,
Bart
""",
        name=301,
        title="Weekly Bits — Issue No. 301",
        preview="Databases, boats and a bug that was nobody's fault",
        sections=[
            ("Databases", ["Why the vacuum matters", "An index for everything"]),
            ("Boats", ["A boat that steers itself"]),
            ("Bugs", ["Nobody's fault"]),
        ],
        closing=True,
        links=[f"https://example.org/{name}" for name in ("vacuum", "index", "boat", "bug")],
    ),
    Letter(
        about="texts of two paragraphs, sections by the gap",
        text="""Notes on Learning, edition 9

What we read this month, and why


A theory of crumbs

Crumbs are what is left. This paper says what they tell.

It also says what they do not tell, which is more.

On counting

Counting is hard. Here is how a class of ten learned it.


Little robots, big rooms

A lab fills a hall with robots and waits.

They found the door after nine days.
""",
        name=9,
        title="Notes on Learning, edition 9",
        preview="What we read this month, and why",
        sections=[
            ("TODO section 1", ["A theory of crumbs", "On counting"]),
            ("TODO section 2", ["Little robots, big rooms"]),
        ],
        opening=False,
        links=_todo(3),
    ),
    Letter(
        about="a lot of air between items is no section",
        text="""The Wide Letter #3

Hello,

Welcome to a letter with a lot of air in it.


First thing of the week

It is a good thing, and it is first.


Second thing of the week

It is the second. It came later.


Third thing of the week

That is all of them.


Take care!
""",
        name=3,
        title="The Wide Letter #3",
        sections=[
            (
                "TODO section 1",
                ["First thing of the week", "Second thing of the week", "Third thing of the week"],
            )
        ],
        closing=True,
        links=_todo(3),
    ),
    Letter(
        about="lines broken at 72 columns",
        text="""Rail Digest Issue 88

The trains are late, the tracks are new, and the station is a museum now

Dear readers,

the timetable changes on Sunday and with it the length of this letter,
which from now on is as long as the ride from the coast to the capital.

TRACKS

New rails for an old bridge
The bridge over the river gets rails that were tested in the desert
for ten years, and they did not bend once.
https://example.org/bridge

Sleepers made of plastic bottles, and why the line from the north to the
south wants a million of them by spring
Forty bottles make one sleeper. The line needs more bottles than the
country drinks in a year, so it buys them abroad.
https://example.org/sleepers

STATIONS

A station becomes a museum
The clock still runs.
https://example.org/museum
""",
        name=88,
        title="Rail Digest Issue 88",
        preview="The trains are late, the tracks are new, and the station is a museum now",
        sections=[
            (
                "TRACKS",
                [
                    "New rails for an old bridge",
                    (
                        "Sleepers made of plastic bottles, and why the line from the north to the "
                        "south wants a million of them by spring"
                    ),
                ],
            ),
            ("STATIONS", ["A station becomes a museum"]),
        ],
        links=[f"https://example.org/{name}" for name in ("bridge", "sleepers", "museum")],
    ),
    Letter(
        about="papers and repositories, a heading after a usual gap",
        text="""Paper Cuts 17

Small things, counted twice, and the shape of a proof

Hey folks,

Only papers today, and some code.

Until next week!


Attention is a small thing after all

A reading of ten years of papers about attention.

Papers & Code

On the shape of proofs

Abstract: Proofs have shapes. We draw them, and find that they are mostly round.


[GitHub] example/proof_shapes

Draws proofs

[GitHub] proof-counter

Counts them, and says how many there are.
""",
        name=17,
        title="Paper Cuts 17",
        preview="Small things, counted twice, and the shape of a proof",
        sections=[
            ("TODO section 1", ["Attention is a small thing after all"]),
            ("Papers & Code", ["On the shape of proofs"]),
            ("TODO section 2", ["[GitHub] example/proof_shapes", "[GitHub] proof-counter"]),
        ],
        links=["TODO", "TODO", "https://github.com/example/proof_shapes", "TODO"],
    ),
    Letter(
        about="a heading with a line about it, bullets as items, no title line of its own kind",
        text="""Issue 12: Boats and bridges

Good morning!

Two bridges and a boat in today's letter, and nothing else.

Bridges:

• The old bridge is new again - https://example.org/old
• A bridge that folds itself - https://example.org/fold

Boats:

• The boat that came back - https://example.org/back
""",
        name=12,
        title="Issue 12: Boats and bridges",
        sections=[
            ("Bridges:", ["The old bridge is new again", "A bridge that folds itself"]),
            ("Boats:", ["The boat that came back"]),
        ],
        links=[f"https://example.org/{name}" for name in ("old", "fold", "back")],
    ),
]
