"""What a desk does where accounts do not say what they hold, the tape fails, or a stop comes; no gateway runs."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import structs

from hedge.hedge_world import LOT, SECOND, view_of
from hedge.leg_views import perpetual, view
from onetape.control import desk as desks
from onetape.control import saga_run
from onetape.control.call import Call
from onetape.control.desk import Desk
from onetape.control.desk_replies import Asking, Came, hedge_reply
from onetape.control.operations import ControlTape
from onetape.control.saga_run import SagaRun
from onetape.hedge.model import Resting
from onetape.hedge.plan import Plan, Terms, leg_of
from onetape.hedge.saga import Fills, Goal, Saga, Write
from onetape.hedge.working import Work
from onetape.ipc.system import CommandResult, IPCCommandSystem
from onetape.model.errors import BadInput, BlockedByRiskAlert, PriceBand, ProxyFailed
from onetape.model.sections import CONTROL
from onetape.web.control_models import DeltaControl, HedgeExecute, SystemCommand, UtilizationRebalance
from waiting import PATIENCE_S

CONTROLLED = DeltaControl(target_delta=1.0, accounts=["a", "b"], symbol="BTC-USD", max_deviation=0.1)


class Accounts:
    """Two accounts, as views of them."""

    def __init__(self) -> None:
        self.views = {name: view_of(name) for name in "ab"}
        self.kinds: dict[str, str] = {}

    def refresh(self) -> None: ...

    def symbols(self) -> Any:
        return SimpleNamespace(on=lambda _, accounts: {each: self.views[each].instrument for each in accounts})

    def legs(self, symbol: str, accounts: Any) -> list:
        return [self.views[each] for each in accounts]

    def booked(self, account: str) -> list:
        return []

    def gate(self, accounts: Any, reduces: bool) -> None: ...


class FullTape(ControlTape):
    """Has no room for orders of sagas."""

    is_full = False
    refused: tuple[str, ...] = ("saga_attempt",)

    def append(self, record: dict, event: str = "memory") -> int:
        if self.is_full and record["kind"] in self.refused:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().append(record, event)


class Passing(Desk):
    """Its gateways refuse nothing, and place nothing."""

    async def send(
        self, account: str, command: str, fields: dict[str, Any], id_: str, within_s: float
    ) -> CommandResult:
        if command in ("check_order", "check_transfer"):
            return CommandResult(id_, "applied", {"checks": []})
        return await super().send(account, command, fields, id_, within_s)


@asynccontextmanager
async def a_desk(home, accounts: Accounts, **more: Any):
    tape, commands = FullTape(home), IPCCommandSystem(CONTROL, home=home)
    commands.start()
    made = Passing(accounts, accounts, home, tape, commands, **more)
    try:
        yield made, tape
    finally:
        await made.close()
        commands.stop()
        tape.close()


def on(home, work: Callable[..., Awaitable[None]], **more: Any) -> None:
    async def do() -> None:
        accounts = Accounts()
        async with asyncio.timeout(PATIENCE_S), a_desk(home, accounts, **more) as (desk, tape):
            await work(desk, tape, accounts)

    asyncio.run(do())


def test_nothing_is_planned_on_a_net_delta_that_an_account_does_not_say(tmp_path):
    """One that begins anew holds what it held: to count it as nothing would trade its position once more."""

    async def work(desk, tape, accounts):
        accounts.views["b"] = replace(accounts.views["b"], unfit="its gateway does not run", refusal="so")
        hedged = HedgeExecute(symbol="BTC-USD", hedge_amount=1.0, target_accounts=["a", "b"])
        balanced = UtilizationRebalance(target_utilization=0.5, accounts=["a", "b"], symbol="BTC-USD")
        for make, request in ((desk.control, CONTROLLED), (desk.hedge, hedged), (desk.rebalance, balanced)):
            with pytest.raises(ProxyFailed, match="its gateway does not run") as caught:
                await make(request, "x", "test")
            assert caught.value.location == "b"
        assert not list(tape.read()) and not desk.is_busy("BTC")

    on(tmp_path, work)


def test_a_stop_that_comes_while_an_operation_waits_for_its_turn_keeps_it_from_beginning(tmp_path):
    def check() -> None:
        raise BlockedByRiskAlert("the system is stopped")

    async def work(desk, tape, accounts):
        with pytest.raises(BlockedByRiskAlert):
            await desk.control(CONTROLLED, "x", "test")
        assert not list(tape.read()) and not desk.is_busy("BTC")
        planned = await desk.control(structs.replace(CONTROLLED, dry_run=True), "y", "test")
        assert [each["code"] for each in planned.plan.blocked][:1] == [BlockedByRiskAlert.code]  # what it would meet

    on(tmp_path, work, check=check)


def test_a_slippage_beyond_a_price_band_is_halved_until_the_gateway_takes_it(tmp_path):
    async def work(desk, tape, accounts):
        prices = []

        async def send(account: str, command: str, fields: dict[str, Any], *_: Any) -> CommandResult:
            prices.append(Decimal(fields["price"]))
            band = {"rule": "price band", "code": PriceBand.code, "reason": "too far", "name": PriceBand.name}
            is_far = prices[-1] > 61_200
            return CommandResult("", "applied", {"checks": [{**band, "passed": not is_far}]})

        desk.send = send
        request = HedgeExecute(symbol="BTC-USD", hedge_amount=1.0, side="buy", max_slippage=0.05, dry_run=True)
        planned = await desk.hedge(structs.replace(request, target_accounts=["a"]), "x", "test")
        mid = float(accounts.views["a"].bids[0].price + accounts.views["a"].asks[0].price) / 2
        assert planned.success and planned.plan is not None
        assert [each.limit for each in planned.plan.legs] == pytest.approx([mid * 1.0125], rel=0.001)

    on(tmp_path, work)


def test_a_dry_run_of_a_rebalance_says_what_its_legs_would_trade(tmp_path):
    async def work(desk, tape, accounts):  # each lacks 7.5, and five stand within the slippage
        for name, position in (("a", "0.1"), ("b", "-0.1")):
            accounts.views[name] = replace(accounts.views[name], position=Decimal(position))
        facts = {"target_utilization": 0.9, "symbol": "BTC-USD", "dry_run": True}
        dry = await desk.rebalance(UtilizationRebalance(accounts=["a", "b"], **facts), "x", "test")
        assert dry.plan is not None and {each.amount for each in dry.plan.legs} == {5}
        assert [each.adjustment_amount for each in dry.rebalance_actions] == [5, 5]

    on(tmp_path, work)


@pytest.mark.parametrize("refused_by", ["alert", "stop", None])
def test_a_dry_run_of_margin_that_would_move_says_what_refuses_it(tmp_path, refused_by):
    stop = [BlockedByRiskAlert("the system is stopped")] if refused_by == "stop" else []

    def check() -> None:
        for error in stop:
            raise error

    def gate(accounts: Any, reduces: bool) -> None:
        if refused_by == "alert" and not reduces:
            raise BlockedByRiskAlert("an alert is open")

    async def work(desk, tape, accounts):
        instrument = perpetual("venue")
        accounts.kinds["venue"] = "binance-usdm"
        for name, position, used in (("a", "0.1", "0.2"), ("b", "-0.1", "0.8")):
            accounts.views[name] = view(name, position, used, instrument=instrument)
        accounts.gate = gate
        facts = {"target_utilization": 0.5, "tolerance_percent": 0.05, "symbol": "BTC-USD", "transfers": True}
        request = UtilizationRebalance(accounts=["a", "b"], **facts)
        dry = await desk.rebalance(structs.replace(request, dry_run=True), "dry", "test")
        assert [(each.source, each.state) for each in dry.transfers] == [("a", "planned")]
        assert dry.success is (refused_by is None) and dry.reason is None
        if refused_by is not None:
            with pytest.raises(BlockedByRiskAlert) as caught:
                await desk.rebalance(request, "real", "test")
            assert dry.error == caught.value.what
            assert [each["code"] for each in dry.plan.blocked] == [BlockedByRiskAlert.code]
        assert not list(tape.read()) and not desk.is_busy("BTC")

    on(tmp_path, work, check=check)


def goal_of(operation: str, **facts: Any) -> Goal:
    leg = leg_of(view_of("a"), Decimal(1), Terms(now=1, slippage=Decimal("0.005")))
    assert leg is not None
    usual = {"base": "BTC", "plan": Plan((leg,)), "bearers": ("a",), "positions": {"a": Decimal(0)}, "least": LOT}
    times = {"slippage": Decimal("0.005"), "begun": 1, "deadline": 1 + SECOND}
    return Goal(operation=operation, symbol="BTC-USD", **{**usual, **times, **facts})


def test_a_hedge_that_had_no_time_says_so():
    saga = Saga(goal_of("x"))
    saga.is_over = True
    done = hedge_reply(Asking("x", "test", 1, "BTC-USD", ("a",)), 2, Came(saga=saga, outcome=saga.outcome(2)))
    assert done.error == "+0 of +1 was done: its time limit was reached"


def test_two_that_were_left_on_a_symbol_go_on_one_after_the_other_and_keep_nobody_from_starting(tmp_path):
    async def work(desk, tape, accounts):
        accounts.views["a"] = replace(accounts.views["a"], refusal="halted")
        for name in ("one", "two"):
            first = Saga(goal_of(name, deadline=2**62)).begin(1)[0]
            assert isinstance(first, Write)
            tape.append(first.record)
        await desk.resume()
        assert desk.has_begun("one") and desk.has_begun("two")
        for name in ("one", "two"):
            reply = await desk.end(ending(name))
            assert (reply.operation_id, reply.status) == (f"end-{name}", "failed")
            await desk.cost(name)
        assert not desk.is_busy("BTC")

    on(tmp_path, work)


def test_what_a_full_disk_stops_is_alerted_and_goes_on_from_its_records(tmp_path, monkeypatch):
    monkeypatch.setattr(desks, "RETRY_S", (0.05, 0.1))

    async def work(desk, tape, accounts):
        tape.is_full = True
        with pytest.raises(OSError, match="No space"):
            await desk.control(CONTROLLED, "x", "test")
        assert desk.has_begun("x") and desk.is_busy("BTC")
        found = await alert_of(tape)
        assert (found["kind"], found["subject"], found["severity"]) == ("hedge", "x", "critical")
        assert "No space" in found["state"] and "naked" in found["state"]
        await desk.end(ending("x"))
        assert await desk.cost("x") == 0
        assert desk.has_begun("x") and not desk.is_busy("BTC")
        (over,) = tape.records(("health",))
        assert (over.record["kind"], over.record["subject"], over.record["severity"]) == ("hedge", "x", None)

    on(tmp_path, work)


def ending(operation: str) -> Call:
    """A person's call that ends an operation."""
    path = {"id": operation}
    return Call("r", "", "POST", "", request=SystemCommand(), path=path, operation=f"end-{operation}")


