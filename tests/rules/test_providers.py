"""Destinations are known by their provider where one is known."""

import re

import pytest

from digest.rules.providers import TABLE, destination_of, most_at_once, provider_of


@pytest.mark.parametrize(
    "domain, provider",
    [
        ("gmail.com", "google"),
        ("GoogleMail.com", "google"),
        ("gmail.com.", "google"),
        ("yahoo.com", "yahoo"),
        ("yahoo.co.uk", "yahoo"),
        ("yahoo.com.br", "yahoo"),
        ("yahoo.fr", "yahoo"),
        ("yahoo.co.jp", "yahoo japan"),
        ("aol.com", "yahoo"),
        ("hotmail.com", "outlook"),
        ("hotmail.co.uk", "outlook"),
        ("live.nl", "outlook"),
        ("outlook.com", "outlook"),
        ("msn.com", "outlook"),
        ("icloud.com", "apple"),
        ("web.de", "gmx"),
        ("gmx.de", "gmx"),
        ("gmx.com", "mail.com"),
        ("wanadoo.fr", "orange"),
        ("qq.com", "tencent"),
    ],
)
def test_a_domain_of_a_large_provider_is_known(domain, provider):
    assert provider_of(domain) == provider
    assert destination_of(domain) == provider


@pytest.mark.parametrize(
    "domain",
    [
        "example.org",
        "gmail.com.example.org",
        "notgmail.com",
        "gmailXcom",
        "mail.gmail.com",
        "yahoo.example",
        "hotmail.com.evil.test",
        "gmail.com\n",
        "",
    ],
)
def test_a_domain_that_only_looks_like_one_is_not(domain):
    assert provider_of(domain) is None


def test_a_domain_of_its_own_is_its_own_destination():
    assert destination_of("News.Example.ORG") == "news.example.org"


@pytest.mark.parametrize(
    "provider, messages", [("google", 5), ("yahoo", 5), ("outlook", 5), ("apple", 10)]
)
def test_what_the_largest_providers_take_at_once(provider, messages):
    assert most_at_once(provider) == messages


@pytest.mark.parametrize("provider", [None, "example.org"])
def test_nothing_is_known_of_others(provider):
    assert most_at_once(provider) is None


def test_each_provider_stands_in_the_table_once_and_in_words_of_the_database():
    names = [provider.name for provider in TABLE]

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z. ]{1,64}", name) for name in names)
