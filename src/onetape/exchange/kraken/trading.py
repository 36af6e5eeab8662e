"""Kraken spot: places, amends, edits and cancels orders.

REST and WebSocket both use this module, with REST's names. Source: docs.kraken.com "Trading" of Spot REST and
WebSocket v2, as of 2026-11. A refused order leaves no trace.
"""

from __future__ import annotations

from typing import Any, Final

from onetape.exchange.account import SimAccount, SimOrder
from onetape.exchange.exchange import SimExchange
from onetape.exchange.kraken.limits import Limits, amend_cost, cancel_cost, edit_cost
from onetape.exchange.kraken.public import PublicData
from onetape.exchange.kraken.terms import (
    Params,
    check_deadline,
    check_supported,
    flag,
    order_terms,
    price_units,
    size_units,
    text_of,
)
from onetape.exchange.kraken.wire import (
    Refused,
    amend_id,
    describe,
    invalid,
    order_id,
    order_number,
    price_text,
    size_text,
)
from onetape.exchange.order_entry import NewOrder
from onetape.model.enums import OrderType, Side
from onetape.model.errors import (
    InsufficientFunds,
    MarketDataUnavailable,
    OrderBelowMinNotional,
    OrderInvalid,
    OrderUnknown,
    OrderWouldCross,
    SelfTrade,
)

__all__ = ["BATCH", "CANCEL_BATCH_MAX", "Trading"]

BATCH: Final = (2, 15)
CANCEL_BATCH_MAX: Final = 50
_TEXTS: Final = {
    InsufficientFunds.code: "EOrder:Insufficient funds",
    OrderWouldCross.code: "EOrder:Post only order",
    OrderBelowMinNotional.code: "EOrder:Cost minimum not met",
    OrderInvalid.code: "EOrder:Invalid price",
    OrderUnknown.code: "EOrder:Unknown order",
    MarketDataUnavailable.code: "EOrder:No price",
}


def text_for(code: int) -> str:
    return _TEXTS.get(code, "EGeneral:Invalid arguments")


