"""Fees by the volume of thirty days: by hand; random worlds are in
test_reference_exchange.py."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from exchange_world import ONE, USDT, Recorded, linear

from onetape import _core
from onetape.model.errors import BadConfig
from onetape.model.user_instruments import parse_instruments

DAY = 86_400 * 10**9
WINDOW = 30 * DAY


def tiers(*rows: tuple[int, int, int]) -> _core.InstrumentTerms:
    """(volume in whole units, maker, taker in 1e-6)."""
    return _core.InstrumentTerms(
        fee_tiers=[(v * ONE, maker * 10**6, taker * 10**6) for v, maker, taker in rows], volume_group=1
    )


def world() -> Recorded:
    """200 and 500 millionths; from 1,000 on 100 and 400; from 5,000 on -50 and 300."""
    made = Recorded(linear(maker_fee=200 * 10**6, taker_fee=500 * 10**6))
    made.core.set_terms(0, tiers((1000, 100, 400), (5000, -50, 300)))
    return made


def fees(events: list[dict[str, Any]]) -> list[int]:
    return [event["fee"] for event in events if event["event"] == "fill"]


def buy(made: Recorded, now: int, size: int) -> list[dict[str, Any]]:
    made.number = getattr(made, "number", 0) + 1  # type: ignore[attr-defined]
    order = {"order_id": made.number, "side": "buy", "type": "market", "size": size}  # type: ignore[attr-defined]
    made.core.quote(now, 100, 100, 10**6, 10**6)
    return made.core.request(now, 0, **order)


def test_a_fill_is_charged_by_the_volume_before_it() -> None:
    made = world()
    # 1,000 at 500 millionths is 0.5; then the first tier holds: 0.4; then 3,000 at 400 is 1.2.
    assert fees(buy(made, 1, 10)) == [ONE // 2]
    events = buy(made, 2, 10)
    assert fees(events) == [ONE * 4 // 10]
    assert [(e["tier"], e["volume"]) for e in events if e["event"] == "fees"] == [(1, 1000 * ONE)]
    assert fees(buy(made, 3, 30)) == [ONE * 12 // 10]
    assert fees(buy(made, 4, 10)) == [ONE * 3 // 10]  # 5,000 before it
    assert made.core.counters()["fee_tier_changes"] == 2


def test_volume_leaves_the_window_after_thirty_days() -> None:
    made = world()
    buy(made, 0, 10)
    assert fees(buy(made, WINDOW - 1, 10)) == [ONE * 4 // 10]
    # At thirty days the first 1,000 is gone; the second still counts.
    assert fees(buy(made, WINDOW, 10)) == [ONE * 4 // 10]
    assert fees(buy(made, 3 * WINDOW, 10)) == [ONE // 2]


def test_what_was_traded_before_counts_from_the_start() -> None:
    made = world()
    made.core.add_volume(0, 5000 * ONE)
    assert fees(buy(made, 1, 10)) == [ONE * 3 // 10]
    assert fees(buy(made, WINDOW, 10)) == [ONE * 4 // 10]  # it left, and 1,000 stays


def test_what_orders_hold_back_follows_the_fee() -> None:
    made = world()
    free = made.core.account.available(USDT)
    made.step("quote 100 100 1000 1000")
    made.step("buy#901 limit 90 x100")
    buy(made, 5, 10)
    buy(made, 6, 10)  # the tier changes with an order resting
    made.step("cancel#901")
    made.core.account.set_mark(0, 100)
    paid = made.core.account.fees(0)
    # 20 at 100, leverage 10: nothing but fees and 200 of margin is gone.
    assert made.core.account.available(USDT) == free - paid - 200 * ONE


def test_a_new_version_with_the_same_schedule_keeps_the_tier() -> None:
    made = world()
    buy(made, 1, 10)
    buy(made, 2, 10)
    second = linear(maker_fee=200 * 10**6, taker_fee=500 * 10**6, tick=5)
    made.core.add_instrument(0, second, USDT, 2)
    made.core.set_terms(0, tiers((1000, 100, 400), (5000, -50, 300)))
    assert fees(buy(made, 3, 10)) == [ONE * 4 // 10]
    assert made.core.counters()["fee_tier_changes"] == 1
    made.core.add_instrument(0, second, USDT, 2)
    made.core.set_terms(0, tiers((1000, 0, 100)))  # another schedule: found anew
    assert fees(buy(made, 4, 10)) == [ONE // 10]
    assert made.core.counters()["fee_tier_changes"] == 2


def test_an_inverse_contract_counts_its_multiplier() -> None:
    spec = _core.InstrumentSpec(
        kind="inverse", price_decimals=0, size_decimals=0, multiplier=100, taker_fee=500 * 10**6
    )
    made = Recorded(spec, cash=100)
    made.core.set_terms(0, tiers((1000, 0, 0)))
    buy(made, 1, 10)  # 10 contracts of 100 are 1,000, at any price
    assert fees(buy(made, 2, 10)) == [0]


TABLE = """
[[instrument]]
symbol = "binance:BTC/USDT:USDT"
fee_tiers = [
  { volume_min = 5000000, maker_fee = "0.00016", taker_fee = "0.0004" },
  { volume_min = "25000000", maker_fee = "0.00014", taker_fee = "0.00035" },
]
"""


def test_tiers_are_given_in_a_file() -> None:
    facts = parse_instruments(TABLE)["binance:BTC/USDT:USDT"]
    assert [tier.volume_min for tier in facts.fee_tiers] == [5_000_000, 25_000_000]
    assert facts.fee_tiers[1].taker_fee == Decimal("0.00035")
    assert facts.from_msgpack(facts.to_msgpack()) == facts


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('"25000000"', "5", "does not rise"),
        ('"0.0004"', "4", "below 1"),
        ('"0.0004"', "inf", "finite"),
        ("maker_fee", "maker", "maker"),
    ],
)
def test_bad_tiers_name_the_row(before: str, after: str, words: str) -> None:
    with pytest.raises(BadConfig, match=words):
        parse_instruments(TABLE.replace(before, after, 1))
