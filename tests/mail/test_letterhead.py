"""The headers of an issue: one of each, and nothing that somebody slipped in."""

from __future__ import annotations

import pytest

from digest.errors import AddressError
from digest.mail.message import compile_message
from tests.mail.build import CONTROLS, ONE_OF_EACH, header_values, letterhead, reader


def compose(**changed) -> bytes:
    compiled = compile_message(letterhead(**changed), html="<p>Hi</p>\n", plain="Hi\n", slots=())
    return compiled.compose(reader())


def test_there_is_exactly_one_of_each_field():
    data = compose()
    for name in ONE_OF_EACH:
        assert len(header_values(data, name)) == 1, name
    assert not header_values(data, "Bcc")
    assert not header_values(data, "Precedence")


def test_the_headers_read_like_this():
    head = compose(
        subject="A Weekly – Issue #182 on a café, a robot, and a paper or two"
    ).partition(b"\r\n\r\n")[0]
    token = "d" * 40
    leave = "l" * 40
    assert head.decode().split("\r\n")[:-1] == [
        "From: A Weekly <hello@news.example.org>",
        "To: Anne Bell <anne@example.org>",
        "Subject: =?utf-8?q?A_Weekly_=E2=80=93_Issue_=23182_on_a_caf=C3=A9=2C_a_rob?=",
        " =?utf-8?q?ot=2C_and_a_paper_or_two?=",
        "Date: Thu, 26 Nov 2026 08:00:00 +0000",
        f"Message-ID: <{token}@news.example.org>",
        "MIME-Version: 1.0",
        "List-Id: A Weekly <weekly.news.example.org>",
        f"List-Unsubscribe: <https://news.example.org/u/{leave}>,",
        f" <mailto:leave+{leave}@bounces.news.example.org>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "List-Help: <https://news.example.org/help>",
        "Feedback-ID: 182:weekly:issue:digest",
    ]


def test_where_no_mail_is_received_one_leaves_on_the_web_only():
    data = compose(leave_mailto=None)
    assert header_values(data, "List-Unsubscribe") == [f"<https://news.example.org/u/{'l' * 40}>"]


def test_a_mailto_may_be_written_with_its_scheme():
    with_scheme = compose(leave_mailto="mailto:leave+{token}@bounces.news.example.org")
    assert with_scheme == compose()


def test_a_reply_to_stands_only_where_it_is_set():
    assert header_values(compose(), "Reply-To") == []
    assert header_values(compose(reply_to="ed@münchen.example"), "Reply-To") == [
        "<ed@xn--mnchen-3ya.example>"
    ]


def test_a_sender_with_a_name_in_any_script_and_a_domain_in_any_script():
    data = compose(from_name="Die Woche, täglich", from_address="hallo@münchen.example")
    assert header_values(data, "From")[0].endswith(" <hallo@xn--mnchen-3ya.example>")
    assert data.partition(b"\r\n\r\n")[0].isascii()


def test_a_from_address_that_only_smtputf8_could_carry_is_refused():
    with pytest.raises(ValueError, match="ASCII"):
        compose(from_address="grüße@example.org")


def test_a_relays_own_fields_may_carry_the_token_of_the_delivery():
    data = compose(extra=(("X-PM-Metadata-delivery", "{token}"), ("X-PM-Message-Stream", "weekly")))
    assert header_values(data, "X-PM-Metadata-delivery") == ["d" * 40]
    assert header_values(data, "X-PM-Message-Stream") == ["weekly"]


@pytest.mark.parametrize("name", ["From", "list-unsubscribe", "BCC", "Reply-To", "DKIM-Signature"])
def test_an_extra_field_never_doubles_one_of_ours(name):
    with pytest.raises(ValueError, match="already"):
        compose(extra=((name, "q"),))


def test_an_extra_field_stands_once():
    with pytest.raises(ValueError, match="already"):
        compose(extra=(("X-Tag", "a"), ("x-tag", "b")))


FIELDS = (
    "from_name", "from_address", "reply_to", "subject", "list_id", "list_name",
    "message_id_domain", "leave_url", "leave_mailto", "help_url", "feedback_id",
)  # fmt: skip  # a list reads as a block


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("control", CONTROLS)
def test_no_field_lets_a_header_in(field, control):
    usual = getattr(letterhead(reply_to="ed@example.org"), field)
    for text in (f"{usual}{control}Bcc: q@example.org", f"{usual}{control}", f"{control}{usual}"):
        with pytest.raises((ValueError, AddressError)):
            compose(**{field: text})


@pytest.mark.parametrize("control", CONTROLS)
def test_no_extra_field_lets_a_header_in(control):
    with pytest.raises(ValueError, match="header"):
        compose(extra=((f"X-Tag{control}", "a"),))
    with pytest.raises(ValueError, match="header"):
        compose(extra=(("X-Tag", f"a{control}Bcc: q@example.org"),))


@pytest.mark.parametrize(
    "changed",
    [
        {"leave_url": "javascript:alert(1)//"},
        {"leave_url": "news.example.org/u/"},
        {"leave_url": "https://news.example.org/u/a,b/"},
        {"leave_url": "https://news.example.org/<u>/"},
        {"leave_url": "https://news.example.org/é/"},
        {"leave_url": "https://news.example.org/" + "a" * 600},
        {"leave_url": "https://news.example.org/{token}/"},
        {"leave_mailto": "leave@bounces.example.org"},
        {"leave_mailto": "leave+{token}+{token}@bounces.example.org"},
        {"leave_mailto": "leave+{token}@bounces.example.org>, <https://q.example"},
        {"help_url": ""},
        {"help_url": "help"},
        {"list_id": "weekly>"},
        {"list_id": ""},
        {"message_id_domain": "example.org> X"},
        {"from_address": "a@b@c"},
        {"from_address": "hello@news.example.org, bart@example.org"},
        {"reply_to": ""},
    ],
)
def test_a_letterhead_that_would_make_a_wrong_header_is_refused(changed):
    with pytest.raises((ValueError, AddressError)):
        compose(**changed)


def test_earlier_issues_and_whom_to_ask_are_named_where_they_are_known():
    data = compose(archive_url="https://news.example.org/", owner="ed+list%1@münchen.example")
    assert header_values(data, "List-Archive") == ["<https://news.example.org/>"]
    owner = "<mailto:ed+list%251@xn--mnchen-3ya.example>"
    assert header_values(data, "List-Owner") == [owner]
    assert header_values(compose(), "List-Archive") == header_values(compose(), "List-Owner") == []
