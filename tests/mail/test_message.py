"""Messages: what was written is what is read, for any reader, name, text and choice of sections."""

from __future__ import annotations

import email
import email.policy
import html as markup
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.errors import AddressError
from digest.mail.address import clean_name
from digest.mail.message import (
    CompiledMessage,
    Slot,
    compile_message,
    section_mark,
    slot_mark,
    without_marks,
)
from tests.mail.build import (
    CONTROLS,
    LEAVE,
    assert_fit_for_the_wire,
    assert_shows,
    header_values,
    letterhead,
    names,
    parts,
    reader,
)

SLOTS = (Slot("name", "folks"), Slot("leave"), Slot("preferences"), Slot("name", "<you> & yours"))
HTML = (
    f"<p>Hey {slot_mark(0)}, hey {slot_mark(3)}</p>\n"
    f"{section_mark(1)}<h2>Code</h2>\n{section_mark(2)}<h2>Papers</h2>\n{section_mark(0)}"
    f'<a href="https://news.example.org/p/{slot_mark(2)}">Choose</a>\n'
    f'<a href="{LEAVE}{slot_mark(1)}">Leave</a>\n'
)
PLAIN = (
    f"Hey {slot_mark(0)}, hey {slot_mark(3)}\n\n{section_mark(1)}Code\n{section_mark(2)}Papers\n"
    f"{section_mark(0)}\nLeave: {LEAVE}{slot_mark(1)}\n"
)


def weekly(**changed) -> CompiledMessage:
    return compile_message(letterhead(**changed), html=HTML, plain=PLAIN, slots=SLOTS)


def filled(text: str, values: list[str]) -> str:
    """The reference: the text with its values put in by ``str.replace``."""
    for number, value in enumerate(values):
        text = text.replace(slot_mark(number), value)
    text = re.sub("\ue002[0-9]+\ue003", "", text)
    text = re.sub("\r\n?", "\n", text)
    return text if text.endswith("\n") else text + "\n"


def values_of(anne, *, escape: bool) -> list[str]:
    name = clean_name(anne.name)
    values = [name or slot.fallback for slot in SLOTS if slot.name == "name"]
    if escape:
        values = [markup.escape(value, quote=True) for value in values]
    return [values[0], anne.leave, anne.preferences, values[1]]


def library_parts(data: bytes) -> dict[str, str]:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert not message.defects
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    return {
        part.get_content_type(): part.get_content().replace("\r\n", "\n")
        for part in message.iter_parts()
    }


readers = st.builds(
    reader,
    name=names,
    address=st.sampled_from(
        ["anne@example.org", "-oQ@d.example", "b" * 64 + "@" + "c" * 60 + ".org"]
    ),
    token=st.from_regex(r"[a-z2-7]{40}", fullmatch=True),
    leave=st.from_regex(r"[A-Za-z0-9_-]{1,400}", fullmatch=True),
    preferences=st.from_regex(r"[A-Za-z0-9_-]{1,60}", fullmatch=True),
)
_CHUNKS = [
    *(slot_mark(number) for number in range(len(SLOTS))), "\n", "\r\n", "\n.", ".", "..", " ", "  ",
    "\t", "\n\n", "From ", "--", "--=_", "=", "é", "😀", "\u2028", "<p>", "&amp;", "x" * 80, "=20",
    "=\n", "\x0c", "{{ 7*7 }}", "{name}", "%s",
]  # fmt: skip  # a list reads as a block
texts = st.lists(st.one_of(st.sampled_from(_CHUNKS), st.text(max_size=8)), max_size=25).map(
    lambda chunks: "".join(c if c in _CHUNKS else without_marks(c) for c in chunks)
)


