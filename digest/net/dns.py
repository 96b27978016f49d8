"""Asking the DNS (RFC 1035), with an end to the patience: what is not there and what nobody could
tell are two things.

A name that does not exist, and one without the kind of record asked for, are an empty answer.
SERVFAIL, REFUSED, no server and no answer in time are a DnsError: nothing may be concluded from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.rdata
import dns.rdatatype
import dns.resolver

from digest.errors import DnsError
from digest.mail.lookups import Answers, Judgment, Question

T = TypeVar("T")

PORT = 53


class Resolver:
    """Asks the machine's name servers, or ``nameserver`` (``127.0.0.1:5353``); remembers answers.

    ``timeout`` is how long one question may take altogether, in seconds. For one examination: what
    it was told once stays, for good and for bad.
    """

    def __init__(self, nameserver: str = "", *, timeout: float = 5.0) -> None:
        self._resolver = _resolver(nameserver)
        self._timeout = timeout
        self._asked: dict[Question, asyncio.Task[Answers]] = {}

    async def ask(self, question: Question) -> Answers:
        """The answer to ``question``; DnsError where nobody could tell."""
        task = self._asked.get(question)
        if task is None:
            task = asyncio.ensure_future(self._ask(question))
            self._asked[question] = task
        return await asyncio.shield(task)

    async def _ask(self, question: Question) -> Answers:
        if self._resolver is None:
            raise DnsError("This machine knows no name server.", where=question.name, fix=_SET)
        try:
            answer = await self._resolver.resolve(
                f"{question.name}.", question.kind, lifetime=self._timeout, search=False
            )
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            raise DnsError(
                f"Nobody could tell {question.kind} of {question.name}: {_reason(error)}.",
                where=question.name,
                fix="Ask again later; where it lasts, look at the domain's name servers.",
            ) from error
        return tuple(_TEXTS.get(question.kind, str)(record) for record in answer)

    async def answered(self, judgment: Judgment[T]) -> T:
        """Have ``judgment`` come to its end; DnsError where one of its questions has no answer."""
        try:
            question = next(judgment)
            while True:
                question = judgment.send(await self.ask(question))
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            judgment.close()


_SET = "Name one: DIGEST_DNS__NAMESERVER=127.0.0.1."


def _resolver(nameserver: str) -> dns.asyncresolver.Resolver | None:
    if not nameserver:
        try:
            return dns.asyncresolver.Resolver()
        except dns.exception.DNSException:
            return None
    host, port = split_server(nameserver)
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port)]
    return resolver


def split_server(text: str) -> tuple[str, int]:
    """``192.0.2.1``, ``192.0.2.1:5353``, ``[2001:db8::1]:5353`` as address and port."""
    host, _, port = text.rpartition(":")
    if text.count(":") == 1 or host.endswith("]"):
        return host.strip("[]"), int(port)
    return text.strip("[]"), PORT


def _reason(error: Exception) -> str:
    if isinstance(error, dns.resolver.LifetimeTimeout):
        return "no answer in time"
    if isinstance(error, dns.resolver.NoNameservers):
        return "the name servers refuse or fail (SERVFAIL)"
    return str(error) or type(error).__name__


def _joined(record: dns.rdata.Rdata) -> str:
    strings: tuple[bytes, ...] = getattr(record, "strings", ())
    return b"".join(strings).decode("utf-8", "replace")


def _named(attribute: str) -> Callable[[dns.rdata.Rdata], str]:
    def read(record: dns.rdata.Rdata) -> str:
        return _plain(str(getattr(record, attribute)))

    return read


def _mx(record: dns.rdata.Rdata) -> str:
    return f"{getattr(record, 'preference', 0)} {_plain(str(getattr(record, 'exchange', '')))}"


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


_TEXTS: dict[str, Callable[[dns.rdata.Rdata], str]] = {
    "TXT": _joined,
    "MX": _mx,
    "CNAME": _named("target"),
    "PTR": _named("target"),
}
