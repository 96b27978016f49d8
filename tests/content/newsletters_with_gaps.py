"""Made-up newsletters that set blank lines, lists and abstracts in their own ways."""

from __future__ import annotations

from tests.content.newsletters import Letter

LETTERS_WITH_GAPS = [
    Letter(
        about="titles and texts without full stops, the abstract below its label",
        text="""Tiny Learning Weekly Issue #201

Robots at the bakery, pruning in the browser, and how to read a loss curve

Hey folks,

This week we bring you robots that bake, laws that bite, and curves that.

Write to us if something is missing here.

Until next week!

Industry

Bakery chain puts robots on the night shift

The robots knead; people taste.

EU lawmakers agree on rules for high-risk systems

Fines could reach 6% of revenue

OpenThing releases a model that writes tests

The model is available through an API, and it will cost a cent per thousand tokens.

Mobile + Edge

Pruning in the browser

A demo and a blog post

A $4 board that runs a detector at 30 fps

Benchmarks, wiring, and a lot of heat glue.

Learning

How to Read a Loss Curve

Twelve curves and what went wrong in each of them.

The Illustrated Perceiver

Visual guide to an architecture that takes anything

MLOps Is a Mess But That's to be Expected

The author gives an overview of why tools do not fit together.

Libraries & Code

[GitHub] bakery/dough

A library for differentiable dough

[GitHub] loss-lens

Draws your loss and tells you what it thinks of it.

Datasets

Bread-1M

One million photographs of bread

Papers & Publications

Learning to Knead from Demonstrations

Abstract:

Kneading is a contact-rich task. We learn it from forty demonstrations.

On the Curvature of Crust

Abstract: We study crust. It is curved.
""",
        name=201,
        title="Tiny Learning Weekly Issue #201",
        preview="Robots at the bakery, pruning in the browser, and how to read a loss curve",
        sections=[
            (
                "Industry",
                [
                    "Bakery chain puts robots on the night shift",
                    "EU lawmakers agree on rules for high-risk systems",
                    "OpenThing releases a model that writes tests",
                ],
            ),
            (
                "Mobile + Edge",
                ["Pruning in the browser", "A $4 board that runs a detector at 30 fps"],
            ),
            (
                "Learning",
                [
                    "How to Read a Loss Curve",
                    "The Illustrated Perceiver",
                    "MLOps Is a Mess But That's to be Expected",
                ],
            ),
            ("Libraries & Code", ["[GitHub] bakery/dough", "[GitHub] loss-lens"]),
            ("Datasets", ["Bread-1M"]),
            (
                "Papers & Publications",
                ["Learning to Knead from Demonstrations", "On the Curvature of Crust"],
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
            "https://github.com/bakery/dough",
            "TODO",
            "TODO",
            "TODO",
            "TODO",
        ],
    ),
    Letter(
        about="blank lines in three sizes, a title with a full stop",
        text="""DB Post Issue 512



Indexes, locks, and a benchmark that went wrong



Hello,

This is what we read.



Articles


How an index is built

Page by page, with pictures.


Locks you did not ask for

When the planner locks, and why.



Benchmarks


A benchmark that went wrong.

They measured the cache.


Seven databases, one laptop

Guess which one won!



Releases


TinyDB 3.2

Bug fixes.


RowStore 9 (beta)

New storage format
""",
        name=512,
        title="DB Post Issue 512",
        preview="Indexes, locks, and a benchmark that went wrong",
        sections=[
            ("Articles", ["How an index is built", "Locks you did not ask for"]),
            ("Benchmarks", ["A benchmark that went wrong.", "Seven databases, one laptop"]),
            ("Releases", ["TinyDB 3.2", "RowStore 9 (beta)"]),
        ],
        links=["TODO", "TODO", "TODO", "TODO", "TODO", "TODO"],
    ),
    Letter(
        about="one heading lost of six, titles and texts in every shape",
        text="""Tiny Learning Weekly Issue #184

Synthetic data for banks, a federated keyboard, pruning at birth, & more

Hey folks,

This week we bring you this open letter from ethics researchers.

You may also enjoy a paper on pruning, Google's updated framework, and more!

Write to us if something is missing here.

Until next week!


Industry

Ethics researchers write an open letter.

More than 400 people have signed it.

A keyboard that learns at home

Federated learning moves from the lab to the thumb

Models of Oceans: Simulation at a Tenth of the Price

“It’s cheaper,” said a professor of oceans, “and that is the point”

How AI Is Used to Decode Whales

Whales click. Networks listen. Together they may (or may not!) understand.

Mobile + Edge

Introducing EdgeKit: On-Device Training Made Simple

Launch post by the EdgeKit team

Apple's M-series and ML: benchmarks

Numbers for 12 models


Pruning at birth

Prune before you train? This tutorial shows three ways.

A Visual Guide to Attention in 2021

What it says.


Libraries & Code

[GitHub] google/whale-song

TensorFlow implementation of WhaleSong: a click model

[GitHub] EdgeKit

[GitHub] birth-pruner v2

Now on PyPI.

Datasets

OceanBench

Benchmark for ocean models.

Papers & Publications

Pruning Neural Networks at Birth

Abstract: We prune at birth.

WhaleSong

Abstract: Whales sing; we model it.

Our model has three parts. The first one hears.
""",
        name=184,
        title="Tiny Learning Weekly Issue #184",
        preview="Synthetic data for banks, a federated keyboard, pruning at birth, & more",
        sections=[
            (
                "Industry",
                [
                    "Ethics researchers write an open letter.",
                    "A keyboard that learns at home",
                    "Models of Oceans: Simulation at a Tenth of the Price",
                    "How AI Is Used to Decode Whales",
                ],
            ),
            (
                "Mobile + Edge",
                [
                    "Introducing EdgeKit: On-Device Training Made Simple",
                    "Apple's M-series and ML: benchmarks",
                ],
            ),
            ("TODO section 1", ["Pruning at birth", "A Visual Guide to Attention in 2021"]),
            (
                "Libraries & Code",
                ["[GitHub] google/whale-song", "[GitHub] EdgeKit", "[GitHub] birth-pruner v2"],
            ),
            ("Datasets", ["OceanBench"]),
            ("Papers & Publications", ["Pruning Neural Networks at Birth", "WhaleSong"]),
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
            "https://github.com/google/whale-song",
            "TODO",
            "TODO",
            "TODO",
            "TODO",
            "TODO",
        ],
    ),
    Letter(
        about="lists in the opening and below a title",
        text="""Tiny Learning Weekly: Issue #212

A chatbot for farmers, drift in production, why optimisers differ, and many more

Hey folks,

This week we bring you:

- a chatbot for farmers
- a guide to drift
- a paper on optimisers

You may also enjoy these links: https://example.org/a, https://example.org/b, and more!

Write to us if something is missing here.

Until next week!

Industry

A chatbot for farmers

It answers in nine languages.

Startup X raises $40M to watch models in production

The round was led by a fund that also watches models.

The company will hire 30 people.

Mobile & Edge

On-device translation: smaller, faster

Details in the post:
- 30 MB per language
- works offline

Learning

Drift: A Practical Guide

With code.

Why Do Optimizers Differ?

A short answer and a long one.

Libraries & Code

[GitHub] drift-watch/driftwatch

Watches for drift.

[GitHub] garden-bot

Papers & Publications

On the Difference of Optimizers

Authors: Anne Example, Bart Example

Abstract: We compare optimizers. They differ.

Farm QA: A Benchmark of Questions Farmers Ask

Abstract: Farmers ask questions. We collect 9,000 of them.

We find that models answer half of them.
""",
        name=212,
        title="Tiny Learning Weekly: Issue #212",
        preview="A chatbot for farmers, drift in production, why optimisers differ, and many more",
        sections=[
            (
                "Industry",
                ["A chatbot for farmers", "Startup X raises $40M to watch models in production"],
            ),
            ("Mobile & Edge", ["On-device translation: smaller, faster"]),
            ("Learning", ["Drift: A Practical Guide", "Why Do Optimizers Differ?"]),
            ("Libraries & Code", ["[GitHub] drift-watch/driftwatch", "[GitHub] garden-bot"]),
            (
                "Papers & Publications",
                [
                    "On the Difference of Optimizers",
                    "Farm QA: A Benchmark of Questions Farmers Ask",
                ],
            ),
        ],
        links=[
            "TODO",
            "TODO",
            "TODO",
            "TODO",
            "TODO",
            "https://github.com/drift-watch/driftwatch",
            "TODO",
            "TODO",
            "TODO",
        ],
    ),
]
