"""Binance spot: places, amends, replaces and cancels orders.

REST and the WebSocket API both use this module. Source: "Trading endpoints", "Filters", "Order Amend Keep Priority" and
"Pegged orders" of the spot documentation, as of 2026-07. A refused order leaves no trace.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from onetape.exchange.account import SimAccount, SimOrder, since
from onetape.exchange.binance.public import eight
from onetape.exchange.binance.terms import OrderTerms, decimal_of, span, whole, word
from onetape.exchange.binance.wire import Refused, ms, number, row_limit
from onetape.exchange.binance_spot.public import AMENDS_MAX, ORDERS_MAX, STOPS_MAX, SpotPublic
from onetape.exchange.binance_spot.wire import (
    STP,
    STP_USUAL,
    ZERO,
    cancel_row,
    failed_filter,
    fill_rows,
    full_row,
    named,
    order_row,
    refused,
    refused_order,
    size8,
    trade_row,
)
from onetape.exchange.exchange import SimExchange
from onetape.exchange.order_entry import NewOrder
from onetape.model.decimals import decimals_of
from onetape.model.enums import OrderType, Side, TimeInForce, TriggerBy, TriggerKind
from onetape.model.errors import SelfTrade
from onetape.model.instrument import Instrument
from onetape.model.time import DAY, MS

__all__ = ["Trading"]

Params = dict[str, str]

PRECISION: Final = 8
PEG_LEVELS_MAX: Final = 100
_CLIENT_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,36}\Z")
_SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
_TIFS: Final = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
_KINDS: Final = {  # is it a limit order, its trigger
    "LIMIT": (True, TriggerKind.NONE),
    "LIMIT_MAKER": (True, TriggerKind.NONE),
    "MARKET": (False, TriggerKind.NONE),
    "STOP_LOSS": (False, TriggerKind.STOP),
    "STOP_LOSS_LIMIT": (True, TriggerKind.STOP),
    "TAKE_PROFIT": (False, TriggerKind.TAKE_PROFIT),
    "TAKE_PROFIT_LIMIT": (True, TriggerKind.TAKE_PROFIT),
}
_CANCELED: Final = {  # parameters of a cancel -> those of a cancel and an order in one request
    "origClientOrderId": "cancelOrigClientOrderId",
    "orderId": "cancelOrderId",
    "newClientOrderId": "cancelNewClientOrderId",
}
_PEG: Final = ("pegPriceType", "pegOffsetType", "pegOffsetValue")
_RESTRICTIONS: Final = {"ONLY_NEW": False, "ONLY_PARTIALLY_FILLED": True}  # has the order fills


class Trading:
    """Serves the trading requests of one exchange."""

    def __init__(self, exchange: SimExchange, public: SpotPublic) -> None:
        self.exchange = exchange
        self.public = public
        self.terms = OrderTerms(exchange, public)
        self._made = 0

    def _i(self, order: SimOrder) -> Instrument:
        return self.exchange.instruments[order.index]

    # --- new orders -------------------------------------------------------------------------------

    def place(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        index, wanted = self.order_terms(account, params)
        return self.receipt(account, self.send(account, index, wanted, now), params)

    def test(self, account: SimAccount, params: Params, _now: int) -> dict[str, Any]:
        self.order_terms(account, params)
        return {}

    def send(self, account: SimAccount, index: int, wanted: NewOrder, now: int) -> SimOrder:
        order = self.exchange.orders.place(account, index, now, wanted)
        # An order that self-trade prevention has ended counts as accepted.
        if order.code and not order.is_open and not order.filled and order.code != SelfTrade.code:
            self.exchange.orders.drop(account, order)
            raise refused_order(order.code)
        return order

    def receipt(self, account: SimAccount, order: SimOrder, params: Params) -> dict[str, Any]:
        """Returns the answer to a placed order, in the form that the request names."""
        usual = "FULL" if params.get("type") in ("LIMIT", "MARKET") else "ACK"
        kind = params.get("newOrderRespType") or usual
        row = {**named(self._i(order), order), "transactTime": ms(self.exchange.now)}
        if kind != "ACK":
            row |= full_row(self._i(order), order)
        if kind == "FULL":
            recent = since(account.trades, order.created, lambda trade: trade.fill.time)
            row["fills"] = fill_rows(self._i(order), order, recent)
        return row

    def order_terms(self, account: SimAccount, params: Params, *, is_pending: bool = False) -> tuple[int, NewOrder]:
        """Returns (instrument, order). is_pending: the order begins to work later. Raises Refused."""
        index = self.public.at(params)
        i = self.exchange.instruments[index]
        if not self.exchange.listings[index].is_open:
            raise refused("Market is closed.")
        side = word(params, "side", tuple(_SIDES), -1117)
        kind = word(params, "type", tuple(_KINDS), -1116)
        is_limit, trigger_kind = _KINDS[kind]
        waits = trigger_kind is not TriggerKind.NONE
        self._check_supported(params, kind)
        if "newOrderRespType" in params:
            word(params, "newOrderRespType", ("ACK", "RESULT", "FULL"), -1136)
        tif = self._tif(params, kind, is_limit=is_limit)
        extra: dict[str, Any] = {"kind": kind, "stp": STP_USUAL, **_fee(side)}
        if mode := params.get("selfTradePreventionMode"):
            if mode not in STP:
                raise refused("This symbol does not allow the specified self-trade prevention mode.")
            extra |= {"stp": mode, "self_trade": STP[mode]}
        price = 0
        if is_limit:
            extra["peg"] = {name: params[name] for name in _PEG if params.get(name)}
            price = self._peg(index, side, params, waits=waits) or self.price(i, params, "price")
            self._check_band(index, side, price)
        elif params.get("price"):
            raise Refused(-1106, "price")
        trigger = 0
        if waits:
            extra["stop"] = trigger = self.price(i, params, "stopPrice")
            if not is_pending:
                self._check_trigger(index, trigger_kind, side, trigger)
        elif params.get("stopPrice"):
            raise Refused(-1106, "stopPrice")
        if kind == "MARKET" and params.get("quoteOrderQty"):
            if params.get("quantity"):
                raise refused("Combination of optional parameters invalid.", -1128)
            size = self._size_of_quote(index, side, params)
            extra["quote_qty"] = eight(f"{decimal_of(params, 'quoteOrderQty'):f}")
        else:
            size = self.size(i, params, is_market=not is_limit)
        self._check_notional(index, side, price or trigger, size)
        self._check_counts(account, index, waits=waits)
        return index, NewOrder(
            side=_SIDES[side],
            type=OrderType.LIMIT if is_limit else OrderType.MARKET,
            tif=tif,
            price=price,
            size=size,
            post_only=kind == "LIMIT_MAKER",
            trigger=trigger,
            trigger_by=TriggerBy.LAST if waits else TriggerBy.NONE,
            trigger_kind=trigger_kind,
            client_id=self.client_id(account, params, "newClientOrderId"),
            extra=extra,
        )

    def _check_supported(self, params: Params, kind: str) -> None:
        if params.get("icebergQty"):
            raise refused("Iceberg orders are not supported for this symbol.")
        if params.get("trailingDelta"):
            raise refused("Trailing stop orders are not supported for this symbol.")
        if params.get("quoteOrderQty") and kind != "MARKET":
            raise Refused(-1106, "quoteOrderQty")

    @staticmethod
    def _tif(params: Params, kind: str, *, is_limit: bool) -> TimeInForce:
        text = params.get("timeInForce", "")
        if not is_limit or kind == "LIMIT_MAKER":
            if text:
                raise Refused(-1106, "timeInForce")
            return TimeInForce.GTC
        return _TIFS[word(params, "timeInForce", tuple(_TIFS), -1115)]

    def _peg(self, index: int, side: str, params: Params, *, waits: bool) -> int:
        """Returns the price of a pegged order, which follows the book only until it is entered; 0: it is not pegged."""
        kind = params.get("pegPriceType", "")
        if not kind:
            return 0
        if params.get("price"):
            raise Refused(-1106, "price")
        if waits:
            raise refused("Pegged stop orders are not supported for this symbol.")
        word(params, "pegPriceType", ("PRIMARY_PEG", "MARKET_PEG"), -1130)
        depth = number(params, "pegOffsetValue", 0)
        if params.get("pegOffsetType", "PRICE_LEVEL") != "PRICE_LEVEL" or depth > PEG_LEVELS_MAX:
            raise Refused(-1130, "pegOffsetType")
        own = _SIDES[side]
        levels = self.exchange.board.levels(index, own if kind == "PRIMARY_PEG" else own.opposite, depth + 1)
        if len(levels) <= depth:
            raise refused("Order book liquidity is less than symbol minimum quantity.")
        return levels[depth][0]

    def client_id(self, account: SimAccount, params: Params, name: str) -> str:
        text = params.get(name, "")
        if not text:
            self._made += 1
            return f"sim{account.number}x{self.exchange.now // 1000:x}x{self._made}"
        if not _CLIENT_ID.match(text):
            raise Refused(-1100, name, "^[a-zA-Z0-9-_]{1,36}$")
        if (order := account.by_client_id.get(text)) is not None and order.is_open:
            raise refused("Duplicate order sent.")
        return text

    # --- numbers and filters ----------------------------------------------------------------------

    def size(self, i: Instrument, params: Params, *, is_market: bool, name: str = "quantity") -> int:
        renamed = {"quantity": params.get(name, "")}
        return _filtered(
            renamed, name, "LOT_SIZE", lambda: self.terms.size(i, renamed, is_market=is_market), key="quantity"
        )

    def price(self, i: Instrument, params: Params, name: str) -> int:
        return _filtered(params, name, "PRICE_FILTER", lambda: self.terms.price(i, params, name))

    def _size_of_quote(self, index: int, side: str, params: Params) -> int:
        """Returns the size, in whole lots, that an amount of the quote currency trades now."""
        i = self.exchange.instruments[index]
        money = int(decimal_of(params, "quoteOrderQty").scaleb(i.price_decimals + i.size_decimals))
        size = self.exchange.board.size_for(index, _SIDES[side].opposite, money)
        if size < int(i.size_min.scaleb(i.size_decimals)):
            raise failed_filter("NOTIONAL")
        return size

    def _check_band(self, index: int, side: str, price: int) -> None:
        listing = self.exchange.listings[index]
        i, last = listing.instrument, listing.last
        if last and not last * (1 - i.band_down) <= price <= last * (1 + i.band_up):
            raise failed_filter("PERCENT_PRICE_BY_SIDE")

    def _check_notional(self, index: int, side: str, price: int, size: int) -> None:
        try:
            self.terms.check_notional(index, side, price, size, False)
        except Refused:
            raise failed_filter("NOTIONAL") from None

    def _check_trigger(self, index: int, kind: TriggerKind, side: str, trigger: int) -> None:
        last = self.exchange.listings[index].last
        rises = (side == "BUY") == (kind is TriggerKind.STOP)
        if last and (last >= trigger if rises else last <= trigger):
            raise refused("Stop price would trigger immediately.")

    def _check_counts(self, account: SimAccount, index: int, *, waits: bool) -> None:
        if account.open_count.get(index, 0) >= ORDERS_MAX:
            raise failed_filter("MAX_NUM_ORDERS")
        stops = sum(o.index == index and o.trigger != 0 for o in account.open_orders.values()) if waits else 0
        if stops >= STOPS_MAX:
            raise failed_filter("MAX_NUM_ALGO_ORDERS")

    # --- changes ----------------------------------------------------------------------------------

    def find(self, account: SimAccount, params: Params, code: int) -> SimOrder:
        """Returns the named order. code: of the refusal if there is none, or only an ended one (-2011)."""
        index = self.public.at(params)
        by_id, by_name = params.get("orderId", ""), params.get("origClientOrderId", "")
        if not by_id and not by_name:
            raise Refused(-1102, text="Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
        order = account.by_id.get(whole(by_id, "orderId")) if by_id else account.by_client_id.get(by_name)
        if order is None or order.index != index or (code == -2011 and not order.is_open):
            raise Refused(code)
        if by_id and by_name and by_name != order.client_id:
            raise refused("Client order ID is not correct for this order ID", -2039)
        return order

    def amend(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        """Reduces an order, which keeps its id and its place in the queue. It gets another client id unless its own is
        sent."""
        order = self.find(account, params, -2013)
        i, old = self._i(order), order.client_id
        if not order.is_open:
            raise Refused(-2013)
        size = self.size(i, params, is_market=False, name="newQty")
        if size > order.size:
            raise refused("Order amend (quantity increase) is not supported.", -2038)
        if size == order.size or size <= order.filled:
            raise refused("The requested action would change no state; rejecting", -2038)
        done = order.extra.get("amends", ())
        if len(done) >= AMENDS_MAX:
            raise failed_filter("MAX_NUM_ORDER_AMENDS")
        self._check_notional(order.index, order.side.value.upper(), order.price or order.extra.get("stop", 0), size)
        new = old if params.get("newClientOrderId") == old else self.client_id(account, params, "newClientOrderId")
        change = {"by": old, "to": new, "from": order.size, "size": size, "time": now}
        self.exchange.orders.note(order, {"amends": [*done, change]})
        if code := self.exchange.orders.amend(account, order, now, size=size, client_id=new):
            raise refused_order(code)
        row = full_row(i, order)
        kept = (
            "symbol",
            "orderId",
            "orderListId",
            "clientOrderId",
            "price",
            "executedQty",
            "status",
            "timeInForce",
            "type",
            "side",
            "workingTime",
            "selfTradePreventionMode",
        )
        amended = {
            **{name: row[name] for name in kept},
            "origClientOrderId": old,
            "qty": row["origQty"],
            "preventedQty": ZERO,
            "quoteOrderQty": row["origQuoteOrderQty"],
            "cumulativeQuoteQty": row["cummulativeQuoteQty"],
        }
        return {"transactTime": ms(now), "executionId": order.id * 100 + len(done), "amendedOrder": amended}

    def amendments(self, account: SimAccount, params: Params) -> list[dict[str, Any]]:
        order = self.find(account, params, -2013)
        i = self._i(order)
        return [
            {
                "symbol": i.raw_symbol,
                "orderId": order.id,
                "executionId": order.id * 100 + at,
                "origClientOrderId": each["by"],
                "newClientOrderId": each["to"],
                "origQty": size8(i, each["from"]),
                "newQty": size8(i, each["size"]),
                "time": ms(each["time"]),
            }
            for at, each in enumerate(order.extra.get("amends", ()))
        ]

    def cancel(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        order = self.find(account, params, -2011)
        if restriction := params.get("cancelRestrictions"):
            if restriction not in _RESTRICTIONS:
                raise refused("Invalid cancelRestrictions.", -1145)
            if bool(order.filled) is not _RESTRICTIONS[restriction]:
                raise refused("Order was not canceled due to cancel restrictions.", -2011)
        return self._cancel(account, order, self.client_id(account, params, "newClientOrderId"), now)

    def _cancel(self, account: SimAccount, order: SimOrder, name: str, now: int) -> dict[str, Any]:
        self.cancel_listed(account, order, name, now)
        return cancel_row(self._i(order), order, name, now)

    def cancel_listed(self, account: SimAccount, order: SimOrder, name: str, now: int) -> None:
        """Cancels an order, and with it all of its list."""
        number = order.extra.get("list")
        listed = [o for o in account.open_orders.values() if number is not None and o.extra.get("list") == number]
        for each in dict.fromkeys((order, *listed)):
            self.exchange.orders.note(each, {"by_user": name})
        for each in dict.fromkeys((order, *listed)):
            if each.is_open:
                self.exchange.orders.cancel(account, each, now)

    def cancel_all(self, account: SimAccount, params: Params, now: int) -> list[dict[str, Any]]:
        index = self.public.at(params)
        chosen = [o for o in account.open_orders.values() if o.index == index]
        if not chosen:
            raise Refused(-2011)
        name = self.client_id(account, {}, "")
        return [self._cancel(account, o, name, now) for o in chosen if o.is_open]

    def replace(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        """Cancels an order and places another one. Raises Refused with the results of both halves."""
        mode = word(params, "cancelReplaceMode", ("STOP_ON_FAILURE", "ALLOW_FAILURE"), -1130)
        index, wanted = self.order_terms(account, params)
        halves: list[tuple[str, Any]] = []
        named = dict(params)
        for name, source in _CANCELED.items():
            named[name] = params.get(source, "")

        def cancel_it() -> dict[str, Any]:
            return self.cancel(account, named, now)

        def place_it() -> dict[str, Any]:
            return self.receipt(account, self.send(account, index, wanted, now), params)

        for each in (cancel_it, place_it):
            if halves and halves[0][0] == "FAILURE" and mode == "STOP_ON_FAILURE":
                halves.append(("NOT_ATTEMPTED", None))
                break
            try:
                halves.append(("SUCCESS", each()))
            except Refused as error:
                halves.append(("FAILURE", {"code": error.code, "msg": error.text}))
        (canceled, cancel), (placed, place) = halves
        data = {"cancelResult": canceled, "newOrderResult": placed, "cancelResponse": cancel, "newOrderResponse": place}
        if canceled == placed == "SUCCESS":
            return data
        failed = refused("Order cancel-replace failed.", -2022)
        if "SUCCESS" in (canceled, placed):
            failed = refused("Order cancel-replace partially failed.", -2021, 409)
        failed.data = data
        raise failed

    # --- queries ----------------------------------------------------------------------------------

    def query(self, account: SimAccount, params: Params) -> dict[str, Any]:
        order = self.find(account, params, -2013)
        return order_row(self._i(order), order)

    def open_orders(self, account: SimAccount, params: Params) -> list[dict[str, Any]]:
        wanted = set(self.public.instruments_of(params))
        return [order_row(self._i(o), o) for o in account.open_orders.values() if o.index in wanted]

    def all_orders(self, account: SimAccount, params: Params) -> list[dict[str, Any]]:
        index, limit = self.public.at(params), row_limit(params, 500, 1000)
        began, end = _day(params)
        found = sorted((o for o in account.by_id.values() if o.index == index), key=lambda o: o.id)
        if params.get("orderId"):
            found = [o for o in found if o.id >= number(params, "orderId", 0)][:limit]
        else:
            found = [o for o in found if began <= o.created <= end]
        return [order_row(self._i(o), o) for o in (found[:limit] if "startTime" in params else found[-limit:])]

    def trades(self, account: SimAccount, params: Params) -> list[dict[str, Any]]:
        index, limit = self.public.at(params), row_limit(params, 500, 1000)
        began, end = _day(params)
        found = [t for t in account.trades if t.order.index == index]
        if params.get("orderId"):
            found = [t for t in found if t.order.id == number(params, "orderId", 0)]
        if params.get("fromId"):
            found = [t for t in found if t.fill.trade_id >= number(params, "fromId", 0)][:limit]
        elif not params.get("orderId"):
            found = [t for t in found if began <= t.fill.time <= end]
            found = found[:limit] if "startTime" in params else found
        return [trade_row(self._i(t.order), t) for t in found[-limit:]]


def _fee(side: str) -> dict[str, Any]:
    """Returns how an order pays its fee: in the currency that it receives."""
    return {"fee_in_base": True} if side == "BUY" else {}


def _filtered(params: Params, name: str, rule: str, read: Callable[[], int], key: str = "") -> int:
    """Reads a number by a filter. Raises Refused with the filter's name."""
    if not params.get(key or name):
        raise Refused(-1102, name)
    if decimals_of(decimal_of(params, key or name)) > PRECISION:
        raise refused(f"Parameter '{name}' has too much precision.", -1111)
    try:
        return read()
    except Refused:
        raise failed_filter(rule) from None


def _day(params: Params) -> tuple[int, int]:
    """Returns the requested time range, ns, of at most a day if both ends are named."""
    began, end = span(params)
    if "startTime" in params and "endTime" in params and end - began > DAY + MS:
        raise Refused(-1127)
    if "startTime" in params and "endTime" not in params:
        end = began + DAY
    return began, end
