"""NautilusTrader 1.221.0: fifty exponential crosses on each of two symbols, heard by the hour, over minute bars.

    python nautilus_portfolio.py year-of-bars.npy year|DAYS

A strategy object for each strategy and symbol, its own indicators, hours made of the minutes by the engine, a market
order of one lot at each turn, no latency. No weights, no netting: each holds a position of its own. The clock is that
of the engine.
"""

from __future__ import annotations

import json
import sys
import time

import pandas as pd
from bars import START_S, frame, load
from nautilus_bars import INSTRUMENTS
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import BacktestEngineConfig, LoggingConfig, StrategyConfig
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.trading.strategy import Strategy

STRATEGIES, TRADED = 50, INSTRUMENTS[:2]


class Ema(Strategy):
    def __init__(self, number, instrument):
        super().__init__(StrategyConfig(strategy_id=f"ema-{number:03}", order_id_tag=f"{number:03}"))
        self.traded, self.seen, self.fills, self.held = instrument, 0, 0, None
        self.fast = ExponentialMovingAverage(4 + number % 10)
        self.slow = ExponentialMovingAverage(20 + 3 * (number % STRATEGIES))

    def on_start(self):
        bars = BarType.from_str(f"{self.traded.id}-1-HOUR-LAST-INTERNAL@1-MINUTE-EXTERNAL")
        self.register_indicator_for_bars(bars, self.fast)
        self.register_indicator_for_bars(bars, self.slow)
        self.subscribe_bars(bars)

    def on_bar(self, bar):
        self.seen += 1
        wanted = self.fast.value > self.slow.value
        if self.held is not None and wanted != self.held:
            side = OrderSide.BUY if wanted else OrderSide.SELL
            self.submit_order(self.order_factory.market(self.traded.id, side, self.traded.make_qty(0.001)))
        self.held = wanted

    def on_order_filled(self, event):
        self.fills += 1


def main(path: str, days: str) -> None:
    rows, minutes = load(path, days)
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(
        venue=Venue("BINANCE"),
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        base_currency=USDT,
        starting_balances=[Money(10_000_000, USDT)],
    )
    index = pd.to_datetime((START_S + 60 * pd.RangeIndex(1, minutes + 1)), unit="s", utc=True)
    for number, each in enumerate(TRADED):
        engine.add_instrument(each)
        kind = BarType.from_str(f"{each.id}-1-MINUTE-LAST-EXTERNAL")
        bars = pd.DataFrame(frame(rows[:, number]), index=index)
        engine.add_data(BarDataWrangler(kind, each).process(bars), sort=number == len(TRADED) - 1)
    members = [Ema(number, TRADED[number // STRATEGIES]) for number in range(STRATEGIES * len(TRADED))]
    engine.add_strategies(members)
    began = time.process_time()
    engine.run()
    seconds = time.process_time() - began
    heard, fills = sum(each.seen for each in members), sum(each.fills for each in members)
    if heard < STRATEGIES * len(TRADED) * (minutes // 60 - 1):
        sys.exit(f"members heard {heard} hours")
    print(json.dumps({"events": minutes * len(TRADED), "seconds": seconds, "fills": fills, "heard": heard}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
