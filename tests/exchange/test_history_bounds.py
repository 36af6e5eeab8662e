"""What a simulated exchange keeps does not grow with the orders that were ever made."""

from __future__ import annotations

import gc
from collections import Counter

import pytest

from onetape.exchange import account, conditional
from onetape.exchange.account import SimOrder
from onetape.exchange.conditional import Conditional, NewConditional
from onetape.exchange.order_entry import NewOrder
from onetape.exchange.venues import Crowd, open_venue
from onetape.model.enums import OrderType, PositionSide, Side, TimeInForce, TriggerBy
from onetape.model.time import SECOND

NOW = 1_795_000_000 * 10**9
KEPT = 20


class Desk:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("UNFILLED_MAX", "FILLED_MAX"):
            monkeypatch.setattr(account, name, KEPT)
        monkeypatch.setattr(conditional, "CLOSED_MAX", KEPT)
        dialect = open_venue("binance-usdm", seed=5, now=NOW, limits=False, market=Crowd(rate=0.5))
        self.exchange, self.account = dialect.exchange, dialect.exchange.accounts[0]
        self.last = self.exchange.listings[0].last
        self.number = 0

    @property
    def now(self) -> int:
        return self.exchange.now

    def _place(self, **terms):
        self.number += 1
        return self.exchange.orders.place(
            self.account, 0, self.now, NewOrder(size=10, client_id=f"n{self.number}", **terms)
        )

    def quote(self) -> SimOrder:
        """Placed and cancelled."""
        order = self._place(side=Side.BUY, type=OrderType.LIMIT, price=self.last * 9 // 10)
        self.exchange.orders.cancel(self.account, order, self.now)
        self.exchange.take()
        return order

    def trade(self) -> SimOrder:
        side = Side.SELL if self.account.qty(0) > 0 else Side.BUY
        order = self._place(side=side, type=OrderType.MARKET, tif=TimeInForce.IOC)
        self.exchange.take()
        assert order.filled
        return order

    def stop(self, client_id: str = "") -> Conditional:
        """Placed and cancelled."""
        order = self.exchange.conditionals.place(
            self.account,
            self.now,
            NewConditional(
                client_id=client_id,
                index=0,
                type="STOP_MARKET",
                side=Side.SELL,
                position_side=PositionSide.BOTH,
                size=10,
                price=0,
                trigger=self.last // 2,
                by=TriggerBy.MARK,
                tif=TimeInForce.GTC,
            ),
        )
        self.exchange.conditionals.cancel(order, self.now)
        self.exchange.take()
        return order


@pytest.fixture
def desk(monkeypatch) -> Desk:
    return Desk(monkeypatch)


def objects(desk: Desk) -> Counter[str]:
    """That live on because of this exchange."""
    gc.collect()
    return Counter(
        type(each).__name__
        for each in gc.get_objects()
        # `isinstance` would ask what a weak reference stands for, which may be gone.
        if type(each) in (SimOrder, Conditional) and each.account is desk.account
    )


def test_orders_that_ended_are_forgotten_beyond_their_bound(desk):
    for _ in range(10 * KEPT):
        desk.quote()
        desk.stop()
    assert objects(desk) == {"SimOrder": KEPT, "Conditional": KEPT}
    assert len(desk.account.by_id) == len(desk.account.by_client_id) == KEPT
    assert len(desk.exchange.conditionals.by_id) == KEPT


def test_quotes_push_no_filled_order_out(desk):
    filled = [desk.trade() for _ in range(3)]
    for _ in range(2 * KEPT):
        desk.quote()
    assert [desk.account.by_id.get(order.id) for order in filled] == filled
    assert [order for order in desk.account.closed if order.filled] == filled
    ended = [order.updated for order in desk.account.closed]
    assert ended == sorted(ended)


def test_an_order_without_a_fill_is_forgotten_after_a_time_a_filled_one_later(desk, monkeypatch):
    assert account.UNFILLED_NS < account.FILLED_NS
    monkeypatch.setattr(account, "UNFILLED_NS", SECOND)
    quoted, filled = desk.quote(), desk.trade()
    desk.exchange.advance_unheard(desk.now + SECOND + 1)
    desk.quote()
    assert desk.account.by_id.get(quoted.id) is None
    assert desk.account.by_client_id.get(quoted.client_id) is None
    assert desk.account.by_id[filled.id] is filled


def test_a_name_used_again_is_not_forgotten_with_the_first_that_had_it(desk):
    desk.stop("mine")
    for _ in range(KEPT - 1):
        desk.stop()
    newer = desk.stop("mine")
    desk.stop()
    found = desk.exchange.conditionals.by_client_id[desk.account.number, "mine"]
    assert found is newer
