"""Binance USD-M: orders.

Source: "Trade Endpoints" of the USD-M documentation, as of 2026-11. LIMIT and
MARKET go to /order, everything with a trigger to /algoOrder (since 2025-12-09). A post-only or
fill-or-kill order that fails is refused in the answer and leaves no trace (since 2023-03-22).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import msgspec

from onetape.exchange.account import SimAccount, SimOrder, Trade, since
from onetape.exchange.binance.public import PROTECT, PublicData
from onetape.exchange.binance.terms import OrderTerms, flag, in_time, span, week, word
from onetape.exchange.binance.wire import (
    Refused,
    amount,
    ms,
    number,
    order_row,
    owed,
    pair_fields,
    position_side,
    price_text,
    row_limit,
    size_text,
    trail_of,
)
from onetape.exchange.conditional import NewConditional
from onetape.exchange.exchange import SimExchange
from onetape.exchange.order_entry import NewOrder
from onetape.model.decimals import decimal_text
from onetape.model.enums import OrderType, Side, TimeInForce, TriggerBy, TriggerKind
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
from onetape.model.json_text import read_json
from onetape.venues.binance.words import CONDITIONAL_TYPES

__all__ = ["OrderTraits", "Trading"]

OPEN_ORDERS_MAX: Final = 200  # per symbol (MAX_NUM_ORDERS)
BATCH_MAX: Final = 5
CANCEL_BATCH_MAX: Final = 10
AMENDMENTS_MAX: Final = 10_000
_SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
_TIFS: Final = {"IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK, "GTD": TimeInForce.GTD}  # all others are GTC
_TRIGGER_KINDS: Final = {
    "STOP": TriggerKind.STOP,
    "STOP_MARKET": TriggerKind.STOP,
    "TAKE_PROFIT": TriggerKind.TAKE_PROFIT,
    "TAKE_PROFIT_MARKET": TriggerKind.TAKE_PROFIT,
    "TRAILING_STOP_MARKET": TriggerKind.TRAILING,
}
_STP: Final = {"EXPIRE_TAKER": "", "EXPIRE_MAKER": "", "EXPIRE_BOTH": "", "NONE": ""}
_LIMITS: Final = frozenset({"LIMIT", "STOP", "TAKE_PROFIT"})
# Our error numbers of refusals -> the venue's codes.
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


@dataclass(frozen=True, slots=True)
class OrderTraits:
    """Differences between the orders of the venues of this family. triggers: /order accepts conditional orders, which
    are ordinary orders (as at Binance until 2025-12-09). triggers_max: most conditional orders per symbol.
    callback_most: largest distance of a trailing stop, percent. stp: the parameter for self-trade prevention, and its
    words -> the exchange's rules ("": the default). absent: fields of Binance's answers that are missing. is_full:
    answers to requests include filled quantity and average price. has_pair: rows have the fields that Binance added in
    July and August 2026."""

    tifs: tuple[str, ...] = ("GTC", "IOC", "FOK", "GTX", "GTD", "RPI")
    triggers: bool = False
    triggers_max: int = 0
    callback_most: Decimal = Decimal(0)
    stp: tuple[str, Mapping[str, str]] = ("selfTradePreventionMode", _STP)
    modifies_side: bool = True
    absent: frozenset[str] = frozenset()
    is_full: bool = False
    has_pair: bool = True


BINANCE: Final = OrderTraits()


class Trading:
    """Serves the trade endpoints of one exchange."""

    def __init__(
        self,
        exchange: SimExchange,
        public: PublicData,
        terms: OrderTerms,
        traits: OrderTraits = BINANCE,
        check: Callable[[SimAccount, dict[str, str]], None] = lambda _account, _params: None,
    ) -> None:
        """check: raises Refused for additional rules of this venue."""
        self.exchange = exchange
        self.public = public
        self.terms = terms
        self.traits = traits
        self._check = check

    def _row(self, order: SimOrder, **form: Any) -> dict[str, Any]:
        i, is_answer = self.exchange.instruments[order.index], not form.get("with_average")
        if self.traits.is_full:
            form["with_average"] = True
        row = order_row(i, order, **form)
        if is_answer:
            row["cumQty"] = row["executedQty"]
        if trail := trail_of(order):
            row["activatePrice"], row["priceRate"] = price_text(i, trail[0]), trail[1]
        for name in self.traits.absent:
            row.pop(name, None)
        return row

    # --- orders -----------------------------------------------------------------------------------

    def place(self, account: SimAccount, params: dict[str, str], now: int, *, test: bool = False) -> dict[str, Any]:
        self._check(account, params)
        index, wanted = self.order_terms(account, params, now)
        if test:
            return {}
        if wanted.trigger_kind is TriggerKind.TRAILING or (wanted.trigger and "priceProtect" in wanted.extra):
            return self._row(self._hold(account, index, wanted, now))
        order = self.exchange.orders.place(account, index, now, wanted)
        failed = not order.is_open and not order.filled
        if failed and (order.code or order.tif is TimeInForce.FOK):
            self.exchange.orders.drop(account, order)
            raise self._refusal(order)
        kind = params.get("newOrderRespType", "ACK")
        at_once = order.type is OrderType.MARKET or order.tif is not TimeInForce.GTC
        return self._row(order, as_new=not (kind == "RESULT" and (at_once or wanted.extra.get("priceMatch"))))

    def _hold(self, account: SimAccount, index: int, wanted: NewOrder, now: int) -> SimOrder:
        """Enters an order that waits outside the matching engine: a trailing stop, whose trigger is its activation
        price, or one with price protection."""
        extra, trails = wanted.extra, wanted.trigger_kind is TriggerKind.TRAILING
        conditional = NewConditional(
            index=index,
            client_id=wanted.client_id,
            type=extra["kind"],
            side=wanted.side,
            size=wanted.size,
            position_side=wanted.position_side,
            price=wanted.price,
            trigger=0 if trails else wanted.trigger,
            by=wanted.trigger_by,
            tif=wanted.tif,
            reduce_only=wanted.reduce_only,
            post_only=wanted.post_only,
            close_position=extra["close"],
            activate=wanted.trigger if trails else 0,
            callback=extra["callback"],
            protect=PROTECT if "priceProtect" in extra else 0,
            extra={name: extra[name] for name in ("stp", "self_trade", "priceProtect", "hidden") if name in extra},
        )
        return self.exchange.conditionals.hold(account, now, conditional)

    def _refusal(self, order: SimOrder) -> Refused:
        instrument = self.exchange.instruments[order.index]
        if order.code == OrderBelowMinNotional.code:
            return Refused(-4164, decimal_text(instrument.notional_min))
        if order.tif is TimeInForce.FOK and not order.code:
            return Refused(-5021)
        return Refused(_CODES.get(order.code, -2010))

    def order_terms(self, account: SimAccount, params: dict[str, str], now: int) -> tuple[int, NewOrder]:
        """Returns (instrument, order). Raises Refused."""
        index = self.public.at(params)
        instrument = self.exchange.instruments[index]
        if not self.exchange.listings[index].is_open:
            raise Refused(-4141)
        side = word(params, "side", ("BUY", "SELL"), -1117)
        kind, tif = self._kind(params)
        waits, is_limit = kind in _TRIGGER_KINDS, kind in _LIMITS
        position = self.terms.position_side(account, params)
        reduce_only = flag(params, "reduceOnly")
        if reduce_only and account.hedge:
            raise Refused(-1106, "reduceonly")
        close = waits and flag(params, "closePosition")
        if close:
            self.terms.check_close(account, index, params, kind, side, position)
            # The maximum size: the order is cut to the position when it is triggered.
            size, reduce_only = instrument.size_int(instrument.market_size_max or instrument.size_max), True
        else:
            size = self.terms.size(instrument, params, is_market=not is_limit)
        trigger, callback, by = 0, 0, TriggerBy.NONE
        if waits:
            by = TriggerBy.MARK if params.get("workingType") == "MARK_PRICE" else TriggerBy.LAST
            trigger, callback = self._trigger(index, kind, side, by, params)
        price, match = 0, params.get("priceMatch", "NONE")
        if is_limit:
            price = self.terms.limit_price(index, side, params, match)
            self.terms.check_band(index, side, price)
        elif params.get("price"):
            raise Refused(-1106, "price")
        reduces = reduce_only or self.terms.closes(position, side)
        self.terms.check_notional(index, side, price, size, reduces)
        expire = self.terms.expire_time(params, tif, now)
        client_id = self.terms.client_id(account, params, "newClientOrderId")
        self._check_count(account, index, waits=waits)
        extra = _noted(params, tif, self.traits.stp)
        if waits:
            extra |= {"kind": kind, "stop": trigger, "close": close, "callback": callback}
        return index, NewOrder(
            side=_SIDES[side],
            type=OrderType.LIMIT if is_limit else OrderType.MARKET,
            tif=_TIFS.get(tif, TimeInForce.GTC) if is_limit else TimeInForce.GTC,
            price=price,
            size=size,
            post_only=tif in ("GTX", "RPI") and is_limit,
            reduce_only=reduce_only,
            position_side=position,
            trigger=trigger,
            trigger_by=by,
            trigger_kind=_TRIGGER_KINDS[kind] if waits else TriggerKind.NONE,
            expire=expire,
            client_id=client_id,
            extra=extra,
        )

    def _trigger(self, index: int, kind: str, side: str, by: TriggerBy, params: dict[str, str]) -> tuple[int, int]:
        """Returns (the trigger, the distance of a trailing stop in 1e-4). Raises Refused."""
        if kind == "TRAILING_STOP_MARKET":
            return self.terms.trail(index, params, side, by, "activationPrice", self.traits.callback_most)
        trigger = self.terms.price(self.exchange.instruments[index], params, "stopPrice")
        self.terms.check_trigger(index, kind, side, trigger, by)
        return trigger, 0

    def _check_count(self, account: SimAccount, index: int, *, waits: bool) -> None:
        if account.open_count.get(index, 0) >= OPEN_ORDERS_MAX:
            raise Refused(-2025)
        most = self.traits.triggers_max
        if waits and most and sum(o.index == index and o.trigger != 0 for o in account.open_orders.values()) >= most:
            raise Refused(-4045)

    def _kind(self, params: dict[str, str]) -> tuple[str, str]:
        """Returns (type, time in force). Raises Refused."""
        kind = params.get("type", "")
        if not kind:
            raise Refused(-1102, "type")
        if kind in CONDITIONAL_TYPES and not self.traits.triggers:
            raise Refused(-4120)
        if kind not in _TRIGGER_KINDS and kind not in ("LIMIT", "MARKET"):
            raise Refused(-1116)
        is_limit = kind in _LIMITS
        tif = params.get("timeInForce", "") or ("GTC" if kind in _TRIGGER_KINDS else "")
        if is_limit and not tif:
            raise Refused(-1102, "timeinforce")
        if tif not in (*self.traits.tifs, *(() if is_limit else ("",))) or (tif == "RPI" and not is_limit):
            raise Refused(-1115)
        return kind, tif

    def modify(self, account: SimAccount, params: dict[str, str], now: int) -> dict[str, Any]:
        """Modifies an order. Side, quantity and price are all required, and the order loses its place in the queue."""
        index = self.public.at(params)
        instrument = self.exchange.instruments[index]
        order = self.terms.find(account, params, index)
        if order is None or not order.is_open:
            raise Refused(-2013)
        if order.type is not OrderType.LIMIT:
            raise Refused(-5025)
        side = order.side.value.upper()
        if self.traits.modifies_side and word(params, "side", ("BUY", "SELL"), -1117) != side:
            raise Refused(-1117)
        size = self.terms.size(instrument, params, is_market=False)
        price = self.terms.limit_price(index, side, params, params.get("priceMatch", "NONE"))
        self.terms.check_band(index, side, price)
        self.terms.check_notional(index, side, price, size, order.reduce_only)
        if (price, size) == (order.price, order.size):
            raise Refused(-5027)
        done = order.extra.get("amendments", 0)
        if done >= AMENDMENTS_MAX:
            raise Refused(-5026)
        modify_id = str(number(params, "modifyId", 0)) if params.get("modifyId") else ""
        self.exchange.orders.note(order, {"amendments": done + 1, "modifyId": modify_id})
        before = (order.price, order.size)
        code = self.exchange.orders.amend(account, order, now, price=price, size=size)
        if code == OrderWouldCross.code:  # a post-only order that would take is canceled
            self.exchange.orders.cancel(account, order, now)
        elif code:
            raise Refused(_CODES.get(code, -2010))
        history = [*order.extra.get("history", ()), (now, before, (price, size), modify_id)]
        self.exchange.orders.note(order, {"history": history})
        row = self._row(order)
        if self.traits.has_pair:
            row["pair"] = instrument.raw_symbol
            row |= _modify_id(modify_id)
        return row

    def cancel(self, account: SimAccount, params: dict[str, str], now: int) -> dict[str, Any]:
        index = self.public.at(params)
        order = self.terms.find(account, params, index)
        if order is None or not order.is_open:
            raise Refused(-2011)
        self.exchange.orders.cancel(account, order, now)
        return self._row(order)

    def cancel_all(self, account: SimAccount, params: dict[str, str], now: int) -> dict[str, Any]:
        """Cancels a symbol's working orders; conditional orders stay."""
        self.exchange.orders.cancel_all(account, now, self.public.at(params))
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def query(self, account: SimAccount, params: dict[str, str]) -> dict[str, Any]:
        index = self.public.at(params)
        order = self.terms.find(account, params, index)
        if order is None:
            raise Refused(-2013)
        return self._row(order, with_average=True)

    def open_order(self, account: SimAccount, params: dict[str, str]) -> dict[str, Any]:
        index = self.public.at(params)
        order = self.terms.find(account, params, index)
        if order is None or not order.is_open:
            raise Refused(-2013)
        return self._row(order, with_average=True)

    def open_orders(self, account: SimAccount, params: dict[str, str]) -> list[dict[str, Any]]:
        wanted = set(self.public.instruments_of(params))
        return [self._row(o, with_average=True) for o in account.open_orders.values() if o.index in wanted]

    def all_orders(self, account: SimAccount, params: dict[str, str]) -> list[dict[str, Any]]:
        wanted = set(self.public.instruments_of(params))
        limit = row_limit(params, 500, 1000)
        found = sorted((o for o in account.by_id.values() if o.index in wanted), key=lambda o: o.id)
        began, end = span(params) if params.get("orderId") else week(params, self.exchange.now)
        found = [o for o in found if began <= o.created <= end]
        if params.get("orderId"):
            start = number(params, "orderId", 0)
            found = [o for o in found if o.id >= start][:limit]
        rows = found[-limit:]
        return [{**self._row(o, with_average=True), **self._pair(o)} for o in rows]

    def _pair(self, order: SimOrder) -> dict[str, Any]:
        """Returns the additional fields of order lists since August 2026."""
        return pair_fields(self.exchange.instruments[order.index], order) if self.traits.has_pair else {}

    def amendments(self, account: SimAccount, params: dict[str, str]) -> list[dict[str, Any]]:
        index = self.public.at(params)
        order = self.terms.find(account, params, index)
        if order is None:
            return []
        i = self.exchange.instruments[index]
        limit = row_limit(params, 50, 100)
        rows = [
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
                    **_modify_id(*modify_id),
                },
                "priceMatch": "NONE",
            }
            for number, (time, old, new, *modify_id) in enumerate(order.extra.get("history", ()), 1)
            if in_time(time, params)
        ]
        return rows[::-1][:limit]  # the newest first

    def trades(self, account: SimAccount, params: dict[str, str]) -> list[dict[str, Any]]:
        index = self.public.at(params)
        limit = row_limit(params, 500, 1000)
        by_id = params.get("fromId") or params.get("orderId")
        began, end = span(params) if by_id else week(params, self.exchange.now)
        found = since(account.trades, began, lambda trade: trade.fill.time)
        found = [t for t in found if t.order.index == index and t.fill.time <= end]
        order_id, start = number(params, "orderId", 0), number(params, "fromId", 0)
        if params.get("orderId"):
            found = [t for t in found if t.order.id == order_id]
        if params.get("fromId"):
            found = [t for t in found if t.fill.trade_id >= start][:limit]
        elif "startTime" in params:
            found = found[:limit]
        return [self._trade(t) for t in found[-limit:]]

    # --- several at once --------------------------------------------------------------------------

    def place_batch(self, account: SimAccount, params: dict[str, str], now: int) -> list[Any]:
        return self._batch(account, params, now, self.place)

    def modify_batch(self, account: SimAccount, params: dict[str, str], now: int) -> list[Any]:
        return self._batch(account, params, now, self.modify)

    @staticmethod
    def _batch(account: SimAccount, params: dict[str, str], now: int, each: Callable[..., Any]) -> list[Any]:
        orders = _list(params, "batchOrders")
        if not 1 <= len(orders) <= BATCH_MAX:
            raise Refused(-4082, text="Invalid number of batch place orders.")
        if not all(isinstance(order, dict) for order in orders):
            raise Refused(-1102, "batchOrders")
        answers = []
        for order in orders:
            wanted = {str(k): v if isinstance(v, str) else msgspec.json.encode(v).decode() for k, v in order.items()}
            try:
                answers.append(each(account, wanted, now))
            except Refused as refused:
                answers.append({"code": refused.code, "msg": refused.text})
        return answers

    def cancel_batch(self, account: SimAccount, params: dict[str, str], now: int) -> list[Any]:
        # Existing clients also write these two names in lower case.
        for key in ("orderIdList", "origClientOrderIdList"):
            if key.lower() in params:
                params = {key: params[key.lower()], **params}
        name = "orderIdList" if params.get("orderIdList") else "origClientOrderIdList"
        ids = _list(params, name)
        if not 1 <= len(ids) <= CANCEL_BATCH_MAX:
            raise Refused(-4083, text="Invalid number of batch cancel orders.")
        answers = []
        for each in ids:
            wanted = {
                "symbol": params.get("symbol", ""),
                "orderId" if name == "orderIdList" else "origClientOrderId": str(each),
            }
            try:
                answers.append(self.cancel(account, wanted, now))
            except Refused as refused:
                answers.append({"code": refused.code, "msg": refused.text})
        return answers

    def countdown(self, account: SimAccount, params: dict[str, str], now: int) -> dict[str, Any]:
        """Sets the dead man's switch: when the countdown ends, a symbol's working orders are canceled, once. That
        conditional orders stay is not documented."""
        index = self.public.at(params)
        text = params.get("countdownTime", "")
        if not text.isdigit():
            raise Refused(-1102, "countdowntime")
        self.exchange.orders.dead_man(account, int(text) * 1_000_000, now, index)
        return {"symbol": params["symbol"], "countdownTime": text}

    def _trade(self, trade: Trade) -> dict[str, Any]:
        order, fill = trade
        i = self.exchange.instruments[order.index]
        added = {"pair": i.raw_symbol, "marginAsset": i.settle, "baseQty": size_text(i, fill.size)}
        return {
            **(added if self.traits.has_pair else {}),
            "symbol": i.raw_symbol,
            "id": fill.trade_id,
            "orderId": order.id,
            "side": order.side.value.upper(),
            "price": price_text(i, fill.price),
            "qty": size_text(i, fill.size),
            "realizedPnl": amount(fill.realized),
            "quoteQty": amount(i.notional_units(fill.price, fill.size), 2),
            "commission": owed(fill.fee),
            "commissionAsset": i.settle,
            "time": ms(fill.time),
            "positionSide": position_side(order.position_side),
            "buyer": order.side is Side.BUY,
            "maker": fill.is_maker,
        }


def _modify_id(text: str = "") -> dict[str, int]:
    """Returns the numeric id of a modification request, as sent."""
    return {"modifyId": int(text)} if text else {}


def _noted(params: dict[str, str], tif: str, stp: tuple[str, Mapping[str, str]]) -> dict[str, Any]:
    """Returns the fields of a request that the order's rows repeat. Raises Refused."""
    extra: dict[str, Any] = {}
    if (match := params.get("priceMatch", "NONE")) != "NONE":
        extra["priceMatch"] = match
    name, rules = stp
    if mode := params.get(name, ""):
        if mode not in rules:
            raise Refused(-5039)
        extra["stp"] = mode
        if rules[mode]:
            extra["self_trade"] = rules[mode]
    if flag(params, "priceProtect"):
        extra["priceProtect"] = True
    if tif == "HIDDEN":
        extra["hidden"] = True
    return extra


def _list(params: dict[str, str], name: str) -> list[Any]:
    try:
        found = read_json(params.get(name, ""))
    except ValueError:
        raise Refused(-1102, name) from None
    if not isinstance(found, list):
        raise Refused(-1130, name)
    return found
