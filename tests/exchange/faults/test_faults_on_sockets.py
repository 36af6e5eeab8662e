"""What the shell does about faults: answers are awaited, connections are cut or silent."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import threading
import time
from contextlib import asynccontextmanager

import aiohttp
import pytest

from exchange.venue_client import BinanceClient, Wire, served
from waiting import PATIENCE_S, wait_for, wait_in_loop

TIME = "/fapi/v1/time"


def test_a_late_answer_holds_up_nobody_else():
    rule = '[[fault]]\naction = "delay"\npath = "/fapi/v1/time"\nwait = "2s"'
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
        assert took[TIME] >= 2
        assert took["/fapi/v1/ping"] < took[TIME]


def test_a_dropped_answer_cuts_the_connection_after_the_order_was_taken():
    rule = '[[fault]]\naction = "drop_answer"\npurpose = "place"'
    with served("binance-usdm", faults=rule) as (dialect, port):
        account = dialect.exchange.accounts[0]
        client = BinanceClient(Wire(port), account.key, account.secret)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            client.ask("POST", "/fapi/v1/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.010")
        assert account.qty(0) == 10


def test_an_answer_that_never_comes_does_not_keep_the_exchange_from_stopping():
    rule = f'[[fault]]\naction = "drop_answer"\npath = "{TIME}"\nwait = "1h"'
    with served("binance-usdm", faults=rule) as (dialect, port):
        waiting = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        waiting.request("GET", TIME)
        wait_for(lambda: dialect.received)
    # The end of `served` has waited for that of the exchange, and not for so long.
    with contextlib.suppress(ConnectionError, http.client.HTTPException):
        waiting.getresponse()


@asynccontextmanager
async def tickers(port: int):
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{port}/public/ws/btcusdt@bookTicker", autoping=False) as socket,
    ):
        yield socket


@pytest.mark.parametrize("is_silent", [False, True])
def test_only_a_half_open_connection_answers_no_ping(is_silent):
    rule = '[[fault]]\naction = "half_open"\nevent = "bookTicker"\ncount = 1'
    rule += "" if is_silent else "\nprobability = 0"

    async def work() -> None:
        async with tickers(port) as socket:
            if is_silent:
                await wait_in_loop(lambda: dialect._silenced)
                await socket.ping()
                with pytest.raises(TimeoutError):  # neither a message nor an answer, nor an end
                    await socket.receive(timeout=1)
            else:
                assert (await socket.receive(timeout=PATIENCE_S)).type is aiohttp.WSMsgType.TEXT
                await socket.ping()
                while (message := await socket.receive(timeout=PATIENCE_S)).type is not aiohttp.WSMsgType.PONG:
                    assert message.type is aiohttp.WSMsgType.TEXT

    with served("binance-usdm", faults=rule) as (dialect, port):
        asyncio.run(work())


def test_a_connection_that_is_cut_has_no_closing_frame():
    rule = '[[fault]]\naction = "disconnect"\nevent = "bookTicker"\nnth = 5'

    async def work() -> tuple[int, int]:
        heard = 0
        async with tickers(port) as socket:
            while (await socket.receive(timeout=PATIENCE_S)).type is aiohttp.WSMsgType.TEXT:
                heard += 1
            return heard, socket.close_code or 0

    with served("binance-usdm", faults=rule) as (_, port):
        heard, code = asyncio.run(work())
    assert heard <= 4
    assert code == 1006
