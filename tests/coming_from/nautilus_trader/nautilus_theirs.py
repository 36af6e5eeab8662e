"""Exponential means that cross, in NautilusTrader: python nautilus_theirs.py quotes.csv"""

import json
import sys
from decimal import Decimal

import nautilus_trader
import pandas as pd
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import BacktestEngineConfig, LoggingConfig, StrategyConfig
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CryptoPerpetual
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.persistence.wranglers import QuoteTickDataWrangler
from nautilus_trader.trading.strategy import Strategy


class CrossConfig(StrategyConfig, frozen=True):
    instrument_id: InstrumentId
    bar_type: BarType
    fast: int = 10
    slow: int = 30
    size: Decimal = Decimal("0.01")


class Cross(Strategy):
    def __init__(self, config: CrossConfig):
        super().__init__(config)
        self.fast = ExponentialMovingAverage(config.fast)
        self.slow = ExponentialMovingAverage(config.slow)

    def on_start(self):
        self.register_indicator_for_bars(self.config.bar_type, self.fast)
        self.register_indicator_for_bars(self.config.bar_type, self.slow)
        self.subscribe_quote_ticks(self.config.instrument_id)
        self.subscribe_bars(self.config.bar_type)

    def on_bar(self, bar: Bar):
        if not self.indicators_initialized():
            return
        is_long = self.portfolio.is_net_long(self.config.instrument_id)
        if (self.fast.value > self.slow.value) == is_long:
            return
        instrument = self.cache.instrument(self.config.instrument_id)
        order = self.order_factory.market(
            instrument.id, OrderSide.SELL if is_long else OrderSide.BUY, instrument.make_qty(self.config.size)
        )
        self.submit_order(order)


SYMBOL = InstrumentId(Symbol("BTCUSDT-PERP"), Venue("BINANCE"))
PERPETUAL = CryptoPerpetual(
    instrument_id=SYMBOL,
    raw_symbol=Symbol("BTCUSDT"),
    base_currency=BTC,
    quote_currency=USDT,
    settlement_currency=USDT,
    is_inverse=False,
    price_precision=1,
    size_precision=3,
    price_increment=Price.from_str("0.1"),
    size_increment=Quantity.from_str("0.001"),
    margin_init=Decimal("0.05"),
    margin_maint=Decimal("0.025"),
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
    ts_event=0,
    ts_init=0,
)


class Recorded(Cross):
    """Keeps its fills."""

    fills: list[OrderFilled]

    def on_order_filled(self, event: OrderFilled):
        self.fills.append(event)


def main() -> None:
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(
        venue=SYMBOL.venue,
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        base_currency=USDT,
        starting_balances=[Money(10_000, USDT)],
    )
    engine.add_instrument(PERPETUAL)
    table = pd.read_csv(sys.argv[1]).rename(columns={"bid": "bid_price", "ask": "ask_price"})
    table.index = pd.to_datetime(table.pop("time"), unit="ns", utc=True)
    engine.add_data(QuoteTickDataWrangler(PERPETUAL).process(table))
    bars = BarType.from_str(f"{SYMBOL}-1-MINUTE-MID-INTERNAL")
    strategy = Recorded(CrossConfig(instrument_id=SYMBOL, bar_type=bars))
    strategy.fills = []
    engine.add_strategy(strategy)
    engine.run()
    trades = [
        {
            "side": each.order_side.name.lower(),
            "quantity": float(str(each.last_qty)),
            "time": each.ts_event,
            "price": float(str(each.last_px)),
        }
        for each in strategy.fills
    ]
    profit = engine.portfolio.account(SYMBOL.venue).balance_total(USDT).as_double() - 10_000
    profit += engine.portfolio.unrealized_pnl(SYMBOL).as_double() if not engine.portfolio.is_flat(SYMBOL) else 0
    print(json.dumps({"version": nautilus_trader.__version__, "profit": profit, "trades": trades}))


if __name__ == "__main__":
    main()
