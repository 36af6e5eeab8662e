"""What a chart is made of, beside the same made row by row."""

from __future__ import annotations

import asyncio
import struct
from types import SimpleNamespace

import pytest

from onetape.dashboard import market
from onetape.dashboard.market import Market, bars_until
from onetape.gateway.options import gateway_journal
from onetape.model.catalogue import find
from onetape.model.time import MINUTE, SECOND
from onetape.tape.journal import JournalWriter

BEGAN = 20_000 * 86400 * SECOND
COUNT = 70_000  # more than are read at once
SYMBOL = "binance:BTC/USDT:USDT"


@pytest.mark.parametrize("interval", ["1m", "1h"])
def test_bars_of_more_quotes_than_are_read_at_once_are_those_of_all_of_them(tmp_path, interval):
    quote, bids = struct.Struct("<6qQQ"), [600_000 + n * n % 997 for n in range(COUNT)]
    with JournalWriter(tmp_path / "main", process="gateway:main", durable=False) as writer:
        for stream, symbol in ((1, SYMBOL), (2, "binance:ETH/USDT:USDT")):
            writer.append_instrument(stream, BEGAN, find(symbol).to_msgpack())
        for n, bid in enumerate(bids):
            at = BEGAN + n * SECOND
            writer.append("quote", quote.pack(at, at, bid, bid + 2, 1, 1, 0, 0), stream=1, time=at)
            if n % 3 == 0:
                writer.append("quote", quote.pack(at, at, 5, 7, 1, 1, 0, 0), stream=2, time=at)
    span, scale = market.INTERVALS[interval], 10 ** find(SYMBOL).price_decimals
    found = bars_until(tmp_path / "main", SYMBOL, interval, BEGAN + COUNT * SECOND, 10_000)
    step = span // SECOND
    wanted = [
        (BEGAN // SECOND + at, *((each + 1) / scale for each in (part[0], max(part), min(part), part[-1])))
        for at in range(0, COUNT, step)
        for part in [bids[at : at + step]]
    ]
    assert found == wanted and span >= MINUTE


def market_of(home, *symbols):
    """Of one account, whose tape is not there yet."""
    tape = SimpleNamespace(instruments={symbol: find(symbol) for symbol in symbols})
    views = SimpleNamespace(tapes={"main": tape}, is_of_hub=lambda account, symbol: False)
    return Market(SimpleNamespace(home=home, views=views, refresh=lambda: views), None)


def test_what_is_followed_from_further_back_takes_the_place_of_what_was(tmp_path):
    """Its reader is closed: it would hold the journal's files."""
    made = market_of(tmp_path, SYMBOL)
    with JournalWriter(gateway_journal(tmp_path, "main"), process="gateway:main", durable=False) as writer:
        writer.append_instrument(1, BEGAN, find(SYMBOL).to_msgpack())

    async def longer():
        first = await made._followed(["main", SYMBOL, "1m"], 60)
        assert first._reader is not None
        second = await made._followed(["main", SYMBOL, "1m"], 600)
        return first, second, await made._followed(["main", SYMBOL, "1m"], 60)

    first, second, third = asyncio.run(longer())
    assert first._reader is None and second._reader is not None and third is second
    second.close()


def test_a_dollar_and_its_tokens_are_one_money_of_a_pair(tmp_path):
    others = "okx:BTC/USD:BTC", "kraken:BTC/EUR"
    rows = asyncio.run(market_of(tmp_path, SYMBOL, *others).topics()["symbols"].make(()))
    assert [row["pair"] for row in rows] == ["BTC/USD", "BTC/USD", "BTC/EUR"]
