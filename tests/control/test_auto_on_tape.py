"""What automatic mode keeps on the tape: settings, decisions and costs are there in the next life, and an operation
that was under way is gone on with under its own id."""

from __future__ import annotations

import asyncio
import errno
import random
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from hedge.leg_views import view
from onetape.control.auto import LATE, Automatic, settings_of
from onetape.control.call import Call
from onetape.control.operations import ControlTape, Operations
from onetape.hedge.model import LegView
from onetape.model.errors import BadInput, BlockedByRiskAlert, HedgeFailed
from onetape.web.control_models import AutoState, DeltaAuto, ExecutedOrder, HedgeReply
from waiting import PATIENCE_S

ON = DeltaAuto(symbol="BTC-USD", accounts=["aster-a", "binance-b"], band=0.05, interval=100, cooldown=0)


@dataclass
class World:
    """Two accounts and a desk that fills at once, or as a test says. now: ns."""

    now: int = 10**18
    positions: dict[str, str] = field(default_factory=lambda: {"aster-a": "0", "binance-b": "0"})
    alert: str = ""
    stopped: str = ""
    flickers: bool = False
    looks: int = 0
    trades: list[tuple[str, dict[str, Decimal]]] = field(default_factory=list)
    answer: Callable[[str], Any] = lambda operation: HedgeReply(**FILLED, operation_id=operation)
    begun: set[str] = field(default_factory=set)
    costs: dict[str, Decimal] = field(default_factory=dict)
    moves: Any = field(default_factory=lambda: SimpleNamespace(in_flight=lambda accounts: []))

    def clock(self) -> int:
        self.now += 10**6
        return self.now

    # as Views
    def refresh(self) -> None: ...

    def symbols(self) -> Any:
        class Symbols:
            def of(_, symbol: str) -> dict[str, object]:
                return dict.fromkeys(self.positions, object())

        return Symbols()

    def legs(self, symbol: str, accounts: Sequence[str]) -> list[LegView]:
        made = [view(each, self.positions[each], "0.2") for each in accounts]
        return [replace(each, market_at=self.now, account_at=self.now) for each in made]

    def check_runs(self) -> None:
        self.looks += 1
        if self.flickers and self.looks % 2:
            raise BlockedByRiskAlert("every other look")
        if self.stopped:
            raise BlockedByRiskAlert(self.stopped)

    # as Risk
    def gate(self, accounts: Sequence[str], reduces: bool) -> None:
        if self.alert:
            raise BlockedByRiskAlert(self.alert)

    # as Desk
    def is_busy(self, base: str) -> bool:
        return False

    def has_begun(self, operation: str) -> bool:
        return operation in self.begun

    async def cost(self, operation: str) -> Decimal:
        return self.costs.get(operation, Decimal(0))

    async def trade(self, symbol: str, accounts: Any, trades: Any, operation: str, actor: str, **_: Any) -> HedgeReply:
        self.trades.append((operation, dict(trades)))
        self.begun.add(operation)
        answer = self.answer(operation)
        if asyncio.isfuture(answer):
            await answer
        if isinstance(answer, Exception):
            raise answer
        self.costs[operation] = Decimal("3.0")
        for account, base in trades.items() if answer.success else ():
            self.positions[account] = str(Decimal(self.positions[account]) + base)
        return answer


ORDER = ExecutedOrder(
    order_id="1", account_id="a", symbol="s", amount=0.1, side="sell", executed_price=50_000.0, fees=2.5, timestamp=1
)
FILLED: dict[str, Any] = {
    "success": True,
    "executed_orders": [ORDER],
    "total_cost": 5000.0,
    "execution_time": 1.0,
    "net_delta_change": -0.1,
    "slippage": 0.0001,
    "timestamp": 1,
}


@asynccontextmanager
async def life(home: Path, world: World):
    tape = ControlTape(home)
    operations = Operations(tape)
    auto = Automatic(world, world, world, operations, check=world.check_runs, now=world.clock)  # type: ignore[arg-type]
    operations.resume(world.has_begun, lambda _: another_route)
    auto.start()
    try:
        yield auto
    finally:
        await auto.close()
        tape.close()


async def another_route(operation: str) -> tuple[int, bytes]:
    return 200, b'{"pairs": []}'


