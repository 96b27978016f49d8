"""The text of ``.env.example``, generated from the fields."""

from __future__ import annotations

import textwrap

from pydantic import SecretStr

from digest.settings.fields import every_field, one_line

_HEADER = """\
# Settings of digest. Copy to .env (mode 0600) and change, or let `digest init` write it.
# Every line shows the value that holds where nothing is set.
# Generated: python -m digest.settings > .env.example
"""


def env_example() -> str:
    """The text of ``.env.example``: every setting with its meaning and what it is without it."""
    blocks = [_HEADER]
    for name, field in every_field().items():
        meaning = textwrap.wrap(one_line(field.description), 96, break_long_words=False)
        comment = "".join(f"# {line}\n" for line in meaning)
        blocks.append(f"{comment}#{name}={_written(field.default)}\n")
    return "\n".join(blocks)


def _written(default: object) -> str:
    if default is None:
        return ""
    return default.get_secret_value() if isinstance(default, SecretStr) else str(default)
