"""What is typed as a price, and ladders: a row for each rule."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape.clients.by_hand_prices import Market, interval_of, needs_market, orders_of
from onetape.model.errors import StaleData, UsageError
from onetape.model.time import DAY, HOUR, MINUTE

MARKET = Market(Decimal("100.1"), Decimal("100.4"), Decimal("0.1"), Decimal("0.001"))
EXTREMES = {("low", 90 * MINUTE): Decimal("97.3"), ("high", 90 * MINUTE): Decimal("104.2")}


def orders(side="buy", qty="1", market=MARKET, **fields):
    return orders_of({"side": side, "qty": qty, **fields}, market, lambda *what: EXTREMES[what])


def prices(**fields):
    return [each.get("trigger") or each["price"] for each in orders(**fields)]


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({"price": "bid"}, ["100.1"]),
        ({"price": "ask"}, ["100.4"]),
        ({"price": "mid"}, ["100.2"]),  # a purchase is not dearer for it
        ({"side": "sell", "price": "mid"}, ["100.3"]),
        ({"price": "low:90m"}, ["97.3"]),
        ({"side": "sell", "price": "high:90m"}, ["104.2"]),
        ({"side": "sell", "trigger": "low:90m*0.995", "kind": "stop"}, ["96.8"]),  # 96.8135
        ({"side": "buy", "trigger": "high:90m*1.005", "kind": "stop"}, ["104.8"]),  # 104.721
        ({"side": "sell", "trigger": "high:90m*1.005", "kind": "take_profit"}, ["104.8"]),
        ({"price": "99.95"}, ["99.95"]),  # what is typed is not rounded
        ({"price": "99", "steps": 3, "every": "1%"}, ["99", "98", "97"]),  # 98.01 97.02
        ({"side": "sell", "price": "ask", "steps": 3, "every": "5ticks"}, ["100.4", "100.9", "101.4"]),
        ({"side": "sell", "trigger": "95", "kind": "stop", "steps": 2, "every": "0.5%"}, ["95", "94.5"]),
        ({"side": "buy", "trigger": "95", "kind": "take_profit", "steps": 2, "every": "1tick"}, ["95", "94.9"]),
        ({"price": "bid", "steps": 2}, ["100.1", "100.1"]),  # in slices at one price
    ],
)
def test_prices(fields, left):
    assert prices(**fields) == left


def test_a_trigger_and_its_limit_step_together():
    made = orders(side="sell", trigger="95", price="94", kind="stop", steps=2, every="1%")
    assert [(each["trigger"], each["price"]) for each in made] == [("95", "94"), ("94", "93")]


@given(st.integers(1, 50), st.integers(1, 10**7))
def test_quantities_add_up_and_all_but_the_last_are_equal(steps, lots):
    qty = lots * MARKET.lot
    if steps > lots:
        if steps > 1:
            with pytest.raises(UsageError, match="less than one lot"):
                orders(qty=str(qty), price="bid", steps=steps)
        return
    sizes = [Decimal(each["qty"]) for each in orders(qty=str(qty), price="bid", steps=steps)]
    assert (sum(sizes), len(sizes)) == (qty, steps)
    assert all(a == b for a, b in pairwise(sizes[:-1])) and sizes[-1] >= sizes[0] > 0


@pytest.mark.parametrize(
    ("minutes", "period"),
    [
        (1, MINUTE),
        (499, MINUTE),
        (500, 15 * MINUTE),
        (7_499, 15 * MINUTE),
        (7_500, HOUR),
        (30_000, 4 * HOUR),
        (120_000, DAY),
        (719_999, DAY),
        (720_000, None),
        (0, None),
    ],
)
def test_an_extreme_is_made_of_bars_of_its_span(minutes, period):
    if period is None:
        with pytest.raises(UsageError, match="1m to 500d"):
            interval_of(minutes * MINUTE)
    else:
        assert interval_of(minutes * MINUTE) == period


@pytest.mark.parametrize(
    ("fields", "error", "match"),
    [
        ({"steps": 3}, UsageError, "a price or a trigger"),
        ({"steps": 51, "price": "bid"}, UsageError, "1 to 50"),
        ({"steps": 0 - 1, "price": "bid"}, UsageError, "1 to 50"),
        ({"price": "bit", "steps": 2}, UsageError, "not a price"),
        ({"price": "-5", "steps": 2}, UsageError, "not a price"),
        ({"price": "5", "steps": 2, "every": "much"}, UsageError, "0.5% or 5ticks"),
        ({"price": "bid", "market": MARKET._replace(bid=Decimal(0))}, StaleData, "no bid"),
    ],
)
def test_what_is_none_is_one_line(fields, error, match):
    with pytest.raises(error, match=match):
        orders(**fields)


def test_a_number_alone_needs_no_market():
    assert not needs_market({"price": "100", "trigger": None, "steps": None})
    assert needs_market({"price": "bid"}) and needs_market({"trigger": "low:5m*0.9"}) and needs_market({"steps": 2})
