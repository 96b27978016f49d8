from __future__ import annotations

from digest.delivery.identity import direction_of, feedback_id
from tests.build import a_newsletter


async def test_the_feedback_id_has_four_fields_and_names_nobody(database):
    newsletter = await a_newsletter(database)
    parts = feedback_id(newsletter, issue="182").split(":")
    assert parts[:3] == ["182", "weekly", "issue"]
    assert len(parts) == 4
    assert 5 <= len(parts[3]) <= 15


def test_a_language_says_which_way_it_is_written():
    assert direction_of("he") == direction_of("AR-eg") == "rtl"
    assert direction_of("en") == direction_of("de-AT") == "ltr"
