"""Formats numbers, names, orders and refusals like BitMEX.

Money is whole XBt (1e-8 BTC) and USDt (1e-6 USDT), sizes are whole contracts, prices are JSON numbers, times ISO
8601 with milliseconds. Source: BitMEX API documentation and the recorded answers of 2021 and 2024.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from onetape.exchange.account import SimOrder
from onetape.exchange.reports import OrderReport
from onetape.model.enums import Kind, OrderState, OrderType, Side, TimeInForce
from onetape.model.errors import OrderWouldCross, ReduceOnlyViolated
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS, divide_half_even
from onetape.model.time import SECOND
from onetape.venues.bitmex.errors import ERRORS
from onetape.venues.bitmex.instruments import ASSETS

__all__ = [
    "ASSETS",
    "TIF_WORDS",
    "Refused",
    "average_price",
    "contract_value",
    "gross_value",
    "instant",
    "iso",
    "key_id",
    "money_int",
    "notionals",
    "order_row",
    "order_uuid",
    "price_number",
    "side_word",
    "state_word",
    "underlying",
    "uuid_number",
    "wallet_name",
]


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """Refuses a request. `values` are filled into its text."""

    def __init__(self, text: str, *values: object, status: int = 400, name: str = "HTTPError") -> None:
        super().__init__(text)
        self.text = str(ERRORS[text].text).format(*values) if "{}" in text else text
        self.status = status
        self.name = name

    def body(self) -> dict[str, Any]:
        return {"error": {"message": self.text, "name": self.name}}


def iso(time: int) -> str:
    """Formats ns UTC as 2024-11-25T10:30:00.000Z."""
    whole = datetime.fromtimestamp(time // SECOND, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{time % SECOND // 1_000_000:03d}Z"


def instant(text: str) -> int:
    """Parses a client's time to ns UTC. Raises Refused."""
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise Refused("Invalid timestamp") from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    whole = found.replace(microsecond=0)
    return int(whole.timestamp()) * SECOND + found.microsecond * 1000


def money_int(units: int, currency: str) -> int:
    """Returns money of a currency in whole wallet units, half to even."""
    return divide_half_even(int(units), 10 ** (MONEY_DECIMALS - ASSETS[currency][2]))


def wallet_name(currency: str) -> str:
    return ASSETS[currency][0] if currency in ASSETS else currency


def underlying(currency: str) -> str:
    """Returns BitMEX's name of a currency: XBT for BTC."""
    return "XBT" if currency == "BTC" else currency


def _number(value: Decimal) -> float | int:
    """Returns a whole value as an int, as JavaScript writes it in JSON."""
    return int(value) if value == value.to_integral_value() else float(value)


def price_number(i: Instrument, price: int) -> float | int | None:
    """Returns a price as a JSON number, None if there is none."""
    return _number(i.price(price)) if price else None


def gross_value(i: Instrument, price: int, size: int) -> int:
    """Returns the value of a public trade in whole wallet units of the settle currency: the rounded value of one lot
    times their number. All fourteen trades recorded on 2021-07-22 follow this; 900 XBTUSD at 32180.5 are 9 lots of
    310747."""
    lots, rest = divmod(size, i.lot_int)
    return contract_value(i, price, i.lot_int) * lots + contract_value(i, price, rest)


def contract_value(i: Instrument, price: int, size: int) -> int:
    """Returns the value of a fill or a position in whole wallet units of the settle currency, never negative:
    rounded once, so that fills add up to the position and the wallet, which are exact. No recorded message shows how
    the venue rounds these."""
    return money_int(abs(i.notional_units(price, size)), i.settle)


def notionals(i: Instrument, price: int, size: int, value: int) -> tuple[float | int, float | int]:
    """Returns (home, foreign): in the base and in the quote currency; both positive. value: in wallet units."""
    contracts = i.size(size) * i.multiplier
    if i.kind is Kind.INVERSE:
        return _number(Decimal(value).scaleb(-ASSETS[i.settle][2])), _number(contracts)
    return _number(contracts), _number(contracts * i.price(price))


def average_price(i: Instrument, filled: int, value: int) -> float | int | None:
    """Returns the average price of fills. filled: contracts; value: in 1e-18 of the settle currency. For an inverse
    contract it is harmonic: contracts divided by bitcoin."""
    if not filled or not value:
        return None
    contracts, worth = i.size(filled) * i.multiplier, Decimal(value).scaleb(-MONEY_DECIMALS)
    exact = contracts / worth if i.kind is Kind.INVERSE else worth / contracts
    return _number(round(exact, i.price_decimals + 3))


