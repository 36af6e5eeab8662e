"""An order manager of Binance's protocol with one instrument, and a moment to begin at."""

from __future__ import annotations

from typing import Any

from onetape.model import catalogue
from onetape.model.enums import (
    Liquidity,
    OrderNews,
    OrderState,
    PositionSide,
    RequestKind,
    Side,
    TriggerBy,
    TriggerKind,
)
from onetape.model.order import OrderSpec
from onetape.orders.calls import Call, Purpose
from onetape.orders.managed import HealthOut, IntentOut, NewsOut, Request
from onetape.orders.manager import OrderManager
from onetape.orders.order import Order
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import FillReport, OrderStatusReport, VenueReport
from onetape.venues.binance.trading import BinanceUsdmProtocol
from orders.surroundings import manager_at

SYMBOL = "binance:BTC/USDT:USDT"
SECOND = 1_000_000_000
NOW = 1_795_000_000 * SECOND
BTC = catalogue.find(SYMBOL)
assert BTC is not None
SIZE, PRICE = 10, 600_000
STOP: dict[str, Any] = {"trigger_int": 610_000, "trigger_by": TriggerBy.LAST, "trigger_kind": TriggerKind.STOP}


def binance_manager() -> OrderManager:
    protocol = BinanceUsdmProtocol("k", "s")
    protocol.set_instruments([BTC])
    return manager_at(protocol)


def words(manager: OrderManager) -> list[OrderNews]:
    """What it has said of its orders, in order."""
    return [out.news for out in manager.outs if isinstance(out, NewsOut)]


class Desk:
    """A manager, what is on its wire, and rows and fills as the venue would tell them."""

    def __init__(self) -> None:
        self.manager = binance_manager()
        self.now = NOW

    def place(self, name: str = "id-1", *, accepted: bool = True, robot: int = 1, **terms: Any) -> Order:
        """accepted: the venue has taken it, under `venue_id` 77."""
        spec = OrderSpec(**{"symbol": SYMBOL, "side": Side.BUY, "size_int": SIZE, "price_int": PRICE, **terms})
        number = len(self.manager.orders) + 1
        order = self.manager.submit(name, Request(robot, RequestKind.PLACE, number, spec), self.now)
        if accepted:
            self.answer(self.row(order))
            self.manager.outs.clear()
        return order

    def row(
        self, order: Order | str = "id-1", state: OrderState = OrderState.ACCEPTED, **more: Any
    ) -> OrderStatusReport:
        name = order if isinstance(order, str) else order.name
        seen = {"side": Side.BUY, "price": PRICE, "size": SIZE, "time": self.now}
        if not isinstance(order, str):
            seen |= {"conditional": order.conditional, "reduce_only": order.spec.reduce_only}
        return OrderStatusReport(SYMBOL, name, **{"venue_id": "77", "state": state, **seen, **more})

    def fill(self, size: int, trade: int = 1, name: str = "id-1", venue_id: str = "77", **more: Any) -> FillReport:
        return FillReport(
            **{
                "symbol": SYMBOL,
                "client_id": name,
                "venue_id": venue_id,
                "trade_id": trade,
                "side": Side.BUY,
                "position_side": PositionSide.BOTH,
                "price": PRICE,
                "size": size,
                "time": self.now,
                "fee": 0,
                "fee_currency": "USDT",
                "liquidity": Liquidity.MAKER,
                **more,
            }
        )

    def hear(self, *rows: VenueReport) -> None:
        self.now += 1
        self.manager.hear(rows, self.now)

    def take(self) -> list[Call]:
        """What it has sent."""
        calls, self.manager.calls = self.manager.calls, []
        return calls

    def sent(self) -> list[Purpose]:
        return [call.purpose for call in self.take()]

    def answer(self, *rows: VenueReport, outcome: Outcome = Outcome.DONE, **more: Any) -> None:
        """To the one call that is on the wire."""
        (call,) = self.take()
        self.manager.answered(call, Answer(outcome, rows, **more), self.now)

    def lose(self) -> None:
        self.answer(outcome=Outcome.AMBIGUOUS)

    def wait(self, ns: int) -> None:
        self.now += ns
        self.manager.tick(self.now)

    def news(self) -> list[tuple[OrderNews, OrderState]]:
        return [(o.news, o.state) for o in self._outs(NewsOut)]

    def intents(self) -> list[tuple[RequestKind, int, int]]:
        return [(o.kind, o.price, o.size) for o in self._outs(IntentOut)]

    def health(self) -> list[tuple[str, str]]:
        return [(o.subject, o.state) for o in self._outs(HealthOut)]

    def _outs(self, kind: type[Any]) -> list[Any]:
        """Those of a kind, which are said no more then."""
        outs = [out for out in self.manager.outs if isinstance(out, kind)]
        self.manager.outs[:] = [out for out in self.manager.outs if not isinstance(out, kind)]
        return outs
