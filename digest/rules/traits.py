"""What an operator may keep about readers beside their name: tags and attributes.

A tag is one line of at most 64 characters. Attributes are names with a text, a number or a truth
value; what is deeper is kept as the JSON it came in. Neither can hold what a database or a terminal
would stumble over: controls, NUL and halves of surrogate pairs go.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from digest.errors import InputError
from digest.mail.headers import clean_line

TAG_MAX = 64  # characters of a tag, and of an attribute's name
TAGS_MAX = 50  # of one subscription
ATTRIBUTES_MAX = 50  # of one reader
VALUE_MAX = 1_000  # characters
_EXACT = 2**53  # integers beyond are kept as text: JSON readers round them (RFC 8259 §6)

Value: TypeAlias = str | int | float | bool
Attributes: TypeAlias = dict[str, Value]


def clean_tag(text: str) -> str:
    """``text`` as a tag; InputError for what is empty or too long."""
    tag = clean_line(text)
    if not tag:
        raise InputError("A tag is a word or some.", where="tag")
    if len(tag) > TAG_MAX:
        raise InputError(f"A tag has at most {TAG_MAX} characters.", where="tag")
    return tag


def clean_tags(texts: Iterable[str]) -> tuple[str, ...]:
    """The tags in ``texts``, each once, in the order of the alphabet; empty ones are none."""
    tags = sorted({clean_tag(text) for text in texts if text.strip()})
    if len(tags) > TAGS_MAX:
        raise InputError(f"A reader has at most {TAGS_MAX} tags.", where="tags")
    return tuple(tags)


def clean_attributes(given: Mapping[str, Any]) -> Attributes:
    """``given`` as attributes; what is None or empty is left out. InputError for too much."""
    found: Attributes = {}
    for key, value in given.items():
        name = clean_line(key)
        if not name or len(name) > TAG_MAX:
            raise InputError(
                f"The name of an attribute has 1 to {TAG_MAX} characters.", where="attributes"
            )
        cleaned = _value(value)
        if cleaned != "":
            found[name] = cleaned
    if len(found) > ATTRIBUTES_MAX:
        raise InputError(f"A reader has at most {ATTRIBUTES_MAX} attributes.", where="attributes")
    return found


def _value(value: Any) -> Value:
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, int):
        return value if abs(value) <= _EXACT else str(value)
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    cleaned = clean_line(text)
    if len(cleaned) > VALUE_MAX:
        raise InputError(f"An attribute has at most {VALUE_MAX} characters.", where="attributes")
    return cleaned
