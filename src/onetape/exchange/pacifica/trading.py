"""Pacifica: orders, stops, take profit and stop loss, edits, cancels, leverage and margin.

Sources: docs.pacifica.fi "Orders", "Order types", "Self-Trade Prevention", "Tick and lot size", "Margin & Leverage"
and "Error codes" (2026). Stops wait in the matching engine under the id that they keep. Texts other than those of
the recorded answers are unverified, and so are the statements marked as such.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

from msgspec import structs

from onetape._core import plain_units
from onetape.exchange.account import SimAccount, SimOrder
from onetape.exchange.exchange import SimExchange
from onetape.exchange.order_entry import NewOrder
from onetape.exchange.pacifica.access import AGENTS_MAY, Params
from onetape.exchange.pacifica.public import ORDER_MAX, PublicData
from onetape.exchange.pacifica.wire import Refused, meant, usdc
from onetape.model.enums import OrderType, PositionSide, Side, TimeInForce, TriggerBy, TriggerKind
from onetape.model.errors import (
    BY_CODE,
    InsufficientFunds,
    MarketDataUnavailable,
    OrderBelowMinNotional,
    OrderWouldCross,
    PositionLimit,
    ReduceOnlyViolated,
)
from onetape.model.money import money_units
from onetape.venues.pacifica.words import SIDES

__all__ = ["ACTIONS", "Trading"]

BATCH_MAX: Final = 10
PRICE_MAX: Final = 1_000_000
_UUID: Final = re.compile(r"(urn:uuid:|\{)?[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\}?\Z")
TIFS: Final = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "ALO": TimeInForce.GTC, "TOB": TimeInForce.GTC}
# A trigger by the mid of the book watches the mark, which follows the mid in the simulation.
TRIGGERS: Final = {"mark_price": TriggerBy.MARK, "last_trade_price": TriggerBy.LAST, "mid_price": TriggerBy.MARK}
TRIGGER_USUAL: Final = "mid_price"  # the default, as the venue's own client warns
WHOLE_USD: Final = 1_000_000_000  # size in USD of a stop that closes the whole position; it is cut to the position
ACTIONS: Final = {  # action of a batch -> the signed operation
    "Create": "create_order",
    "CreateMarket": "create_market_order",
    "Cancel": "cancel_order",
    "Edit": "edit_order",
    "SetPositionTpsl": "set_position_tpsl",
    "CancelStopOrder": "cancel_stop_order",
}
_REFUSALS: Final = {
    InsufficientFunds.code: ("Insufficient balance for {}", 5),
    MarketDataUnavailable.code: ("No reasonable price for {}", 25),
    OrderBelowMinNotional.code: ("Order amount too low for {}", 7),
    PositionLimit.code: ("Open interest limit exceeded for {}", 41),
    ReduceOnlyViolated.code: ("No position for reduce only order of {}", 23),
}

Handler = Callable[[SimAccount, Params, int], Any]


class Trading:
    """Carries out the signed operations of one exchange that an agent may request, by their names."""

    def __init__(self, exchange: SimExchange, public: PublicData) -> None:
        self.exchange = exchange
        self.public = public
        self.handlers: dict[str, Handler] = {name: getattr(self, name) for name in AGENTS_MAY}

    # --- terms ------------------------------------------------------------------------------------

    def _price(self, at: int, said: object) -> int:
        i = self.exchange.instruments[at]
        return _units(said, i.price_decimals, i.core.tick, PRICE_MAX * 10**i.price_decimals)

    def _size(self, at: int, said: object) -> int:
        i = self.exchange.instruments[at]
        return _units(said, i.size_decimals, i.core.lot)

    def _check_worth(self, account: SimAccount, at: int, price: int, size: int) -> None:
        """Raises Refused below ten dollars, and above the maximum."""
        i = self.exchange.instruments[at]
        if money_units(i.notional_min) <= i.notional_units(price, size) <= ORDER_MAX * 10**18:
            return
        worth = i.price(price) * i.size(size)
        if worth < i.notional_min:
            text = f"Order amount too low for {account.key}: {worth:f} < {i.notional_min}"
            raise Refused(text, 0, status=422, name="invalid_amount")
        raise Refused(f"Order amount too high for {account.key}: {worth:f} > {ORDER_MAX}", 8, name="invalid_amount")

    @staticmethod
    def _client_id(account: SimAccount, said: object) -> str:
        """Returns the client id, a UUID. Raises Refused if an order that the account remembers has it."""
        if said is None:
            return ""
        if not isinstance(said, str) or not _UUID.match(said):
            raise Refused
        if (name := _client_id(said)) in account.by_client_id:
            raise Refused(f"Duplicate client order id: {said}", 36)
        return name

    def _reducing(self, account: SimAccount, at: int, side: Side, body: Params) -> bool:
        reduces = body.get("reduce_only", False)
        if type(reduces) is not bool:
            raise Refused
        if reduces and not (held := account.qty(at)):
            raise Refused(f"No position for reduce only order of {account.key}", 23)
        if reduces and (held > 0) == (side is Side.BUY):
            raise Refused("Invalid reduce only order side", 21)
        return reduces

    def _head(self, body: Params) -> tuple[int, Side]:
        at = self.public.at(body.get("symbol"))
        return at, meant(SIDES, body.get("side"))

    # --- placing ----------------------------------------------------------------------------------

    def create_order(self, account: SimAccount, body: Params, now: int) -> dict[str, Any]:
        at, side = self._head(body)
        tif, time_in_force = body.get("tif"), meant(TIFS, body.get("tif"), Refused("Invalid order type", 20))
        price, size = self._price(at, body.get("price")), self._size(at, body.get("amount"))
        if tif == "TOB":
            price = self._behind_best(at, side, price)
        reduces = self._reducing(account, at, side, body)
        if not reduces:
            self._check_worth(account, at, price, size)
        terms = {"tif": time_in_force, "post_only": tif in ("ALO", "TOB"), "reduce_only": reduces}
        return self._placed(account, at, body, now, side=side, price=price, size=size, **terms)

    def _behind_best(self, at: int, side: Side, price: int) -> int:
        """Returns the price to which an order that would take is moved: one tick behind the best price of the other
        side."""
        best = self.exchange.board.levels(at, side.opposite, 1)
        if not best:
            return price
        edge = best[0][0] - side.sign * self.exchange.instruments[at].core.tick
        return min(price, edge) if side is Side.BUY else max(price, edge)

    def create_market_order(self, account: SimAccount, body: Params, now: int) -> dict[str, Any]:
        """Places a market order, which takes liquidity up to its slippage (percent) from the mid of the book; from
        which price the venue measures slippage is unverified."""
        at, side = self._head(body)
        size, slippage = self._size(at, body.get("amount")), _decimal(body.get("slippage_percent"))
        if not 0 <= slippage <= 100:
            raise Refused
        i, listing = self.exchange.instruments[at], self.exchange.listings[at]
        if not (listing.bid and listing.ask):
            raise Refused(f"No reasonable price for {i.raw_symbol}", 25)
        middle, tick = Decimal(listing.bid + listing.ask) / 2, i.core.tick
        price = max(int(middle * (1 + side.sign * slippage / 100)) // tick, 1) * tick
        reduces = self._reducing(account, at, side, body)
        if not reduces:
            self._check_worth(account, at, int(middle), size)
        terms = {"kind": "market", "tif": TimeInForce.IOC, "reduce_only": reduces}
        return self._placed(account, at, body, now, side=side, price=price, size=size, **terms)

    def _placed(self, account: SimAccount, at: int, body: Params, now: int, **terms: Any) -> dict[str, Any]:
        """Enters an order, with take profit and stop loss of the position that it opens."""
        client_id, against = self._client_id(account, body.get("client_order_id")), terms["side"].opposite
        stops = [self._exit(account, at, against, name, said, terms["size"]) for name, said in _exits(body)]
        wanted = _limit(**terms, client_id=client_id)
        _check_apart(wanted, *stops)
        order = self._enter(account, at, _with(wanted, exits=True) if stops else wanted, now)
        for each in stops if order.is_open or order.filled else []:
            self._enter(account, at, _with(each, parent=order.id), now)
        return _named(order, body)

    def _enter(self, account: SimAccount, at: int, wanted: NewOrder, now: int) -> SimOrder:
        """Enters an order. Raises Refused for one that leaves no trace; a post-only order that would take is
        accepted, then rejected."""
        order = self.exchange.orders.place(account, at, now, wanted)
        if order.code and not order.filled and not order.is_open and order.code != OrderWouldCross.code:
            code = order.code
            self.exchange.orders.drop(account, order)
            text, number = _REFUSALS.get(code, (f"{BY_CODE[code].name} of {{}}", 0))
            raise Refused(text.format(account.key), number, status=422)
        return order

    def create_stop_order(self, account: SimAccount, body: Params, now: int) -> dict[str, Any]:
        """Places a stop; a buy waits above the market, a sell below it."""
        at, side = self._head(body)
        said = body.get("stop_order")
        if not isinstance(said, dict):
            raise Refused
        reduces = self._reducing(account, at, side, body)
        wanted = self._stop(account, at, side, TriggerKind.STOP, said, "stop", reduces)
        order = self._enter(account, at, wanted, now)
        return {"order_id": order.id}

    def _stop(
        self, account: SimAccount, at: int, side: Side, kind: TriggerKind, said: Params, name: str, reduces: bool
    ) -> NewOrder:
        """Returns the terms of a stop. name: prefix of its type. A stop without an amount closes the whole position."""
        i = self.exchange.instruments[at]
        stop = self._price(at, said.get("stop_price"))
        limit = self._price(at, said["limit_price"]) if said.get("limit_price") is not None else 0
        word = said.get("trigger_price_type") or TRIGGER_USUAL
        by = meant(TRIGGERS, word)
        market, rises = self.exchange.board.price(at, by), (kind is TriggerKind.STOP) == (side is Side.BUY)
        if market and (stop <= market if rises else stop >= market):
            raise Refused(f"Invalid stop tick: {said['stop_price']}", 16)
        if said.get("amount") is None:
            if not reduces:
                raise Refused("Invalid stop order amount", 18)
            shown, size = 0, int(WHOLE_USD / i.price(stop) / i.lot) * i.core.lot
        else:
            shown = size = self._size(at, said["amount"])
        if shown and not reduces:
            self._check_worth(account, at, limit or stop, size)
        return NewOrder(
            side=side,
            type=OrderType.LIMIT if limit else OrderType.MARKET,
            price=limit,
            size=size,
            reduce_only=reduces,
            trigger=stop,
            trigger_by=by,
            trigger_kind=kind,
            client_id=self._client_id(account, said.get("client_order_id")),
            extra={
                "kind": f"{name}_{'limit' if limit else 'market'}",
                "amount": shown,
                "stop": str(said["stop_price"]),
                "by": word,
            },
        )

    def _exit(self, account: SimAccount, at: int, side: Side, name: str, said: object, size: int = 0) -> NewOrder:
        """Returns the terms of a take profit or stop loss. side: the side that closes; size: 0: the whole position."""
        if not isinstance(said, dict):
            raise Refused
        if size:
            said = {"amount": str(self.exchange.instruments[at].size(size)), **said}
        kind = TriggerKind.TAKE_PROFIT if name == "take_profit" else TriggerKind.STOP
        return _with(self._stop(account, at, side, kind, said, name, True), exit=name)

    def set_position_tpsl(self, account: SimAccount, body: Params, now: int) -> dict[str, Any]:
        """Sets take profit and stop loss of a position; one for the whole position replaces the former one
        (unverified)."""
        at, side = self._head(body)
        if not (held := account.qty(at)):
            raise Refused(f"Position not found for {account.key}", 13)
        if (held > 0) == (side is Side.BUY):
            raise Refused("Invalid stop order side", 17)
        if not _exits(body):
            raise Refused
        wanted = [self._exit(account, at, side, name, said) for name, said in _exits(body)]
        _check_apart(*wanted)
        for each in wanted:
            for order in list(account.open_orders.values()):
                same = order.index == at and order.extra.get("exit") == each.extra["exit"]
                if same and order.trigger and not order.extra["amount"] and not each.extra["amount"]:
                    self.exchange.orders.cancel(account, order, now)
            self._enter(account, at, each, now)
        return {"success": True}

    # --- changing ---------------------------------------------------------------------------------

    def _named(self, account: SimAccount, body: Params) -> SimOrder:
        """Returns a working order, by its id or its owner's. Raises Refused."""
        at, number, name = self.public.at(body.get("symbol")), body.get("order_id"), body.get("client_order_id")
        if number is None and name is None:
            raise Refused
        if number is not None and (type(number) is not int):
            raise Refused
        order = account.by_id.get(number) if number is not None else account.by_client_id.get(_client_id(str(name)))
        if order is None or not order.is_open or order.index != at:
            if number is None and order is None:
                raise Refused(f"Unused client order id: {name}", 37)
            raise Refused(f"Order not found: {number if number is not None else name}", 6)
        return order

    def edit_order(self, account: SimAccount, body: Params, now: int) -> dict[str, Any]:
        """Cancels an order and places a new, post-only one under its client id; fills of the old order do not count for
        the new one. That it must be post-only, and that the old order is lost if the new one is refused, are
        unverified."""
        order = self._named(account, body)
        if order.trigger:
            raise Refused("Unsupported operation", 51)
        at = order.index
        price = self._price(at, body.get("price"))
        size = self._size(at, body["amount"]) if body.get("amount") is not None else order.left
        if not order.reduce_only:
            self._check_worth(account, at, price, size)
        self.exchange.orders.cancel(account, order, now)
        terms: dict[str, Any] = {"post_only": True, "reduce_only": order.reduce_only, "client_id": order.client_id}
        return _named(self._enter(account, at, _limit(order.side, price, size, **terms), now), body)

    def cancel_order(self, account: SimAccount, body: Params, now: int) -> dict[str, Any]:
        order = self._named(account, body)
        self.exchange.orders.cancel(account, order, now)
        return _named(order, body)

    cancel_stop_order = cancel_order

    def cancel_all_orders(self, account: SimAccount, body: Params, now: int) -> dict[str, Any]:
        everywhere, spare = body.get("all_symbols"), body.get("exclude_reduce_only")
        if type(everywhere) is not bool or type(spare) is not bool:
            raise Refused
        at = None if everywhere else self.public.at(body.get("symbol"))
        chosen = [
            order
            for order in account.open_orders.values()
            if at in (None, order.index) and not (spare and order.reduce_only)
        ]
        for order in chosen:
            self.exchange.orders.cancel(account, order, now)
        return {"cancelled_count": len(chosen)}

    # --- leverage and margin ----------------------------------------------------------------------

    def update_leverage(self, account: SimAccount, body: Params, now: int) -> dict[str, Any]:
        """Sets the leverage. Refused if unchanged; with a position it can only rise (both unverified)."""
        at, wanted = self.public.at(body.get("symbol")), body.get("leverage")
        before = account.leverage_of(at)
        if type(wanted) is not int or not 1 <= wanted <= self.exchange.instruments[at].leverage:
            raise Refused(f"Invalid leverage: {wanted}", 11)
        if wanted == before or (wanted < before and account.qty(at)):
            raise Refused(f"Invalid leverage: {wanted}", 11)
        account.set_leverage(at, wanted)  # tried first, because a refusal must not be reported
        free = int(account.money.available(self.exchange.currencies.index("USDC")))
        account.set_leverage(at, before)
        if free < 0:
            raise Refused(f"Insufficient balance for {account.key}", 5)
        self.exchange.accounts.set_leverage(account, at, wanted, now)
        return {"success": True}

    def update_margin_mode(self, account: SimAccount, body: Params, now: int) -> dict[str, Any]:
        at, isolated = self.public.at(body.get("symbol")), body.get("is_isolated")
        if type(isolated) is not bool:
            raise Refused
        if account.qty(at) or account.open_count.get(at) or (isolated and account.joint is not None):
            raise Refused(f"Cannot update margin for {account.key}", 12)
        self.exchange.accounts.set_isolated(account, at, isolated, now)
        return {"success": True}

    def add_isolated_margin(self, account: SimAccount, body: Params, now: int) -> dict[str, Any]:
        at, units = self.public.at(body.get("symbol")), usd_units(body.get("amount"))
        if not account.qty(at) or at not in account.isolated:
            raise Refused(f"Position not found for {account.key}", 13)
        free = int(account.money.available(self.exchange.currencies.index("USDC")))
        if units > free:
            raise Refused(f"Insufficient balance for {account.key}: {usdc(units)} > {usdc(free)}", 5)
        self.exchange.accounts.move_margin(account, at, PositionSide.BOTH, units, now)
        return {"success": True}


