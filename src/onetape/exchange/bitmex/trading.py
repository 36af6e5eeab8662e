"""BitMEX: orders.

Source: BitMEX API documentation, "Order", with "Order Types". Stops wait in the matching engine and are in /order
like all others (workingIndicator false). An impossible post-only or reduce-only order is accepted and canceled; an
order that the account cannot carry is refused and leaves no trace.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, Final

from onetape.exchange.account import SimAccount, SimOrder
from onetape.exchange.bitmex.public import PublicData
from onetape.exchange.bitmex.rows import Params, page, text, whole
from onetape.exchange.bitmex.wire import (
    TIF_WORDS,
    Refused,
    contract_value,
    is_canceled_at_once,
    iso,
    order_row,
    uuid_number,
    wallet_name,
)
from onetape.exchange.exchange import SimExchange
from onetape.exchange.order_entry import NewOrder
from onetape.model.enums import OrderType, Side, TimeInForce, TriggerBy, TriggerKind
from onetape.model.errors import InsufficientFunds, MarketDataUnavailable, OrderWouldCross, PositionLimit
from onetape.model.instrument import Instrument
from onetape.model.time import DAY

__all__ = ["BULK_MAX", "Trading"]

BULK_MAX: Final = 100
CLIENT_ID_MAX: Final = 36
PRICE_MAX: Final = 1_000_000
DEAD_MAN_MAX_MS: Final = 10**9
INVALID: Final = "ValidationError"
LIMITS: Final = frozenset({"Limit", "StopLimit", "LimitIfTouched"})
STOPS: Final = {
    "Stop": TriggerKind.STOP,
    "StopLimit": TriggerKind.STOP,
    "MarketIfTouched": TriggerKind.TAKE_PROFIT,
    "LimitIfTouched": TriggerKind.TAKE_PROFIT,
}
TIFS: Final = {"": TimeInForce.GTC, **{word: tif for tif, word in TIF_WORDS.items()}}
TRIGGERS: Final = {"LastPrice": TriggerBy.LAST, "MarkPrice": TriggerBy.MARK, "IndexPrice": TriggerBy.INDEX}
INSTRUCTIONS: Final = frozenset({"ParticipateDoNotInitiate", "ReduceOnly", "Close", *TRIGGERS})


class Trading:
    """Serves the order endpoints of one exchange."""

    def __init__(self, exchange: SimExchange, public: PublicData) -> None:
        self.exchange = exchange
        self.public = public

    # --- placing ----------------------------------------------------------------------------------

    def place(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        at, wanted = self.order_terms(account, params, now)
        order = self.exchange.orders.place(account, at, now, wanted)
        if order.code and not order.filled and not is_canceled_at_once(order.code):
            code, value = order.code, (order.price, order.size)
            self.exchange.orders.drop(account, order)
            raise self._refusal(at, code, *value)
        return self._row(order)

    def _refusal(self, at: int, code: int, price: int = 0, size: int = 0) -> Refused:
        i, listing = self.exchange.instruments[at], self.exchange.listings[at]
        if code == InsufficientFunds.code:
            price = price or listing.ask or listing.last
            need = contract_value(i, price, size) // 100  # margin at the maximum leverage
            return Refused(
                "Account has insufficient Available Balance, {} {} required", need, wallet_name(i.settle), name=INVALID
            )
        if code == PositionLimit.code:
            return Refused("Value of position and orders exceeds position Risk Limit", name=INVALID)
        if code == MarketDataUnavailable.code:
            return Refused("No liquidity to match a market order")
        return Refused("Order was refused")

    def order_terms(self, account: SimAccount, params: Params, now: int) -> tuple[int, NewOrder]:
        """Returns (instrument, order). Raises Refused."""
        at = self.public.at(params)
        i = self.exchange.instruments[at]
        kind, inst = self._kind(params), self._instructions(params)
        side, size, close_all = self._side_and_size(account, at, params, is_close="Close" in inst)
        tif_word = text(params, "timeInForce")
        if tif_word not in TIFS:
            raise Refused("Invalid timeInForce", name=INVALID)
        tif = TIFS[tif_word] if kind in LIMITS else TimeInForce.GTC
        price = self._price(i, params, "price") if kind in LIMITS else 0
        if kind not in LIMITS and "ParticipateDoNotInitiate" in inst:
            raise Refused("Invalid execInst", name=INVALID)
        trigger, by = 0, TriggerBy.NONE
        if kind in STOPS:
            trigger = self._price(i, params, "stopPx")
            by = next((TRIGGERS[word] for word in inst if word in TRIGGERS), TriggerBy.LAST)
            self._check_trigger(at, kind, side, trigger, by)
            if close_all:
                size = i.size_int(i.size_max)  # the order is cut to the position when it triggers
        elif text(params, "stopPx"):
            raise Refused("Invalid stopPx for ordType", name=INVALID)
        client_id = self._client_id(account, params)
        extra: dict[str, Any] = {"type": kind, "transacted": now, "inst": ",".join(inst)}
        if tif_word:
            extra["tif"] = tif_word
        if trigger:
            extra["stop"], extra["stop_price"] = True, trigger
        if close_all:
            extra["close_all"] = True
        if said := text(params, "text"):
            extra["text"] = f"{said[:255]}\nSubmitted via API."
        return at, NewOrder(
            side=side,
            type=OrderType.LIMIT if kind in LIMITS else OrderType.MARKET,
            tif=tif,
            price=price,
            size=size,
            post_only="ParticipateDoNotInitiate" in inst,
            reduce_only="Close" in inst or "ReduceOnly" in inst,
            trigger=trigger,
            trigger_by=by,
            trigger_kind=STOPS.get(kind, TriggerKind.NONE),
            expire=(now // DAY + 1) * DAY if tif is TimeInForce.GTD else 0,
            client_id=client_id,
            extra=extra,
        )

    @staticmethod
    def _kind(params: Params) -> str:
        """Returns the order type; by default it is derived from the prices in the request."""
        if text(params, "pegPriceType") or text(params, "pegOffsetValue"):
            raise Refused("Trailing and other pegged orders are not simulated", name=INVALID)
        kind = text(params, "ordType")
        if not kind:
            has_price, has_stop = bool(text(params, "price")), bool(text(params, "stopPx"))
            kind = {(True, True): "StopLimit", (True, False): "Limit", (False, True): "Stop", (False, False): "Market"}[
                has_price, has_stop
            ]
        if kind not in LIMITS and kind not in STOPS and kind != "Market":
            raise Refused("Invalid ordType", name=INVALID)
        return kind

    @staticmethod
    def _instructions(params: Params) -> list[str]:
        said = params.get("execInst")
        words = said if isinstance(said, list) else text(params, "execInst").split(",")
        inst = [str(word).strip() for word in words if str(word).strip()]
        wrong = not INSTRUCTIONS.issuperset(inst) or sum(word in TRIGGERS for word in inst) > 1
        if wrong:
            raise Refused("Invalid execInst", name=INVALID)
        return inst

    def _side_and_size(self, account: SimAccount, at: int, params: Params, *, is_close: bool) -> tuple[Side, int, bool]:
        """Returns (side, size, whole position); a negative quantity sells. With Close both may be omitted: the order
        then closes the whole position."""
        i, held = self.exchange.instruments[at], account.qty(at)
        word = text(params, "side")
        if word not in ("", "Buy", "Sell"):
            raise Refused("Invalid side", name=INVALID)
        said = text(params, "orderQty")
        if not said:
            if not (is_close and held):
                raise Refused("orderQty is invalid", name=INVALID)
            against = Side.SELL if held > 0 else Side.BUY
            return Side(word.lower()) if word else against, abs(held), True
        size = self._size(i, said)
        if not word:
            word = "Sell" if size < 0 else "Buy"
        elif size < 0:
            raise Refused("orderQty is invalid", name=INVALID)
        return Side(word.lower()), abs(size), False

    @staticmethod
    def _size(i: Instrument, said: str) -> int:
        """Returns the signed number of contracts. Raises Refused."""
        size = _decimal(said, "orderQty is invalid")
        if not size or abs(size) > i.size_max or size % i.lot:
            raise Refused("orderQty is invalid", name=INVALID)
        return int(size.scaleb(i.size_decimals))

    @staticmethod
    def _price(i: Instrument, params: Params, name: str) -> int:
        wrong = "Invalid price" if name == "price" else "Invalid stopPx for ordType"
        price = _decimal(text(params, name), wrong)
        if not 0 < price <= PRICE_MAX:
            raise Refused(wrong, name=INVALID)
        if price % i.tick:
            raise Refused(f"Invalid {name} tickSize", name=INVALID)
        return int(price.scaleb(i.price_decimals))

    def _check_trigger(self, at: int, kind: str, side: Side, trigger: int, by: TriggerBy) -> None:
        """Raises Refused for a trigger on the wrong side of the market for its type."""
        price = self.exchange.board.price(at, by)
        rises = (STOPS[kind] is TriggerKind.STOP) == (side is Side.BUY)
        if price and (trigger <= price if rises else trigger >= price):
            raise Refused("Invalid stopPx for ordType", name=INVALID)

    @staticmethod
    def _client_id(account: SimAccount, params: Params) -> str:
        """Returns the client id. Raises Refused if an order that the account remembers has it."""
        client_id = text(params, "clOrdID")
        if len(client_id) > CLIENT_ID_MAX:
            raise Refused("clOrdID length exceeds 36", name=INVALID)
        if client_id and client_id in account.by_client_id:
            raise Refused("Duplicate clOrdID", name=INVALID)
        return client_id

    def bulk(self, account: SimAccount, params: Params, now: int) -> list[dict[str, Any]]:
        """Carries out the orders one after another; for a refused order the answer has its error in place of its
        row."""
        orders = params.get("orders")
        if not isinstance(orders, list) or not 1 <= len(orders) <= BULK_MAX:
            raise Refused("{} is a required arg.", "orders")
        rows = []
        for each in orders:
            try:
                if not isinstance(each, dict):
                    raise Refused("Invalid body")
                rows.append(self.place(account, each, now))
            except Refused as refused:
                rows.append({"ordStatus": "Rejected", "error": refused.text})
        return rows

    # --- changing ---------------------------------------------------------------------------------

    def amend(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        order = self._amended(account, params)
        i = self.exchange.instruments[order.index]
        if not order.is_open:
            raise Refused("Invalid ordStatus", name=INVALID)
        wanted: dict[str, int] = {"price": 0, "size": 0, "trigger": 0}
        if said := text(params, "orderQty"):
            wanted["size"] = abs(self._size(i, said))
        elif said := text(params, "leavesQty"):
            wanted["size"] = order.filled + abs(self._size(i, said))
        if text(params, "price"):
            if order.type is not OrderType.LIMIT:
                raise Refused("Invalid price", name=INVALID)
            wanted["price"] = self._price(i, params, "price")
        if text(params, "stopPx"):
            if not order.trigger:
                raise Refused("Invalid stopPx for ordType", name=INVALID)
            wanted["trigger"] = self._price(i, params, "stopPx")
            kind = str(order.extra["type"])
            self._check_trigger(order.index, kind, order.side, wanted["trigger"], order.trigger_by)
        now_has = {"price": order.price, "size": order.size, "trigger": order.trigger}
        if all(not value or value == now_has[name] for name, value in wanted.items()):
            raise Refused(
                "Invalid amend: orderQty, leavesQty, price, pegOffsetValue, and stopPx are all unchanged", name=INVALID
            )
        client_id = "" if text(params, "orderID") else text(params, "clOrdID")
        if client_id and client_id != order.client_id:
            self._client_id(account, params)
        before = {"amended": "", **order.extra}
        names = [name for name in ("orderQty", "leavesQty", "price", "stopPx") if text(params, name)]
        if "orderQty" in names and "leavesQty" in names:
            names.remove("leavesQty")
        why = text(params, "text")[:255] or "Amended via API."
        noted: dict[str, Any] = {"transacted": now, "amended": f"Amended {' '.join(names)}: {why}"}
        if wanted["trigger"]:
            noted["stop_price"] = wanted["trigger"]
        if wanted["size"]:
            noted["close_all"] = None
        self.exchange.orders.note(order, noted)
        code = self.exchange.orders.amend(account, order, now, client_id=client_id, **wanted)
        if code == OrderWouldCross.code:  # a post-only that would take: the venue cancels it
            self.exchange.orders.cancel(account, order, now)
            order.code = code
        elif code:
            self.exchange.orders.note(order, before)
            raise self._refusal(order.index, code, wanted["price"] or order.price, wanted["size"] or order.size)
        return self._row(order)

    def _amended(self, account: SimAccount, params: Params) -> SimOrder:
        if name := text(params, "orderID"):
            order = account.by_id.get(uuid_number(name))
            if order is None:
                raise Refused("Invalid orderID")
            return order
        name = text(params, "origClOrdID")
        if not name:
            raise Refused("Must send orderID or clOrdID")
        order = account.by_client_id.get(name)
        if order is None:
            raise Refused("Invalid origClOrdID")
        return order

    def cancel(self, account: SimAccount, params: Params, now: int) -> list[dict[str, Any]]:
        """Cancels one or several orders; rows of refused cancels have the reason in `error`. 404 if no order exists."""
        found: list[SimOrder | None] = []
        for name in ("orderID", "clOrdID"):
            for id_ in _listed(params, name):
                if name == "orderID":
                    found.append(account.by_id.get(uuid_number(id_)))
                else:
                    found.append(account.by_client_id.get(id_))
        if not found:
            raise Refused("Must send orderID or clOrdID")
        orders = [order for order in found if order is not None]
        if not orders:
            raise Refused("Not Found", status=404)
        rows = []
        for order in orders:
            if order.is_open:
                rows.append(self._canceled(account, order, params, now))
            else:
                row = self._row(order)
                why = f"Unable to cancel order due to existing state: {row['ordStatus']}"
                rows.append({**row, "error": why})
        return rows

    def _row(self, order: SimOrder) -> dict[str, Any]:
        return order_row(self.exchange.instruments[order.index], order)

    def _canceled(self, account: SimAccount, order: SimOrder, params: Params, now: int) -> dict[str, Any]:
        if said := text(params, "text"):
            self.exchange.orders.note(order, {"text": said[:255]})
        self.exchange.orders.cancel(account, order, now)
        return self._row(order)

    def cancel_all(self, account: SimAccount, params: Params, now: int) -> list[dict[str, Any]]:
        wanted = set(self.public.instruments_of(params))
        fit = {"filter": params.get("filter"), "count": 1000}
        return [
            self._canceled(account, order, params, now)
            for order in list(account.open_orders.values())
            if order.index in wanted and page([self._row(order)], fit)
        ]

    def cancel_all_after(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        """Sets the dead man's switch for all orders of the account, including stops; 0 disables it."""
        if not text(params, "timeout"):
            raise Refused("{} is a required arg.", "timeout")
        after = whole(params, "timeout", 0, "Invalid count")
        if after > DEAD_MAN_MAX_MS:
            raise Refused("Invalid count")
        self.exchange.orders.dead_man(account, after * 1_000_000, now)
        due = iso(now + after * 1_000_000) if after else 0
        return {"now": iso(now), "cancelTime": due}

    # --- parsing ----------------------------------------------------------------------------------

    def orders(self, account: SimAccount, params: Params) -> list[dict[str, Any]]:
        wanted = set(self.public.instruments_of(params))
        return page([self._row(order) for order in account.by_id.values() if order.index in wanted], params)


def _decimal(said: str, error: str) -> Decimal:
    try:
        number = Decimal(said)
    except InvalidOperation:
        raise Refused(error, name=INVALID) from None
    # Larger numbers are no price or quantity, and computing with some would take long.
    if not number.is_finite() or len(said) > 40 or abs(number.adjusted()) > 20:
        raise Refused(error, name=INVALID)
    return number


def _listed(params: Params, name: str) -> list[str]:
    """Returns a parameter such as `orderID` as a list: from one id, a list, a list as JSON text, or ids separated by
    commas."""
    value = params.get(name)
    if value is None:
        return []
    if isinstance(value, list):
        return [str(each) for each in value]
    said = text(params, name).strip()
    if said.startswith("["):
        said = said.strip("[]").replace('"', "")
    return [each.strip() for each in said.split(",") if each.strip()]
