"""``digest issue check|add|pull|share|test|approve|status|list`` on an installation elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from digest.cli import output
from digest.cli.findings import tell_findings, tell_verdict
from digest.cli.remote import Server, based_on, remember, text_of
from digest.content.issue_file import decode_issue, parse_issue
from digest.errors import RefusedError
from digest.rules.delivery import UNPLANNED


def _written(file: Path) -> dict[str, Any]:
    from digest.cli.issue_publish import read_issue

    written = read_issue(file)
    return text_of(written.text, written.path, written.pictures)


async def check(
    place: Server, file: Path, *, slug: str | None, annotate: bool, as_json: bool
) -> int:
    """The findings of the server, which knows the earlier issues."""
    found = await place.post(f"{await place.newsletter(slug)}/check", _written(file))
    if as_json:
        output.result(found, as_json=True)
    else:
        tell_findings(found["findings"], file, annotate=annotate)
        tell_verdict(found)
    return 0 if found["ok"] else RefusedError.exit_code


async def add(place: Server, file: Path, *, slug: str | None, as_json: bool) -> int:
    """The file as the next version there, unless somebody else has added one meanwhile."""
    body = _written(file)
    name = str(parse_issue(body["text"], path=str(file)).name)
    newsletter = await place.newsletter(slug)
    issue = f"{newsletter}/issues/{name}"
    before = based_on(place, issue)
    found = await place.post(
        f"{newsletter}/issues", body | ({"based_on": before} if before else {})
    )
    remember(place, issue, found["hash"])
    data = {"issue": found["issue"], "hash": found["hash"]}
    text = (
        f"Issue {found['issue']}, version {found['version']}, {found['hash']}\n"
        f"Next: digest issue test {found['issue']} --to you@example.org"
    )
    output.result(data, as_json=as_json, text=text)
    if not as_json:
        tell_findings(found["findings"], file)
    return 0


async def pull(
    place: Server, issue: str, *, pictures: bool, slug: str | None
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The latest text there, and its pictures where they are wanted."""
    path = await place.issue(slug, issue)
    found = await place.get(f"{path}/source")
    remember(place, path.rpartition("/")[0] + f"/{found['issue']}", found["hash"])
    found["source"] = decode_issue(found["source"].encode(), path=issue)
    shown = found.pop("pictures")
    wanted = shown if pictures else {}
    return found, {name: await place.picture(url) for name, url in wanted.items()}


async def share(
    place: Server, issue: str, version: str | None, *, days: int, slug: str | None
) -> dict[str, Any]:
    """A link that shows a version there."""
    body = {"hash": version.strip().lower() if version else None, "days": days}
    path = await place.issue(slug, issue)
    found: dict[str, Any] = await place.post(f"{path}/previews", body)
    return found


async def test(
    place: Server, issue: str, addresses: Sequence[str], *, slug: str | None, as_json: bool
) -> int:
    """A test, which the server's sender sends."""
    path = await place.issue(slug, issue)
    found = await place.post(f"{path}/tests", {"to": list(addresses)})
    planned = found.pop("state", None) not in UNPLANNED
    said = {"state": "queued", "code": None, "status": None, "text": None}  # nothing yet
    data = found | {"to": [{"address": one} | said for one in found["to"]]}
    text = (
        f"Test {found['test']}, version {found['version']}, hash {found['hash'][:12]}, is on its "
        "way."
    )
    if not planned:
        text += f" Next: digest issue approve {found['issue']} --tested"
    output.result(data, as_json=as_json, text=text)
    return 0


async def approve(
    place: Server, issue: str, hash_: str | None, *, slug: str | None, as_json: bool
) -> int:
    """The version with this hash, or the one tested last."""
    path = await place.issue(slug, issue)
    body = {"tested": True} if hash_ is None else {"hash": hash_.strip().lower()}
    found = await place.post(f"{path}/approval", body)
    data = {key: found[key] for key in ("issue", "hash", "state")}
    output.result(data, as_json=as_json, text=f"Approved. {found['next']}")
    return 0


async def list_all(place: Server, *, slug: str | None, as_json: bool) -> int:
    """The issues there."""
    rows = (await place.get(f"{await place.newsletter(slug)}/issues"))["items"]
    columns = ("issue", "state", "planned", "planned_at", "title")
    output.rows(rows, as_json=as_json, columns=columns, empty="There is no issue yet.")
    return 0


async def status(place: Server, issue: str, *, slug: str | None) -> dict[str, Any]:
    """How far an issue is."""
    found: dict[str, Any] = await place.get(f"{await place.issue(slug, issue)}/status")
    return found
