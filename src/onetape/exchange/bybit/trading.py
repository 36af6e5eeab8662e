"""Bybit v5: orders, conditional orders, take profit and stop loss, batches, amendments, cancels, leverage, modes.

Source: Bybit API documentation v5, "Trade" and "Position", as of 2026-07. An answer says that a request was received:
funds, sizes and a reduction without a position are refused in it; a post-only order that would take, a self-trade, and
an IOC or FOK order without a match are acknowledged, and ended by the engine. Conditional orders wait in the matching
engine under the id that they keep.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from onetape.exchange.account import SimAccount, SimOrder
from onetape.exchange.bybit.account import ACCOUNTS
from onetape.exchange.bybit.public import SPOT, PublicData, size_most
from onetape.exchange.bybit.wire import Refused, id_of, order_id, price_text, refusal
from onetape.exchange.dialect import sent_units
from onetape.exchange.exchange import SimExchange
from onetape.exchange.order_entry import NewOrder
from onetape.model.enums import Kind, OrderType, PositionSide, Side, TriggerBy, TriggerKind
from onetape.model.errors import DuplicateClientId, OrderBelowMinNotional, OrderUnknown, OrderWouldCross, SelfTrade
from onetape.model.money import money_text, money_units
from onetape.venues.bybit.words import POSITION_SIDES, SIDES, TIFS, TRIGGERS

__all__ = ["Params", "Trading"]

Params = Mapping[str, Any]
ORDERS_MAX: Final = 500  # per symbol
CONDITIONALS_MAX: Final = 10  # per symbol
BATCH_MAX: Final = 20
SPOT_BATCH_MAX: Final = 10
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_LINK: Final = re.compile(r"[A-Za-z0-9_-]{1,36}\Z")
_TRIGGERS: Final = {word: by for by, word in TRIGGERS.items()}
_BY_ENGINE: Final = (OrderWouldCross.code, SelfTrade.code)  # ends of an order that was acknowledged
_EXITS: Final = {"takeProfit": "TakeProfit", "stopLoss": "StopLoss"}


class Trading:
    """Carries out the orders of one exchange. Implements `Watcher`."""

    def __init__(self, exchange: SimExchange, public: PublicData) -> None:
        self.exchange = exchange
        self.public = public
        exchange.orders.watch(self)
        self.handlers: dict[str, Callable[[SimAccount, Params, int], Any]] = {
            "order.create": self.create,
            "order.amend": self.amend,
            "order.cancel": self.cancel,
        }

    # --- terms ------------------------------------------------------------------------------------

    def _at(self, params: Params) -> int:
        return self.public.at(params.get("category"), params.get("symbol"))

    def _price(self, at: int, text: object) -> int:
        i = self.exchange.instruments[at]
        price = sent_units(text, i.price_decimals)
        if price <= 0 or price % i.core.tick:
            raise Refused(10001, "params error: price invalid")
        return price

    def _size(self, at: int, text: object) -> int:
        i = self.exchange.instruments[at]
        size = sent_units(text, i.size_decimals)
        if size <= 0 or size % i.core.lot or size > size_most(i):
            raise Refused(10001, "Qty invalid")
        return size

    def _side(self, account: SimAccount, at: int, params: Params) -> PositionSide:
        index = params.get("positionIdx") or 0
        side = POSITION_SIDES.get(int(index)) if str(index).isdigit() else None
        if side is None or (account.hedge and not self._is_spot(at)) != (side is not PositionSide.BOTH):
            raise Refused(10001, "position idx not match position mode")
        return side

    def _check_worth(self, at: int, price: int, size: int) -> None:
        i = self.exchange.instruments[at]
        if abs(i.notional_units(price, size)) < money_units(i.notional_min):
            text = f"Order does not meet minimum order value {i.notional_min}{i.quote}"
            raise refusal(i, OrderBelowMinNotional.code, text)

    def _is_spot(self, at: int) -> bool:
        return self.exchange.instruments[at].kind is Kind.SPOT

    def _link(self, account: SimAccount, at: int, params: Params) -> str:
        """Returns our name of an order. Raises Refused if an order that is remembered has it."""
        link = str(params.get("orderLinkId") or "")
        if link and not _LINK.match(link):
            raise Refused(10001, "OrderLinkedID is invalid")
        if link in account.by_client_id:
            raise refusal(self.exchange.instruments[at], DuplicateClientId.code)
        return link

    def _check_spot(self, params: Params) -> None:
        """Raises Refused for what spot orders do not have, or not here."""
        for name in ("reduceOnly", "closeOnTrigger", "triggerPrice", "takeProfit", "stopLoss"):
            if params.get(name) not in (None, "", "0", 0, False):
                raise Refused(10001, f"{name} is not available for spot in this simulation")
        if str(params.get("isLeverage") or 0) != "0" or params.get("orderFilter") not in (None, "", "Order"):
            raise Refused(10001, "isLeverage and orderFilter are not available in this simulation")

    def _spot_size(self, at: int, side: Side, params: Params, *, is_limit: bool) -> tuple[int, dict[str, Any]]:
        """Returns the size of a spot order, and its facts: a purchase at the market names an amount of the quote coin,
        unless `marketUnit` says otherwise."""
        extra: dict[str, Any] = {"fee_in_base": True} if side is Side.BUY else {}
        unit = str(params.get("marketUnit") or ("quoteCoin" if side is Side.BUY else "baseCoin"))
        if is_limit or unit == "baseCoin":
            return self._size(at, params.get("qty")), extra | ({} if is_limit else {"unit": unit})
        i, text = self.exchange.instruments[at], params.get("qty")
        money = sent_units(text, i.price_decimals + i.size_decimals)
        if unit != "quoteCoin" or money <= 0:
            raise Refused(10001, "Qty invalid")
        size = self.exchange.board.size_for(at, side.opposite, money)
        if size < i.size_int(i.size_min):
            raise refusal(i, OrderBelowMinNotional.code)
        return size, extra | {"unit": unit, "value": str(text)}

    # --- placing ----------------------------------------------------------------------------------

    def create(self, account: SimAccount, params: Params, now: int) -> dict[str, str]:
        at = self._at(params)
        order = self.exchange.orders.place(account, at, now, self._wanted(account, at, params))
        if order.code and not order.filled and not order.is_open and order.code not in _BY_ENGINE:
            self.exchange.orders.drop(account, order)
            raise refusal(self.exchange.instruments[at], order.code)
        if order.filled:
            self.protect(order, now)
        return self._receipt(order)

    def _receipt(self, order: SimOrder) -> dict[str, str]:
        i = self.exchange.instruments[order.index]
        return {"orderId": order_id(i, order), "orderLinkId": order.client_id}

    def _wanted(self, account: SimAccount, at: int, params: Params) -> NewOrder:
        i, listing = self.exchange.instruments[at], self.exchange.listings[at]
        side, kind = SIDES.get(str(params.get("side"))), params.get("orderType")
        if side is None:
            raise Refused(10001, "Side invalid")
        if kind not in ("Limit", "Market"):
            raise Refused(10001, "OrderType invalid")
        is_limit = kind == "Limit"
        tif = str(params.get("timeInForce") or "GTC") if is_limit else "IOC"
        if tif not in TIFS:
            raise Refused(110119 if tif == "RPI" else 10001, "" if tif == "RPI" else "timeInForce invalid")
        position_side, reduces = self._side(account, at, params), bool(params.get("reduceOnly"))
        closes, more = bool(params.get("closeOnTrigger")), dict[str, Any]()
        is_whole = reduces and closes and sent_units(params.get("qty"), i.size_decimals) == 0
        if i.kind is Kind.SPOT:
            self._check_spot(params)
            size, more = self._spot_size(at, side, params, is_limit=is_limit)
        else:
            size = abs(account.qty(at, position_side)) if is_whole else self._size(at, params.get("qty"))
        price = self._price(at, params.get("price")) if is_limit else 0
        terms, extra = self._trigger(at, side, params), self._exits(at, side, params)
        if reduces and any(name in extra for name in _EXITS):
            raise Refused(10001, "reduceOnly orders have no TP/SL")
        if not reduces and not terms:
            self._check_worth(at, price or listing.last, size)
        if not terms and reduces and not self._may_reduce(account, at, side, position_side):
            raise Refused(110017)
        working = [o for o in account.open_orders.values() if o.index == at]
        if sum(not o.trigger for o in working) >= ORDERS_MAX or (
            terms and sum(bool(o.trigger) for o in working) >= CONDITIONALS_MAX
        ):
            raise Refused(110009 if terms else 110020)
        extra |= more | {"amount": size, "last": price_text(i, listing.last)} | ({"closes": True} if closes else {})
        if terms:
            extra |= {"stop": "Stop", "direction": terms.pop("direction")}
        return NewOrder(
            side=side,
            type=OrderType.LIMIT if is_limit else OrderType.MARKET,
            tif=TIFS[tif],
            price=price,
            size=max(size, i.core.lot),
            post_only=tif == "PostOnly",
            reduce_only=(reduces or closes) and not account.hedge,
            position_side=position_side,
            client_id=self._link(account, at, params),
            extra=extra,
            **terms,
        )

    @staticmethod
    def _may_reduce(account: SimAccount, at: int, side: Side, position_side: PositionSide) -> bool:
        held = account.qty(at, position_side)
        return held * side.sign < 0

    def _trigger(self, at: int, side: Side, params: Params) -> dict[str, Any]:
        """Returns the terms of a conditional order, {} for another one."""
        if not params.get("triggerPrice"):
            return {}
        trigger, direction = self._price(at, params["triggerPrice"]), params.get("triggerDirection")
        by = _TRIGGERS.get(str(params.get("triggerBy") or "LastPrice"))
        if direction is None or str(direction) not in ("1", "2") or by is None:
            raise Refused(10001, "triggerDirection invalid")
        rises, market = str(direction) == "1", self.exchange.board.price(at, by)
        if market and (trigger <= market if rises else trigger >= market):
            raise Refused(110092 if rises else 110093)
        kind = TriggerKind.STOP if rises is (side is Side.BUY) else TriggerKind.TAKE_PROFIT
        return {"trigger": trigger, "trigger_by": by, "trigger_kind": kind, "direction": int(direction)}

    # --- take profit and stop loss ----------------------------------------------------------------

    def _exits(self, at: int, side: Side, params: Params) -> dict[str, Any]:
        """Returns take profit and stop loss of an order, as its rows show them. Raises Refused for a price on the wrong
        side of the market."""
        found: dict[str, Any] = {}
        for name in _EXITS:
            if params.get(name) in (None, "", "0"):
                continue
            price, last = self._price(at, params[name]), self.exchange.listings[at].last
            if last and (price > last) is not ((name == "takeProfit") is (side is Side.BUY)):
                raise Refused(10001, f"{name} is on the wrong side of the market")
            found |= {name: str(params[name]), "tpslMode": str(params.get("tpslMode") or "Full")}
        return found

    def protect(self, order: SimOrder, now: int) -> None:
        """Places the take profit and stop loss of an order that has traded; of the whole position, they replace the
        earlier ones."""
        for name, kind in _EXITS.items():
            if name in order.extra and not order.extra.get(f"{name} placed"):
                self.exchange.orders.note(order, {f"{name} placed": True})
                partial = order.filled if order.extra["tpslMode"] == "Partial" else 0
                self._exit(order.account, order.index, order.position_side, kind, order.extra[name], now, partial)

    def _exit(
        self, account: SimAccount, at: int, position_side: PositionSide, kind: str, text: str, now: int, size: int = 0
    ) -> None:
        """Replaces a position's take profit or stop loss. text: its trigger, "0": none; size: 0: the whole position."""
        i, held = self.exchange.instruments[at], account.qty(at, position_side)
        if not size:
            for each in self._exits_of(account, at, position_side, kind):
                self.exchange.orders.note(each, {"canceled": True})
                self.exchange.orders.cancel(account, each, now)
        if text in ("", "0") or not held:
            return
        side = Side.SELL if held > 0 else Side.BUY
        rises = (kind == "TakeProfit") is (held > 0)
        extra = {
            "stop": kind if not size else f"Partial{kind}",
            "direction": 1 if rises else 2,
            "amount": size or abs(held),
            "closes": True,
            "createType": f"CreateBy{kind}",
            "tpslMode": "Partial" if size else "Full",
        }
        wanted = NewOrder(
            side=side,
            type=OrderType.MARKET,
            size=size or size_most(i),  # cut to the position when it fires
            reduce_only=not account.hedge,
            position_side=position_side,
            trigger=self._price(at, text),
            trigger_by=TriggerBy.LAST,
            trigger_kind=TriggerKind.TAKE_PROFIT if kind == "TakeProfit" else TriggerKind.STOP,
            extra=extra,
        )
        self.exchange.orders.place(account, at, now, wanted)

    @staticmethod
    def _exits_of(account: SimAccount, at: int, position_side: PositionSide, kind: str = "") -> list[SimOrder]:
        return [
            order
            for order in account.open_orders.values()
            if order.index == at
            and order.position_side is position_side
            and str(order.extra.get("createType", "")).startswith("CreateBy")
            and (not kind or order.extra.get("stop") == kind)
        ]

    def trading_stop(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        at = self._contract(params)
        position_side = self._side(account, at, params)
        held = account.qty(at, position_side)
        if not held:
            raise Refused(10001, "can not set tp/sl/ts for zero position")
        side, is_done = Side.BUY if held > 0 else Side.SELL, False
        self._exits(at, side, params)
        for name, kind in _EXITS.items():
            if params.get(name) not in (None, ""):
                size = self._size(at, params["tpSize"]) if params.get("tpslMode") == "Partial" else 0
                self._exit(account, at, position_side, kind, str(params[name]), now, size)
                is_done = True
        if not is_done:
            raise Refused(34040)
        return {}

    def on_ended(self, order: SimOrder, now: int) -> None:
        """Does nothing: take profit and stop loss belong to the position."""

    def on_flat(self, account: SimAccount, index: int, side: PositionSide, now: int) -> None:
        for order in self._exits_of(account, index, side):
            self.exchange.orders.cancel_now(order, now)

    # --- changing ---------------------------------------------------------------------------------

    def _named(self, account: SimAccount, params: Params) -> SimOrder:
        at, number, link = self._at(params), params.get("orderId"), params.get("orderLinkId")
        if not number and not link:
            raise Refused(10001, "OrderId or orderLinkId is required")
        order = account.by_id.get(id_of(str(number))) if number else account.by_client_id.get(str(link))
        if order is None or not order.is_open or order.index != at:
            raise refusal(self.exchange.instruments[at], OrderUnknown.code)
        return order

    def amend(self, account: SimAccount, params: Params, now: int) -> dict[str, str]:
        order = self._named(account, params)
        at = order.index
        price = self._price(at, params["price"]) if params.get("price") else 0
        size = self._size(at, params["qty"]) if params.get("qty") else 0
        trigger = self._price(at, params["triggerPrice"]) if params.get("triggerPrice") else 0
        if not (price or size or trigger):
            raise Refused(10001, "The order has not been modified")
        if size and size <= order.filled:
            raise Refused(110017)
        is_same = (price or order.price, size or order.size, trigger or order.trigger) == (
            order.price,
            order.size,
            order.trigger,
        )
        if is_same:
            raise Refused(10001, "The order remains unchanged as the parameters entered match the existing ones.")
        code = self.exchange.orders.amend(account, order, now, price=price, size=size, trigger=trigger)
        if code == OrderWouldCross.code:  # a post-only order that would take is canceled
            self.exchange.orders.cancel(account, order, now)
        elif code:
            raise refusal(self.exchange.instruments[at], code)
        elif size:
            self.exchange.orders.note(order, {"amount": size})
        return self._receipt(order)

    def cancel(self, account: SimAccount, params: Params, now: int) -> dict[str, str]:
        order = self._named(account, params)
        self.exchange.orders.note(order, {"canceled": True})
        self.exchange.orders.cancel(account, order, now)
        return self._receipt(order)

    def cancel_all(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        """Cancels all kinds of orders, of a symbol or all: conditional ones, too, unless a filter names one kind."""
        is_named = any(params.get(name) for name in ("symbol", "baseCoin", "settleCoin"))
        wanted = set(self.public.wanted({name: str(text) for name, text in params.items()}))
        if not is_named and params.get("category") != SPOT:
            raise Refused(10001, "Missing symbol, baseCoin or settleCoin")
        kind, found = params.get("orderFilter") or "", []
        for order in list(account.open_orders.values()):
            is_stop = bool(order.trigger)
            if order.index not in wanted or (kind == "Order" and is_stop) or (kind == "StopOrder" and not is_stop):
                continue
            self.exchange.orders.note(order, {"canceled": True})
            self.exchange.orders.cancel(account, order, now)
            found.append(self._receipt(order))
        return {"list": found, "success": "1"}

    def batch(
        self, account: SimAccount, params: Params, now: int, name: str
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Carries out requests one after another. Returns the result, and the outcome of each."""
        requests, category = params.get("request"), params.get("category")
        most = SPOT_BATCH_MAX if category == SPOT else BATCH_MAX
        if not isinstance(requests, list) or not 1 <= len(requests) <= most:
            raise Refused(10001, f"The number of orders in a batch is 1 to {most}")
        rows: list[dict[str, Any]] = []
        codes: list[dict[str, Any]] = []
        for each in requests:
            try:
                own = {**each, "category": category}
                rows.append({"category": category, "symbol": own["symbol"], **self.handlers[name](account, own, now)})
                codes.append({"code": 0, "msg": "OK"})
            except Refused as refused:
                rows.append({"category": "", "symbol": "", "orderId": "", "orderLinkId": ""})
                codes.append({"code": refused.code, "msg": refused.text})
        return {"list": rows}, codes

    # --- settings ---------------------------------------------------------------------------------

    def _contract(self, params: Params) -> int:
        if params.get("category") == SPOT:
            raise Refused(10001, "Illegal category")
        return self._at(params)

    def transfer(self, account: SimAccount, params: Params, now: int) -> dict[str, str]:
        """Moves money between the unified account and the funding account; an id counts once."""
        ends = str(params.get("fromAccountType")), str(params.get("toAccountType"))
        name, coin, units = str(params.get("transferId")), params.get("coin"), sent_units(params.get("amount"), 18)
        if ends not in (ACCOUNTS, ACCOUNTS[::-1]):
            raise Refused(131203, "fromAccountType or toAccountType error: UNIFIED and FUND are available here")
        if coin not in self.exchange.currencies or units <= 0 or not _UUID.match(name):
            raise Refused(131203)
        if any(each.name == name for each in account.income if each.kind == "transfer"):
            raise Refused(131214)
        at, is_in = self.exchange.currencies.index(coin), ends[0] == ACCOUNTS[1]
        if units > (account.beside.get(at, 0) if is_in else int(account.money.available(at))):
            raise Refused(131212)
        self.exchange.accounts.transfer(account, coin, money_text(units if is_in else -units), now, name)
        return {"transferId": name, "status": "SUCCESS"}

    def set_leverage(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        at = self._contract(params)
        texts = params.get("buyLeverage"), params.get("sellLeverage")
        try:
            times = {int(Decimal(str(text))) for text in texts}
        except InvalidOperation:
            raise Refused(10001, "leverage invalid") from None
        if len(times) != 1 or not 1 <= (leverage := times.pop()) <= self.exchange.instruments[at].leverage:
            raise Refused(110013 if len(times) else 10001, "cannot set leverage")
        if leverage == account.leverage_of(at):
            raise Refused(110043)
        self.exchange.accounts.set_leverage(account, at, leverage, now)
        return {}

    def switch_mode(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        """Sets hedge mode, here for all symbols of the account. The mode that a coin already has is no error; that of a
        symbol is one."""
        mode = str(params.get("mode"))
        if mode not in ("0", "3"):
            raise Refused(10001, "mode invalid")
        if (mode == "3") is account.hedge:
            if params.get("symbol"):
                raise Refused(110025)
            return {}
        if account.has_positions:
            raise Refused(110024)
        if account.open_orders:
            raise Refused(110028)
        self.exchange.accounts.set_hedge(account, mode == "3", now)
        return {}

    def set_margin_mode(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        """Sets isolated or cross margin, for all positions of the account."""
        mode = params.get("setMarginMode")
        if mode not in ("ISOLATED_MARGIN", "REGULAR_MARGIN"):
            raise Refused(3400045, "Set margin mode failed: portfolio margin is not available in this simulation")
        isolated = mode == "ISOLATED_MARGIN"
        if isolated is bool(account.isolated):
            return {"reasons": []}
        if account.has_positions or account.open_orders:
            raise Refused(3400045, "Set margin mode failed: the account has positions or orders")
        for at in range(len(self.exchange.instruments)):
            if not self._is_spot(at):
                self.exchange.accounts.set_isolated(account, at, isolated, now)
        return {"reasons": []}
