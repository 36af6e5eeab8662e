"""Kraken spot: parses and checks orders, the same for REST and WebSocket.

WebSocket v2 has other names; `from_socket` converts them to REST's. Source: docs.kraken.com "Add order" of both, as
of 2026-11.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any, Final

from onetape.exchange.account import SimAccount
from onetape.exchange.exchange import SimExchange
from onetape.exchange.kraken.limits import ORDERS_MAX
from onetape.exchange.kraken.wire import Refused, invalid
from onetape.exchange.listing import Listing
from onetape.exchange.order_entry import NewOrder
from onetape.model.enums import OrderType, Side, TimeInForce, TriggerBy, TriggerKind
from onetape.model.instrument import Instrument
from onetape.model.money import RATE_DECIMALS, money_units

__all__ = ["check_deadline", "check_supported", "flag", "from_socket", "order_terms", "price_units", "size_units"]

Params = dict[str, Any]
MARKET_TYPES: Final = ("market", "stop-loss", "take-profit")
TIFS: Final = {each.value: each for each in (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTD)}
LIMIT_TYPES: Final = ("limit", "stop-loss-limit", "take-profit-limit")
FLAGS: Final = frozenset({"post", "fciq", "fcib", "viqc", "nompp"})
STP: Final = {"cancel-newest": "cancel_incoming", "cancel-oldest": "cancel_resting", "cancel-both": "cancel_both"}
# Unsupported parameters are refused, so that no client believes they were applied.
ABSENT: Final = ("leverage", "displayvol", "display_qty", "starttm")  # and all of close[...]
DEADLINE_NS: Final = (500_000_000, 60_000_000_000)  # how far ahead a deadline may be
UNITS_MAX: Final = 2**62
_NUMBER: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?\Z", re.ASCII)
_UUID: Final = re.compile(r"([0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{32})\Z", re.ASCII)
_FREE: Final = re.compile(r"[!-~]{1,18}\Z", re.ASCII)


def text_of(params: Params, name: str) -> str:
    value = params.get(name)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float | Decimal):
        return str(value)
    raise invalid(name)


def flag(params: Params, name: str) -> bool:
    text = text_of(params, name).lower()
    if text not in ("", "0", "1", "true", "false"):
        raise invalid(name)
    return text in ("1", "true")


def decimal_of(text: str, name: str) -> Decimal:
    """Returns a positive number from plain digits, or from a number as JSON writes it. Raises Refused."""
    try:
        value = Decimal(text) if len(text) <= 40 and "_" not in text else Decimal("nan")
    except InvalidOperation:
        raise invalid(name) from None
    if not value.is_finite() or value <= 0 or not -30 < value.adjusted() < 20:
        raise invalid(name)
    if not _NUMBER.match(f"{value:f}"):
        raise invalid(name)
    return value


def size_units(i: Instrument, text: str, name: str = "volume") -> int:
    value = decimal_of(text, name)
    if value < i.size_min:
        raise Refused("EOrder:Order minimum not met")
    units = value.scaleb(i.size_decimals)
    if units != units.to_integral_value() or value % i.lot:
        raise invalid(name)
    if units > UNITS_MAX:
        raise invalid(name)
    return int(units)


def price_units(i: Instrument, pair: str, text: str, name: str = "price") -> int:
    value = decimal_of(text, name)
    units = value.scaleb(i.price_decimals)
    if units != units.to_integral_value():
        raise Refused(f"EOrder:Invalid price:{pair} price can only be specified up to {i.price_decimals} decimals.")
    if units > UNITS_MAX:
        raise Refused("EOrder:Invalid price")
    if value % i.tick:
        raise Refused("EOrder:Tick size check failed")
    return int(units)


def placed_price(i: Instrument, pair: str, text: str, name: str, base: int, signs: dict[str, int]) -> int:
    """Returns a price: absolute, or relative to `base` if the text begins with one of `signs` (in percent if it ends
    with `%`), rounded to a tick, half to even. Raises Refused."""
    sign = signs.get(text[:1])
    if sign is None:
        return price_units(i, pair, text, name)
    offset = decimal_of(text[1:].removesuffix("%"), name)
    if not base:
        raise Refused("EOrder:No price")
    if text.endswith("%"):
        offset *= i.price(base) / 100
    ticks = ((i.price(base) + sign * offset) / i.tick).to_integral_value(ROUND_HALF_EVEN)
    units = (ticks * i.tick).scaleb(i.price_decimals)
    if not 0 < units <= UNITS_MAX:
        raise Refused("EOrder:Invalid price")
    return int(units)


def check_supported(params: Params) -> None:
    """Raises Refused for unsupported parameters."""
    for name in [*ABSENT, *(each for each in params if each.startswith("close"))]:
        if text_of(params, name) not in ("", "0", "none", "1" if name == "leverage" else "0"):
            raise invalid(name)


def check_deadline(params: Params, now: int) -> None:
    """Raises Refused for a deadline in the past or too far ahead; later it cannot be missed, because matching takes no
    time here."""
    text = text_of(params, "deadline")
    if not text:
        return
    due = instant(text, "deadline")
    if due <= now:
        raise Refused("EService:Deadline elapsed")
    if due > now + DEADLINE_NS[1]:
        raise invalid("deadline")


def instant(text: str, name: str) -> int:
    """Parses RFC 3339 to ns UTC."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise invalid(name)
        return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
    except (ValueError, OverflowError):
        raise invalid(name) from None


