"""freqtrade's bot trades for two minutes on a simulated exchange, with its own class of that exchange and ccxt."""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import ccxt.pro
from session import Session, moved_ccxt

TRADED_S = 120
LEVERAGE = 3.0


@dataclass(frozen=True)
class Venue:
    """What the bot's configuration says of an exchange; pairs: ccxt's names, the second one is sold short."""

    exchange: str
    pairs: tuple[str, str]
    mode: str  # freqtrade's trading_mode
    margin: str  # its margin_mode
    stop: str = "market"  # the order that a stop becomes

    @property
    def money(self):
        return self.pairs[0].partition("/")[2].partition(":")[0]

    @property
    def is_spot(self):
        return self.mode == "spot"


VENUES = {
    "binance-usdm": Venue("binance", ("BTC/USDT:USDT", "ETH/USDT:USDT"), "futures", "isolated"),
    "binance-spot": Venue("binance", ("BTC/USDT", "ETH/USDT"), "spot", "", stop="limit"),
    "bybit": Venue("bybit", ("BTC/USDT:USDT", "ETH/USDT:USDT"), "futures", "isolated"),
    "okx": Venue("okx", ("BTC/USDT:USDT", "ETH/USDT:USDT"), "futures", "isolated"),
    "hyperliquid": Venue("hyperliquid", ("BTC/USDC:USDC", "ETH/USDC:USDC"), "futures", "cross", stop="limit"),
}
s = Session()
VENUE = VENUES[json.loads(sys.argv[1])["venue"]]
STRATEGY = f"""
from datetime import timedelta

from freqtrade.strategy import IStrategy


class Certify(IStrategy):
    timeframe = "1m"
    can_short = {not VENUE.is_spot}
    minimal_roi = {{}}
    stoploss = -0.05
    process_only_new_candles = False
    order_types = {{
        "entry": "market", "exit": "market", "stoploss": "{VENUE.stop}", "stoploss_on_exchange": True,
        "stoploss_on_exchange_interval": 5,
    }}

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        dataframe["enter_short" if metadata["pair"].startswith("ETH") and self.can_short else "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe

    def leverage(self, *args, **kwargs):
        return {LEVERAGE}

    def custom_exit(self, pair, trade, current_time, *args, **kwargs):
        held = current_time - trade.open_date_utc
        return "held" if held > timedelta(seconds=20) else None
"""

home = Path(tempfile.mkdtemp())
os.chdir(home)
(home / "strategies").mkdir()
(home / "strategies" / "certify.py").write_text(STRATEGY)


def config():
    moved = {"urls": {"api": moved_ccxt(getattr(ccxt.pro, VENUE.exchange)(), s).urls["api"]}}
    if VENUE.is_spot:  # else ccxt asks futures for their markets, too
        moved["options"] = {"fetchMarkets": {"types": ["spot"]}}
    keys = {"key": s.key, "secret": s.secret}
    if VENUE.exchange == "hyperliquid":
        keys = {"walletAddress": s.key, "privateKey": s.secret}
    if "password" in s.accounts[0]:
        keys["password"] = s.accounts[0]["password"]
    return {
        "dry_run": False, "trading_mode": VENUE.mode, "margin_mode": VENUE.margin,
        "stake_currency": VENUE.money, "stake_amount": 1000, "max_open_trades": 2, "timeframe": "1m",
        "entry_pricing": {"price_side": "other", "use_order_book": True, "order_book_top": 1},
        "exit_pricing": {"price_side": "other", "use_order_book": True, "order_book_top": 1},
        "exchange": {
            "name": VENUE.exchange, **keys, "pair_whitelist": list(VENUE.pairs),
            "pair_blacklist": [], "ccxt_config": moved, "ccxt_async_config": moved,
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
    if not VENUE.is_spot:
        s.holds("each at its leverage", {each.leverage for each in trades} == {LEVERAGE})
        s.holds("both directions", {each.is_short for each in trades} == {True, False})
    s.holds("stops on the exchange", all(any(o.ft_order_side == "stoploss" for o in each.orders) for each in closed))
    s.holds("no errors", not errors.found, errors.found[:3])


def compare(worker):
    from freqtrade.persistence import Trade

    def size(number, name):
        contract = worker.freqtrade.exchange.get_contract_size(name) or 1
        return Decimal(f"{number / contract:.8f}")

    def held():
        worker.freqtrade.process()
        return sorted(
            (each.pair, size(-each.amount if each.is_short else each.amount, each.pair))
            for each in Trade.get_open_trades()
        )

    def pair(row):
        return row["symbol"].partition(":")[2]

    if not VENUE.is_spot:
        s.books(
            "positions as the ledger's",
            held,
            lambda book: sorted((pair(each), Decimal(each["size"])) for each in book["positions"]),
            60,
        )

    def sums(rows):
        added = {}
        for name, amount in rows:
            added[name] = added.get(name, Decimal(0)) + amount
        return added

    def filled():
        orders = [(each.pair, order) for each in Trade.get_trades().all() for order in each.orders if order.filled]
        return sums(((name, order.side), size(order.filled, name)) for name, order in orders)

    s.books(
        "sizes bought and sold as the ledger's",
        filled,
        lambda book: sums(((pair(each), each["side"]), Decimal(each["size"])) for each in book["trades"]),
        60,
    )
    s.books(
        "stops that wait as the ledger's",
        lambda: sum(each.has_open_sl_orders for each in Trade.get_open_trades()),
        # Its other orders are at the market: what rests is a stop.
        lambda book: (
            sum(each["state"] == "NEW" for each in book["conditionals"]) + sum(each["open"] for each in book["orders"])
        ),
        60,
    )

    def shown(amount):
        return Decimal(amount).quantize(Decimal("1e-8"), rounding="ROUND_FLOOR")

    s.books(
        "wallet as the ledger's",
        lambda: shown(wallet(worker.freqtrade.exchange._api)),
        lambda book: shown(book["balances"][VENUE.money]),
    )


def wallet(x):
    """The balance without the profit of open positions."""
    if VENUE.exchange == "hyperliquid":
        info = x.fetch_balance()["info"]
        profit = sum(Decimal(each["position"]["unrealizedPnl"]) for each in info["assetPositions"])
        return Decimal(info["marginSummary"]["accountValue"]) - profit
    if VENUE.exchange == "bybit":
        (coin,) = (
            each for each in x.fetch_balance()["info"]["result"]["list"][0]["coin"] if each["coin"] == VENUE.money
        )
        return Decimal(coin["walletBalance"])
    if VENUE.exchange == "okx":
        (coin,) = (each for each in x.fetch_balance()["info"]["data"][0]["details"] if each["ccy"] == VENUE.money)
        return Decimal(coin["cashBal"])
    if VENUE.is_spot:
        return Decimal(str(x.fetch_balance()[VENUE.money]["total"]))
    return Decimal(x.fapiPrivateV3GetAccount()["totalWalletBalance"])


errors = Errors()
logging.getLogger("freqtrade").addHandler(errors)
worker = s.call("start", start)
if worker is not None:
    trade(worker, errors)
    compare(worker)
s.done()
os._exit(0)
