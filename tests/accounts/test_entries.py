"""Entries add up, or are none."""

from __future__ import annotations

import pytest

from onetape.accounts.entries import MAIN, SLOTS_MAX, Cause, Entry, Leg, Outside, checked
from onetape.model.errors import BadInput

USD = 10**18


def entry(*legs: Leg) -> Entry:
    return Entry(1, Cause.FILL, legs, "7")


def test_each_currency_adds_up_to_zero_by_itself():
    bought = (
        Leg(2, "BTC", 5),
        Leg(Outside.MARKET, "BTC", -5),
        Leg(2, "USD", -3 * USD),
        Leg(Outside.MARKET, "USD", 2 * USD),
        Leg(Outside.FEES, "USD", USD),
    )
    assert checked(entry(*bought)).legs == bought
    with pytest.raises(BadInput, match="1 USD too much"):
        checked(entry(Leg(2, "USD", USD), Leg(2, "BTC", 5), Leg(Outside.MARKET, "BTC", -5)))


@pytest.mark.parametrize("holder", [0, SLOTS_MAX, -99])
def test_the_total_is_no_holder_and_neither_is_what_does_not_exist(holder):
    with pytest.raises(BadInput, match=f"no holder {holder}"):
        checked(entry(Leg(holder, "USD", 1), Leg(MAIN, "USD", -1)))
