"""Runs under a venue's rules, end to end: from the option to what the robot hears, and a replay."""

from __future__ import annotations

import csv
from decimal import Decimal

import pytest
from test_money_runs import backtest, heard

from onetape import Strategy
from onetape.model.errors import BadConfig
from onetape.model.symbol import parse_symbol
from onetape.model.time import format_time, parse_time
from onetape.replay.replay import replay_run
from worlds.strategy_files import listener
from worlds.tapes import BTC, SECOND, Market, play, records

START = parse_time("2026-01-01T00:00:00Z")


def moment(seconds: int) -> str:
    return format_time(START + seconds * 10**9)


def flat(path, symbol: str = BTC, seconds: int = 60, price: float = 60_000, **facts):
    market = Market(path, symbol, **facts)
    for second in range(seconds):
        market.quote(second, price - 0.1, price)
    return market


SIDES = listener(
    quote="""
    if self.n == 2:
        self.buy(self.symbol, 1, position_side="long")
        self.sell(self.symbol, 2, position_side="short")
        refused = self.set_target(self.symbol, 1)
        self.hear("target", refused.state, refused.code)
        self.hear("no side", self.buy(self.symbol, 1).code)
    if self.n == 10:
        self.hear("held", [self.position(self.symbol, side).qty for side in ("long", "short", "both")])
        self.close(self.symbol)
    if self.n == 20:
        self.hear("left", len(self.positions()))
    """
)


def test_hedge_mode_from_the_command_to_the_position(tmp_path) -> None:
    tape = flat(tmp_path / "flat.tape").done()
    done = backtest(tmp_path, tape, "run", SIDES, hedge=True, cash="1000000 USDT", latency="0")
    assert heard(done.run) == ["target DENIED 4308", "no side 4308", "held [1.0, -2.0, 0.0]", "left 0"]
    assert done.fills == 4
    assert replay_run(done.run, verify=True)["divergences"] == 0


ORDERS = listener(
    quote="""
    if self.n == 1:
        self.buy(self.symbol, 0.01, quote.bid * 0.9, tag="rests")
    if self.n in (5, 25, 45):
        for _ in range(3):
            self.buy(self.symbol, 0.01, tag=f"at {self.n}")
    """,
    order="""
    if order.state in ("REJECTED", "CANCELED"):
        self.hear(order.tag, order.state, order.code, order.reason)
    """,
)


def test_closed_hours_and_order_rates_of_a_run(tmp_path) -> None:
    tape = flat(tmp_path / "flat.tape").done()
    done = backtest(
        tmp_path,
        tape,
        "run",
        ORDERS,
        closed=[f"binance@{moment(20)}..{moment(30)},cancel"],
        order_rate="2/10s",
        latency="0",
    )
    words = heard(done.run)
    # The first order left 1 of 2 tokens, and 0.8 came back by second 4: one of three passes.
    limited = "REJECTED 4403 the venue takes no more orders in this time"
    assert words[:2] == [f"at 5 {limited}"] * 2
    assert words[2].startswith("rests CANCELED 4402")
    assert words[3:6] == ["at 25 REJECTED 4402 the venue is closed at this hour"] * 3
    assert words[6:] == [f"at 45 {limited}"]
    assert done.fills == 3
    texts = [each.text for each in done.assumptions]
    assert "each venue takes 2 orders in 10s; 3 orders were refused for their rate" in texts
    assert replay_run(done.run, verify=True)["divergences"] == 0
    with pytest.raises(BadConfig, match="no instrument of venue 'kraken'"):
        backtest(tmp_path, tape, "other", ORDERS, closed=[f"kraken@{moment(20)}..{moment(30)}"])


FUTURE = "binance:BTC/USDT:USDT-260101"
HOLD = listener(
    FUTURE,
    quote="""
    if self.n == 2:
        self.buy(self.symbol, 1)
        self.buy(self.symbol, 1, quote.bid * 0.9, tag="rests")
    if self.n == 50:
        self.buy(self.symbol, 1, tag="late")
    """,
    fill='self.hear("fill", fill.order.tag, fill.side, fill.price, "fee", fill.fee)',
    order="""
    if order.state in ("REJECTED", "CANCELED"):
        self.hear(order.tag, order.state, order.code)
    """,
    health="self.hear(health.kind, health.state)",
)