def _limit(side: Side, price: int, size: int, *, kind: str = "limit", **more: Any) -> NewOrder:
    extra = {"kind": kind, "amount": size}
    return NewOrder(side=side, type=OrderType.LIMIT, price=price, size=size, extra=extra, **more)


def _named(order: SimOrder, body: Params) -> dict[str, Any]:
    return {"order_id": order.id, "client_order_id": order.client_id or None, "symbol": body.get("symbol")}


def _client_id(said: str) -> str:
    """Returns the same text for all spellings of a UUID."""
    return str(UUID(said)) if _UUID.match(said) else said


def _check_apart(*orders: NewOrder) -> None:
    """Raises Refused for a client id used by two orders of one request."""
    names = [each.client_id for each in orders if each.client_id]
    for at, name in enumerate(names):
        if name in names[:at]:
            raise Refused(f"Duplicate client order id: {name}", 36)


def _exits(body: Params) -> list[tuple[str, Any]]:
    return [(name, body[name]) for name in ("take_profit", "stop_loss") if body.get(name) is not None]


def _with(wanted: NewOrder, **extra: Any) -> NewOrder:
    """Returns the terms with further facts in `extra`."""
    return structs.replace(wanted, extra={**wanted.extra, **extra})


def _decimal(said: object) -> Decimal:
    """Returns a number from text or JSON. Raises Refused."""
    text = said if isinstance(said, str) else str(said) if type(said) in (int, float) else ""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise Refused from None
    # Larger numbers are no price or amount, and computing with some would take long.
    if not value.is_finite() or len(text) > 40 or abs(value.adjusted()) > 20:
        raise Refused
    return value


def _units(said: object, decimals: int, step: int, most: int = 2**62) -> int:
    """Returns a price or an amount in units of 10**-decimals. Raises Refused if it is no multiple of `step`."""
    units: Any = plain_units(said, decimals) if isinstance(said, str) else None
    if units is None:  # not in plain notation
        value = _decimal(said).scaleb(decimals)
        units = int(value) if value == value.to_integral_value() else 0
    if not 0 < units <= most or units % step:
        raise Refused
    return int(units)


def usd_units(said: object) -> int:
    """Returns USDC of at most six decimals, in 1e-18. Raises Refused."""
    value = _decimal(said)
    if value <= 0 or value != round(value, 6):
        raise Refused("Invalid amount", 59)
    return money_units(value)
