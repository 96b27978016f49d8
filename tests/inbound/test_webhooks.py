"""Webhooks of providers: mapped as they say, believed only with their proof, taken in once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from digest.errors import SettingsError
from digest.inbound.webhooks import EventType, Hook, Posted
from digest.inbound.webhooks.base import as_feedback
from digest.inbound.webhooks.generic import Generic
from digest.inbound.webhooks.mailgun import Mailgun
from digest.inbound.webhooks.postmark import Postmark
from digest.inbound.webhooks.sendgrid import SendGrid
from digest.inbound.webhooks.ses import Ses, ses_events
from digest.mail.bounce import Kind
from digest.mail.tokens import TokenKind
from digest.rules.feedback import Effect
from digest.rules.subscription import SubscriptionState
from digest.store.session import Database
from digest.store.suppressions import unsuppress
from digest.web.app import Site, create_app
from tests.audience.came_back import ANNE, BART, Scene, a_scene
from tests.build import NOW, PUBLIC_URL
from tests.delivery.stage import KEYS

TOPIC = "arn:aws:sns:eu-west-1:123456789012:bounces"
OTHER_TOPIC = "arn:aws:sns:eu-west-1:999999999999:bounces"
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem"
LOGIN, SIGNING_KEY = "hook:a long password", "key-0123456789abcdef"
_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_EC = ec.generate_private_key(ec.SECP256R1())
STAMP = str(int(NOW.timestamp()))


def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(_RSA.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .sign(_RSA, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM)


class Certificates:
    """Gives our certificate, and remembers where it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        return certificate()


def public_key() -> str:
    encoded = _EC.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(encoded).decode()