def client_id(account: SimAccount, params: Params) -> tuple[str, int | None]:
    """Returns (cl_ord_id, userref), of which at most one is set. Raises Refused."""
    client, reference = text_of(params, "cl_ord_id"), text_of(params, "userref")
    if client and reference:
        raise invalid("cl_ord_id and userref are exclusive")
    if client:
        if not (_UUID.match(client) or _FREE.match(client)):
            raise invalid("cl_ord_id")
        order = account.by_client_id.get(client)
        if order is not None and order.is_open:
            raise Refused("EOrder:Duplicate client order id")
    if not reference:
        return client, None
    try:
        number = int(reference)
    except ValueError:
        raise invalid("userref") from None
    if not -(2**31) <= number < 2**31:
        raise invalid("userref")
    return client, number


def order_terms(
    exchange: SimExchange, account: SimAccount, index: int, pair: str, params: Params, now: int
) -> NewOrder:
    """Parses an order. pair: the name used in texts. Raises Refused."""
    listing = exchange.listings[index]
    if not listing.is_open:
        raise Refused("EService:Market in cancel_only mode")
    check_deadline(params, now)
    side, kind = text_of(params, "type"), text_of(params, "ordertype")
    if side not in ("buy", "sell"):
        raise invalid("type")
    if kind not in MARKET_TYPES + LIMIT_TYPES:
        raise invalid("ordertype")
    check_supported(params)
    if flag(params, "reduce_only"):  # for margin positions, which do not exist here
        raise invalid("reduce_only")
    is_limit = kind in LIMIT_TYPES
    flags = order_flags(params, side, kind)
    extra: dict[str, Any] = {"ordertype": kind, "oflags": flags}
    stop = _stop_price(listing, pair, side, kind, params)
    if stop:
        extra["stop"], extra["reference"] = stop, text_of(params, "trigger") or "last"
        if extra["reference"] not in ("last", "index"):
            raise invalid("trigger")
    price = _limit_price(listing, pair, side, stop, params) if is_limit else 0
    tif, expire = time_in_force(params, now, is_market=not is_limit)
    if tif in (TimeInForce.IOC, TimeInForce.FOK) and "post" in flags:
        raise invalid("timeinforce")
    if stp := text_of(params, "stptype"):
        if stp not in STP:
            raise invalid("stptype")
        extra["self_trade"] = STP[stp]
    size = _size(exchange, index, side, price or stop, params, in_quote="viqc" in flags)
    client, reference = client_id(account, params)
    if reference is not None:
        extra["userref"] = reference
    if account.open_count.get(index, 0) >= ORDERS_MAX:
        raise Refused("EOrder:Orders limit exceeded")
    if "fcib" in flags:
        extra["fee_in_base"] = True
        check_base_fee(exchange, account, index, side, size)
    return NewOrder(
        side=Side(side),
        type=OrderType.LIMIT if is_limit else OrderType.MARKET,
        size=size,
        tif=tif,
        price=price,
        post_only="post" in flags,
        trigger=stop,
        trigger_by=TriggerBy(extra["reference"]) if stop else TriggerBy.NONE,
        trigger_kind=_trigger_kind(kind),
        expire=expire,
        client_id=client,
        extra=extra,
    )


def _stop_price(listing: Listing, pair: str, side: str, kind: str, params: Params) -> int:
    """Returns the trigger, 0: none. The sign `#` means above or below the last price, wherever an order of this kind
    waits."""
    if _trigger_kind(kind) is TriggerKind.NONE:
        return 0
    waits = 1 if (side == "buy") == kind.startswith("stop-loss") else -1
    signs = {"+": 1, "-": -1, "#": waits}
    return placed_price(listing.instrument, pair, text_of(params, "price"), "price", listing.last, signs)


def _limit_price(listing: Listing, pair: str, side: str, stop: int, params: Params) -> int:
    name, signs = "price", {"+": 1, "-": -1, "#": -1 if side == "buy" else 1}
    if stop:  # the limit price is relative to the trigger; the direction of `#` is not documented for it
        name, signs = "price2", {"+": 1, "-": -1}
    return placed_price(listing.instrument, pair, text_of(params, name), name, stop or listing.last, signs)


def _size(exchange: SimExchange, index: int, side: str, price: int, params: Params, *, in_quote: bool) -> int:
    """Returns the size. price: 0 for an order without one."""
    listing = exchange.listings[index]
    i, text = listing.instrument, text_of(params, "volume")
    size = quote_size(exchange, index, side, text) if in_quote else size_units(i, text)
    near = price or (listing.ask if side == "buy" else listing.bid) or listing.last
    if i.notional_min and near and i.notional_units(near, size) < money_units(i.notional_min):
        raise Refused("EOrder:Cost minimum not met")
    return size


