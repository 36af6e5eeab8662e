"""A backtest against a slow one: market orders on quotes, exact to the last decimal.

The slow one is twenty lines of Decimal: an order arrives after its latency, meets the quote that
stands there, pays the taker fee, and is known after the second latency.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tapes import BTC, START, Market, play

from onetape.engine.strategy import Strategy
from onetape.tape.journal import JournalReader

CASH = Decimal(100_000)
TICK, LOT = Decimal("0.1"), Decimal("0.001")


class Planned(Strategy):
    """Orders by the number of the quote: {number: [(side, lots), ...]}."""

    plan: dict = {}  # noqa: RUF012 - set by the test

    def on_start(self):
        self.subscribe(BTC, quotes=True)
        self.n = 0

    def on_quote(self, quote):
        for side, lots in self.plan.get(self.n, ()):
            getattr(self, side)(BTC, LOT * lots)
        self.n += 1


def slow(quotes, plan, *, into: int, back: int, fee: Decimal):
    """(fills as (time known, side, price, lots, fee), cash, position in lots)."""
    end = quotes[-1][0]
    fills = []
    for number, orders in sorted(plan.items()):
        if number >= len(quotes):
            continue
        sent = quotes[number][0]
        arrival = sent + into
        # An arrival and a quote of the same moment: the order is first, unless it was the quote's
        # own callback that sent it.
        standing = [
            q for at, q in enumerate(quotes) if q[0] < arrival or (into == 0 and at <= number)
        ]
        for side, lots in orders:
            price = TICK * (standing[-1][2] if side == "buy" else standing[-1][1])
            if arrival <= end and arrival + back <= end:
                fills.append((arrival + back, side, price, lots, price * LOT * lots * fee))
    cash = CASH
    position = 0
    for _, side, price, lots, paid in fills:
        sign = 1 if side == "buy" else -1
        cash -= sign * price * LOT * lots + paid
        position += sign * lots
    return fills, cash, position


def recorded(journal: Path):
    with JournalReader(journal) as reader:
        for record in reader:
            if record.type == "fill":
                data = record.data
                yield (
                    record.time,
                    data["side"],
                    TICK * data["price"],
                    data["size"],
                    Decimal(data["fee"]).scaleb(-18),
                )


@st.composite
def worlds(draw):
    steps = draw(st.lists(st.integers(0, 40), min_size=3, max_size=30))
    time, quotes = START, []
    for step in steps:
        time += step * 1_000_000
        bid = draw(st.integers(900, 1100))
        quotes.append((time, bid, bid + draw(st.integers(1, 7))))
    plan = draw(
        st.dictionaries(
            st.integers(0, len(quotes) - 1),
            st.lists(
                st.tuples(st.sampled_from(["buy", "sell"]), st.integers(1, 300)),
                min_size=1,
                max_size=3,
            ),
            max_size=12,
        )
    )
    latency = draw(st.sampled_from([(0, 0), (5, 5), (10, 0), (0, 25), (40, 80)]))
    fee = draw(st.sampled_from(["0", "0.0005", "-0.0001", "0.000123456789"]))
    return quotes, plan, latency, Decimal(fee)


@settings(max_examples=120, deadline=None)
@given(worlds())
def test_fills_fees_and_equity_are_those_of_the_slow_model(tmp_path_factory, world):
    quotes, plan, (into, back), fee = world
    tmp_path = tmp_path_factory.mktemp("world")
    market = Market(tmp_path / "t")
    for time, bid, ask in quotes:
        market.quote((time - START) / 10**9, bid / 10, ask / 10, 10**6, 10**6)
    played = play(
        type("Mine", (Planned,), {"plan": plan}),
        market.done(),
        journal=tmp_path / "run",
        latency=(into / 1000, back / 1000),
        fee=(fee, fee),
        cash={"USDT": CASH},
    )
    fills, cash, position = slow(quotes, plan, into=into * 10**6, back=back * 10**6, fee=fee)
    assert list(recorded(tmp_path / "run")) == fills
    assert played.robot.position(BTC).qty_int == position
    # Valued at the mid, in whole price units.
    mid = ((Decimal(quotes[-1][1]) + quotes[-1][2]) / 2).to_integral_value(ROUND_FLOOR) * TICK
    assert played.equity == cash + position * LOT * mid
    assert Decimal(played.sim.fees_text(0)) == sum((f[4] for f in fills), Decimal(0))
