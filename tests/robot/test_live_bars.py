"""Bars of a live robot come from where its strategy says, whatever its gateway's tape holds when it
starts."""

from __future__ import annotations

import struct
import time

import pytest
from test_fee_currency import PERPETUAL, Gateway, opened

from onetape import Strategy
from onetape.model.home import gateway_journal
from onetape.robot.live import LiveOptions, open_live
from worlds.frames import QUOTE

SECOND = 10**9
TRADE = struct.Struct("<4qQQBB14x")


class Bars(Strategy):
    symbol: str = PERPETUAL.symbol
    period: str = "5s"

    def on_start(self):
        self.seen: list[tuple[float, float]] = []
        self.subscribe(self.symbol, bars=self.period)

    def on_bar(self, bar):
        self.seen.append((bar.close, bar.volume))


@pytest.mark.parametrize(("period", "source"), [("5s", "trade"), ("5s@trade", "trade"), ("5s@mid", "mid")])
@pytest.mark.parametrize("held", [("quote",), ("quote", "trade")])
def test_the_source_is_the_strategys_and_not_the_moments(tmp_path, period, source, held):
    tape = opened(gateway_journal(tmp_path, "main"))
    # The robot begins with what comes after it is there: the start of a period.
    start = (time.time_ns() // (5 * SECOND) + 720) * 5 * SECOND

    def quote(at: int, bid: int) -> None:
        row = QUOTE.pack(at, at, bid, bid + 10, 10, 10, 0)
        tape.writer.append("quote", row, stream=1, time=at)

    def trade(at: int, price: int) -> None:
        row = TRADE.pack(at, at, price, 7, 1, 0, 1, 0)
        tape.writer.append("trade", row, stream=1, time=at)

    quote(start, 600_000)
    if "trade" in held:
        trade(start, 600_000)
    options = LiveOptions(strategy=Bars, data=[], home=tmp_path, symbol=PERPETUAL.symbol, params={"period": period})
    robot = open_live(options, {"main": Gateway(tape)})
    try:
        quote(start + SECOND, 600_100)
        trade(start + 2 * SECOND, 600_300)
        quote(start + 11 * SECOND, 600_200)
        robot.step()
        assert robot.session.host.bars.sources == {f"{PERPETUAL.symbol} 5s": source}
        close, volume = robot.session.robot.seen[0]
        assert close == (60_030.0 if source == "trade" else 60_010.5)
        assert (volume > 0) == (source == "trade")
    finally:
        robot.close(keep=False)
        tape.writer.close()
