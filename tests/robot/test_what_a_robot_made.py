"""What a robot has made is one figure: of its own fills, their funding and fees. Random sub-accounts, in which others
trade, too, coins lie that it did not buy, and money comes and goes, over kills of the robot."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa

import onetape
from long_form import LONG
from onetape import Strategy
from onetape.accounts.booking import Booking
from onetape.accounts.entries import Cause, Entry, Leg, Outside
from onetape.accounts.entry_frames import pack
from onetape.model import catalogue
from onetape.model.decimals import decimal_text
from onetape.model.enums import Kind, Liquidity, PositionSide, RequestKind, Side
from onetape.model.money import money
from onetape.model.order import OrderSpec
from onetape.orders.managed import FillOut, IntentOut, Request, requested_order
from onetape.orders.reports import FillReport
from onetape.projections.robot_life import RobotLife
from onetape.recorder.recorder import Recorder
from onetape.runs.attribution import attribution_of
from onetape.store.records import Records, metadata
from worlds.frames import QUOTE
from worlds.scripted_gateway import UNIT, Gateway, Robot

SPOT, LINEAR, INVERSE = "binance:BTC/USDT", "binance:BTC/USDT:USDT", "binance:BTC/USD:BTC"
SLOT, OTHER = 2, 7  # the sub-account, and another robot of it
SEEDS = range(100 if LONG else 5)
WANTED: list[int] = []  # units, signed: what the robot orders at its next quote


class Trader(Strategy):
    symbols: list[str]

    def on_start(self):
        for symbol in self.symbols:
            self.subscribe(symbol, quotes=True)

    def on_quote(self, quote):
        while WANTED:
            units = WANTED.pop()
            qty = abs(units) / 10 ** self.instrument(quote.symbol).size_decimals
            (self.buy if units > 0 else self.sell)(quote.symbol, qty)


class World:
    """A sub-account, its robot, and what the robot has made by its fills alone."""

    def __init__(self, home: Path, symbol: str, seed: int, *, is_alone: bool) -> None:
        facts = catalogue.find(symbol)
        assert facts is not None
        self.home, self.facts, self.is_alone = home, facts, is_alone
        self.rng = random.Random(f"{symbol} {seed}")
        self.gateway = Gateway(home, "a", symbol=symbol)
        self.gateway.balances = {facts.settle: "100000", **({facts.base: "3"} if facts.kind is Kind.SPOT else {})}
        self.gateway.tape.attach(RobotLife(OTHER, "other", 1, "", slot=SLOT), self.gateway.later)
        self.gateway.quote = self.quote  # type: ignore[method-assign]
        self.booking = Booking({symbol: facts})
        self.bid, self.held, self.others, self.paid, self.cash = 600_000, 0, 0, 0, 0
        WANTED.clear()
        self.deposit()  # the ledger begins before the robot

    def quote(self, bid: int | None = None) -> None:
        gateway = self.gateway
        gateway.later += 10**9
        frame = QUOTE.pack(gateway.later, gateway.later, self.bid, self.bid + 10, 10**6, 10**6, 0)
        gateway.tape.writer.append("quote", frame, stream=1, time=gateway.later)

    # --- what happens -----------------------------------------------------------------------------

    def move(self) -> None:
        self.bid += self.rng.randrange(-20_000, 20_000)

    def _units(self) -> int:
        """Returns a quantity that is worth the least that may be ordered, and its sign."""
        least = {Kind.SPOT: 1000, Kind.LINEAR: 10, Kind.INVERSE: 1}[self.facts.kind] * self.facts.lot_int
        return self.rng.choice((-1, 1)) * self.rng.randrange(1, 30) * least

    def own_fill(self, robot: Robot, units: int = 0) -> None:
        WANTED.append(units or self._units())
        robot.step()
        (order,) = robot.loop.working(None)
        side = Side.BUY if order.side == "buy" else Side.SELL
        self._fill(self.gateway.order(order.id, order.qty_int, side), 1, side, order.qty_int)
        robot.run.step()

    def other_fill(self) -> None:
        units = self._units()
        side = Side.BUY if units > 0 else Side.SELL
        spec = OrderSpec(symbol=self.facts.symbol, side=side, size_int=abs(units), price_int=self.bid)
        order = requested_order("o", Request(OTHER, RequestKind.PLACE, 10**6 + self.gateway.trades, spec), 1)
        self.gateway.tape.write(IntentOut(order, RequestKind.PLACE, self.bid, abs(units)), self.gateway.later)
        self._fill(order, OTHER, side, abs(units))

    def _fill(self, order, robot: int, side: Side, size: int) -> None:
        gateway, settle = self.gateway, self.facts.settle
        gateway.trades += 1
        price, fee = self.bid + self.rng.randrange(10), self.rng.randrange(10**15)
        report = FillReport(
            self.facts.symbol,
            order.client_id,
            "77",
            gateway.trades,
            side,
            PositionSide.BOTH,
            price,
            size,
            1_000 + gateway.trades,
            fee,
            settle,
            Liquidity.TAKER,
        )
        sequence = gateway.tape.write(FillOut(order, report), gateway.later)
        self._book(self.booking.fill(report, SLOT)._replace(time=gateway.later, of=sequence))
        change = size if side is Side.BUY else -size
        if robot == 1:
            self.held += change
            self.paid += self._worth(2 * price, change)
            self.cash -= fee
        else:
            self.others += change

    def deposit(self) -> None:
        coin = self.rng.choice([self.facts.settle, *([self.facts.base] if self.facts.kind is Kind.SPOT else [])])
        amount = self.rng.randrange(-(10**17), 10**18)
        self._book(Entry(self.gateway.later, Cause.CORRECTION, _legs(coin, amount, Outside.WORLD), "", 0, ""))

    def funding(self) -> None:
        """The venue pays it on what the sub-account holds; of a symbol that the robot never traded it is not its."""
        if self.facts.kind is Kind.SPOT or not (self.held or self.others):
            return
        amount = self.rng.randrange(-(10**16), 10**16)
        legs = _legs(self.facts.settle, amount, Outside.MARKET)
        self._book(Entry(self.gateway.later, Cause.FUNDING, legs, "", 0, self.facts.symbol))
        if self.paid or self.held:
            self.cash += amount

    def _book(self, entry: Entry) -> None:
        for leg in entry.legs:
            if leg.holder == SLOT:
                had = Decimal(self.gateway.balances.get(leg.currency, 0))
                self.gateway.balances[leg.currency] = decimal_text(had + money(leg.amount))
        self.gateway.tape.writer.append("entry", pack(entry), stream=0, time=self.gateway.later)

    # --- what it comes to -------------------------------------------------------------------------

    def _worth(self, halves: int, qty: int) -> int:
        worth = self.facts.core.notional_doubled(halves, qty)
        return -worth if self.facts.kind is Kind.INVERSE else worth

    @property
    def made(self) -> Decimal:
        return money(self._worth(2 * self.bid + 10, self.held) - self.paid + self.cash)

    def play(self, robot: Robot, steps: int) -> None:
        foreign = [self.deposit] if self.is_alone else [self.deposit, self.other_fill]
        for _ in range(steps):
            act = self.rng.choice([self.move, self.move, self.funding, *foreign, None, None])
            if act is None:
                self.own_fill(robot)
            else:
                act()
            robot.step()
            assert _near(robot.run.session.profit, self.made)


def _legs(currency: str, amount: int, outside: Outside) -> tuple[Leg, ...]:
    return Leg(SLOT, currency, amount), Leg(outside, currency, -amount)


def _near(left: Decimal, right: Decimal) -> bool:
    """Up to the rounding of single amounts at 1e-18."""
    return abs(left - right) < Decimal(100) / UNIT


@pytest.mark.parametrize("symbol", [SPOT, LINEAR, INVERSE])
@pytest.mark.parametrize("is_alone", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_every_figure_of_a_robot_is_of_its_own_fills_funding_and_fees(tmp_path, symbol: str, is_alone: bool, seed: int):
    world = World(tmp_path, symbol, seed, is_alone=is_alone)
    with Robot(tmp_path, Trader, gateway=world.gateway) as robot:
        world.play(robot, 12)
        robot.kill()
        assert _near(robot.run.session.profit, world.made)
        world.play(robot, 12)
        if world.held:
            world.own_fill(robot, -world.held)  # a round trip has a result when it has ended
        world.quote()
        robot.step()
        made = world.made
        assert _near(robot.run.session.profit, made)
        result = robot.run.close(keep=True)
        assert result is not None and _near(result.pnl, made)
        assert _near(Decimal(onetape.open(robot.run.folder).stats["pnl"]), made)
        found = attribution_of(robot.run.folder)
        assert _near(Decimal(found.as_json()["sum"]), made)
        assert all(_near(money(cell.other), Decimal(0)) for cell in found.cells.values())
        if is_alone and symbol != SPOT:
            assert _near(trips_of(tmp_path), made)


def trips_of(home: Path) -> Decimal:
    records = Records("sqlite:///store.db", home=home)
    try:
        assert records.take_lease() == ""
        recorder = Recorder(home, records, leverage={})
        while recorder.step() and recorder.is_behind:
            pass
        rows = records.rows(sa.select(metadata.tables["record_trips"]))
        return sum((Decimal(row["net"]) for row in rows), Decimal(0))
    finally:
        records.close()
