"""The confirmed price: what one wrong message tells never counts, and what the market tells counts soon."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape.market.confirmed_price import ALONE, FRESH, SETTLES, SILENT, ConfirmedPrice, PriceKind
from onetape.model.time import MS, SECOND

QUOTE, MARK, TRADE = PriceKind.QUOTE, PriceKind.MARK, PriceKind.TRADE
START, LOW = 100_000, 90_000


class Prices:
    """A confirmed price and its clock."""

    def __init__(self) -> None:
        self.of, self.now = ConfirmedPrice(), 0

    def tell(self, *kinds: PriceKind, price: int = START, is_new: bool = True) -> None:
        for kind in kinds:
            self.of.take(kind, price, self.now, is_new=is_new)

    def wait(self, ns: int) -> Prices:
        self.now += ns
        return self

    def run(self, ns: int, *kinds: PriceKind, price: int = START, every: int = 100 * MS) -> None:
        for _ in range(ns // every):
            self.wait(every).tell(*kinds, price=price)

    def now_of(self, kind: PriceKind) -> int:
        return self.of.of(kind, self.now)

    def confirmed_after(self, kind: PriceKind, price: int, *, at_most: int) -> int:
        """Looks each 10 ms; at_most: ns."""
        began = self.now
        while abs(self.now_of(kind) - price) > START // 200:
            assert self.wait(10 * MS).now - began <= at_most, self.now_of(kind)
        return self.now - began


def usual(*kinds: PriceKind) -> Prices:
    prices = Prices()
    prices.run(4 * SECOND, *kinds)
    return prices


@pytest.mark.parametrize("also", [(), (MARK,), (TRADE,), (MARK, TRADE)])
@pytest.mark.parametrize("price", [LOW, 110_000, 1, 10**9])
@pytest.mark.parametrize("count", [1, 3])
def test_wrong_quotes_at_one_moment_never_count(also, price, count):
    prices = usual(QUOTE, *also)
    prices.tell(*[QUOTE] * count, price=price)
    for _ in range(20):
        assert prices.now_of(QUOTE) == START
        prices.wait(10 * MS)
    for _ in range(20):
        prices.run(100 * MS, QUOTE, *also)
        assert prices.now_of(QUOTE) == START


@pytest.mark.parametrize("kind", [QUOTE, MARK])
def test_a_wrong_price_that_stands_does_not_count_while_another_kind_tells_the_right_one(kind):
    other = MARK if kind is QUOTE else QUOTE
    prices = usual(QUOTE, MARK)
    prices.tell(kind, price=LOW)
    for _ in range(90):
        prices.wait(100 * MS).tell(other)
        assert (prices.now_of(kind), prices.now_of(other)) == (START, START)


def test_one_wrong_message_that_stands_alone_counts_after_ten_times_as_long():
    prices = usual(QUOTE)
    prices.tell(QUOTE, price=LOW)
    took = prices.confirmed_after(QUOTE, LOW, at_most=4 * SECOND)
    assert took >= (ALONE - 1) * SETTLES


def test_a_message_that_is_told_again_is_no_second_one_and_keeps_its_price_fresh():
    prices = usual(QUOTE)
    prices.tell(QUOTE, price=LOW)
    for _ in range(20):
        prices.wait(100 * MS).tell(QUOTE, price=LOW, is_new=False)
        assert prices.now_of(QUOTE) == START
    prices = usual(QUOTE)
    for _ in range(30):
        prices.wait(SECOND).tell(QUOTE, is_new=False)
    assert prices.now_of(QUOTE) == START


@pytest.mark.parametrize(
    ("kinds", "most"),
    [((QUOTE, TRADE), 0), ((QUOTE, MARK), 0), ((MARK, TRADE), 0), ((QUOTE,), 400 * MS)],
    ids=["quotes and trades", "quotes and marks", "marks and trades", "quotes alone"],
)
def test_a_real_fall_counts_at_once_by_two_kinds_and_within_a_second_by_one(kinds, most):
    prices = usual(*kinds)
    prices.tell(*kinds, price=LOW)
    prices.wait(100 * MS).tell(*kinds, price=LOW)
    assert prices.confirmed_after(kinds[0], LOW, at_most=SECOND) <= most


def test_a_fall_of_many_steps_counts_as_it_goes_on():
    prices, price = usual(QUOTE), START
    for _ in range(20):  # 2 % each 100 ms: 33 % in two seconds
        price = price * 98 // 100
        prices.wait(100 * MS).tell(QUOTE, price=price)
        assert prices.now_of(QUOTE) <= price * 115 // 100
    prices.run(SETTLES + 200 * MS, QUOTE, price=price)
    assert prices.now_of(QUOTE) == price


def test_a_fall_that_quotes_alone_tell_counts_though_marks_do_not_follow():
    prices = usual(QUOTE, MARK)
    for n in range(40):
        prices.wait(100 * MS).tell(QUOTE, price=LOW)
        prices.tell(*([MARK] if n % 10 == 0 else []))
        if n < 25:
            assert prices.now_of(QUOTE) == START
    assert prices.now_of(QUOTE) == LOW and prices.now_of(MARK) == START


def test_kinds_that_are_silent_dispute_nothing():
    prices = usual(QUOTE, MARK)
    prices.wait(FRESH + MS)
    prices.run(SECOND, QUOTE, price=LOW)
    assert prices.now_of(QUOTE) == LOW


@pytest.mark.parametrize("kind", [QUOTE, MARK])
def test_trades_alone_are_no_price_and_the_first_message_alone_neither(kind):
    prices = Prices()
    prices.run(2 * SECOND, TRADE)
    assert not prices.now_of(kind)
    prices = Prices()
    prices.tell(kind)
    assert not prices.now_of(kind)
    prices.wait(SETTLES).tell(kind)
    assert prices.now_of(kind) == START


def test_what_is_stale_or_forgotten_is_no_price():
    prices = usual(QUOTE, MARK)
    assert prices.wait(SILENT).now_of(QUOTE) == START
    assert not prices.wait(1).now_of(QUOTE)
    prices = usual(QUOTE, MARK)
    prices.of.forget()
    assert not prices.now_of(QUOTE)


def test_two_kinds_that_disagree_from_the_start_are_no_price():
    prices = Prices()
    prices.tell(QUOTE)
    prices.tell(MARK, price=LOW)
    assert not prices.now_of(QUOTE) and not prices.now_of(MARK)


@given(st.integers(0, 2**32), st.booleans())
def test_in_a_market_without_jumps_the_newest_price_counts(seed, has_marks):
    chance, prices = random.Random(seed), Prices()
    price = START
    prices.tell(QUOTE)
    prices.wait(SETTLES).tell(QUOTE)
    for _ in range(300):
        price = int(price * (1 + chance.gauss(0, 0.0004)))
        prices.wait(int(chance.expovariate(20) * SECOND)).tell(QUOTE, price=price)
        if has_marks:
            prices.tell(MARK, price=price + 10)
        assert abs(prices.now_of(QUOTE) - price) * 100 <= price


@given(st.integers(0, 2**32))
def test_wrong_messages_among_right_ones_never_move_it(seed):
    chance, prices = random.Random(seed), usual(QUOTE)
    for _ in range(200):
        for _ in range(chance.randrange(3)):
            prices.wait(int(chance.uniform(0.001, 0.1) * SECOND))
            prices.tell(QUOTE, price=chance.choice((START // 2, LOW, 2 * START)))
            assert prices.now_of(QUOTE) == START
        prices.wait(int(chance.uniform(0.001, 0.09) * SECOND)).tell(QUOTE)
        assert prices.now_of(QUOTE) == START


def test_a_clock_that_is_set_back_keeps_the_price_and_another_one_settles_from_then_on():
    prices = usual(QUOTE)
    prices.now -= 3600 * SECOND
    prices.tell(QUOTE, price=LOW)
    assert prices.now_of(QUOTE) == START
    began = prices.now
    while prices.now_of(QUOTE) == START:
        assert prices.now - began < 2 * SETTLES
        prices.wait(20 * MS).tell(QUOTE, price=LOW)
    assert prices.now - began >= SETTLES
