"""Binance USD-M: the events of an account's stream.

Source: "User Data Streams" of the USD-M documentation and its change log, as of 2026-11.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from onetape.exchange.account import SimAccount
from onetape.exchange.binance.account import break_even_text, entry_text
from onetape.exchange.binance.wire import (
    amount,
    average_price,
    ms,
    order_type,
    origin_of,
    owed,
    position_side,
    price_text,
    size_text,
    status_of,
    tif_word,
    trail_of,
)
from onetape.exchange.exchange import SimExchange
from onetape.exchange.reports import CallReport, CashReport, ConditionalReport, ModeReport, OrderReport
from onetape.model.enums import OrderNews, OrderState, OrderType, TriggerBy

__all__ = ["BINANCE", "EventTraits", "UserEvents"]

_REASONS: Final = {
    "order": "ORDER",
    "funding": "FUNDING_FEE",
    "deposit": "DEPOSIT",
    "withdraw": "WITHDRAW",
    "adjust": "ADJUSTMENT",
    "liquidation": "ORDER",
    "adl": "ORDER",
    "settlement": "ORDER",
    "liquidation_fee": "INSURANCE_CLEAR",
    "insurance": "INSURANCE_CLEAR",
    "margin": "MARGIN_TRANSFER",
    "auto_exchange": "AUTO_EXCHANGE",
}


FORCED: Final = ("liquidation", "adl")
LITE: Final = ("s", "q", "p", "m", "c", "S", "L", "l", "t", "i")  # the fields of an order's event that TRADE_LITE has


@dataclass(frozen=True, slots=True)
class EventTraits:
    """Differences between the events of the venues of this family. absent: fields that orders and positions lack.
    names_key: the event of an expired listen key includes the key. tells_hedge: a changed position mode is an event.
    tells_trails: trailing stops are ordinary orders, with their events."""

    has_lite: bool = True
    names_key: bool = True
    absent: frozenset[str] = frozenset()
    tells_hedge: bool = False
    tells_trails: bool = False


BINANCE: Final = EventTraits()


class UserEvents:
    """Writes an account's events; `tell` sends them to the subscribers."""

    def __init__(
        self, exchange: SimExchange, tell: Callable[[SimAccount, dict[str, Any]], None], traits: EventTraits
    ) -> None:
        self.exchange = exchange
        self._tell = tell
        self.traits = traits

    def _kept(self, body: dict[str, Any]) -> dict[str, Any]:
        for name in self.traits.absent:
            body.pop(name, None)
        return body

    def order(self, report: OrderReport, now: int) -> None:
        if report.news is OrderNews.REJECTED:
            return  # reported in the answer only
        if _failed_at_door(report):
            return
        order, body, times = report.order, self._order_body(report), {"E": ms(now), "T": ms(report.time)}
        if report.fill is not None and order.origin not in FORCED and self.traits.has_lite:
            self._tell(order.account, {"e": "TRADE_LITE", **times, **{name: body[name] for name in LITE}})
        self._tell(order.account, {"e": "ORDER_TRADE_UPDATE", **times, "o": body})

    def _order_body(self, report: OrderReport) -> dict[str, Any]:
        order, fill = report.order, report.fill
        i = self.exchange.instruments[order.index]
        origin = origin_of(order)
        forced = order.origin in FORCED
        status = "NEW" if report.news is OrderNews.ACCEPTED else status_of(order, report.state)
        kind = _execution(report, forced)
        body: dict[str, Any] = {
            "s": i.raw_symbol,
            "c": order.client_id,
            "S": order.side.value.upper(),
            "o": origin.kind if order.trigger else order_type(order),
            "f": "IOC" if forced else tif_word(order),
            "q": size_text(i, order.size),
            "p": price_text(i, order.price),
            "ap": average_price(i, report.cost, report.filled),
            "sp": price_text(i, origin.trigger) if origin.trigger else "0",
            "x": kind,
            "X": status,
            "i": order.id,
            "l": size_text(i, fill.size if fill else 0),
            "z": size_text(i, report.filled),
            "L": price_text(i, fill.price if fill else 0),
            "T": ms(report.time),
            "t": fill.trade_id if fill else 0,
            "b": "0",
            "a": "0",
            "m": bool(fill and fill.is_maker),
            "R": order.reduce_only,
            "wt": "MARK_PRICE" if order.trigger_by is TriggerBy.MARK else "CONTRACT_PRICE",
            "ot": origin.kind,
            "ps": position_side(order.position_side),
            "cp": origin.closes,
            "rp": amount(fill.realized if fill else 0),
            "pP": False,
            "si": 0,
            "ss": 0,
            "V": order.extra.get("stp", "EXPIRE_MAKER"),
            "pm": order.extra.get("priceMatch", "NONE"),
            "gtd": ms(order.expire),
            "er": "0",
        }
        if fill is not None:
            body["N"] = i.settle
            body["n"] = owed(fill.fee)
        if kind == "AMENDMENT" and order.extra.get("modifyId"):
            body["M"] = order.extra["modifyId"]
        if self.traits.tells_trails and (trail := trail_of(order)):
            body["AP"], body["cr"] = price_text(i, trail[0]), trail[1]
        return self._kept(body)

    def cash(self, report: CashReport, now: int) -> None:
        account = report.account
        body: dict[str, Any] = {
            "m": _REASONS.get(report.reason, "ADJUSTMENT"),
            "B": [
                {
                    "a": self.exchange.currencies[at],
                    "wb": amount(int(account.money.balance(at))),
                    "cw": amount(account.cross_balance(at)),
                    "bc": amount(report.amount) if report.reason not in ("order", "margin") else "0",
                }
                for at in report.currencies
            ],
            "P": [self._position(account, index, side) for index, side in report.positions],
        }
        if report.reason == "funding":
            body["S"] = self.exchange.instruments[report.at].raw_symbol
        self._tell(account, {"e": "ACCOUNT_UPDATE", "E": ms(now), "T": ms(report.time), "a": body})

    def _position(self, account: SimAccount, index: int, side: Any) -> dict[str, Any]:
        i, listing = self.exchange.instruments[index], self.exchange.listings[index]
        position = account.money.position(index, side.value)
        mark = listing.valuation
        row = {
            "s": i.raw_symbol,
            "pa": size_text(i, int(position.qty)),
            "ep": entry_text(account, index, side),
            "bep": break_even_text(account, index, side),
            "cr": amount(int(position.realized)),
            "up": amount(int(position.unrealized(account.specs[index], mark))),
            "mt": "isolated" if index in account.isolated else "cross",
            "iw": amount(account.wallet(index, side)) if index in account.isolated else "0",
            "ps": position_side(side),
            "ma": i.settle,
        }
        return self._kept(row)

    def call(self, report: CallReport, now: int) -> None:
        """Sends a margin call, which is only advice: the liquidation follows without a further one."""
        account = report.account
        rows = []
        for index, side in report.positions:
            i, listing = self.exchange.instruments[index], self.exchange.listings[index]
            mark, position = listing.valuation, account.money.position(index, side.value)
            notional = abs(i.notional_units(mark, int(position.qty)))
            is_alone = index in account.isolated
            rows.append(
                {
                    "s": i.raw_symbol,
                    "ps": position_side(side),
                    "pa": size_text(i, int(position.qty)),
                    "mt": "ISOLATED" if is_alone else "CROSSED",
                    "iw": amount(account.wallet(index, side)) if is_alone else "0",
                    "mp": price_text(i, mark),
                    "up": amount(int(position.unrealized(account.specs[index], mark))),
                    "mm": owed(i.maintenance_units(notional)),
                }
            )
        event: dict[str, Any] = {"e": "MARGIN_CALL", "E": ms(now), "p": rows}
        if any(row["mt"] == "CROSSED" for row in rows):
            settle = self.exchange.instruments[report.positions[0][0]].settle
            event["cw"] = amount(account.cross_balance(self.exchange.currencies.index(settle)))
        self._tell(account, event)

    def algo(self, report: ConditionalReport, now: int) -> None:
        order = report.order
        i = self.exchange.instruments[order.index]
        child = report.child
        self._tell(
            order.account,
            {
                "e": "ALGO_UPDATE",
                "T": ms(report.time),
                "E": ms(now),
                "o": {
                    "caid": order.client_id,
                    "aid": order.id,
                    "at": "CONDITIONAL",
                    "o": order.type,
                    "s": i.raw_symbol,
                    "S": order.side.value.upper(),
                    "ps": position_side(order.position_side),
                    "f": order.extra.get("tif", order.tif.value),
                    "q": size_text(i, order.size),
                    "X": report.state,
                    "ai": str(child.id) if child else "",
                    "ap": average_price(i, report.cost, report.filled),
                    "aq": size_text(i, report.filled),
                    "act": child.type.value.upper() if child else "",
                    "tp": price_text(i, order.trigger),
                    "p": price_text(i, order.price),
                    "V": "EXPIRE_MAKER",
                    "wt": "MARK_PRICE" if order.by.value == "mark" else "CONTRACT_PRICE",
                    "pm": "NONE",
                    "cp": order.close_position,
                    "pP": order.extra.get("priceProtect", False),
                    "R": order.reduce_only,
                    "tt": ms(order.triggered),
                    "gtd": ms(order.expire),
                    "rm": order.reason,
                    "ia": report.activated,
                },
            },
        )

    def mode(self, report: ModeReport, now: int) -> None:
        """Reports changes of leverage, margin type and multi-assets mode; a changed position mode is not reported
        (clients read accountConfig)."""
        account = report.account
        if report.what == "margin":
            rows = [self._position(account, report.at, side) for side in account.sides]
            body = {"m": "MARGIN_TYPE_CHANGE", "B": [], "P": rows}
            event = {"e": "ACCOUNT_UPDATE", "E": ms(now), "T": ms(report.time), "a": body}
            self._tell(account, event)
        head = {"e": "ACCOUNT_CONFIG_UPDATE", "E": ms(now), "T": ms(report.time)}
        if report.what == "joint":
            self._tell(account, {**head, "ai": {"j": account.joint is not None}})
        if report.what == "hedge" and self.traits.tells_hedge:
            self._tell(account, {**head, "ai": {"d": account.hedge}})
        if report.what != "leverage":
            return
        self._tell(
            account,
            {**head, "ac": {"s": self.exchange.instruments[report.at].raw_symbol, "l": account.leverage_of(report.at)}},
        )


def _failed_at_door(report: OrderReport) -> bool:
    """Tells whether an order is a failed fill-or-kill, which the venue never shows: the matching engine accepted and
    ended it in one call."""
    order = report.order
    return (
        order.tif.value == "FOK"
        and order.type is OrderType.LIMIT
        and not order.filled
        and order.state is OrderState.CANCELED
    )


def _execution(report: OrderReport, forced: bool) -> str:
    if forced:
        return "CALCULATED"
    match report.news:
        case None:
            return "TRADE"
        case OrderNews.ACCEPTED | OrderNews.TRIGGERED:
            return "NEW"
        case OrderNews.UPDATED:
            return "AMENDMENT"
        case OrderNews.EXPIRED:
            return "EXPIRED"
        case _:
            status = status_of(report.order, report.state)
            return "EXPIRED" if status.startswith("EXPIRED") else "CANCELED"
