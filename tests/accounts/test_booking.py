"""Fills become entries: exact, whoever holds what, and in sum what the venue's balance does."""

from __future__ import annotations

from fractions import Fraction as F
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.booking_world import INSTRUMENTS, INVERSE, LINEAR, SPOT, UNIT, fill_of, moved
from long_form import examples
from onetape.accounts.booking import RECENT_KEPT, Booking
from onetape.accounts.entries import MAIN, Cause, Outside, checked
from onetape.accounts.ledger import Ledger
from onetape.model.decimals import scaled
from onetape.model.enums import Liquidity, PositionSide, Side
from onetape.orders.reports import HASHED_TRADES, FillReport
from reference.position import Position, money_units

A, B = 2, 3
MARKET, FEES, NETTING, FUNDING = (
    int(each) for each in (Outside.MARKET, Outside.FEES, Outside.NETTING, Outside.FUNDING)
)
BOTH, LONG, SHORT = PositionSide.BOTH, PositionSide.LONG, PositionSide.SHORT


def booked(symbol: str, *fills: tuple[int, str]) -> Booking:
    booking = Booking(INSTRUMENTS)
    for trade, (slot, text) in enumerate(fills):
        booking.fill(fill_of(symbol, text, trade=trade), slot)
    return booking


def test_a_spot_fill_moves_base_and_quote_and_its_fee():
    fill = fill_of(SPOT, "+0.5@60000", trade=7, time=9, fee=30 * UNIT)
    entry = checked(Booking(INSTRUMENTS).fill(fill, A))
    assert moved(entry) == {
        (A, "BTC"): UNIT // 2,
        (MARKET, "BTC"): -UNIT // 2,
        (A, "USDT"): -30_030 * UNIT,
        (MARKET, "USDT"): 30_000 * UNIT,
        (FEES, "USDT"): 30 * UNIT,
    }
    assert (entry.time, entry.cause, entry.reference) == (9, Cause.FILL, f"{SPOT} 7 buy")


@pytest.mark.parametrize(
    ("fee", "currency", "legs"),
    [
        (UNIT, "", {(A, "USDT"): -UNIT, (FEES, "USDT"): UNIT}),
        (UNIT, "BNB", {(A, "BNB"): -UNIT, (FEES, "BNB"): UNIT}),
        (-UNIT, "USDT", {(A, "USDT"): UNIT, (FEES, "USDT"): -UNIT}),  # a rebate
        (0, "BNB", {}),
    ],
)
def test_a_fee_is_of_any_currency_and_of_either_sign(fee, currency, legs):
    """Opening a contract moves nothing else."""
    entry = Booking(INSTRUMENTS).fill(fill_of(LINEAR, "+1@100", fee=fee, currency=currency), A)
    assert moved(checked(entry)) == legs