def left_naked(tape: ControlTape, begun: int, within: int) -> None:
    """Writes what an earlier run has left: a pair of which the one leg was filled and the other refused."""
    bought, sold = (
        leg_of(view_of(name), Decimal(change), Terms(now=1, slippage=Decimal("0.005")))
        for name, change in (("a", 1), ("b", -1))
    )
    facts = {"plan": Plan((bought, sold)), "bearers": ("a", "b"), "positions": {"a": Decimal(0), "b": Decimal(0)}}
    saga = Saga(goal_of("op", **facts, begun=begun, deadline=begun + within))
    filled = Fills("o", Decimal(1), bought.mid, at=begun)
    made = [*saga.begin(begun), *saga.closed(1, filled, begun), *saga.closed(2, Fills(), begun, why="refused")]
    for each in made:
        if isinstance(each, Write):
            tape.append(each.record)


def kinds(tape: ControlTape) -> list[str]:
    return [each.record["kind"] for each in tape.read()]


async def alert_of(tape: ControlTape) -> dict:
    while not (alerts := list(tape.records(("alert",)))):
        await asyncio.sleep(0.01)
    return alerts[0].record


@pytest.mark.parametrize("tape_refuses_it", [False, True])
def test_what_a_person_ends_while_it_stands_still_is_not_gone_on_with(tmp_path, monkeypatch, tape_refuses_it):
    """Neither where the disk takes the word at once, nor where it does so later."""
    monkeypatch.setattr(desks, "RETRY_S", (0.05, 0.1) if tape_refuses_it else (60.0, 60.0))
    monkeypatch.setattr(desks, "END_WITHIN_S", 0.2 if tape_refuses_it else 10.0)

    async def work(desk, tape, accounts):
        accounts.views["a"] = replace(accounts.views["a"], position=Decimal(1))
        left_naked(tape, begun=time.time_ns(), within=30 * SECOND)
        tape.is_full = True
        await desk.resume()
        assert "stands still, +1 is naked" in (await alert_of(tape))["state"]
        if tape_refuses_it:
            tape.refused = ("saga_attempt", "saga_stopped")
            assert "+1 is naked, and is still being traded" in (await desk.end(ending("op"))).error
            tape.is_full = False
            await desk.cost("op")
        else:
            tape.is_full = False
            assert "+1 is naked" in (await desk.end(ending("op"))).error
        assert kinds(tape).count("saga_attempt") == 2 and kinds(tape)[-2:] == ["saga_stopped", "saga_ended"]
        assert not desk.is_busy("BTC")

    on(tmp_path, work)


