"""Tokens: ours in any case, nobody else's in any form."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.errors import SettingsError
from digest.mail.tokens import KeyRing, Token, TokenKind

KEPT = "2qbqaaaaaaaaaamr2x22a2ml52qva2ywhcod7xvz"
SECRET = "the secret of these tests, forty characters"
RING = KeyRing(SECRET)
ids = st.integers(min_value=0, max_value=2**56 - 1)
kinds = st.sampled_from(TokenKind)


@settings(deadline=None)
@given(kinds, ids)
def test_a_token_says_the_kind_and_the_id_it_was_made_of(kind, row_id):
    assert RING.read(RING.sign(kind, row_id)) == Token(kind, row_id)


@settings(deadline=None)
@given(kinds, ids, st.randoms(use_true_random=False))
def test_a_relay_may_change_the_case_of_any_letter(kind, row_id, chance):
    token = RING.sign(kind, row_id)
    changed = "".join(chance.choice((c.lower(), c.upper())) for c in token)
    assert RING.read(changed) == Token(kind, row_id)


@given(kinds, ids)
def test_a_token_is_forty_lower_case_base32_characters(kind, row_id):
    token = RING.sign(kind, row_id)
    assert len(token) == 40
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyz234567")


@settings(deadline=None)
@given(st.lists(st.tuples(kinds, ids), max_size=9))
def test_tokens_signed_together_are_those_signed_one_by_one(owners):
    assert RING.sign_all(*owners) == [RING.sign(kind, row_id) for kind, row_id in owners]


def test_a_token_has_the_layout_the_design_gives_it():
    data = base64.b32decode(RING.sign(TokenKind.LEAVE, 0x01020304050607).upper())
    assert len(data) == 25
    assert data[1:9] == bytes((3, 1, 2, 3, 4, 5, 6, 7))


def test_the_kinds_keep_the_numbers_that_are_on_the_wire():
    assert {kind.name: kind.value for kind in TokenKind} == {
        "DELIVERY": 1, "NOTICE": 2, "LEAVE": 3, "PREFERENCES": 4, "TEST": 5, "FORM": 6,
        "UNDO": 7, "SHARE": 8, "APPROVE": 9, "BOOKMARKLET": 10, "CLICK": 11, "CLICKS": 12,
    }  # fmt: skip  # a list reads as a block


def test_a_token_does_not_change_from_one_release_to_the_next():
    # Links in mail that was sent years ago still have to work.
    assert KeyRing("k" * 32).sign(TokenKind.LEAVE, 1) == KEPT


def test_every_single_bit_of_a_token_counts():
    data = base64.b32decode(RING.sign(TokenKind.LEAVE, 7).upper())
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        assert RING.read(base64.b32encode(changed).decode().lower()) is None


def test_a_token_for_one_purpose_is_worth_nothing_for_another():
    leave = base64.b32decode(RING.sign(TokenKind.LEAVE, 7).upper())
    preferences = base64.b32decode(RING.sign(TokenKind.PREFERENCES, 7).upper())
    mixed = preferences[:9] + leave[9:]
    assert RING.read(base64.b32encode(mixed).decode().lower()) is None


def test_a_token_for_one_reader_is_worth_nothing_for_another():
    anne = base64.b32decode(RING.sign(TokenKind.LEAVE, 7).upper())
    bart = base64.b32decode(RING.sign(TokenKind.LEAVE, 8).upper())
    assert RING.read(base64.b32encode(bart[:9] + anne[9:]).decode().lower()) is None


def test_a_token_of_another_installation_is_refused():
    assert (
        RING.read(KeyRing("another secret of forty characters, yes").sign(TokenKind.TEST, 1))
        is None
    )


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        " ",
        "a" * 39,
        "a" * 40,
        "a" * 41,
        "1" * 40,
        "=" * 40,
        "\0" * 40,
        "é" * 40,
        "\N{KELVIN SIGN}" * 40,
        "a" * 1_000_000,
        "../../../etc/passwd",
    ],
)
def test_what_is_no_token_is_refused_and_raises_nothing(wrong):
    assert RING.read(wrong) is None


def test_a_letter_that_only_lower_cases_to_ascii_is_refused():
    token = next(t for t in (RING.sign(TokenKind.TEST, n) for n in range(99)) if "k" in t)
    assert RING.read(token.replace("k", "\N{KELVIN SIGN}", 1)) is None


@pytest.mark.parametrize("around", [" {}", "{} ", "{}\n", "{}=", "{}========"])
def test_nothing_may_stand_around_a_token(around):
    assert RING.read(around.format(RING.sign(TokenKind.TEST, 1))) is None


@settings(deadline=None)
@given(st.text(max_size=60))
def test_arbitrary_text_is_refused_and_raises_nothing(text):
    assert RING.read(text) is None


@settings(deadline=None)
@given(st.binary(min_size=25, max_size=25))
def test_arbitrary_bytes_in_the_right_form_are_refused(data):
    assert RING.read(base64.b32encode(data).decode().lower()) is None


def test_an_old_key_still_verifies_and_no_longer_signs():
    old = KeyRing("the key of last year, which had to go away")
    token = old.sign(TokenKind.PREFERENCES, 12)
    now = KeyRing(SECRET, ["the key of last year, which had to go away"])
    assert now.read(token) == Token(TokenKind.PREFERENCES, 12)
    assert now.sign(TokenKind.PREFERENCES, 12) != token
    assert now.sign(TokenKind.PREFERENCES, 12) == RING.sign(TokenKind.PREFERENCES, 12)


def test_two_keys_that_share_their_key_id_both_verify():
    def number(ring: KeyRing) -> int:
        return base64.b32decode(ring.sign(TokenKind.TEST, 0).upper())[0]

    twin = next(
        secret
        for secret in (f"{n:032d} is one of many secrets" for n in range(10_000))
        if number(KeyRing(secret)) == number(RING)
    )
    token = KeyRing(twin).sign(TokenKind.NOTICE, 5)
    assert RING.read(token) is None
    for both in (KeyRing(SECRET, [twin]), KeyRing(twin, [SECRET])):
        assert both.read(token) == Token(TokenKind.NOTICE, 5)
        assert both.read(RING.sign(TokenKind.NOTICE, 6)) == Token(TokenKind.NOTICE, 6)


@pytest.mark.parametrize("secret", ["", "hush-hush", "x" * 31, b"x" * 31])
def test_a_short_secret_is_refused_without_showing_it(secret):
    with pytest.raises(SettingsError) as caught:
        KeyRing(secret)
    assert caught.value.where == "DIGEST_SECRET_KEY"
    assert "secrets.token_urlsafe" in caught.value.fix
    assert "hush-hush" not in str(caught.value)


def test_a_short_old_secret_is_refused_by_the_name_of_its_setting():
    with pytest.raises(SettingsError) as caught:
        KeyRing(SECRET, ["x" * 31])
    assert caught.value.where == "DIGEST_OLD_SECRET_KEYS"


@pytest.mark.parametrize("row_id", [-1, 2**56])
def test_an_id_that_does_not_fit_is_refused(row_id):
    with pytest.raises(ValueError, match="id"):
        RING.sign(TokenKind.DELIVERY, row_id)


def test_fingerprints_name_keys_without_telling_them():
    ring = KeyRing(SECRET, ["the key of last year, which had to go away"])
    assert ring.fingerprint == RING.fingerprint
    assert ring.fingerprints[0] == ring.fingerprint
    assert len(set(ring.fingerprints)) == 2
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in ring.fingerprints)
    assert SECRET not in repr(ring)


def test_a_secret_is_the_same_as_text_and_as_bytes():
    assert KeyRing(SECRET.encode()).fingerprint == RING.fingerprint
