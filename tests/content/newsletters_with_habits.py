"""Made-up newsletters with habits of their own in titles, labels and headings."""

from __future__ import annotations

from tests.content.newsletters import Letter

LETTERS_WITH_HABITS = [
    Letter(
        about="a title, a dash and its text on one line, the author below",
        text="""Script Weekly Issue #524

#524 — February 5, 2021

Script Weekly

A Faster Way to Sort Arrays of Dates — A walk through what the engine does when it.

Anne Example

Framework 12.0 Released — The big one: new router, smaller core.

Framework Team

IN BRIEF:

Version 9 of the engine now has top-level await.

The conference moves online again.

📘 Articles & Tutorials

Understanding Closures by Drawing Them — Closures made easy with boxes and arrows.

Bart Example

Six Ways to Cancel a Fetch

Cris Example
""",
        name=524,
        title="Script Weekly Issue #524",
        sections=[
            ("Script Weekly", ["A Faster Way to Sort Arrays of Dates", "Framework 12.0 Released"]),
            ("IN BRIEF:", ["Version 9 of the engine now has top-level await."]),
            (
                "📘 Articles & Tutorials",
                ["Understanding Closures by Drawing Them", "Six Ways to Cancel a Fetch"],
            ),
        ],
        links=["TODO", "TODO", "TODO", "TODO", "TODO"],
    ),
    Letter(
        about="titles that end with a colon, their texts right below",
        text="""Import Thing 240: The robots learn to wait; a map of models; and why test sets rot
Welcome to Import Thing, a newsletter about machine intelligence. Forward this email to.

Robots learn to wait by watching queues:
…Patience is a policy…
Researchers with two universities have trained robots to stand in queues. The robots.
  What they did: They recorded 400 hours of queues in six countries and trained a model.
  Why this matters: Waiting is most of what a robot in a city will do.
  Read more: Learning to Wait (arXiv).

A map of every language model:
…Forty models, one page…
A group of volunteers has drawn a map of the language models there are, by size and licence.
  Read more: The Map (project site).

Test sets rot faster than we thought:
…Labels have a half-life…
One in thirty labels in ten popular test sets is wrong, a new paper says. The authors.
  Read more: Rotten Labels (arXiv).
  Get the data here: GitHub.

Tech Tales:
The Queue
[A station in the north, 2034]
They stood in the cold and the machine stood with them.
""",
        name=240,
        title="Import Thing 240: The robots learn to wait; a map of models; and why test sets rot",
        sections=[
            (
                "TODO section 1",
                [
                    "Robots learn to wait by watching queues:",
                    "A map of every language model:",
                    "Test sets rot faster than we thought:",
                ],
            ),
            ("Tech Tales:", ["The Queue"]),
        ],
        links=["TODO", "TODO", "TODO", "TODO"],
    ),
    Letter(
        about="the address in parentheses below the title",
        text="""Snake Weekly - Issue 480

Welcome to issue 480 of Snake Weekly.

Articles, Tutorials and Talks

Async without tears
(https://example.org/async)
A gentle introduction to event loops, with a small web crawler as the example.

What's new in the packaging world?
(https://example.org/packaging)
A summary of the year.

Profiling a slow test suite
(https://example.org/profiling)
How one team went from 40 minutes to 4.

Interesting Projects, Tools and Libraries

rope-ladder
(https://example.org/rope)
Refactoring tool for large code bases.

snakeplot
(https://example.org/plot)
Plots in the terminal, in colour.

New Releases

Snake 3.10.0 beta 2
(https://example.org/beta)

Web framework 4.0 released
(https://example.org/fw)

Upcoming Events and Webinars

Virtual: Snake Meetup Ulm June 2021
(https://example.org/ulm)
There will be a talk, Snakes in Space.

Jobs

Senior Snake Developer at Terrarium Ltd
(https://example.org/job)
""",
        name=480,
        title="Snake Weekly - Issue 480",
        sections=[
            (
                "Articles, Tutorials and Talks",
                [
                    "Async without tears",
                    "What's new in the packaging world?",
                    "Profiling a slow test suite",
                ],
            ),
            ("Interesting Projects, Tools and Libraries", ["rope-ladder", "snakeplot"]),
            ("New Releases", ["Snake 3.10.0 beta 2", "Web framework 4.0 released"]),
            ("Upcoming Events and Webinars", ["Virtual: Snake Meetup Ulm June 2021"]),
            ("Jobs", ["Senior Snake Developer at Terrarium Ltd"]),
        ],
        links=[
            "https://example.org/async",
            "https://example.org/packaging",
            "https://example.org/profiling",
            "https://example.org/rope",
            "https://example.org/plot",
            "https://example.org/beta",
            "https://example.org/fw",
            "https://example.org/ulm",
            "https://example.org/job",
        ],
    ),
    Letter(
        about="reading times behind the titles, headings of any words",
        text="""SHORT Daily 2021-02-10

Big Tech & Startups

Car maker buys a battery plant (2 minute read)

The plant makes cells for a million cars a year. The deal closes in May.

Search engine tests a paid tier (4 minute read)

Users would see no ads. The price is not known.

Science & Futuristic Technology

Salt battery survives 10,000 cycles (3 minute read)

Researchers built a battery out of salt. It is heavy and cheap.

Lab-grown wood (2 minute read)

A lab has grown wood without a tree. It took three months to grow a board.

Programming, Design & Data Science

shellbox (GitHub Repo)

shellbox runs untrusted shell scripts in a box. It supports Linux only.

How We Halved Our Build Time (9 minute read)

The team moved tests to another machine. This article describes how.

Miscellaneous

The last pager network closes (1 minute read)

Doctors will miss it.

Quick Links

Awesome Maps (GitHub Repo)

A list of map libraries.

Why Do Cats Sit in Boxes? (2 minute read)

Nobody knows, but it is warm.

If you have any comments or feedback, just respond to this email!

Thanks for reading,
Anne & Bart
""",
        name="short-daily-2021-02-10",
        title="SHORT Daily 2021-02-10",
        opening=False,
        closing=True,
        sections=[
            (
                "Big Tech & Startups",
                [
                    "Car maker buys a battery plant (2 minute read)",
                    "Search engine tests a paid tier (4 minute read)",
                ],
            ),
            (
                "Science & Futuristic Technology",
                [
                    "Salt battery survives 10,000 cycles (3 minute read)",
                    "Lab-grown wood (2 minute read)",
                ],
            ),
            (
                "Programming, Design & Data Science",
                ["shellbox (GitHub Repo)", "How We Halved Our Build Time (9 minute read)"],
            ),
            ("Miscellaneous", ["The last pager network closes (1 minute read)"]),
            (
                "Quick Links",
                ["Awesome Maps (GitHub Repo)", "Why Do Cats Sit in Boxes? (2 minute read)"],
            ),
        ],
        links=["TODO", "TODO", "TODO", "TODO", "TODO", "TODO", "TODO", "TODO", "TODO"],
    ),
    Letter(
        about='owner/name titles, a label "Abstract:" with two paragraphs below it',
        text="""Tiny Learning Weekly: Issue #290

A model for proteins, monitoring in production, trees, a paper, and many more!

This week we bring you a model for proteins, monitoring in production.

You may also enjoy retrieval with trees, a guide to evaluation, a paper on memory, and more!

Write to us if something is missing here.

Until next week!

Industry

Announcing FoldNet 3

A research lab released FoldNet 3, which predicts how proteins meet.

Cloud company adds a vector store to its database

The store is in preview, and free until June.

ChatThing Enterprise is here

A new tier with longer memory and no caps

MLOps

Monitoring Models in Production Without Losing Your Mind

A blog post that shows what to watch and what to ignore.

How Company X Serves 4,000 Models

A comprehensive post about queues, caches and cold starts.

Learning

Retrieval With Trees

A technical article that introduces trees for retrieval.

A Guide to Evaluating LLMs

An article on how to tell whether an answer is right.

Libraries & Code

acme/treetop: Fast Trees for Slow Models

A library for tree-based retrieval.

mosaic/cap

An open-source gateway that caps what you spend

Papers & Publications

Long Context, Short Memory: How Language Models Forget the Middle

Abstract:

Models take long inputs. We show that they forget the middle.

We then show how to remind them.

RecallNet: Recall is All You Keep

Abstract:

We present RecallNet. It keeps what it needs.
""",
        name=290,
        title="Tiny Learning Weekly: Issue #290",
        preview="A model for proteins, monitoring in production, trees, a paper, and many more!",
        sections=[
            (
                "Industry",
                [
                    "Announcing FoldNet 3",
                    "Cloud company adds a vector store to its database",
                    "ChatThing Enterprise is here",
                ],
            ),
            (
                "MLOps",
                [
                    "Monitoring Models in Production Without Losing Your Mind",
                    "How Company X Serves 4,000 Models",
                ],
            ),
            ("Learning", ["Retrieval With Trees", "A Guide to Evaluating LLMs"]),
            ("Libraries & Code", ["acme/treetop: Fast Trees for Slow Models", "mosaic/cap"]),
            (
                "Papers & Publications",
                [
                    "Long Context, Short Memory: How Language Models Forget the Middle",
                    "RecallNet: Recall is All You Keep",
                ],
            ),
        ],
        links=[
            "TODO",
            "TODO",
            "TODO",
            "TODO",
            "TODO",
            "TODO",
            "TODO",
            "TODO",
            "TODO",
            "TODO",
            "TODO",
        ],
    ),
    Letter(
        about="an essay before the first section, texts of many labelled paragraphs",
        text="""The Heap – February 10, 2021

Dear friends,

Last week somebody asked me how to choose a first project. My answer is always the same.

When you finish a thing, you learn where the hard parts were. They are never where you thought.

Keep learning!

Anne


News

Drones Deliver in the Fog

A delivery firm says its drones can land in fog.

What's new: The firm trained a network on 10,000 foggy landings and flew it in three cities.

How it works: Radar and a camera feed one encoder.

Why it matters: Fog grounds most drones for a fifth of the year.

We're thinking: We would like to see them land in snow.

Who Trained on My Photos?

Photographers look for their works in training sets.

What's new: A site lets you search five billion pictures.

Behind the news: Two lawsuits are open.

We're thinking: Asking first is cheaper.

A MESSAGE FROM THE HEAP

Our new course on pipelines starts on Monday. Enrol today!
""",
        name="the-heap-february-10-2021",
        title="The Heap – February 10, 2021",
        sections=[
            (
                "News",
                [
                    "Drones Deliver in the Fog",
                    "Who Trained on My Photos?",
                    "A MESSAGE FROM THE HEAP",
                ],
            )
        ],
        links=["TODO", "TODO", "TODO"],
    ),
    Letter(
        about="bullets as items, with and without addresses",
        text="""Front End Notes, Issue 66

Good morning,

Here is what we found.

Worth reading

- The grid is finished – https://example.org/grid
- Colours in the wild – https://example.org/colours
- What a div is for – https://example.org/div

Tools

- boxer: draws the boxes of a page
- colourist: finds colours that clash
- Typeface, a CSS linter

Events

- CSS Day, June 10, Utrecht
- A meetup on forms, June 12, online
""",
        name=66,
        title="Front End Notes, Issue 66",
        sections=[
            ("Worth reading", ["The grid is finished", "Colours in the wild", "What a div is for"]),
            ("Tools", ["boxer:", "colourist:", "Typeface, a CSS linter"]),
            ("Events", ["CSS Day, June 10, Utrecht", "A meetup on forms, June 12, online"]),
        ],
        links=[
            "https://example.org/grid",
            "https://example.org/colours",
            "https://example.org/div",
            "TODO",
            "TODO",
            "TODO",
            "TODO",
            "TODO",
        ],
    ),
]
