"""Whom a provider of identities may send in: what it says of somebody, against who is known here.

A provider knows many people; that it knows somebody lets nobody in. An owner has added them, or a
domain or a claim that the settings name has. An address decides once, and only where the provider
says that it was proved; from then on the subject does, which is never given to anybody else (OpenID
Connect Core §5.7).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from digest.rules.rights import Role


class Way(StrEnum):
    """Why somebody may come in by a provider."""

    ADDED = "added"  # an owner said so
    GRANTED = "granted"  # what the provider says of them does, each time


@dataclass(frozen=True, slots=True)
class Said:
    """What a provider said of whoever stands at the door. ``address`` "" where it said none."""

    issuer: str
    subject: str
    address: str = ""
    proved: bool = False
    name: str = ""
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Policy:
    """Who comes in without having been added: nobody, where both are empty; where both are not,
    who meets both.
    """

    domains: frozenset[str] = frozenset()
    role: Role = Role.VIEWER
    roles: Mapping[str, Role] = field(default_factory=dict)

    def grants(self, said: Said) -> Role | None:
        """The role somebody has because of what the provider says; None: they have none."""
        if not said.proved or not (self.domains or self.roles):
            return None
        if self.domains and said.address.rpartition("@")[2] not in self.domains:
            return None
        if not self.roles:
            return self.role
        found = {self.roles[group] for group in said.groups if group in self.roles}
        return next((role for role in Role if role in found), None)


@dataclass(frozen=True, slots=True)
class Namesake:
    """A user who has the address that was proved. ``bound``: somebody has signed in as them."""

    way: Way | None
    bound: bool


class Act(StrEnum):
    """What becomes of whoever stands at the door."""

    ENTER = "enter"  # whom the subject names
    BIND = "bind"  # enter as who has the address, which belongs to the subject from now on
    MAKE = "make"  # enter as a new user
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``role`` is what they have from now on, None: what they had. ``why`` is for the log."""

    act: Act
    role: Role | None = None
    why: str = ""


def admit(said: Said, known: Way | None, namesake: Namesake | None, policy: Policy) -> Verdict:
    """Decide about somebody. ``known`` is the way of the user whose subject this is, if any."""
    granted = policy.grants(said)
    if known is Way.ADDED:
        return Verdict(Act.ENTER)
    if known is Way.GRANTED:
        if granted is None:
            return _refused("what let them in does not hold any more")
        return Verdict(Act.ENTER, granted if policy.roles else None)
    if not said.address:
        return _refused("the provider told no address")
    if not said.proved:
        return _refused("the provider does not say that the address is theirs")
    if namesake is None:
        return _refused("nobody has added them") if granted is None else Verdict(Act.MAKE, granted)
    if namesake.way is None:
        return _refused("their account is not for this sign-in")
    if namesake.bound:
        return _refused("somebody else has signed in with this address")
    if namesake.way is Way.ADDED:
        return Verdict(Act.BIND)
    if granted is None:
        return _refused("what let them in does not hold any more")
    return Verdict(Act.BIND, granted if policy.roles else None)


def _refused(why: str) -> Verdict:
    return Verdict(Act.REFUSE, why=why)
