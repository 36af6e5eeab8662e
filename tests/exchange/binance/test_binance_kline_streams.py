"""Kline streams of the simulated Binance USD-M: a candle ends with a frame that says so."""

from __future__ import annotations

from itertools import pairwise

import pytest

from exchange.tape_by_hand import Tape
from exchange.venue_client import BinanceClient, Virtual, heard

MINUTE_MS = 60_000


@pytest.fixture(params=["generated", "tape"])
def venue(request, tmp_path):
    """A busy market, and one that trades in the first and the fourth minute of eight alone."""
    if request.param == "generated":
        return Virtual("binance-usdm")
    tape = Tape(tmp_path / "tape")
    tape.depth(0, {"60000.0": "2"}, {"60001.0": "3"}, snapshot=True)
    for at, price in ((1, "60000.0"), (190, "60001.0"), (191, "60000.0")):
        tape.trade(at, price, "0.010", 1)
    tape.quote(900, "60000.0", "2", "60001.0", "3")
    return tape.venue()


def client_of(venue: Virtual) -> BinanceClient:
    account = venue.dialect.exchange.accounts[0]
    return BinanceClient(venue, account.key, account.secret)


def played(venue: Virtual, seconds: int, *streams: str) -> dict[str, list[dict]]:
    """What each stream said."""
    connection = venue.connect("/market/stream?streams=" + "/".join(streams))
    for _ in range(seconds):
        venue.wait(1)
    received = [message for message in heard(connection) if "data" in message]
    return {name: [m["data"] for m in received if m["stream"] == name] for name in streams}


def candles(frames: list[dict]) -> list[list[dict]]:
    """The frames of each candle, in the order they came."""
    found: dict[int, list[dict]] = {}
    for frame in frames:
        found.setdefault(frame["k"]["t"], []).append(frame)
    return list(found.values())


@pytest.mark.parametrize(
    ("stream", "interval", "minutes"),
    [("btcusdt@kline_1m", "1m", 1), ("btcusdt@kline_3m", "3m", 3), ("btcusdt_perpetual@continuousKline_1m", "1m", 1)],
)
def test_the_last_frame_of_a_candle_is_final_and_the_next_begins(venue, stream, interval, minutes):
    found = candles(played(venue, 480, stream)[stream])
    assert len(found) >= 8 // minutes
    for frames in found[:-1]:
        assert [frame["k"]["x"] for frame in frames] == [False] * (len(frames) - 1) + [True]
    times = [frames[0]["k"]["t"] for frames in found]
    assert {later - earlier for earlier, later in pairwise(times)} == {minutes * MINUTE_MS}
    _, rows = client_of(venue).ask(
        "GET", "/fapi/v1/klines", signed=False, symbol="BTCUSDT", interval=interval, limit=100
    )
    by_time = {row[0]: row for row in rows}
    for frames in found[1:-1]:  # the first one may have begun before anybody traded
        k = frames[-1]["k"]
        received = [k[name] for name in ("o", "h", "l", "c", "v", "T", "q", "n", "V", "Q")]
        assert received == by_time[k["t"]][1:11]
        assert frames[-1]["E"] >= k["T"]


def test_a_candle_says_its_first_and_last_trade_and_one_without_trades_says_none(venue):
    said = played(venue, 480, "btcusdt@kline_1m", "btcusdt@aggTrade")
    trades = said["btcusdt@aggTrade"]
    counts = []
    for frames in candles(said["btcusdt@kline_1m"])[1:-1]:
        k = frames[-1]["k"]
        inside = [trade["a"] for trade in trades if k["t"] <= trade["T"] <= k["T"]]
        assert (k["f"], k["L"]) == ((inside[0], inside[-1]) if inside else (-1, -1))
        assert k["n"] == len(inside)
        counts.append(len(inside))
    assert any(counts)


def test_minutes_that_passed_at_once_end_one_by_one():
    venue = Virtual("binance-usdm")
    stream = venue.connect("/market/ws/btcusdt@kline_1m")
    venue.wait(190)  # a server that was busy for so long
    ended = [message["k"]["t"] for message in heard(stream) if message["k"]["x"]]
    assert len(ended) == 3
    assert {later - earlier for earlier, later in pairwise(ended)} == {MINUTE_MS}


def test_weeks_begin_on_monday_and_months_on_their_first_day():
    said = played(Virtual("binance-usdm"), 3, "btcusdt@kline_1w", "btcusdt@kline_1M")
    week, month = (frames[-1]["k"] for frames in said.values())
    # The day of the test's market is Wednesday, 18 November 2026.
    assert (week["t"], week["T"]) == (1794787200000, 1795391999999)
    assert (month["t"], month["T"]) == (1793491200000, 1796083199999)
