"""A first backtest of one's own csv, as other systems export it: one command, without reading."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

STRATEGY = """
from onetape import Strategy


class Own(Strategy):
    symbol: str = "data:MINE"
    period: str = "1m"

    def on_start(self):
        self.subscribe(self.symbol, bars=self.period)

    def on_bar(self, bar):
        self.set_target(self.symbol, 0 if self.position(self.symbol).qty else 1)
"""
START = datetime(2023, 11, 14, 22, 14, tzinfo=UTC)
COUNT = 6
PRICES = [10.5 + at for at in range(COUNT)]


def rows(text: str, step: timedelta, price: str = "{:.2f}") -> str:
    """Rows in the form of `text`: {t} a time, {s} its seconds, {o} {h} {l} {c} the prices."""
    lines = []
    for at, close in enumerate(PRICES):
        numbers = (close - 0.25, close + 0.5, close - 0.5, close)
        shown = dict(zip("ohlc", map(price.format, numbers), strict=True))
        when = START + step * at
        lines.append(text.format(t=when, s=int(when.timestamp()), **shown))
    return "\n".join(lines) + "\n"


MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
EXPORTS = {
    "Binance": (
        "Open time,Open,High,Low,Close,Volume,Close time,Quote asset volume,Number of trades,"
        "Taker buy base asset volume,Taker buy quote asset volume,Ignore\n"
        + rows("{s}000,{o},{h},{l},{c},7,{s}999,70,3,1,10,0", MINUTE),
        "1m",
    ),
    "Binance without a header": (rows("{s}000,{o},{h},{l},{c},7,{s}999,70,3,1,10,0", MINUTE), "1m"),
    "Kraken": ("time,open,high,low,close,vwap,volume,count\n" + rows("{s},{o},{h},{l},{c},{c},7,3", MINUTE), "1m"),
    "Kraken's archive": (rows("{s},{o},{h},{l},{c},7.5,3", MINUTE), "1m"),
    "Yahoo": ("Date,Open,High,Low,Close,Adj Close,Volume\n" + rows("{t:%Y-%m-%d},{o},{h},{l},{c},{c},700", DAY), "1d"),
    "Stooq": ("Date,Open,High,Low,Close,Volume\n" + rows("{t:%Y-%m-%d},{o},{h},{l},{c},700", DAY), "1d"),
    "Stooq's archive": (
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n"
        + rows("MINE,1,{t:%Y%m%d},{t:%H%M%S},{o},{h},{l},{c},700,0", MINUTE),
        "1m",
    ),
    "TradingView": ("time,open,high,low,close,EMA,Volume\n" + rows("{s},{o},{h},{l},{c},NaN,7", MINUTE), "1m"),
    "TradingView in ISO": (
        "time,open,high,low,close,Volume\n" + rows("{t:%Y-%m-%dT%H:%M:%S}+00:00,{o},{h},{l},{c},7", MINUTE),
        "1m",
    ),
    "MetaTrader 5": (
        "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n"
        + rows("{t:%Y.%m.%d}\t{t:%H:%M:%S}\t{o}\t{h}\t{l}\t{c}\t7\t0\t2", MINUTE),
        "1m",
    ),
    "MetaTrader 5, by days": (
        "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n"
        + rows("{t:%Y.%m.%d}\t{o}\t{h}\t{l}\t{c}\t7\t0\t2", DAY),
        "1d",
    ),
    "MetaTrader 4": (rows("{t:%Y.%m.%d},{t:%H:%M},{o},{h},{l},{c},7", MINUTE), "1m"),
    "with decimal commas": (
        "Date;Open;High;Low;Close\n" + rows("{t:%d/%m/%Y %H:%M};{o};{h};{l};{c}", MINUTE).replace(".", ","),
        "1m",
    ),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "own.py").write_text(STRATEGY)
    return tmp_path


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_backtested_by_one_command(onetape, place, name):
    text, period = EXPORTS[name]
    (place / "mine.csv").write_text(text)
    options = ["--param", f"period={period}", "--cash", "1000000", "--json"]
    done = onetape("backtest", "own.py", "--data", "mine.csv", *options)
    assert done.code == 0, done.err
    direct = json.loads(done.out)
    assert direct["fills"] >= 2
    assert direct["events"] >= COUNT


def test_import_says_what_it_understood_and_backtest_agrees(onetape, place):
    text, _ = EXPORTS["MetaTrader 5"]
    (place / "mine.csv").write_text(text)
    taken = ("import", "csv", "mine.csv", "--symbol", "data:MINE", "--out", "t")
    done = onetape(*taken)
    assert done.code == 0, done.err
    assert "mine.csv: 6 rows of bars of 1m as data:MINE, 2023-11-14T22:14:00" in done.err
    assert "time from <DATE> <TIME> (text, UTC is assumed: import --tz names another)" in done.err
    assert "close from <CLOSE>" in done.err
    assert "separated by tabs" in done.err
    done = onetape(*taken, "--force", "--json", "--tz", "Europe/Athens")
    value = json.loads(done.out)
    assert done.err == ""
    (table,) = value["understood"]
    assert table["columns"]["time"] == "<DATE> <TIME>"
    assert table["zone"] == "Europe/Athens"
    assert value["first_ts"] == int((START - timedelta(hours=2) + MINUTE).timestamp()) * 10**9
    done = onetape("backtest", "own.py", "--data", "t", "--cash", "1000000", "--json")
    assert json.loads(done.out)["fills"] >= 2, done.err


def test_many_symbols_of_one_file_are_backtested_by_name(onetape, place):
    lines = rows("{s},NAME,{o},{h},{l},{c}", MINUTE)
    text = "time,ticker,open,high,low,close\n" + "".join(lines.replace("NAME", name) for name in ("AAA", "BBB"))
    (place / "panel.csv").write_text(text)
    for name in ("AAA", "BBB"):
        done = onetape(
            "backtest", "own.py", "--data", "panel.csv", "--param", f"symbol=data:{name}", "--cash", "1000000", "--json"
        )
        assert done.code == 0, done.err
        assert json.loads(done.out)["fills"] >= 2
    done = onetape("backtest", "own.py", "--data", "panel.csv", "--json")
    assert done.code == 3
    assert "several symbols: AAA, BBB" in done.out
    assert "--symbol data:AAA" in done.out


def test_what_cannot_be_told_is_said_by_options(onetape, place):
    text = "When;Last;Lots\n" + "".join(f"0{at}/02/2024;1,{at}25;1\n" for at in range(1, 7))
    (place / "odd.csv").write_text(text)
    (place / "own.py").write_text(STRATEGY.replace("bars=self.period", "trades=True").replace("on_bar", "on_trade"))
    run = ("backtest", "own.py", "--data", "odd.csv", "--cash", "1000000", "--json")
    named = ("--columns", "time=When", "--columns", "price=Last", "--columns", "size=Lots")
    done = onetape(*run)
    assert done.code == 3
    assert "--columns" in done.out
    done = onetape(*run, *named)
    assert done.code == 3
    assert "--time-format '%d/%m/%Y' or '%m/%d/%Y'" in done.out
    day = ("--time-format", "%d/%m/%Y")
    done = onetape(*run, *named, *day)
    assert done.code == 3
    assert "--decimal comma" in done.out
    done = onetape(*run, *named, *day, "--decimal", "comma")
    assert done.code == 0, done.err
    assert json.loads(done.out)["events"] >= COUNT
    done = onetape(*run, *named[:-1], "size=Lot", *day)
    assert done.code == 2
    assert "no column 'Lot'" in done.out
    assert "did you mean Lots?" in done.out


def test_options_of_reading_mean_nothing_for_a_tape(onetape, place):
    assert onetape("sample", "--out", "t", "--events", "100").code == 0
    done = onetape("backtest", "own.py", "--data", "t", "--decimal", "comma")
    assert done.code == 2
    assert "reading options do not apply: all data are tapes" in done.err
