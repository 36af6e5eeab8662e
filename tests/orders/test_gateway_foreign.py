"""What other hands did: asked for until it is known, then booked."""

from __future__ import annotations

from onetape.model.enums import Liquidity, OrderState, OrderType, PositionSide, Side
from onetape.orders.calls import Purpose
from onetape.orders.managed import FillOut
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.told import FillTold, OrderTold
from orders.binance_manager import NOW, SYMBOL, binance_manager

FILL = FillTold(
    SYMBOL, "", "77", 5, Side.BUY, PositionSide.BOTH, 600_000, 10, NOW, 0, "USDT", Liquidity.TAKER
)


def test_a_question_that_was_lost_is_asked_again() -> None:
    """A fill that only a list brought, of an order that nobody here knows."""
    manager = binance_manager()
    manager.hear([FILL], NOW, source="rest")
    question = manager.calls.pop()
    assert question.purpose is Purpose.QUERY
    manager.hear([FILL], NOW, source="rest")
    assert manager.calls == []  # it is under way
    manager.answered(question, Answer(Outcome.AMBIGUOUS), NOW)
    manager.hear([FILL], NOW, source="rest")
    question = manager.calls.pop()
    row = OrderTold(
        SYMBOL, "web_1", "77", OrderState.FILLED, NOW, side=Side.BUY, type=OrderType.MARKET,
        size=10, filled=10,
    )  # fmt: skip
    manager.answered(question, Answer(Outcome.DONE, (row,)), NOW)
    assert [out.fill for out in manager.outs if isinstance(out, FillOut)] == [FILL]
    assert manager.positions[SYMBOL, PositionSide.BOTH] == 10
    assert manager.unmatched == {}
    assert manager.open == {}
