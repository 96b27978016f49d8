"""A curated email digest, delivered once to everyone who asked for it. A map of this tree:

    errors, clock, resources, languages, logs, settings    the ground everything stands on
    mail/       what the RFCs say: addresses, messages, tokens, replies; pure, bytes and values
    rules/      what we decide: states, verdicts, retries, relay profiles; pure tables
    content/    one issue file becomes one rendered version: parse, look, lint
    store/      the only SQL: functions(session, …) that never commit
    net/        what we ask the network beside sending
    audience/   who reads: sign up, import, leave, what comes back
    collect/    what the next issue may link to: feeds, the link inbox, drafts
    access/     who may do what: people at the desk, keys of programs
    delivery/   publish → plan → sender (claim, compose, send, record) → session → smtp
    inbound/    where bounces, complaints and answers come in: mail and webhooks
    backup/     all of it in one encrypted file, and back
    jobs/       what runs by itself
    runtime     the one place that picks implementations
    web/        what readers, editors and operators see in a browser, and programs by the API
    cli/        one module per noun of the ``digest`` command

Imports point down this list reversed: cli → web → runtime → jobs → inbound, backup → delivery →
audience, collect, access → store, content, net → rules → mail → the ground (a check holds it).

One path to read first: ``cli/issue.py`` → ``delivery/publish.py`` → ``delivery/plan.py`` →
``delivery/sender.py`` → ``delivery/session.py``. The words are in docs/glossary.md, the files that
are no Python in templates/ (looks and pages), alembic/ (migrations) and examples/ (issues).
"""

from __future__ import annotations

__version__ = "0.3.0.dev0"
