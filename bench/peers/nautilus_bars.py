"""NautilusTrader 1.221.0 over minute bars of twenty symbols: moving averages that cross.

    python nautilus_bars.py year-of-bars.npy year|DAYS

Its own indicators, a market order at each cross, no latency. The clock is that of the engine
alone, data loaded before. Bars are Python objects there: a year of them does not fit 24 GB.
"""

from __future__ import annotations

import json
import sys
import time
from decimal import Decimal

import pandas as pd
from bars import FAST, QTY, SLOW, START_S, SYMBOLS, TAKER, frame, load
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import BacktestEngineConfig, LoggingConfig
from nautilus_trader.indicators import SimpleMovingAverage
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CryptoPerpetual
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.trading.strategy import Strategy


def instrument(number: int) -> CryptoPerpetual:
    name = f"C{number:02}USDT-PERP"
    return CryptoPerpetual(
        instrument_id=InstrumentId(Symbol(name), Venue("BINANCE")),
        raw_symbol=Symbol(name),
        base_currency=BTC,
        quote_currency=USDT,
        settlement_currency=USDT,
        is_inverse=False,
        price_precision=2,
        size_precision=3,
        price_increment=Price.from_str("0.01"),
        size_increment=Quantity.from_str("0.001"),
        margin_init=Decimal("0.01"),
        margin_maint=Decimal("0.005"),
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal(str(TAKER)),
        ts_event=0,
        ts_init=0,
    )


INSTRUMENTS = [instrument(number) for number in range(SYMBOLS)]


class Cross(Strategy):
    def on_start(self):
        self.averages, self.held, self.fills, self.seen = {}, {}, 0, 0
        for each in INSTRUMENTS:
            bars = BarType.from_str(f"{each.id}-1-MINUTE-LAST-EXTERNAL")
            pair = SimpleMovingAverage(FAST), SimpleMovingAverage(SLOW)
            for average in pair:
                self.register_indicator_for_bars(bars, average)
            self.averages[bars] = (each, each.make_qty(QTY), *pair)
            self.held[bars] = False
            self.subscribe_bars(bars)

    def on_bar(self, bar):
        self.seen += 1
        traded, quantity, fast, slow = self.averages[bar.bar_type]
        if not slow.initialized:
            return
        wanted = fast.value > slow.value
        if wanted != self.held[bar.bar_type]:
            self.held[bar.bar_type] = wanted
            side = OrderSide.BUY if wanted else OrderSide.SELL
            self.submit_order(self.order_factory.market(traded.id, side, quantity))

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
    for number, each in enumerate(INSTRUMENTS):
        engine.add_instrument(each)
        kind = BarType.from_str(f"{each.id}-1-MINUTE-LAST-EXTERNAL")
        bars = pd.DataFrame(frame(rows[:, number]), index=index)
        is_last = number == SYMBOLS - 1
        engine.add_data(BarDataWrangler(kind, each).process(bars), sort=is_last)
    strategy = Cross()
    engine.add_strategy(strategy)
    began = time.process_time()
    engine.run()
    seconds = time.process_time() - began
    if strategy.seen != minutes * SYMBOLS:
        sys.exit(f"saw {strategy.seen} of {minutes * SYMBOLS} bars")
    account = engine.portfolio.account(Venue("BINANCE"))
    gain = account.balance_total(USDT).as_double() - 10_000_000
    gain += sum(float(each.as_decimal()) for each in engine.portfolio.unrealized_pnls(Venue("BINANCE")).values())
    print(json.dumps({"events": minutes * SYMBOLS, "seconds": seconds, "fills": strategy.fills, "gain": gain}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
