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

from digest.content.plain_text_blocks import TextBlock

_MOST_BLURB_BLOCKS = 12
_NEVER = 1_000.0
_SAMPLE = 300
"""Blocks that are read in every spacing there could be; the rest follows the cheapest."""
_WIDEST = 4
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
    """How a text is set, supposedly: blank lines between items, and from how many on a section."""

    item: int
    section: int


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
    found = [_Spacing(item, _NO_SECTION_GAP) for item in gaps]
    found += [_Spacing(item, wide) for item in gaps for wide in gaps if wide > max(item, 1)]
    return found or [_Spacing(1, _NO_SECTION_GAP)]


def _read(blocks: Sequence[TextBlock], spacing: _Spacing) -> _Best:
    reader = _Reader(blocks, spacing)
    best: _Best = {(0, Part.PREVIEW): (0.0, None, None)}
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
    return min(best[end, part][0] for part in Part if (end, part) in best)


def _path(best: _Best, end: int) -> list[tuple[Part, int]]:
    ends = [part for part in Part if (end, part) in best]
    key: tuple[int, Part] | None = (end, min(ends, key=lambda part: best[end, part][0]))
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
        self.texts_are_rare = texts * 4 < len(blocks)

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
            yield _Step(index + 1, Part.TEXT, self.text_price(index))
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
            price += 1.0
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
        # A text goes on in the paragraph it began in.
        return price + (0.2 if block.gap else 0.0) if not block.is_greeting else price

    def heading_price(self, index: int, part: Part) -> float:
        block = self.blocks[index]
        if not block.can_be_heading or index + 1 == len(self.blocks):
            return _NEVER
        price = 0.2 if block.shows_heading else 1.5
        price -= 0.7 if block.is_known_heading else 0.0
        price += 1.2 if self.texts_are_rare and not block.shows_heading else 0.0
        price -= 0.5 if self.is_wide(index) else 0.0
        price += 0.4 * max(0, block.words - 5)
        if not block.shows_heading:
            price += 3.0 * block.is_sentence + 2.0 * block.is_question
            price += 3.0 if block.is_greeting or block.is_sign_off else 0.0
            price += 2.5 if block.gap == 0 and index else 0.0
        price += 4.0 if part is Part.HEADING else 0.0
        follows = self.blocks[index + 1]
        if follows.is_abstract or follows.is_byline or follows.is_address:
            price += 4.0
        return price + self.leaving_price(index, part)

    def leaving_price(self, index: int, part: Part) -> float:
        """What it costs to end an opening here although nothing shows that it ends."""
        if part is not Part.OPENING or self.is_wide(index) or self.blocks[index].shows_heading:
            return 0.0
        return 0.3 if self.blocks[index - 1].is_sign_off else 1.0

    def item_steps(self, index: int, part: Part) -> Iterator[_Step]:
        lost = part in {Part.PREVIEW, Part.OPENING} or (
            self.is_wide(index) and part is not Part.HEADING
        )
        price = self.title_price(index)
        if lost:
            price += 1.2 if self.is_wide(index) else 2.5
            price += self.leaving_price(index, part)
        elif part is not Part.HEADING and min(self.blocks[index].gap, _WIDEST) != self.spacing.item:
            price += 1.5
        for end in range(index + 1, min(index + 2 + _MOST_BLURB_BLOCKS, len(self.blocks) + 1)):
            if end > index + 1:
                price += self.blurb_price(index, end - 1)
            if price >= _NEVER:
                return
            bare = self.bare_price(index) if end == index + 1 else 0.0
            yield _Step(end, Part.BLURB, price + bare, lost=lost)

    def title_price(self, index: int) -> float:
        block = self.blocks[index]
        if block.is_address or len(block.text) > 500:
            return _NEVER
        price = 0.2 if block.is_question else 0.0
        text = block.is_sentence and not block.is_marked_title and not block.is_labelled
        price += 4.0 if text else 0.0
        price += 4.0 if block.is_abstract or block.is_byline else 0.0
        price += 3.0 if block.is_greeting or block.is_sign_off or block.is_footer else 0.0
        price += 2.0 if block.shows_heading else 0.0
        price += 0.5 if block.is_known_heading and block.words <= 4 else 0.0
        return price + (1.5 if block.words > 24 else 0.0)

    def bare_price(self, index: int) -> float:
        """What an item without any text costs."""
        block = self.blocks[index]
        if block.bullet or self.texts_are_rare:
            return 0.2
        return 0.6 if block.is_marked_title else 2.5

    def blurb_price(self, title: int, index: int) -> float:
        block = self.blocks[index]
        if block.is_address and not block.gap:
            return 0.0
        first = index == title + 1
        price = 0.0
        if self.is_wide(index):
            price += 4.0
        if block.bullet and not self.blocks[title].bullet:
            price += 1.0 if block.is_labelled and block.gap else 0.3
        elif block.bullet:
            price += 5.0
        if block.is_address or block.is_byline or block.is_abstract:
            return price
        price += self.no_blurb_price(index)
        if not block.is_sentence:
            shown = self.is_first_text(title, index)
            like_a_title = self.title_like_blurb_price(block, first=shown)
            price += like_a_title * (0.3 if shown and self.blocks[title].is_marked_title else 1.0)
        elif not first and not self.is_first_text(title, index):
            price += 0.1 if block.gap == 0 else 0.8
        return price

    def no_blurb_price(self, index: int) -> float:
        """What shows that a block is something else than the text of an item."""
        block = self.blocks[index]
        price = 6.0 if block.is_marked_title or block.shows_heading else 0.0
        price += 3.0 if block.is_sign_off or block.is_footer else 0.0
        if block.is_known_heading and block.words <= 4 and block.gap and not block.is_sentence:
            price += 2.0
        following = self.blocks[index + 1] if index + 1 < len(self.blocks) else None
        if following and (following.is_abstract or following.is_byline):
            price += 4.0  # then this is the title of that abstract
        if following and following.is_address and not following.gap and block.gap:
            price += 0.0 if block.is_sentence else 1.5  # and this of what stands at that address
        return price

    def title_like_blurb_price(self, block: TextBlock, *, first: bool) -> float:
        if not first:
            return 0.8 if block.gap == 0 else 3.5
        price = 2.0 if self.texts_are_rare else 0.6
        price += 1.5 if block.words <= 3 else 0.0
        price -= 0.4 if block.is_question else 0.0
        return price - (0.4 if block.gap == 0 else 0.0)

    def is_first_text(self, title: int, index: int) -> bool:
        between = self.blocks[title + 1 : index]
        return all(block.is_address or block.is_byline for block in between)

    def text_price(self, index: int) -> float:
        block = self.blocks[index]
        return 1.2 if block.is_sentence and not self.is_wide(index) else 3.0

    def closing_price(self, index: int, *, begins: bool) -> float:
        block = self.blocks[index]
        if block.is_sign_off or block.is_footer:
            return 0.0 if not begins else 0.3
        price = 0.3 if block.is_sentence or block.is_address else 0.6
        if begins:
            price += 0.7 if self.is_wide(index) else 2.5
            price += 1.5 if not block.is_sentence else 0.0
        elif not block.is_sentence and len(self.blocks) - index > 12:
            price += 1.0
        return price
