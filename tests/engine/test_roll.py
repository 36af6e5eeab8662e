"""Dated contracts: what is held goes on in the next one, and what is not rolled is settled."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onetape import Strategy
from onetape.model.errors import StrategyError
from onetape.model.money import money_units
from onetape.replay.replay import replay_run
from onetape.research.backtest import BacktestOptions, run_backtest
from onetape.runs.attribution import attribution_of
from worlds.tapes import Market, play

SPOT = "binance:BTC/USDT"
NEAR, NEXT, EVER = "binance:BTC/USDT:USDT-260101", "binance:BTC/USDT:USDT-260326", "binance:BTC/USDT:USDT"


class Carry(Strategy):
    """Spot against the contract of the same coin."""

    contracts: list[str]
    before: str = "2h"
    algo: str = "touch"
    minutes: int = 0
    rolls: bool = True

    def on_start(self):
        self.fronts, self.heard = [], []
        for symbol in (SPOT, *self.contracts):
            self.subscribe(symbol, quotes=True)
        options = {"minutes": self.minutes} if self.minutes else {}
        self.row = self.roll(self.contracts, self.before, self.algo, **options) if self.rolls else None
        self.set_timer("begin", at=self.now + 1800 * 10**9)

    def on_timer(self, name):
        self.buy(SPOT, 2)
        self.set_target(self.row.front if self.row else self.contracts[0], -2)

    def on_quote(self, quote):
        if self.row and quote.symbol == SPOT:
            self.fronts.append(self.row.front)

    def on_fill(self, fill):
        self.heard.append((fill.symbol, fill.side, fill.qty, fill.price))


def market(path, contracts, hours=10, settles_at=104.0):
    made = Market(path, symbol=SPOT, lot="0.01")
    for symbol in contracts:
        made.add(symbol, lot="0.01")
    for minute in range(0, hours * 60, 10):
        at, mid = minute * 60, 100 + minute % 30 / 10
        made.quote(at, mid - 0.1, mid + 0.1)
        for number, symbol in enumerate(contracts):
            basis = mid + 1 + number
            made.quote(at, basis - 0.1, basis + 0.1, symbol=symbol)
            made.mark(at, settles_at if symbol == NEAR else basis, symbol=symbol)
    return made.done()


def played_over(tmp_path, contracts, **params):
    tape = market(tmp_path / "t", contracts)
    plan = {"journal": tmp_path / "run", "cash": {"USDT": Decimal(10_000)}, "leverage": 3}
    return play(Carry, tape, params={"contracts": list(contracts), **params}, **plan)


@pytest.mark.parametrize("contracts", [(NEAR, NEXT), (NEAR, EVER)])
def test_a_short_goes_on_in_the_next_contract_beside_its_coins(tmp_path, contracts):
    played = played_over(tmp_path, contracts)
    near, after = contracts
    assert [each[:3] for each in played.robot.heard] == [
        (SPOT, "buy", 2),
        (near, "sell", 2),
        (near, "buy", 2),
        (after, "sell", 2),
    ]
    assert played.loop.position(SPOT, None).qty == 2
    assert (played.loop.position(near, None).qty, played.loop.position(after, None).qty) == (0, -2)
    fronts = played.robot.fronts  # a look each ten minutes, the roll two hours ahead
    assert fronts == [near] * 36 + [after] * 24


def test_the_move_is_worked_by_an_algorithm_and_out_goes_before_in(tmp_path):
    played = played_over(tmp_path, (NEAR, NEXT), algo="twap", minutes=30)
    legs = [(symbol, side) for symbol, side, *_ in played.robot.heard[2:]]
    outs, ins = legs.count((NEAR, "buy")), legs.count((NEXT, "sell"))
    assert outs > 1 and ins > 1 and legs == [(NEAR, "buy")] * outs + [(NEXT, "sell")] * ins
    assert played.loop.position(NEXT, None).qty == -2


def test_what_is_not_rolled_is_settled_and_attribution_adds_up(tmp_path):
    tape = market(tmp_path / "t", (NEAR, NEXT))
    params = {"contracts": [NEAR, NEXT], "rolls": False}
    money = {"cash": "10000 USDT", "leverage": 3, "fee": "0,0.001"}
    run = run_backtest(BacktestOptions(f"{__file__}:Carry", [tape], tmp_path, out="r", params=params, **money)).run
    found = attribution_of(run)
    rows = {row["symbol"]: row for row in found.summed("symbol")}
    near = rows[NEAR]
    # Sold at the bid, settled at the mark of 104 without a fee.
    assert (near["fills"], near["trades"]) == (2, 1)
    assert Decimal(near["gross"]) == 2 * (Decimal("100.9") - 104)
    assert Decimal(near["fees"]) == 2 * Decimal("100.9") / 1000
    assert sum(money_units(Decimal(row["net"])) for row in rows.values()) == found.account
    assert replay_run(run, verify=True)["divergences"] == 0


def test_in_hedge_mode_each_side_goes_on_in_the_next_contract(tmp_path):
    class Both(Carry):
        def on_timer(self, name):
            if name == "begin":
                self.set_target(self.contracts[0], 1, side="long")
                self.set_target(self.contracts[0], 2, side="short")

    tape = market(tmp_path / "t", (NEAR, NEXT))
    plan = {"cash": {"USDT": Decimal(10_000)}, "leverage": 3, "hedge": True}
    robot = play(Both, tape, params={"contracts": [NEAR, NEXT]}, **plan).robot
    held = [robot.position(symbol, side).qty for symbol in (NEAR, NEXT) for side in ("long", "short")]
    assert held == [0, 0, 1, -2]


@pytest.mark.parametrize(
    ("contracts", "words"),
    [
        ((NEAR,), "two contracts"),
        ((NEXT, NEAR), "does not expire before"),
        ((EVER, NEAR), "does not expire before"),
        ((NEAR, SPOT), "other markets"),
    ],
)
def test_what_is_no_row_of_contracts_is_refused(tmp_path, contracts, words):
    tape = market(tmp_path / "t", {*contracts, NEAR} - {SPOT}, hours=1)
    with pytest.raises(StrategyError, match=words):
        play(Carry, tape, params={"contracts": list(contracts)}, cash={"USDT": Decimal(10_000)})