def _trigger_kind(kind: str) -> TriggerKind:
    if kind.startswith("stop-loss"):
        return TriggerKind.STOP
    return TriggerKind.TAKE_PROFIT if kind.startswith("take-profit") else TriggerKind.NONE


def order_flags(params: Params, side: str, kind: str) -> list[str]:
    """Returns `oflags` in order, always including the fee currency."""
    flags = [each.strip() for each in text_of(params, "oflags").split(",") if each.strip()]
    if not FLAGS.issuperset(flags) or len(set(flags)) != len(flags):
        raise invalid("oflags")
    if "fciq" in flags and "fcib" in flags:
        raise invalid("oflags")
    if "post" in flags and kind not in LIMIT_TYPES:
        raise invalid("oflags")
    if "viqc" in flags and (kind != "market" or side != "buy"):
        raise invalid("viqc")
    return flags if "fcib" in flags or "fciq" in flags else [*flags, "fciq"]


def time_in_force(params: Params, now: int, *, is_market: bool) -> tuple[TimeInForce, int]:
    """Returns (GTC, IOC, FOK or GTD, expiry)."""
    tif, text = TIFS.get(text_of(params, "timeinforce").upper() or "GTC"), text_of(params, "expiretm")
    if tif is None or (is_market and tif is TimeInForce.GTD):
        raise invalid("timeinforce")
    if text in ("", "0"):
        if tif is TimeInForce.GTD:
            raise invalid("expiretm")
        return tif, 0
    digits = text.removeprefix("+")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 11:
        raise invalid("expiretm")
    due = int(digits) * 1_000_000_000 + (now if text.startswith("+") else 0)
    if tif not in (TimeInForce.GTC, TimeInForce.GTD) or is_market or due <= now or due >= 2**62:
        raise invalid("expiretm")
    return TimeInForce.GTD, due


def quote_size(exchange: SimExchange, index: int, side: str, text: str) -> int:
    """Returns the size, in whole lots, that an amount of quote currency buys at the present asks."""
    i = exchange.instruments[index]
    scale = i.price_decimals + i.size_decimals
    money = int(decimal_of(text, "volume").scaleb(scale))
    size = exchange.board.size_for(index, Side.SELL if side == "buy" else Side.BUY, money)
    if size < int(i.size_min.scaleb(i.size_decimals)):
        raise Refused("EOrder:Order minimum not met")
    return size


def check_base_fee(exchange: SimExchange, account: SimAccount, index: int, side: str, size: int) -> None:
    """Raises Refused if the base currency does not cover both the size of a sale and its fee in that currency."""
    i = exchange.instruments[index]
    if side != "sell":
        return
    rate = int(max(i.maker_fee, i.taker_fee).scaleb(RATE_DECIMALS))
    units = size * 10 ** (18 - i.size_decimals)
    needed = units + -(-units * rate // 10**RATE_DECIMALS)
    if int(account.money.available(exchange.currencies.index(i.base))) < needed:
        raise Refused("EOrder:Insufficient funds")


_SOCKET_NAMES: Final = {
    "order_type": "ordertype",
    "side": "type",
    "order_qty": "volume",
    "time_in_force": "timeinforce",
    "reduce_only": "reduce_only",
    "deadline": "deadline",
    "cl_ord_id": "cl_ord_id",
    "order_userref": "userref",
    "display_qty": "displayvol",
    "validate": "validate",
}


def from_socket(params: Params) -> Params:
    """Returns the parameters of add_order in REST's names. Raises Refused."""
    found: Params = {rest: params[name] for name, rest in _SOCKET_NAMES.items() if params.get(name) is not None}
    triggers = params.get("triggers") or {}
    if not isinstance(triggers, dict):
        raise invalid("triggers")
    for holder, name in ((params, "limit_price_type"), (triggers, "price_type")):
        if text_of(holder, name) not in ("", "static"):
            raise invalid(name)
    limit, stop = params.get("limit_price"), triggers.get("price")
    if triggers:
        found["price"], found["price2"] = stop, limit
        found["trigger"] = text_of(triggers, "reference")
    else:
        found["price"] = limit
    flags = []
    if flag(params, "post_only"):
        flags.append("post")
    if fee := text_of(params, "fee_preference"):
        if fee not in ("base", "quote"):
            raise invalid("fee_preference")
        flags.append("fcib" if fee == "base" else "fciq")
    if (cash := params.get("cash_order_qty")) is not None:
        flags.append("viqc")
        found["volume"] = cash
    found["oflags"] = ",".join(flags)
    if stp := text_of(params, "stp_type"):
        found["stptype"] = stp.replace("_", "-")
    if expire := text_of(params, "expire_time"):
        found["expiretm"] = str(instant(expire, "expire_time") // 1_000_000_000)
    if flag(params, "margin"):
        found["leverage"] = "margin"
    if params.get("conditional"):
        found["close"] = "conditional"
    if text_of(params, "effective_time"):
        found["starttm"] = "effective_time"
    return found
