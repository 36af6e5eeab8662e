"""What an account's manager and its rules ask of others, where nothing is in the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from onetape.orders.account_orders import AccountOrders
from onetape.orders.calls import OrderProtocol
from onetape.orders.gate import Gate
from onetape.orders.manager import OrderManager
from onetape.orders.trading_state import Surroundings

OPEN = Surroundings(
    strategy_of=lambda robot: "main",
    takes_off_own=lambda *_: True,
    adds_to_own=lambda *_: True,
    silent_ns=lambda symbol: 0,
    silent_max_ns=lambda symbol: 0,
    decision_max_ns=0,
    in_front=lambda *_: 0,
    is_guarded=False,
    shares=None,
)


def surround(gate: Gate, **changed: Any) -> None:
    """Changes what a gate asks."""
    gate.around = replace(gate.around, **changed)


@dataclass
class Nobody:
    """Knows of no order whose it is, unless a test says so."""

    owner_of: Callable[[str], tuple[int, int] | None] = lambda _: None
    is_by_hand: Callable[[int, int], bool] = lambda *_: False


def manager_at(protocol: OrderProtocol, **more: Any) -> OrderManager:
    """more: `goes_on`."""
    return OrderManager(AccountOrders(protocol), Nobody(), {}, **more)
