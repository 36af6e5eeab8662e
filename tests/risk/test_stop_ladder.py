"""Where stops rest and of which sizes: the levels, what is legal, and what is never loosened."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape.model import catalogue
from onetape.model.enums import OrderType, Side, TriggerBy, TriggerKind
from onetape.model.order import OrderSpec
from onetape.options.guardian_rules import DISTANCES
from onetape.orders.filters import keeps_rules
from onetape.risk.stop_ladder import LevelShares, distance_of, ladder_of, needs_ladder, protectable

BTC = catalogue.find("binance:BTC/USDT:USDT")
ENTRY = Fraction(100_000 * 10**BTC.price_decimals)


def coarse(**facts: str):
    """An instrument whose quantities have no decimals. facts: of Instrument, as text."""
    plain = {"lot": "1", "market_lot": "1", "size_min": "1", "market_size_min": "1"}
    plain |= {"market_size_max": "0", "size_max": "0", **facts}
    numbers = {name: Decimal(text) for name, text in plain.items()}
    return msgspec.structs.replace(BTC, size_decimals=0, **numbers)


def prices(ladder) -> list[Decimal]:
    return [BTC.price(rung.trigger) for rung in ladder.rungs]


@pytest.mark.parametrize(
    ("sign", "expected"),
    [(1, [95_000, 94_500, 94_000, 93_500, 93_000]), (-1, [105_000, 105_500, 106_000, 106_500, 107_000])],
)
def test_a_fifth_rests_at_each_level(sign, expected):
    ladder = ladder_of(BTC, sign * 1000, ENTRY, DISTANCES)
    assert prices(ladder) == expected
    assert [rung.size for rung in ladder.rungs] == [200] * 5 and ladder.left == 0


@pytest.mark.parametrize(
    ("qty", "sizes"),
    [
        (12, [2, 2, 2, 2, 4]),  # the last one takes the remainder
        (6, [1, 1, 1, 1, 2]),
        (4, [1, 1, 1, 1]),  # fewer slices where a share would be nothing
        (2, [1, 1]),
        (1, [1]),
    ],
)
def test_shares_are_whole_lots(qty, sizes):
    assert [rung.size for rung in ladder_of(coarse(), qty, ENTRY, DISTANCES).rungs] == sizes


def test_a_share_above_the_greatest_market_order_is_pieces():
    ladder = ladder_of(coarse(market_size_max="30"), 503, ENTRY, DISTANCES)
    assert sum(rung.size for rung in ladder.rungs) == 503
    assert max(rung.size for rung in ladder.rungs) <= 30
    assert {rung.rank for rung in ladder.rungs} == {0, 1, 2, 3, 4}


def test_less_than_the_venue_trades_has_no_stop():
    ladder = ladder_of(coarse(market_size_min="5"), 4, ENTRY, DISTANCES)
    assert (ladder.rungs, ladder.left) == ((), 4)
    assert ladder_of(coarse(lot="10", market_lot="10"), 25, ENTRY, DISTANCES).left == 5


@pytest.mark.parametrize(
    ("protected", "size", "needs"),
    [
        (1000, 1001, False),
        (1000, 1060, True),
        (1000, 1052, False),
        (1000, 1053, True),
        (1060, 1000, True),
        (0, 1, True),
    ],
)
def test_a_ladder_is_made_anew_when_it_is_off_by_more_than_a_twentieth(protected, size, needs):
    assert needs_ladder(protected, size) is needs


@pytest.mark.parametrize("sign", [1, -1])
def test_levels_beyond_the_liquidation_price_are_moved_inside(sign):
    liquidation = ENTRY * (1 - sign * Fraction("0.058"))
    ladder = ladder_of(BTC, sign * 1000, ENTRY, DISTANCES, liquidation=liquidation)
    assert ladder.moved == (1, 2, 3, 4)  # the farthest a tenth of the way inside, at 5.22 %: the second one, too
    triggers = [rung.trigger * sign for rung in ladder.rungs]
    assert len(set(triggers)) == 5 and triggers == sorted(triggers, reverse=True)
    assert triggers[-1] - liquidation * sign >= (ENTRY - liquidation) * sign / 10


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("leverage", [10, 20, 50, 100])
def test_a_ladder_whose_levels_are_all_beyond_the_liquidation_price_is_one_all_the_same(sign, leverage):
    liquidation = ENTRY * (1 - sign * Fraction(1, leverage) * Fraction(9, 10))
    rungs = ladder_of(BTC, sign * 1000, ENTRY, DISTANCES, liquidation=liquidation).rungs
    assert len({rung.trigger for rung in rungs}) == 5
    assert all((rung.trigger - liquidation) * sign > 0 and (ENTRY - rung.trigger) * sign > 0 for rung in rungs)


def test_a_liquidation_price_on_the_other_side_moves_nothing():
    """A position that cannot be liquidated has one that is no bound, or none."""
    assert ladder_of(BTC, 1000, ENTRY, DISTANCES, liquidation=ENTRY * 2).moved == ()


@given(
    qty=st.integers(-(10**6), 10**6).filter(bool),
    entry=st.integers(10**5, 10**7),
    other=st.integers(10**5, 10**7),
    lot=st.sampled_from(["0.001", "0.003", "0.1"]),
    market_lot=st.sampled_from(["0", "0.002", "0.05"]),
    most=st.sampled_from(["0", "7", "120"]),
)
def test_a_ladder_is_legal_whole_and_never_looser(qty, entry, other, lot, market_lot, most):
    facts = {"lot": Decimal(lot), "market_lot": Decimal(market_lot), "market_size_max": Decimal(most)}
    instrument = msgspec.structs.replace(BTC, size_min=Decimal("0.001"), market_size_min=Decimal(0), **facts)
    sign = 1 if qty > 0 else -1
    first = ladder_of(instrument, qty, Fraction(entry, 3), DISTANCES)
    assert sum(rung.size for rung in first.rungs) == protectable(instrument, qty) <= abs(qty)
    for rung in first.rungs:
        spec = OrderSpec(
            symbol=instrument.symbol,
            side=Side.SELL if qty > 0 else Side.BUY,
            size_int=rung.size,
            type=OrderType.MARKET,
            trigger_int=rung.trigger,
            trigger_by=TriggerBy.LAST,
            trigger_kind=TriggerKind.STOP,
            reduce_only=True,
        )
        assert keeps_rules(spec, instrument, 0), rung
        assert distance_of(Fraction(entry, 3), rung.trigger, qty) <= Fraction(DISTANCES[rung.rank])
    floors = {rung.rank: rung.trigger for rung in first.rungs}
    for rung in ladder_of(instrument, qty, Fraction(other, 3), DISTANCES, floors=floors).rungs:
        if rung.rank in floors:
            assert (rung.trigger - floors[rung.rank]) * sign >= 0


@pytest.mark.parametrize(
    ("base", "qty", "working", "passed", "close"),
    [
        (1000, 1000, 1000, 2, 0),  # the stops see to it
        (1000, 1000, 0, 0, 0),  # no level is passed
        (1000, 1000, 0, 1, 200),
        (1000, 1000, 0, 5, 1000),
        (1000, 600, 0, 2, 0),  # what lies beyond has gone already
        (1000, 600, 0, 3, 200),
        (1000, -1000, 800, 1, 200),  # one stop is missing: no more than that
        (1000, 1000, 1000, 5, 0),
    ],
)
def test_beyond_a_level_without_a_stop_its_share_is_closed(base, qty, working, passed, close):
    assert LevelShares(base).close(qty, working, passed, 5) == close


def test_what_something_else_takes_off_is_shared_by_the_levels_that_are_left_and_each_fires_once():
    shares, qty = LevelShares(), 0

    def holds(new: int) -> int:
        nonlocal qty
        shares.hold(new, qty)
        qty = new
        return qty

    holds(1000)
    holds(500)  # a target has taken its share
    assert [shares.close(500, 0, passed, 5) for passed in (0, 1)] == [0, 100]
    holds(400)
    assert [shares.close(400, 0, passed, 5) for passed in (0, 1, 0, 1)] == [0] * 4  # the price comes and goes
    holds(301)  # a robot has sold
    assert shares.close(301, 0, 1, 5) == 0 and shares.close(301, 0, 2, 5) == 301 - 377 * 3 // 5
    holds(2000)
    assert shares.close(2000, 0, 1, 5) == 400
    holds(-50)
    assert shares.close(-50, 0, 1, 5) == 10


def test_levels_that_the_price_has_passed_have_no_stop():
    ladder = ladder_of(BTC, 1000, ENTRY, DISTANCES, price=int(ENTRY * Fraction("0.942")))
    assert [(rung.rank, rung.size) for rung in ladder.rungs] == [(2, 333), (3, 333), (4, 334)]
    assert not ladder_of(BTC, 1000, ENTRY, DISTANCES, price=int(ENTRY * Fraction("0.92"))).rungs
