"""Whether an account's stream tells what happens: what the venue holds against what was told."""

from __future__ import annotations

from itertools import pairwise

import pytest

from onetape.model.enums import PositionSide
from onetape.model.time import MS, SECOND
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import BalanceReport, PositionReport
from onetape.orders.stream_probe import EVERY_MAX, PROBATION, StreamProbe
from onetape.venues.binance.trading import BinanceUsdmProtocol
from onetape.venues.kraken.trading import KrakenSpotProtocol
from orders.surroundings import manager_at

NOW = 1_795_000_000 * SECOND
BTC, BOTH = "binance:BTC/USDT:USDT", PositionSide.BOTH
TICK = 20 * MS


class Desk:
    """A probe, what its venue holds, and a stream that tells it or does not."""

    def __init__(self, *, spot: bool = False, beside: bool = False) -> None:
        """beside: spot is traded beside contracts."""
        is_kraken = spot and not beside
        protocol = KrakenSpotProtocol("k", "c2VjcmV0") if is_kraken else BinanceUsdmProtocol("k", "s")
        if beside:
            protocol.traits = protocol.traits._replace(spot=frozenset({"binance:BTC/USDT"}))
        self.manager = manager_at(protocol)
        self.probe = StreamProbe(self.manager, 2 * SECOND)
        self.spot, self.now, self.held, self.requests = spot, 0, 0, 0
        self.outcome, self.time = Outcome.DONE, True
        self.connect()

    def report(self) -> PositionReport | BalanceReport:
        time = NOW + self.now if self.time else NOW - 1
        if self.spot:
            return BalanceReport("BTC", self.held, time)
        return PositionReport(BTC, BOTH, self.held, time)

    def connect(self) -> None:
        self.probe.came(self.now)
        self.manager.hear([self.report()], NOW + self.now, source="rest")
        self.probe.reconciled(self.now)

    def tell(self) -> None:
        self.probe.heard(self.now)
        self.manager.hear([self.report()], NOW + self.now)

    def run(self, seconds: float) -> bool:
        """Whether it is silent then."""
        end = self.now + int(seconds * SECOND)
        while self.now < end and not self.probe.is_silent:
            self.now += TICK
            self.probe.tick(self.now, NOW + self.now)
            calls, self.manager.calls = self.manager.calls, []
            for call in calls:
                self.requests += 1
                rows = (self.report(),) if self.outcome is Outcome.DONE else ()
                assert self.probe.answered(call, Answer(self.outcome, rows), self.now)
        return self.probe.is_silent


@pytest.mark.parametrize("kind", [{}, {"spot": True}, {"spot": True, "beside": True}])
def test_what_is_not_told_is_found_within_four_seconds(kind):
    desk = Desk(**kind)
    assert not desk.run(60)
    desk.held = 5 * 10**12
    began = desk.now
    assert desk.run(60)
    assert desk.now - began <= 4 * SECOND


def test_positions_on_a_second_page_are_compared_too():
    desk = Desk()
    venue, held, pages = desk.manager.venue, PositionReport("binance:ETH/USDT:USDT", BOTH, 3, NOW), []
    desk.manager.hear([held], NOW)
    venue.more_positions = lambda cursor, now: pages.append(now) or venue.positions(now)._replace(part=cursor)

    def listed(qty: int) -> bool:
        """Whether it is silent after a probe or two."""
        for _ in range(300):
            desk.now += TICK
            desk.probe.tick(desk.now, NOW + desk.now)
            calls, desk.manager.calls = desk.manager.calls, []
            for call in calls:
                row = desk.report() if not call.part else held._replace(qty=qty, time=NOW + desk.now)
                assert desk.probe.answered(
                    call, Answer(Outcome.DONE, (row,), cursor="" if call.part else "2"), desk.now
                )
        return desk.probe.is_silent

    assert not listed(3) and pages and pages[-1] - NOW <= desk.now
    assert listed(4)


def test_a_quiet_account_is_not_silent_and_costs_a_query_each_two_seconds():
    desk = Desk()
    assert not desk.run(600)
    assert 290 <= desk.requests <= 301


def test_a_stream_that_tells_is_not_asked_about():
    desk = Desk()
    for n in range(600):
        desk.held = n
        desk.tell()
        assert not desk.run(0.5)
    assert desk.requests == 0


def test_a_stream_that_tells_late_is_not_silent():
    desk = Desk()
    for n in range(60):
        desk.held = n
        desk.run(0.5)
        desk.run(1.4 - (n % 3) / 2)  # of the first query that shows it, at most
        desk.tell()
        assert not desk.run(3)


def test_what_moves_at_each_look_is_told_and_not_silent():
    desk = Desk()
    for n in range(200):
        desk.held = n + 1  # the list is always one ahead
        desk.run(0.7)
        desk.held = n
        desk.manager.hear([desk.report()], NOW + desk.now)
    assert not desk.probe.is_silent


def test_a_list_that_lags_behind_the_stream_says_nothing():
    desk = Desk()
    desk.held = 5
    desk.tell()
    desk.held, desk.time = 0, False  # as it was before
    assert not desk.run(60)


@pytest.mark.parametrize(("outcome", "most"), [(Outcome.AMBIGUOUS, 301), (Outcome.SAFE, 600 * SECOND // EVERY_MAX + 8)])
def test_no_answer_proves_nothing_and_a_venue_asked_too_often_is_asked_less(outcome, most):
    desk = Desk()
    desk.held, desk.outcome = 5, outcome
    assert not desk.run(600)
    assert desk.requests <= most
    desk.outcome = Outcome.DONE
    assert desk.run(EVERY_MAX / SECOND + 4)


def test_an_answer_that_never_comes_is_asked_for_again():
    desk = Desk()
    for _ in range(3):
        request = 0
        while not request:
            desk.now += TICK
            desk.probe.tick(desk.now, NOW)
            request = len(desk.manager.calls)
            desk.manager.calls = []
    assert desk.probe.sent == 3


def test_without_a_connection_nothing_is_asked():
    desk = Desk()
    desk.probe.went()
    desk.held = 5
    assert not desk.run(60)
    assert desk.requests == 0


def silent() -> Desk:
    desk = Desk()
    desk.held = 5
    assert desk.run(60)
    return desk


def believed_after(desk: Desk) -> int:
    began = desk.now
    while desk.probe.is_silent:
        desk.now += TICK
        desk.probe.tick(desk.now, NOW + desk.now)
        desk.manager.calls.clear()
        assert desk.now - began < 3600 * SECOND
    return desk.now - began


def test_it_is_believed_once_it_is_reconciled_and_tells():
    desk = silent()
    desk.probe.tick(desk.now, NOW)
    assert desk.probe.is_silent
    desk.probe.came(desk.now)
    desk.probe.heard(desk.now)
    desk.probe.tick(desk.now, NOW)
    assert desk.probe.is_silent  # a reconciliation first
    desk.probe.reconciled(desk.now)
    assert believed_after(desk) == TICK


def test_with_nothing_to_tell_it_waits_and_twice_as_long_the_next_time():
    desk = silent()
    waits = []
    for n in range(6):
        desk.connect()
        waits.append(believed_after(desk))
        desk.held += n + 1
        assert desk.run(60)
    assert waits[0] == PROBATION
    assert [b / a for a, b in pairwise(waits)][:3] == [2, 2, 2]
    desk.connect()
    desk.tell()
    assert believed_after(desk) == TICK
    desk.held = 99
    assert desk.run(60)
    desk.connect()
    assert believed_after(desk) == PROBATION