@pytest.mark.parametrize(
    ("symbol", "fills", "settle", "profit"),
    [
        (LINEAR, "+1@100 -1@110", "USDT", 10 * UNIT),
        (LINEAR, "-1@100 +1@110", "USDT", -10 * UNIT),
        (LINEAR, "+2@100 -5@110", "USDT", 20 * UNIT),
        (LINEAR, "+1@100 +3@120 -2@125", "USDT", 20 * UNIT),
        (INVERSE, "+1@10000 -1@12500", "BTC", UNIT // 500),
        (INVERSE, "-1@10000 +1@12500", "BTC", -UNIT // 500),
        (INVERSE, "+1@10000 -3@12500", "BTC", UNIT // 500),
    ],
)
def test_a_contract_moves_what_it_realizes(symbol, fills, settle, profit):
    booking, texts = Booking(INSTRUMENTS), fills.split()
    entries = [booking.fill(fill_of(symbol, each), A) for each in texts]
    assert moved(entries[-1]) == {(A, settle): profit, (MARKET, settle): -profit}


def test_a_holding_tells_its_quantity_and_entry():
    booking = booked(LINEAR, (A, "+1@100"), (A, "+3@120"), (B, "-1@130"))
    held = booking.positions[A, LINEAR, BOTH]
    assert (held.qty, held.entry, str(held.average)) == (4000, 115, "115.000")
    assert held.unrealized_at(1200) == 20 * UNIT
    other = booked(INVERSE, (A, "+1@10000"), (A, "+1@20000")).positions[A, INVERSE, BOTH]
    assert abs(other.entry - F(40_000, 3)) < F(1, 10**9)


def test_what_nets_at_the_venue_is_each_one_s_own():
    """A is long at 100, B sells at 110: the venue has realized what neither has."""
    booking = booked(LINEAR, (A, "+1@100"))
    sold = booking.fill(fill_of(LINEAR, "-1@110"), B)
    assert moved(checked(sold)) == {(NETTING, "USDT"): 10 * UNIT, (MARKET, "USDT"): -10 * UNIT}
    assert booking.account[LINEAR, BOTH].qty == 0
    closed = booking.fill(fill_of(LINEAR, "-1@120"), A)
    assert moved(closed) == {(A, "USDT"): 20 * UNIT, (NETTING, "USDT"): -20 * UNIT}
    last = booking.fill(fill_of(LINEAR, "+1@120"), B)
    assert moved(last) == {(B, "USDT"): -10 * UNIT, (NETTING, "USDT"): 10 * UNIT}


def test_legs_of_hedge_mode_are_kept_apart():
    booking = Booking(INSTRUMENTS)
    booking.fill(fill_of(LINEAR, "+1@100", side=LONG), A)
    entry = booking.fill(fill_of(LINEAR, "-1@110", side=SHORT), A)
    assert entry.legs == ()
    held = booking.positions
    assert (held[A, LINEAR, LONG].qty, held[A, LINEAR, SHORT].qty) == (1000, -1000)


# --- laws -----------------------------------------------------------------------------------------

SYMBOLS = st.sampled_from([LINEAR, INVERSE])
FILLS = st.lists(
    st.tuples(
        st.sampled_from([MAIN, A, B]),
        st.sampled_from([Side.BUY, Side.SELL]),
        st.integers(1, 10**6),
        st.integers(1, 10**5),
    ),
    min_size=1,
    max_size=30,
)


def made(symbol: str, side: Side, price: int, size: int, trade: int) -> FillReport:
    return FillReport(symbol, "", "", trade, side, BOTH, price, size, trade, 0, "", Liquidity.TAKER)


@settings(max_examples=examples(150), deadline=None)
@given(SYMBOLS, FILLS)
def test_holdings_are_the_exact_positions(symbol, fills):
    """Within a unit of 1e-18 for each rounding that a fill can make."""
    booking, i = Booking(INSTRUMENTS), INSTRUMENTS[symbol]
    exact: dict[int, Position] = {}
    for number, (slot, side, price, size) in enumerate(fills, 1):
        booking.fill(made(symbol, side, price, size, number), slot)
        for each in (slot, 0):
            position = exact.setdefault(each, Position(i.kind, F(i.multiplier)))
            position.apply_fill(side, scaled(price, i.price_decimals), scaled(size, i.size_decimals))
        own = booking.positions[slot, symbol, BOTH]
        for held, slow in ((own, exact[slot]), (booking.account[symbol, BOTH], exact[0])):
            assert held.qty == slow.qty * 10**i.size_decimals
            assert abs(held.realized - money_units(slow.realized)) <= 3 * number
            sign = 1 if symbol == LINEAR else -1
            assert abs(held.cost * sign - money_units(slow.opened_value)) <= 3 * number


@settings(max_examples=examples(150), deadline=None)
@given(SYMBOLS, FILLS)
def test_the_total_moves_as_the_venue_s_and_netting_ends_at_zero(symbol, fills):
    ledger, booking = Ledger(), Booking(INSTRUMENTS)
    settle = INSTRUMENTS[symbol].settle
    held: dict[int, int] = {}
    for number, (slot, side, price, size) in enumerate(fills, 1):
        ledger.post(booking.fill(made(symbol, side, price, size, number), slot))
        held[slot] = held.get(slot, 0) + size * side.sign
        account = booking.account[symbol, BOTH]
        assert ledger.total(settle) == account.realized
        costs = sum(each.cost for each in booking.positions.values())
        sign = 1 if symbol == LINEAR else -1
        assert ledger.balance(settle, NETTING) == (account.cost - costs) * sign
        for (each, _, _), holding in booking.positions.items():
            assert ledger.balance(settle, each) == holding.realized
    for number, (slot, qty) in enumerate(held.items(), 1000):
        if qty:
            side = Side.SELL if qty > 0 else Side.BUY
            ledger.post(booking.fill(made(symbol, side, 777, abs(qty), number), slot))
    assert ledger.balance(settle, NETTING) == 0
    assert not any(each.qty or each.cost for each in booking.positions.values())
    assert ledger.total(settle) == -ledger.balance(settle, MARKET)


@settings(max_examples=examples(100), deadline=None)
@given(SYMBOLS, FILLS, st.randoms(use_true_random=False))
def test_fills_that_are_heard_in_another_order_end_as_the_venue_has_them(symbol, fills, random):
    """What is held, what it cost and what was realized; both by slot and of the account."""
    received = [(made(symbol, *row, number), slot) for number, (slot, *row) in enumerate(fills)]
    mixed = random.sample(received, len(received))
    ends = []
    for order in (received, mixed):
        booking, ledger = Booking(INSTRUMENTS), Ledger()
        for fill, slot in order:
            ledger.post(checked(booking.fill(fill, slot)))
            for (each, _, _), held in booking.positions.items():
                assert ledger.balance(held.terms.settle, each) == held.realized
            account = booking.account[symbol, BOTH]
            assert ledger.total(account.terms.settle) == account.realized
        holdings = {**booking.positions, **booking.account}
        ends.append({key: (of.qty, of.cost, of.realized) for key, of in holdings.items()})
    assert ends[0] == ends[1]


def test_a_fill_that_is_older_than_all_that_are_known_counts_as_it_comes():
    booking = Booking(INSTRUMENTS)
    for number in range(10, 10 + RECENT_KEPT):
        booking.fill(made(LINEAR, Side.BUY, 1000 + number, 1, number), A)
    booking.fill(made(LINEAR, Side.SELL, 5000, 1, 3), A)
    before = booking.account[LINEAR, BOTH].realized
    assert before > 0
    booking.fill(made(LINEAR, Side.SELL, 5000, 1, 4), A)
    assert booking.account[LINEAR, BOTH].realized > before


@pytest.mark.parametrize(("ids", "order"), [((8, 9), (0, 1)), ((9, 8), (1, 0)), ((-8, -9), (0, 1)), ((-9, -8), (0, 1))])
def test_fills_of_one_moment_are_in_the_order_of_their_ids_or_where_these_are_hashes_as_they_came(ids, order):
    """Of an account that is short a purchase realizes, and at which cost is a question of what was sold before."""
    first, fills = fill_of(INVERSE, "-3@60043"), ("+1@60080", "-1@60082")
    came = [
        fill_of(INVERSE, text, time=2, trade=HASHED_TRADES - number if number < 0 else number)
        for number, text in zip(ids, fills, strict=True)
    ]
    found = []
    for rows in (came, [came[n]._replace(trade_id=100 + place) for place, n in enumerate(order)]):
        booking, ledger = Booking(INSTRUMENTS), Ledger()
        ledger.post(booking.fill(first, A))
        for row in rows:
            ledger.post(checked(booking.fill(row, A if row.side is Side.BUY else B)))
        account = booking.account[INVERSE, BOTH]
        found.append((account.qty, account.cost, account.realized, ledger.total("BTC")))
    assert found[0] == found[1]


@pytest.mark.parametrize("liquidity", Liquidity)
@pytest.mark.parametrize("sign", "+-")
def test_fills_of_one_moment_and_side_are_in_the_order_in_which_one_order_sweeps_the_book(liquidity, sign):
    """Where ids are hashes: whoever takes meets the best price first, and so whoever makes is met."""
    held = fill_of(INVERSE, f"{'-' if sign == '+' else '+'}3@60043")
    rises = (sign == "+") == (liquidity is Liquidity.TAKER)
    prices = ("60080", "60082") if rises else ("60082", "60080")
    swept = [
        fill_of(INVERSE, f"{sign}2@{price}", time=2, trade=HASHED_TRADES + n)._replace(liquidity=liquidity)
        for n, price in enumerate(prices)
    ]
    found = []
    for rows in (swept, swept[::-1]):
        booking, ledger = Booking(INSTRUMENTS), Ledger()
        for row, slot in zip((held, *rows), (A, A, B), strict=True):
            ledger.post(checked(booking.fill(row, slot)))
        account = booking.account[INVERSE, BOTH]
        assert ledger.total("BTC") == account.realized
        found.append((account.qty, account.cost, account.realized))
    assert found[0] == found[1]


# --- what the venue does by itself ----------------------------------------------------------------


def test_a_liquidation_takes_from_those_that_hold_in_its_direction():
    """Three long and one short: the account has 5, all of which the venue closes."""
    booking = booked(LINEAR, (A, "+4@100"), (B, "-1@100"), (MAIN, "+2@100"))
    fill = fill_of(LINEAR, "-5@90", trade=99, fee=5 * UNIT)
    entry = checked(booking.forced(fill))
    qtys = {slot: held.qty for (slot, _, _), held in booking.positions.items()}
    assert qtys == {A: 667, B: -1000, MAIN: 333}
    assert booking.account[LINEAR, BOTH].qty == 0
    found = moved(entry)
    assert found[A, "USDT"] == -33_330_000_000_000_000_000 - 3_333 * UNIT // 1000
    assert found[FEES, "USDT"] == 5 * UNIT
    assert found[MARKET, "USDT"] == 50 * UNIT
    assert (entry.reference, entry.note) == (f"{LINEAR} 99 sell", "forced")


def test_a_forced_fill_of_what_nobody_holds_is_the_pool_s():
    booking = booked(LINEAR, (A, "-1@100"))
    booking.forced(fill_of(LINEAR, "-1@90"))
    assert booking.positions[MAIN, LINEAR, BOTH].qty == -1000
    assert booking.positions[A, LINEAR, BOTH].qty == -1000


def test_a_forced_close_that_comes_late_is_booked_where_the_venue_had_it():
    """The stream tells of it after a purchase that came later: what the account has realized is the
    venue's, which closed at the cost of before."""
    before = [fill_of(LINEAR, "+4@100", trade=1), fill_of(LINEAR, "+2@100", trade=2, time=2)]
    forced = fill_of(LINEAR, "-3@90", trade=3, time=3)
    later = fill_of(LINEAR, "+3@130", trade=4, time=4)
    found = []
    for is_late in (False, True):
        booking, ledger = Booking(INSTRUMENTS), Ledger()
        ledger.post(booking.fill(before[0], A))
        ledger.post(booking.fill(before[1], B))
        steps = [partial(booking.forced, forced), partial(booking.fill, later, A)]
        for step in reversed(steps) if is_late else steps:
            ledger.post(checked(step()))
        holdings = {slot: (held.qty, held.cost, held.realized) for (slot, _, _), held in booking.positions.items()}
        account = booking.account[LINEAR, BOTH]
        found.append((holdings, (account.qty, account.cost, account.realized)))
        assert ledger.total("USDT") == account.realized == -30 * UNIT
    assert found[0] == found[1]


HOLDINGS = st.lists(st.integers(1, 9999), min_size=1, max_size=6)


@settings(max_examples=examples(200), deadline=None)
@given(HOLDINGS, st.data())
def test_forced_fills_are_shared_to_the_last_lot(held, data):
    booking = Booking(INSTRUMENTS)
    ledger = Ledger()
    for number, qty in enumerate(held):
        booking.fill(made(LINEAR, Side.BUY, 1000 + number, qty, number), MAIN + number)
    size = data.draw(st.integers(1, sum(held)))
    ledger.post(booking.forced(made(LINEAR, Side.SELL, 900, size, 99)._replace(fee=10**17 + 7)))
    left = [booking.positions[MAIN + number, LINEAR, BOTH].qty for number in range(len(held))]
    assert sum(left) == sum(held) - size
    for qty, before in zip(left, held, strict=True):
        assert 0 <= qty <= before
        assert abs((before - qty) - F(before * size, sum(held))) < 1
    assert ledger.total("USDT") == booking.account[LINEAR, BOTH].realized - 10**17 - 7


@pytest.mark.parametrize(
    ("fills", "amount", "paid"),
    [
        ([(A, "+3@100"), (B, "+1@100")], -8, {A: -6, B: -2}),
        ([(A, "+3@100"), (B, "-1@100")], -8, {A: -12, B: 4}),  # B is short, and receives
        ([(A, "-3@100"), (B, "+1@100")], 8, {A: 12, B: -4}),
        ([(A, "+1@100"), (B, "+1@100"), (MAIN, "+1@100")], 10, {A: 3, B: 3, MAIN: 4}),
        ([(A, "+1@100"), (B, "+2@100")], 10, {A: 3, B: 7}),
        ([(A, "+1@100"), (B, "-1@100")], 5, {MAIN: 5}),  # nobody says what the rate was
        ([], -5, {MAIN: -5}),
    ],
)
def test_funding_is_shared_by_signed_positions(fills, amount, paid):
    booking = booked(LINEAR, *fills)
    entry = checked(booking.funding(LINEAR, BOTH, amount, "USDT", 4, "f1"))
    wanted = {(slot, "USDT"): each for slot, each in paid.items()}
    assert moved(entry) == {**wanted, (FUNDING, "USDT"): -amount}
    assert (entry.time, entry.cause, entry.reference) == (4, Cause.FUNDING, "f1")


def test_where_the_account_is_flat_sub_accounts_pay_each_other():
    booking = booked(LINEAR, (A, "+1@100"), (B, "-1@100"))
    entry = booking.funding(LINEAR, BOTH, 0, "USDT", 4, "f1", rate=10**8, mark=1100)
    assert moved(checked(entry)) == {(A, "USDT"): -UNIT * 11 // 1000, (B, "USDT"): UNIT * 11 // 1000}


def test_a_position_of_before_the_tape_is_the_pool_s():
    booking = Booking(INSTRUMENTS)
    booking.adopt(LINEAR, BOTH, 2000, 1000)
    entry = booking.fill(fill_of(LINEAR, "-1@110"), MAIN)
    assert moved(entry) == {(MAIN, "USDT"): 10 * UNIT, (MARKET, "USDT"): -10 * UNIT}
