"""Formats numbers, orders and refusals like Pacifica, for REST and WebSocket.

Prices, amounts and money are decimals as text without trailing zeros, money with six decimals, times whole
milliseconds. Sources: docs.pacifica.fi "Get open orders", "Get order history", "Account order updates", "Error
codes" (2026), and the answers that ccxt 4.5.90 quotes.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, TypeVar

from onetape._core import units_text
from onetape.exchange.account import SimOrder
from onetape.exchange.reports import OrderReport
from onetape.model.decimals import decimal_text, scaled
from onetape.model.enums import OrderNews, OrderState
from onetape.model.errors import InsufficientFunds, OrderWouldCross, ReduceOnlyViolated, SelfTrade
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS, RATE_DECIMALS
from onetape.venues.columns import columns
from onetape.venues.pacifica.words import SIDE_WORDS, STATES

__all__ = [
    "EVENT",
    "HISTORY",
    "OPEN",
    "ORDER",
    "Refused",
    "envelope",
    "mean_text",
    "meant",
    "ms",
    "order_row",
    "price_text",
    "rate_text",
    "shown",
    "size_text",
    "usdc",
]

T = TypeVar("T")
USDC_DECIMALS: Final = 6
BAD_REQUEST: Final = "Bad Request"
_STATES: Final = {state: word for word, state in STATES.items()} | {OrderState.EXPIRED: "cancelled"}
# Error number -> reason of an end that the owner did not request; "Self-Trade Prevention" calls such orders rejected.
_REJECTS: Final = {OrderWouldCross.code: "post_only_rejected", SelfTrade.code: "self_trade_prevented"}
_FORCED: Final = (InsufficientFunds.code, ReduceOnlyViolated.code)
_NEWS: Final = {
    OrderNews.CANCELED: "cancel",
    OrderNews.EXPIRED: "expired",
    OrderNews.REJECTED: "force_cancel",
    OrderNews.UPDATED: "adjust",
    OrderNews.TRIGGERED: "stop_triggered",
}
_LAST_NEWS: Final = {
    OrderState.CANCELED: OrderNews.CANCELED,
    OrderState.EXPIRED: OrderNews.EXPIRED,
    OrderState.REJECTED: OrderNews.REJECTED,
    OrderState.TRIGGERED: OrderNews.TRIGGERED,
    OrderState.ACCEPTED: OrderNews.ACCEPTED,
}
_ENDED: Final = frozenset((*_REJECTS.values(), "cancel", "force_cancel", "expired"))  # ends that are shown as reasons


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """Refuses a request. code: the number of a business error if status is 422, else the status."""

    def __init__(self, text: str = BAD_REQUEST, code: int = 400, *, status: int = 0, name: str = "") -> None:
        super().__init__(text)
        self.text, self.code, self.name = text, code, name
        self.status = status or (code if code >= 400 else 422)
        self.headers: dict[str, str] = {}

    def body(self) -> dict[str, Any]:
        said: dict[str, Any] = {"success": False, "data": None, "error": self.text, "code": self.code}
        return {**said, "error_id": self.name} if self.name else said

    @property
    def socket_code(self) -> int:
        """Returns the code in the WebSocket's form."""
        by_name = {"signature_verification_failed": 401, "unauthorized_signer": 402}
        return by_name.get(self.name, 420 if self.status == 422 else self.status)


def meant(words: Mapping[str, T], said: object, refused: Refused | None = None) -> T:
    """Returns the value of a word. Raises `refused`, or Refused, for an unknown one."""
    if not isinstance(said, str) or said not in words:
        raise refused or Refused
    return words[said]


def envelope(data: Any, **more: Any) -> dict[str, Any]:
    return {"success": True, "data": data, "error": None, "code": None, **more}


def ms(time: int) -> int:
    return time // 1_000_000


