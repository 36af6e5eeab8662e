"""The price at which a position is closed by force: what the core says before, and does then."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction as F
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape import _core
from onetape.model.enums import Kind, PositionSide, Side
from onetape.model.instrument import Instrument, from_symbol
from onetape.model.margin import MarginBracket
from reference.position import Position, liquidation_price

BOTH, LONG, SHORT = PositionSide.BOTH, PositionSide.LONG, PositionSide.SHORT
CURRENCY, UNIT = 1, 10**18
BRACKETS = (
    MarginBracket(notional_max=Decimal(50), maintenance_rate=Decimal("0.01"), leverage_max=50),
    MarginBracket(notional_max=Decimal(600), maintenance_rate=Decimal("0.025"), leverage_max=20),
    MarginBracket(notional_max=Decimal(9000), maintenance_rate=Decimal("0.1"), leverage_max=5),
)


def instrument_of(kind: Kind, brackets: tuple[MarginBracket, ...] = BRACKETS, **facts: Any) -> Instrument:
    facts = {"tick": Decimal("0.1"), "lot": Decimal("0.01"), "taker_fee": "0.0005"} | facts
    facts |= {"brackets": brackets, "maintenance_rate": facts.get("maintenance_rate", "0.02")}
    if kind is Kind.INVERSE:
        # So small that values in coins meet the same brackets.
        return from_symbol("binance:BTC/USD:BTC", **{**facts, "lot": 1, "multiplier": 100})
    return from_symbol("binance:BTC/USDT:USDT", **facts)


def account_of(instrument: Instrument, money: int, **options: Any) -> _core.CoreAccount:
    account = _core.CoreAccount(**options)
    account.set_instrument(0, instrument.core, CURRENCY, 2)
    account.set_terms(0, _core.InstrumentTerms(**instrument.terms()))
    account.deposit(CURRENCY, money)
    return account


def spare_of(account: _core.CoreAccount) -> int:
    """Cross: what is left over maintenance now."""
    return account.equity(CURRENCY) - account.maintenance_margin(CURRENCY)


@settings(max_examples=examples(300), deadline=None)
@given(
    kind=st.sampled_from([Kind.LINEAR, Kind.INVERSE]),
    way=st.sampled_from([Side.BUY, Side.SELL]),
    price=st.integers(100, 5000),
    size=st.integers(1, 2000),
    margin=st.integers(0, 400),
    brackets=st.sampled_from([(), BRACKETS]),
)
def test_one_position_s_price_is_the_exact_one(
    kind: Kind, way: Side, price: int, size: int, margin: int, brackets: tuple[MarginBracket, ...]
) -> None:
    i = instrument_of(kind, brackets)
    account = account_of(i, margin * UNIT)
    account.apply_fill(0, str(way), price, size)
    account.set_mark(0, price)
    exact = Position(kind, F(i.multiplier))
    exact.apply_fill(way, i.price(price), i.size(size))
    wanted = liquidation_price(exact, margin, maintenance_rate=i.maintenance_rate, brackets=i.brackets)
    found = account.liquidation_price(0, "both", spare_of(account), alone=False)
    unit = F(1, 10**i.price_decimals)
    if spare_of(account) < 0:
        assert found == float(i.price(price))  # it is due now
    elif wanted is None or wanted < unit:
        assert found is None or found <= unit
    elif found is None:
        assert wanted > i.price(price) * 2**20  # far beyond all prices there are
    else:
        # Between two units of price it is a straight line here, and of an inverse contract nearly.
        assert abs(F(found) - wanted) <= max(wanted * F(1, 10**9), unit / 4 if kind is Kind.INVERSE else F(0))


@pytest.mark.parametrize("seed", range(40))
def test_an_account_is_closed_on_the_far_side_of_the_price_and_not_on_the_near_one(seed: int) -> None:
    rng = random.Random(seed)
    kind = rng.choice([Kind.LINEAR, Kind.INVERSE])
    hedge, isolated = rng.random() < 0.5, rng.random() < 0.4
    i = instrument_of(kind)
    account = account_of(i, 500 * UNIT, hedge=hedge, isolated=isolated, leverage=rng.choice([1, 3, 7, 20]))
    sides = (LONG, SHORT) if hedge else (BOTH,)
    price, seen = 1000, 0
    for _ in range(150):
        price = max(price + rng.randint(-60, 60), 50)
        side, way = rng.choice(sides), rng.choice([Side.BUY, Side.SELL])
        if rng.random() < 0.5:
            account.set_mark(0, price)
        else:
            closes = (side is LONG and way is Side.SELL) or (side is SHORT and way is Side.BUY)
            held = abs(account.position(0, str(side)).qty)
            size = min(rng.randint(1, 400), held) if closes else rng.randint(1, 400)
            if size:
                account.apply_fill(0, str(way), price, size, 10**15, str(side))
        seen += sum(is_its_end(account, i, side, sides, isolated=isolated, mark=price) for side in sides)
    assert seen > 0


def is_its_end(
    account: _core.CoreAccount,
    i: Instrument,
    side: PositionSide,
    sides: tuple[PositionSide, ...],
    *,
    isolated: bool,
    mark: int,
) -> bool:
    def is_closed_at(ticks: int) -> bool:
        account.set_mark(0, ticks)
        if isolated:
            return bool(account.position_below_maintenance(0, str(side)))
        return bool(account.below_maintenance(CURRENCY))

    held = account.position(0, str(side))
    if is_closed_at(mark) or not held.qty:
        return False
    spare = spare_of(account)
    if isolated:
        value = abs(i.notional_units(mark, held.qty))
        spare = account.allotted(0, str(side)) + held.unrealized(i.core, mark) - i.maintenance_units(value)
    price = account.liquidation_price(0, str(side), spare, alone=isolated)
    if price is None:
        return False
    ticks = price * 10**i.price_decimals
    falls = sum(account.position(0, str(each)).qty for each in ([side] if isolated else sides)) > 0
    below, above = int(ticks), int(ticks) + 1
    try:
        assert is_closed_at(below if falls else above)
        assert not is_closed_at(above if falls else below) or ticks == below
    finally:
        account.set_mark(0, mark)
    return True


def test_other_contracts_back_and_burden_a_cross_position() -> None:
    """100 USDT, long 10 at 100; the other one has gained 30 and needs 2: 128 less 1 %."""
    own = from_symbol("binance:ETH/USDT:USDT", tick=1, lot=1, maintenance_rate="0.01")
    far = from_symbol("binance:SOL/USDT:USDT", tick=1, lot=1, maintenance_rate="0.02")
    account = account_of(own, 100 * UNIT)
    account.set_instrument(1, far.core, CURRENCY, 3)
    account.apply_fill(0, "buy", 100, 10)
    account.apply_fill(1, "buy", 70, 1)
    for index in (0, 1):
        account.set_mark(index, 100)
    price = account.liquidation_price(0, "both", spare_of(account), alone=False)
    assert price == pytest.approx(872 / 9.9, rel=1e-12)  # 128 + 10 (P - 100) = 10 P / 100
    assert account.liquidation_price(1, "both", spare_of(account), alone=False) is None  # it cannot lose so much
    account.apply_fill(0, "sell", 100, 10)
    assert account.liquidation_price(0, "both", spare_of(account), alone=False) is None


def test_long_and_short_of_one_contract_end_together() -> None:
    """Each closes the other's losses: nothing but maintenance can end it, far above."""
    i = from_symbol("binance:ETH/USDT:USDT", tick=1, lot=1, maintenance_rate="0.01")
    account = account_of(i, 100 * UNIT, hedge=True)
    account.apply_fill(0, "buy", 100, 10, 0, "long")
    account.apply_fill(0, "sell", 100, 10, 0, "short")
    account.set_mark(0, 100)
    for side in ("long", "short"):
        assert account.liquidation_price(0, side, spare_of(account), alone=False) == pytest.approx(500)
    spare = 100 * UNIT - i.maintenance_units(1000 * UNIT)
    assert account.liquidation_price(0, "long", spare, alone=True) == pytest.approx(9000 / 99)