def key_id(kind: str, number: int) -> str:
    """Returns an id in the form of a UUID, the same for the same number. It ends in the number, and begins with digits
    derived from the number, so that an invented id is recognized."""
    front = hashlib.sha256(f"{kind}/{number}".encode()).hexdigest()
    return f"{front[:8]}-{front[8:12]}-4{front[12:15]}-a{front[15:18]}-{number:012x}"


def order_uuid(order: SimOrder) -> str:
    return key_id("order", order.id)


def uuid_number(text: str) -> int:
    """Returns the number of an order id, 0 for a foreign id."""
    try:
        number = int(text[-12:], 16)
    except ValueError:
        return 0
    return number if number >= 0 and key_id("order", number) == text.lower() else 0


def side_word(side: Side) -> str:
    return side.value.capitalize()


def state_word(order: SimOrder, state: OrderState, code: int = 0) -> str:
    """Returns BitMEX's word for an order's state. Post-only and reduce-only orders that are impossible are accepted and
    canceled, not refused."""
    if state is OrderState.REJECTED and is_canceled_at_once(code or order.code):
        return "Canceled"
    return _STATES[state]


def is_canceled_at_once(code: int) -> bool:
    return code in (OrderWouldCross.code, ReduceOnlyViolated.code)


_STATES: Final = {
    OrderState.INITIALIZED: "New",
    OrderState.ACCEPTED: "New",
    OrderState.TRIGGERED: "New",
    OrderState.PARTIALLY_FILLED: "PartiallyFilled",
    OrderState.FILLED: "Filled",
    OrderState.CANCELED: "Canceled",
    OrderState.EXPIRED: "Canceled",
    OrderState.REJECTED: "Rejected",
}
TIF_WORDS: Final = {
    TimeInForce.GTC: "GoodTillCancel",
    TimeInForce.IOC: "ImmediateOrCancel",
    TimeInForce.FOK: "FillOrKill",
    TimeInForce.GTD: "Day",
}


def _text(order: SimOrder, word: str) -> str:
    """Returns the venue's text about an order, then the request's."""
    said = str(order.extra.get("text", "Submitted via API."))
    if order.origin == "liquidation":
        said = "Liquidation"
    if word != "Canceled":
        amended = order.extra.get("amended")
        return f"{amended}\n{said}" if amended else said
    if order.code == OrderWouldCross.code:
        return f"Canceled: Order had execInst of ParticipateDoNotInitiate\n{said}"
    if order.code == ReduceOnlyViolated.code:
        return f"Canceled: Order had execInst of Close or ReduceOnly\n{said}"
    if order.tif in (TimeInForce.IOC, TimeInForce.FOK):
        return f"Canceled: Order had timeInForce of {TIF_WORDS[order.tif]}\n{said}"
    return f"Canceled: Canceled via API.\n{said}"


def order_row(i: Instrument, order: SimOrder, report: OrderReport | None = None) -> dict[str, Any]:
    """Returns an order's row, now or at the time of a report."""
    state, filled, code = (report.state, report.filled, report.code) if report else (order.state, order.filled, 0)
    word = state_word(order, state, code)
    waits = bool(order.trigger) and not state.is_final
    fired = "triggered" in order.extra
    triggered = "StopOrderTriggered" if fired else ("" if not order.extra.get("stop") else None)
    is_over = state.is_final
    return {
        "orderID": order_uuid(order),
        "clOrdID": order.client_id,
        "clOrdLinkID": "",
        "account": order.account.number,
        "symbol": i.raw_symbol,
        "side": side_word(order.side),
        "orderQty": None if order.extra.get("close_all") and waits else order.size,
        "price": price_number(i, order.price),
        "displayQty": None,
        "stopPx": price_number(i, order.extra.get("stop_price", 0)),
        "pegOffsetValue": None,
        "pegPriceType": "",
        "currency": i.quote,
        "settlCurrency": wallet_name(i.settle),
        "ordType": order.extra.get("type") or order.type.value.capitalize(),
        "timeInForce": order.extra.get("tif") or TIF_WORDS[order.tif],
        "execInst": order.extra.get("inst", ""),
        "contingencyType": "",
        "ordStatus": word,
        "triggered": triggered or "",
        "workingIndicator": not waits and not is_over and order.type is OrderType.LIMIT,
        "ordRejReason": "",
        "leavesQty": 0 if is_over else order.size - filled,
        "cumQty": filled,
        "avgPx": average_price(i, order.filled, order.value) if filled else None,
        "text": _text(order, word),
        "transactTime": iso(order.extra.get("transacted", order.updated)),
        "timestamp": iso(order.updated),
    }