def usdc(units: int, *, is_cost: bool = False) -> str:
    """Formats money (1e-18) with six decimals, rounded down, a cost up, so that it never shows more than there is."""
    step = 10 ** (MONEY_DECIMALS - USDC_DECIMALS)
    return units_text(-(-units // step) if is_cost else units // step, USDC_DECIMALS, 0)


def rate_text(rate: int) -> str:
    return decimal_text(scaled(rate, RATE_DECIMALS))


def price_text(i: Instrument, price: int) -> str:
    return units_text(price, i.price_decimals, 0)


def size_text(i: Instrument, size: int) -> str:
    return units_text(size, i.size_decimals, 0)


def mean_text(i: Instrument, cost: int, size: int) -> str:
    """Returns the average price with six decimals. cost: the sum of price * size; size: the sum of sizes."""
    mean = Decimal(cost) / size if size else Decimal(0)
    return decimal_text(round(mean.scaleb(-i.price_decimals), USDC_DECIMALS))


def shown(row: dict[str, Any], wanted: dict[str, str]) -> dict[str, Any]:
    return {name: row[of] for name, of in wanted.items()}


_COMMON: Final = "stop_price stop_parent_order_id trigger_price_type reduce_only"
OPEN: Final = columns(
    "order_id client_order_id symbol side price initial_amount filled_amount cancelled_amount order_type "
    f"{_COMMON} created_at updated_at"
)
HISTORY: Final = columns(
    "order_id client_order_id symbol side initial_price:price average_filled_price amount:initial_amount "
    f"filled_amount order_status order_type reason {_COMMON} created_at updated_at"
)
EVENT: Final = columns(  # of an order's events; the price of a fill
    "history_id order_id client_order_id symbol side price:event_price initial_amount filled_amount "
    f"cancelled_amount event_type order_type order_status {_COMMON} created_at:updated_at"
)
ORDER: Final = columns(  # of `account_orders`; the columns after `ot` are unverified
    "i:order_id I:client_order_id s:symbol d:side ip:price p:average_filled_price a:initial_amount f:filled_amount "
    "c:cancelled_amount os:order_status ot:order_type sp:stop_price si:stop_parent_order_id tp:trigger_price_type "
    "r:reduce_only ct:created_at ut:updated_at"
)


def order_row(i: Instrument, order: SimOrder, report: OrderReport | None = None) -> dict[str, Any]:
    """Returns all columns of an order, now or at the time of a report."""
    state, filled, cost, code, updated = order.state, order.filled, order.cost, order.code, order.updated
    news, last = _LAST_NEWS.get(state), 0
    if report is not None:
        state, filled, cost, code, updated = report.state, report.filled, report.cost, report.code, report.time
        news, last = report.news, report.fill.price if report.fill else 0
    kind = str(order.extra.get("kind", "market"))  # orders of the venue itself are market orders
    amount = order.extra.get("amount", order.size)  # as sent: the order may have been cut to the position
    is_market = kind.endswith("market")
    price, last_price = "0" if is_market else price_text(i, order.price), price_text(i, last)
    event = "fulfill_market" if is_market else "fulfill_limit"
    if news is OrderNews.ACCEPTED:
        event = "stop_created" if "stop" in order.extra else "make"
    elif news is not None:
        event = _REJECTS.get(code) or ("force_cancel" if code in _FORCED else _NEWS[news])
    rejected = state.is_final and code in _REJECTS
    return {
        "order_id": order.id,
        "client_order_id": order.client_id or None,
        "account": order.account.key,
        "symbol": i.raw_symbol,
        "side": SIDE_WORDS[order.side],
        "price": price,
        "last_price": last_price,
        "event_price": last_price if last else price,
        "average_filled_price": mean_text(i, cost, filled),
        "initial_amount": size_text(i, amount),
        "filled_amount": size_text(i, filled),
        "cancelled_amount": size_text(i, max(amount - filled, 0)) if state.is_final else "0",
        "order_type": kind,
        "order_status": "rejected" if rejected else _STATES.get(state, "open"),
        "event_type": event,
        "reason": event if event in _ENDED else None,
        "stop_price": order.extra.get("stop"),
        "stop_parent_order_id": order.extra.get("parent"),
        "trigger_price_type": order.extra.get("by"),
        "reduce_only": order.reduce_only,
        "created_at": ms(order.created),
        "updated_at": ms(updated),
    }
