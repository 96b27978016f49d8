"""The message as the peers get it, from a file; standard library only, so that it weighs nothing.

Readers are numbers: an address, a name, and tokens made of the number.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


def address_of(number: int) -> tuple[str, str]:
    """Local part and domain of a reader."""
    return f"reader.{number}", f"mail{number % 997}.example.com"


def values_of(number: int) -> dict[str, str]:
    """What is different for every reader; tokens as long as ours, but they cost nothing."""
    token = f"{number:040d}"
    return {
        "address": "@".join(address_of(number)),
        "name": f"Reader {number}",
        "token": token,
        "leave": token,
        "preferences": token,
    }


def filled(template: str, values: dict[str, str]) -> str:
    """A template with one reader's values."""
    for name, value in values.items():
        template = template.replace("{{" + name + "}}", value)
    return template


@dataclass(frozen=True, slots=True)
class PeerLetter:
    """Templates with ``{{name}}``, and the whole message as ready pieces.

    ``pieces`` are text and, at every odd place, the name of a value; joined they are the message as
    it goes over the wire, without the final dot.
    """

    from_name: str
    from_address: str
    subject: str
    leave_url: str
    list_id: str
    plain: str
    html: str
    pieces: tuple[str, ...]

    def write(self, path: Path) -> None:
        """Store it for ``read``."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: str) -> PeerLetter:
        """The letter a runner stored."""
        return cls(**json.loads(Path(path).read_text("utf-8")))

    def ready(self, values: dict[str, str]) -> str:
        """The whole message for one reader, joined."""
        parts = list(self.pieces)
        parts[1::2] = [values[name] for name in parts[1::2]]
        return "".join(parts)


def return_path(values: dict[str, str]) -> str:
    """The envelope sender, one for each message (VERP)."""
    return f"b-{values['token']}@bounces.example.org"
