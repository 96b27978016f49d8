"""Notices as letters: a claimed row → the bytes of a confirmation, a test, a mail for an operator.

Message-ID and envelope sender carry the notice's token, the Date is that of its first claim: a
retry is the same message (design: as for deliveries). A notice has no List-Unsubscribe, for there
is nothing to leave; only a test has all of its issue's headers, because it is that issue's message:
with ``[Test N]`` before the subject, a strip above the text, and tokens that change nothing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import structlog

from digest.audience.feedback import REPLY
from digest.content.notice import NoticeLook, render_notice, render_strip
from digest.content.theme import Theme, load_theme
from digest.delivery.compiled import compile_version
from digest.delivery.counted import with_counted_links
from digest.delivery.identity import theme_of
from digest.delivery.session import Letter
from digest.errors import AddressError, NotFoundError, ThemeError
from digest.mail.address import parse_address
from digest.mail.message import CompiledMessage, Recipient
from digest.mail.single import SingleHead, compose_single
from digest.mail.tokens import KeyRing, TokenKind, share_token
from digest.rules.relay import PROFILES, RelayProfile
from digest.store.issues import StoredVersion, get_version
from digest.store.newsletters import Newsletter, list_newsletters, newsletter_by_id
from digest.store.notices import ClaimedNotice
from digest.store.session import Database, Session

log = structlog.get_logger(__name__)

TEST, WELCOME = "test", "welcome"
# Kinds that answer a reader; the others are for operators, who have nobody to reply to.
_FOR_READERS = frozenset(
    {"confirmation", "already_subscribed", "address_change", "address_changed", "data_link"}
)
_GENERIC = PROFILES["generic"]
_SHOWN_FOR = timedelta(days=7)  # what a reminder is about
# What a mail begins with: the body, and in it perhaps the preview that inboxes show.
_TOP = re.compile(r"<body\b[^>]*>\s*(?:<div\b[^>]*display:\s*none[^>]*>.*?</div>)?", re.DOTALL)


class NoticeLetters:
    """The writer of notices that a sender takes (``work.NoticeWriter``)."""

    def __init__(
        self, db: Database, keys: KeyRing, *, public_url: str, themes: Path | None = None
    ) -> None:
        self._db = db
        self._keys = keys
        self._public_url = public_url
        self._themes = themes

    async def __call__(self, notice: ClaimedNotice, profile: RelayProfile = _GENERIC) -> Letter:
        """The letter for ``notice`` as a relay of ``profile`` wants it.

        Raises NotFoundError where its newsletter or version is gone, and whatever its template
        raises: the sender holds such a notice as poison.
        """
        async with self._db.read() as session:
            newsletter = await _newsletter_of(session, notice)
            version = None
            if notice.kind in (TEST, WELCOME):
                version = await get_version(session, int(notice.params["version_id"]))
            if version is not None and notice.kind == TEST:
                version = await with_counted_links(session, version, self._keys, test=True)
        token = self._keys.sign(TokenKind.NOTICE, notice.row_id)
        if version is not None and notice.kind == WELCOME:
            return self._welcome(notice, version, token, profile)
        if version is not None:
            return self._of_version(notice, version, token, profile)
        return Letter(
            sender=newsletter.return_path.replace("{token}", token),
            recipient=notice.address,
            data=self._of_template(notice, newsletter, token, profile),
        )

    def _of_template(
        self, notice: ClaimedNotice, newsletter: Newsletter, token: str, profile: RelayProfile
    ) -> bytes:
        look = NoticeLook(
            name=newsletter.name,
            home=self._public_url,
            theme=self._theme(newsletter),
        )
        params = {**notice.params, **self._ways_to(notice)}
        shown = render_notice(notice.kind, params, look=look, language=notice.language)
        head = SingleHead(
            from_name=newsletter.from_name,
            from_address=newsletter.from_address,
            to=notice.address,
            reply_to=_reply_to(notice, newsletter),
            subject=shown.subject,
            date=notice.first_claimed_at,
            token=token,
            id_domain=newsletter.from_domain,
            extra=profile.headers,
        )
        return compose_single(head, plain=shown.plain, html=shown.html)

    def _ways_to(self, notice: ClaimedNotice) -> dict[str, str]:
        """Where the version can be seen and approved that a reminder is about."""
        if notice.address not in notice.params.get("approvers", ()):
            return {}
        approval = self._keys.sign(TokenKind.APPROVE, notice.row_id)
        until = notice.first_claimed_at.date() + _SHOWN_FOR
        look = share_token(self._keys, int(notice.params["version_id"]), until)
        return {
            "approve_url": f"{self._public_url}/approve/{approval}",
            "look_url": f"{self._public_url}/share/{look}",
        }

    def _theme(self, newsletter: Newsletter) -> Theme:
        """Its own, or else the usual one: who confirms must not wait for a folder that is away."""
        try:
            return theme_of(newsletter, themes=self._themes)
        except (NotFoundError, ThemeError) as error:
            log.warning("a notice goes out in the usual look", reason=str(error))
            return load_theme()

    def _of_version(
        self, notice: ClaimedNotice, version: StoredVersion, token: str, profile: RelayProfile
    ) -> Letter:
        params = dict(notice.params)
        if params.get("may_approve"):
            approval = self._keys.sign(TokenKind.APPROVE, notice.row_id)
            params["approve_url"] = f"{self._public_url}/approve/{approval}"
        strip, plain_strip = render_strip(params)
        tested = replace(
            version,
            subject=f"[Test {int(notice.params['number'])}] {version.subject}",
            html=_with_strip(version.html, strip),
            plain=f"{plain_strip}\n{'=' * 72}\n\n{version.plain}",
        )
        message = compile_version(tested, extra=profile.headers + profile.issue_headers)
        harmless = self._keys.sign(TokenKind.TEST, notice.row_id)
        return _letter(notice, version, message, (token, harmless, harmless))

    def _welcome(
        self, notice: ClaimedNotice, version: StoredVersion, token: str, profile: RelayProfile
    ) -> Letter:
        """A version with the links of its reader, who can leave by it as by any issue."""
        if notice.subscription_id is None:
            raise NotFoundError("A welcome has a reader.")
        message = compile_version(version, extra=profile.headers + profile.issue_headers)
        leave = self._keys.sign(TokenKind.LEAVE, notice.subscription_id)
        preferences = self._keys.sign(TokenKind.PREFERENCES, notice.subscription_id)
        return _letter(notice, version, message, (token, leave, preferences))


def _letter(
    notice: ClaimedNotice,
    version: StoredVersion,
    message: CompiledMessage,
    tokens: tuple[str, str, str],
) -> Letter:
    """``message`` for whom ``notice`` is for; the tokens: its own, to leave, to preferences."""
    token, leave, preferences = tokens
    recipient = Recipient(
        address=notice.address,
        name=str(notice.params.get("name") or ""),
        token=token,
        leave=leave,
        preferences=preferences,
        date=notice.first_claimed_at,
    )
    return Letter(
        sender=version.identity["return_path"].replace("{token}", token),
        recipient=notice.address,
        data=message.compose(recipient),
    )


def _reply_to(notice: ClaimedNotice, newsletter: Newsletter) -> str | None:
    """Who gets an answer to a notice; what a person wrote to us is answered to that person."""
    if notice.kind != REPLY:
        return newsletter.reply_to if notice.kind in _FOR_READERS else None
    try:
        return str(parse_address(str(notice.params.get("sender", ""))))
    except AddressError:
        return None


async def _newsletter_of(session: Session, notice: ClaimedNotice) -> Newsletter:
    """Whose mail it is; what belongs to the whole installation goes out in the first one's name."""
    if notice.newsletter_id is not None:
        return await newsletter_by_id(session, notice.newsletter_id)
    found = await list_newsletters(session)
    if not found:
        raise NotFoundError("There is no newsletter in whose name a notice could go out.")
    return found[0]


def _with_strip(html: str, strip: str) -> str:
    """The strip goes below the preview, which inboxes show as they will show it to readers."""
    top = _TOP.search(html)
    at = top.end() if top else 0
    return html[:at] + strip + html[at:]
