"""What every theme is looked at with: the example, an issue of everything, one from the right."""

from __future__ import annotations

import dataclasses
import re

from digest import resources
from digest.content.issue import Issue
from digest.content.issue_file import parse_issue
from digest.content.media import Media
from digest.content.render import Rendered, render_issue
from digest.content.theme import Masthead, load_theme
from tests.content.test_render import EXAMPLE, MASTHEAD, pictures

THEMES = sorted(path.parent.name for path in (resources.templates() / "issue").glob("*/theme.toml"))

EVERYTHING = """---
number: 7
title: Everything, and More
preview: One of each thing an issue can have, so that nothing is forgotten
date: 2026-11-26
---
Hello {name|there}, with `code`, **weight**, *stress* and a [link](https://example.org/opening).

> A quotation in the opening.

![A tree](https://example.org/tree.png) stands in the text.

## Reading & writing
Words of the section itself, and a word that never ends: {LONG} it is.

### [An article](https://example.org/article)
*The Site · 4 min*

![The first page](https://example.org/page.png)

Two paragraphs.

1. One
2. Two
   - inner

```
x = 1
```

### [owner/repository](https://github.com/owner/repository)
What it does.

### [A paper on things](https://arxiv.org/abs/2101.05783)
*Anne, Bart, Cris*

> Abstract: quoted source.

### [Room for a tool](https://example.com/sponsor) {sponsor}
Words of a sponsor.

### [A talk](https://example.org/video) {video}

## Short
- [One](https://example.org/1): a word
- [Two](https://example.org/2) {sponsor}: another
- [Three](https://example.org/3)

## Third
### [Something](https://example.org/something)
Text.

## Fourth
### [Last](https://example.org/fourth)
Text.

---
That was all.
"""

FROM_THE_RIGHT = """---
number: 7
title: رسالة الأسبوع
preview: أشياء تستحق القراءة هذا الأسبوع، ومقال عن القوائم
date: 2026-11-26
---
مرحبا {name|صديقنا}،

## مقالات
### [عنوان المقال](https://example.org/article)
*الموقع · ٤ دقائق*

نص قصير عن المقال.

> اقتباس من المصدر.

- نقطة
- نقطة أخرى

### [أداة جيدة](https://example.com/sponsor) {sponsor}
كلمات الراعي.
"""

EVERYTHING = EVERYTHING.replace("{LONG}", "https://example.org/" + "endless" * 12)

LOOKS = ("example", "everything", "right")
_MARK = re.compile("\ue000([0-9]+)\ue001|\ue002[0-9]+\ue003")


def rendered_look(theme: str, look: str) -> Rendered:
    """One of the three issues in a theme."""
    issue, masthead, media = issue_of(look)
    return render_issue(issue, masthead, load_theme(theme), media=media)


def page_of(theme: str, look: str) -> str:
    """Its HTML as one reader gets it."""
    return as_read(rendered_look(theme, look))


def as_read(rendered: Rendered) -> str:
    """HTML with values in the place of marks."""

    def value(match: re.Match[str]) -> str:
        if match[1] is None:
            return ""
        slot = rendered.slots[int(match[1])]
        return "Anne" if slot.name == "name" else "a" * 40

    return _MARK.sub(value, rendered.html)


def issue_of(look: str) -> tuple[Issue, Masthead, dict[str, Media]]:
    """One of the issues, in whose name it goes out, and its pictures."""
    if look == "example":
        issue = parse_issue(EXAMPLE.read_text("utf-8"))
        return issue, MASTHEAD, pictures(issue, EXAMPLE.parent)
    if look == "everything":
        logo = "https://news.example.org/media/logo.png"
        masthead = dataclasses.replace(MASTHEAD, logo_url=logo, logo_size=(44, 44))
        return parse_issue(EVERYTHING), masthead, {}
    masthead = dataclasses.replace(
        MASTHEAD, name="رسالة", from_name="رسالة", language="ar", direction="rtl"
    )
    return parse_issue(FROM_THE_RIGHT), masthead, {}
