"""The core runs the table: each cell, with every set of facts beside it, as the model does."""

from __future__ import annotations

from itertools import product

import core_tested
import pytest

from onetape.model.enums import OrderState
from onetape.orders.machine import EFFECT_IDS, FILLS, TABLE, Effect, OrderEvent, OrderLife, as_matrix


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    core_tested.install_order_machine(as_matrix())


def model(state: OrderState, filled: int, facts: tuple[bool, ...], event: OrderEvent) -> OrderLife:
    life = OrderLife(10, state, filled, *facts)
    if event in FILLS:
        # The model classifies a fill itself: give it one of that class.
        size = {OrderEvent.FILL_PARTIAL: 1, OrderEvent.FILL_FULL: 10 - filled}.get(event, 20)
        life.size_wanted = 10 if life.update_open else 0
        life.on_fill("1", size)
    elif not (event.is_ours and TABLE[state][event] is Effect.IMPOSSIBLE):
        life.on_event(event)
    return life


@pytest.mark.parametrize("state", list(OrderState))
def test_the_core_moves_an_order_as_the_model_does(state: OrderState) -> None:
    for event in OrderEvent:
        for filled, *facts in product((0, 5), *[(False, True)] * 4):
            if state.is_final and (facts[2] or facts[3]):
                continue  # an ended order has no open request
            life = model(state, filled, tuple(map(bool, facts)), event)
            accepted, triggered, cancel_open, update_open = facts
            order = core_tested.ModelOrder(
                state=state.id,
                size=10,
                # The core counts a fill before it asks the table.
                filled=life.filled if event in FILLS else filled,
                accepted=bool(accepted),
                triggered=bool(triggered),
                cancel_open=bool(cancel_open),
                update_open=bool(update_open),
            )
            cell = TABLE[state][event]
            answer = order.take(event.id)
            context = f"{state} {event} filled={filled} facts={facts}"
            open_or_gone = cell in (Effect.OPEN, Effect.GONE) or isinstance(cell, OrderState)
            assert answer == (0 if open_or_gone else EFFECT_IDS[Effect(cell)]), context
            assert OrderState.from_id(order.state) is life.state, context
            if cell not in (Effect.IMPOSSIBLE, Effect.REFUSED):
                wanted = (life.accepted, life.triggered, life.cancel_open, life.update_open)
                assert order.facts == wanted, context
