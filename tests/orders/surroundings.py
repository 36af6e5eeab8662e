"""What the rules ask of others, where nothing is in the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from onetape.orders.gate import Gate
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
)


def surround(gate: Gate, **changed: Any) -> None:
    """Changes what a gate asks."""
    gate.around = replace(gate.around, **changed)
