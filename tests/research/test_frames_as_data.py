"""Frames with the headers of exports, backtested as they are."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

import onetape
from onetape import Strategy
from onetape.model.errors import BadConfig


class Daily(Strategy):
    symbol: str = "data:MINE"

    def on_start(self) -> None:
        self.subscribe(self.symbol, bars="1d")

    def on_bar(self, bar: Any) -> None:
        self.set_target(self.symbol, 0 if self.position(self.symbol).qty else 1)


def columns() -> dict[str, list[Any]]:
    days = [date(2023, 11, 6) + timedelta(days=at) for at in range(6)]
    closes = [10.5 + at for at in range(6)]
    return {
        "Date": days,
        "Open": [close - 0.25 for close in closes],
        "High": [close + 0.5 for close in closes],
        "Low": [close - 0.5 for close in closes],
        "Close": closes,
        "Adj Close": [close + 0.25 for close in closes],
        "Volume": [100] * 6,
    }


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_a_frame_is_backtested_and_what_was_understood_is_heard(tmp_path, library):
    frames = pytest.importorskip(library)
    heard: list[str] = []
    run = onetape.backtest(
        Daily,
        frames.DataFrame(columns()),
        cash="1000000",
        home=tmp_path,
        report=False,
        options={"columns": {"close": "Adj Close"}, "say": heard.append},
    )
    assert len(run.fills) >= 2
    assert heard[0].startswith(f"{library} frame: 6 rows of bars of 1d as data:MINE")
    assert "close from Adj Close" in heard[1]
    with pytest.raises(BadConfig, match="no column 'Adjusted'"):
        onetape.backtest(Daily, frames.DataFrame(columns()), home=tmp_path, options={"columns": {"close": "Adjusted"}})


def test_a_frame_of_several_tickers_is_backtested_by_name(tmp_path):
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(columns())
    both = pl.concat([frame.with_columns(Ticker=pl.lit(name)) for name in ("AAA", "MINE")])
    run = onetape.backtest(Daily, both, cash="1000000", home=tmp_path, report=False)
    assert set(run.fills["symbol"]) == {"data:MINE"}
