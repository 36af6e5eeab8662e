"""Orders that a guardian placed while no gateway ran: a gateway that meets them takes them over."""

from __future__ import annotations

from onetape.model.catalogue import find
from onetape.model.enums import OrderState, OrderType, PositionSide, Side
from onetape.model.ids import EPOCH_BITS, client_id_of_order, is_past_gateway, next_by_hand, parse_client_id
from onetape.orders.managed import FillOut
from onetape.orders.manager import OrderManager
from onetape.orders.reports import FillReport, OrderStatusReport
from onetape.venues.aster.family import ASTER
from onetape.venues.binance.family import BINANCE, Family
from onetape.venues.binance.trading import BinanceUsdmProtocol
from orders.surroundings import manager_at

BTC = find("binance:BTC/USDT:USDT")
NOW = 1_795_000_000 * 10**9
ID = next_by_hand(0, NOW, is_past_gateway=True)
NAME = client_id_of_order("mm", ID)


def manager(family: Family = BINANCE) -> OrderManager:
    protocol = BinanceUsdmProtocol("", "", family) if family is ASTER else BinanceUsdmProtocol("key", "secret")
    protocol.set_instruments([BTC])
    made = manager_at(protocol)

    def owner_of(name: str) -> tuple[int, int] | None:
        parsed = parse_client_id(name)
        return None if parsed is None else (3, parsed.order_id)

    made.owners.owner_of = owner_of
    return made


def row(state: OrderState, *, stop: bool, filled: int = 0, apart: bool = True) -> OrderStatusReport:
    return OrderStatusReport(
        BTC.symbol, NAME, "55", state, NOW, side=Side.SELL, type=OrderType.MARKET, size=10, filled=filled,
        trigger=500_000 if stop else 0, reduce_only=True, conditional=stop and apart,
    )  # fmt: skip


def fill(name: str = "") -> FillReport:
    return FillReport(BTC.symbol, name, "55", 1, Side.SELL, PositionSide.BOTH, 500_000, 10, NOW, 0, "USDT", "taker")


def test_a_stop_that_is_listed_becomes_a_protective_order_of_whose_part_it_is():
    for family, apart in ((BINANCE, True), (ASTER, False)):  # a service of their own, or among the other orders
        made = manager(family)
        made.hear([row(OrderState.ACCEPTED, stop=True, apart=apart)], NOW, source="rest")
        order = made.orders[NAME]
        assert (order.robot, order.order_id, order.state) == (3, ID, OrderState.ACCEPTED)
        assert order.is_protective and order.conditional is apart and not order.is_met
        assert not made.cancel_all(NOW)  # as any stop of the guardian's


def test_a_fill_of_one_that_nobody_has_met_waits_until_it_is_taken_over_and_is_booked_once():
    for name in ("", NAME):
        made = manager()
        made.hear([fill(name)], NOW)
        assert not [out for out in made.outs if isinstance(out, FillOut)]
        made.hear([row(OrderState.FILLED, stop=False, filled=10)], NOW, source="rest")
        made.hear([fill(name)], NOW)
        (booked,) = [out for out in made.outs if isinstance(out, FillOut)]
        assert booked.order is made.orders[NAME] and booked.order.robot == 3
        assert booked.order.state is OrderState.FILLED
        assert made.positions[BTC.symbol, PositionSide.BOTH] == -10


def test_orders_of_robots_are_not_taken_for_the_guardians():
    assert not is_past_gateway(1 << EPOCH_BITS | 1)
    assert not is_past_gateway(next_by_hand(0, NOW))
    by_hand = 36**3 << EPOCH_BITS  # as ids were before they came of the time
    assert is_past_gateway(by_hand | 1 << 31) and not is_past_gateway(by_hand | (1 << 31) - 1)
