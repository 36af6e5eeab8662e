"""Kraken's trading requests over WebSocket v2, in that protocol's names. Source: docs.kraken.com
"WebSocket v2, User Trading", as of 2026-11."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from onetape.exchange.account import SimAccount, SimOrder
from onetape.exchange.exchange import SimExchange
from onetape.exchange.kraken.public import PublicData
from onetape.exchange.kraken.terms import Params, check_deadline, flag, from_socket, text_of
from onetape.exchange.kraken.trading import BATCH, Trading
from onetape.exchange.kraken.wire import Refused, invalid, order_id, stamp
from onetape.exchange.order_entry import NewOrder

__all__ = ["OrderMethods"]

Answers = list[dict[str, Any]]


class OrderMethods:
    """Serves the order methods of the WebSocket. methods: name -> method, which returns the answers to one request."""

    def __init__(self, exchange: SimExchange, public: PublicData, trading: Trading) -> None:
        self.exchange = exchange
        self.public = public
        self.trading = trading
        self.methods: Final[dict[str, Callable[[SimAccount, Params, int], Answers]]] = {
            "add_order": self._add,
            "amend_order": self._amend,
            "edit_order": self._edit,
            "cancel_order": self._cancel,
            "cancel_all": self._cancel_all,
            "cancel_all_orders_after": self._dead_man,
            "batch_add": self._batch_add,
            "batch_cancel": self._batch_cancel,
        }

    def _at(self, params: Params) -> int:
        found = self.public.names.by_symbol.get(text_of(params, "symbol"))
        if found is None:
            raise Refused("EQuery:Unknown asset pair")
        return found

    @staticmethod
    def _ids(order: SimOrder) -> dict[str, Any]:
        ids: dict[str, Any] = {"order_id": order_id(order)}
        if order.client_id:
            ids["cl_ord_id"] = order.client_id
        if "userref" in order.extra:
            ids["order_userref"] = order.extra["userref"]
        return ids

    def _add(self, account: SimAccount, params: Params, now: int) -> Answers:
        made = self.trading.place(account, self._at(params), from_socket(params), now)
        if isinstance(made, NewOrder):  # the request had `validate`
            return [{"result": {}, "success": True}]
        return [{"result": self._ids(made), "success": True}]

    def _amend(self, account: SimAccount, params: Params, now: int) -> Answers:
        order, amendment = self.trading.amend(account, params, now, "order_id")
        return [{"result": {"amend_id": amendment, **self._ids(order)}, "success": True}]

    def _edit(self, account: SimAccount, params: Params, now: int) -> Answers:
        terms = {k: v for k, v in from_socket(params).items() if v not in (None, "")}
        terms["order_id"] = params.get("order_id")
        old, new = self.trading.edit(account, self._at(params), terms, now, "order_id")
        result = {"order_id": order_id(new), "original_order_id": order_id(old)}
        return [{"result": result, "success": True}]

    def _cancel(self, account: SimAccount, params: Params, now: int) -> Answers:
        """Cancels orders, and returns an answer for each order that the request names."""
        check_deadline(params, now)
        answers: Answers = []
        for name in ("order_id", "cl_ord_id", "order_userref"):
            value = params.get(name)
            each_of = value if isinstance(value, list) else [] if value is None else [value]
            for each in each_of:
                try:
                    found = self.trading.chosen(account, str(each))
                    if not found:
                        raise Refused("EOrder:Unknown order")
                    self.trading.cancel(account, found, now)
                except Refused as refused:
                    answers.append({"error": refused.text, "success": False})
                    continue
                answers += [{"result": self._ids(o), "success": True} for o in found]
        if not answers:
            raise invalid("order_id")
        return answers

    def _cancel_all(self, account: SimAccount, _params: Params, now: int) -> Answers:
        return [{"result": {"count": self.trading.cancel_all(account, now)}, "success": True}]

    def _dead_man(self, account: SimAccount, params: Params, now: int) -> Answers:
        due = self.trading.dead_man(account, text_of(params, "timeout"), now)
        result = {"currentTime": stamp(now), "triggerTime": stamp(due) if due else "0"}
        return [{"result": result, "success": True}]

    def _batch_add(self, account: SimAccount, params: Params, now: int) -> Answers:
        check_deadline(params, now)
        rows = params.get("orders")
        if not isinstance(rows, list) or not all(isinstance(each, dict) for each in rows):
            raise invalid("orders")
        if not BATCH[0] <= len(rows) <= BATCH[1]:
            raise invalid("orders")
        made = self.trading.batch(
            account, self._at(params), [from_socket(each) for each in rows], now, test=flag(params, "validate")
        )
        results = []
        for each in made:
            if isinstance(each, str):
                results.append({"error": each, "success": False})
            elif isinstance(each, NewOrder):
                results.append({})
            else:
                results.append(self._ids(each))
        return [{"result": results, "success": True}]

    def _batch_cancel(self, account: SimAccount, params: Params, now: int) -> Answers:
        ids = [*(params.get("orders") or []), *(params.get("cl_ord_id") or [])]
        count = self.trading.cancel_listed(account, ids, now)
        return [{"orders_cancelled": count, "success": True}]
