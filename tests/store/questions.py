"""What is asked of tables that grow, with somebody or something waiting for the answer.

Not here: what an operator asks once (a list of everything, a database put back from a backup).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from digest.rules.delivery import DeliveryState
from digest.rules.feedback import Bearing, Effect
from digest.rules.subscription import PassPurpose, SubscriptionState, SuppressionReason
from digest.rules.webhooks import WebhookEvent
from digest.store import (
    aftermath,
    alerted,
    audit,
    clicks,
    control,
    counts,
    delivery_rows,
    erasure,
    feedback,
    feedback_counts,
    feedback_reports,
    forgetting,
    growth,
    handover,
    issue_tests,
    last_replies,
    mailbox_health,
    notices,
    old_notices,
    overtaking,
    own_data,
    passes,
    planning,
    poison,
    preferences,
    progress,
    reader_list,
    reader_pages,
    reader_search,
    receipts,
    reports,
    resend,
    rollup,
    signups,
    subscribers,
    suppressions,
    tags,
    watching,
    webhooks,
)
from digest.store.claims import claim_deliveries
from digest.store.deliveries import cancel_departed
from digest.store.issues import latest_for
from digest.store.session import Session
from tests.build import NOW
from tests.store.plans import Asked

ANNE = "anne@example.org"
_WINDOW = aftermath.Window(1, 1, NOW, NOW)
_PLACE = feedback_counts.Place("example.org", (1, 2))
_AUDIENCE = planning.Audience(1, 1, NOW)
_PURPOSES = list(PassPurpose)
_SIGNUP = signups.Signup(1, ANNE, "192.0.2.0", "form")
_SUBJECT = feedback.Subject(delivery_id=1, issue_id=1, newsletter_id=1, subscriber_id=1)


def _which(**given: Any) -> delivery_rows.Which:
    return delivery_rows.Which(**given)


def _readers(*given: Any) -> reader_pages.WhichReaders:
    return reader_pages.WhichReaders(*given)


def _notice() -> notices.Notice:
    return notices.Notice("welcome", 0, ANNE, "en", subscription_id=1, dedupe_key=f"welcome:{ANNE}")


async def _came_back(session: Session, **which: Any) -> None:
    await feedback_reports.list_feedback(session, feedback_reports.Which(**which))


async def _overtaken(session: Session) -> None:
    await session.execute(text("UPDATE issues SET overtaken = true"))
    await overtaking.give_up_page(session, 1, NOW, after=0, limit=9)


async def _search(session: Session, **sought: Any) -> None:
    await reader_search.search_readers(session, reader_search.Sought(1, **sought), after=1)


async def _erase(session: Session) -> None:
    reader = await preferences.person(session, 1)
    assert reader is not None
    await erasure.anonymise(session, reader, NOW)


QUESTIONS: dict[str, Asked] = {
    "claim deliveries": lambda s: claim_deliveries(s, worker_id=1, issue_id=1, limit=9, now=NOW),
    "claim notices": lambda s: notices.claim_notices(s, worker_id=1, limit=9, now=NOW),
    "notices that run out": lambda s: notices.expire_notices(s, NOW),
    "the next notice": notices.next_notice_due,
    "who sends": handover.owners,
    "rows of the dead": lambda s: handover.rescue(s, [1], now=NOW),
    "who left before their turn": lambda s: cancel_departed(s, 1, NOW),
    "issues on their way": progress.issues_on_their_way,
    "rows that are due": lambda s: progress.due_count(s, 1, NOW, most=9),
    "the next row": lambda s: progress.next_due(s, 1),
    "rows in hand": lambda s: progress.sending_count(s, 1),
    "an issue that is through": lambda s: progress.finish_sending(s, 1, NOW),
    "rejections": lambda s: counts.rejections(s, 1, NOW),
    "what was answered": lambda s: counts.answered(s, 1, [1], NOW, most=9),
    "what was accepted": lambda s: counts.accepted(s, 1, NOW, most=9),
    "the canary": lambda s: counts.canary_counts(s, 1),
    "the clicks of an issue": lambda s: clicks.clicks_of_issue(s, 1),
    "where links lead": lambda s: clicks.targets_of(s, 1),
    "how things stand": lambda s: watching.standing(s, NOW),
    "issues to watch": watching.on_their_way,
    "the totals of an issue": lambda s: reports.issue_totals(s, 1),
    "whom an issue missed": lambda s: reports.missed_readers(s, 1),
    "the replies to an issue": lambda s: reports.replies_of_issue(s, 1),
    "a receipt": lambda s: receipts.receipt(s, 1),
    "where an issue went": lambda s: receipts.destination_counts(s, 1),
    "a page of rows": lambda s: delivery_rows.delivery_list(s, 1),
    "the rows of a reader": lambda s: delivery_rows.deliveries_of(s, 1),
    "the history of a row": lambda s: delivery_rows.delivery_history(s, 1),
    "rows to roll up": lambda s: rollup.roll_up(s, 1, after=0, limit=9),
    "counts of what was": lambda s: rollup.rolled_up_of(s, 1),
    "whose delivery it is": lambda s: feedback.subject_of_delivery(s, 1),
    "whose message a relay means": lambda s: feedback.subject_of_relay_id(s, "x"),
    "whose notice it is": lambda s: feedback.subject_of_notice(s, 1),
    "whose address it is": lambda s: feedback.subject_of_address(s, "anne@example.org"),
    "what nobody was told of": lambda s: feedback.given_up(s, 1),
    "whom to ask the DNS about": lambda s: feedback.asking(s, NOW),
    "what came back of a kind": (
        lambda s: feedback_counts.came_back(s, 1, Bearing.HARD, since=NOW)
    ),
    "the last words": lambda s: feedback_counts.last_words(s, 1, Bearing.HARD),
    "rows of who bounces": lambda s: mailbox_health.settle_waiting(
        s, 1, DeliveryState.SKIPPED, NOW
    ),
    "a reader by address": lambda s: subscribers.find_reader(s, "anne@example.org"),
    "what a sender holds of a reader": lambda s: subscribers.sending_claims(s, [1]),
    "leaving": lambda s: subscribers.leave_subscription(s, 1, NOW),
    "a page of readers": lambda s: reader_list.list_readers(s, 1),
    "whether an address is suppressed": (
        lambda s: suppressions.suppression_of(s, 1, "anne@example.org")
    ),
    "how somebody agreed": lambda s: own_data.consent_history(s, 1),
    "what somebody was sent": lambda s: own_data.mail_history(s, 1),
    "open sign-ups": lambda s: signups.open_signups(s, limit=9),
    "a sign-up": lambda s: signups.take_signup(s, 1),
    "sign-ups of long ago": lambda s: signups.forget_signups(s, NOW),
    "links that have run out": lambda s: passes.forget_passes(s, NOW),
    "pauses that are over": lambda s: preferences.end_pauses(s, NOW),
    "the person behind a link": lambda s: preferences.person(s, 1),
    "webhooks to tell": lambda s: webhooks.due_webhooks(s, NOW),
    "notices of long ago": lambda s: old_notices.forget_notices(s, NOW, 9),
    "whether a notice was forgotten": lambda s: old_notices.was_forgotten(s, "x:a@b", "a@b"),
    "words of long ago": lambda s: forgetting.forget_words(s, NOW, 9),
    "what was about nobody": lambda s: forgetting.forget_quarantined(s, NOW, 9),
    "sign-ins that were refused": lambda s: forgetting.forget_refusals(s, NOW, 9),
    "what was told long ago": lambda s: webhooks.forget_told(s, NOW),
    "when readers bounced": lambda s: aftermath.moments_after(s, _WINDOW, aftermath.After.BOUNCED),
    "when readers left": lambda s: aftermath.moments_after(s, _WINDOW, aftermath.After.LEFT),
    "how many complained": lambda s: aftermath.count_after(s, _WINDOW, aftermath.After.COMPLAINED),
    "how many left": lambda s: aftermath.count_after(s, _WINDOW, aftermath.After.LEFT),
    "how many left by the button": lambda s: aftermath.one_click_posts(s, _WINDOW),
    "how many were refused": lambda s: aftermath.refused_count(s, 1),
    "who bounced": lambda s: aftermath.list_after(s, _WINDOW, aftermath.After.BOUNCED, before=9),
    "who left": lambda s: aftermath.list_after(s, _WINDOW, aftermath.After.LEFT, before=9),
    "what to tell of": lambda s: alerted.to_tell(s, NOW),
    "what people did": lambda s: audit.list_deeds(s, limit=9),
    "what people did before": lambda s: audit.list_deeds(s, before=9, limit=9),
    "who was refused": lambda s: audit.refused_since(s, "anne", "sign-in", NOW),
    "an issue that goes on": lambda s: control.resume_issue(s, 1, now=NOW),
    "an issue that is stopped": lambda s: control.cancel_issue(s, 1, now=NOW),
    "rows that come back to it": lambda s: control.settle_stopped(s, 1, NOW),
    "another text": lambda s: control.amend_rows(s, 1, 2),
    "rows just begun": lambda s: control.under_way(s, 1, since=NOW),
    "a brake at two domains": lambda s: control.hold_destinations(s, 1, [1, 2], NOW),
    "a brake while rows are planned": lambda s: control.hold_braked(s, 1, NOW),
    "rows past their time": lambda s: control.expire_overdue(s, 1, NOW),
    "a delivery": lambda s: delivery_rows.get_delivery(s, 1),
    "who was not reached": lambda s: delivery_rows.delivery_list(s, 1, _which(missed=True)),
    "a page at a domain": lambda s: delivery_rows.delivery_list(s, 1, _which(destination="x")),
    "the next page of rows": lambda s: delivery_rows.delivery_list(s, 1, after=1),
    "whose subscription it is": lambda s: feedback.subject_of_subscription(s, 1),
    "what came back of a notice": lambda s: feedback.feedback_of_notice(s, 1),
    "what came back at a place": (
        lambda s: feedback_counts.came_back(s, 1, Bearing.HARD, since=None, place=_PLACE)
    ),
    "whether a place is held": lambda s: feedback_counts.is_holding(s, 1, _PLACE),
    "who is dead there": lambda s: feedback_counts.dead_of(s, 1, Effect.HELD, _PLACE),
    "places that wait for a decision": feedback_counts.held_places,
    "what came back": _came_back,
    "what came back of an issue": lambda s: _came_back(s, issue_id=1),
    "what came back of a reader": lambda s: _came_back(s, subscriber_id=1),
    "what came back and was done": lambda s: _came_back(s, effect=Effect.SUPPRESSED),
    "what came back without a token": lambda s: _came_back(s, effect=Effect.QUARANTINED),
    "what came back unread": lambda s: _came_back(s, unclassified=True),
    "when anything came back": feedback_reports.last_feedback_at,
    "why an issue came back": lambda s: feedback_reports.report_of_issue(s, 1),
    "how many read": lambda s: growth.count_readers(s, NOW),
    "the last test": lambda s: issue_tests.last_test(s, 1),
    "what a test was about": lambda s: issue_tests.approvable(s, 1),
    "what became of a test": lambda s: issue_tests.notice_results(s, [1]),
    "the latest issue for a newcomer": lambda s: latest_for(s, 1, 1, since=NOW),
    "what servers answered": last_replies.last_replies,
    "how a mailbox has done": lambda s: mailbox_health.history_of(s, _SUBJECT, NOW),
    "a pause for bounces": lambda s: mailbox_health.pause_for_bounces(s, 1, until=NOW, now=NOW),
    "whether it was told": lambda s: notices.was_told(s, "alert:1:"),
    "a notice": lambda s: notices.write_notice(s, _notice(), NOW),
    "links of mails that are settled": notices.forget_links,
    "issues to overtake": lambda s: overtaking.overtake(s, 1),
    "rows to give up": _overtaken,
    "a link": lambda s: passes.find_pass(s, "x", _PURPOSES, NOW),
    "links to take back": lambda s: passes.revoke_passes(s, [1], _PURPOSES),
    "the last link": lambda s: passes.last_pass(s, 1, _PURPOSES[0]),
    "how many an issue is for": lambda s: planning.audience_size(s, _AUDIENCE),
    "an issue's rows": lambda s: planning.write_rows(s, _AUDIENCE),
    "an issue's canary": lambda s: planning.plan_issue(s, _AUDIENCE, 100_000),
    "a correction's rows": lambda s: planning.write_rows(
        s, planning.Audience(1, 1, NOW, newest_first=True, readers_of=2)
    ),
    "what the dead held": lambda s: poison.note_deaths(s, [1], NOW),
    "who may kill": lambda s: poison.suspects(s, 1),
    "who does kill": lambda s: poison.hold_poison(s, 1, NOW),
    "a choice": lambda s: preferences.choose(
        s, 1, preferences.Choice(("Jobs",)), origin=None, now=NOW
    ),
    "a pause": lambda s: preferences.pause(s, 1, NOW, origin="", now=NOW),
    "the end of a pause": lambda s: preferences.resume(s, 1, origin="", now=NOW),
    "another address": lambda s: preferences.set_address(
        s, 1, "new@example.org", "new@example.org", suppressed_at=None
    ),
    "what a person reads": lambda s: preferences.subscriptions_of(s, 1, list(SubscriptionState)),
    "rows that no relay takes": lambda s: progress.defer_waiting(s, 1, until=NOW, reply=""),
    "readers who are active": lambda s: reader_list.list_readers(
        s, 1, state=SubscriptionState.ACTIVE, after=1
    ),
    "readers with a tag": lambda s: reader_list.list_readers(s, 1, tag="press"),
    "a page of everybody": lambda s: reader_pages.reader_page(s, _readers(), after=1, limit=9),
    "a page of some": lambda s: reader_pages.reader_page(
        s, _readers(1, SubscriptionState.ACTIVE, "press"), after=1, limit=9
    ),
    "a reader by id": lambda s: reader_pages.reader_by_id(s, 1),
    "a page of consents": lambda s: reader_pages.consent_page(s, 1, after=1, limit=9),
    "readers by how an address begins": lambda s: _search(s, begins="anne"),
    "readers at a domain": lambda s: _search(s, domain="example.org"),
    "readers in a state": lambda s: _search(s, state=SubscriptionState.PENDING),
    "readers under a tag": lambda s: _search(s, tag="press"),
    "an issue once more": lambda s: resend.resend(s, 1, subscriber_ids=None, now=NOW),
    "an issue once more for some": lambda s: resend.resend(s, 1, subscriber_ids=[1], now=NOW),
    "rows of an issue in doubt": lambda s: resend.settle_held(
        s, issue_id=1, row_ids=None, action="resend", now=NOW
    ),
    "all rows in doubt": lambda s: resend.settle_held(
        s, issue_id=None, row_ids=None, action="accept", now=NOW
    ),
    "what the caps count": lambda s: signups.count_signups(
        s, _SIGNUP, mailbox_hash="x", domain="example.org", now=NOW
    ),
    "who never confirmed": lambda s: signups.expire_pending(s, NOW),
    "a new reader": lambda s: subscribers.add_reader(s, 1, address="new@example.org", now=NOW),
    "who comes back": lambda s: subscribers.ask_pending(s, 1, subscriber_id=1, now=NOW),
    "who confirms": lambda s: subscribers.activate_subscription(
        s, 1, NOW, kind="confirmed", source="link"
    ),
    "who is never mailed": lambda s: suppressions.suppression_page(s, newsletter_id=1, after=1),
    "why they are not": lambda s: suppressions.reasons_of(s, [ANNE]),
    "how many are not": suppressions.count_suppressed,
    "who was suppressed last": suppressions.latest_evidence,
    "a suppression": lambda s: suppressions.suppress(
        s, ANNE, reason=SuppressionReason.OPERATOR, now=NOW
    ),
    "a suppression that is lifted": lambda s: suppressions.unsuppress(s, ANNE, now=NOW),
    "tags of readers": lambda s: tags.tags_of(s, [1]),
    "what there ever was": watching.history,
    "how much is to be told": webhooks.count_open,
    "what to tell a webhook": lambda s: webhooks.claim_told(
        s, 1, lease=timedelta(minutes=1), limit=9, now=NOW
    ),
    "what a webhook was told": lambda s: webhooks.settle_told(
        s, webhooks.Told(1, "x", WebhookEvent.LEFT, NOW), 1, status=200, now=NOW
    ),
    "erasing somebody": _erase,
}
