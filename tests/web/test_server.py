"""The server on its socket: addresses, ports that are taken, and an end that comes."""

from __future__ import annotations

import asyncio
import socket

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from digest.errors import SettingsError
from digest.web.app import wrapped
from digest.web.server import open_listener, serving, url_of


async def _hello(_request: Request) -> Response:
    return PlainTextResponse("hello")


async def _endless(_request: Request) -> Response:
    async def events() -> object:
        while True:
            yield "data: \n\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(events(), media_type="text/event-stream")  # type: ignore[arg-type]  # object is what it yields


def an_app() -> Starlette:
    return wrapped([Route("/", _hello), Route("/endless", _endless)])


async def test_a_free_port_is_known_before_the_first_answer() -> None:
    listener = open_listener("127.0.0.1", 0)
    url = url_of(listener)
    async with serving(an_app(), listener) as served, httpx2.AsyncClient() as client:
        assert served == url
        answer = await client.get(url)
    assert answer.text == "hello"
    assert "server" not in answer.headers


async def test_no_part_of_an_answer_waits_for_the_one_before() -> None:
    at_once = asyncio.get_running_loop().create_future()

    def connected(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ours = writer.get_extra_info("socket")
        at_once.set_result(ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    listener = open_listener("127.0.0.1", 0)
    async with await asyncio.start_server(connected, sock=listener):
        _, writer = await asyncio.open_connection(*listener.getsockname())
        assert await at_once == 1
        writer.close()
        await writer.wait_closed()


def test_a_port_that_is_taken_is_an_error_with_a_way_out() -> None:
    with open_listener("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError) as raised:
            open_listener("127.0.0.1", port)
    assert raised.value.where == "DIGEST_PORT"
    assert str(port) in raised.value.message


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_an_address_that_is_not_ours_is_an_error(host: str) -> None:
    with pytest.raises(SettingsError):
        open_listener(host, 0)


@pytest.mark.parametrize("port", [-1, 65_536, 99_999])
def test_a_port_that_does_not_exist_is_not_cut_to_one_that_does(port: int) -> None:
    with pytest.raises(SettingsError):
        open_listener("127.0.0.1", port)


def test_a_server_on_every_address_is_reached_on_loopback() -> None:
    with open_listener("0.0.0.0", 0) as listener:
        assert url_of(listener).startswith("http://127.0.0.1:")


async def test_the_end_does_not_wait_for_a_stream_that_never_ends() -> None:
    listener = open_listener("127.0.0.1", 0)
    async with asyncio.timeout(30):
        async with serving(an_app(), listener) as url:
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            writer.write(b"GET /endless HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            assert url
        await reader.read()  # the server has closed it
        writer.close()
    assert listener.fileno() == -1
    assert isinstance(listener, socket.socket)