@pytest.mark.parametrize(
    ("fault", "goes_on"), [(OSError(errno.EMFILE, "Too many open files"), True), (KeyError(), False)]
)
def test_a_tape_that_cannot_be_read_for_a_moment_locks_no_symbol(tmp_path, monkeypatch, fault, goes_on):
    """The alert comes before the reading, and what nobody goes on with is left."""
    monkeypatch.setattr(desks, "RETRY_S", (0.01, 0.01))

    async def work(desk, tape, accounts):
        reads, read = iter((fault, None)), tape.read

        def reading():
            if (error := next(reads, None)) is not None:
                raise error
            return read()

        tape.is_full, tape.read = True, reading
        with pytest.raises(OSError, match="No space"):
            await desk.control(CONTROLLED, "x", "test")
        assert "stands still" in (await alert_of(tape))["state"]
        if goes_on:
            tape.is_full = False
            await desk.end(ending("x"))
            assert kinds(tape)[-1] == "saga_ended"
        assert await desk.cost("x") == 0 and not desk.is_busy("BTC")
        assert desk.has_begun("x") is goes_on

    on(tmp_path, work)


def test_a_leg_that_stays_naked_before_own_orders_is_alerted_until_its_operation_ends(tmp_path):
    """Beyond the deadline of its answer it goes on, and never meets them."""

    async def work(desk, tape, accounts):
        orders = tuple(Resting("other", "o1", 1, view_of(name).bids[0].price) for name in "ab")
        for name, held, own in zip("ab", (Decimal(1), Decimal(0)), orders, strict=True):
            accounts.views[name] = replace(accounts.views[name], position=held, resting=(own,))
        left_naked(tape, begun=1, within=SECOND)
        await desk.resume()
        found = await alert_of(tape)
        assert (found["kind"], found["subject"], found["severity"]) == ("hedge", "op", "critical")
        assert found["state"] == "goes on, +1 is still naked: b: refused"
        assert not list(tape.records(("health",))) and desk.is_busy("BTC")
        assert len([each for each in tape.read() if each.record["kind"] == "saga_attempt"]) == 2
        await desk.end(ending("op"))
        await desk.cost("op")
        (over,) = tape.records(("health",))
        assert (over.record["subject"], over.record["severity"]) == ("op", None)

    on(tmp_path, work)


