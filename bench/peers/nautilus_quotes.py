"""NautilusTrader 1.221.0 over our quotes: every quote to a Python callback.

    python nautilus_quotes.py quotes.npy noop|taker|maker

noop counts; taker also sends a market order of 0.01 every hundredth quote, buy and sell in turn;
maker sends limit orders instead, eight that rest and two that cross, the one before cancelled.
The clock is the processor time of the engine alone, data loaded before.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import pandas as pd
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import BacktestEngineConfig, LoggingConfig
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money
from nautilus_trader.persistence.wranglers import QuoteTickDataWrangler
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

INSTRUMENT = TestInstrumentProvider.btcusdt_perp_binance()


class Counting(Strategy):
    def on_start(self):
        self.seen = 0
        self.orders = 0
        self.fills = 0
        self.quantity = INSTRUMENT.make_qty(0.01)
        self.subscribe_quote_ticks(INSTRUMENT.id)

    def on_quote_tick(self, tick):
        self.seen += 1


class Taker(Counting):
    def on_quote_tick(self, tick):
        self.seen += 1
        if self.seen % 100 == 0:
            side = OrderSide.SELL if self.orders % 2 else OrderSide.BUY
            self.orders += 1
            self.submit_order(self.order_factory.market(INSTRUMENT.id, side, self.quantity))

    def on_order_filled(self, event):
        self.fills += 1


class Maker(Taker):
    def on_quote_tick(self, tick):
        self.seen += 1
        if self.seen % 100:
            return
        last = getattr(self, "last", None)
        if last is not None and last.is_open:
            self.cancel_order(last)
        number = self.orders
        self.orders += 1
        is_buy, crossing = number % 2 == 0, number % 10 >= 8
        price = tick.ask_price if is_buy == crossing else tick.bid_price
        side = OrderSide.BUY if is_buy else OrderSide.SELL
        self.last = self.order_factory.limit(INSTRUMENT.id, side, self.quantity, price)
        self.submit_order(self.last)


def main(path: str, mode: str) -> None:
    rows = np.load(path)
    frame = pd.DataFrame(
        {
            "bid_price": rows[:, 1] / 10,
            "ask_price": rows[:, 3] / 10,
            "bid_size": rows[:, 2] / 1000,
            "ask_size": rows[:, 4] / 1000,
        },
        index=pd.to_datetime(rows[:, 0], utc=True),
    )
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(
        venue=Venue("BINANCE"),
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        base_currency=None,
        starting_balances=[Money(10_000_000, USDT)],
    )
    engine.add_instrument(INSTRUMENT)
    engine.add_data(QuoteTickDataWrangler(INSTRUMENT).process(frame))
    strategy = {"noop": Counting, "taker": Taker, "maker": Maker}[mode]()
    engine.add_strategy(strategy)
    began = time.process_time()
    engine.run()
    seconds = time.process_time() - began
    if strategy.seen != len(rows):
        sys.exit(f"saw {strategy.seen} of {len(rows)} quotes")
    print(json.dumps({"events": len(rows), "seconds": seconds, "orders": strategy.orders, "fills": strategy.fills}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
