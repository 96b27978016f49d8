"""Logs: structured lines on standard error, one line each, without addresses and secrets.

Modules ask ``structlog.get_logger()`` and give facts as keywords. Libraries that log through the
standard library come out in the same form. Standard output belongs to results and stays clean.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# Local part and domain of anything that looks like an address, so that replies quoted from a
# server are covered too: they repeat the recipient.
_ADDRESS = re.compile(r"([^\s<>@\"'(),:;]{1,64})@([\w.-]{1,255})")
_PASSWORD_IN_URL = re.compile(r"(\w+://[^\s:/@]*):[^\s]+@")  # up to the last @: it may hold one
_TOKEN = re.compile(r"\b[a-z2-7]{40}\b")  # one of ours: 40 characters of base32
_KEY = re.compile(r"\b(dgk_\d+_|whsec_)[A-Za-z0-9_+/=-]+")  # of a program, of a webhook
_SECRET_KEYS = frozenset({"password", "secret", "secret_key", "authorization", "cookie", "token"})
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_CONTROLS |= {0x2028: "\\u2028", 0x2029: "\\u2029"}
_IN_TRACEBACK = {code: text for code, text in _CONTROLS.items() if code != ord("\n")}


def configure_logs(
    level: str = "info",
    form: str = "auto",
    *,
    stream: TextIO | None = None,
    addresses: bool = False,
) -> None:
    """Send all log lines to ``stream`` (standard error).

    ``form`` is text, json, or auto: text on a terminal. ``addresses`` shows readers' addresses,
    which are shortened to ``…@example.org`` otherwise.
    """
    stream = stream or sys.stderr
    as_text = form == "text" or (form == "auto" and stream.isatty())
    shared = _processors(addresses=addresses)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _renderer(as_text=as_text, colors=stream.isatty()),
            ],
        )
    )
    # Libraries tell what they do at "info"; ours is what an operator asked to see.
    logging.basicConfig(
        handlers=[handler], level="DEBUG" if level == "debug" else "WARNING", force=True
    )
    logging.getLogger("digest").setLevel(level.upper())
    logging.getLogger("aiosqlite").setLevel("WARNING")  # it would log every value of a statement
    logging.getLogger("procrastinate").setLevel("CRITICAL")  # jobs/postgres says what matters
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )


def _processors(*, addresses: bool) -> list[Processor]:
    def shorten(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {key: _clean(key, value, addresses=addresses) for key, value in event.items()}

    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.format_exc_info,
        shorten,
    ]


def _renderer(*, as_text: bool, colors: bool) -> Processor:
    if as_text:
        return structlog.dev.ConsoleRenderer(colors=colors)
    return structlog.processors.JSONRenderer(ensure_ascii=False)


def _clean(key: str, value: object, *, addresses: bool) -> object:
    """The value as it may be logged: no secrets, no readers' addresses, no control characters."""
    if key.startswith("_"):  # structlog's own
        return value
    if key in _SECRET_KEYS:
        return "…"
    if isinstance(value, Mapping):
        return {str(k): _clean(str(k), v, addresses=addresses) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_clean("", part, addresses=addresses) for part in value]
    if isinstance(value, str | BaseException):
        text = redact(str(value), addresses=addresses)
        return text.translate(_IN_TRACEBACK if key in ("exception", "stack") else _CONTROLS)
    return value


def redact(text: str, *, addresses: bool = False) -> str:
    """``text`` without passwords in URLs, tokens and, unless asked, local parts of addresses."""
    text = _TOKEN.sub("…", _KEY.sub(r"\1…", _PASSWORD_IN_URL.sub(r"\1:…@", text)))
    return text if addresses else _ADDRESS.sub(r"…@\2", text)