@settings(deadline=None, max_examples=150)
@given(readers, texts, texts)
def test_two_parsers_read_what_was_written_for_any_reader_and_any_text(anne, html, plain):
    compiled = compile_message(letterhead(), html=html, plain=plain, slots=SLOTS)
    data = compiled.compose(anne)
    assert_fit_for_the_wire(data)
    expected = {
        "text/plain": filled(plain, values_of(anne, escape=False)),
        "text/html": filled(html, values_of(anne, escape=True)),
    }
    assert parts(data) == expected
    assert library_parts(data) == expected
    message = email.message_from_bytes(data, policy=email.policy.default)
    (to,) = message["To"].addresses
    assert to.addr_spec == anne.address
    assert_shows(to.display_name, clean_name(anne.name))
    assert len(message.keys()) == len(set(map(str.lower, message.keys())))


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), texts.map(lambda text: text.replace("\r", ""))), max_size=6
    ),
    st.frozensets(st.integers(0, 4)),
    readers,
)
def test_a_muted_section_is_left_out_and_nothing_else_changes(chunks, muted, anne):
    text = (
        "".join(section_mark(section) + chunk for section, chunk in chunks) + section_mark(0) + "\n"
    )
    kept = "".join(c for section, c in chunks if section == 0 or section not in muted) + "\n"
    compiled = compile_message(letterhead(), html=text, plain=text, slots=SLOTS)
    data = compiled.compose(anne, muted=muted)
    assert_fit_for_the_wire(data)
    expected = {
        "text/plain": filled(kept, values_of(anne, escape=False)),
        "text/html": filled(kept, values_of(anne, escape=True)),
    }
    assert parts(data) == expected
    assert library_parts(data) == expected
    assert compiled.compose(anne, muted=muted) == data


@settings(deadline=None, max_examples=100)
@given(
    st.from_regex(r"https://[a-z]{1,20}\.example/[!-+\--;=?-z|~]{0,90}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9_-]{1,400}", fullmatch=True),
    st.booleans(),
)
def test_the_way_to_leave_is_read_back_to_the_byte(url, token, by_mail):
    mailto = "leave+{token}@bounces.example.org" if by_mail else None
    data = weekly(leave_url=url, leave_mailto=mailto).compose(reader(leave=token))
    (value,) = header_values(data, "List-Unsubscribe")
    uris = [url + token] + [f"mailto:leave+{token}@bounces.example.org"] * by_mail
    assert re.findall(r"<([^>]*)>", value) == uris
    raw = re.search(rb"\r\nList-Unsubscribe: (?:.*\r\n )*.*\r\n", data)
    assert raw is not None
    assert b"=?" not in raw[0].replace(url.encode(), b"")
    library = email.message_from_bytes(data, policy=email.policy.default)["List-Unsubscribe"]
    assert re.findall(r"<([^>]*)>", re.sub(r"\s", "", library)) == uris
    assert header_values(data, "List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]


def test_a_reader_without_a_name_gets_the_fallback_of_each_slot():
    for name in ("", "  ", "\u202e\0"):
        data = weekly().compose(reader(name=name))
        assert parts(data)["text/plain"].startswith("Hey folks, hey <you> & yours\n")
        assert parts(data)["text/html"].startswith(
            "<p>Hey folks, hey &lt;you&gt; &amp; yours</p>\n"
        )
        assert header_values(data, "To") == ["<anne@example.org>"]


def test_a_name_is_text_and_never_markup():
    name = "<script>alert(\"1\")</script> & 'x'"
    found = parts(weekly().compose(reader(name=name)))
    assert "<script" not in found["text/html"]
    assert markup.unescape(found["text/html"]).count(name) == 2
    assert found["text/plain"].count(name) == 2


@pytest.mark.parametrize(
    "name", ["{{7*7}}", "{name}", "%s", "{0.__class__}", "${x}", "\ue0001\ue001"]
)
def test_a_name_is_never_a_template(name):
    assert f"Hey {clean_name(name)}," in parts(weekly().compose(reader(name=name)))["text/plain"]


@pytest.mark.parametrize("control", CONTROLS)
def test_a_name_with_controls_changes_no_header(control):
    data = weekly().compose(reader(name=f"Anne{control}Bcc: q@example.org{control}"))
    assert_fit_for_the_wire(data)
    assert header_values(data, "Bcc") == []
    assert [field.partition(": ")[0] for field in data.decode().split("\r\n")[:3]] == [
        "From", "To", "Subject",
    ]  # fmt: skip  # a list reads as a block
    assert control not in data.decode().replace("\r\n", "")


@pytest.mark.parametrize("field", ["token", "leave", "preferences"])
@pytest.mark.parametrize(
    "wrong", ["", "a b", "a\r\nBcc: q@x", "a>", "a\n", "é", "a" * 401, "a.b", "a=b"]
)
def test_what_is_no_token_is_refused(field, wrong):
    with pytest.raises(ValueError, match="token"):
        weekly().compose(reader(**{field: wrong}))


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "anne",
        "a@b@c.example",
        "a@b.example\r\nBcc: q@x.example",
        "a@b.example>, <q@x.example",
        "a@b.example\n",
        '"a b"@d.example',
        "a@b.example, q@x.example",
        "anne@exam\u2028ple.org",
        "Anne <anne@example.org>",
        "anne@münchen.example",
    ],
)
def test_an_address_that_is_none_is_refused(wrong):
    with pytest.raises((AddressError, ValueError)):
        weekly().compose(reader(address=wrong))


