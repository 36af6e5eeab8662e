"""Binance USD-M: the Algo Service, which has the orders with a trigger since 2025-12-09.

Source: "Algo Service" of the USD-M documentation and its change log, as of 2026-11. An order here reserves no margin
and is in no list of working orders; when it triggers, it sends an order to the book.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from onetape.exchange.account import SimAccount
from onetape.exchange.binance.public import PROTECT, PublicData
from onetape.exchange.binance.terms import OrderTerms, flag, in_time, whole, word
from onetape.exchange.binance.wire import (
    Refused,
    average_price,
    ms,
    number,
    position_side,
    price_text,
    row_limit,
    size_text,
)
from onetape.exchange.conditional import OPEN_MAX, Conditional, NewConditional
from onetape.exchange.exchange import SimExchange
from onetape.model.enums import Side, TimeInForce, TriggerBy
from onetape.venues.binance.words import CONDITIONAL_TYPES

__all__ = ["AlgoService"]

_TIFS: Final = {"IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK, "GTD": TimeInForce.GTD}  # all others are GTC
CALLBACK_MOST: Final = Decimal(20)  # percent, since 2026-10-23


class AlgoService:
    """Carries out the conditional orders of one exchange."""

    def __init__(self, exchange: SimExchange, public: PublicData, terms: OrderTerms) -> None:
        self.exchange = exchange
        self.public = public
        self.terms = terms

    def place(self, account: SimAccount, params: dict[str, str], now: int) -> dict[str, Any]:
        if params.get("algoType") != "CONDITIONAL":
            raise Refused(-1102, "algotype")
        index = self.public.at(params)
        i = self.exchange.instruments[index]
        side = word(params, "side", ("BUY", "SELL"), -1117)
        kind = params.get("type", "")
        if kind not in CONDITIONAL_TYPES:
            raise Refused(-1116)
        position = self.terms.position_side(account, params)
        tif = params.get("timeInForce") or "GTC"
        if tif not in ("GTC", "IOC", "FOK", "GTX", "GTD", "GTE_GTC"):
            raise Refused(-1115)
        reduce_only = flag(params, "reduceOnly")
        close = flag(params, "closePosition")
        if reduce_only and account.hedge:
            raise Refused(-1106, "reduceonly")
        if close:
            self.terms.check_close(account, index, params, kind, side, position)
        size = 0 if close else self.terms.size(i, params, is_market=kind.endswith("MARKET"))
        price = 0
        if kind in ("STOP", "TAKE_PROFIT"):
            price = self.terms.limit_price(index, side, params, params.get("priceMatch", "NONE"))
        trigger = callback = activate = 0
        by = TriggerBy.MARK if params.get("workingType") == "MARK_PRICE" else TriggerBy.LAST
        client_id = self.terms.client_id(account, params, "clientAlgoId")
        expire = self.terms.expire_time(params, tif, now)
        extra = {"tif": tif, "priceProtect": flag(params, "priceProtect")}
        if kind == "TRAILING_STOP_MARKET":
            activate, callback = self.terms.trail(index, params, side, by, "activatePrice", CALLBACK_MOST)
        else:
            trigger = self.terms.price(i, params, "triggerPrice")
            self.terms.check_trigger(index, kind, side, trigger, by)
        if len(self.exchange.conditionals.open_of(account)) >= OPEN_MAX:
            raise Refused(-4045)
        wanted = NewConditional(
            index=index,
            client_id=client_id,
            type=kind,
            side=Side(side.lower()),
            position_side=position,
            size=size,
            price=price,
            trigger=trigger,
            by=by,
            tif=_TIFS.get(tif, TimeInForce.GTC),
            reduce_only=reduce_only,
            post_only=tif == "GTX",
            close_position=close,
            activate=activate,
            callback=callback,
            protect=PROTECT if extra["priceProtect"] else 0,
            expire=expire,
            extra=extra,
        )
        return self.row(self.exchange.conditionals.place(account, now, wanted))

    def cancel(self, account: SimAccount, params: dict[str, str], now: int) -> dict[str, Any]:
        order = self._find(account, params)
        if order is None or not order.is_open:
            raise Refused(-2011)
        self.exchange.conditionals.cancel(order, now)
        return {"algoId": order.id, "clientAlgoId": order.client_id, "code": "200", "msg": "success"}

    def cancel_all(self, account: SimAccount, params: dict[str, str], now: int) -> dict[str, Any]:
        for order in self.exchange.conditionals.open_of(account, self.public.at(params)):
            if order.is_open:  # otherwise it has triggered, and its child order is in the book
                self.exchange.conditionals.cancel(order, now)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def query(self, account: SimAccount, params: dict[str, str]) -> dict[str, Any]:
        order = self._find(account, params)
        if order is None:
            raise Refused(-2013)
        return self.row(order, queried=True)

    def open_orders(self, account: SimAccount, params: dict[str, str]) -> list[dict[str, Any]]:
        wanted = set(self.public.instruments_of(params))
        return [
            self.row(order, queried=True)
            for order in self.exchange.conditionals.open_of(account)
            if order.index in wanted
        ]

    def all_orders(self, account: SimAccount, params: dict[str, str]) -> list[dict[str, Any]]:
        index = self.public.at(params)
        limit = row_limit(params, 500, 1000)
        found = [
            order
            for order in self.exchange.conditionals.by_id.values()
            if order.account is account and order.index == index and in_time(order.created, params)
        ]
        if params.get("algoId"):
            start = number(params, "algoId", 0)
            found = [o for o in found if o.id >= start][:limit]
        return [self.row(order, queried=True) for order in found[-limit:]]

    def row(self, order: Conditional, *, queried: bool = False) -> dict[str, Any]:
        i = self.exchange.instruments[order.index]
        row = {
            "algoId": order.id,
            "clientAlgoId": order.client_id,
            "algoType": "CONDITIONAL",
            "orderType": order.type,
            "symbol": i.raw_symbol,
            "side": order.side.value.upper(),
            "positionSide": position_side(order.position_side),
            "timeInForce": order.extra.get("tif", order.tif.value),
            "quantity": size_text(i, order.size),
            "algoStatus": order.state,
            "triggerPrice": price_text(i, order.trigger),
            "price": price_text(i, order.price),
            "icebergQuantity": None,
            "selfTradePreventionMode": "EXPIRE_MAKER",
            "workingType": "MARK_PRICE" if order.by is TriggerBy.MARK else "CONTRACT_PRICE",
            "priceMatch": "NONE",
            "closePosition": order.close_position,
            "priceProtect": order.extra.get("priceProtect", False),
            "reduceOnly": order.reduce_only,
            "createTime": ms(order.created),
            "updateTime": ms(order.updated),
            "triggerTime": ms(order.triggered),
            "goodTillDate": ms(order.expire),
        }
        trails = order.type == "TRAILING_STOP_MARKET"
        if trails or not queried:  # always in the answer to placing an order, in lists only for trailing stops
            row["activatePrice"] = price_text(i, order.activate) if order.activate else ""
            row["callbackRate"] = f"{order.callback / 100:g}" if order.callback else ""
        if queried:
            child = order.child
            row["actualOrderId"] = str(child.id) if child else ""
            row["actualPrice"] = average_price(i, child.cost, child.filled) if child else "0.00"
            row["tpOrderType"] = ""
            if child is not None:
                row["actualQty"] = size_text(i, child.filled)
                row["actualType"] = child.type.value.upper()
            if trails:
                row["isActivated"] = order.activated
        return row

    def _find(self, account: SimAccount, params: dict[str, str]) -> Conditional | None:
        book = self.exchange.conditionals
        if number := params.get("algoId"):
            found = book.by_id.get(whole(number, "algoId"))
        elif client_id := params.get("clientAlgoId"):
            found = book.by_client_id.get((account.number, client_id))
        else:
            raise Refused(-1102, "algoid")
        return found if found is not None and found.account is account else None
