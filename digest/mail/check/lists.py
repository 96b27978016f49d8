"""What makes a message one of a list that can be left: RFC 2369, RFC 2919, RFC 8058."""

from __future__ import annotations

import re
from collections.abc import Iterator

from digest.mail.check.rules import Finding
from digest.mail.check.source import Field, Source

_URIS = re.compile(r"<[!-;=?-~]+>(?:\s*,\s*<[!-;=?-~]+>)*")
_URI = re.compile(r"<([^<>]*)>")
_LIST_ID = re.compile(r"[^<>]*<([A-Za-z0-9_.-]{1,255})>")


def _unsubscribe(source: Source) -> Iterator[Finding]:
    root = source.root
    leave, post = root.get("List-Unsubscribe"), root.get("List-Unsubscribe-Post")
    if leave is None:
        if root.get("List-Id") or post is not None:
            message = "A message of a list has no List-Unsubscribe."
            yield Finding((post or root).line, "list-unsubscribe-missing", message)
        else:
            yield Finding(1, "no-list-unsubscribe", "There is no List-Unsubscribe.")
        return
    if "=?" in leave.value:
        return  # told as encoded-word-place
    uris = _URI.findall(leave.value)
    if not _URIS.fullmatch(leave.value):
        message = "This is no list of URIs in angle brackets, parted by commas."
        yield Finding(leave.line, "list-unsubscribe-syntax", message)
    yield from _one_click(leave, post, uris)


def _one_click(leave: Field, post: Field | None, uris: list[str]) -> Iterator[Finding]:
    https = [uri for uri in uris if uri.lower().startswith("https://")]
    if post is not None:
        if post.value != "List-Unsubscribe=One-Click":
            message = f"It says {post.value[:60]!a}."
            yield Finding(post.line, "list-unsubscribe-post", message)
        if len(https) != 1 and not _on_loopback(uris):
            message = f"There are {len(https)} https: URIs for one click."
            yield Finding(leave.line, "list-unsubscribe-https", message)
    elif https:
        message = "There is an https: URI, but no List-Unsubscribe-Post."
        yield Finding(leave.line, "one-click-missing", message)


def _on_loopback(uris: list[str]) -> bool:
    """A trial on one machine has no certificate, and no mail of it gets anywhere."""
    first = [uri for uri in uris if uri.startswith("http://")]
    return len(first) == 1 and bool(
        re.match(r"http://(?:127\.0\.0\.1|localhost|\[::1\])[:/]", first[0])
    )


def _list_id(source: Source) -> Iterator[Finding]:
    for one in source.root.all("List-Id"):
        found = _LIST_ID.fullmatch(one.value)
        if found is None or "." not in found[1].strip(".") or ".." in found[1]:
            yield Finding(one.line, "list-id-syntax", f"{one.value[:80]!a} is no List-Id.")


def _feedback_id(source: Source) -> Iterator[Finding]:
    for one in source.root.all("Feedback-ID"):
        pieces = one.value.split(":")
        if len(pieces) > 4 or not 5 <= len(pieces[-1]) <= 15:
            message = f"{len(pieces)} fields, the last of {len(pieces[-1])} characters."
            yield Finding(one.line, "feedback-id", message)


CHECKS = (_unsubscribe, _list_id, _feedback_id)
