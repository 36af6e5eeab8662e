"""What is asked of a robot between two frames: on its tape, in force from the next event on, and
repeated at the same place."""

from __future__ import annotations

from typing import Annotated

import pytest

from onetape.engine.compiled import compiled
from onetape.engine.incarnations import NEVER_LEFT
from onetape.engine.parameters import Param
from onetape.engine.robot_commands import PARAMS, START, STOP, commands_of
from onetape.engine.run_spec import RunSpec
from onetape.engine.strategy import Strategy
from onetape.model.errors import BadConfig, NotAvailable
from onetape.replay.repeating import Until, read_states, repeat
from onetape.replay.repetition import Recording
from worlds.tapes import Market, records, session_of

QUOTES = 40


class Maker(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    spread: Annotated[int, Param(min=1, max=50)] = 5
    size: float = 1.0
    grow: bool = False

    def on_start(self):
        self.heard = []
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        ticks = self.spread * 0.1
        self.set_quotes(self.symbol, [(quote.bid - ticks, self.size)], [(quote.ask + ticks, self.size)])

    def on_params(self, changed):
        self.heard.append(dict(changed))
        self.memory["changes"] = len(self.heard)
        if changed.get("grow"):
            raise RuntimeError("no")

    def on_health(self, health):
        if health.kind == "trading":
            self.heard.append((health.subject, health.state))


@compiled
class Machine(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    size: float = 1.0

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        pass


def tape(tmp_path):
    market = Market(tmp_path / "a.tape")
    for second in range(QUOTES):
        market.quote(second, 100 + second % 7, 100.2 + second % 7)
    return market.done()


def played(tmp_path, case, strategy=Maker, **plan):
    """A run that was asked `asked`: (after how many quotes, command, fields)."""
    session = session_of(strategy, tape(tmp_path), journal=tmp_path / "journal", **plan)
    session.open()
    session.start()
    for after, command, fields in case:
        session.loop.limit_source(0, after + 1)  # the instrument is the first frame
        session.step()
        session.ask(command, fields)
    session.loop.limit_source(0, 2**62)
    session.step()
    robot = session.robot
    session.finish()
    return session, robot


CASES = [
    (5, PARAMS, {"spread": "8"}),
    (9, STOP, {}),
    (12, PARAMS, {"spread": 3, "size": 2}),
    (15, START, {}),
    (15, PARAMS, {"size": 0.5}),
]


def test_the_next_quote_follows_and_a_replay_does_the_same(tmp_path):
    session, robot = played(tmp_path, CASES)
    assert robot.heard == [
        {"spread": 8},
        ("operator", "stopped"),
        {"spread": 3, "size": 2.0},
        ("operator", "started"),
        {"size": 0.5},
    ]
    request = commands_of(tmp_path / "journal")
    assert [(each.command, each.fields, each.after) for each in request] == [
        (PARAMS, {"spread": 8}, [6]),
        (STOP, {}, [10]),
        (PARAMS, {"spread": 3, "size": 2.0}, [13]),
        (START, {}, [16]),
        (PARAMS, {"size": 0.5}, [16]),
    ]
    repeated = repeat(Recording(RunSpec(session.plan, Maker), request))
    assert repeated.action_hash == session.loop.action_hash().hex()
    assert repeated.states == read_states(tmp_path / "journal")
    # The test can fail: without what was asked it is another run.
    assert repeat(Recording(RunSpec(session.plan, Maker))).action_hash != repeated.action_hash
    placed = repeated.actions.columns
    bids = [
        (int((time - placed["time"][0]) // 10**9), int(price), int(size))
        for time, kind, side, price, size in zip(
            *(placed[name] for name in ("time", "kind", "side", "price", "size")), strict=True
        )
        if kind == 1 and side == 1
    ]
    by_second = {second: (price, size) for second, price, size in bids}
    assert by_second[4] == (1040 - 5, 1000)
    assert by_second[5] == (1050 - 8, 1000)  # the sixth quote, the first after the change
    assert by_second[15] == (1010 - 3, 500)
    session.close()


def test_a_stop_leaves_nothing_working_and_orders_are_denied_until_the_start(tmp_path):
    session = session_of(Maker, tape(tmp_path), journal=tmp_path / "journal")
    session.open()
    session.start()
    session.loop.limit_source(0, 6)
    session.step()
    assert session.loop.working(None)
    session.ask(STOP, {})
    session.ask(STOP, {})  # again: nothing more
    session.loop.limit_source(0, 9)
    session.step()
    assert session.loop.working(None) == []
    assert session.loop.last_refused.code == 4312
    assert session.loop.last_refused.reason == "the operator has stopped the robot"
    session.ask(START, {})
    session.loop.limit_source(0, 12)
    session.step()
    assert session.loop.working(None)
    session.close()


class Ticker(Strategy):
    """Does all that sends at each timer."""

    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.fired = []
        self.set_timer("act", every="1s")
        self.subscribe(self.symbol, quotes=True)

    def on_timer(self, name):
        made = [self.buy(self.symbol, 1, 90 + len(self.fired) % 5), self.sell(self.symbol, 1)]
        self.set_target(self.symbol, 2 if len(self.fired) % 2 else -2)
        for order in self.orders(self.symbol):
            self.amend(order, price=89)
        self.fired.append([str(each.state) for each in made])

    def on_stop(self):
        self.log("the end")
        self.buy(self.symbol, 1, 90)


def test_timers_that_fire_late_send_nothing_after_a_stop(tmp_path):
    market = Market(tmp_path / "a.tape")
    for second in (0, 1, 2, 3, 30, 31):  # the fifth quote brings all that fell due in the silence
        market.quote(second, 100, 100.2)
    session = session_of(Ticker, market.done(), journal=tmp_path / "journal")
    session.open()
    session.start()
    robot = session.robot
    for quotes, command in ((4, STOP), (5, START), (6, None)):
        session.loop.limit_source(0, quotes + 1)  # the instrument is the first frame
        session.step()
        if command is not None:
            session.ask(command, {})
    session.finish()
    session.close()
    assert session.host.failures == []
    assert [each == ["DENIED", "DENIED"] for each in robot.fired] == [False] * 3 + [True] * 27 + [False]
    frames = records(tmp_path / "journal", "command", "log", "order_event", "order_request")
    stop, start, end = (each.sequence for each in frames if each.type in ("command", "log"))
    never_left = {f.data["order_id"] for f in frames if f.type == "order_event" and f.flags & NEVER_LEFT}
    requests = [each for each in frames if each.type == "order_request" and each.data["order_id"] not in never_left]
    assert {f.data["kind"] for f in requests if stop < f.sequence < start} == {"cancel"}  # of what worked
    assert {f.data["kind"] for f in requests if f.sequence < stop} == {"place", "amend"}
    assert any(start < f.sequence < end for f in requests) and requests[-1].sequence < end


def test_a_cut_replay_goes_to_the_place_and_no_further(tmp_path):
    session, _ = played(tmp_path, CASES)
    start = session.started_at
    request = commands_of(tmp_path / "journal")
    whole = repeat(Recording(RunSpec(session.plan, Maker), request))
    for second in range(3, 30):
        cut = repeat(Recording(RunSpec(session.plan, Maker), request), Until(moment=start + second * 10**9))
        keep = whole.actions.columns["time"] <= cut.cut
        assert len(cut.actions) == int(keep.sum())
    session.close()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"spreads": 8}, "unknown parameter 'spreads'.*it has: symbol, spread"),
        ({"spread": "wide"}, "must be int, not 'wide'"),
        ({"spread": 51}, "at least 1 and at most 50"),
        ({"symbol": "binance:ETH/USDT:USDT"}, "'symbol' is read at the start"),
        ({"size": 2, "spread": 0}, "at least 1"),
    ],
)
def test_what_it_cannot_take_changes_nothing(tmp_path, fields, words):
    session, robot = played(tmp_path, [])
    with pytest.raises(BadConfig, match=words):
        session.ask(PARAMS, fields)
    assert (robot.spread, robot.size, robot.heard) == (5, 1.0, [])
    session.close()
    assert commands_of(tmp_path / "journal") == []


def test_a_callback_that_fails_follows_on_error(tmp_path):
    session, _ = played(tmp_path, [(5, PARAMS, {"grow": True})])
    assert session.loop.halted
    (failed,) = session.host.failures
    assert failed.callback == "on_params"
    second = repeat(Recording(RunSpec(session.plan, Maker), commands_of(tmp_path / "journal")))
    assert second.action_hash == session.loop.action_hash().hex()
    session.close()


def test_the_parameters_of_machine_code_stay(tmp_path):
    session, _ = played(tmp_path, [(5, STOP, {})], Machine)
    with pytest.raises(NotAvailable, match="machine code"):
        session.ask(PARAMS, {"size": 2})
    session.close()
