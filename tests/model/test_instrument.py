"""Instruments: their invariants, their record on tape, and what the core gets."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape.model.enums import Kind, Origin, Side
from onetape.model.errors import BadInput
from onetape.model.instrument import Instrument, from_symbol

D = Decimal


def linear(**facts: Any) -> Instrument:
    return from_symbol("binance:BTC/USDT:USDT", **{"tick": D("0.10"), "lot": D("0.001"), **facts})


def test_the_symbol_says_venue_currencies_and_kind() -> None:
    inverse = from_symbol("okx:BTC/USD:BTC-241227", tick=D("0.1"), lot=D(1), multiplier=D(100))
    assert (inverse.venue, inverse.base, inverse.quote, inverse.settle) == ("okx", "BTC", "USD", "BTC")
    assert (inverse.kind, inverse.perpetual, inverse.name) == (Kind.INVERSE, False, "BTC/USD:BTC-241227")
    assert inverse.expiry == 1_735_286_400_000_000_000


def test_decimals_follow_the_steps_and_are_canonical() -> None:
    instrument = linear(tick=D("0.10"), lot=D("1.000"))
    assert (str(instrument.tick), str(instrument.lot)) == ("0.1", "1")
    assert (instrument.price_decimals, instrument.size_decimals) == (1, 0)
    coarse = linear(tick=D("1E+2"), lot=D("5"))
    assert (str(coarse.tick), coarse.price_decimals) == ("100", 0)


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        ({"tick": D(0)}, "tick must be positive: 0"),
        ({"lot": D(-1)}, "lot must be positive: -1"),
        ({"tick": D("NaN")}, "tick must be finite: NaN"),
        ({"tick": D("0.25"), "price_decimals": 1}, "tick 0.25 has more than 1 price decimals"),
        ({"size_min": D("0.0005"), "size_decimals": 3}, "size_min 0.0005 has more than 3 size decimals"),
        ({"size_min": D(2), "size_max": D(1)}, "size_min 2 is above size_max 1"),
        ({"price_decimals": 19}, "price_decimals must lie in 0..18: 19"),
        ({"notional_min": D(-5)}, "notional_min must not be negative: -5"),
        ({"settle": "BTC"}, "linear settles in USDT, not in BTC"),
        ({"expiry": 1}, "a contract either expires or is perpetual"),
        ({"kind": "spot"}, "spot neither expires nor is it perpetual"),
        ({"kind": "swap"}, "Invalid enum value"),
        ({"lot": None}, "lot is missing"),
        ({"lot": [1]}, "Expected `decimal`"),
        ({"version": "x"}, "Expected `int`"),
    ],
)
def test_contradictions_are_refused(facts: dict[str, Any], rule: str) -> None:
    with pytest.raises(BadInput, match=rule):
        linear(**facts)


def test_size_decimals_hold_the_least_quantity() -> None:
    assert linear(lot=D("0.001"), size_min=D("0.0005")).size_decimals == 4


def test_a_rebate_is_a_negative_maker_fee() -> None:
    assert linear(maker_fee=D("-0.00025")).spec()["maker_fee"] == -250_000_000


def test_the_core_gets_whole_numbers() -> None:
    instrument = linear(
        price_decimals=2,
        multiplier=D("0.001"),
        size_min=D("0.002"),
        size_max=D(1000),
        market_size_max=D("128.52621715"),
        notional_min=D(100),
        band_up=D("0.05"),
        band_down=D("0.1"),
        maker_fee=D("0.0002"),
        taker_fee=D("0.0005"),
        maintenance_rate=D("0.004"),
    )
    assert instrument.spec() == {
        "kind": 1,
        "price_decimals": 2,
        "size_decimals": 3,
        "tick": 10,
        "lot": 1,
        "size_min": 2,
        "size_max": 1_000_000,
        "market_lot": 0,
        "market_size_min": 0,
        "market_size_max": 128_526,
        "notional_min": 100 * 10**18,
        "multiplier": 1,
        "multiplier_decimals": 3,
        "maker_fee": 200_000_000,
        "taker_fee": 500_000_000,
        "band_up": 50_000,
        "band_down": 100_000,
        "maintenance_rate": 4_000_000_000,
        "trigger_by": 0b1110,
    }


def test_the_record_is_a_map_of_the_fields_with_decimals_as_text() -> None:
    instrument = linear(raw_symbol="BTCUSDT", origin=Origin.CATALOGUE, defaulted=("maker_fee",))
    record = msgspec.msgpack.decode(instrument.to_msgpack())
    assert list(record) == [field.name for field in msgspec.structs.fields(Instrument)]
    assert (record["tick"], record["price_decimals"], record["kind"]) == ("0.1", 1, "linear")
    assert (record["origin"], record["defaulted"], record["expiry"]) == ("catalogue", ["maker_fee"], None)


def test_records_of_other_versions_are_read() -> None:
    record = msgspec.msgpack.decode(linear().to_msgpack())
    record["colour"] = "blue"
    del record["funding_interval"], record["band_up"]
    assert Instrument.from_msgpack(msgspec.msgpack.encode(record)) == linear()


@pytest.mark.parametrize("payload", [b"", b"\x90", b"\x81\xa1a\x01", b"\xff\xff"])
def test_what_is_no_record_is_refused(payload: bytes) -> None:
    with pytest.raises(BadInput, match="not an instrument record"):
        Instrument.from_msgpack(payload)


def test_a_record_with_contradicting_facts_is_refused() -> None:
    record = msgspec.msgpack.decode(linear().to_msgpack())
    record["tick"] = "0"
    with pytest.raises(BadInput, match="tick must be positive"):
        Instrument.from_msgpack(msgspec.msgpack.encode(record))


STEPS = st.sampled_from(["0.01", "0.5", "5", "0.0025", "10", "100", "0.05", "0.00000001"])


@given(
    tick=STEPS,
    lot=STEPS,
    fee=st.decimals(-1, 1, places=6),
    limit=st.integers(0, 10**6),
    inferred=st.sets(st.sampled_from(["tick", "lot"])),
)
def test_records_come_back_equal(tick: str, lot: str, fee: D, limit: int, inferred: set[str]) -> None:
    instrument = linear(tick=D(tick), lot=D(lot), maker_fee=fee, size_max=D(limit), inferred=tuple(inferred))
    second = Instrument.from_msgpack(instrument.to_msgpack())
    assert second == instrument
    assert second.to_msgpack() == instrument.to_msgpack()
    assert hash(second) == hash(instrument)


@given(steps=st.integers(-(10**9), 10**9), tick=STEPS)
def test_prices_go_both_ways(steps: int, tick: str) -> None:
    instrument = linear(tick=D(tick))
    price = steps * D(tick)
    units = instrument.price_int(price, Side.BUY)
    assert instrument.price(units) == price
    assert D(instrument.price_text(units)) == price
    assert len(instrument.price_text(units).partition(".")[2]) == instrument.price_decimals


def test_texts_have_all_decimals() -> None:
    instrument = linear(price_decimals=2)
    assert instrument.price_text(6_000_010) == "60000.10"
    assert instrument.size_text(1) == "0.001"
    assert instrument.price_text(-5) == "-0.05"


def test_rounding_is_passive_and_down() -> None:
    instrument = linear()
    assert instrument.price_int(60000.17, Side.BUY) == 600001
    assert instrument.price_int(60000.17, Side.SELL) == 600002
    assert instrument.size_int("0.0019") == 1


@pytest.mark.parametrize(
    ("symbol", "multiplier", "of_100", "of_125"),
    [
        ("binance:BTC/USDT:USDT", 1, 300, 375),
        ("kraken:BTC/USD", 1, 300, 375),
        ("bitmex:BTC/USD:BTC", 100, -3, D("-2.4")),
    ],
)
def test_a_worse_price_costs_more_whichever_side_and_kind(symbol, multiplier, of_100, of_125):
    facts = from_symbol(symbol, tick=D("0.1"), lot=D(1), multiplier=D(multiplier))
    for price, cost in ((100, of_100), (125, of_125)):
        assert facts.cost_units("buy", 2 * price * 10, 3) == cost * 10**18
        assert facts.cost_units("sell", 2 * price * 10, 3) == -cost * 10**18
