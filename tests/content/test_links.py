"""Promises of links: which may stand in an issue, which are the same, and UTM parameters."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.content.links import canonical_url, is_web, link_target, with_utm

SAME_PAGE = [
    ("https://Example.ORG/A?utm_source=x&id=1#part", "https://example.org/A?id=1"),
    ("HTTPS://example.org", "https://example.org/"),
    ("https://example.org:443/a", "https://example.org/a"),
    ("http://example.org:8080/a", "http://example.org:8080/a"),
    ("https://example.org/a?fbclid=1&b=2&UTM_Medium=3", "https://example.org/a?b=2"),
    ("https://example.org/a?b=%20&empty=", "https://example.org/a?b=%20&empty="),
    ("http://arxiv.org/pdf/2101.05783v2.pdf", "https://arxiv.org/abs/2101.05783"),
    ("https://arxiv.org/abs/2101.05783", "https://arxiv.org/abs/2101.05783"),
    ("https://arxiv.org/html/2101.05783v1", "https://arxiv.org/abs/2101.05783"),
    ("https://www.arxiv.org/abs/math.GT/0309136v1", "https://arxiv.org/abs/math.GT/0309136"),
    ("https://youtu.be/dQw4w9WgXcQ?t=3", "https://www.youtube.com/watch?v=dQw4w9WgXcQ"),
    ("https://m.youtube.com/watch?t=3&v=abc_-9", "https://www.youtube.com/watch?v=abc_-9"),
    ("https://www.youtube.com/shorts/abc_-9", "https://www.youtube.com/watch?v=abc_-9"),
    ("https://www.youtube.com/embed/abc_-9", "https://www.youtube.com/watch?v=abc_-9"),
    ("https://www.youtube.com/@somebody", "https://www.youtube.com/@somebody"),
    ("https://example.org/a #part", "https://example.org/a"),
    ("https://example.org/a?b=1 &utm_source=x", "https://example.org/a?b=1"),
    ("https://youtu.be/dQw4w9WgXcQ ?t=3", "https://www.youtube.com/watch?v=dQw4w9WgXcQ"),
    ("mailto:anne@example.org", "mailto:anne@example.org"),
]


@pytest.mark.parametrize(("url", "canonical"), SAME_PAGE)
def test_one_page_has_one_canonical_address(url: str, canonical: str) -> None:
    assert canonical_url(url) == canonical


@settings(deadline=None)
@given(
    st.text(max_size=60) | st.from_regex(r"https?://[a-z]{1,9}\.org/[ -~]{0,30}", fullmatch=True)
)
def test_a_canonical_address_is_its_own_canonical_address(url: str) -> None:
    once = canonical_url(url)
    assert canonical_url(once) == once


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,<script>1</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "ftp://example.org/a",
        "//example.org/a",
        "/relative",
        "TODO",
        "",
        "https://",
        "http://[::1",
        "mailto:nobody",
    ],
)
def test_a_link_that_shows_no_page_is_no_target(url: str) -> None:
    assert link_target(url) is None


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.org/a?b=1&c=2#d", "https://example.org/a?b=1&c=2#d"),
        ("https://example.org/ä b", "https://example.org/%C3%A4%20b"),
        ("https://münchen.example/", "https://xn--mnchen-3ya.example/"),
        ("https://[::1]:8000/a", "https://[::1]:8000/a"),
        ("mailto:anne@example.org", "mailto:anne@example.org"),
    ],
)
def test_a_target_is_an_ascii_address(url: str, target: str) -> None:
    assert link_target(url) == target
    assert target.isascii()


@settings(deadline=None)
@given(st.text(max_size=80))
def test_a_target_never_leaves_its_attribute_or_line(url: str) -> None:
    target = link_target("https://example.org/" + url)
    if target is not None:
        assert not set(target) & set(' \t\r\n"<>')
        assert is_web(target)


UTM = {"source": "weekly", "medium": "email"}


@pytest.mark.parametrize(
    ("url", "tagged"),
    [
        ("https://e.org/a", "https://e.org/a?utm_source=weekly&utm_medium=email"),
        ("https://e.org/a?b=1#c", "https://e.org/a?b=1&utm_source=weekly&utm_medium=email#c"),
        ("https://e.org/?utm_source=own", "https://e.org/?utm_source=own&utm_medium=email"),
        ("https://e.org/?UTM_SOURCE=a&utm_medium=b", "https://e.org/?UTM_SOURCE=a&utm_medium=b"),
        ("https://news.example.org/archive", "https://news.example.org/archive"),
        ("mailto:anne@example.org", "mailto:anne@example.org"),
    ],
)
def test_only_missing_parameters_are_added_and_never_to_own_links(url: str, tagged: str) -> None:
    assert with_utm(url, UTM, own_host="news.example.org") == tagged


def test_a_value_of_a_parameter_is_encoded() -> None:
    assert with_utm("https://e.org/", {"campaign": "a&b=c d"}).endswith("?utm_campaign=a%26b%3Dc+d")
