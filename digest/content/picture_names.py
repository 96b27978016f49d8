"""Which stored picture an issue file means by which path, found again from what was rendered.

A version keeps its pictures by their hash alone. Every theme shows them in the order of the file,
so the n-th picture of the text is the n-th of the page.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from digest.content.issue import TODO, Issue
from digest.content.links import is_web

PICTURE_URL = re.compile(r"/media/(?P<name>(?P<sha>[0-9a-f]{64})\.(?:png|jpg|gif|webp))\b")
_SHOWN = re.compile(r"<img\b[^>]*>", re.IGNORECASE)


def picture_names(issue: Issue, html: str, stored: Collection[str]) -> dict[str, str]:
    """The path of each picture beside the file ``issue``, with the hash it has in ``html``.

    ``stored`` are the hashes that belong to the version. Empty where the two do not fit together.
    """
    written = [source for source, _ in issue.pictures if source != TODO and not is_web(source)]
    shown = [
        found["sha"]
        for image in _SHOWN.findall(html)
        if (found := PICTURE_URL.search(image)) and found["sha"] in stored
    ]
    if len(written) != len(shown):
        return {}
    names = dict(zip(written, shown, strict=True))
    consistent = all(names[source] == sha for source, sha in zip(written, shown, strict=True))
    return names if consistent else {}