class Gateway:
    """What a run has around it: a gateway that says an order's name, and cancels it at the third try."""

    def __init__(self, home, now: int) -> None:
        self.home, self.sent = home, []
        self._now = now

    def now(self) -> int:
        return self._now

    def record(self, record: dict) -> None: ...

    async def send(self, account: str, command: str, fields: dict, id_: str, within_s: float) -> CommandResult:
        self.sent.append((command, id_))
        return CommandResult(id_, "applied", {"orders": [{"client_id": "name"}]})


def test_a_passive_order_of_an_earlier_life_is_canceled_and_as_often_as_it_takes(tmp_path, monkeypatch):
    monkeypatch.setattr(saga_run, "CANCEL_EVERY_S", 0.01)

    async def work() -> None:
        first = Saga(goal_of("op", work=Work("peg", 2 * SECOND), begun=SECOND, deadline=9 * SECOND))
        begun = [*first.begin(SECOND), *first.looked([view_of("a")], SECOND)]
        saga = Saga.of([each.record for each in begun if isinstance(each, Write)])
        assert saga is not None
        late = saga.attempts[0].until + SECOND // 2
        gateway = Gateway(tmp_path, late)
        run = SagaRun(gateway, saga)  # type: ignore[arg-type]
        run.begin(saga.resume(late))
        async with asyncio.timeout(PATIENCE_S):
            while len(gateway.sent) < 4:
                await asyncio.sleep(0.01)
        run.close()
        cancels = [("cancel", f"op.1.cancel{n}") for n in ("", 1, 2)]
        assert gateway.sent[:4] == [("place", "op.1"), *cancels]

    asyncio.run(work())


@pytest.mark.parametrize("is_shared", [True, False])
def test_of_a_shared_account_a_reduction_is_no_reduce_only_order(is_shared):
    view = view_of("a", position=Decimal(1), is_shared=is_shared)
    leg = leg_of(view, Decimal(-1), Terms(now=1, slippage=Decimal("0.005")))
    assert leg is not None and leg.reduces
    assert saga_run.order_fields(leg)["reduce_only"] is not is_shared


@pytest.mark.parametrize(("clip", "is_refused"), [(0.02, True), (0.5, False)])
def test_a_clip_that_is_too_small_for_the_time_is_refused_before_anything_is_sent(tmp_path, clip, is_refused):
    """How much is traded is known with the plan: it is the planned leg that has to fit into the time."""

    async def work(desk, tape, accounts):
        request = structs.replace(CONTROLLED, algo="twap", work_for=900, clip=clip, dry_run=True)
        reply = await desk.control(request, "x", "test")
        assert ("orders of one clip" in str(reply)) == is_refused
        if is_refused:
            with pytest.raises(BadInput, match="orders of one clip"):
                await desk.control(structs.replace(request, dry_run=False), "y", "test")
            assert not list(tape.read()) and not desk.is_busy("BTC")

    on(tmp_path, work)
