"""How Pacifica writes numbers, orders and refusals, by REST and by WebSocket.

Prices, amounts and money are decimals as text without trailing zeros, money with six decimals, times
whole milliseconds. Sources: docs.pacifica.fi "Get open orders", "Get order history", "Account order
updates", "Error codes" (2026), and the answers that ccxt 4.5.90 quotes.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, NamedTuple

from onetape.exchange.account import SimOrder
from onetape.exchange.reports import OrderReport
from onetape.model.decimals import decimal_text, scaled
from onetape.model.enums import OrderNews, OrderState, Side
from onetape.model.errors import InsufficientFunds, OrderWouldCross, ReduceOnlyViolated, SelfTrade
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS, RATE_DECIMALS

__all__ = [
    "ENDED",
    "OrderLine",
    "Refused",
    "envelope",
    "line_of",
    "mean_text",
    "ms",
    "price_text",
    "rate_text",
    "side_word",
    "size_text",
    "usdc",
]

USDC_DECIMALS: Final = 6
BAD_REQUEST: Final = "Bad Request"
_STATES: Final = {
    OrderState.PARTIALLY_FILLED: "partially_filled",
    OrderState.FILLED: "filled",
    OrderState.CANCELED: "cancelled",
    OrderState.EXPIRED: "cancelled",
    OrderState.REJECTED: "rejected",
}
# What ended an order, where it is not its owner: "Self-Trade Prevention" calls such orders rejected.
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
ENDED: Final = frozenset(
    {"cancel", "force_cancel", "expired", "post_only_rejected", "self_trade_prevented"}
)  # the events that are a `reason`


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """A request is answered with an error. code: of the business error, with status 422; else it echoes the status."""

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
        """As answers of the WebSocket say it."""
        by_name = {"signature_verification_failed": 401, "unauthorized_signer": 402}
        return by_name.get(self.name, 420 if self.status == 422 else self.status)


def envelope(data: Any, **more: Any) -> dict[str, Any]:
    return {"success": True, "data": data, "error": None, "code": None, **more}


def ms(time: int) -> int:
    return time // 1_000_000


def usdc(units: int, *, is_cost: bool = False) -> str:
    """Money of 1e-18 in six decimals. Down, a cost up: nobody is shown more than there is."""
    step = 10 ** (MONEY_DECIMALS - USDC_DECIMALS)
    return decimal_text(scaled(-(-units // step) if is_cost else units // step, USDC_DECIMALS))


def rate_text(rate: int) -> str:
    return decimal_text(scaled(rate, RATE_DECIMALS))


def price_text(i: Instrument, price: int) -> str:
    return decimal_text(i.price(price))


def size_text(i: Instrument, size: int) -> str:
    return decimal_text(i.size(size))


def mean_text(i: Instrument, cost: int, size: int) -> str:
    """What a sum of price times size is for each, six decimals."""
    mean = Decimal(cost) / size if size else Decimal(0)
    return decimal_text(round(mean.scaleb(-i.price_decimals), USDC_DECIMALS))


def side_word(side: Side) -> str:
    return "bid" if side is Side.BUY else "ask"


class OrderLine(NamedTuple):
    """An order as it stood after an event; its names are those of no message. Times ms."""

    id: int
    client_id: str | None
    owner: str
    symbol: str
    side: str
    price: str
    amount: str
    filled: str
    cancelled: str
    average: str
    last: str
    kind: str
    stop: str | None
    parent: int | None
    trigger: str | None
    reduce_only: bool
    created: int
    updated: int
    status: str
    event: str

    def open_row(self) -> dict[str, Any]:
        return {
            "order_id": self.id,
            "client_order_id": self.client_id,
            "symbol": self.symbol,
            "side": self.side,
            "price": self.price,
            "initial_amount": self.amount,
            "filled_amount": self.filled,
            "cancelled_amount": self.cancelled,
            "stop_price": self.stop,
            "order_type": self.kind,
            "stop_parent_order_id": self.parent,
            "trigger_price_type": self.trigger,
            "reduce_only": self.reduce_only,
            "created_at": self.created,
            "updated_at": self.updated,
        }

    def history_row(self) -> dict[str, Any]:
        row = self.open_row()
        for name in ("price", "initial_amount", "cancelled_amount"):
            del row[name]
        return row | {
            "initial_price": self.price,
            "average_filled_price": self.average,
            "amount": self.amount,
            "order_status": self.status,
            "reason": self.event if self.event in ENDED else None,
        }

    def event_row(self, number: int) -> dict[str, Any]:
        """Of what happened to it, one row each; its price where it was filled."""
        row = self.open_row()
        del row["updated_at"]
        price = self.last if self.event.startswith("fulfill") else self.price
        more = {"price": price, "event_type": self.event, "order_status": self.status, "created_at": self.updated}
        return {"history_id": number, **row, **more}

    def update(self, last_id: int) -> dict[str, Any]:
        """Of `account_order_updates`."""
        return {
            "i": self.id,
            "I": self.client_id,
            "u": self.owner,
            "s": self.symbol,
            "d": self.side,
            "p": self.average,
            "ip": self.price,
            "lp": self.last,
            "a": self.amount,
            "f": self.filled,
            "oe": self.event,
            "os": self.status,
            "ot": self.kind,
            "sp": self.stop,
            "si": self.parent,
            "tp": self.trigger,
            "r": self.reduce_only,
            "ct": self.created,
            "ut": self.updated,
            "li": last_id,
        }


def line_of(i: Instrument, order: SimOrder, report: OrderReport | None = None) -> OrderLine:
    """An order as it stands, or as it was when something was reported of it."""
    state, filled, cost, code, updated = order.state, order.filled, order.cost, order.code, order.updated
    news = _LAST_NEWS.get(state)
    if report is not None:
        state, filled, cost, code, updated = report.state, report.filled, report.cost, report.code, report.time
        news = report.news
    kind = str(order.extra.get("kind", "market"))  # the venue's own are market orders
    amount = order.extra.get("amount", order.size)  # as it was sent: reduce-only may have cut it
    is_market = kind.endswith("market")
    event = "fulfill_market" if is_market else "fulfill_limit"
    if news is OrderNews.ACCEPTED:
        event = "stop_created" if "stop" in order.extra else "make"
    elif news is not None:
        event = _REJECTS.get(code) or ("force_cancel" if code in _FORCED else _NEWS[news])
    rejected = state.is_final and code in _REJECTS
    return OrderLine(
        id=order.id,
        client_id=order.client_id or None,
        owner=order.account.key,
        symbol=i.raw_symbol,
        side=side_word(order.side),
        price="0" if is_market else price_text(i, order.price),
        amount=size_text(i, amount),
        filled=size_text(i, filled),
        cancelled=size_text(i, max(amount - filled, 0)) if state.is_final else "0",
        average=mean_text(i, cost, filled),
        last=price_text(i, report.fill.price) if report and report.fill else "0",
        kind=kind,
        stop=order.extra.get("stop"),
        parent=order.extra.get("parent"),
        trigger=order.extra.get("by"),
        reduce_only=order.reduce_only,
        created=ms(order.created),
        updated=ms(updated),
        status="rejected" if rejected else _STATES.get(state, "open"),
        event=event,
    )
