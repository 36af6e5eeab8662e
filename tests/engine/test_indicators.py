"""TA-Lib on a strategy's bars: whole arrays, one value at a time, and what machine code cannot call."""

from __future__ import annotations

import numpy as np
import pytest

from onetape.engine.compiled import compiled
from onetape.engine.strategy import Strategy
from onetape.model.errors import OnetapeError
from worlds.tapes import BTC, Market, play

talib = pytest.importorskip("talib")
FUNCTIONS = {
    "SMA": lambda module, bars: module.SMA(bars.close, 5),
    "EMA": lambda module, bars: module.EMA(bars.close, 5),
    "RSI": lambda module, bars: module.RSI(bars.close, 7),
    "ATR": lambda module, bars: module.ATR(bars.high, bars.low, bars.close, 7),
    "OBV": lambda module, bars: module.OBV(bars.close, bars.volume),
}


class Measured(Strategy):
    def on_start(self):
        self.subscribe(BTC, bars="1m")
        self.whole, self.stepped, self.streams, self.closes = [], [], {}, []

    def on_bar(self, bar):
        bars = self.bars(BTC, "1m", 100)
        self.closes.append(bar.close)
        self.whole.append([function(talib, bars)[-1] for function in FUNCTIONS.values()])
        if len(self.closes) == 30:  # begun with what there is, and moved by one bar at a time from then on
            self.streams = {name: function(talib.stream, bars) for name, function in FUNCTIONS.items()}
        elif self.streams:
            parts = {"ATR": (bar.high, bar.low, bar.close), "OBV": (bar.close, bar.volume)}
            self.stepped.append(
                [stream.update(*parts.get(name, (bar.close,))) for name, stream in self.streams.items()]
            )


def tape(path):
    market = Market(path)
    for minute in range(60):
        base = 100 + minute * 7 % 13
        market.bar((minute + 1) * 60, "1m", (base, base + 3, base - 2, base + minute % 3), 5 + minute % 4)
    return market.done()


def test_functions_see_the_bars_and_a_stream_goes_on_from_them(tmp_path):
    robot = play(Measured, tape(tmp_path / "t")).robot
    assert len(robot.whole) == 60 and len(robot.stepped) == 30
    assert np.array(robot.stepped) == pytest.approx(np.array(robot.whole[30:]))
    own = [np.mean(robot.closes[max(0, k - 4) : k + 1]) for k in range(4, 60)]
    assert [row[0] for row in robot.whole[4:]] == pytest.approx(own)


def test_machine_code_says_that_it_cannot_call_them(tmp_path):
    pytest.importorskip("numba")

    @compiled
    class Fast(Strategy):
        def on_start(self):
            self.subscribe(BTC, bars="1m")

        def on_bar(self, bar):
            if talib.SMA(self.bars(BTC, "1m", 9).close, 5)[-1] > 1:
                self.set_target(BTC, 1)

    with pytest.raises(OnetapeError, match="SMA cannot be used in compiled code"):
        play(Fast, tape(tmp_path / "t"))
