"""freqtrade 2026.9 over minute bars of twenty symbols: moving averages that cross.

    python freqtrade_bars.py year-of-bars.npy year|DAYS

Its own backtest over its own files, a stake of 0.01 at each entry. It asks the exchange for its
markets before any backtest: without a network it is told what it would have answered. The clock is
that of signals and simulation, data loaded before.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from bars import FAST, QTY, SLOW, START_S, SYMBOLS, TAKER, frame, load

STRATEGY = f"""
from freqtrade.strategy import IStrategy

class Cross(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "1m"
    minimal_roi = {{"0": 1_000_000}}
    stoploss = -0.99
    startup_candle_count = 0
    process_only_new_candles = True

    def populate_indicators(self, frame, metadata):
        frame["above"] = (
            frame["close"].rolling({FAST}).mean() > frame["close"].rolling({SLOW}).mean()
        )
        return frame

    def populate_entry_trend(self, frame, metadata):
        frame.loc[frame["above"], "enter_long"] = 1
        return frame

    def populate_exit_trend(self, frame, metadata):
        frame.loc[~frame["above"], "exit_long"] = 1
        return frame

    def custom_stake_amount(self, pair, current_time, current_rate, proposed_stake, *a, **k):
        return {QTY} * current_rate
"""
PAIRS = [f"C{number:02}/USDT" for number in range(SYMBOLS)]


def markets() -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for pair in PAIRS:
        base = pair.split("/")[0]
        found[pair] = {
            "id": pair.replace("/", ""), "symbol": pair, "base": base, "quote": "USDT",
            "active": True, "spot": True, "swap": False, "future": False, "margin": False,
            "linear": None, "inverse": None, "contract": False, "contractSize": None,
            "type": "spot", "taker": TAKER, "maker": TAKER,
            "precision": {"amount": 0.0001, "price": 0.01, "base": 1e-8, "quote": 1e-8},
            "limits": {"amount": {"min": None, "max": None}, "price": {"min": None, "max": None},
                       "cost": {"min": None, "max": None}, "leverage": {"min": 1, "max": 1}},
            "info": {},
        }  # fmt: skip
    return found


def main(path: str, days: str) -> None:
    logging.disable(logging.CRITICAL)
    from freqtrade.configuration import Configuration
    from freqtrade.enums import RunMode
    from freqtrade.exchange import Exchange
    from freqtrade.optimize.backtesting import Backtesting

    Exchange._load_async_markets = lambda self, reload=False: self._api_async.set_markets(markets())
    rows, minutes = load(path, days)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        data = place / "data"
        for sub in (data, place / "strategies"):
            sub.mkdir()
        (place / "strategies" / "cross.py").write_text(STRATEGY)
        index = pd.to_datetime(START_S + 60 * pd.RangeIndex(minutes), unit="s", utc=True)
        for number, pair in enumerate(PAIRS):
            bars = pd.DataFrame({"date": index, **frame(rows[:, number])})
            bars.to_feather(data / f"{pair.replace('/', '_')}-1m.feather")
        config = {
            "exchange": {"name": "binance", "pair_whitelist": PAIRS, "key": "", "secret": ""},
            "stake_currency": "USDT", "stake_amount": "unlimited", "max_open_trades": SYMBOLS,
            "dry_run": True, "dry_run_wallet": 10_000_000, "timeframe": "1m", "fee": TAKER,
            "pairlists": [{"method": "StaticPairList"}], "strategy": "Cross",
            "strategy_path": str(place / "strategies"), "user_data_dir": place, "datadir": data,
            "trading_mode": "spot", "margin_mode": "", "entry_pricing": {"price_side": "other"},
            "exit_pricing": {"price_side": "other"}, "export": "none",
            "exportfilename": place / "result.json", "timerange": "",
        }  # fmt: skip
        (place / "config.json").write_text(json.dumps(config, default=str))
        options = {"config": [str(place / "config.json")], "user_data_dir": str(place), "datadir": str(data)}
        made = Configuration(options, RunMode.BACKTEST).get_config()
        testing = Backtesting(made)
        candles, timerange = testing.load_bt_data()
        began = time.process_time()
        testing.backtest_one_strategy(testing.strategylist[0], candles, timerange)
        seconds = time.process_time() - began
        trades = testing.all_bt_content["Cross"]["results"]
    fills = int(2 * len(trades) - (trades["exit_reason"] == "force_exit").sum())
    print(
        json.dumps(
            {"events": minutes * SYMBOLS, "seconds": seconds, "fills": fills, "gain": float(trades["profit_abs"].sum())}
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
