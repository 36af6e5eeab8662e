"""What a chart is made of, beside the same made row by row."""

from __future__ import annotations

import struct

import pytest

from onetape.dashboard import market
from onetape.dashboard.market import bars_until
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