def test_a_dated_future_settles_at_its_expiry(tmp_path) -> None:
    assert parse_symbol(FUTURE).expiry is not None
    market = Market(tmp_path / "dated.tape", FUTURE, expiry=START + 40 * 10**9, taker_fee="0")
    for second in range(60):
        market.mark(second, 60_000 + 10 * second)
        market.quote(second + 0.5, 59_999.9, 60_000)
    done = backtest(tmp_path, market.done(), "run", HOLD, latency="10ms", cash="200000 USDT")
    # The mark of second 39 is the last one before the contract ends at second 40.
    assert heard(done.run) == [
        "fill  buy 60000.0 fee 0.0",
        "rests CANCELED 4407",
        "fill settlement sell 60390.0 fee 0.0",
        "settlement closed",
        "late REJECTED 4407",
    ]
    assert done.pnl == 390
    assert "1 positions were settled at the expiry of their contract" in [each.text for each in done.assumptions]
    assert replay_run(done.run, verify=True)["divergences"] == 0


SPOT = "binance:BTC/USDT"
LOAN = listener(SPOT, quote="if self.n == 1: self.buy(self.symbol, 2)")


def test_spot_on_loan_pays_interest(tmp_path) -> None:
    """2 BTC at 50,000 with 40,000: 60,000 are owed, at 0.01 % an hour for three hours:
    6, then 6.0006, then 6.00120006."""
    market = Market(tmp_path / "spot.tape", SPOT, taker_fee="0", maker_fee="0")
    for second in (0, 1, 3600 * 3 + 60):
        market.quote(second, 49_999.99, 50_000)
    done = backtest(
        tmp_path, market.done(), "run", LOAN, cash="40000 USDT", leverage=3, borrow="USDT=0.0001", latency="0"
    )
    assert done.interest == -Decimal("18.00180006")
    paid = [each.data for each in records(done.run / "journal", "transfer") if each.data["kind"] == "interest"]
    assert {each["currency"] for each in paid} == {"USDT"}
    assert [each["amount"] for each in paid] == ["-6", "-6.0006", "-6.00120006"]
    assert replay_run(done.run, verify=True)["divergences"] == 0
    cashless = backtest(tmp_path, tmp_path / "spot.tape", "none", LOAN, cash="40000 USDT")
    assert cashless.fills == 0
    with pytest.raises(BadConfig, match="EUR is not a currency of the data"):
        backtest(tmp_path, tmp_path / "spot.tape", "bad", LOAN, borrow="EUR=0.1")


STOP = listener(
    quote="if self.n == 1: self.sell(self.symbol, 0.5, trigger=59_000)",
    order="self.hear((self.now - 1767225600000000000) // 10**6, order.state)",
)


def test_a_trigger_s_delay_in_a_run(tmp_path) -> None:
    market = Market(tmp_path / "stop.tape")
    for second, price in enumerate((60_000, 60_000, 58_900, 58_800, 58_700, 58_600)):
        market.quote(second, price - 0.1, price)
    done = backtest(tmp_path, market.done(), "run", STOP, trigger_delay="1500ms", latency="0", fee="0")
    assert heard(done.run) == ["0 ACCEPTED", "2000 TRIGGERED", "3500 FILLED"]
    assert replay_run(done.run, verify=True)["divergences"] == 0


def test_two_venues_share_one_account_and_the_report_says_so(tmp_path) -> None:
    market = Market(tmp_path / "two.tape")
    market.add("kraken:ETH/USDT", tick="0.01")
    for second in range(60):
        market.quote(second, 59_999.9, 60_000)
        market.quote(second, 2999, 3000, symbol="kraken:ETH/USDT")
    done = backtest(tmp_path, market.done(), "run", ORDERS)
    assert any(each.text.startswith("one account serves binance, kraken") for each in done.assumptions)


INDEX = "cffex:IF2603"
TURN = listener(
    INDEX,
    quote="""
    if self.n == 2: self.buy(self.symbol, 3)
    if self.n == 8: self.sell(self.symbol, 2)
    """,
)


