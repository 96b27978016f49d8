"""The words of an issue in the order a reader meets them, to compare with their source."""

from __future__ import annotations

from markdown_it.token import Token

from digest.content.issue_file import TODO, Fragment, Issue
from digest.content.markdown import issue_markdown, plain_words


def words_of_issue(issue: Issue) -> list[str]:
    """Title, preview, opening, sections with their items, closing: without what we added."""
    texts = [issue.title, issue.preview, _words(issue.opening)]
    for section in issue.sections:
        texts += [section.heading, _words(section.text)]
        for item in section.items:
            texts += [item.title, _words(item.byline), _words(item.body)]
    texts.append(_words(issue.closing))
    return [word for text in texts for word in text.split()]


def _words(fragment: Fragment) -> str:
    return " ".join(_plain(token) for token in issue_markdown().parse(fragment.text))


def _plain(token: Token) -> str:
    return plain_words(token.children or []) if token.type == "inline" else token.content


__all__ = ["TODO", "words_of_issue"]
