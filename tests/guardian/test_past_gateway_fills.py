"""What the guardian's own orders past a dead gateway come to: what closings have filled is off the position at once,
and once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

from exchange.venue_client import served
from onetape.guardian.core import SETTLES, GuardianCore
from onetape.guardian.events import PlaceStops, StopRow
from onetape.guardian.past_gateway import ORDER, PLACING, OrderNumbers, PastGateway
from onetape.guardian.venue_reader import VenueReader
from onetape.model.catalogue import find
from onetape.model.enums import OrderState, OrderType, PositionSide, Side, TriggerBy, TriggerKind
from onetape.model.ids import client_id, robot_tag
from onetape.model.order import OrderSpec
from onetape.options.guardian import AccountOptions
from onetape.options.guardian_rules import GuardianSettings
from onetape.orders.calls import Purpose
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.queries import ABSENT_AFTER
from onetape.orders.reports import OrderStatusReport, PositionReport
from onetape.projections.robot_life import RobotLife
from onetape.risk.stop_ladder import Rung
from waiting import wait_in_loop

SYMBOL = "binance:BTC/USDT:USDT"
BTC, ETH = find(SYMBOL), find("binance:ETH/USDT:USDT")
QTY = BTC.size_int(0.03)


class Desk:
    """The guardian's core and its own orders at a simulated exchange that holds a position."""

    def __init__(self, home: Path, reader: VenueReader) -> None:
        self.reader, self.records, self.tasks = reader, [], []
        self.core = GuardianCore(GuardianSettings(), epoch="x", watched={"main"})
        view = SimpleNamespace(robots={1: RobotLife(1, "mm", 1, "")}, instruments={SYMBOL: BTC, ETH.symbol: ETH})
        self.past = PastGateway(
            "main",
            home,
            reader,
            self.core,
            SimpleNamespace(view=view),
            say=self.records.append,
            spawn=lambda work: self.tasks.append(asyncio.ensure_future(work)),
            ids=OrderNumbers(0, lambda until: None),
        )

    async def begin(self) -> None:
        reader, spec = self.reader, OrderSpec(symbol=SYMBOL, side=Side.BUY, size_int=QTY, type=OrderType.MARKET)
        now = reader.clock.now()
        await reader.line.answer(reader.protocol.signed(reader.protocol.place("byotherhands", spec, now), now))
        assert await self.held() == QTY
        for each in (BTC, ETH):
            self.core.instrument("main", each)
        self.core.position("main", SYMBOL, PositionSide.BOTH, QTY, Fraction(600_000), time.monotonic_ns(), opened="1")
        assert self.past.begin()

    async def place(self, ordinal: int, spec: OrderSpec) -> str:
        """Places an order of a robot of ours, as its gateway did before it died."""
        name, now = client_id(robot_tag("mm"), epoch=1, ordinal=ordinal), self.reader.clock.now()
        protocol = self.reader.protocol
        answer = await self.reader.line.answer(protocol.signed(protocol.place(name, spec, now), now))
        assert answer.outcome is Outcome.DONE
        return name

    async def working(self) -> set[str]:
        found = set()
        for call in self.reader.protocol.open_orders(self.reader.clock.now()):
            answer = await self.reader.line.answer(call)
            assert answer.outcome is Outcome.DONE
            found |= {row.client_id for row in answer.reports}
        return found

    async def canceled(self, names: list[str]) -> None:
        def are_canceling() -> bool:
            self.past.tick()
            sent = {each.about["order"] for each in self.records if each.kind == ORDER and each.state == "canceling"}
            return sent >= set(names)

        await wait_in_loop(are_canceling)
        await asyncio.gather(*self.tasks)

    async def held(self) -> int:
        _, rows = await self.reader.positions()
        return sum(row.qty for row in rows if row.symbol == SYMBOL)

    @property
    def closings(self) -> int:
        return sum(each.kind == ORDER and each.state == PLACING for each in self.records)

    def listed(self, qty: int, queried_at: int) -> None:
        rows = [PositionReport(SYMBOL, PositionSide.BOTH, qty, queried_at)] if qty else []
        self.core.positions_read("main", rows, queried_at, time.monotonic_ns())

    def flatten(self) -> None:
        self.past.flatten([each for each in self.core.guards.values() if each.qty])


