"""freqtrade's bot trades for two minutes on a simulated Binance USD-M, by ccxt.binance."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import ccxt.pro
from session import Session, moved_ccxt

TRADED_S = 120
PAIRS = ["BTC/USDT:USDT", "ETH/USDT:USDT"]
STRATEGY = """
from datetime import timedelta

from freqtrade.strategy import IStrategy


class Certify(IStrategy):
    timeframe = "1m"
    can_short = True
    minimal_roi = {}
    stoploss = -0.05
    process_only_new_candles = False
    order_types = {
        "entry": "market", "exit": "market", "stoploss": "market", "stoploss_on_exchange": True,
        "stoploss_on_exchange_interval": 5,
    }

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        dataframe["enter_short" if metadata["pair"].startswith("ETH") else "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe

    def leverage(self, *args, **kwargs):
        return 3.0

    def custom_exit(self, pair, trade, current_time, *args, **kwargs):
        held = current_time - trade.open_date_utc
        return "held" if held > timedelta(seconds=20) else None
"""

s = Session()
home = Path(tempfile.mkdtemp())
os.chdir(home)
(home / "strategies").mkdir()
(home / "strategies" / "certify.py").write_text(STRATEGY)


def config():
    urls = {"urls": {"api": moved_ccxt(ccxt.pro.binance(), s).urls["api"]}}
    return {
        "dry_run": False, "trading_mode": "futures", "margin_mode": "isolated",
        "stake_currency": "USDT", "stake_amount": 1000, "max_open_trades": 2, "timeframe": "1m",
        "entry_pricing": {"price_side": "other", "use_order_book": True, "order_book_top": 1},
        "exit_pricing": {"price_side": "other", "use_order_book": True, "order_book_top": 1},
        "exchange": {
            "name": "binance", "key": s.key, "secret": s.secret, "pair_whitelist": PAIRS,
            "pair_blacklist": [], "ccxt_config": urls, "ccxt_async_config": urls,
        },
        "pairlists": [{"method": "StaticPairList"}], "strategy": "Certify",
        "strategy_path": str(home / "strategies"), "user_data_dir": home, "datadir": home,
        "db_url": f"sqlite:///{home}/trades.sqlite", "bot_name": "certify",
        "initial_state": "running", "internals": {"process_throttle_secs": 2},
        "logfile": str(home / "log"), "verbosity": 0,
    }  # fmt: skip


def start():
    from freqtrade.worker import Worker

    file = home / "config.json"
    file.write_text(json.dumps(config(), default=str))
    return Worker({"config": [str(file)]})


class Errors(logging.Handler):
    def __init__(self):
        super().__init__(logging.ERROR)
        self.found = []

    def emit(self, record):
        self.found.append(record.getMessage())


def trade(worker, errors):
    from freqtrade.persistence import Trade

    end = time.monotonic() + TRADED_S
    state = None
    while time.monotonic() < end:
        state = worker._worker(old_state=state)
    trades = Trade.get_trades().all()
    closed = [each for each in trades if not each.is_open]
    s.holds("trades", len(trades) >= 4 and len(closed) >= 2, (len(trades), len(closed)))
    s.holds("each at its leverage", {each.leverage for each in trades} == {3.0})
    s.holds("both directions", {each.is_short for each in trades} == {True, False})
    s.holds("stops on the exchange", all(any(o.ft_order_side == "stoploss" for o in each.orders) for each in closed))
    s.holds("no errors", not errors.found, errors.found[:3])


def compare(worker):
    from freqtrade.persistence import Trade

    def held():
        worker.freqtrade.process()
        return sorted(
            (each.pair, Decimal(f"{each.amount:.3f}") * (-1 if each.is_short else 1))
            for each in Trade.get_open_trades()
        )

    s.books(
        "positions as the ledger's",
        held,
        lambda book: sorted((p["symbol"].removeprefix("binance:"), Decimal(p["size"])) for p in book["positions"]),
        60,
    )

    def filled():
        sums = {}
        for each in Trade.get_trades().all():
            for order in each.orders:
                if order.filled:
                    name = (each.pair, "sell" if order.side == "sell" else "buy")
                    sums[name] = sums.get(name, Decimal(0)) + Decimal(f"{order.filled:.3f}")
        return sums

    def traded(book):
        sums = {}
        for each in book["trades"]:
            name = (each["symbol"].removeprefix("binance:"), each["side"])
            sums[name] = sums.get(name, Decimal(0)) + Decimal(each["size"])
        return sums

    s.books("sizes bought and sold as the ledger's", filled, traded, 60)
    s.books(
        "stops that wait as the ledger's",
        lambda: sum(each.has_open_sl_orders for each in Trade.get_open_trades()),
        lambda book: sum(c["state"] == "NEW" for c in book["conditionals"]),
        60,
    )
    wallet = worker.freqtrade.exchange._api.fapiPrivateV3GetAccount
    s.books(
        "wallet as the ledger's",
        lambda: Decimal(wallet()["totalWalletBalance"]),
        lambda book: Decimal(book["balances"]["USDT"]).quantize(Decimal("1e-8"), rounding="ROUND_FLOOR"),
    )


errors = Errors()
logging.getLogger("freqtrade").addHandler(errors)
worker = s.call("start", start)
if worker is not None:
    trade(worker, errors)
    compare(worker)
s.done()
os._exit(0)
