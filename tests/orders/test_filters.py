"""Every filter by table, and all of them against the slow rules."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape.model.enums import OrderType, Side, TimeInForce, TriggerBy, TriggerKind
from onetape.model.instrument import Instrument, from_symbol
from onetape.model.order import OrderSpec
from onetape.orders.filters import VENUE_RULES, Refusal, keeps_rules
from reference.facts import Facts
from reference.orders import Order, form_error

D = Decimal
BTC = from_symbol(
    "binance:BTC/USDT:USDT",
    tick=D("0.5"),
    lot=D("0.002"),
    price_decimals=1,
    size_min=D("0.004"),
    size_max=D(100),
    market_size_max=D(10),
    notional_min=D(100),
    band_up=D("0.05"),
    band_down=D("0.1"),
)
SPOT = from_symbol("kraken:BTC/USD", tick=D("0.5"), lot=D("0.002"), notional_min=D(5))
MARK = 600_000  # 60000.0


def order(**changes: Any) -> OrderSpec:
    base: dict[str, Any] = {"symbol": BTC.symbol, "side": Side.BUY, "size_int": 10, "price_int": 600_000}
    return OrderSpec(**{**base, **changes})


def refusal_of(order: OrderSpec, instrument: Instrument, *, reference: int = 0) -> Refusal | None:
    """The first rule that the order breaks."""
    near = order.trigger_int or reference
    found = ((rule, rule.words(order, instrument, near, 1)) for rule in VENUE_RULES)
    return next((Refusal.of(rule.error, words) for rule, words in found if words), None)


MARKET = {"type": OrderType.MARKET, "price_int": 0}
STOP = {"trigger_by": TriggerBy.LAST, "trigger_kind": TriggerKind.STOP}
WAITS = {"trigger_int": 600_005} | STOP
TRAILING = {"trigger_kind": TriggerKind.TRAILING}


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({}, 0, ""),
        (MARKET, 0, ""),
        ({"price_int": 600_003}, 4101, "price 60000.3 is not on the tick 0.5"),
        ({"size_int": 11}, 4101, "quantity 0.011 is not a multiple of the lot 0.002"),
        ({"size_int": 2}, 4101, "quantity 0.002 is below the least, 0.004"),
        ({"size_int": 100_002}, 4101, "quantity 100.002 is above the most, 100"),
        ({**MARKET, "size_int": 10_002}, 4101, "quantity 10.002 is above the most, 10"),
        ({"size_int": 10_002}, 0, ""),
        ({"price_int": 630_000}, 0, ""),
        ({"price_int": 630_005}, 4306, "price 63000.5 is 5.00083 % above 60000.0, at most 5 %"),
        ({"price_int": 500_000}, 0, ""),  # far away on the passive side
        ({"side": Side.SELL, "price_int": 540_000}, 0, ""),
        ({"side": Side.SELL, "price_int": 539_995}, 4306, "10.0008 % below 60000.0, at most 10 %"),
        ({"price_int": 150_000, "size_int": 6}, 4102, "value 90 is below the least, 100"),
        ({"price_int": 150_000, "size_int": 6, "reduce_only": True}, 0, ""),
        ({"price_int": 0}, 4101, "a limit order has a price"),
        ({"tag": "x" * 33}, 4101, "32 bytes"),
        ({"trigger_int": 600_003} | STOP, 4101, "trigger 60000.3 is not on"),
        ({"trigger_int": 600_005, "trigger_by": TriggerBy.LAST}, 4101, "needs its kind"),
        ({"trigger_int": 600_005} | STOP | TRAILING, 4101, "not available"),
        ({"price_int": 200_000, "size_int": 4}, 4102, "value 80 is below the least"),
        ({"price_int": 250_000, "size_int": 4}, 0, ""),  # the least may be reached
        ({**MARKET, "size_int": 10_000}, 0, ""),
        # a triggered order is measured by its trigger
        ({"price_int": 700_000, "trigger_int": 690_000} | STOP, 0, ""),
    ],
)
def test_filters(changes: dict[str, Any], code: int, reason: str) -> None:
    found = refusal_of(order(**changes), BTC, reference=MARK)
    assert (found.code if found else 0) == code
    assert reason in (found.reason if found else "")
    assert keeps_rules(order(**changes), BTC, MARK) is (found is None)


def test_a_price_below_zero_is_for_linear_contracts_only() -> None:
    far = order(price_int=-600_000)
    assert refusal_of(far, BTC) is None
    found = refusal_of(far, SPOT)
    assert found is not None and "price of spot must be positive" in found.reason
    assert (keeps_rules(far, BTC, 0), keeps_rules(far, SPOT, 0)) == (True, False)


def test_without_a_reference_bands_and_values_of_market_orders_are_not_known() -> None:
    assert refusal_of(order(price_int=6_000_000), BTC) is None
    assert refusal_of(order(**MARKET, size_int=4), BTC) is None


KINDS = ["binance:BTC/USDT:USDT", "bitmex:BTC/USD:BTC", "kraken:BTC/USD"]


@st.composite
def instruments(draw: st.DrawFn) -> Instrument:
    def some(low: int, high: int) -> Decimal:
        return D(draw(st.sampled_from([0, draw(st.integers(low, high))])))

    return from_symbol(
        draw(st.sampled_from(KINDS)),
        price_decimals=1,
        size_decimals=2,
        tick=D(draw(st.sampled_from(["0.1", "0.5", "5", "10"]))),
        lot=D(draw(st.sampled_from(["0.01", "0.05", "1", "5"]))),
        multiplier=D(draw(st.sampled_from(["1", "100", "0.001"]))),
        size_min=some(1, 5) / 2,
        size_max=some(5, 50) * 2,
        market_lot=some(1, 5) / 4,
        market_size_min=some(1, 5) / 2,
        market_size_max=some(5, 50),
        notional_min=some(1, 2000),
        trigger_by=draw(st.sampled_from([("last", "mark", "index"), ("last", "index"), ()])),
        band_up=some(1, 20) / 100,
        band_down=some(1, 20) / 100,
    )


def test_each_rule_is_reached_by_orders_that_keep_the_others() -> None:
    """Of wild ones nearly all break the first rule. Here each is near all limits at once."""
    rng, reached = random.Random(8), Counter[str]()
    for _ in range(3000):
        changes = {
            "side": rng.choice((Side.BUY, Side.SELL)),
            "size_int": rng.choice((2, 4, 6, 7, 10, 10_000, 10_002, 99_998, 100_000, 100_002)),
            "price_int": rng.choice((199_995, 250_000, 539_995, 540_000, 630_000, 630_005, 600_003)),
            "reduce_only": rng.random() < 0.2,
            **rng.choice(({}, {}, {}, MARKET, WAITS, {**WAITS, "trigger_int": 600_003})),
        }
        made = order(**changes)
        near = rng.choice((0, MARK, MARK))
        found = refusal_of(made, BTC, reference=near)
        assert keeps_rules(made, BTC, near) is (found is None), (made, found)
        words = found.reason.split() if found else ["kept"]
        reached[" ".join(w for w in (each.strip(",") for each in words) if w.isalpha())] += 1
    wanted = (
        "kept",
        "price is not on the tick",
        "trigger is not on the tick",
        "quantity is not a multiple of the lot",
        "quantity is below the least",
        "quantity is above the most",
        "price is above at most",
        "price is below at most",
        "value is below the least",
    )
    assert {rule: reached[rule] >= 10 for rule in wanted} == dict.fromkeys(wanted, True), reached


def choose(words: Any) -> Any:
    return st.sampled_from(list(words))


@settings(max_examples=examples(600), deadline=None)
@given(
    instrument=instruments(),
    side=choose(Side),
    type_=choose(OrderType),
    tif=choose(TimeInForce),
    trigger_by=choose(TriggerBy),
    trigger_kind=choose(TriggerKind),
    price=st.sampled_from([0, 1000, 1005, 1050, 1100, 1200, 900, 850, -1000]),
    size=st.integers(-1, 12000) | st.sampled_from([100, 500, 1000, 2500, 5000]),
    trigger=st.sampled_from([0, 0, 1000, 1003, -1000]),
    expire=st.sampled_from([0, 0, 5]),
    post_only=st.booleans(),
    reduce_only=st.booleans(),
    reference=st.sampled_from([0, 1000, 1013]),
)
def test_what_is_refused_is_what_the_slow_rules_refuse(
    instrument: Instrument,
    side: Side,
    type_: OrderType,
    tif: TimeInForce,
    trigger_by: TriggerBy,
    trigger_kind: TriggerKind,
    price: int,
    size: int,
    trigger: int,
    expire: int,
    post_only: bool,
    reduce_only: bool,
    reference: int,
) -> None:
    wanted = OrderSpec(
        symbol=instrument.symbol,
        side=side,
        size_int=size,
        type=type_,
        price_int=price,
        tif=tif,
        trigger_int=trigger,
        trigger_by=trigger_by,
        trigger_kind=trigger_kind,
        expire=expire,
        post_only=post_only,
        reduce_only=reduce_only,
    )
    found = refusal_of(wanted, instrument, reference=reference)
    assert keeps_rules(wanted, instrument, reference) is (found is None)
    if wanted.broken_rule():
        assert found is not None and found.code == 4101
        return
    slow = Order(
        0, 1, str(side), str(type_), size, price, str(tif), expire, trigger, str(trigger_by), str(trigger_kind),
        post_only, reduce_only,
    )  # fmt: skip
    unwatched = trigger and trigger_by not in instrument.trigger_by
    code = 4101 if unwatched else form_error(facts_of(instrument), slow, reference)
    assert (found.code if found else 0) == code, found


def facts_of(instrument: Instrument) -> Facts:
    spec = instrument.spec()
    same = set(Facts.__dataclass_fields__) & set(spec) - {"kind", "multiplier"}
    facts = {name: spec[name] for name in same}
    return Facts(kind=str(instrument.kind), multiplier=Fraction(instrument.multiplier), **facts)


def test_a_value_beyond_all_money_is_refused() -> None:
    """What is worth more than 10^18 units of a currency is a typing error."""
    free = from_symbol("binance:BTC/USDT:USDT", tick=1, lot=1)
    found = refusal_of(order(size_int=10**10, price_int=10**9), free)
    assert found is not None and (found.code, "10^18" in found.reason) == (4101, True)


@given(size=st.floats(0.1, 100), price=st.floats(50_000, 62_000), side=st.sampled_from(["buy", "sell"]))
def test_what_is_rounded_by_the_rule_passes_the_steps(size: float, price: float, side: str) -> None:
    wanted = Side(side)
    size_int, price_int = BTC.size_int(size), BTC.price_int(price, wanted)
    rounded = order(side=wanted, size_int=size_int, price_int=price_int, reduce_only=True)
    found = refusal_of(rounded, BTC)
    assert found is None or "below the least" in found.reason


def test_a_limit_that_is_finer_than_the_lot_is_kept_below_it() -> None:
    """Venues publish daily averages as limits."""
    fine = from_symbol("binance:BTC/USDT:USDT", tick=D("0.5"), lot=D("0.002"), size_max=D("2.3456789"))
    assert refusal_of(order(size_int=2344), fine) is None
    assert keeps_rules(order(size_int=2344), fine, 0)
    found = refusal_of(order(size_int=2346), fine)
    assert found is not None and "above the most" in found.reason
