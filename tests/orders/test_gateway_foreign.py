"""What other hands did: asked for until it is known, then booked."""

from __future__ import annotations

import pytest

from onetape.model.enums import Liquidity, OrderNews, OrderState, OrderType, PositionSide, Side
from onetape.orders.calls import Purpose
from onetape.orders.managed import FillOut
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import FillReport, OrderStatusReport
from orders.binance_manager import NOW, SYMBOL, binance_manager

FILL = FillReport(SYMBOL, "", "77", 5, Side.BUY, PositionSide.BOTH, 600_000, 10, NOW, 0, "USDT", Liquidity.TAKER)


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
    row = OrderStatusReport(
        SYMBOL, "web_1", "77", OrderState.FILLED, NOW, side=Side.BUY, type=OrderType.MARKET, size=10, filled=10
    )
    manager.answered(question, Answer(Outcome.DONE, (row,)), NOW)
    assert [out.fill for out in manager.outs if isinstance(out, FillOut)] == [FILL]
    assert manager.positions[SYMBOL, PositionSide.BOTH] == 10
    assert manager.unmatched == {}
    assert not manager.open


def word(state: OrderState, filled: int, news: OrderNews | None = None) -> OrderStatusReport:
    return OrderStatusReport(
        SYMBOL,
        "settlement_autoclose-1",
        "77",
        state,
        NOW,
        news=news,
        side=Side.BUY,
        type=OrderType.MARKET,
        size=10,
        filled=filled,
    )


TAKEN = word(OrderState.ACCEPTED, 0, OrderNews.ACCEPTED)
HALF = word(OrderState.PARTIALLY_FILLED, 5)
WHOLE = word(OrderState.PARTIALLY_FILLED, 10)  # Kraken's last trade: that it is over comes apart
OVER = word(OrderState.FILLED, 10)


@pytest.mark.parametrize(
    "said",
    [
        (TAKEN, OVER),
        (TAKEN, HALF, OVER),
        (HALF, OVER),
        (OVER,),
        (TAKEN, HALF, WHOLE),
        (HALF, WHOLE),
        (WHOLE,),
        (TAKEN, OVER, OVER),
        (TAKEN, WHOLE, OVER),
    ],
)
def test_an_order_that_the_venue_or_other_hands_made_ends_with_the_last_of_it(said) -> None:
    manager = binance_manager()
    for each in said:
        manager.hear([each], NOW)
        assert bool(manager.open) is (each.filled < each.size)
    assert manager.orders["settlement_autoclose-1"].state is OrderState.FILLED
    assert manager.counts == {}