def played(home: Path, play: Callable[[Desk], Awaitable[None]]) -> None:
    with served("binance-usdm", seed=11, limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        rest = f"http://127.0.0.1:{port}"
        options = AccountOptions(kind="binance-usdm", rest=rest, ws="", key=account.key, secret=account.secret)

        async def run() -> None:
            reader = VenueReader(options, home, lambda _: None)
            reader.learn([BTC, ETH])
            async with reader.open():
                desk = Desk(home, reader)
                await desk.begin()
                await play(desk)
                await asyncio.gather(*desk.tasks)
                desk.past.close()

        asyncio.run(run())


def test_what_a_closing_has_filled_is_off_the_position_before_the_venue_lists_it(tmp_path):
    async def play(desk: Desk) -> None:
        desk.flatten()

        def is_flat() -> bool:
            desk.past.tick()
            desk.flatten()  # as the core asks, twice a second
            return not desk.core.held("main", SYMBOL)

        await wait_in_loop(is_flat)
        assert desk.closings == 1
        assert await desk.held() == 0

    played(tmp_path, play)


@pytest.mark.parametrize("rungs", [(3, 3, 3, 3, 3), (6, 3, 3, 3), (15,)])
def test_stops_past_a_gateway_are_of_whom_most_is_left_to_protect(tmp_path, rungs):
    async def play(desk: Desk) -> None:
        owners = {1: 9, 2: 6}
        view = desk.past._follower.view
        view.robots[2] = RobotLife(2, "other", 1, "")
        for robot, qty in owners.items():
            view.robots[robot].note_fill(SYMBOL, PositionSide.BOTH, qty)
        desk.core.position("main", SYMBOL, PositionSide.BOTH, 15, Fraction(600_000), time.monotonic_ns(), opened="1")
        ladder = tuple(Rung(rank, 500_000 - rank, size) for rank, size in enumerate(rungs))
        desk.past.place(PlaceStops("1", "main", SYMBOL, PositionSide.BOTH, Side.SELL, ladder))
        sums = Counter()
        for each in desk.records:
            if each.kind == ORDER and each.state == PLACING:
                sums[each.about["robot"]] += each.about["size"]
        assert sum(sums.values()) == sum(rungs)
        if len(rungs) > 1:  # each owner has just what it holds, and not one of them all
            assert sums == owners

    played(tmp_path, play)


def opener(symbol: str, share: str, *, trigger: bool = False) -> OrderSpec:
    """A purchase that is far from the market; trigger: at the market, once that is there."""
    instrument = find(symbol)
    price = instrument.price_int(Decimal(share) * (3000 if symbol == ETH.symbol else 60_000), Side.BUY)
    of = {"symbol": symbol, "side": Side.BUY, "size_int": instrument.size_int(0.5)}
    if not trigger:
        return OrderSpec(**of, type=OrderType.LIMIT, price_int=price)
    by = {"trigger_by": TriggerBy.LAST, "trigger_kind": TriggerKind.STOP}
    return OrderSpec(**of, type=OrderType.MARKET, trigger_int=price, **by)


def test_what_would_open_a_flattened_position_again_is_canceled_for_each_of_them(tmp_path):
    """Also of a second one within seconds, and what waits for a trigger in a list of its own."""

    async def play(desk: Desk) -> None:
        names = [
            await desk.place(1, opener(SYMBOL, "0.5")),
            await desk.place(2, opener(SYMBOL, "2", trigger=True)),
            await desk.place(3, opener(ETH.symbol, "0.5")),
        ]

        desk.flatten()
        await desk.canceled(names[:2])
        assert await desk.working() == {names[2]}
        entry, now = Fraction(30_000), time.monotonic_ns()
        desk.core.position("main", ETH.symbol, PositionSide.BOTH, 1000, entry, now, opened="2")
        desk.flatten()
        await desk.canceled(names)
        assert await desk.working() == set()

    played(tmp_path, play)


def test_orders_that_open_are_listed_until_a_listing_says_that_there_are_none(tmp_path):
    async def play(desk: Desk) -> None:
        name = await desk.place(1, opener(SYMBOL, "0.5"))
        answer, refused = desk.reader.line.answer, []

        async def refuses_one(call):
            if call.purpose is Purpose.OPEN_ORDERS and not refused:
                refused.append(call)
                return Answer(Outcome.SAFE)
            return await answer(call)

        desk.reader.line.answer = refuses_one
        desk.flatten()

        await desk.canceled([name])
        assert refused and await desk.working() == set()

    played(tmp_path, play)


def test_a_stop_may_arrive_after_a_cancel_has_not_found_it(tmp_path):
    """Its gateway died as it was on its way: that the venue does not have it proves nothing for a while."""

    async def play(desk: Desk) -> None:
        (guard,) = desk.core.guards.values()
        name = client_id(robot_tag("mm"), epoch=1, ordinal=9)
        stop = StopRow(name, "", SYMBOL, PositionSide.BOTH, Side.SELL, 500_000, QTY, OrderState.SUBMITTED)
        now = time.monotonic_ns()
        desk.past._steady = lambda: now
        desk.past.begin_alone({})
        desk.core.stop("main", stop, now)
        for passed, is_believed in ((0, True), (ABSENT_AFTER - 1, True), (ABSENT_AFTER, False)):
            desk.past._steady = lambda passed=passed: now + passed
            desk.past.cancel({name: SYMBOL})
            await asyncio.gather(*desk.tasks)
            assert (name in guard.rows) is is_believed

    played(tmp_path, play)


LONG, SHORT, BOTH = PositionSide.LONG, PositionSide.SHORT, PositionSide.BOTH


@pytest.mark.parametrize(
    ("flattened", "side", "position_side", "reduce_only", "opens"),
    [
        (BOTH, Side.BUY, BOTH, False, True),
        (BOTH, Side.SELL, BOTH, False, True),  # with nothing left to close it turns the position
        (BOTH, Side.SELL, BOTH, True, False),
        (LONG, Side.BUY, LONG, False, True),
        (LONG, Side.SELL, LONG, False, False),  # closes
        (LONG, Side.SELL, SHORT, False, False),  # opens the other one, which nobody flattens
        (SHORT, Side.SELL, SHORT, False, True),
        (SHORT, Side.BUY, SHORT, False, False),
    ],
)
def test_an_order_opens_by_its_side_and_that_of_its_position(
    tmp_path, flattened, side, position_side, reduce_only, opens
):
    options = AccountOptions(kind="binance-usdm", rest="http://x", ws="", key="k", secret="s")
    past = Desk(tmp_path, VenueReader(options, tmp_path, lambda _: None)).past
    name = client_id(robot_tag("mm"), epoch=1, ordinal=1)
    row = OrderStatusReport(SYMBOL, name, "1", OrderState.ACCEPTED, 0, side=side, position_side=position_side)
    past._flattening.add((SYMBOL, flattened))
    assert past._opens(row._replace(reduce_only=reduce_only)) is opens
    past.close()


def test_what_a_listing_may_have_is_taken_off_once(tmp_path):
    async def play(desk: Desk) -> None:
        (guard,) = desk.core.guards.values()
        guard.changed_at = 0  # long ago
        desk.flatten()
        sent = time.monotonic_ns()
        for _ in range(2):  # believed when it is said twice: others have sold a third of it, as far as this says
            desk.listed(QTY * 2 // 3, sent)
        assert guard.qty == QTY * 2 // 3

        def has_filled() -> bool:
            desk.past.tick()
            return any(each.state == "FILLED" for each in desk.records)

        await wait_in_loop(has_filled)
        assert guard.qty == QTY * 2 // 3  # whether the listing has the fill, nobody knows
        desk.flatten()
        assert desk.closings == 1
        later = time.monotonic_ns() + 2 * SETTLES
        for _ in range(2):
            desk.listed(QTY // 3, later)
        desk.flatten()  # that much there is
        assert guard.qty == QTY // 3 and desk.closings == 2

    played(tmp_path, play)
