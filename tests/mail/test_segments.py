"""Pieces: static bytes and values, joined in their order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from digest.mail.segments import FRAME, Layout, Piece

VALUES = tuple(b"<%d>" % number for number in range(5))
statics = st.binary(max_size=5).map(lambda data: Piece(FRAME, data))
places = st.integers(0, 4).map(lambda value: Piece(FRAME, value=value))


@given(st.lists(st.one_of(statics, places)))
def test_pieces_are_joined_in_their_order_with_the_values_in_their_places(pieces):
    pieces = [Piece(FRAME, value=0), *pieces, Piece(FRAME, value=1)]  # a header has two at least
    joined = b"".join(p.data if p.value is None else VALUES[p.value] for p in pieces)
    layout = Layout(pieces)
    assert layout.fill(VALUES) == joined
    assert layout.fill(VALUES) == joined
    other = tuple(b"[%d]" % number for number in range(5))
    assert layout.fill(other) == b"".join(
        p.data if p.value is None else other[p.value] for p in pieces
    )
