"""The guardian's own look at each venue that has positions: what is held, at what price the market is, and how often
the venue can be asked."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal

import pytest
from msgspec import structs

from exchange.venue_client import served
from onetape.guardian.venue_reader import VenueReader
from onetape.model.catalogue import find
from onetape.model.enums import OrderType, Side
from onetape.model.order import OrderSpec
from onetape.model.time import SECOND
from onetape.options.guardian import AccountOptions
from onetape.orders.malformed import check_reports
from onetape.orders.reports import PositionReport
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue

HELD = [
    ("binance-usdm", "binance:BTC/USDT:USDT", 0.03),
    ("aster", "aster:BTC/USDT:USDT", 0.03),
    ("pacifica", "pacifica:BTC/USDC:USDC", 0.03),
    ("bitmex", "bitmex:BTC/USD:BTC", 3000),
    ("bybit", "bybit:BTC/USDT:USDT", 0.03),
    ("bybit", "bybit:BTC/USD:BTC", 300),
    ("hyperliquid", "hyperliquid:BTC/USDC:USDC", 0.03),
    ("okx", "okx:BTC/USDT:USDT", 3),
]


@pytest.mark.parametrize(("kind", "symbol", "qty"), HELD)
def test_a_look_at_what_is_held_says_the_mark_price_too(kind, symbol, qty, tmp_path):
    instrument = structs.replace(find(symbol), venue_number=0)  # the first of the list, where numbers name them
    with served(kind, seed=11, limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        rest = f"http://127.0.0.1:{port}"
        options = AccountOptions(
            kind=kind, rest=rest, ws="", key=account.key, secret=account.secret, third_secret=account.password
        )
        spec = OrderSpec(symbol=symbol, side=Side.BUY, size_int=instrument.size_int(qty), type=OrderType.MARKET)

        async def look() -> list[PositionReport]:
            reader = VenueReader(options, tmp_path, lambda _: None)
            reader.learn([instrument])
            async with reader.open():
                now, last = reader.clock.now(), dialect.exchange.listings[0].last
                call = reader.protocol.place("byotherhands", spec, now, reference=last)
                await reader.line.answer(reader.protocol.signed(call, now))
                found = await reader.positions()
                while found is not None and not any(row.qty for row in found[1]):  # an order may be held up
                    found = await reader.positions()
                return found[1]

        (row,) = (row for row in asyncio.run(look()) if row.qty)
        last = instrument.price(dialect.exchange.listings[0].last)
        assert row.qty == instrument.size_int(qty)
        assert row.mark is not None and abs(row.mark - last) < last / 100


@pytest.mark.parametrize(("kind", "pace"), [("binance-usdm", 1), ("aster", 1), ("bitmex", 1.5), ("pacifica", 3)])
def test_half_of_the_budget_is_enough_for_the_looks_at_a_symbol(kind, pace, tmp_path):
    with served(kind, seed=11) as (dialect, port):
        account = dialect.exchange.accounts[0]
        options = AccountOptions(
            kind=kind, rest=f"http://127.0.0.1:{port}", ws="", key=account.key, secret=account.secret
        )
        assert VenueReader(options, tmp_path, lambda _: None).pace == pace * SECOND


def test_mark_prices_that_are_old_or_none_are_left_out():
    addresses = Addresses("http://127.0.0.1:1", "ws://127.0.0.1:1", "ws://127.0.0.1:1")
    with served("pacifica", seed=11) as (dialect, _):
        account = dialect.exchange.accounts[0]
    venue = open_trading_venue("pacifica", account.key, account.secret, addresses)
    venue.protocol.set_instruments([find("pacifica:BTC/USDC:USDC"), find("pacifica:ETH/USDC:USDC")])
    body = (
        b'{"success":true,"data":[{"symbol":"BTC","mark":"60000","timestamp":%d},'
        b'{"symbol":"ETH","mark":"%s","timestamp":2000},{"symbol":"OTHER","mark":"1","timestamp":2000}]}'
    )
    read = venue.marks.read
    assert read(body % (2000, b"3000"), 2 * SECOND) == {
        "pacifica:BTC/USDC:USDC": Decimal(60000),
        "pacifica:ETH/USDC:USDC": Decimal(3000),
    }
    assert read(body % (1999, b"NaN"), 2 * SECOND) == {}


@pytest.mark.parametrize("name", ["entry", "mark", "liquidation"])
@pytest.mark.parametrize("price", ["NaN", "Infinity", "sNaN"])
def test_a_price_that_is_no_number_is_refused_where_it_is_read(name, price):
    row = PositionReport("x", None, 1, time.time_ns())._replace(**{name: Decimal(price)})
    with pytest.raises(ValueError, match=name):
        check_reports([row])
