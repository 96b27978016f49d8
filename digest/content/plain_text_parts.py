"""Which blocks of a plain text are what: found as the cheapest reading of the whole text.

A newsletter reads as title, preview line, opening, sections of items (a title line and what it
says about it), closing. No line shows on its own which of these it is, so every reading of the
text has a price, and the cheapest is taken (dynamic programming, linear in the blocks). A line
that must be a heading because a title and its text follow is one although it looks like a title.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from digest.content.plain_text_blocks import TextBlock

_MOST_BLURB_BLOCKS = 12
_NEVER = 1_000.0
_ABSURD = 14.0
"""Something else is cheaper than an item of this price, however it goes on."""
_SAMPLE = 300
"""Blocks that are read in every spacing there could be; the rest follows the cheapest."""
_WIDEST = 4
_USUAL_OPENING = 8
_USUAL_CLOSING = 4
"""Blocks; what is longer may hold the first or the last items."""
_NO_SECTION_GAP = 1_000_000


class Part(StrEnum):
    """What a block is in the issue."""

    PREVIEW = "preview"
    OPENING = "opening"
    HEADING = "heading"
    LOST_HEADING = "lost heading"
    TEXT = "text"
    TITLE = "title"
    BLURB = "blurb"
    CLOSING = "closing"


@dataclass(frozen=True, slots=True)
class _Step:
    """One reading of a run of blocks: from, to, in which part we are then, and the price."""

    end: int
    part: Part
    price: float
    lost: bool = False


@dataclass(frozen=True, slots=True)
class _Spacing:
    """How a text is set, supposedly.

    Blank lines above an item, above its text, and from how many on a section begins; ``long``:
    whether several paragraphs about an item are usual.
    """

    item: int
    section: int
    text: int
    long: bool


_Best = dict[tuple[int, Part], tuple[float, tuple[int, Part] | None, _Step | None]]


def read_parts(blocks: Sequence[TextBlock]) -> list[tuple[Part, int]]:
    """The parts of the blocks after the title, in order, as (part, index of the block).

    A ``LOST_HEADING`` stands, with the index of the block after it, where a section begins
    whose heading is not in the text.
    """
    sample = blocks[:_SAMPLE]
    readings = {spacing: _read(sample, spacing) for spacing in _spacings(sample)}
    spacing = min(readings, key=lambda one: _price(readings[one], len(sample)))
    best = readings[spacing] if len(sample) == len(blocks) else _read(blocks, spacing)
    return _path(best, len(blocks))


def _spacings(blocks: Sequence[TextBlock]) -> list[_Spacing]:
    gaps = sorted({min(block.gap, _WIDEST) for block in blocks[1:]})
    found = []
    for item in gaps or [1]:
        sections = [_NO_SECTION_GAP, *(wide for wide in gaps if wide > max(item, 1))]
        texts = [gap for gap in gaps if gap <= item] or [item]
        for section, text, long in product(sections, texts, (False, True)):
            found.append(_Spacing(item, section, text, long))
    return found


def _read(blocks: Sequence[TextBlock], spacing: _Spacing) -> _Best:
    reader = _Reader(blocks, spacing)
    start = 2.0 if spacing.long else 0.0
    best: _Best = {(0, Part.PREVIEW): (start, None, None)}
    for index in range(len(blocks)):
        for part in Part:
            known = best.get((index, part))
            if known is None:
                continue
            for step in reader.steps(index, part):
                key = (step.end, step.part)
                price = known[0] + step.price
                if key not in best or price < best[key][0]:
                    best[key] = (price, (index, part), step)
    return best


def _price(best: _Best, end: int) -> float:
    return min(_price_at_end(best, end, part) for part in Part if (end, part) in best)


def _price_at_end(best: _Best, end: int, part: Part) -> float:
    """The price of a reading; one without a section is none of a newsletter if it is long."""
    only_opening = part in {Part.PREVIEW, Part.OPENING} and end > 4
    return best[end, part][0] + (3.0 if only_opening else 0.0)


def _path(best: _Best, end: int) -> list[tuple[Part, int]]:
    ends = [part for part in Part if (end, part) in best]
    key: tuple[int, Part] | None = (end, min(ends, key=lambda part: _price_at_end(best, end, part)))
    path: list[tuple[Part, int]] = []
    while key is not None:
        _, before, step = best[key]
        if before is not None and step is not None:
            first = before[0]
            part = step.part
            if part is Part.BLURB:
                run = [(Part.TITLE, first), *((Part.BLURB, i) for i in range(first + 1, step.end))]
            else:
                run = [(part, i) for i in range(first, step.end)]
            if step.lost:
                run.insert(0, (Part.LOST_HEADING, first))
            path[:0] = run
        key = before
    return path


class _Reader:
    def __init__(self, blocks: Sequence[TextBlock], spacing: _Spacing) -> None:
        self.blocks = blocks
        self.spacing = spacing
        texts = sum(block.is_sentence for block in blocks)
        titles = sum(not block.is_address for block in blocks)
        self.texts_are_rare = texts * 8 < titles

    def steps(self, index: int, part: Part) -> Iterator[_Step]:
        """What can come at a block, after the part before it. PREVIEW is also the start."""
        if part is Part.PREVIEW:
            if index == 0:
                yield _Step(1, Part.PREVIEW, self.preview_price())
            yield _Step(index + 1, Part.OPENING, self.opening_price(index))
        if part is Part.OPENING:
            yield _Step(index + 1, Part.OPENING, self.opening_price(index))
        if part is Part.CLOSING:
            yield _Step(index + 1, Part.CLOSING, self.closing_price(index, begins=False))
            return
        yield _Step(index + 1, Part.HEADING, self.heading_price(index, part))
        yield from self.item_steps(index, part)
        if part in {Part.HEADING, Part.TEXT}:
            yield _Step(index + 1, Part.TEXT, self.text_price(index, part))
        if part in {Part.BLURB, Part.TEXT}:
            yield _Step(index + 1, Part.CLOSING, self.closing_price(index, begins=True))

    def is_wide(self, index: int) -> bool:
        return index < len(self.blocks) and self.blocks[index].gap >= self.spacing.section

    def preview_price(self) -> float:
        block = self.blocks[0]
        if len(block.text) > 300 or block.is_greeting or block.bullet or block.is_address:
            return _NEVER
        if block.shows_heading or block.is_marked_title or len(block.lines) > 3:
            return _NEVER
        price = 0.5 if block.words >= 4 else 1.5
        if "," in block.text or "& more" in block.text.lower() or "and more" in block.text.lower():
            price -= 0.3
        if block.text.endswith((".", ":", ",")):
            price += 2.5 if ". " in block.text or block.welcomes else 1.0
        price += 2.5 if block.is_dateline else 0.0
        follows = self.blocks[1] if len(self.blocks) > 1 else None
        price -= 1.2 if follows is not None and follows.is_greeting else 0.0
        if follows is None or (follows.gap == 0 and not follows.is_greeting):
            price += 1.5
        return price

    def opening_price(self, index: int) -> float:
        block = self.blocks[index]
        price = 0.3 if block.is_sentence or block.bullet else 1.5
        if block.is_greeting or block.is_sign_off or block.is_footer:
            price = 0.0
        if block.is_dateline and index < 2:
            price = 0.1
        if block.shows_heading:
            price += 2.0
        if self.is_wide(index) and index > 1:
            price += 1.5
        price += 2.0 if block.is_known_heading and block.gap else 0.0
        price += 1.0 if block.is_marked_title or block.is_dashed else 0.0
        price += 0.15 * max(0, index - _USUAL_OPENING)
        # A text goes on in the paragraph it began in.
        return price + (0.2 if block.gap else 0.0) if not block.is_greeting else price

    def heading_price(self, index: int, part: Part) -> float:
        block = self.blocks[index]
        if not block.can_be_heading or index + 1 == len(self.blocks):
            return _NEVER
        shown = block.shows_heading or block.is_known_heading
        price = 0.2 if shown else 1.2 if block.words < 4 else 1.5
        price -= 0.2 if block.is_known_heading else 0.0
        price += 1.0 if ":" in block.text[:-1] or "|" in block.text else 0.0
        price += 1.2 if self.texts_are_rare and not shown else 0.0
        price -= 0.8 if self.is_wide(index) else 0.0
        price += 0.6 * max(0, block.words - 4) if not shown else 0.4 * max(0, block.words - 5)
        if not shown:
            price += 3.0 * block.is_sentence + 2.0 * block.is_question
            price += 3.0 if block.is_greeting or block.is_sign_off else 0.0
            price += 2.5 if block.gap == 0 and index else 0.0
            price += 1.5 if block.is_name and self.blocks[index - 1].is_dashed else 0.0
        price += 4.0 if part is Part.HEADING else 0.0
        follows = self.blocks[index + 1]
        if follows.is_abstract or follows.is_byline or follows.is_address:
            price += 4.0
        price += 2.0 if self.leads_to_list(index) else 0.0
        return price + self.leaving_price(index, part)

    def leaving_price(self, index: int, part: Part) -> float:
        """What it costs to end an opening here although nothing shows that it ends."""
        block = self.blocks[index]
        shown = block.shows_heading or block.is_known_heading
        if part is not Part.OPENING or self.is_wide(index) or shown:
            return 0.0
        return 0.3 if self.blocks[index - 1].is_sign_off or block.gap > 1 else 1.0

    def item_steps(self, index: int, part: Part) -> Iterator[_Step]:
        lost = part in {Part.PREVIEW, Part.OPENING} or (
            self.is_wide(index) and part is not Part.HEADING
        )
        price = self.title_price(index, part)
        if lost:
            price += 0.8 if self.is_wide(index) else 1.5
            price += self.leaving_price(index, part)
        elif part is not Part.HEADING:
            gap = min(self.blocks[index].gap, _WIDEST)
            price += 1.5 if gap > self.spacing.item else 3.0 if gap < self.spacing.item else 0.0
        opens = True
        for end in range(index + 1, min(index + 2 + _MOST_BLURB_BLOCKS, len(self.blocks) + 1)):
            if end > index + 1:
                price += self.blurb_price(index, end - 1, opens=opens)
                opens = opens and (
                    self.blocks[end - 1].is_address or self.blocks[end - 1].is_byline
                )
            if price >= _ABSURD and end > index + 1:
                return
            bare = self.bare_price(index) if end == index + 1 else 0.0
            yield _Step(end, Part.BLURB, price + bare, lost=lost)

    def title_price(self, index: int, part: Part) -> float:
        block = self.blocks[index]
        if block.is_address or len(block.text) > 500:
            return _NEVER
        price = 0.2 if block.is_question else 0.0
        if block.is_sentence and not block.is_marked_title and not block.is_labelled:
            price += self.sentence_title_price(block, first=part is Part.HEADING)
        price += 4.0 if block.is_abstract or block.is_byline else 0.0
        price += 3.0 if block.is_greeting or block.is_sign_off or block.is_footer else 0.0
        price += 2.0 if block.shows_heading else 0.0
        price += 2.0 if block.is_known_heading else 0.0
        return price + (1.5 if block.words > 24 else 0.0)

    def sentence_title_price(self, block: TextBlock, *, first: bool) -> float:
        """What a title costs that ends as a text does."""
        if block.is_dashed:
            return 0.3
        if not block.is_like_a_title:
            return 4.0
        if block.end.endswith(":") and block.gap:
            return 0.8
        return 1.6 if first else 2.4

    def bare_price(self, index: int) -> float:
        """What an item without any text costs."""
        block = self.blocks[index]
        if block.bullet or self.texts_are_rare or block.is_dashed:
            return 0.2
        return 0.6 if block.is_marked_title else 2.5

    def blurb_price(self, title: int, index: int, *, opens: bool) -> float:
        """What a block costs as text of an item; ``opens``: above it are only address, byline."""
        block = self.blocks[index]
        if block.is_address and not block.gap:
            return 0.0
        first = index == title + 1
        price = 0.0
        if self.is_wide(index):
            price += 4.0
        above = self.blocks[index - 1]
        if (
            block.bullet
            and not block.gap
            and (above.end.endswith(":") or (above.bullet and not first))
        ):
            return price + (0.2 if not self.blocks[title].bullet else 5.0)
        if block.bullet and not self.blocks[title].bullet:
            price += 1.0 if block.is_labelled and block.gap else 0.3
        elif block.bullet:
            price += 5.0
        if block.is_address or block.is_byline or block.is_abstract:
            return price
        if first and block.is_name and self.blocks[title].is_dashed:
            return price
        if min(block.gap, _WIDEST) > self.spacing.text:
            price += 0.8
        elif min(block.gap, _WIDEST) < self.spacing.text:
            price += 0.2
        price += self.no_blurb_price(index)
        if not block.is_sentence:
            like_a_title = self.title_like_blurb_price(block, first=opens)
            price += like_a_title * (0.3 if opens and self.blocks[title].is_marked_title else 1.0)
        elif not first and not opens:
            usual = 0.4 if self.spacing.long else 1.1
            after = self.blocks[title + 1].is_abstract
            price += 0.1 if block.gap == 0 or block.is_text_label or after else usual
        return price

    def no_blurb_price(self, index: int) -> float:
        """What shows that a block is something else than the text of an item."""
        block = self.blocks[index]
        if self.leads_to_list(index):
            return 0.0
        price = 6.0 if block.is_marked_title or block.shows_heading else 0.0
        price += 1.5 if block.is_dashed and block.gap else 0.0
        price += 3.0 if block.is_sign_off or block.is_footer else 0.0
        price += 3.0 if block.is_known_heading and block.gap else 0.0
        following = self.blocks[index + 1] if index + 1 < len(self.blocks) else None
        if following and (following.is_abstract or following.is_byline):
            price += 4.0  # then this is the title of that abstract
        if following and following.is_address and not following.gap and block.gap:
            price += 0.0 if block.is_sentence else 1.5  # and this of what stands at that address
        return price

    def leads_to_list(self, index: int) -> bool:
        """Whether it says what the list right below it is of."""
        below = self.blocks[index + 1] if index + 1 < len(self.blocks) else None
        listed = below is not None and below.bullet and not below.gap
        return listed and self.blocks[index].end.endswith(":")

    def title_like_blurb_price(self, block: TextBlock, *, first: bool) -> float:
        if not first:
            return 0.8 if block.gap == 0 else 3.5
        price = 2.0 if self.texts_are_rare else 0.6
        price += 1.2 if block.words == 1 else 0.6 if block.words <= 3 else 0.0
        price -= 0.4 if block.is_question else 0.0
        return price - (0.4 if block.gap == 0 else 0.0)

    def text_price(self, index: int, part: Part) -> float:
        block = self.blocks[index]
        if not block.is_sentence or self.is_wide(index):
            return 3.0
        if part is Part.TEXT:
            return 0.6
        return 1.6 if block.is_like_a_title and self.blocks[index - 1].gap else 1.2

    def closing_price(self, index: int, *, begins: bool) -> float:
        block = self.blocks[index]
        if block.is_sign_off or block.is_footer:
            return 0.0 if not begins else 0.3
        price = 0.3 if block.is_sentence or block.is_address else 0.6
        price += 2.0 if block.is_known_heading or block.is_marked_title else 0.0
        if begins:
            price += 0.7 if self.is_wide(index) else 3.5
            price += 1.5 if not block.is_sentence else 0.0
        elif not block.is_sentence:
            price += 0.15 * max(0, len(self.blocks) - index - _USUAL_CLOSING)
        return price
