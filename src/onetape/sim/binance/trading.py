"""Binance USD-M: orders and conditional orders.

Source: "Trade Endpoints" and "Algo Service" of the USD-M documentation, read 2026-11. LIMIT and
MARKET go to /order, everything with a trigger to /algoOrder (since 2025-12-09). A post-only or
fill-or-kill order that fails is refused in the answer and leaves no trace (since 2023-03-22).
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from onetape.model.decimals import decimal_text
from onetape.model.enums import OrderType, PositionSide, Side, TimeInForce, TriggerBy
from onetape.model.errors import (
    AccountMode,
    InsufficientFunds,
    MarketDataUnavailable,
    OrderBelowMinNotional,
    OrderInvalid,
    OrderWouldCross,
    PositionLimit,
    PriceBand,
    ReduceOnlyViolated,
    SelfTrade,
)
from onetape.model.instrument import Instrument
from onetape.sim.account import SimAccount, Trade
from onetape.sim.binance.public import PublicData
from onetape.sim.binance.wire import (
    Refused,
    amount,
    average_price,
    ms,
    order_row,
    position_side,
    price_text,
    size_text,
)
from onetape.sim.conditional import OPEN_MAX, Conditional
from onetape.sim.exchange import SimExchange
from onetape.sim.reports import SimOrder

__all__ = ["Trading"]

OPEN_ORDERS_MAX: Final = 200  # of a symbol (MAX_NUM_ORDERS)
BATCH_MAX: Final = 5
CANCEL_BATCH_MAX: Final = 10
AMENDMENTS_MAX: Final = 10_000
GTD_LEAST_S: Final = 600
CONDITIONAL_TYPES: Final = frozenset(
    {"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"}
)
CALLBACK_RATES: Final = (Decimal("0.1"), Decimal(20))  # percent; 20 since 2026-10-23
_CLIENT_ID: Final = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}\Z")
_NUMBER: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?\Z")
_MATCH: Final = {"OPPONENT": (False, 0), "OPPONENT_5": (False, 4), "QUEUE": (True, 0),
                 "QUEUE_5": (True, 4), "QUEUE_10": (True, 9), "QUEUE_20": (True, 19)}  # fmt: skip
# How the exchange's refusals are called here.
_CODES: Final = {
    InsufficientFunds.code: -2019,
    PositionLimit.code: -2027,
    OrderWouldCross.code: -5022,
    ReduceOnlyViolated.code: -2022,
    AccountMode.code: -4061,
    MarketDataUnavailable.code: -4131,
    PriceBand.code: -4131,
    SelfTrade.code: -2010,
    OrderInvalid.code: -1013,
}


class Trading:
    """The trade endpoints of one exchange."""

    def __init__(self, exchange: SimExchange, public: PublicData) -> None:
        self.exchange = exchange
        self.public = public
        self._made = 0

    # --- orders -----------------------------------------------------------------------------------

    def place(
        self, account: SimAccount, params: dict[str, str], now: int, *, test: bool = False
    ) -> dict[str, Any]:
        wanted = self.order_terms(account, params, now)
        if test:
            return {}
        index = wanted.pop("index")
        kept = wanted["extra"]
        order = self.exchange.place(account, index, now, **wanted)
        failed = not order.is_open and not order.filled
        if failed and (order.code or order.tif is TimeInForce.FOK):
            account.drop(order)
            raise self._refusal(order)
        kind = params.get("newOrderRespType", "ACK")
        at_once = order.type is OrderType.MARKET or order.tif is not TimeInForce.GTC
        return order_row(
            self.exchange.instruments[index],
            order,
            as_new=not (kind == "RESULT" and (at_once or kept.get("priceMatch"))),
        )

    def _refusal(self, order: SimOrder) -> Refused:
        instrument = self.exchange.instruments[order.index]
        if order.code == OrderBelowMinNotional.code:
            return Refused(-4164, decimal_text(instrument.notional_min))
        if order.tif is TimeInForce.FOK and not order.code:
            return Refused(-5021)
        return Refused(_CODES.get(order.code, -2010))

    def order_terms(self, account: SimAccount, params: dict[str, str], now: int) -> dict[str, Any]:
        """The arguments of SimExchange.place, and `index`. Raises Refused."""
        index = self.public.at(params)
        instrument = self.exchange.instruments[index]
        if not self.exchange.listings[index].is_open:
            raise Refused(-4141)
        side = _word(params, "side", ("BUY", "SELL"), -1117)
        kind = params.get("type", "")
        if not kind:
            raise Refused(-1102, "type")
        if kind in CONDITIONAL_TYPES:
            raise Refused(-4120)
        if kind not in ("LIMIT", "MARKET"):
            raise Refused(-1116)
        tif = params.get("timeInForce", "")
        if kind == "MARKET" and tif not in ("", "GTC", "IOC", "FOK", "GTX", "GTD"):
            raise Refused(-1115)
        if kind == "LIMIT":
            if not tif:
                raise Refused(-1102, "timeinforce")
            if tif not in ("GTC", "IOC", "FOK", "GTX", "GTD", "RPI"):
                raise Refused(-1115)
        position = self._position_side(account, params)
        reduce_only = _flag(params, "reduceOnly")
        if reduce_only and account.hedge:
            raise Refused(-1106, "reduceonly")
        size = self._size(instrument, params, is_market=kind == "MARKET")
        price, match = 0, params.get("priceMatch", "NONE")
        if kind == "LIMIT":
            price = self._limit_price(index, side, params, match)
            self._check_band(index, side, price)
        elif params.get("price"):
            raise Refused(-1106, "price")
        self._check_notional(index, side, price, size, reduce_only or self._closes(position, side))
        expire = self._expire(params, tif, now)
        client_id = self._client_id(account, params, "newClientOrderId")
        if sum(1 for o in account.open_orders.values() if o.index == index) >= OPEN_ORDERS_MAX:
            raise Refused(-2025)
        extra: dict[str, Any] = {}
        if match != "NONE":
            extra["priceMatch"] = match
        if stp := params.get("selfTradePreventionMode", ""):
            if stp not in ("EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "NONE"):
                raise Refused(-5039)
            extra["stp"] = stp
        return {
            "index": index,
            "side": side.lower(),
            "type": kind.lower(),
            "tif": {"GTX": "GTC", "RPI": "GTC", "": "GTC"}.get(tif, tif)
            if kind == "LIMIT"
            else "GTC",
            "price": price,
            "size": size,
            "post_only": tif in ("GTX", "RPI") and kind == "LIMIT",
            "reduce_only": reduce_only,
            "position_side": position.value,
            "expire": expire,
            "client_id": client_id,
            "extra": extra,
        }

    def modify(self, account: SimAccount, params: dict[str, str], now: int) -> dict[str, Any]:
        """Side, quantity and price are all required, and the place in the queue is lost."""
        index = self.public.at(params)
        instrument = self.exchange.instruments[index]
        order = self._find(account, params, index)
        if order is None or not order.is_open:
            raise Refused(-2013)
        if order.type is not OrderType.LIMIT:
            raise Refused(-5025)
        side = _word(params, "side", ("BUY", "SELL"), -1117)
        if side.lower() != order.side.value:
            raise Refused(-1117)
        size = self._size(instrument, params, is_market=False)
        price = self._limit_price(index, side, params, params.get("priceMatch", "NONE"))
        self._check_band(index, side, price)
        self._check_notional(index, side, price, size, order.reduce_only)
        if (price, size) == (order.price, order.size):
            raise Refused(-5027)
        done = order.extra.get("amendments", 0)
        if done >= AMENDMENTS_MAX:
            raise Refused(-5026)
        order.extra["amendments"] = done + 1
        if modify_id := params.get("modifyId"):
            order.extra["modifyId"] = modify_id
        before = (order.price, order.size)
        code = self.exchange.amend(account, order, now, price=price, size=size)
        if code == OrderWouldCross.code:  # one that became a taker is cancelled
            self.exchange.cancel(account, order, now)
        elif code:
            raise Refused(_CODES.get(code, -2010))
        order.extra.setdefault("history", []).append((now, before, (price, size)))
        return order_row(instrument, order)

    def cancel(self, account: SimAccount, params: dict[str, str], now: int) -> dict[str, Any]:
        index = self.public.at(params)
        order = self._find(account, params, index)
        if order is None or not order.is_open:
            raise Refused(-2011)
        self.exchange.cancel(account, order, now)
        return order_row(self.exchange.instruments[index], order)

    def cancel_all(self, account: SimAccount, params: dict[str, str], now: int) -> dict[str, Any]:
        """Working orders only: conditional ones are left."""
        self.exchange.cancel_all(account, now, self.public.at(params))
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def query(self, account: SimAccount, params: dict[str, str]) -> dict[str, Any]:
        index = self.public.at(params)
        order = self._find(account, params, index)
        if order is None:
            raise Refused(-2013)
        return order_row(self.exchange.instruments[index], order, with_average=True)

    def open_order(self, account: SimAccount, params: dict[str, str]) -> dict[str, Any]:
        index = self.public.at(params)
        order = self._find(account, params, index)
        if order is None or not order.is_open:
            raise Refused(-2013)
        return order_row(self.exchange.instruments[index], order, with_average=True)

    def open_orders(self, account: SimAccount, params: dict[str, str]) -> list[dict[str, Any]]:
        wanted = set(self.public.asked(params))
        return [
            order_row(self.exchange.instruments[o.index], o, with_average=True)
            for o in account.open_orders.values()
            if o.index in wanted
        ]

    def all_orders(self, account: SimAccount, params: dict[str, str]) -> list[dict[str, Any]]:
        wanted = set(self.public.asked(params))
        limit = min(int(params.get("limit") or 500), 1000)
        found = sorted((o for o in account.by_id.values() if o.index in wanted), key=lambda o: o.id)
        found = [o for o in found if _in_time(o.created, params)]
        if start := params.get("orderId"):
            found = [o for o in found if o.id >= int(start)][:limit]
        rows = found[-limit:]
        return [order_row(self.exchange.instruments[o.index], o, with_average=True) for o in rows]

    def amendments(self, account: SimAccount, params: dict[str, str]) -> list[dict[str, Any]]:
        index = self.public.at(params)
        order = self._find(account, params, index)
        if order is None:
            return []
        i = self.exchange.instruments[index]
        return [
            {
                "amendmentId": number,
                "symbol": i.raw_symbol,
                "pair": i.raw_symbol,
                "orderId": order.id,
                "clientOrderId": order.client_id,
                "time": ms(time),
                "amendment": {
                    "price": {"before": price_text(i, old[0]), "after": price_text(i, new[0])},
                    "origQty": {"before": size_text(i, old[1]), "after": size_text(i, new[1])},
                    "count": number,
                },
                "priceMatch": "NONE",
            }
            for number, (time, old, new) in enumerate(order.extra.get("history", ()), 1)
        ]

    def trades(self, account: SimAccount, params: dict[str, str]) -> list[dict[str, Any]]:
        index = self.public.at(params)
        limit = min(int(params.get("limit") or 500), 1000)
        found = [t for t in account.trades if t.order.index == index]
        found = [t for t in found if _in_time(t.fill.time, params)]
        if order_id := params.get("orderId"):
            found = [t for t in found if t.order.id == int(order_id)]
        if start := params.get("fromId"):
            found = [t for t in found if t.fill.trade_id >= int(start)][:limit]
        elif "startTime" in params:
            found = found[:limit]
        return [self._trade(t) for t in found[-limit:]]

    def _trade(self, trade: Trade) -> dict[str, Any]:
        order, fill = trade
        i = self.exchange.instruments[order.index]
        return {
            "symbol": i.raw_symbol,
            "id": fill.trade_id,
            "orderId": order.id,
            "side": order.side.value.upper(),
            "price": price_text(i, fill.price),
            "qty": size_text(i, fill.size),
            "realizedPnl": amount(fill.realized),
            "quoteQty": amount(i.notional_units(fill.price, fill.size), 2),
            "commission": amount(fill.fee),
            "commissionAsset": i.settle,
            "time": ms(fill.time),
            "positionSide": position_side(order.position_side),
            "buyer": order.side is Side.BUY,
            "maker": fill.is_maker,
        }

    # --- conditional orders -----------------------------------------------------------------------

    def place_algo(self, account: SimAccount, params: dict[str, str], now: int) -> dict[str, Any]:
        if params.get("algoType") != "CONDITIONAL":
            raise Refused(-1102, "algotype")
        index = self.public.at(params)
        i = self.exchange.instruments[index]
        side = _word(params, "side", ("BUY", "SELL"), -1117)
        kind = params.get("type", "")
        if kind not in CONDITIONAL_TYPES:
            raise Refused(-1116)
        position = self._position_side(account, params)
        tif = params.get("timeInForce") or "GTC"
        if tif not in ("GTC", "IOC", "FOK", "GTX", "GTD", "GTE_GTC"):
            raise Refused(-1115)
        reduce_only = _flag(params, "reduceOnly")
        close = _flag(params, "closePosition")
        if reduce_only and account.hedge:
            raise Refused(-1106, "reduceonly")
        if close:
            self._check_close(account, index, params, kind, side, position)
        size = 0 if close else self._size(i, params, is_market=kind.endswith("MARKET"))
        price = 0
        if kind in ("STOP", "TAKE_PROFIT"):
            price = self._limit_price(index, side, params, params.get("priceMatch", "NONE"))
        terms: dict[str, Any] = {
            "index": index,
            "client_id": self._client_id(account, params, "clientAlgoId"),
            "type": kind,
            "side": side.lower(),
            "position_side": position.value,
            "size": size,
            "price": price,
            "trigger": 0,
            "by": "mark" if params.get("workingType") == "MARK_PRICE" else "last",
            "tif": {"GTX": "GTC", "GTE_GTC": "GTC"}.get(tif, tif),
            "reduce_only": reduce_only,
            "post_only": tif == "GTX",
            "close_position": close,
            "expire": self._expire(params, tif, now),
            "extra": {"tif": tif, "priceProtect": _flag(params, "priceProtect")},
        }
        if kind == "TRAILING_STOP_MARKET":
            rate = _decimal(params, "callbackRate")
            if not CALLBACK_RATES[0] <= rate <= CALLBACK_RATES[1]:
                raise Refused(-2021, text="Invalid callBack rate")
            terms["callback"] = int(rate * 100)
            if params.get("activatePrice"):
                terms["activate"] = self._price(i, params, "activatePrice")
        else:
            terms["trigger"] = self._price(i, params, "triggerPrice")
            self._check_trigger(index, kind, side, terms)
        if len(self.exchange.conditionals.open_of(account)) >= OPEN_MAX:
            raise Refused(-4045)
        return self.algo_row(self.exchange.place_conditional(account, now, **terms))

    def _check_close(
        self,
        account: SimAccount,
        index: int,
        params: dict[str, str],
        kind: str,
        side: str,
        position: PositionSide,
    ) -> None:
        if kind not in ("STOP_MARKET", "TAKE_PROFIT_MARKET"):
            raise Refused(-1106, "closeposition")
        if params.get("quantity"):
            raise Refused(-4137)
        if _flag(params, "reduceOnly"):
            raise Refused(-1106, "reduceonly")
        if account.hedge and not self._closes(position, side):
            raise Refused(-1106, "closeposition")
        held = account.qty(index, position)
        if not held or (held > 0) != (side == "SELL"):
            raise Refused(-4129)
        for other in self.exchange.conditionals.open_of(account, index):
            same = other.position_side is position and other.side.value == side.lower()
            if other.close_position and same and other.type == kind:
                raise Refused(-4130)

    def _check_trigger(self, index: int, kind: str, side: str, terms: dict[str, Any]) -> None:
        price = self.exchange.price(index, TriggerBy(terms["by"]))
        rises = (side == "BUY") != kind.startswith("TAKE_PROFIT")
        trigger = terms["trigger"]
        if price and (price >= trigger if rises else price <= trigger):
            raise Refused(-2021)

    def cancel_algo(self, account: SimAccount, params: dict[str, str], now: int) -> dict[str, Any]:
        order = self._find_algo(account, params)
        if order is None or not order.is_open:
            raise Refused(-2011)
        self.exchange.cancel_conditional(order, now)
        return {
            "algoId": order.id,
            "clientAlgoId": order.client_id,
            "code": "200",
            "msg": "success",
        }

    def cancel_all_algo(
        self, account: SimAccount, params: dict[str, str], now: int
    ) -> dict[str, Any]:
        for order in self.exchange.conditionals.open_of(account, self.public.at(params)):
            self.exchange.cancel_conditional(order, now)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def query_algo(self, account: SimAccount, params: dict[str, str]) -> dict[str, Any]:
        order = self._find_algo(account, params)
        if order is None:
            raise Refused(-2013)
        return self.algo_row(order, queried=True)

    def open_algo(self, account: SimAccount, params: dict[str, str]) -> list[dict[str, Any]]:
        wanted = set(self.public.asked(params))
        return [
            self.algo_row(order, queried=True)
            for order in self.exchange.conditionals.open_of(account)
            if order.index in wanted
        ]

    def all_algo(self, account: SimAccount, params: dict[str, str]) -> list[dict[str, Any]]:
        index = self.public.at(params)
        limit = min(int(params.get("limit") or 500), 1000)
        found = [
            order
            for order in self.exchange.conditionals.by_id.values()
            if order.account is account and order.index == index and _in_time(order.created, params)
        ]
        if start := params.get("algoId"):
            found = [o for o in found if o.id >= int(start)][:limit]
        return [self.algo_row(order, queried=True) for order in found[-limit:]]

    def algo_row(self, order: Conditional, *, queried: bool = False) -> dict[str, Any]:
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
            "activatePrice": price_text(i, order.activate) if order.activate else "",
            "callbackRate": f"{order.callback / 100:g}" if order.callback else "",
            "createTime": ms(order.created),
            "updateTime": ms(order.updated),
            "triggerTime": ms(order.triggered),
            "goodTillDate": ms(order.expire),
        }
        if queried:
            child = order.child
            row["actualOrderId"] = str(child.id) if child else ""
            row["actualPrice"] = average_price(i, child.cost, child.filled) if child else "0.00"
            row["actualQty"] = size_text(i, child.filled if child else 0)
            row["actualType"] = child.type.value.upper() if child else ""
            row["tpOrderType"] = ""
        return row

    def _find_algo(self, account: SimAccount, params: dict[str, str]) -> Conditional | None:
        book = self.exchange.conditionals
        if number := params.get("algoId"):
            found = book.by_id.get(_id(number, "algoId"))
        elif client_id := params.get("clientAlgoId"):
            found = book.by_client_id.get((account.number, client_id))
        else:
            raise Refused(-1102, "algoid")
        return found if found is not None and found.account is account else None

    # --- parts of an order ------------------------------------------------------------------------

    def _find(self, account: SimAccount, params: dict[str, str], index: int) -> SimOrder | None:
        if number := params.get("orderId"):
            found = account.by_id.get(_id(number, "orderId"))
        elif client_id := params.get("origClientOrderId"):
            found = account.by_client_id.get(client_id)
        else:
            raise Refused(
                -1102,
                text="Param 'origClientOrderId' or 'orderId' must be sent, "
                "but both were empty/null!",
            )
        return found if found is not None and found.index == index else None

    def _client_id(self, account: SimAccount, params: dict[str, str], name: str) -> str:
        given = params.get(name, "")
        if not given:
            self._made += 1
            return f"web_{account.number}x{self.exchange.now // 1000:x}x{self._made}"
        if len(given) > 36:
            raise Refused(-4015)
        if not _CLIENT_ID.match(given):
            raise Refused(-1100, name, "^[\\.A-Z\\:/a-z0-9_-]{1,36}$")
        if name == "clientAlgoId":
            known = self.exchange.conditionals.by_client_id.get((account.number, given))
            if known is not None and known.is_open:
                raise Refused(-4116)
        elif (order := account.by_client_id.get(given)) is not None and order.is_open:
            raise Refused(-4116)
        return given

    def _position_side(self, account: SimAccount, params: dict[str, str]) -> PositionSide:
        given = params.get("positionSide") or "BOTH"
        if given not in ("BOTH", "LONG", "SHORT"):
            raise Refused(-4060)
        if account.hedge == (given == "BOTH"):
            raise Refused(-4061)
        return PositionSide(given.lower())

    @staticmethod
    def _closes(position: PositionSide, side: str) -> bool:
        return position is (PositionSide.LONG if side == "SELL" else PositionSide.SHORT)

    def _size(self, i: Instrument, params: dict[str, str], *, is_market: bool) -> int:
        value = _decimal(params, "quantity")
        if value <= 0:
            raise Refused(-4003)
        units = _units(value, i.size_decimals)
        lot, least, most = i.lot, i.size_min, i.size_max
        if is_market:
            lot, least, most = (
                i.market_lot or lot,
                i.market_size_min or least,
                i.market_size_max or most,
            )
        if least and value < least:
            raise Refused(-4003 if value == 0 else -4004)
        if most and value > most:
            raise Refused(-4005)
        if value % lot:
            raise Refused(-4023)
        return units

    def _price(self, i: Instrument, params: dict[str, str], name: str) -> int:
        value = _decimal(params, name)
        if value <= 0:
            raise Refused(-4001 if value < 0 else -4013)
        units = _units(value, i.price_decimals)
        if value % i.tick:
            raise Refused(-4014)
        return units

    def _limit_price(self, index: int, side: str, params: dict[str, str], match: str) -> int:
        i = self.exchange.instruments[index]
        if match == "NONE":
            return self._price(i, params, "price")
        if params.get("price"):
            raise Refused(-1106, "price")
        if match not in _MATCH:
            raise Refused(-5037)
        own, depth = _MATCH[match]
        book_side = Side.BUY if (side == "BUY") == own else Side.SELL
        levels = self.exchange.levels(index, book_side, depth + 1)
        if len(levels) <= depth:
            raise Refused(-5041)
        return levels[depth][0]

    def _check_band(self, index: int, side: str, price: int) -> None:
        listing = self.exchange.listings[index]
        i, mark = listing.instrument, listing.mark
        if not mark:
            return
        if side == "BUY" and i.band_up:
            cap = int(mark * (1 + i.band_up))
            if price > cap:
                raise Refused(-4016, price_text(i, cap))
        if side == "SELL" and i.band_down:
            floor = int(mark * (1 - i.band_down))
            if price < floor:
                raise Refused(-4024, price_text(i, floor))

    def _check_notional(self, index: int, side: str, price: int, size: int, reduces: bool) -> None:
        listing = self.exchange.listings[index]
        i = listing.instrument
        near = price or listing.mark or listing.last
        if reduces or not i.notional_min or not near:
            return
        if Decimal(abs(i.notional_units(near, size))).scaleb(-18) < i.notional_min:
            raise Refused(-4164, decimal_text(i.notional_min))

    @staticmethod
    def _expire(params: dict[str, str], tif: str, now: int) -> int:
        given = params.get("goodTillDate", "")
        if tif != "GTD":
            return 0
        if not given:
            raise Refused(-1102, "goodtilldate")
        time = _id(given, "goodTillDate")
        # Only whole seconds count.
        if time < ms(now) + GTD_LEAST_S * 1000 or time >= 253402300799000:
            raise Refused(-5040)
        return time // 1000 * 1_000_000_000


def _word(params: dict[str, str], name: str, allowed: tuple[str, ...], code: int) -> str:
    given = params.get(name, "")
    if not given:
        raise Refused(-1102, name)
    if given not in allowed:
        raise Refused(code)
    return given


def _flag(params: dict[str, str], name: str) -> bool:
    given = params.get(name, "false").lower()
    if given not in ("true", "false"):
        raise Refused(-1130, name)
    return given == "true"


def _decimal(params: dict[str, str], name: str) -> Decimal:
    text = params.get(name, "")
    if not text:
        raise Refused(-1102, name)
    if not _NUMBER.match(text):
        if text.startswith("-") and _NUMBER.match(text[1:]):
            return Decimal(text)
        raise Refused(-1100, name, "^([0-9]{1,20})(\\.[0-9]{1,20})?$")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise Refused(-1130, name) from None


def _units(value: Decimal, decimals: int) -> int:
    units = value.scaleb(decimals)
    if units != units.to_integral_value():
        raise Refused(-1111)
    if units > 2**62:
        raise Refused(-4005)
    return int(units)


def _id(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Refused(-1130, name) from None


def _in_time(time: int, params: dict[str, str]) -> bool:
    start = int(params.get("startTime") or 0)
    end = int(params.get("endTime") or 2**62)
    return start <= ms(time) <= end
