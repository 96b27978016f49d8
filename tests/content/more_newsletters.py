"""More plain-text newsletters made up for tests, beside those of ``newsletters``."""

from __future__ import annotations

from tests.content.newsletters import Letter

MORE_LETTERS = [
    Letter(
        about="every heading there and no larger gap, texts without a full stop",
        text="""Tiny Learning Weekly Issue #184

New chips for old boards, a model that folds laundry, & more

Hey folks,

This week we have chips, laundry and a very long paper.

Until next week!

Industry

A chip for the kitchen

The startup wants to put a chip into every kettle

Who owns the laundry robot?

A court will decide

"We never trained on your socks," says CEO

The company denies the claims made in a report last week.

Mobile + Edge

Quantise it all

A post on how to quantise everything, step by step

Learning

Why deep nets sleep

Do nets dream? The author thinks they do.

The Unreasonable Smallness of Models (Part 3)

Third part of the series.

Code & Libraries

[GitHub] someone/laundry-fold

Official code of the laundry paper

[GitHub] kettle

Datasets

10M socks

A data set of socks, by colour

Papers & Publications

Folding at Scale: A Study

Authors: Anne A., Bart B., Cris C.

Abstract: We fold. It scales. We show it on ten million socks.

Kettles Are All You Need

Abstract: We replace all layers by kettles.
""",
        name=184,
        title="Tiny Learning Weekly Issue #184",
        preview="New chips for old boards, a model that folds laundry, & more",
        sections=[
            (
                "Industry",
                [
                    "A chip for the kitchen",
                    "Who owns the laundry robot?",
                    '"We never trained on your socks," says CEO',
                ],
            ),
            ("Mobile + Edge", ["Quantise it all"]),
            ("Learning", ["Why deep nets sleep", "The Unreasonable Smallness of Models (Part 3)"]),
            ("Code & Libraries", ["[GitHub] someone/laundry-fold", "[GitHub] kettle"]),
            ("Datasets", ["10M socks"]),
            ("Papers & Publications", ["Folding at Scale: A Study", "Kettles Are All You Need"]),
        ],
        links=[
            "TODO",
            "TODO",
            "TODO",
            "TODO",
            "TODO",
            "TODO",
            "https://github.com/someone/laundry-fold",
            "TODO",
            "TODO",
            "TODO",
            "TODO",
        ],
    ),
    Letter(
        about="dividers of dashes, boxed headings, the number on its own line",
        text="""KETTLE WEEKLY

Issue 5 | 23 November 2026

Welcome to the fifth issue. It is about kettles.

-----------------------------

* TOP STORY *

Kettles boil faster than before (3 minute read)

Engineers measured 400 kettles and found that they are faster.

https://example.org/kettles

-----------------------------

* IN OTHER NEWS *

A spoon is found (1 minute read)

It was in the drawer.

https://example.org/spoon

Tea sells out (2 minute read)

Nobody knows why it sold out so early.

https://example.org/tea

-----------------------------

If you have any comments, just reply to this email.

Thanks for reading,
Anne & Bart
""",
        name=5,
        title="KETTLE WEEKLY",
        closing=True,
        sections=[
            ("TOP STORY", ["Kettles boil faster than before (3 minute read)"]),
            (
                "IN OTHER NEWS",
                ["A spoon is found (1 minute read)", "Tea sells out (2 minute read)"],
            ),
        ],
        links=[
            "https://example.org/kettles",
            "https://example.org/spoon",
            "https://example.org/tea",
        ],
    ),
    Letter(
        about="read-more lines and authors",
        text="""Sock Digest #44

November 23, 2026

Hi there,

We counted socks, again.

== Research ==

Socks in space
Nobody knew socks float. Now we do.
Read more: https://example.org/space

Lost socks found
By Anne Example
A washing machine gave back forty socks.
Read more: https://example.org/lost

== Tools ==

sockctl 2.0
Pairs socks on the command line. https://example.org/sockctl
""",
        name=44,
        title="Sock Digest #44",
        sections=[("Research", ["Socks in space", "Lost socks found"]), ("Tools", ["sockctl 2.0"])],
        links=[
            "https://example.org/space",
            "https://example.org/lost",
            "https://example.org/sockctl",
        ],
    ),
    Letter(
        about="a larger gap before every heading and a closing",
        text="""Tiny Learning Weekly Issue #185

Hello folks,

A short one.


Industry

A chip for the kitchen

The startup wants to put a chip into every kettle.

Who owns the laundry robot?

A court will decide.


Learning

Why deep nets sleep

Do nets dream? The author thinks they do.


Thanks for reading! Reply to this mail if you found something.

Anne
""",
        name=185,
        title="Tiny Learning Weekly Issue #185",
        closing=True,
        sections=[
            ("Industry", ["A chip for the kitchen", "Who owns the laundry robot?"]),
            ("Learning", ["Why deep nets sleep"]),
        ],
        links=["TODO", "TODO", "TODO"],
    ),
    Letter(
        about="neither preview nor opening nor headings",
        text="""Tiny Learning Weekly #186

A chip for the kitchen

The startup wants to put a chip into every kettle.

Who owns the laundry robot?

A court will decide.


Why deep nets sleep

Do nets dream? The author thinks they do.

The second thing about nets

They also eat.
""",
        name=186,
        title="Tiny Learning Weekly #186",
        opening=False,
        sections=[
            ("TODO section 1", ["A chip for the kitchen", "Who owns the laundry robot?"]),
            ("TODO section 2", ["Why deep nets sleep", "The second thing about nets"]),
        ],
        links=["TODO", "TODO", "TODO", "TODO"],
    ),
]
