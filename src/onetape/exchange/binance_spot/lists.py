"""Binance spot: lists of orders. Of a pair (OCO) only one may trade; what is pending (OTO, OTOCO) begins to work when
the working order is filled.

Source: "Order lists" of the REST documentation and "OTO and OTOCO" of its FAQ, as of 2026-07. The money of a pair is
locked once. A list is numbered by its first order (ours). With one of its orders all of a list are canceled.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from msgspec import structs

from onetape.exchange.account import SimAccount, SimOrder
from onetape.exchange.binance.terms import whole, word
from onetape.exchange.binance.wire import Refused, ms
from onetape.exchange.binance_spot.trading import Trading
from onetape.exchange.binance_spot.wire import full_row, list_state, refused
from onetape.exchange.order_entry import NewOrder
from onetape.model.enums import Side
from onetape.model.instrument import Instrument

__all__ = ["OrderLists"]

Params = dict[str, str]

LIMITS: Final = ("LIMIT", "LIMIT_MAKER")
STOPS: Final = ("STOP_LOSS", "STOP_LOSS_LIMIT")
PROFITS: Final = ("LIMIT_MAKER", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")
_NAMES: Final = {  # parameters of an order -> the end of their names for one order of a list
    "type": "Type",
    "side": "Side",
    "quantity": "Quantity",
    "price": "Price",
    "stopPrice": "StopPrice",
    "timeInForce": "TimeInForce",
    "newClientOrderId": "ClientOrderId",
}
_OF_ALL: Final = ("symbol", "selfTradePreventionMode", "newOrderRespType")


class OrderLists:
    """Serves the requests for lists of one exchange."""

    def __init__(self, trading: Trading) -> None:
        self.trading = trading
        self.exchange = trading.exchange
        self.orders = trading.exchange.orders

    def _terms(self, account: SimAccount, params: Params, prefix: str, *others: str) -> tuple[int, NewOrder]:
        """Returns (instrument, order) by the parameters with a prefix, or with one of the others where it has none."""
        wanted: Params = {name: params[name] for name in _OF_ALL if name in params}
        for name, end in _NAMES.items():
            for each in (prefix, *others):
                if text := params.get(f"{each}{end}" if each else name):
                    wanted[name] = text
                    break
        return self.trading.order_terms(account, wanted, is_pending=prefix.startswith("pending"))

    def _pair(self, account: SimAccount, params: Params, above: str, below: str, common: str) -> list[NewOrder]:
        """Returns both orders of a pair, the dearer one first, which locks the money of both."""
        orders = [self._terms(account, params, prefix, common)[1] for prefix in (above, below)]
        buys = orders[0].side is Side.BUY
        kinds = (STOPS, PROFITS) if buys else (PROFITS, STOPS)
        if any(order.extra["kind"] not in each for order, each in zip(orders, kinds, strict=True)):
            raise Refused(-1116)
        if (orders[0].trigger or orders[0].price) <= (orders[1].trigger or orders[1].price):
            raise refused("The relationship of the prices for the orders is not correct.")
        if orders[0].client_id == orders[1].client_id:
            raise refused("Duplicate order sent.")
        return orders

    def oco(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        index = self.trading.public.at(params)
        pair = self._pair(account, params, "above", "below", "")
        self._check_passive(index, pair)
        about = self._about(account, params, "OCO")
        group = {"one_of": about["list"]}
        # The second one does not lock money of its own, so nothing but the market can refuse it.
        first = self.trading.send(account, index, with_extra(pair[0], about | group), now)
        try:
            second = self.trading.send(account, index, with_extra(pair[1], about | group | {"shares": True}), now)
        except Refused:
            self.orders.cancel(account, first, now)
            raise
        return self._answer(self.exchange.instruments[index], (first, second))

    def oto(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        return self._after(account, params, now, [self._terms(account, params, "pending")[1]])

    def otoco(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        return self._after(account, params, now, self._pair(account, params, "pendingAbove", "pendingBelow", "pending"))

    def _after(self, account: SimAccount, params: Params, now: int, pending: list[NewOrder]) -> dict[str, Any]:
        """Places the working order, and holds the pending ones."""
        word(params, "workingType", LIMITS, -1116)
        index, working = self._terms(account, params, "working")
        about = self._about(account, params, "OTO")
        self._check_passive(index, [working])
        leads = {"leads": True}
        # The pending ones are entered first: the working one may be filled at once.
        number = about["list"]
        held = []
        for at, each in enumerate(pending):
            extra = {**about, "after": number + len(pending)}
            extra |= {"one_of": number} if len(pending) > 1 else {}
            extra |= {"shares": True} if at else {}
            held.append(self.orders.hold(account, index, now, with_extra(each, extra)))
        try:
            first = self.trading.send(account, index, with_extra(working, about | leads), now)
        except Refused:
            for order in held:
                self.orders.cancel(account, order, now)
                self.orders.drop(account, order)
            raise
        return self._answer(self.exchange.instruments[index], (first, *held))

    def _check_passive(self, index: int, orders: Iterable[NewOrder]) -> None:
        """Refuses an order that may only rest and would trade, before any of its list is placed."""
        for order in orders:
            best = self.exchange.board.levels(index, order.side.opposite, 1)
            crosses = best and (order.price - best[0][0]) * order.side.sign >= 0
            if order.post_only and crosses:
                raise refused("Order would immediately match and take.")

    def _about(self, account: SimAccount, params: Params, kind: str) -> dict[str, Any]:
        name = self.trading.client_id(account, params, "listClientOrderId")
        return {"list": self.orders.next_id, "list_name": name, "contingency": kind}

    # --- answers ----------------------------------------------------------------------------------

    def _row(self, orders: Iterable[SimOrder]) -> dict[str, Any]:
        return list_state(self.exchange.instruments, list(orders), self.exchange.now)

    def _answer(self, i: Instrument, orders: Iterable[SimOrder]) -> dict[str, Any]:
        made = list(orders)
        reports = [{**full_row(i, order), "transactTime": ms(self.exchange.now)} for order in made]
        return {**self._row(made), "orderReports": reports}

    def _of(self, account: SimAccount, number: int) -> list[SimOrder]:
        return [order for order in account.by_id.values() if order.extra.get("list") == number]

    def _find(self, account: SimAccount, params: Params, name: str) -> list[SimOrder]:
        found = account.by_id.values()
        if params.get("orderListId"):
            wanted = whole(params["orderListId"], "orderListId")
            chosen = [order for order in found if order.extra.get("list") == wanted]
        else:
            chosen = [order for order in found if order.extra.get("list_name", "") == (params.get(name) or None)]
        if not chosen:
            raise Refused(-2011 if name == "listClientOrderId" else -2018, text="Order list does not exist.")
        return chosen

    def query(self, account: SimAccount, params: Params, _now: int) -> dict[str, Any]:
        return self._row(self._find(account, params, "origClientOrderId"))

    def all(self, account: SimAccount, *, only_open: bool = False) -> list[dict[str, Any]]:
        numbers = dict.fromkeys(o.extra["list"] for o in account.by_id.values() if "list" in o.extra)
        lists = [self._of(account, number) for number in numbers]
        return [self._row(each) for each in lists if not only_open or any(order.is_open for order in each)]

    def cancel(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        orders = self._find(account, params, "listClientOrderId")
        if not any(order.is_open for order in orders):
            raise Refused(-2011)
        self.trading.cancel_listed(account, orders[0], self.trading.client_id(account, params, "newClientOrderId"), now)
        return self._answer(self.exchange.instruments[orders[0].index], orders)


def with_extra(order: NewOrder, extra: dict[str, Any]) -> NewOrder:
    return structs.replace(order, extra={**order.extra, **extra})
