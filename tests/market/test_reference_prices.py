"""Prices that orders are measured by: one wrong quote moves none, a market that moves has them follow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from onetape.market.confirmed_price import ALONE, NEAR, SETTLES, SILENT, ConfirmedPrice, PriceKind
from onetape.market.reference_prices import ReferencePrices
from onetape.model.time import MS, SECOND

SYMBOL, OTHER = "BTC/USDT", "ETH/USDT"
PRICE = 100_000


class Quotes:
    def __init__(self) -> None:
        self.prices: dict[str, int] = {}
        self.of, self.now = ReferencePrices(self.prices), 100 * SECOND

    def quote(self, price: int, symbol: str = SYMBOL) -> int:
        self.of.quoted(symbol, price, self.now)
        return self.prices[symbol]

    def run(self, ns: int, price: int, every: int = 20 * MS) -> None:
        for _ in range(ns // every):
            self.now += every
            self.quote(price)


def usual() -> Quotes:
    made = Quotes()
    made.run(4 * SECOND, PRICE)
    return made


def test_a_wrong_quote_moves_no_reference_and_nobody_elses():
    quotes = usual()
    quotes.quote(50, OTHER)
    for wrong in (PRICE // 2, PRICE * 2, PRICE * 1012 // 1000, PRICE * 988 // 1000):
        assert quotes.quote(wrong) == PRICE
        assert quotes.quote(wrong) == PRICE  # told twice at one moment
        quotes.of.look(quotes.now)
        quotes.now += 20 * MS
        assert quotes.quote(PRICE) == PRICE
    assert quotes.prices == {SYMBOL: PRICE, OTHER: 50}


def test_moves_within_a_percent_count_at_once_from_wherever_it_has_come_to():
    quotes, price = usual(), PRICE
    for _ in range(1000):
        price += price // NEAR
        assert quotes.quote(price) == price


def test_a_market_that_jumps_is_followed_after_it_has_stood():
    quotes = usual()
    began = quotes.now
    while quotes.quote(PRICE * 9 // 10) == PRICE:
        quotes.now += 20 * MS
    assert SETTLES <= quotes.now - began <= SETTLES * 3 // 2


def test_one_quote_that_nothing_follows_counts_after_a_while_without_another_and_is_looked_at_no_more():
    quotes = usual()
    quotes.quote(PRICE * 9 // 10)
    for waited in range(ALONE * SETTLES // (50 * MS)):
        assert quotes.prices[SYMBOL] == PRICE, waited
        quotes.now += 50 * MS
        quotes.of.look(quotes.now)
    assert quotes.prices[SYMBOL] == PRICE * 9 // 10
    quotes.now += SILENT * 2
    quotes.of.look(quotes.now)
    assert quotes.prices[SYMBOL] == PRICE * 9 // 10


def test_the_first_quote_and_the_first_after_a_silence_count_at_once():
    quotes = Quotes()
    assert quotes.quote(PRICE) == PRICE
    quotes.now += SILENT + 1
    assert quotes.quote(PRICE // 2) == PRICE // 2


def test_a_clock_that_is_set_back_leaves_it_following_its_market():
    quotes = usual()
    quotes.now -= 3600 * SECOND
    assert quotes.quote(PRICE + 1) == PRICE + 1
    quotes.run(5 * SECOND, PRICE * 9 // 10)
    assert quotes.prices[SYMBOL] == PRICE * 9 // 10


MOVES = st.sampled_from([0, 0, 0, 1, -1, 30, -30, 100, -100, 120, -120, 900, -900, 5000])
STEPS = st.lists(st.tuples(MOVES, st.sampled_from([0, 1, 5, 20, 74, 75, 300, 900, 3000, 11_000])), max_size=60)


@given(STEPS, st.booleans())
def test_it_is_within_a_percent_of_what_a_price_says_that_hears_every_quote(steps, returns):
    """moves: of the price, 1/10,000; returns: each jump is taken back by the next quote."""
    quotes, every = Quotes(), ConfirmedPrice()
    price = PRICE
    for move, wait in steps:
        quotes.now += wait * MS
        middle = max(price + price * move // 10_000, 100)
        price = price if returns else middle
        found = quotes.quote(middle)
        every.take(PriceKind.QUOTE, middle, quotes.now)
        wanted = every.of(PriceKind.QUOTE, quotes.now) or middle
        assert abs(found - wanted) * NEAR <= wanted
