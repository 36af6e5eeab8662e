"""A backtest by freqtrade without a network: python freqtrade_run.py BTC_USDT_USDT-1m-futures.json

freqtrade requests the exchange's markets before any backtest; they come from a table here.
"""

import json
import logging
import shutil
import sys
import tempfile
from pathlib import Path

from freqtrade import __version__
from freqtrade.configuration import Configuration
from freqtrade.enums import RunMode
from freqtrade.exchange import Exchange
from freqtrade.optimize.backtesting import Backtesting

PAIR, FEE = "BTC/USDT:USDT", 0.0005
NO_LIMIT = {"min": None, "max": None}
MARKET = {
    "id": "BTCUSDT",
    "symbol": PAIR,
    "base": "BTC",
    "quote": "USDT",
    "settle": "USDT",
    "type": "swap",
    "active": True,
    "spot": False,
    "swap": True,
    "future": False,
    "margin": False,
    "contract": True,
    "contractSize": 1,
    "linear": True,
    "inverse": False,
    "taker": FEE,
    "maker": FEE,
    "info": {},
    "precision": {"amount": 0.001, "price": 0.1, "base": 1e-8, "quote": 1e-8},
    "limits": {"amount": NO_LIMIT, "price": NO_LIMIT, "cost": NO_LIMIT, "leverage": {"min": 1, "max": 1}},
}


def configuration(folder: Path, data: Path) -> dict:
    return {
        "exchange": {"name": "binance", "pair_whitelist": [PAIR], "key": "", "secret": ""},
        "pairlists": [{"method": "StaticPairList"}],
        "trading_mode": "futures",
        "margin_mode": "isolated",
        "stake_currency": "USDT",
        "stake_amount": "unlimited",
        "max_open_trades": 1,
        "fee": FEE,
        "dry_run": True,
        "dry_run_wallet": 10_000,
        "strategy": "Cross",
        "strategy_path": str(Path(__file__).parent),
        "datadir": data,
        "dataformat_ohlcv": "json",
        "user_data_dir": folder,
        "timerange": "",
        "futures_funding_rate": 0.0,
        "export": "none",
        "exportfilename": folder / "result.json",
        "entry_pricing": {"price_side": "other", "use_order_book": True},
        "exit_pricing": {"price_side": "other", "use_order_book": True},
    }


def main() -> None:
    logging.disable(logging.CRITICAL)
    Exchange._load_async_markets = lambda self, reload=False: self._api_async.set_markets({PAIR: MARKET})
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        data = folder / "data"
        (data / "futures").mkdir(parents=True)
        shutil.copy(sys.argv[1], data / "futures")
        (folder / "config.json").write_text(json.dumps(configuration(folder, data), default=str))
        options = {"config": [str(folder / "config.json")], "user_data_dir": str(folder), "datadir": str(data)}
        testing = Backtesting(Configuration(options, RunMode.BACKTEST).get_config())
        candles, timerange = testing.load_bt_data()
        testing.backtest_one_strategy(testing.strategylist[0], candles, timerange)
        table = testing.all_bt_content["Cross"]["results"]
    trades = []
    for row in table.itertuples():
        entry = {"side": "buy", "quantity": row.amount, "time": row.open_date.value, "price": row.open_rate}
        leave = {"side": "sell", "quantity": row.amount, "time": row.close_date.value, "price": row.close_rate}
        trades += [entry, {**leave, "reason": row.exit_reason}]
    print(json.dumps({"version": __version__, "profit": float(table["profit_abs"].sum()), "trades": trades}))


if __name__ == "__main__":
    main()