async def ask(auto: Automatic, request: DeltaAuto) -> AutoState:
    reply = await auto.handlers["set_delta_auto"](Call("r", "", "POST", "", request=request))
    return reply.pairs[0]


async def state(auto: Automatic) -> AutoState:
    reply = await auto.handlers["delta_auto"](Call("r", "", "GET", ""))
    return reply.pairs[0]


async def until(auto: Automatic, what: Callable[[AutoState], bool]) -> AutoState:
    async with asyncio.timeout(PATIENCE_S):
        while not what(found := await state(auto)):
            await asyncio.sleep(0.01)
    return found


def is_done(found: AutoState) -> bool:
    return found.cost_today > 0 and "is within" in found.decisions[0].reason


def test_settings_decisions_and_costs_are_there_in_the_next_life(tmp_path):
    world = World(positions={"aster-a": "0.1", "binance-b": "0"})

    async def first() -> AutoState:
        async with life(tmp_path, world) as auto:
            await ask(auto, ON)
            return await until(auto, is_done)

    async def second() -> AutoState:
        async with life(tmp_path, world) as auto:
            return await until(auto, lambda found: found.decisions[0].count > 0)

    before, after = asyncio.run(first()), asyncio.run(second())
    assert before.cost_today == after.cost_today == 3.0
    assert after.settings == before.settings == ON and len(world.trades) == 1
    ids = [each.operation_id for each in after.decisions]
    assert world.trades[0][0] in ids and len([each for each in ids if each]) == 1
    assert [each.action for each in reversed(after.decisions)][:2] == ["start", "control"]


@pytest.mark.parametrize(
    "name, fields",
    [
        ("maxRebalanceAmount", {"max_rebalance_amount": 0.1}),
        ("utilizationBand", {"utilization_band": 0.2}),
        ("carrySize", {"carry_size": 0.1}),
        ("delta/auto", {"carry": True, "carry_size": 0.1, "target_utilization": 0.5}),
    ],
)
def test_what_nothing_uses_or_another_would_undo_is_refused_also_of_an_earlier_version(tmp_path, capsys, name, fields):
    """What an older one took is not held any more, and the process starts."""
    refused = msgspec.structs.replace(ON, **fields)

    async def work() -> None:
        async with life(tmp_path, World()) as auto:
            with pytest.raises(BadInput) as error:
                await ask(auto, refused)
            assert error.value.location == name
        tape = ControlTape(tmp_path)
        for request in (ON, refused):
            record = {"kind": "auto_set", "request": msgspec.to_builtins(request), "actor": "a", "at": 1}
            tape.append(record)
        tape.close()
        async with life(tmp_path, World()) as auto:
            assert not auto.is_held(ON.symbol)

    asyncio.run(work())
    assert "BTC-USD is not held any more" in capsys.readouterr().err


@pytest.mark.parametrize("seed", range(20))
def test_the_log_is_the_same_in_the_next_life(tmp_path, seed):
    """Each decision stands once and in its place, over several lives."""
    rng, world = random.Random(seed), World()

    async def one_life(before: list[Any] | None) -> list[Any]:
        async with life(tmp_path, world) as auto:
            if before is not None:
                assert (await state(auto)).decisions == before
            await ask(auto, ON)
            for _ in range(rng.randrange(1, 12)):
                world.positions["aster-a"] = rng.choice(["0", "0.1", "-0.1"])
                world.alert, world.stopped = rng.choice(["", "", "a delta"]), rng.choice(["", "", "stopped"])
                looks = world.looks
                auto.look()
                await until(auto, lambda _, looks=looks: world.looks > looks)
            if rng.random() < 0.5:
                await ask(auto, msgspec.structs.replace(ON, enabled=False))
        return (await state(auto)).decisions

    shown = None
    for _ in range(5):
        shown = asyncio.run(one_life(shown))


