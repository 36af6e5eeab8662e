"""Candles of venues themselves, from simulated exchanges over real sockets: what is imported is their own list."""

from __future__ import annotations

import pytest

from exchange.venue_client import served
from onetape.data.download import Patience
from onetape.data.fetching import FetchOptions, fetch
from onetape.exchange.venues import Crowd
from onetape.model.errors import UsageError
from onetape.model.time import MINUTE, format_time
from onetape.security.private import private_folder
from onetape.tape.journal import JournalReader
from onetape.venues.adapter import adapter_of

IS_FUTURE = {
    "binance-usdm": True,
    "binance-spot": False,
    "kraken": False,
    "bitmex": True,
    "bybit": True,
    "okx": True,
    "hyperliquid": True,
}


def options(tmp_path, symbol: str, begin: int, end: int, **more) -> FetchOptions:
    return FetchOptions(
        "klines",
        symbol,
        tmp_path / "downloads",
        private_folder,
        format_time(begin),
        format_time(end),
        patience=Patience(attempts_max=1),
        **more,
    )


@pytest.mark.parametrize("kind", IS_FUTURE)
def test_a_venue_s_candles_come_page_by_page_and_once_each(kind, tmp_path, monkeypatch):
    candles, key = adapter_of(kind).candles, IS_FUTURE[kind]
    monkeypatch.setitem(candles, key, candles[key]._replace(limit=7, pause_s=0.0))
    with served(kind, market=Crowd(1.0, 30 * MINUTE)) as (dialect, port):
        listing = dialect.exchange.listings[0]
        bars = [bar for bar in list(listing.bars) if kind != "kraken" or bar.trades][2:-2]
        wanted = options(
            tmp_path,
            listing.instrument.symbol,
            bars[0].open_time,
            bars[-1].close_time,
            base_url=f"http://127.0.0.1:{port}",
            out=tmp_path / "tape",
        )
        found = fetch(wanted)
        assert found.rows == len(bars) > 20 and len(found.files) >= (1 if kind == "kraken" else 3)
        resumed = fetch(FetchOptions(**{f: getattr(wanted, f) for f in wanted.__slots__} | {"force": True}))
    assert resumed.cached == len(found.files)
    with JournalReader(tmp_path / "tape") as reader:
        rows = [each.data for each in reader if each.type == "bar"]
        (instrument,) = reader.instruments.values()
    size = 10 ** (instrument["size_decimals"] - listing.instrument.size_decimals)
    price = 10 ** (instrument["price_decimals"] - listing.instrument.price_decimals)
    assert [(each["ts_open"], each["ts_close"]) for each in rows] == [(b.open_time, b.close_time) for b in bars]
    for name, unit in (("open", price), ("high", price), ("low", price), ("close", price), ("volume", size)):
        assert [each[name] for each in rows] == pytest.approx([getattr(bar, name) * unit for bar in bars], rel=1e-12)


@pytest.mark.parametrize(
    ("symbol", "more", "location"),
    [
        ("binance:BTC/USDT:USDT", {"venue": "kraken"}, "VENUE"),
        ("binance:BTC/USDT:USDT", {"period": "7m"}, "--period"),
        ("binance:BTC/USDT:USDT", {"type_": "trades"}, "--type"),
        ("hyperliquid:PURR/USDC", {}, "--symbol"),
    ],
)
def test_what_a_venue_has_not_is_refused_before_anything_is_asked(tmp_path, symbol, more, location):
    with pytest.raises(UsageError) as refused:
        fetch(options(tmp_path, symbol, 0, MINUTE, **more))
    assert refused.value.location == location
