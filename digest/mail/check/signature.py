"""DKIM-Signature fields, as far as they can be judged without DNS: RFC 6376, RFC 8301, RFC 8058.

The hash of the body needs no key: a body that was changed after signing shows here.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator

from digest.mail.check.fields import mailboxes
from digest.mail.check.rules import Finding
from digest.mail.check.source import Field, Source, body_bytes

_NEEDED = ("v", "a", "b", "bh", "d", "h", "s")
_BLANKS = re.compile(rb"[ \t]+")
_ALGORITHMS = frozenset({"rsa-sha256", "ed25519-sha256"})

Tags = dict[str, str]


def _signatures(source: Source) -> Iterator[Finding]:
    for one in source.root.all("DKIM-Signature"):
        tags = _tags(one.value)
        missing = [name for name in _NEEDED if name not in tags]
        if missing or tags["v"] != "1":
            what = f"the tag {missing[0]}=" if missing else "v=1"
            yield Finding(one.line, "dkim-syntax", f"The signature has not {what}.")
            continue
        yield from _covered(source, one, tags)
        yield from _body(source, one, tags)
        if tags["a"].lower() not in _ALGORITHMS:
            yield Finding(one.line, "dkim-algorithm", f"It is {tags['a'][:40]!a}.")
        if "l" in tags:
            yield Finding(one.line, "dkim-length", "The signature covers the body up to l=.")
    yield from _alignment(source)


def _covered(source: Source, one: Field, tags: Tags) -> Iterator[Finding]:
    covered = {name.strip().lower() for name in tags["h"].split(":")}
    if "from" not in covered:
        yield Finding(one.line, "dkim-from", "From is not covered.")
    both = {"list-unsubscribe", "list-unsubscribe-post"}
    if (
        source.root.get("List-Unsubscribe-Post")
        and not both <= covered
        and len(_signed(source)) == 1
    ):
        missing = ", ".join(sorted(both - covered))
        yield Finding(one.line, "dkim-one-click", f"Not covered: {missing}.")


def _body(source: Source, one: Field, tags: Tags) -> Iterator[Finding]:
    body = body_bytes(source.data)
    kind = tags.get("c", "simple/simple").partition("/")[2].lower() or "simple"
    if kind not in ("simple", "relaxed") or not tags["a"].lower().endswith("-sha256"):
        return
    canonical = _relaxed(body) if kind == "relaxed" else _simple(body)
    if tags.get("l", "").isascii() and tags.get("l", "").isdigit():
        canonical = canonical[: int(tags["l"][:12])]
    if base64.b64encode(hashlib.sha256(canonical).digest()).decode("ascii") != tags["bh"]:
        yield Finding(one.line, "dkim-body", "The body is not the one that was signed.")


def _alignment(source: Source) -> Iterator[Finding]:
    """At least one signature is of From's domain, one above or one below."""
    sender = source.root.get("From")
    signed = _signed(source)
    if sender is None or not signed:
        return
    addresses = mailboxes(sender.value)
    domain = addresses[0].rpartition("@")[2].lower() if len(addresses) == 1 else ""
    owners = [tags.get("d", "").lower() for _, tags in signed]
    if domain and not any(_related(domain, owner) for owner in owners):
        message = f"Signed for {owners[0][:80]!a}, From is of {domain[:80]!a}."
        yield Finding(signed[0][0].line, "dkim-alignment", message)


def _related(one: str, other: str) -> bool:
    return bool(other) and (
        one == other or one.endswith(f".{other}") or (other.endswith(f".{one}") and "." in one)
    )


def _signed(source: Source) -> list[tuple[Field, Tags]]:
    return [(one, _tags(one.value)) for one in source.root.all("DKIM-Signature")]


def _tags(value: str) -> Tags:
    pairs = (tag.partition("=") for tag in re.sub(r"\s+", "", value).split(";"))
    return {name: text for name, equals, text in pairs if equals}


def _simple(body: bytes) -> bytes:
    """RFC 6376 §3.4.3."""
    return body.rstrip(b"\r\n") + b"\r\n"


def _relaxed(body: bytes) -> bytes:
    """RFC 6376 §3.4.4."""
    lines = [_BLANKS.sub(b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


CHECKS = (_signatures,)