def test_what_was_switched_off_stays_off_and_its_costs_count_when_it_is_switched_on(tmp_path):
    world = World(positions={"aster-a": "0.1", "binance-b": "0"})

    async def work() -> None:
        async with life(tmp_path, world) as auto:
            with pytest.raises(BadInput):
                await ask(auto, DeltaAuto(symbol="BTC-USD", enabled=False))
            await ask(auto, ON)
            await until(auto, is_done)
            off = await ask(auto, DeltaAuto(symbol="BTC-USD", enabled=False))
            assert not off.settings.enabled and off.stopped is None and not auto.is_held("BTC-USD")
        world.positions["aster-a"] = "0.3"
        async with life(tmp_path, world) as auto:
            assert not auto.is_held("BTC-USD")
            await asyncio.sleep(0.3)
            assert len(world.trades) == 1
            await ask(auto, DeltaAuto(symbol="BTC-USD", band=0.05, interval=100, cooldown=0, max_cost=3.5))
            stopped = await until(auto, lambda found: found.stopped is not None)
            assert "3.00 spent today" in (stopped.stopped or "")

    asyncio.run(work())


@pytest.mark.parametrize("has_begun", [True, False])
def test_an_operation_of_a_killed_life_goes_on_under_its_id_or_not_at_all(tmp_path, has_begun):
    """One that has sent something goes on however late; of one that has not, the market has moved on."""
    world = World(positions={"aster-a": "0.1", "binance-b": "0"})

    async def killed() -> None:
        world.answer = lambda _: asyncio.get_running_loop().create_future()
        async with life(tmp_path, world) as auto:
            await ask(auto, ON)
            async with asyncio.timeout(PATIENCE_S):
                while not world.trades:
                    await asyncio.sleep(0.01)
            await ask(auto, msgspec.structs.replace(ON, accounts=ON.accounts[::-1]))  # it is found all the same

    async def after() -> AutoState:
        world.answer = lambda operation: HedgeReply(**FILLED, operation_id=operation)
        world.now += LATE
        world.begun = world.begun if has_begun else set()
        async with life(tmp_path, world) as auto:
            return await until(auto, is_done)

    asyncio.run(killed())
    found = asyncio.run(after())
    ids = [operation for operation, _ in world.trades]
    assert len(ids) == 2 and (ids[0] == ids[1]) == has_begun
    assert found.cost_today == 3.0, "counted once"


def test_what_fails_costs_too_and_three_times_end_it(tmp_path):
    world = World(positions={"aster-a": "0.1", "binance-b": "0"})

    async def work() -> None:
        async with life(tmp_path, world) as auto:
            world.answer = lambda _: HedgeFailed("the other venue refuses")
            await ask(auto, ON)
            found = await until(auto, lambda found: found.stopped is not None)
            assert "3 operations in a row failed" in found.stopped and "refuses" in found.stopped
            assert len(world.trades) == 3
            undone = {**FILLED, "success": False, "error": "undone", "code": 1003}
            world.answer = lambda operation: HedgeReply(**undone, operation_id=operation)
            await ask(auto, ON)
            found = await until(auto, lambda found: found.stopped is not None)
            assert found.cost_today == 9.0 and "undone" in found.stopped

    asyncio.run(work())


def test_a_fault_of_the_disk_is_one_failure_with_what_the_operation_costs(tmp_path):
    """What has begun goes on from its records meanwhile: nothing else is begun until its outcome is there."""
    world, settled = World(positions={"aster-a": "0.1", "binance-b": "0"}), asyncio.Event()
    cost = world.cost

    async def outcome(operation: str) -> Decimal:
        if operation == world.trades[0][0]:
            await settled.wait()
            return Decimal("2.0")
        return await cost(operation)

    def answer(operation: str) -> Any:
        if len(world.trades) == 1:
            return OSError(errno.EIO, "Input/output error")
        assert settled.is_set()
        return HedgeReply(**FILLED, operation_id=operation)

    async def work() -> AutoState:
        world.answer, world.cost = answer, outcome  # type: ignore[method-assign]
        async with life(tmp_path, world) as auto:
            await ask(auto, ON)
            async with asyncio.timeout(PATIENCE_S):
                while not world.trades:
                    await asyncio.sleep(0.01)
            settled.set()
            return await until(auto, lambda found: "is within" in found.decisions[0].reason)

    found = asyncio.run(work())
    assert found.stopped is None and found.cost_today == 5.0 and len(world.trades) == 2
    tape = ControlTape(tmp_path)
    (error, _) = [each.record["error"] for each in tape.read() if each.record["kind"] == "auto_ended"]
    assert "Input/output error" in error
    tape.close()