def test_an_index_future_counts_its_multiplier_and_a_commission_of_its_notional(tmp_path) -> None:
    """As the CFFEX's: 300 yuan a point, tick 0.2, margin of an eighth, 0.0023 % commission."""
    facts = tmp_path / "facts.toml"
    facts.write_text(
        f'[[instrument]]\nsymbol = "{INDEX}"\nquote = "CNY"\nbase = "IF"\nsettle = "CNY"\n'
        'multiplier = 300\ntick = "0.2"\nlot = 1\nmaker_fee = "0.000023"\n'
        'taker_fee = "0.000023"\nmaintenance_rate = "0.12"\nleverage = 8\n'
    )
    market = Market(tmp_path / "index.tape", INDEX, tick="0.2", lot="1", quote="CNY", base="IF", settle="CNY")
    for second in range(6):
        market.quote(second, 3999.8, 4000)
    for second in range(6, 12):
        market.quote(second, 4020, 4020.2)
    tape = market.done()
    done = backtest(tmp_path, tape, "run", TURN, instruments=facts, cash="600000 CNY", latency="0")
    # Bought 3 at 4,000: 3,600,000 a notional, 450,000 of margin at 8x, commission 82.8.
    # Sold 2 at 4,020: 2,412,000, commission 55.476; realized 2 * 20 * 300 = 12,000.
    # Left: 1, worth at the mid 4,020.1: 20.1 * 300 = 6,030.
    assert done.fees == Decimal("138.276")
    assert done.pnl == Decimal(12_000 + 6_030) - Decimal("138.276")
    short = backtest(tmp_path, tape, "short", TURN, instruments=facts, cash="449000 CNY", latency="0")
    # 450,000 and the commission are not there; a short of 2 is.
    assert (short.denied, short.fills) == (1, 1)
    assert replay_run(done.run, verify=True)["divergences"] == 0


FIRST = listener(
    "cffex:IF",
    'bars="5m"',
    bar="""
    if self.n == 1: self.sell(self.symbol, 2)
    if self.n == 3001: self.buy(self.symbol, 1)
    """,
)


def test_a_recorded_index_future_to_the_last_cent(tmp_path, shared) -> None:
    """IF of early 2018, bars of five minutes: sold 2 at an open, bought 1 back much later."""
    table = shared / "bars" / "cffex-if-5m-2018-first-half.csv"
    facts = tmp_path / "facts.toml"
    facts.write_text(
        '[[instrument]]\nsymbol = "cffex:IF"\nquote = "CNY"\nbase = "IF"\nsettle = "CNY"\n'
        'multiplier = 300\ntick = "0.2"\nlot = 1\nmaker_fee = "0.000023"\n'
        'taker_fee = "0.000023"\nmaintenance_rate = "0.12"\n'
    )
    done = backtest(tmp_path, table, "run", FIRST, instruments=facts, cash="5000000 CNY", symbol="cffex:IF")
    with table.open() as file:
        rows = [row for row in csv.DictReader(file) if Decimal(row["open"])]
    assert done.fills == 2
    sold, bought = Decimal(rows[1]["open"]), Decimal(rows[3001]["open"])
    last = Decimal(rows[-1]["close"])
    fees = Decimal("0.000023") * 300 * (2 * sold + bought)
    assert done.fees == fees
    assert done.pnl == 300 * ((sold - bought) + (sold - last)) - fees


DATED = "binance:BTC/USDT:USDT-260327"


class Owner(Strategy):
    def on_start(self):
        self.subscribe(DATED, quotes=True)
        self.settled = []
        self.buy(DATED, 1)

    def on_fill(self, fill):
        if fill.order.tag == "settlement":
            self.settled.append(self.now - START)


def test_an_expiry_that_a_new_version_brings_forward_is_kept_in_time(tmp_path) -> None:
    """Nothing else is due by then: the loop must not wait for something that is."""
    market = Market(tmp_path / "t", DATED).quote(0, 99, 100).quote(1, 99, 100)
    market.version(2, expiry=START + 5 * SECOND)
    for second in range(3, 12):
        market.quote(second, 99, 100)
    robot = play(Owner, market.done(), cash={"USDT": Decimal(1000)}).robot
    assert robot.settled == [5 * SECOND]
