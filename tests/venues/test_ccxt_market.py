"""The bridge's market messages, onto a tape."""

from __future__ import annotations

from live_tape import instrument

from onetape.tape.journal import JournalReader, JournalWriter
from onetape.venues.ccxt.market import CcxtMarket

RECEIVED = 1_795_000_000_000_000_000
MS = 1_723_161_256_313


def test_quotes_and_trades_reach_the_tape_and_the_rest_is_counted(tmp_path):
    i = instrument("bybit:BTC/USDT", "BTCUSDT", 2, 3)
    market = CcxtMarket([i], "ws://x", "token")
    with JournalWriter(tmp_path / "tape", durable=False) as writer:

        def take(message: bytes) -> int:
            return market.take(message, RECEIVED, writer.core)

        assert take(b'{"quote":["BTC/USDT",%d,"61800.2","2.5071","61800.3","1"]}' % MS) == 1
        assert market.top(1) == (6180020, 6180030, 2507, 1000)
        assert market.middle(1) == 6180025
        assert take(b'{"trade":["BTC/USDT",%d,"61800.25","0.5","sell","7"]}' % MS) == 0
        for junk in (
            b"",
            b"[]",
            b'{"quote":["ETH/USDT",1,"1","1","2","1"]}',
            b'{"quote":["BTC/USDT",1,"x","1","2","1"]}',
            b'{"quote":["BTC/USDT",1,"1","-1","2","1"]}',
            b'{"trade":["BTC/USDT",1,null,"1","sell","7"]}',
            b'{"trade":["BTC/USDT",1,"1",null,"sell","7"]}',
            b'{"trade":["BTC/USDT",1,"1","0.0004","sell","7"]}',
            b'{"trade":["BTC/USDT",1,"1","-1","sell","7"]}',
        ):
            assert take(junk) == 0
        assert take(b'{"trouble":"rate limit"}') == 0
        assert (market.rejected, market.passed_over) == (9, {"rate limit": 1})
        market.forget()
        assert market.top(1) == (0, 0, 0, 0)
    with JournalReader(tmp_path / "tape") as reader:
        quote, trade = reader
    assert (quote.data["ts_event"], quote.data["ts_recv"], quote.data["update_id"]) == (MS * 10**6, RECEIVED, 1)
    assert (trade.data["price"], trade.data["size"], trade.data["side"], trade.data["id_low"]) == (
        6180025,
        500,
        "sell",
        7,
    )
