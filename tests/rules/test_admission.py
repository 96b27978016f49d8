"""Who comes in by a provider of identities: every row of the decision."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from digest.rules.admission import Act, Namesake, Policy, Said, Verdict, Way, admit
from digest.rules.rights import Role

SAID = Said("https://id.example", "17", "anne@example.org", proved=True, name="Anne")
NOBODY = Policy()
DOMAIN = Policy(domains=frozenset({"example.org"}), role=Role.EDITOR)
CLAIM = Policy(roles={"chiefs": Role.OWNER, "desk": Role.EDITOR})
BOTH = Policy(domains=frozenset({"example.org"}), roles={"desk": Role.EDITOR})


def said(**other: object) -> Said:
    return dataclasses.replace(SAID, **other)  # type: ignore[arg-type]  # fields by their names


AT_DESK = said(groups=frozenset({"desk", "choir"}))
FREE = Namesake(Way.ADDED, bound=False)
TAKEN = Namesake(Way.ADDED, bound=True)
BY_PASSWORD = Namesake(None, bound=False)


@pytest.mark.parametrize(
    "said, known, namesake, policy, act, role",
    [
        (SAID, None, FREE, NOBODY, Act.BIND, None),
        (SAID, None, None, NOBODY, Act.REFUSE, None),
        (SAID, None, TAKEN, DOMAIN, Act.REFUSE, None),
        (SAID, None, BY_PASSWORD, DOMAIN, Act.REFUSE, None),
        (SAID, None, None, DOMAIN, Act.MAKE, Role.EDITOR),
        (said(address="anne@sub.example.org"), None, None, DOMAIN, Act.REFUSE, None),
        (said(address="example.org@evil.example"), None, None, DOMAIN, Act.REFUSE, None),
        (AT_DESK, None, None, CLAIM, Act.MAKE, Role.EDITOR),
        (said(groups=frozenset({"desk", "chiefs"})), None, None, CLAIM, Act.MAKE, Role.OWNER),
        (SAID, None, None, CLAIM, Act.REFUSE, None),
        (AT_DESK, None, None, BOTH, Act.MAKE, Role.EDITOR),
        (SAID, None, None, BOTH, Act.REFUSE, None),
        (dataclasses.replace(AT_DESK, address="a@b.example"), None, None, BOTH, Act.REFUSE, None),
        (said(proved=False), Way.ADDED, None, NOBODY, Act.ENTER, None),
        (said(address="", proved=False), Way.ADDED, None, NOBODY, Act.ENTER, None),
        (SAID, Way.GRANTED, TAKEN, NOBODY, Act.REFUSE, None),
        (SAID, Way.GRANTED, TAKEN, CLAIM, Act.REFUSE, None),
        (SAID, Way.GRANTED, TAKEN, DOMAIN, Act.ENTER, None),
        (AT_DESK, Way.GRANTED, TAKEN, CLAIM, Act.ENTER, Role.EDITOR),
        (AT_DESK, None, Namesake(Way.GRANTED, bound=False), CLAIM, Act.BIND, Role.EDITOR),
        (SAID, None, Namesake(Way.GRANTED, bound=False), CLAIM, Act.REFUSE, None),
    ],
)
def test_each_row_of_the_decision(
    said: Said,
    known: Way | None,
    namesake: Namesake | None,
    policy: Policy,
    act: Act,
    role: Role | None,
) -> None:
    verdict = admit(said, known, namesake, policy)
    assert (verdict.act, verdict.role) == (act, role)
    assert bool(verdict.why) == (act is Act.REFUSE)


def test_an_address_that_was_not_proved_lets_nobody_in_whom_the_subject_does_not() -> None:
    namesakes = (None, FREE, TAKEN, BY_PASSWORD, Namesake(Way.GRANTED, bound=False))
    for namesake, policy in itertools.product(namesakes, (NOBODY, DOMAIN, CLAIM, BOTH)):
        for address in ("", "anne@example.org"):
            unproved = dataclasses.replace(AT_DESK, address=address, proved=False)
            verdict: Verdict = admit(unproved, None, namesake, policy)
            assert verdict.act is Act.REFUSE, (namesake, policy)
