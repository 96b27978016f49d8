"""Letters for one session, given to it as a scene wants, and what it told of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from digest.delivery.session import Answer, Letter, SmtpSession

Result = Answer | Exception | None


@dataclass
class Scripted:
    """One job; ``results`` is what it was told, which must be once."""

    letter: Letter
    allowed: bool = True
    results: list[Result] = field(default_factory=list)
    asked: Callable[[], None] = lambda: None
    ours: bool = True  # until its body is written

    def may_start(self) -> bool:
        self.asked()
        return self.allowed

    def may_end(self) -> bool:
        return self.ours

    def finish(self, result: Result) -> None:
        self.results.append(result)

    @property
    def result(self) -> Result:
        (result,) = self.results
        return result


@dataclass
class Script:
    """Gives its jobs in order: all at hand, or (``hurried`` false) only to an idle connection."""

    jobs: Sequence[Scripted]
    hurried: bool = True
    given: int = 0

    def at_hand(self) -> Scripted | None:
        return self._next() if self.hurried else None

    async def wait(self) -> Scripted | None:
        return self._next()

    def _next(self) -> Scripted | None:
        if self.given == len(self.jobs):
            return None
        self.given += 1
        return self.jobs[self.given - 1]


async def run(session: SmtpSession, *letters: Letter, may_start: bool = True) -> list[Result]:
    """Send letters that are all at hand; what came of those that were taken by the session."""
    script = Script([Scripted(letter, allowed=may_start) for letter in letters])
    await session.run(script)
    return [job.result for job in script.jobs[: script.given]]
