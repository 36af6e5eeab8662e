"""The venue's time as a gateway keeps it: through jumps, drift and refused requests."""

from __future__ import annotations

import msgspec
import pytest

from exchange.venue_client import served
from onetape.feeds.venue_clock import VenueClock
from onetape.model.enums import EventType, RequestKind, Side
from onetape.model.home import gateway_journal
from onetape.model.time import clock_offset
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.gateway_process import TRADED, GatewayProcess, Robot, news_of

MS, SECOND = 1_000_000, 1_000_000_000
NOON = 1_795_000_000 * SECOND


class Machine:
    """Two clocks: the one that can be set, and the one that only goes on."""

    def __init__(self) -> None:
        self.wall, self.steady = NOON, 5 * SECOND

    def passes(self, ns: int) -> None:
        self.wall += ns
        self.steady += ns

    def clock(self) -> VenueClock:
        return VenueClock(lambda: self.wall, lambda: self.steady)


def test_it_is_ours_until_the_venue_has_told():
    machine = Machine()
    clock = machine.clock()
    machine.passes(SECOND)
    assert (clock.now(), clock.offset) == (NOON + SECOND, 0)


def test_a_jump_of_the_machines_clock_moves_it_not():
    machine = Machine()
    clock = machine.clock()
    assert clock.set(NOON + 300 * MS, MS, NOON - 10 * MS, NOON) == 300 * MS
    machine.wall -= 3600 * SECOND
    machine.passes(SECOND)
    assert clock.now() == NOON + 300 * MS + SECOND
    assert clock.jumped() == -3600 * SECOND
    assert clock.jumped() == 0  # said once


def test_small_steps_of_the_machines_clock_add_up_to_one_jump():
    machine = Machine()
    clock = machine.clock()
    said = []
    for _ in range(10):
        machine.wall += 30 * MS
        said.append(clock.jumped())
    assert [each for each in said if each] == [120 * MS, 120 * MS]


def test_drift_is_corrected_each_time_the_venue_tells():
    machine = Machine()
    clock = machine.clock()
    truth = NOON
    for _ in range(24 * 20):  # a day, asked every three minutes; ours loses 500 parts in a million
        machine.passes(180 * SECOND - 90 * MS)
        truth += 180 * SECOND
        sent = clock.now()
        machine.passes(40 * MS)  # there and back
        truth += 40 * MS
        clock.set(truth - 20 * MS, MS, sent, clock.now())
        assert abs(clock.now() - truth) <= 41 * MS


@pytest.mark.parametrize(
    ("reported", "step", "sent", "received", "offset"),
    [
        (NOON, MS, NOON - 5 * MS, NOON + 5 * MS, 0),  # it may be the same
        (NOON, SECOND, NOON + 400 * MS, NOON + 500 * MS, 0),  # whole seconds say little
        (NOON, MS, NOON - 100 * MS, NOON - 50 * MS, 50 * MS),  # ours is behind by at least
        (NOON, MS, NOON + 50 * MS, NOON + 100 * MS, -49 * MS),  # ours is ahead by at least
        (NOON - 10 * SECOND, MS, NOON, NOON + 2 * SECOND, -10 * SECOND + MS),
    ],
)
def test_the_offset_is_the_least_that_fits(reported, step, sent, received, offset):
    assert clock_offset(reported, step, sent, received) == offset


def health(home) -> list[dict]:
    with JournalReader(gateway_journal(home, "main")) as reader:
        return [
            msgspec.msgpack.decode(frame.payload)
            for frame in reader.frames(("health", "alert"))
            if EventType.from_id(frame.type).value == "alert"
        ]


def test_a_venue_that_refuses_our_time_is_asked_for_its_own(tmp_path):
    """Its clock moves by ten seconds under a gateway that trades: the order is sent again."""
    with served("binance-usdm", seed=5, limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        gateway = GatewayProcess("binance-usdm", tmp_path, port, account)
        gateway.start()
        robot = Robot(tmp_path / "robot", gateway, 1)
        try:
            dialect.skew = 10 * SECOND
            bid = dialect.exchange.listings[0].bid
            order = robot.place(Side.BUY, bid - 2000)
            wait_for(lambda: account.open_orders)
            wait_for(lambda: "accepted" in dict(news_of(tmp_path, order)))
            status = gateway.ask("status")
            assert abs(status["clock_offset_ns"] - 10 * SECOND) < 2 * SECOND
            wait_for(lambda: any(each["kind"] == "clock" for each in health(tmp_path)))
            reported = next(each for each in health(tmp_path) if each["kind"] == "clock")
            assert reported["state"].startswith("CLOCK_SKEW(4404): off by +")
            assert reported["severity"] == "critical"
        finally:
            gateway.kill()
            robot.writer.close()


@pytest.mark.parametrize("step_s", [90, -90])
@pytest.mark.parametrize("kind", TRADED)
def test_a_cancel_that_meets_a_stepped_clock_arrives(tmp_path, kind, step_s):
    """The venue's clock steps just before it, so that the venue refuses it for now, or ours is set before it leaves."""
    with served(kind, seed=5, limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        gateway = GatewayProcess(kind, tmp_path, port, account)
        gateway.start()
        robot = Robot(tmp_path / "robot", gateway, 1)
        try:
            bid = dialect.exchange.listings[0].bid
            order = robot.place(Side.BUY, bid - bid // 100)
            wait_for(lambda: "accepted" in dict(news_of(tmp_path, order)))
            dialect.skew = step_s * SECOND
            robot.cancel_all()
            wait_for(lambda: "canceled" in dict(news_of(tmp_path, order)))
            assert not account.open_orders
        finally:
            gateway.kill()
            robot.writer.close()


# Elsewhere an amended order gets another id, or only a smaller quantity.
AMENDS = [kind for kind in TRADED if kind not in ("pacifica", "hyperliquid", "binance-spot")]


@pytest.mark.parametrize("step_s", [90, -90])
@pytest.mark.parametrize("kind", AMENDS)
def test_an_amendment_that_meets_a_stepped_clock_arrives_or_is_known_not_to_have(tmp_path, kind, step_s):
    """Aster's refusal may be of a nonce that this very request has used: the order is asked for, and reported as it is
    there."""
    with served(kind, seed=5, limits=False) as (dialect, port):
        gateway = GatewayProcess(kind, tmp_path, port, dialect.exchange.accounts[0])
        gateway.start()
        robot = Robot(tmp_path / "robot", gateway, 1)
        try:
            bid = dialect.exchange.listings[0].bid
            price, amended = bid - bid // 100, bid - bid // 100 * 2
            order = robot.place(Side.BUY, price)
            wait_for(lambda: "accepted" in dict(news_of(tmp_path, order)))
            dialect.skew = step_s * SECOND
            robot.request(RequestKind.AMEND, order, Side.BUY, amended)
            ends = {"updated", "found", "update_rejected", "canceled"}
            wait_for(lambda: ends & set(dict(news_of(tmp_path, order))))
            words = {word for word, _ in news_of(tmp_path, order)}
            arrived = "updated" in words
            otherwise = words == {"accepted", "updated" if arrived else "update_rejected"}
            assert words == {"accepted", "lost", "found"} if kind == "aster" else otherwise
            (left,) = dialect.exchange.accounts[0].open_orders.values()
            assert left.price == (amended if arrived else price)
        finally:
            gateway.kill()
            robot.writer.close()
