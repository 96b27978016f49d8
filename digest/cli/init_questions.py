"""What ``digest init`` asks on a terminal. Each answer is checked as it is given, or asked anew."""

from __future__ import annotations

import sys
from collections.abc import Callable
from getpass import getpass
from typing import TypeAlias
from urllib.parse import quote

from digest.cli import output
from digest.delivery.traits import sender_fields
from digest.errors import DigestError, InputError
from digest.mail.address import parse_address
from digest.rules.relay import PROFILES, parse_relay
from digest.settings import is_loopback, read_public_url
from digest.store.newsletters import checked_fields

Check: TypeAlias = Callable[[str], object]  # DigestError for an answer that cannot be


def ask(question: str, check: Check, *, needed: bool = False) -> str | None:
    """The answer that passed ``check``; None for an empty one where none is ``needed``."""
    while True:
        sys.stderr.write(f"{question}: ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        answer = line.strip()
        try:
            if answer:
                check(answer)
                return answer
            if not needed or not line:  # nobody is there any more
                return None
            raise InputError("This is needed.")
        except DigestError as error:
            output.note(f"  {error.message} {error.fix}".rstrip())


def ask_relay() -> str | None:
    """The relay's URL, asked for piece by piece; None where it is to be named later."""
    host = ask("Relay that takes the mail, host or host:port (empty: later)", _relay)
    if host is None or "://" in host:
        return host
    name = parse_relay(f"smtp://{host}").host
    kind = ask(f"What it is: {', '.join(PROFILES)} (empty: generic)", _kind)
    user = ask("User there (empty: none)", _anything)
    login = ""
    if user:
        login = f"{quote(user, safe='')}:{quote(getpass('Password: '), safe='')}@"
    scheme = "smtps" if host.endswith(":465") else "smtp"
    url = f"{scheme}://{login}{host}?profile={kind or 'generic'}"
    if is_loopback(name) and scheme == "smtp":
        output.note("  It is on this machine: without TLS (tls=none in .env).")
        url += "&tls=none"
    return url


def read_relay() -> str:
    """The relay's URL from a terminal, which does not show it, or from standard input."""
    asks = sys.stdin.isatty()
    given = getpass("URL of the relay (not shown): ") if asks else sys.stdin.readline()
    if not given.strip():
        raise InputError("No URL was given.", where="--relay-url", fix="smtp://user:password@host")
    return given.strip()


def ask_public_url() -> str | None:
    """Where readers reach the pages; None for this machine only."""
    question = "Public URL of the pages, https://… (empty: this machine only)"
    return ask(question, _public_url)


def ask_operator() -> str | None:
    """Who is told when something stops."""
    return ask("Operator, told when something stops (an address)", parse_address)


def ask_fields(given: dict[str, object]) -> dict[str, object]:
    """What is not ``given`` of a newsletter, as its columns."""
    found: dict[str, object] = {}
    for key, question, needed in _OF_A_NEWSLETTER:
        answer = None if given.get(key) else ask(question, _field(key), needed=needed)
        if answer:
            found |= sender_fields(answer) if key == "from_address" else {key: answer}
    return found


_OF_A_NEWSLETTER = (
    ("name", "Name of the newsletter", True),
    ("from_address", "From (hello@news.example.org)", True),
    ("postal_address", "Postal address of the sender", False),
    ("return_path", "Bounces go to (bounces+{token}@example.org; empty: a domain below)", False),
    ("timezone", "Time zone (Europe/Berlin; empty: UTC)", False),
    ("schedule", "Day and time it goes out (thu 09:00; empty: by hand)", False),
)


def _field(key: str) -> Check:
    def check(answer: str) -> None:
        fields = sender_fields(answer) if key == "from_address" else {key: answer}
        checked_fields(fields)

    return check


def _relay(answer: str) -> None:
    parse_relay(answer if "://" in answer else f"smtp://{answer}")


def _kind(answer: str) -> None:
    if answer not in PROFILES:
        raise InputError("That is none of them.", fix="Leave it empty if you are not sure.")


def _public_url(answer: str) -> None:
    try:
        read_public_url(answer)
    except ValueError as error:
        raise InputError(f"The address {error}.") from None


def _anything(_answer: str) -> None:
    pass
