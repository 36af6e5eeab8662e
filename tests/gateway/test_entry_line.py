"""The line for orders in one process with its exchange: a connection that is renewed loses nothing,
one that is refused is left alone."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from exchange.venue_client import served
from onetape.feeds.query_line import VenueLine
from onetape.feeds.request_budget import AddressBudget, budget_file
from onetape.feeds.venue_clock import VenueClock
from onetape.gateway.order_line import EntryLine
from onetape.model import catalogue
from onetape.model.enums import Side
from onetape.model.errors import VenueRateLimit
from onetape.model.order import OrderSpec
from onetape.orders.calls import OrderKey
from onetape.orders.outcome import Outcome
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue
from waiting import wait_in_loop

SYMBOLS = {"binance-usdm": "binance:BTC/USDT:USDT", "kraken": "kraken:BTC/USD"}
PATHS = {"binance-usdm": "", "kraken": "/v2"}


class Lines:
    """A `VenueLine` and an `EntryLine` at an exchange."""

    def __init__(self, kind: str, port: int, account, home=None, **options) -> None:
        ws = f"ws://127.0.0.1:{port}{PATHS[kind]}"
        rest = f"http://127.0.0.1:{port}"
        self.venue = open_trading_venue(
            kind, account.key, account.secret, Addresses(rest, ws, ws), getattr(account, "password", "")
        )
        self.venue.protocol.signs_late = True
        clock = VenueClock()
        self.budget = None
        if home is not None:
            path = budget_file(home, rest)
            path.parent.mkdir()
            self.budget = AddressBudget(path, (), now=clock.now, say=lambda _: None)
        self.line = VenueLine(self.venue, rest, clock, budget=self.budget)
        self.answers: list = []
        self.went: list[str] = []
        self.entry = EntryLine(
            self.line,
            answered=lambda call, answer: self.answers.append((call, answer)),
            went=self.went.append,
            **options,
        )
        self.symbol = SYMBOLS[kind]

    async def __aenter__(self) -> Lines:
        self.opened = self.line.open()
        await self.opened.__aenter__()
        self.venue.protocol.set_instruments([catalogue.find(self.symbol)])
        self.following = asyncio.ensure_future(self.entry.follow())
        return self

    async def __aexit__(self, *_) -> None:
        self.following.cancel()
        await asyncio.gather(self.following, return_exceptions=True)
        await self.opened.__aexit__(None, None, None)

    def place(self, number: int, price: int):
        unit = catalogue.find(self.symbol).size_int("0.01")
        spec = OrderSpec(symbol=self.symbol, side=Side.BUY, size_int=unit, price_int=price)
        return self.venue.protocol.place(f"x-{number}", spec, self.line.clock.now())

    def cancel(self, number: int):
        key = OrderKey(self.symbol, f"x-{number}")
        return self.venue.protocol.cancel(key, self.line.clock.now())


@pytest.mark.parametrize("kind", SYMBOLS)
def test_a_connection_that_is_renewed_loses_no_answer(kind):
    async def work(port: int, exchange) -> None:
        async with Lines(kind, port, exchange.accounts[0], life_s=0.3) as lines:
            price = exchange.listings[0].bid - 5000
            seen = []
            number = 0
            while len(seen) < 4 or number < 20:
                await wait_in_loop(lambda: lines.entry.is_up)
                if lines.entry._current not in seen:
                    seen.append(lines.entry._current)
                number += 1
                for call in (lines.place(number, price), lines.cancel(number)):
                    wanted = len(lines.answers) + 1
                    assert lines.entry.send(call)
                    await wait_in_loop(lambda wanted=wanted: len(lines.answers) == wanted)
                lines.entry.tick()
            assert {answer.outcome for _, answer in lines.answers} == {Outcome.DONE}
            assert lines.went == []
            assert len(lines.answers) == lines.entry.sent == 2 * number
            # Those that were replaced are closed after their last answers.
            await wait_in_loop(lambda: lines.entry.tick() or all(each.ended.is_set() for each in seen[:-1]))

    with served(kind, limits=False) as (dialect, port):
        asyncio.run(work(port, dialect.exchange))


def test_a_key_that_the_venue_refuses_is_not_tried_again_at_once():
    async def work(port: int, dialect) -> None:
        def tries() -> int:
            return [each.path for each in dialect.received].count("session.logon")

        secret = (
            "-----BEGIN PRIVATE KEY-----\n"
            "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
            "-----END PRIVATE KEY-----\n"
        )
        nobody = SimpleNamespace(key="nobody", secret=secret)
        async with Lines("binance-usdm", port, nobody) as lines:
            await wait_in_loop(tries)
            await asyncio.sleep(1.0)  # a line that retried would have done so three times
            assert not lines.entry.is_up
            assert not lines.entry.send(lines.place(1, 500_000))
            assert tries() == 1

    with served("binance-usdm", limits=False, faults=" ") as (dialect, port):
        asyncio.run(work(port, dialect))


def test_a_cut_line_tells_every_pending_request_at_once():
    faults = '[[fault]]\naction = "drop_answer"\nmethod = "WS"\npurpose = "place"\n'

    async def work(port: int, dialect) -> None:
        exchange = dialect.exchange
        async with Lines("kraken", port, exchange.accounts[0]) as lines:
            await wait_in_loop(lambda: lines.entry.is_up)
            price = exchange.listings[0].bid - 5000
            calls = [lines.place(number, price) for number in range(5)]
            assert all(map(lines.entry.send, calls))
            await wait_in_loop(lambda: len(exchange.accounts[0].open_orders) == 5)
            assert lines.answers == []
            lines.entry._current.close()
            await wait_in_loop(lambda: lines.went)
            assert [call for call, _ in lines.answers] == calls
            assert {answer.outcome for _, answer in lines.answers} == {Outcome.AMBIGUOUS}
            assert not lines.entry.is_up
            assert not lines.entry.send(lines.place(9, price))
            await wait_in_loop(lambda: lines.entry.is_up)

    with served("kraken", limits=False, faults=faults) as (dialect, port):
        asyncio.run(work(port, dialect))


def test_a_venue_that_wants_silence_over_the_line_is_left_alone_over_rest_too(tmp_path):
    faults = '[[fault]]\naction = "error"\nerror = "-1003"\nmethod = "WS"\npurpose = "place"\nnth = 1\n'

    async def work(port: int, exchange) -> None:
        async with Lines("binance-usdm", port, exchange.accounts[0], tmp_path) as lines:
            await wait_in_loop(lambda: lines.entry.is_up)
            price = exchange.listings[0].bid - 5000
            first, second = lines.place(1, price), lines.place(2, price)
            assert lines.entry.send(first)
            await wait_in_loop(lambda: lines.answers)
            assert lines.answers[0][1].outcome is Outcome.SAFE
            assert lines.budget.is_shut_out  # then a gateway asks the line no more
            signed = lines.venue.protocol.signed(second, lines.line.clock.now())
            answer = await lines.line.answer(signed)
            assert (answer.outcome, answer.code) == (Outcome.DEFINITIVE, VenueRateLimit.code)
            assert lines.entry.sent == 1
        lines.budget.close()

    with served("binance-usdm", limits=False, faults=faults) as (dialect, port):
        asyncio.run(work(port, dialect.exchange))
        assert dialect.exchange.accounts[0].open_orders == {}