@pytest.mark.parametrize("kind", ["command", "reply", "auto_ended", "auto_decided"])
def test_a_record_that_the_tape_refuses_for_a_moment_does_not_end_it(tmp_path, monkeypatch, kind):
    world, append, refused = World(positions={"aster-a": "0.1", "binance-b": "0"}), ControlTape.append, [kind]

    def refusing(tape: ControlTape, record: dict, event: str = "memory") -> int:
        if world.looks and refused and refused[0] in (event, record.get("kind")):
            refused.pop()
            raise OSError(errno.EIO, "Input/output error")
        return append(tape, record, event)

    async def work() -> AutoState:
        async with life(tmp_path, world) as auto:
            await ask(auto, ON)
            return await until(auto, is_done)

    monkeypatch.setattr(ControlTape, "append", refusing)
    found = asyncio.run(work())
    assert not refused and found.stopped is None and found.cost_today == 3.0 and len(world.trades) == 1


def test_a_fault_of_ours_is_said_to_have_stopped_it(tmp_path, capsys):
    world = World()

    async def work() -> None:
        async with life(tmp_path, world) as auto:
            world.is_busy = lambda _: 1 / 0  # type: ignore[method-assign]
            await ask(auto, ON)
            found = await until(auto, lambda found: found.stopped is not None)
            assert "ZeroDivisionError" in found.stopped

    asyncio.run(work())
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_nothing_is_traded_while_the_system_is_stopped(tmp_path):
    world = World(positions={"aster-a": "0.1", "binance-b": "0"}, stopped="the system is stopped, by me")

    async def work() -> None:
        async with life(tmp_path, world) as auto:
            await ask(auto, ON)
            found = await until(auto, lambda found: found.decisions[0].count > 1)
            assert found.decisions[0].reason == world.stopped and not world.trades
            world.stopped = ""
            await until(auto, is_done)

    asyncio.run(work())


def test_a_critical_alert_is_the_reason_that_is_shown(tmp_path):
    world = World(alert="drawdown goes on")

    async def work() -> None:
        async with life(tmp_path, world) as auto:
            await ask(auto, DeltaAuto(symbol="BTC-USD", target=1.0, band=0.05, interval=100))
            found = await until(auto, lambda found: len(found.decisions) > 1)
            assert "drawdown goes on" in found.decisions[0].reason and not world.trades

    asyncio.run(work())


def test_prices_of_another_source_are_looked_at_at_once(tmp_path):
    world = World()

    async def work() -> None:
        async with life(tmp_path, world) as auto:
            await ask(auto, DeltaAuto(symbol="BTC-USD", target=0.0, band=0.05, interval=86_400_000))
            before = await until(auto, lambda found: bool(found.decisions and found.decisions[0].action == "hold"))
            auto.look()
            await until(auto, lambda found: found.decisions[0].count > before.decisions[0].count)

    asyncio.run(work())


def test_decisions_that_take_turns_do_not_fill_the_tape_and_their_counts_are_there_in_the_next_life(tmp_path):
    world = World(flickers=True)

    async def first() -> AutoState:
        async with life(tmp_path, world) as auto:
            await ask(auto, ON)
            return await until(auto, lambda found: sum(each.count for each in found.decisions) > 12)

    async def second() -> AutoState:
        world.flickers = False
        async with life(tmp_path, world) as auto:
            return await state(auto)

    before, after = asyncio.run(first()), asyncio.run(second())
    assert len(before.decisions) == 3, "switched on, and the two that take turns"
    assert sum(each.count for each in after.decisions) >= sum(each.count for each in before.decisions)
    tape = ControlTape(tmp_path)
    decided = [each.record for each in tape.read() if each.record.get("kind") == "auto_decided"]
    tape.close()
    assert len(decided) <= 5, "each when it came, and its count at the end"


@pytest.mark.parametrize(
    "fields, name",
    [
        ({"max_cost": 4e-19}, "maxCost"),
        ({"target_utilization": 0.3, "max_rebalance_amount": 1e-30}, "maxRebalanceAmount"),
    ],
)
def test_a_limit_too_small_for_money_is_refused_and_not_taken_for_none(fields, name):
    with pytest.raises(BadInput) as caught:
        settings_of(DeltaAuto(symbol="BTC-USD", band=0.05, **fields))
    assert caught.value.location == name
