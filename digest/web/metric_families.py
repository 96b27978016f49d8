"""The metrics by name, made of numbers that were read already. Labels have few values: slugs of
newsletters, lanes, states, providers, classes of replies, relays. No reader, no domain, no link.

A moment is a gauge in seconds since 1970, so that ``time() - …`` is right whenever it is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from digest import __version__
from digest.delivery.tally import Tally
from digest.rules.delivery import OPEN_STATES
from digest.store.notices import OPERATOR_LANE, SIGN_UP_LANE
from digest.store.relays import StoredRelay
from digest.store.revisions import RevisionState
from digest.store.watching import History, OnItsWay, Standing

_LANES = {SIGN_UP_LANE: "sign-up", OPERATOR_LANE: "operator"}

Labelled = Iterable[tuple[Sequence[str], float]]


def of_process(tally: Tally) -> Iterator[Metric]:
    """What this process is, and what relays answered it."""
    yield _gauge("build", "The version that runs.", [((__version__,), 1)], ("version",))
    answers = CounterMetricFamily(
        "digest_answers",
        "What became of messages this process sent since it started, by lane, provider, state and "
        "class of the answer.",
        labels=("lane", "destination", "outcome", "class"),
    )
    for line, number in sorted(tally.lines.items(), key=lambda pair: str(pair[0])):
        answers.add_metric((line.lane, line.destination, line.outcome, line.verdict), number)
    yield answers


def of_database(
    revision: RevisionState | None, *, writable: bool, used: int, most: int
) -> Iterator[Metric]:
    """Whether the database answers, takes what is written, and has the tables of this version."""
    yield _one("database_up", "Whether the database answers.", revision is not None)
    yield _one("database_writable", "Whether the last write went well.", writable)
    current = revision is RevisionState.CURRENT
    yield _one("database_current", "Whether its tables are those of this version.", current)
    yield _one("database_connections", "Connections in use.", used)
    yield _one("database_connections_max", "Connections there may be.", most)


def of_slots(here: Standing, now: datetime) -> Iterator[Metric]:
    """Each newsletter's schedule."""
    each = here.newsletters
    yield _gauge(
        "slot_lag_seconds",
        "How long a send slot is due that has not started its issue.",
        [((one.slug,), _since(one.late_since, now)) for one in each],
        ("newsletter",),
    )
    yield _gauge(
        "slot_held",
        "Whether the last slot sent nothing and waits for somebody.",
        [((one.slug,), one.held) for one in each],
        ("newsletter",),
    )
    yield _gauge(
        "last_slot_timestamp_seconds",
        "The last slot whose issue went out; seconds since then: time() - this.",
        [((one.slug,), one.last_sent_at.timestamp()) for one in each if one.last_sent_at],
        ("newsletter",),
    )
    coming = [one for one in each if one.next_at is not None]
    yield _gauge(
        "next_slot_timestamp_seconds",
        "The slot that comes next.",
        [((one.slug,), one.next_at.timestamp()) for one in coming if one.next_at],
        ("newsletter",),
    )
    yield _gauge(
        "next_slot_ready",
        "Whether an approved issue waits for the next slot.",
        [((one.slug,), one.next_ready) for one in coming],
        ("newsletter",),
    )


def of_queues(here: Standing, running: Sequence[OnItsWay]) -> Iterator[Metric]:
    """What waits to be sent."""
    states = sorted(state.value for state in OPEN_STATES)
    depth: dict[tuple[str, str], int] = {
        (one.slug, state): 0 for one in here.newsletters for state in states
    }
    for issue in running:
        for state in states:
            key = (issue.newsletter, state)
            depth[key] = depth.get(key, 0) + getattr(issue.totals, state)
    yield _gauge(
        "queue_deliveries",
        "Deliveries of issues on their way that are not settled.",
        depth.items(),
        ("newsletter", "state"),
    )
    yield _gauge(
        "queue_notices",
        "Notices that wait, by lane.",
        [((name,), here.notices.get(lane, 0)) for lane, name in _LANES.items()],
        ("lane",),
    )
    yield _one("held_deliveries", "Deliveries that wait for somebody to decide.", here.held)
    waiting = here.webhooks_waiting
    yield _one("webhook_deliveries_waiting", "What other programs are still to be told.", waiting)
    if here.heartbeat_at is not None:
        beat = here.heartbeat_at.timestamp()
        yield _one("sender_heartbeat_timestamp_seconds", "When a sender last said it lives.", beat)


def of_issues(running: Sequence[OnItsWay]) -> Iterator[Metric]:
    """The issues on their way; none when nothing is being sent."""
    labels = ("newsletter", "issue")
    rows = [((one.newsletter, one.issue), one) for one in running]
    planned = [(key, one.totals.planned) for key, one in rows]
    accepted = [(key, one.totals.accepted) for key, one in rows]
    settled = [(key, one.totals.planned - one.totals.waiting) for key, one in rows]
    yield _gauge("issue_planned", "Readers an issue on its way is for.", planned, labels)
    yield _gauge("issue_accepted", "For how many of them a relay took it.", accepted, labels)
    yield _gauge("issue_settled", "For how many of them nothing is left to do.", settled, labels)
    paused = [(key, one.paused) for key, one in rows]
    yield _gauge("issue_paused", "Whether it is paused: by somebody or by a brake.", paused, labels)


def of_feedback(here: Standing, past: History) -> Iterator[Metric]:
    """What comes back."""
    came_back = CounterMetricFamily(
        "digest_feedback",
        "What came back, by the door it came through and what was done about it.",
        labels=("source", "kind", "effect"),
    )
    for source, kind, effect, number in past.came_back:
        came_back.add_metric((source, kind, effect), number)
    yield came_back
    waiting = here.feedback_waiting
    yield _one("feedback_waiting", "What came back and is not decided: DNS is asked.", waiting)
    if here.last_feedback_at is not None:
        last = here.last_feedback_at.timestamp()
        yield _one("last_feedback_timestamp_seconds", "When something last came back.", last)
    yield _one("suppressed_addresses", "Addresses that get no mail any more.", past.suppressed)


def of_relays(relays: Sequence[StoredRelay], now: datetime) -> Iterator[Metric]:
    """The relays: whether they want to be left alone, and the pace that was learned."""
    closed = [
        ((one.name,), max(-_since(one.backoff_until, now), 0.0) if one.backoff_until else 0.0)
        for one in relays
    ]
    yield _gauge("relay_backoff_seconds", "How long it wants to be left alone.", closed, ("relay",))
    paces = [((one.name,), one.learned_rate) for one in relays if one.learned_rate is not None]
    about = "Messages a minute, where it bears fewer than were set."
    yield _gauge("relay_learned_rate", about, paces, ("relay",))


def _since(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else (now - moment).total_seconds()


def _one(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"digest_{name}", about, value=float(value))


def _gauge(name: str, about: str, rows: Labelled, labels: Sequence[str]) -> Metric:
    family = GaugeMetricFamily(f"digest_{name}", about, labels=labels)
    for values, number in rows:
        family.add_metric(values, float(number))
    return family
