"""NautilusTrader's Binance adapter trades for two minutes on a simulated Binance USD-M.

It knows no categories of streams: the exchange is opened with --unrouted.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

from nautilus_trader.adapters.binance import (
    BINANCE,
    BinanceAccountType,
    BinanceDataClientConfig,
    BinanceExecClientConfig,
    BinanceLiveDataClientFactory,
    BinanceLiveExecClientFactory,
)
from nautilus_trader.config import InstrumentProviderConfig, LoggingConfig, StrategyConfig, TradingNodeConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import OrderSide, TimeInForce
from nautilus_trader.model.identifiers import InstrumentId, TraderId, Venue
from nautilus_trader.trading.strategy import Strategy
from session import Session

TRADED_S = 120
PERPETUAL = InstrumentId.from_str("BTCUSDT-PERP.BINANCE")
SIZES = ("0.010", "0.020", "0.005")

s = Session()


class Trader(Strategy):
    """Every four seconds: a market order, or a limit order that is cancelled the next time."""

    def __init__(self):
        super().__init__(StrategyConfig(strategy_id="CERTIFY-1"))
        self.quotes, self.bars, self.fills, self.rejected, self.turns = 0, [], [], [], 0
        self.accepted, self.canceled, self.is_over = 0, 0, False

    def on_start(self):
        self.instrument = self.cache.instrument(PERPETUAL)
        self.subscribe_quote_ticks(PERPETUAL)
        self.subscribe_bars(BarType.from_str(f"{PERPETUAL}-1-MINUTE-LAST-EXTERNAL"))

    def on_quote_tick(self, tick):
        self.quotes += 1
        self.bid, self.ask = tick.bid_price.as_decimal(), tick.ask_price.as_decimal()

    def on_bar(self, bar):
        self.bars.append(bar)

    def turn(self):
        self.turns += 1
        make, size = self.order_factory, self.instrument.make_qty(SIZES[self.turns % 3])
        self.cancel_all_orders(PERPETUAL)
        side = OrderSide.SELL if self.turns % 5 == 0 else OrderSide.BUY
        if self.turns % 2:
            self.submit_order(make.market(PERPETUAL, side, size))
            return
        away = Decimal("0.98") if side is OrderSide.BUY else Decimal("1.02")
        if self.turns % 4 == 0:  # one that meets the other side
            price = self.ask * Decimal("1.001") if side is OrderSide.BUY else self.bid
        else:
            price = self.bid * away
        self.submit_order(
            make.limit(PERPETUAL, side, size, self.instrument.make_price(price), time_in_force=TimeInForce.GTC)
        )

    def on_order_accepted(self, _event):
        self.accepted += 1

    def on_order_canceled(self, _event):
        self.canceled += 1

    def on_order_rejected(self, event):
        self.rejected.append(str(event.reason))

    def on_order_denied(self, event):
        self.rejected.append(str(event.reason))

    def on_order_filled(self, event):
        self.fills.append(event)


def node_of(trader):
    common = {
        "api_key": s.key,
        "api_secret": s.secret,
        "account_type": BinanceAccountType.USDT_FUTURES,
        "base_url_http": s.rest,
        "base_url_ws": s.ws,
        "instrument_provider": InstrumentProviderConfig(load_all=True),
    }
    node = TradingNode(
        TradingNodeConfig(
            trader_id=TraderId("CERTIFY-001"),
            logging=LoggingConfig(log_level="ERROR", log_colors=False),
            data_clients={BINANCE: BinanceDataClientConfig(**common)},
            exec_clients={BINANCE: BinanceExecClientConfig(**common)},
            timeout_connection=30.0,
        )
    )
    node.trader.add_strategy(trader)
    node.add_data_client_factory(BINANCE, BinanceLiveDataClientFactory)
    node.add_exec_client_factory(BINANCE, BinanceLiveExecClientFactory)
    node.build()
    return node


def compare(node, trader):
    def positions():
        return sum((p.signed_decimal_qty() for p in node.cache.positions_open()), Decimal(0))

    s.holds(
        "trades of 25 trading rounds", trader.turns >= 25 and len(trader.fills) >= 15, (trader.turns, len(trader.fills))
    )
    s.holds("nothing is rejected", not trader.rejected, trader.rejected[:3])
    s.holds("orders accepted", trader.accepted >= 20, trader.accepted)
    s.holds("orders canceled", trader.canceled >= 5, trader.canceled)
    s.holds("quotes", trader.quotes > 100, trader.quotes)
    s.holds("closed bars of a minute", len(trader.bars) >= 2, len(trader.bars))
    s.books("position as the ledger's", positions, lambda book: sum(Decimal(p["size"]) for p in book["positions"]))
    s.books(
        "fills as the ledger's",
        lambda: sorted((int(f.trade_id.value), str(f.last_px), str(f.last_qty)) for f in trader.fills),
        lambda book: sorted(
            (t["id"], f"{Decimal(t['price']):.2f}", f"{Decimal(t['size']):.3f}") for t in book["trades"]
        ),
    )
    s.books(
        "commissions as the ledger's",
        lambda: sum(f.commission.as_decimal() for f in trader.fills),
        lambda book: sum(Decimal(t["fee"]).quantize(Decimal("1e-8")) for t in book["trades"]),
    )
    balance = lambda: node.portfolio.account(Venue(BINANCE)).balance_total(USDT).as_decimal()  # noqa: E731
    s.books(
        "balance as the ledger's",
        balance,
        lambda book: Decimal(book["balances"]["USDT"]).quantize(Decimal("1e-8"), rounding="ROUND_FLOOR"),
    )
    s.books(
        "working orders as the ledger's",
        lambda: sorted(o.client_order_id.value for o in node.cache.orders_open()),
        lambda book: sorted(o["client_id"] for o in book["orders"] if o["open"]),
    )


async def main():
    trader = Trader()
    node = s.call("build", lambda: node_of(trader))
    running = asyncio.ensure_future(node.run_async())
    try:
        end = asyncio.get_running_loop().time() + 60
        while not trader.quotes and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.1)
        s.holds("connected, with an instrument and quotes", trader.quotes and trader.instrument)
        end = asyncio.get_running_loop().time() + TRADED_S
        while trader.quotes and asyncio.get_running_loop().time() < end:
            trader.turn()
            await asyncio.sleep(4)
        await asyncio.sleep(1)
        if trader.quotes:
            await asyncio.to_thread(compare, node, trader)
    finally:
        await node.stop_async()
        running.cancel()
        await asyncio.wait([running], timeout=10)


asyncio.run(main())
s.done()