class Trading:
    """Serves the trading requests of one exchange."""

    def __init__(self, exchange: SimExchange, public: PublicData, limits: Limits) -> None:
        self.exchange = exchange
        self.public = public
        self.limits = limits

    # --- new orders -------------------------------------------------------------------------------

    def place(self, account: SimAccount, index: int, params: Params, now: int, *, cost: int = 1) -> SimOrder | NewOrder:
        """Places an order and returns it; with `validate` only returns the terms that it would have had. Raises
        Refused."""
        self.limits.spend_pair(account.number, index, cost, now)
        wanted = self.terms(account, index, params, now)
        return wanted if flag(params, "validate") else self.send(account, index, wanted, now)

    def terms(self, account: SimAccount, index: int, params: Params, now: int) -> NewOrder:
        if not account.can_trade:
            raise Refused("EGeneral:Permission denied")
        pair = self.public.names.wsnames[index]
        wanted = order_terms(self.exchange, account, index, pair, params, now)
        if wanted.post_only and not wanted.trigger:
            self._check_passive(index, wanted.side, wanted.price)
        return wanted

    def send(self, account: SimAccount, index: int, wanted: NewOrder, now: int) -> SimOrder:
        order = self.exchange.orders.place(account, index, now, wanted)
        # An order that self-trade prevention has ended counts as accepted; all other failed orders leave no trace.
        if order.code and not order.is_open and not order.filled and order.code != SelfTrade.code:
            self.exchange.orders.drop(account, order)
            raise Refused(text_for(order.code))
        return order

    def _check_passive(self, index: int, side: Side, price: int) -> None:
        listing = self.exchange.listings[index]
        other = self.exchange.board.levels(index, Side.SELL if side is Side.BUY else Side.BUY, 1)
        if listing.is_open and other:
            best = other[0][0]
            if price >= best if side is Side.BUY else price <= best:
                raise Refused("EOrder:Post only order")

    def add_order(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        index = self.public.at(params)
        made = self.place(account, index, params, now)
        return self.receipt(account, index, made)

    def receipt(self, account: SimAccount, index: int, made: SimOrder | NewOrder) -> dict[str, Any]:
        if isinstance(made, NewOrder):  # the order was only checked
            return {"descr": {"order": self._words(index, made.made(0, account, index, 0))}}
        answer: dict[str, Any] = {"descr": {"order": self._words(index, made)}, "txid": [order_id(made)]}
        if made.client_id:
            answer["cl_ord_id"] = made.client_id
        return answer

    def _words(self, index: int, order: SimOrder) -> str:
        i, name = self.exchange.instruments[index], self.public.names.altnames[index]
        return describe(i, name, order)["order"]

    def batch(
        self, account: SimAccount, index: int, orders: list[Params], now: int, *, test: bool
    ) -> list[SimOrder | str | NewOrder]:
        """Places several orders; returns each order, or why the engine refused it. If one is invalid, none is
        placed."""
        if not BATCH[0] <= len(orders) <= BATCH[1]:
            raise invalid("orders")
        self.limits.spend_pair(account.number, index, max(len(orders) // 2, 1), now)
        ids = [text_of(each, "cl_ord_id") for each in orders]
        if len(set(filter(None, ids))) != len(list(filter(None, ids))):
            raise Refused("EOrder:Duplicate client order id")
        wanted = [self.terms(account, index, each, now) for each in orders]
        if test:
            return list(wanted)
        made: list[SimOrder | str | NewOrder] = []
        for each in wanted:
            try:
                made.append(self.send(account, index, each, now))
            except Refused as refused:
                made.append(refused.text)
        return made

    def add_batch(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        index = self.public.at(params)
        check_deadline(params, now)
        made = self.batch(account, index, rows_of(params, "orders"), now, test=flag(params, "validate"))
        answers = []
        for each in made:
            if isinstance(each, str):
                answers.append({"error": each})
                continue
            receipt = self.receipt(account, index, each)
            if "txid" in receipt:
                receipt["txid"] = receipt["txid"][0]
            answers.append(receipt)
        return {"orders": answers}

    # --- changes ----------------------------------------------------------------------------------

    def find(self, account: SimAccount, params: Params, name: str = "txid") -> SimOrder:
        """Returns the named open order. Raises Refused."""
        text, own = text_of(params, name), text_of(params, "cl_ord_id")
        if bool(text) == bool(own):
            raise invalid(f"{name} or cl_ord_id")
        order = account.by_client_id.get(own) if own else account.by_id.get(order_number(text))
        if order is None or not order.is_open:
            raise Refused("EOrder:Unknown order")
        return order

    def amend(self, account: SimAccount, params: Params, now: int, name: str = "txid") -> tuple[SimOrder, str]:
        """Amends an order, which keeps its ids and if possible its place in the queue; returns the order and the
        amendment's id."""
        check_deadline(params, now)
        check_supported(params)
        order = self.find(account, params, name)
        i, pair = self.exchange.instruments[order.index], self.public.names.wsnames[order.index]
        self.limits.spend_pair(account.number, order.index, amend_cost(now - order.created), now)
        changes: dict[str, Any] = {"price": 0, "size": 0, "trigger": 0}
        if text := text_of(params, "order_qty"):
            changes["size"] = size_units(i, text, "order_qty")
        if text := text_of(params, "limit_price"):
            if order.type is not OrderType.LIMIT:
                raise invalid("limit_price")
            changes["price"] = price_units(i, pair, text, "limit_price")
        if text := text_of(params, "trigger_price"):
            if not order.trigger:
                raise invalid("trigger_price")
            changes["trigger"] = price_units(i, pair, text, "trigger_price")
        if not any(changes.values()):
            raise Refused("EGeneral:Invalid arguments")
        price = changes["price"]
        if price and not order.trigger and (order.post_only or flag(params, "post_only")):
            self._check_passive(order.index, order.side, price)
        if 0 < changes["size"] <= order.filled:
            self.exchange.orders.note(order, {"why": "Amended below the filled quantity"})
            self.exchange.orders.cancel(account, order, now)
        elif code := self.exchange.orders.amend(
            account, order, now, price=changes["price"], size=changes["size"], trigger=changes["trigger"]
        ):
            raise Refused(text_for(code))
        if changes["trigger"] and order.trigger:
            self.exchange.orders.note(order, {"stop": changes["trigger"]})
        count = order.extra.get("amends", 0) + 1
        self.exchange.orders.note(order, {"amends": count})
        return order, amend_id(order, count)

    def amend_order(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        return {"amend_id": self.amend(account, params, now)[1]}

    def edit(
        self, account: SimAccount, index: int, params: Params, now: int, name: str = "txid"
    ) -> tuple[SimOrder, SimOrder]:
        """Replaces an order; returns (the old order, the new one). The new order has its own id and a new place in the
        queue."""
        check_supported(params)
        if text_of(params, "cl_ord_id"):  # orders with a cl_ord_id can only be amended
            raise invalid("cl_ord_id")
        old = self.find(account, params, name)
        if old.index != index:
            raise Refused("EOrder:Unknown order")
        if old.filled or old.client_id:
            raise invalid("txid")
        self.limits.spend_pair(account.number, index, edit_cost(now - old.created), now)
        wanted = self.terms(account, index, self._amended(old, params), now)
        self.exchange.orders.note(old, {"why": "Order replaced"})
        self.exchange.orders.cancel(account, old, now)
        return old, self.send(account, index, wanted, now)

    def _amended(self, old: SimOrder, params: Params) -> Params:
        """Returns an order's parameters, with those of `params` replaced."""
        i = self.exchange.instruments[old.index]
        shown = price_text(i, old.price) if old.price else ""
        stop = price_text(i, old.extra["stop"]) if old.extra.get("stop") else ""
        terms: Params = {
            "type": old.side.value,
            "ordertype": old.extra.get("ordertype", old.type.value),
            "volume": size_text(i, old.size),
            "price": stop or shown,
            "price2": shown if stop else "",
            "oflags": ",".join(f for f in old.extra.get("oflags", ()) if f != "viqc"),
            "trigger": old.extra.get("reference", ""),
            "timeinforce": old.tif.value,
            "expiretm": str(old.expire // 1_000_000_000) if old.expire else "",
            "userref": old.extra.get("userref"),
        }
        for name in ("volume", "price", "price2", "oflags", "userref", "deadline"):
            if params.get(name) not in (None, ""):
                terms[name] = params[name]
        return terms

    def edit_order(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        index = self.public.at(params)
        old, new = self.edit(account, index, params, now)
        i = self.exchange.instruments[index]
        words = describe(i, self.public.names.altnames[index], new)
        return {
            "status": "ok",
            "txid": order_id(new),
            "originaltxid": order_id(old),
            "volume": size_text(i, new.size),
            "price": words["price"],
            "price2": words["price2"],
            "orders_cancelled": 1,
            "descr": {"order": words["order"]},
        }

    # --- canceling --------------------------------------------------------------------------------

    def chosen(self, account: SimAccount, text: str) -> list[SimOrder]:
        """Returns the open orders for an id: a txid, a cl_ord_id, or a userref shared by several."""
        order = account.by_id.get(order_number(text)) or account.by_client_id.get(text)
        if order is not None:
            return [order] if order.is_open else []
        if text.removeprefix("-").isdigit() and text.isascii() and len(text) < 12:
            return [o for o in account.open_orders.values() if o.extra.get("userref") == int(text)]
        return []

    def cancel(self, account: SimAccount, orders: list[SimOrder], now: int) -> int:
        """Cancels orders and returns their number. Raises Refused, before any is canceled, if a pair's rate counter is
        full."""
        for order in orders:
            self.limits.spend_pair(account.number, order.index, cancel_cost(now - order.created), now)
        for order in orders:
            self.exchange.orders.cancel(account, order, now)
        return len(orders)

    def cancel_order(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        text = text_of(params, "txid") or text_of(params, "cl_ord_id")
        if not text:
            raise invalid("txid")
        found = self.chosen(account, text)
        if not found:
            raise Refused("EOrder:Unknown order")
        return {"count": self.cancel(account, found, now)}

    def cancel_batch(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        ids = [*list_of(params, "orders"), *list_of(params, "cl_ord_ids")]
        return {"count": self.cancel_listed(account, ids, now)}

    def cancel_listed(self, account: SimAccount, ids: list[Any], now: int) -> int:
        """Cancels the listed orders; unknown ids are skipped."""
        texts = [str(each.get("txid", "")) if isinstance(each, dict) else str(each) for each in ids]
        if not 1 <= len(texts) <= CANCEL_BATCH_MAX:
            raise invalid("orders")
        found = {o.id: o for text in texts for o in self.chosen(account, text)}
        return self.cancel(account, list(found.values()), now)

    def cancel_all(self, account: SimAccount, now: int) -> int:
        return len(self.exchange.orders.cancel_all(account, now))

    def dead_man(self, account: SimAccount, text: str, now: int) -> int:
        """Sets the dead man's switch; returns when it fires, 0: off. The switch cancels all orders of the account,
        including stops that wait."""
        if not text.isascii() or not text.isdigit() or len(text) > 6 or int(text) > 86_400:
            raise invalid("timeout")
        after = int(text) * 1_000_000_000
        self.exchange.orders.dead_man(account, after, now)
        return now + after if after else 0


def rows_of(params: Params, name: str) -> list[Params]:
    """Returns a list of objects from JSON or form fields: orders[0][type]=buy."""
    rows = params.get(name)
    if rows is None:
        found: dict[int, Params] = {}
        for key, value in params.items():
            head, _, rest = key.partition("[")
            at, _, field = rest.partition("][")
            if head == name and at.isascii() and at.isdigit() and len(at) < 4 and field:
                found.setdefault(int(at), {})[field.removesuffix("]")] = value
        rows = [found[at] for at in sorted(found)]
    if not isinstance(rows, list) or not all(isinstance(each, dict) for each in rows):
        raise invalid(name)
    return rows


def list_of(params: Params, name: str) -> list[Any]:
    """Returns a list of ids from JSON or form fields."""
    ids = params.get(name)
    if isinstance(ids, list):
        return ids
    found = [value for key, value in params.items() if key.startswith(f"{name}[")]
    return [*found, *([each for each in ids.split(",") if each] if isinstance(ids, str) else [])]
