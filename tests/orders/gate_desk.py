"""A gate with its manager, and what was done there, for tables of rules."""

from __future__ import annotations

from decimal import Decimal

from onetape.market.in_front import in_front
from onetape.model import catalogue
from onetape.model.enums import Liquidity, OrderType, PositionSide, RequestKind, Side, TriggerBy, TriggerKind
from onetape.model.order import OrderSpec
from onetape.orders.gate import Gate, Limits
from onetape.orders.halts import Halts
from onetape.orders.managed import Request
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.pre_trade.rules import checks
from onetape.orders.pre_trade.view import View
from onetape.orders.reports import BalanceReport, FillReport
from onetape.venues.binance.trading import BinanceUsdmProtocol
from onetape.venues.kraken.assets import Pairs
from onetape.venues.kraken.trading import KrakenSpotProtocol
from orders.surroundings import OPEN, manager_at, surround

PERP, SPOT = "binance:BTC/USDT:USDT", "kraken:BTC/USD"
NOW = 1_795_000_000_000_000_000
UNIT = 10**18
PAIR = {
    "altname": "XBTUSD",
    "wsname": "XBT/USD",
    "base": "XXBT",
    "quote": "ZUSD",
    "pair_decimals": 1,
    "lot_decimals": 8,
}


class Desk:
    """A gate with its manager, and what was done there. Prices and sizes in units."""

    is_by_hand = False

    def __init__(self, symbol: str = PERP, **limits) -> None:
        self.instrument = catalogue.find(symbol)
        assert self.instrument is not None
        is_spot = symbol == SPOT
        protocol = KrakenSpotProtocol("k", "c2VjcmV0") if is_spot else BinanceUsdmProtocol("k", "s")
        protocol.set_instruments([self.instrument])
        if is_spot:
            protocol.set_pairs(Pairs({"XXBTZUSD": PAIR}))
        self.manager = manager_at(protocol)
        self.manager.references[symbol] = self.price(60_000)
        self.gate = Gate(self.manager, {symbol: self.instrument}, Limits(**limits), Halts(), OPEN, ready=True)
        self.symbol, self.count = symbol, 0

    def price(self, price) -> int:
        return int(Decimal(price).scaleb(self.instrument.price_decimals))

    def spec(self, side: str, size: int, price=0, **terms) -> OrderSpec:
        terms.setdefault("type", OrderType.LIMIT if price else OrderType.MARKET)
        if "trigger" in terms:
            by = terms.pop("by", TriggerBy.LAST)
            terms |= {"trigger_int": self.price(terms.pop("trigger")), "trigger_by": by}
            terms["trigger_kind"] = TriggerKind.STOP
        return OrderSpec(symbol=self.symbol, side=Side(side), size_int=size, price_int=self.price(price), **terms)

    def work(self, side: str, size: int, price=0, robot: int = 1, **terms):
        """An order that the venue has accepted."""
        self.count += 1
        spec = self.spec(side, size, price, **terms)
        request = Request(robot, RequestKind.PLACE, self.count, spec)
        order = self.manager.submit(f"o{self.count}", request, NOW)
        call = self.manager.calls.pop()
        self.manager.answered(call, Answer(Outcome.DONE), NOW)
        return order

    def lose(self, side: str, size: int, price=0, **terms):
        """One whose answer is lost."""
        self.count += 1
        spec = self.spec(side, size, price, **terms)
        request = Request(1, RequestKind.PLACE, self.count, spec)
        order = self.manager.submit(f"o{self.count}", request, NOW)
        self.manager.answered(self.manager.calls.pop(), Answer(Outcome.AMBIGUOUS), NOW)
        return order

    def fill(self, order, size: int) -> None:
        self.count += 1
        self.manager.hear([FillReport(
            self.symbol, order.client_id, "", self.count, order.spec.side,
            order.spec.position_side, self.price(60_000), size, NOW + self.count, 0, "USD",
            Liquidity.TAKER,
        )], NOW)  # fmt: skip

    def hold(self, qty: int, side: PositionSide = PositionSide.BOTH) -> None:
        self.manager.positions[self.symbol, side] = qty

    def own(self, currency: str, amount) -> None:
        reported = BalanceReport(currency, int(Decimal(amount) * UNIT), NOW + self.count)
        self.manager.hear([reported], NOW)

    def book(self, bid, size: int) -> None:
        """A quote of which only the bids are known."""
        best = self.price(bid), size
        surround(self.gate, in_front=lambda _, side, price: in_front(side, price, best=best, levels=()))

    def code(self, *words, **terms) -> int:
        """Of what is refused, 0 of what leaves."""
        spec = self.spec(*words, **terms)
        view = View(self.gate, spec, NOW)
        view.is_by_hand = self.is_by_hand
        received = [each.refusal for each in checks(view) if each.refusal]
        refusal = self.gate.refusal(spec, NOW, is_by_hand=self.is_by_hand)
        assert refusal == next(iter(received), None)  # rule by rule it says the same
        return refusal.code if refusal else 0
