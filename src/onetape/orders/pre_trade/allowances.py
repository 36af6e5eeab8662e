"""Pre-trade rules on what an order consumes: rates and money."""

from __future__ import annotations

from typing import Final

from onetape._core import BURST_S
from onetape.model.enums import Kind
from onetape.model.errors import InsufficientFunds, OrderRate
from onetape.model.money import money_text
from onetape.model.time import SECOND
from onetape.orders.backing import Spending, free_funds, spending
from onetape.orders.filters import NOT_MEASURED, Measure, Refusal
from onetape.orders.pre_trade.view import View

_SPOT: Final = Kind.SPOT  # bound once: a lookup at its class costs as much as a call


def is_counted(view: View) -> bool:
    limits = view.state.limits
    return bool(view.rate or limits.orders_a_second or limits.messages_a_second) and view.is_counted


def too_fast(view: View) -> Refusal | None:
    rate = view.rate
    if not rate or not view.is_counted:
        return None
    if view.state.rates.may_send(view.robot, rate, view.now):
        return None
    sent, most = robot_rate(view)
    return Refusal.of(OrderRate, f"{sent} of this robot, at most {most}")


def robot_rate(view: View) -> Measure:
    """Limits a robot's orders a second; saved allowance that it has used counts as sent in that time."""
    if not view.rate:
        return NOT_MEASURED
    sent = -(-view.state.rates.ahead_ns(view.robot, view.now) * view.rate // SECOND)
    return f"{sent} in {BURST_S} s", f"{view.rate * BURST_S} in {BURST_S} s"


def too_many(view: View) -> Refusal | None:
    most = view.state.limits.orders_a_second
    if not most or not view.is_counted:
        return None
    sent = view.state.rates.sent_this_second(view.now)
    if sent < most:
        return None
    return Refusal.of(OrderRate, f"{sent} of all robots in this second, at most {most}")


def rate(view: View) -> Measure:
    most = view.state.limits.orders_a_second
    return str(view.state.rates.sent_this_second(view.now)), str(most) if most else None


def too_many_messages(view: View) -> Refusal | None:
    most = view.state.limits.messages_a_second
    if not most or not view.is_counted or (left := view.state.rates.messages_this_second(view.now)) < most:
        return None
    return Refusal.of(OrderRate, f"{left} orders, amendments and cancels left in this second, at most {most}")


def count_message(view: View) -> None:
    view.state.rates.message(view.now)


def messages(view: View) -> Measure:
    most = view.state.limits.messages_a_second
    return (str(view.state.rates.messages_this_second(view.now)), str(most)) if most else NOT_MEASURED


def count(view: View) -> None:
    view.state.rates.count(view.robot, view.rate, view.now)


def may_be_unpaid(view: View) -> bool:
    return view.shares is not None or view.instrument.kind is _SPOT


def unpaid(view: View) -> Refusal | None:
    """Refuses a spot order that the balance cannot pay; with margin, the venue has better information than we do."""
    if view.instrument.kind is not _SPOT or not view.state.ready:
        return None
    wanted = _wanted(view)
    if wanted is None or wanted.amount <= (free := _free(view, wanted)):
        return None
    text = f"{_amount(wanted.amount, wanted)} with the fee"
    return Refusal.of(InsufficientFunds, f"{text}, {_amount(max(free, 0), wanted)} are not bound by working orders")


def spot_money(view: View) -> Measure:
    wanted = _wanted(view)
    if wanted is None:
        return NOT_MEASURED
    return _amount(wanted.amount, wanted), _amount(max(_free(view, wanted), 0), wanted)


def _wanted(view: View) -> Spending | None:
    near = view.spec.price_int or view.near
    return spending(view.instrument, view.spec, view.left, near)


def _free(view: View, wanted: Spending) -> int:
    state = view.state
    return free_funds(state.manager, state.instruments, wanted.currency, without=view.old)


def _amount(amount: int, of: Spending) -> str:
    return f"{money_text(amount)} {of.currency}"


def share_unpaid(view: View) -> Refusal | None:
    if view.shares is None:
        return None
    return view.shares.refusal(view.robot, view.spec, view.left, view.old)


def share_money(view: View) -> Measure:
    return NOT_MEASURED if view.shares is None else view.shares.measured(view.robot, view.spec)
