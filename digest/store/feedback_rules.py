"""Words an operator has taught us to read: "these words mean that reason"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import delete, select

from digest.errors import InputError
from digest.mail.bounce import Reason, Report
from digest.mail.bounce.classify import is_hard
from digest.store.schema import feedback_rules
from digest.store.session import Session
from digest.store.types import insert

PHRASE_MIN, PHRASE_MAX = 8, 200  # characters; shorter ones stand in anything
_UNSURE = frozenset({Reason.UNDEFINED, Reason.ON_HOLD})


@dataclass(frozen=True, slots=True)
class Taught:
    """The rules of one moment; the first phrase that stands in what was said decides."""

    reasons: Mapping[str, Reason]

    def apply(self, report: Report) -> Report:
        """``report`` with a reason for what the parser found none for."""
        if not self.reasons:
            return report
        recipients = tuple(
            replace(
                one, reason=reason, hard=one.final and self._hard(reason, one.status, one.reply)
            )
            if one.reason in _UNSURE and (reason := self._reason(one.evidence)) is not None
            else one
            for one in report.recipients
        )
        return replace(report, recipients=recipients)

    def _reason(self, said: str) -> Reason | None:
        words = " ".join(said.lower().split())
        return next((reason for phrase, reason in self.reasons.items() if phrase in words), None)

    @staticmethod
    def _hard(reason: Reason, status: str, reply: str) -> bool:
        return is_hard(reason, status=status, reply=reply)


async def taught(session: Session) -> Taught:
    """Every rule, the oldest first."""
    query = select(feedback_rules.c.phrase, feedback_rules.c.reason).order_by(feedback_rules.c.id)
    return Taught({row.phrase: Reason(row.reason) for row in await session.execute(query)})


async def teach(session: Session, phrase: str, reason: str, now: datetime) -> bool:
    """Have ``phrase`` mean ``reason`` from now on; False when it was taught. InputError."""
    words = " ".join(phrase.lower().split())
    if not PHRASE_MIN <= len(words) <= PHRASE_MAX:
        raise InputError(
            f"A phrase has {PHRASE_MIN} to {PHRASE_MAX} characters.",
            where="phrase",
            fix="Take the words of the server that say why, without addresses and numbers.",
        )
    try:
        known = Reason(reason)
    except ValueError:
        names = ", ".join(sorted(Reason))
        raise InputError(
            f"There is no reason {reason!r}.", where="reason", fix=f"Use one of: {names}."
        ) from None
    values = {"phrase": words, "reason": known.value, "created_at": now}
    added = insert(feedback_rules).values(**values).on_conflict_do_nothing()
    return (await session.execute(added)).rowcount == 1


async def unteach(session: Session, phrase: str) -> bool:
    """Forget a rule; False when there is none."""
    words = " ".join(phrase.lower().split())
    gone = await session.execute(delete(feedback_rules).where(feedback_rules.c.phrase == words))
    return gone.rowcount == 1
