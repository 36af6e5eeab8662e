"""What the shell does about faults: answers are awaited, connections are cut or silent."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import threading
import time

import aiohttp
import pytest

from sim.venue_client import BinanceClient, Wire, served

TIME = "/fapi/v1/time"


def test_a_late_answer_holds_up_nobody_else():
    rule = '[[fault]]\naction = "delay"\npath = "/fapi/v1/time"\nwait = "700ms"'
    with served("binance-usdm", faults=rule) as (_, port):
        took = {}

        def ask(path: str) -> None:
            begun = time.monotonic()
            assert Wire(port).request("GET", path, b"", {})[0] == 200
            took[path] = time.monotonic() - begun

        threads = [threading.Thread(target=ask, args=(p,)) for p in (TIME, "/fapi/v1/ping")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert took[TIME] >= 0.7
        assert took["/fapi/v1/ping"] < took[TIME]


def test_a_dropped_answer_cuts_the_connection_after_the_order_was_taken():
    rule = '[[fault]]\naction = "drop_answer"\npurpose = "place"'
    with served("binance-usdm", faults=rule) as (dialect, port):
        account = dialect.exchange.accounts[0]
        client = BinanceClient(Wire(port), account.key, account.secret)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            client.ask(
                "POST", "/fapi/v1/order", symbol="BTCUSDT", side="BUY", type="MARKET",
                quantity="0.010",
            )  # fmt: skip
        assert account.qty(0) == 10


def test_an_answer_that_never_comes_does_not_keep_the_exchange_from_stopping():
    rule = f'[[fault]]\naction = "drop_answer"\npath = "{TIME}"\nwait = "1h"'
    with served("binance-usdm", faults=rule) as (_, port):
        waiting = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        waiting.request("GET", TIME)
        time.sleep(0.2)
        begun = time.monotonic()
    assert time.monotonic() - begun < 5
    with contextlib.suppress(ConnectionError, http.client.HTTPException):
        waiting.getresponse()


async def watch(port: int, seconds: float) -> tuple[int, bool, int]:
    """(messages, whether the last ping was answered, the code it ended with or 0)."""
    heard, end = 0, time.monotonic() + seconds
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            f"http://127.0.0.1:{port}/public/ws/btcusdt@bookTicker", autoping=False
        ) as socket,
    ):
        answered = False
        while (left := end - time.monotonic()) > 0:
            if left < 0.5 and not answered:
                await socket.ping()
            try:
                message = await socket.receive(timeout=min(left, 0.2))
            except TimeoutError:
                continue
            if message.type is aiohttp.WSMsgType.PONG:
                answered = True
            elif message.type is aiohttp.WSMsgType.TEXT:
                heard += 1
            else:
                return heard, answered, socket.close_code or 0
        return heard, answered, 0


@pytest.mark.parametrize("is_silent", [False, True])
def test_only_a_half_open_connection_answers_no_ping(is_silent):
    rule = '[[fault]]\naction = "half_open"\nevent = "bookTicker"\ncount = 1'
    rule += "" if is_silent else "\nprobability = 0"
    with served("binance-usdm", faults=rule) as (_, port):
        heard, answered, code = asyncio.run(watch(port, 2))
    assert (heard == 0, not answered, code) == (is_silent, is_silent, 0)


def test_a_connection_that_is_cut_has_no_closing_frame():
    rule = '[[fault]]\naction = "disconnect"\nevent = "bookTicker"\nnth = 5'
    with served("binance-usdm", faults=rule) as (_, port):
        heard, _, code = asyncio.run(watch(port, 5))
    assert heard <= 4
    assert code == 1006
