"""Kept-open HTTP connections, against sockets that do what servers do at their worst."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from exchange.venue_client import served
from onetape.net.kept_http import KeptConnections
from onetape.orders.calls import Call, Purpose
from waiting import wait_in_loop

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CALL = Call(Purpose.PLACE, "POST", "/x?a=1", b"body", {"X-Key": "k"}, 0)


@contextlib.asynccontextmanager
async def against(answer, *, kept: int = 1):
    """(connections that are open, what the server heard). answer: (writer, request's bytes)."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                body = await reader.readexactly(int(length or 0))
                heard.append(head + body)
                await answer(writer, head + body)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    line = KeptConnections(f"http://127.0.0.1:{port}", kept=kept)
    keeper = asyncio.ensure_future(line.keep())
    try:
        yield line, heard
    finally:
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
        server.close()


async def sent(line: KeptConnections, call: Call = CALL):
    """Once a connection is free."""
    return await wait_in_loop(lambda: line.send(call))


def test_one_connection_carries_one_request_after_another():
    async def answer(writer, request):
        writer.write(OK)

    async def work():
        async with against(answer) as (line, heard):
            for _ in range(20):
                reported = await (await sent(line))
                assert (reported.status, reported.body) == (200, b"{}")
            return heard

    heard = asyncio.run(work())
    assert len(heard) == 20
    assert heard[0].startswith(b"POST /x?a=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nX-Key: k\r\n" in heard[0]
    assert heard[0].endswith(b"\r\nContent-Length: 4\r\n\r\nbody")


def test_a_connection_with_a_request_on_it_takes_no_other():
    release = asyncio.Event()

    async def answer(writer, request):
        await release.wait()
        writer.write(OK)

    async def work():
        async with against(answer) as (line, _):
            first = await sent(line)
            assert line.send(CALL) is None
            release.set()
            await first
            assert line.send(CALL) is not None

    asyncio.run(work())


async def _cut(writer, request):
    writer.transport.abort()


async def _half(writer, request):
    writer.write(OK[:30])
    await writer.drain()
    writer.transport.abort()


async def _nonsense(writer, request):
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n{}")


@pytest.mark.parametrize("answer", [_cut, _half, _nonsense])
def test_a_request_without_a_readable_answer_is_an_error_and_is_not_sent_again(answer):
    async def work():
        async with against(answer) as (line, heard):
            with pytest.raises(OSError):
                await (await sent(line))
            return len(heard)

    assert asyncio.run(work()) == 1


def test_an_answer_that_was_given_up_is_never_the_next_one_s():
    async def answer(writer, request):
        if b"/slow" in request:
            await asyncio.sleep(0.1)
            writer.write(OK.replace(b"{}", b"no"))
        else:
            writer.write(OK)

    async def work():
        async with against(answer) as (line, _):
            slow = await sent(line, CALL._replace(target="/slow"))
            slow.cancel()
            reported = await (await sent(line))
            assert reported.body == b"{}"

    asyncio.run(work())


def test_bytes_that_nobody_asked_for_end_the_connection():
    async def answer(writer, request):
        writer.write(OK + OK.replace(b"{}", b"no"))

    async def work():
        async with against(answer) as (line, _):
            for _ in range(3):
                reported = await (await sent(line))
                assert reported.body == b"{}"

    asyncio.run(work())


def test_a_request_never_has_a_line_of_its_own_making():
    async def answer(writer, request):
        writer.write(OK)

    async def work():
        async with against(answer) as (line, _):
            await (await sent(line))
            with pytest.raises(ValueError, match="control character") as caught:
                line.send(CALL._replace(headers={"X-Key": "secret\r\nX: y"}))
            assert "secret" not in str(caught.value)
            await (await sent(line))

    asyncio.run(work())


def test_a_simulated_exchange_answers_as_it_does_everybody():
    async def work(port: int):
        line = KeptConnections(f"http://127.0.0.1:{port}")
        keeper = asyncio.ensure_future(line.keep())
        call = Call(Purpose.TIME, "GET", "/fapi/v1/time", b"", {}, 1)
        reported = await (await sent(line, call))
        keeper.cancel()
        return reported

    with served("binance-usdm") as (_, port):
        reported = asyncio.run(work(port))
    assert reported.status == 200
    assert b"serverTime" in reported.body
    assert reported.headers["content-type"].startswith("application/json")
