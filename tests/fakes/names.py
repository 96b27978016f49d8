"""A DNS server on loopback that knows what a test tells it, and nothing else.

UDP and TCP (RFC 1035 §4.2): a DKIM record of 2,048 bits may not fit into 512 octets. A name that is
not in the zone does not exist (NXDOMAIN); one without the type asked for has no data.
"""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Zone = Mapping[tuple[str, str], Sequence[str]]
_UDP_ROOM = 4096  # octets, as an EDNS client allows


class NameServer:
    """Answers from ``zone``: (name without its last dot, type) → values as in a zone file.

    The zone may be changed while it runs; ``asked`` is what was asked, in order.
    """

    def __init__(self, zone: Zone) -> None:
        self.zone = dict(zone)
        self.asked: list[tuple[str, str]] = []
        self.fails = ""  # the code every question is answered with instead
        self._tcp = _Tcp(("127.0.0.1", 0), _TcpHandler)
        self.port: int = self._tcp.server_address[1]
        self._udp = _Udp(("127.0.0.1", self.port), _UdpHandler)
        self._tcp.names = self._udp.names = self
        self._threads = [
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
            for server in (self._tcp, self._udp)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for server in (self._tcp, self._udp):
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()

    def answer(self, wire: bytes) -> bytes:
        """The answer to one question, both as on the wire."""
        query = dns.message.from_wire(wire)
        response = dns.message.make_response(query, recursion_available=True)
        response.flags |= dns.flags.AA
        if self.fails:
            response.set_rcode(dns.rcode.from_text(self.fails))
            return response.to_wire()
        for question in query.question:
            name = question.name.to_text(omit_final_dot=True).lower()
            kind = dns.rdatatype.to_text(question.rdtype)
            self.asked.append((name, kind))
            alias = self.zone.get((name, "CNAME"), ())
            if alias and kind != "CNAME":  # as a recursive server, with what stands behind it
                first = dns.rrset.from_text_list(question.name, 60, "IN", "CNAME", list(alias))
                response.answer.append(first)
                target = alias[0].rstrip(".")
                behind = self.zone.get((target, kind), ())
                if behind:
                    rrset = dns.rrset.from_text_list(alias[0], 60, "IN", kind, list(behind))
                    response.answer.append(rrset)
                continue
            values = self.zone.get((name, kind), ())
            if values:
                answer = dns.rrset.from_text_list(question.name, 60, "IN", kind, list(values))
                response.answer.append(answer)
            elif not any(known == name for known, _ in self.zone):
                response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire(max_size=65_535)


class _Tcp(socketserver.ThreadingTCPServer):
    names: NameServer
    daemon_threads = True
    allow_reuse_address = True


class _Udp(socketserver.ThreadingUDPServer):
    names: NameServer
    daemon_threads = True


class _UdpHandler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        wire, socket = self.request
        server: Any = self.server
        answer = server.names.answer(wire)
        if len(answer) > _UDP_ROOM:  # truncated: the client asks again over TCP
            answer = answer[:2] + bytes([answer[2] | 0x02]) + answer[3:_UDP_ROOM]
        socket.sendto(answer, self.client_address)


class _TcpHandler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server: Any = self.server
        while len(head := self.rfile.read(2)) == 2:
            answer = server.names.answer(self.rfile.read(struct.unpack("!H", head)[0]))
            self.wfile.write(struct.pack("!H", len(answer)) + answer)