def sns(message: Any, *, version: str = "1", **values: str) -> Posted:
    """A message of SNS, signed as the guide says."""
    given = {
        "Type": "Notification",
        "MessageId": "22b80b92",
        "TopicArn": TOPIC,
        "Message": json.dumps(message),
        "Timestamp": NOW.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE_URL,
    } | values
    names: tuple[str, ...] = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
    if given["Type"] != "Notification":
        names = (*names[:2], "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
    text = "".join(f"{name}\n{given[name]}\n" for name in names if name in given)
    algorithm = {"1": hashes.SHA1(), "2": hashes.SHA256()}[version]
    signature = _RSA.sign(text.encode(), padding.PKCS1v15(), algorithm)
    signed = {"Signature": base64.b64encode(signature).decode()} | given
    return Posted({}, json.dumps(signed).encode())


def postmark(data: Any, login: str = LOGIN) -> Posted:
    basic = base64.b64encode(login.encode()).decode()
    return Posted({"authorization": f"Basic {basic}"}, json.dumps(data).encode())


def mailgun(data: Any, *, key: str = SIGNING_KEY, stamp: str = STAMP) -> Posted:
    made = hmac.new(key.encode(), f"{stamp}token".encode(), hashlib.sha256).hexdigest()
    signature = {"timestamp": stamp, "token": "token", "signature": made}
    return Posted({}, json.dumps({"signature": signature, "event-data": data}).encode())


def sendgrid(data: Any, *, key: ec.EllipticCurvePrivateKey = _EC, stamp: str = STAMP) -> Posted:
    body = json.dumps(data).encode()
    signature = key.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return Posted(
        {
            "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
            "x-twilio-email-event-webhook-timestamp": stamp,
        },
        body,
    )


def generic(data: Any, *, key: str = SIGNING_KEY, stamp: str = STAMP) -> Posted:
    body = json.dumps({"events": data}).encode()
    made = hmac.new(key.encode(), f"1.{stamp}.".encode() + body, hashlib.sha256).digest()
    return Posted(
        {
            "webhook-id": "1",
            "webhook-timestamp": stamp,
            "webhook-signature": "v1,other v1," + base64.b64encode(made).decode(),
        },
        body,
    )


CERTIFICATES = Certificates()
HOOKS: dict[str, Hook] = {
    "ses": Ses(TOPIC, CERTIFICATES),
    "postmark": Postmark(LOGIN),
    "mailgun": Mailgun(SIGNING_KEY),
    "sendgrid": SendGrid(public_key()),
    "generic": Generic(SIGNING_KEY),
}


def dead(provider: str, delivery_id: int, address: str, key: str = "1") -> Any:
    """An event of ``provider`` that says an address does not exist."""
    token = KEYS.sign(TokenKind.DELIVERY, delivery_id)
    said = "550 5.1.1 The email account that you tried to reach does not exist."
    return {
        "ses": {
            "notificationType": "Bounce",
            "bounce": {
                "bounceType": "Permanent",
                "bounceSubType": "General",
                "bouncedRecipients": [
                    {
                        "emailAddress": address,
                        "status": "5.1.1",
                        "diagnosticCode": f"smtp; {said}",
                    }
                ],
            },
            "mail": {"messageId": "0100", "tags": {"digest": [token]}},
        },
        "postmark": {
            "RecordType": "Bounce",
            "Type": "HardBounce",
            "ID": key,
            "Details": f"smtp;{said}",
            "Email": address,
            "Metadata": {"digest": token},
        },
        "mailgun": {
            "event": "failed",
            "severity": "permanent",
            "id": key,
            "recipient": address,
            "user-variables": {"digest": token},
            "delivery-status": {"code": 550, "message": said.removeprefix("550 ")},
        },
        "sendgrid": [
            {
                "event": "bounce",
                "type": "bounce",
                "email": address,
                "status": "5.1.1",
                "reason": said,
                "sg_event_id": key,
                "digest": token,
            }
        ],
        "generic": [
            {"type": "bounced", "address": address, "token": token, "said": said, "id": key}
        ],
    }[provider]


SIGNED: dict[str, Callable[..., Posted]] = {
    "ses": sns,
    "postmark": postmark,
    "mailgun": mailgun,
    "sendgrid": sendgrid,
    "generic": generic,
}
OLD = str(int((NOW - timedelta(minutes=6)).timestamp()))
LONG_AGO = (NOW - timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def forged(provider: str, data: Any) -> list[Posted]:
    """What somebody posts who has no key, or one of another account, or a recording."""
    good = SIGNED[provider](data)
    altered = replace(good, body=good.body.replace(b"5.1.1", b"5.1.2"))
    stranger = ec.generate_private_key(ec.SECP256R1())
    more: dict[str, list[Posted]] = {
        "ses": [
            sns(data, TopicArn=OTHER_TOPIC),
            sns(data, Timestamp=LONG_AGO),
            sns(data, Timestamp="yesterday"),
            sns(data, SigningCertURL="http://sns.eu-west-1.amazonaws.com/a.pem"),
            sns(data, SigningCertURL="https://sns.eu-west-1.amazonaws.com.evil.example/a.pem"),
            sns(data, SigningCertURL="https://evil.example/sns.eu-west-1.amazonaws.com/a.pem"),
            sns(data, SigningCertURL="https://bucket.s3.amazonaws.com/a.pem"),
            sns(data, SigningCertURL="https://sns.eu-west-1.amazonaws.com@evil.example/a.pem"),
            sns(data, Signature="AAAA"),
            sns(data, Type="Something"),
            altered,
        ],
        "postmark": [postmark(data, "hook:another"), postmark(data, ""), Posted({}, good.body)],
        "mailgun": [
            mailgun(data, key="another"),
            mailgun(data, stamp=OLD),
            mailgun(data, stamp="x"),
        ],
        "sendgrid": [
            *(sendgrid(data, key=stranger), sendgrid(data, stamp=OLD)),
            *(altered, Posted({}, good.body)),
        ],
        "generic": [
            generic(data, key="b"),
            generic(data, stamp=OLD),
            altered,
            Posted({}, good.body),
        ],
    }
    return [*more[provider], Posted({}, b"{}")]


# With what was stated of each payload by those who collected them.
_SHARED = {
    "amazon_ses": "ses",
    "postmark": "postmark",
    "mailgun": "mailgun",
    "sendgrid": "sendgrid",
}


def test_every_payload_of_a_provider_becomes_the_event_it_states(shared: Path) -> None:
    path = shared / "data" / "bounces" / "webhooks.jsonl"
    seen = 0
    for row in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        name = _SHARED.get(row["esp"])
        if name is None:
            continue
        given = next(one["value"] for one in row["payload"] if one["name"].startswith("raw"))
        expected = row["expect"]
        if name == "ses":
            (event, *_) = ses_events(given, "1")
        else:
            (event, *_) = HOOKS[name].events(Posted({}, json.dumps(given).encode()))
        assert event.type == expected["event_type"], row["test"]
        if "recipient" in expected:
            assert event.address == expected["recipient"], row["test"]
        feedback = as_feedback(event, name, ())
        # Dropped for spam, unsubscribed and the like: the provider's own list, no dead address.
        if event.type is EventType.REJECTED and expected["reject_reason"] != "invalid":
            assert feedback is not None
            assert feedback.bearing != "hard", row["test"]
        if event.type is EventType.COMPLAINED:
            assert feedback is not None
            assert feedback.kind is Kind.COMPLAINT
        seen += 1
    assert seen == 41


@dataclass
class Hooked:
    """A scene whose pages take hooks."""

    scene: Scene
    client: httpx2.AsyncClient

    async def post(self, provider: str, posted: Posted) -> int:
        answer = await self.client.post(
            f"/hooks/{provider}", content=posted.body, headers=dict(posted.headers)
        )
        return answer.status_code


def _client(scene: Scene, hooks: Mapping[str, Hook]) -> httpx2.AsyncClient:
    site = Site(
        scene.db,
        KEYS,
        PUBLIC_URL,
        relay_configured=True,
        clock=scene.clock,
        hooks=hooks,
        feedback=scene.desk,
    )
    transport = httpx2.ASGITransport(create_app(site))
    return httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL)


@pytest.fixture
async def hooked(database: Database) -> AsyncIterator[Hooked]:
    scene = await a_scene(database)
    async with _client(scene, HOOKS) as client:
        yield Hooked(scene, client)


async def test_a_dead_address_is_suppressed_whichever_provider_tells_it_ten_times(hooked):
    for provider in HOOKS:
        sent = await hooked.scene.sent()
        address = next(iter(sorted(sent)))
        posts = [
            SIGNED[provider](dead(provider, sent[address], address, str(number % 3)))
            for number in range(10)
        ]
        random.Random(provider).shuffle(posts)
        before = len(await hooked.scene.rows())
        assert [await hooked.post(provider, one) for one in posts] == [200] * 10
        assert address in await hooked.scene.suppressed(), provider
        assert len(await hooked.scene.rows()) == before + 1
        async with hooked.scene.db.begin() as session:
            await unsuppress(session, address, now=NOW)


async def test_what_proves_nothing_is_401_and_writes_nothing(hooked):
    sent = await hooked.scene.sent()
    for provider in HOOKS:
        for number, posted in enumerate(forged(provider, dead(provider, sent[ANNE], ANNE))):
            assert await hooked.post(provider, posted) == 401, (provider, number)
    assert await hooked.scene.rows() == []
    assert set(CERTIFICATES.asked) <= {CERTIFICATE_URL}


async def test_a_provider_that_is_not_set_up_is_404(database):
    scene = await a_scene(database)
    sent = await scene.sent()
    async with _client(scene, {}) as client:
        for provider, signed in SIGNED.items():
            posted = signed(dead(provider, sent[ANNE], ANNE))
            answer = await client.post(f"/hooks/{provider}", content=posted.body)
            assert answer.status_code == 404


async def test_our_own_fault_is_a_5xx_and_the_next_try_is_taken_in(hooked):
    sent = await hooked.scene.sent()
    posted = postmark(dead("postmark", sent[ANNE], ANNE))
    async with hooked.scene.db.begin() as session:
        await session.exec_driver_sql("ALTER TABLE feedback RENAME TO away")
    assert await hooked.post("postmark", posted) == 503
    async with hooked.scene.db.begin() as session:
        await session.exec_driver_sql("ALTER TABLE away RENAME TO feedback")
    assert await hooked.post("postmark", posted) == 200
    assert await hooked.scene.suppressed() == {ANNE}


async def test_an_out_of_office_that_ses_calls_a_bounce_is_none(hooked):
    sent = await hooked.scene.sent()
    for type_ in ("Transient", "Undetermined"):
        data = dead("ses", sent[ANNE], ANNE)
        data["bounce"] |= {"bounceType": type_, "bounceSubType": "General"}
        data["bounce"]["bouncedRecipients"] = [{"emailAddress": ANNE}]
        assert await hooked.post("ses", sns(data)) == 200
    assert await hooked.scene.suppressed() == set()
    assert {row.effect for row in await hooked.scene.rows()} == {Effect.NOTHING}


async def test_both_signatures_of_sns_are_read_and_the_certificate_is_fetched_once(hooked):
    certificates = Certificates()
    hook = Ses(TOPIC, certificates)
    for version in ("1", "2", "1"):
        await hook.verify(sns({}, version=version), NOW)
    assert certificates.asked == [CERTIFICATE_URL]


async def test_a_topic_to_confirm_is_never_followed_by_itself(hooked):
    posted = sns({}, Type="SubscriptionConfirmation", Token="t", SubscribeURL="http://127.0.0.1:9/")
    assert await hooked.post("ses", posted) == 200
    assert await hooked.scene.rows() == []


async def test_a_reader_who_leaves_at_the_provider_has_left(hooked):
    sent = await hooked.scene.sent()
    token = KEYS.sign(TokenKind.DELIVERY, sent[ANNE])
    await hooked.post("generic", generic([{"type": "unsubscribed", "token": token, "id": "9"}]))
    assert (await hooked.scene.state(ANNE))[1] is SubscriptionState.ENDED
    assert (await hooked.scene.state(BART))[1] is SubscriptionState.ACTIVE


async def test_nonsense_is_400_and_never_a_fault(hooked):
    basic = postmark({}).headers
    for body in (b"", b"[]", b"1", b"nul", b"[" * 100_000, b'"x"', b"\xff"):
        assert await hooked.post("postmark", Posted(basic, body)) == 400, body[:9]
    data: dict[str, Any]
    for data in ({}, {"RecordType": {}}, {"RecordType": "Bounce", "Type": 7}):
        assert await hooked.post("postmark", postmark(data)) == 200
    assert await hooked.scene.rows() == []
    huge = Posted(basic, b"x" * (3 << 20))
    assert await hooked.post("postmark", huge) == 413


def test_a_key_that_is_none_is_said():
    for key in ("x", "", base64.b64encode(b"nothing").decode()):
        with pytest.raises(SettingsError, match="verification key"):
            SendGrid(key)
