"""What an instrument is worth when one side of its market is gone and nobody says another price:
the last mid at which both sides were there, as the tape has it and whoever looked at it then."""

from __future__ import annotations

import pytest
from exchange_world import ONE, Recorded

LOOK = "buy#9 limit 50 x1 -> accepted\ncancel#9 -> canceled\n"

GONE = {
    "a quote's bid": """
        quote 100 101 50 50
        {look}
        quote 110 112 50 50
        quote 0 112 0 50
        quote 0 114 0 50
    """,
    "depth's bids": """
        book 100:50 | 101:50
        {look}
        change 100:0 110:50 | 101:0 112:50
        change 110:0 |
        change | 112:0 114:50
    """,
    "a quote's, and then depth that never had them": """
        quote 100 101 50 50
        {look}
        quote 110 112 50 50
        book | 114:50
    """,
    "depth's, while quotes go on": """
        book 100:50 | 101:50
        {look}
        change 100:0 110:50 | 101:0 112:50
        quote 90 91 50 50
        change 110:0 | 112:0 114:50
    """,
    "orders'": """
        clear
        add 1 buy 100 x50
        add 2 sell 101 x50
        {look}
        add 3 buy 110 x50
        gone 2
        add 4 sell 112 x50
        gone 1
        gone 3
        gone 4
        add 5 sell 114 x50
    """,
}


@pytest.mark.parametrize("look", ["", LOOK], ids=["nobody looked", "an order looked"])
@pytest.mark.parametrize("words", GONE.values(), ids=GONE)
def test_the_last_mid_stands(words: str, look: str) -> None:
    """110 and 112 were last there together: ten bought at 114 have lost 30."""
    world = Recorded()
    world.run(words.format(look=look))
    world.run("buy#1 market x10 -> accepted, fill 10@114 taker")
    assert world.core.account.unrealized(0) == -30 * ONE


@pytest.mark.parametrize(
    ("said", "worth"), [("trade 105 x1", 105), ("bar 0-60 100 107 100 106", 106), ("mark 109", 109)]
)
def test_any_other_price_comes_first(said: str, worth: int) -> None:
    world = Recorded()
    world.run(f"""
        {said}
        quote 110 112 50 50
        quote 0 114 0 50
        buy#1 market x10 -> accepted, fill 10@114 taker
        quote 0 115 0 50
    """)
    assert world.core.account.unrealized(0) == (worth - 114) * 10 * ONE


def test_a_liquidation_goes_by_it_until_both_sides_are_back() -> None:
    """100 and a long of 10 at 111: nothing is lost at 110, all of it at 100."""
    world = Recorded(cash=100, leverage=20)
    world.run("""
        quote 109 111 500 500
        buy#1 market x10   -> accepted, fill 10@111 taker
        quote 0 102 0 500  ->
        quote 0 90 0 500   ->
        quote 88 90 500 500 -> #V1 fill 10@89 taker, insurance 120
    """)
