"""Own impact on a recorded market: the square-root law, worked by hand, and that nobody earns by pushing."""

from __future__ import annotations

import math
from typing import Any

import pytest
from exchange_world import ONE, USDT, Recorded, linear
from hypothesis import given
from hypothesis import strategies as st

FAR = 10**12  # a half-life beyond any table: nothing decays
START = 121


def law(coefficient: float = 1.0, permanent: float = 0.0, half_life: int = FAR) -> tuple[float, float, int, int]:
    """Samples of 10 ns."""
    return coefficient, permanent, half_life, 600


def measured(world: Recorded) -> Recorded:
    """Twelve samples: eleven moves of 4 and as often a volume of 16. The root of one unit moves the market by
    1 = sqrt(11 * 4^2 / (11 * 16)), times the coefficient. The next line happens at 121."""
    for number in range(12):
        low = 100 + 4 * (number % 2)
        world.step(f"at {5 + 10 * number} quote {low} {low + 1} 50 50")
        if number:
            world.step(f"at {6 + 10 * number} trade {low} x16")
    world.now = START - 1
    return world


TABLES = {
    "each taker finds the market moved by the root of what was taken": """
        quote 100 101 50 50
        buy#1 market x4               -> accepted, fill 4@101 taker
        buy#2 market x5               -> accepted, fill 5@103 taker      // sqrt(4)
        buy#3 market x7               -> accepted, fill 7@104 taker      // sqrt(9)
        buy#4 market x1               -> accepted, fill 1@105 taker      // sqrt(16)
    """,
    "a pushed price never serves the one who pushed it": """
        quote 100 101 50 50
        buy#1 market x9               -> accepted, fill 9@101 taker
        sell#2 market x9              -> accepted, fill 9@100 taker      // three ticks up, and no better bid
        buy#3 market x1               -> accepted, fill 1@101 taker      // and now it is where it was
        sell#4 market x10             -> accepted, fill 10@100 taker
        sell#5 market x1              -> accepted, fill 1@97 taker       // nine sold
    """,
    "what is not shown is paid for at the average of the way": """
        quote 100 101 4 4
        buy#1 market x36              -> accepted, fill 4@101 taker, fill 32@106 taker   // 102 + 2/3 (6^3-2^3)/32
    """,
    "a quote without sizes is such a price": """
        quote 100 101
        buy#1 market x36              -> accepted, fill 36@105 taker     // 2/3 of 6
    """,
    "a limit takes as long as the last unit is within it, and rests": """
        quote 100 101 4 4
        buy#1 limit 105 x36           -> accepted, fill 4@101 taker, fill 8@105 taker
    """,
    "a whole order is not filled in part": """
        quote 100 101 4 4
        buy#1 limit 105 x36 FOK       -> accepted, canceled
        buy#2 limit 105 x12 FOK       -> accepted, fill 4@101 taker, fill 8@105 taker
    """,
    "levels of the book are moved as one": """
        book 100:5 99:7 | 101:4 102:5 103:9
        buy#1 market x4               -> accepted, fill 4@101 taker
        buy#2 limit 104 x6 IOC        -> accepted, fill 5@104 taker, canceled   // 102 + 2; 103 + 2 is too much
        change 98:1 |
        sell#3 market x3              -> accepted, fill 3@100 taker
    """,
    "a bid that was pushed away from is met only by what comes as far": """
        quote 100 101 50 50
        buy#1 market x9               -> accepted, fill 9@101 taker
        buy#2 limit 98 x5             -> accepted
        quote 97 98 50 50
        quote 95 96 50 50
        quote 94 95 50 50             -> #2 fill 5@98 maker              // 95 + 3
    """,
    "and by prints that go through": """
        quote 100 101 50 50
        buy#1 market x9               -> accepted, fill 9@101 taker
        buy#2 limit 98 x5             -> accepted
        trade 98 x50 sell
        trade 95 x50 sell                                                // 95 + 3 is its price: who stands there?
        trade 94 x50 sell             -> #2 fill 5@98 maker
    """,
    "an ask is not filled any sooner": """
        quote 100 101 50 50
        buy#1 market x9               -> accepted, fill 9@101 taker
        sell#2 limit 103 x5           -> accepted
        trade 102 x50 buy                                                // 105 for who pushed
        trade 104 x4 buy              -> #2 fill 4@103 maker
        quote 103 104 50 50           -> #2 fill 1@103 maker
    """,
    "what own trades kept from taking is a taker when the market comes back": """
        quote 100 101 50 50
        buy#1 market x9               -> accepted, fill 9@101 taker
        buy#2 limit 102 x5            -> accepted                        // the ask is at 104 for it
        quote 98 99 50 50             -> #2 fill 5@102 taker
    """,
    "a stop is met by own selling, a take-profit is not": """
        trade 100 x1
        quote 100 101 50 50
        sell#1 market x1 stop=97      -> accepted
        sell#2 market x1 take=103     -> accepted
        sell#3 market x9              -> accepted, fill 9@100 taker
        trade 103 x1                                                     // 103 - 3
        trade 100 x1                  -> #1 triggered, #1 fill 1@97 taker
        trade 106 x1                  -> #2 triggered, #2 fill 1@97 taker
    """,
    "a mark comes from elsewhere": """
        mark 100
        quote 100 101 50 50
        sell#1 market x1 stop=97/mark -> accepted
        sell#2 market x9              -> accepted, fill 9@100 taker
        mark 98
        mark 97                       -> #1 triggered, #1 fill 1@97 taker
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_worked_by_hand(name: str) -> None:
    measured(Recorded(impact=law())).run(TABLES[name])


def test_the_displacement_halves_in_a_half_life() -> None:
    world = measured(Recorded(impact=law(half_life=100)))
    world.run("""
        quote 100 101 50 50
        buy#1 market x16              -> accepted, fill 16@101 taker
        at 222 buy#2 market x1        -> accepted, fill 1@103 taker
    """)
    later = measured(Recorded(impact=law(half_life=1)))
    later.run("""
        quote 100 101 50 50
        buy#1 market x16              -> accepted, fill 16@101 taker
        at 150 buy#2 market x1        -> accepted, fill 1@101 taker
    """)


def test_the_permanent_part_stays_while_the_position_is_held() -> None:
    world = measured(Recorded(impact=law(permanent=0.5, half_life=1)))
    world.run("""
        quote 100 101 50 50
        buy#1 market x16              -> accepted, fill 16@101 taker
        at 200 buy#2 market x1        -> accepted, fill 1@103 taker      // half of sqrt(16)
        sell#3 market x17             -> accepted, fill 17@100 taker
        at 300 buy#4 market x1        -> accepted, fill 1@101 taker      // flat again
    """)


def test_nothing_moves_before_volatility_and_volume_are_known() -> None:
    world = Recorded(impact=law())
    world.run("""
        quote 100 101 50 50
        buy#1 market x9               -> accepted, fill 9@101 taker
        buy#2 market x9               -> accepted, fill 9@101 taker
    """)
    assert (world.core.counters()["impact_unmeasured"], world.core.counters()["impact_fills"]) == (2, 0)
    assert world.core.pushed_fills() == []


def test_a_run_without_the_law_is_as_it_was() -> None:
    world = measured(Recorded())
    world.run("""
        quote 100 101 4 4
        buy#1 market x36              -> accepted, fill 4@101 taker, fill 32@102 taker
        buy#2 market x4               -> accepted, fill 4@102 taker
    """)
    assert world.core.impact_cost() == 0


def test_what_is_to_come_moves_nothing_now() -> None:
    """The sample in hand, the trade of this moment and all later ones: two futures, one price."""
    paid = []
    for future in ("trade 100 x100000", "quote 500 501 50 50"):
        world = measured(Recorded(impact=law()))
        world.step("quote 100 101 50 50")
        world.step("buy#1 market x9")
        if future.startswith("quote"):
            world.step(future)
            world.step("quote 100 101 50 50")
        else:
            world.step(future)
        paid.append(world.step("buy#2 market x1"))
    assert paid == ["#2 accepted, #2 fill 1@104 taker"] * 2


def test_bars_say_both_at_their_end() -> None:
    """Twelve bars: moves of 4 at a volume of 16 each, but for the first, which has neither."""
    world = Recorded(impact=law(), bar_volume_share=1_000_000)
    world.step("bar 0-10 100 100 100 100 0")
    for number in range(1, 12):
        close = 100 + 4 * (number % 2)
        world.step(f"bar {10 * number}-{10 * number + 10} {close} {close} {close} {close} 16")
    world.run("""
        buy#1 market x36              -> accepted
        bar 120-130 100 104 100 104 1000   -> #1 fill 36@104 taker      // 2/3 of 6
        buy#2 limit 99 x4             -> accepted
        bar 130-140 104 104 98 100 1000                                  // 98 + 6 does not go through
        bar 140-150 100 100 92 100 1000    -> #2 fill 4@99 maker
    """)


def test_costs_are_counted_at_the_price_without() -> None:
    world = measured(Recorded(impact=law()))
    world.step("quote 100 101 50 50")
    for order in ("buy#1 market x4", "buy#2 market x5"):
        world.step(order)
    assert world.core.impact_cost() == 5 * 2 * ONE
    assert world.core.pushed_fills() == [(0, 2, 101)]
    assert world.core.counters()["impact_fills"] == 1


def test_prices_do_not_fall_to_nothing() -> None:
    world = measured(Recorded(linear(), impact=law(coefficient=100.0)))
    world.step("quote 100 101 50 50")
    world.step("sell#1 market x49")
    assert world.step("sell#2 market x1") == "#2 accepted, #2 fill 1@1 taker"


# --- nobody earns by pushing -----------------------------------------------------------------------

ORDERS = st.lists(
    st.tuples(st.sampled_from(["buy", "sell"]), st.integers(1, 60), st.integers(0, 40), st.integers(0, 3)),
    min_size=1,
    max_size=14,
)
LAWS = st.tuples(
    st.floats(0.05, 20), st.sampled_from([0.0, 0.3, 1.0]), st.sampled_from([1, 7, 60, 10**6]), st.just(600)
)
QUOTES = st.sampled_from(
    ["quote 100 101 50 50", "quote 100 101", "quote 100 101 4 7", "book 100:9 99:20 | 101:5 102:30"]
)


def traded(impact: tuple[float, float, int, int] | None, quote: str, orders: list[Any]) -> Recorded:
    """Orders at chosen times in a market that stands still, then all that is held is closed."""
    options = {"impact": impact} if impact else {}
    world = measured(Recorded(check_funds=False, **options))
    for number, (side, size, wait, limit) in enumerate(orders, 1):
        world.now += wait
        world.step(quote)  # the market as it was recorded: it stands still
        price = 101 + limit if side == "buy" else 100 - limit
        world.step(f"{side}#{number} {f'limit {price}' if limit else 'market'} x{size}")
    for number in range(1, len(orders) + 1):
        world.step(f"cancel#{number}")
    at = 1000
    while held := world.core.account.position(0, "both").qty:
        world.step(quote)
        world.step(f"{'sell' if held > 0 else 'buy'}#{at} market x{abs(held)}")
        at += 1
    return world


@given(law_=LAWS, quote=QUOTES, orders=ORDERS)
def test_a_round_trip_in_a_market_that_stands_still_never_earns(law_: Any, quote: str, orders: list[Any]) -> None:
    """Whatever is pushed, waited for and traded back: no price manipulation."""
    world = traded(law_, quote, orders)
    assert world.core.account.balance(USDT) <= 10**9 * ONE


@given(law_=LAWS, quote=QUOTES, orders=ORDERS)
def test_no_fill_is_better_than_the_recorded_market(law_: Any, quote: str, orders: list[Any]) -> None:
    """Every fill is at the recorded price or at a worse one, and what that cost is what was counted."""
    fills: list[dict[str, Any]] = []
    world = measured(Recorded(check_funds=False, impact=law_))
    for number, (side, size, wait, limit) in enumerate(orders, 1):
        world.now += wait + 1
        world.step(quote)
        request = {"order_id": number, "side": side, "size": size, "type": "limit" if limit else "market"}
        if limit:
            request["price"] = 101 + limit if side == "buy" else 100 - limit
        found = world.core.request(world.now, 0, **request)
        fills += [e for e in found if e["event"] == "fill"]
        world.step(f"cancel#{number}")
    recorded = {trade: price for _, trade, price in world.core.pushed_fills()}
    for fill in fills:
        was = recorded.get(fill["trade_id"], fill["price"])
        assert fill["price"] >= max(was, 101) if fill["side"] == "buy" else fill["price"] <= min(was, 100)
    cost = sum(abs(f["price"] - recorded[f["trade_id"]]) * f["size"] for f in fills if f["trade_id"] in recorded)
    assert world.core.impact_cost() == cost * ONE


@given(size=st.integers(2, 200), parts=st.integers(2, 12), coefficient=st.floats(0.1, 10))
def test_cutting_an_order_into_pieces_saves_nothing(size: int, parts: int, coefficient: float) -> None:
    """Of one moment: the pieces pay for the way as the whole does, but for half a tick of rounding each."""

    def cost(sizes: list[int]) -> int:
        world = measured(Recorded(check_funds=False, impact=law(coefficient)))
        for number, each in enumerate(sizes, 1):
            world.core.quote(START, 100, 101)
            world.core.request(START, 0, order_id=number, side="buy", type="market", size=each)
        return world.core.impact_cost() // ONE

    pieces = [size // parts + (number < size % parts) for number in range(parts)]
    whole, cut = cost([size]), cost([each for each in pieces if each])
    assert abs(whole - cut) <= size
    expected = coefficient * 2 / 3 * size**1.5
    assert abs(whole - expected) <= size / 2 + 1e-6


@given(waits=st.lists(st.integers(1, 400), min_size=1, max_size=6), half_life=st.integers(1, 500))
def test_waiting_makes_a_later_taker_no_dearer(waits: list[int], half_life: int) -> None:
    paid = []
    for wait in sorted(waits):
        world = measured(Recorded(impact=law(half_life=half_life)))
        world.core.quote(START, 104, 105, 50, 50)
        world.core.request(START, 0, order_id=1, side="buy", type="market", size=49)
        found = world.core.request(START + wait, 0, order_id=2, side="buy", type="market", size=1)
        paid.append(found[-1]["price"])
        # Samples of a market that stood still come in beside: sigma falls, and so does this.
        assert paid[-1] <= 105 + math.floor(7 * 2 ** (-wait / half_life) + 0.5)
    assert paid == sorted(paid, reverse=True)
