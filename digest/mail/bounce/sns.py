"""Notifications of Amazon SES as mail: a JSON document in a mail of Amazon SNS.

What its fields mean is told by "Notification contents" of the SES developer guide. The document is
bounded by the walk that read it; what does not fit it is no notification.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from digest.mail.scan import clean_address

RECIPIENTS_MAX = 100
_LISTS = {"bounce": "bouncedRecipients", "complaint": "complainedRecipients"}


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification: its kind ("bounce", "complaint", "delivery", …) and what it names."""

    kind: str
    permanent: bool
    type: str  # of a bounce or a complaint: "General", "Suppressed", "abuse"
    recipients: tuple[tuple[str, str, str], ...]  # address, status, diagnosis
    headers: Mapping[str, list[str]] = field(default_factory=dict)


def read_notice(text: str) -> Notice | None:
    """The notification in ``text``, or None."""
    start = text.find("{")
    if start < 0 or ("otificationType" not in text and '"eventType"' not in text):
        return None
    # Lines of a mail end long strings with "!" and a break, which JSON does not know.
    text = text[start:].replace("!\n ", "").replace("\n ", "").replace("\n", "")
    try:
        data, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return _notice(data) if isinstance(data, dict) else None


def _notice(data: dict[str, Any]) -> Notice | None:
    message = data.get("Message")
    if isinstance(message, str) and "otificationType" in message:
        return read_notice(message)
    kind = str(data.get("notificationType") or data.get("eventType") or "").lower()
    body, mail = data.get(kind), data.get("mail")
    if not isinstance(body, dict):
        return None
    mail = mail if isinstance(mail, dict) else {}
    return Notice(
        kind=kind,
        permanent=body.get("bounceType") == "Permanent",
        type=str(body.get("complaintFeedbackType") or body.get("bounceSubType") or ""),
        recipients=tuple(_recipients(kind, body))[:RECIPIENTS_MAX],
        headers=_headers(mail),
    )


def _recipients(kind: str, body: dict[str, Any]) -> list[tuple[str, str, str]]:
    named = body.get(_LISTS.get(kind, "recipients"))
    if not isinstance(named, list):
        return []
    reply = str(body.get("smtpResponse") or "")
    found = []
    for one in named:
        if isinstance(one, str):
            found.append((clean_address(one), "", reply))
        elif isinstance(one, dict) and isinstance(one.get("emailAddress"), str):
            status, said = str(one.get("status") or ""), str(one.get("diagnosticCode") or "")
            found.append(
                (clean_address(one["emailAddress"]), status, said.partition(";")[2].strip() or said)
            )
    return [one for one in found if one[0]]


def _headers(mail: dict[str, Any]) -> dict[str, list[str]]:
    """The original's headers, as far as the notification holds them."""
    fields: dict[str, list[str]] = {}
    named = mail.get("headers")
    for one in named if isinstance(named, list) else []:
        if isinstance(one, dict):
            name = str(one.get("name") or "").lower()
            fields.setdefault(name, []).append(str(one.get("value") or ""))
    return fields
