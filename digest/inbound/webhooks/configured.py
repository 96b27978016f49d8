"""The hooks that are set up, by the name in their address."""

from __future__ import annotations

from collections.abc import Mapping

from digest.errors import FetchError
from digest.inbound.webhooks.base import Hook
from digest.inbound.webhooks.generic import Generic
from digest.inbound.webhooks.mailgun import Mailgun
from digest.inbound.webhooks.postmark import Postmark
from digest.inbound.webhooks.sendgrid import SendGrid
from digest.inbound.webhooks.ses import Ses
from digest.net.fetch import Fetcher
from digest.rules.link import Trouble
from digest.settings.groups import HookSettings


def hooks_of(settings: HookSettings) -> Mapping[str, Hook]:
    """Those the settings name; SettingsError for a key that is none."""
    hooks: list[Hook] = []
    if settings.ses_topic:
        hooks.append(Ses(settings.ses_topic, fetch_certificate))
    if settings.postmark.get_secret_value():
        hooks.append(Postmark(settings.postmark.get_secret_value()))
    if settings.mailgun.get_secret_value():
        hooks.append(Mailgun(settings.mailgun.get_secret_value()))
    if settings.sendgrid:
        hooks.append(SendGrid(settings.sendgrid))
    if settings.generic.get_secret_value():
        hooks.append(Generic(settings.generic.get_secret_value()))
    return {hook.name: hook for hook in hooks}


async def fetch_certificate(url: str) -> bytes:
    """What lies at ``url``; FetchError where it cannot be had."""
    async with Fetcher("digest (webhooks)") as fetcher:
        answer = await fetcher.fetch(url)
    if answer.status != 200 or answer.url != url:
        raise FetchError(
            "The certificate of SNS could not be fetched.", trouble=Trouble.PROTOCOL, where=url
        )
    return answer.body
