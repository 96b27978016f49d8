from __future__ import annotations

from digest.delivery.identity import feedback_id
from tests.build import a_newsletter


async def test_the_feedback_id_has_four_fields_and_names_nobody(database):
    newsletter = await a_newsletter(database)
    parts = feedback_id(newsletter, issue="182").split(":")
    assert parts[:3] == ["182", "weekly", "issue"]
    assert len(parts) == 4
    assert 5 <= len(parts[3]) <= 15
