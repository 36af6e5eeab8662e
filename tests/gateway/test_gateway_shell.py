"""A gateway's shell without its sockets: what makes it ready, and in which order things leave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from onetape.gateway.gateway import Gateway
from onetape.gateway.gateway_tape import is_risk
from onetape.model import catalogue
from onetape.model.enums import Liquidity, OrderState, PositionSide, RequestKind, Side
from onetape.model.errors import BadConfig
from onetape.model.home import gateway_journal
from onetape.model.order import OrderSpec
from onetape.orders.calls import Call, Purpose
from onetape.orders.managed import FillOut, HealthOut, IntentOut, Request
from onetape.orders.order import Order
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import INTERNAL_TRADES, FillReport
from onetape.projections.robot_life import RobotLife
from onetape.tape.journal import JournalReader
from worlds.gateway_money import options_of

SYMBOL = "binance:BTC/USDT:USDT"
BTC = catalogue.find(SYMBOL)
SECOND = 1_000_000_000


class Shell:
    """A gateway with its tape, and what it would put on the wire."""

    def __init__(self, home: Path, **options: Any) -> None:
        self.home = home
        usual = {"rest": "http://127.0.0.1:9", "key": "k", "secret": "s", "symbols": [SYMBOL]}
        self.gateway = Gateway(options_of(home, **usual, **options))
        self.gateway.instruments = [BTC]
        self.gateway.protocol.set_instruments([BTC])
        self.gateway._open_tape()
        self.calls: list[tuple[Purpose, int, int]] = []  # and how much was written, and on disk
        self.gateway.send = self._note  # type: ignore[method-assign]
        self.gateway.core.tape.attach(RobotLife(1, "mm", 1, "", slot=2), time.time_ns())

    def _note(self, calls: list[Call]) -> None:
        with JournalReader(gateway_journal(self.home, "main")) as reader:
            said = [frame.sequence for frame in reader.frames(("order_request",))]
            durable = reader.control["durable"]
        self.calls += [(call.purpose, len(said), durable >= max(said, default=0)) for call in calls]

    def place(self, number: int = 1, robot: int = 1) -> Order:
        manager = self.gateway.core.manager
        spec = OrderSpec(symbol=SYMBOL, side=Side.BUY, size_int=10, price_int=600_000)
        name = self.gateway.core.tape.robots[1].client_id((1 << 32) + number)
        return manager.submit(name, Request(robot, RequestKind.PLACE, (1 << 32) + number, spec), time.time_ns())

    def close(self) -> None:
        self.gateway.robots.close()
        self.gateway.core.money.close()
        self.gateway.core.tape.writer.close()
        self.gateway.budget.close()


Play = Callable[..., Any]


@pytest.fixture
def play(tmp_path) -> Play:
    """Runs a scene with a shell, in a loop of its own."""

    def run(scene: Callable[[Shell], Coroutine[Any, Any, None]], **options: Any) -> None:
        async def main() -> None:
            shell = Shell(tmp_path, **options)
            try:
                await scene(shell)
            finally:
                shell.close()

        asyncio.run(main())

    return run


def test_without_the_account_s_stream_nothing_new_leaves_and_it_is_said(play):
    async def scene(shell: Shell) -> None:
        gateway = shell.gateway
        gateway.core.gate.ready = True
        gateway._stream_went()
        assert not gateway.core.gate.ready
        assert HealthOut("account stream", "main", "lost", "warning") in gateway.core.manager.outs

    play(scene)


@pytest.mark.parametrize("is_up", [True, False])
def test_a_round_that_ends_makes_ready_what_has_a_stream(play, is_up):
    async def scene(shell: Shell) -> None:
        gateway = shell.gateway
        gateway._stream_came()
        assert gateway.core.reconciler.is_running
        if not is_up:
            gateway._stream_went()
        gateway.core._end_round()
        assert gateway.core.gate.ready is is_up
        assert gateway.core.is_reconciled

    play(scene)


@pytest.mark.parametrize("intents", ["process", "disk"])
def test_what_is_said_stands_on_the_journal_when_its_call_leaves(play, intents):
    async def scene(shell: Shell) -> None:
        shell.place()
        shell.gateway.core.carry_out()
        ((purpose, said, is_durable),) = shell.calls
        assert (purpose, said) == (Purpose.PLACE, 1)
        if intents == "disk":
            assert is_durable

    play(scene, durability=intents)


def test_a_round_s_answers_are_the_round_s(play):
    async def scene(shell: Shell) -> None:
        gateway = shell.gateway
        gateway.core.reconciler.start(time.time_ns(), "test")
        calls, gateway.core.manager.calls = gateway.core.manager.calls, []
        for call in calls:
            gateway._answered(call, Answer(Outcome.DONE))
        gateway.core.reconciler.tick(time.time_ns())
        assert not gateway.core.reconciler.is_running

    play(scene)


def test_an_order_for_which_the_account_has_no_room_is_refused_and_not_sent(play):
    async def scene(shell: Shell) -> None:
        gateway = shell.gateway
        order = shell.place()
        limit = gateway.venue.order_limit_code
        call = gateway.core.manager.calls[0]
        gateway._answered(call._replace(subject=None), Answer(Outcome.SAFE, venue_code=limit, retry_after=30 * SECOND))
        assert gateway.core.orders.status()["held_s"] > 20
        gateway.core.manager.calls = gateway.core.manager.calls or [call]
        shell.calls.clear()
        gateway.core.carry_out()
        assert shell.calls == []
        assert order.state is OrderState.REJECTED

    play(scene)


def test_orders_of_stopped_sub_accounts_are_canceled_and_no_others(play):
    async def scene(shell: Shell) -> None:
        gateway = shell.gateway
        order = shell.place()
        gateway.core.stop_slots((3,))
        assert not order.cancel_wanted
        gateway.core.stop_slots((2,))
        assert order.cancel_wanted

    play(scene, subaccounts={"a": 2, "b": 3})


def test_the_dead_man_is_armed_for_the_configured_time(play):
    async def scene(shell: Shell) -> None:
        gateway = shell.gateway
        shell.place()
        gateway.core.manager.calls.clear()
        gateway.core.dead_man.arm(time.time_ns())
        (call,) = gateway.core.manager.calls
        assert call.purpose is Purpose.DEAD_MAN
        assert "countdownTime=60000" in call.target

    play(scene, dead_man_ns=60 * SECOND)


def test_the_limits_are_the_configured_ones(play):
    async def scene(shell: Shell) -> None:
        limits = shell.gateway.core.gate.limits
        assert (limits.position_max, limits.order_max) == ({SYMBOL: 2000}, {SYMBOL: 500})
        assert (str(limits.price_band), limits.orders_a_second) == ("0.05", 7)

    play(scene, position_max={SYMBOL: 2.0}, order_max={SYMBOL: 0.5}, price_band=0.05, orders_per_second=7)


@pytest.mark.parametrize("key", ["position_max", "order_max"])
def test_a_limit_of_less_than_a_lot_is_no_limit_and_is_refused(play, key):
    async def scene(shell: Shell) -> None:
        raise AssertionError("it began")

    with pytest.raises(BadConfig, match=f"{key} of {SYMBOL} is less than a lot, 0.001"):
        play(scene, **{key: {SYMBOL: 0.0004}})


@pytest.mark.parametrize(
    ("kind", "is_kept"), [(RequestKind.PLACE, True), (RequestKind.AMEND, True), (RequestKind.CANCEL, False)]
)
def test_an_intent_must_not_be_forgotten_and_a_cancel_is_asked_for_again(play, kind, is_kept):
    async def scene(shell: Shell) -> None:
        assert is_risk(IntentOut(shell.place(), kind, 1, 1)) is is_kept

    play(scene)


@pytest.mark.parametrize(("trade", "is_kept"), [(INTERNAL_TRADES, True), (7, False)])
def test_an_internal_fill_must_not_be_forgotten_and_the_venue_tells_its_own(trade, is_kept):
    fill = FillReport(SYMBOL, "a", "b", trade, Side.BUY, PositionSide.BOTH, 1, 1, 1, 0, "", Liquidity.MAKER)
    assert is_risk(FillOut(None, fill)) is is_kept