def test_an_address_for_smtputf8_stands_in_to_as_it_is():
    data = weekly().compose(reader(address="zoë@example.org", name="Zoë"))
    assert "\r\nTo: =?utf-8?q?Zo=C3=AB?= <zoë@example.org>\r\n".encode() in data
    assert data.replace("zoë@".encode(), b"").isascii()


def test_a_message_is_the_same_on_every_retry():
    assert weekly().compose(reader()) == weekly().compose(reader())


def test_a_message_without_any_slot_or_section():
    data = compile_message(letterhead(), html="<p>Hi</p>", plain="Hi", slots=()).compose(reader())
    assert_fit_for_the_wire(data)
    assert library_parts(data) == {"text/plain": "Hi\n", "text/html": "<p>Hi</p>\n"}


def test_an_empty_text_is_still_a_part():
    data = compile_message(letterhead(), html="", plain="", slots=()).compose(reader())
    assert_fit_for_the_wire(data)
    assert library_parts(data) == {"text/plain": "\n", "text/html": "\n"}


def test_the_sections_that_can_be_muted_are_told():
    assert weekly().sections == {1, 2}
    assert compile_message(letterhead(), html="a", plain="b", slots=()).sections == frozenset()


def test_the_frame_is_never_left_out():
    assert weekly().compose(reader(), muted=frozenset({0, 9})) == weekly().compose(reader())


def test_every_mask_is_composed_even_beyond_those_that_are_kept():
    text = "".join(f"{section_mark(n)}Section {n}\n" for n in range(1, 101))
    compiled = compile_message(letterhead(), html=text, plain=text, slots=())
    for n in range(1, 101):
        found = parts(compiled.compose(reader(), muted=frozenset({n})))["text/plain"]
        assert f"Section {n}\n" not in found
        assert found.count("Section") == 99


@pytest.mark.parametrize(
    "text",
    [
        "\ue000",
        "\ue0000",
        "\ue000x\ue001",
        "\ue001",
        "\ue002",
        "\ue0021",
        "\ue003",
        slot_mark(4),
        slot_mark(999_999),
        "\ue000\ue0000\ue001\ue001",
    ],
)
def test_a_mark_that_is_broken_or_has_no_slot_is_refused(text):
    with pytest.raises(ValueError, match="mark"):
        compile_message(letterhead(), html=text, plain="", slots=SLOTS)


def test_an_unknown_slot_is_refused():
    with pytest.raises(ValueError, match="no slot"):
        compile_message(letterhead(), html=slot_mark(0), plain="", slots=(Slot("password"),))


@given(st.text("\ue000\ue001\ue002\ue003ab1"))
def test_without_marks_nobody_can_forge_one(text):
    assert not set(without_marks(text)) & set("\ue000\ue001\ue002\ue003")
    assert without_marks(text) == "".join(c for c in text if c in "ab1")


def test_a_reader_cannot_close_a_part():
    boundary = re.search(rb'boundary="([^"]+)"', weekly().compose(reader()))
    assert boundary is not None
    data = weekly().compose(reader(name=f"--{boundary[1].decode()}--"))
    assert "Leave" in parts(data)["text/html"]


def test_the_content_is_the_same_for_the_same_body_whatever_the_headers_say():
    assert weekly().content == weekly().content
    assert weekly().content == weekly(subject="Another", feedback_id="1:2:3:4").content


@pytest.mark.parametrize(
    ("html", "plain", "slots"),
    [
        (HTML + " ", PLAIN, SLOTS),
        (HTML, PLAIN + " ", SLOTS),
        (PLAIN, HTML, SLOTS),
        (HTML.replace(section_mark(2), section_mark(3)), PLAIN, SLOTS),
        (HTML.replace(section_mark(2), ""), PLAIN, SLOTS),
        (HTML.replace(slot_mark(1), slot_mark(2)), PLAIN, SLOTS),
        (HTML.replace(slot_mark(1), "name"), PLAIN, SLOTS),
        (HTML, PLAIN, (Slot("name", "friends"), *SLOTS[1:])),
        (HTML, PLAIN, (SLOTS[0], SLOTS[2], SLOTS[1], SLOTS[3])),
    ],
)
def test_the_content_changes_with_every_change_of_the_body(html, plain, slots):
    changed = compile_message(letterhead(), html=html, plain=plain, slots=slots)
    assert b"".join(changed.content) != b"".join(weekly().content)
