"""An order manager of Binance's protocol with one instrument, and a moment to begin at."""

from __future__ import annotations

from onetape.model import catalogue
from onetape.model.enums import OrderNews
from onetape.orders.managed import NewsOut
from onetape.orders.manager import OrderManager
from onetape.venues.binance.trading import BinanceUsdmProtocol

SYMBOL = "binance:BTC/USDT:USDT"
SECOND = 1_000_000_000
NOW = 1_795_000_000 * SECOND
BTC = catalogue.find(SYMBOL)
assert BTC is not None


def binance_manager() -> OrderManager:
    protocol = BinanceUsdmProtocol("k", "s")
    protocol.set_instruments([BTC])
    return OrderManager(protocol)


def words(manager: OrderManager) -> list[OrderNews]:
    """What it has said of its orders, in order."""
    return [out.news for out in manager.outs if isinstance(out, NewsOut)]
