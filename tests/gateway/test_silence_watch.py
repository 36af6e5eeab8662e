"""What a gateway concludes from an account's stream that tells nothing: when its connection is made anew, and when it
is believed. The venue answers at once what it holds."""

from __future__ import annotations

import pytest

from onetape.gateway.silence_watch import Listening
from onetape.model.enums import PositionSide
from onetape.model.time import MS, SECOND
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import PositionReport
from onetape.orders.stream_probe import PROBATION
from orders.gate_desk import NOW, PERP, Desk

STEP = 20 * MS
RECONNECTED = SECOND // 2  # after a cut: connected, and all reconciled 10 ms later


class Account:
    """A venue's account, and a gateway's watch over its stream, which is frozen or tells what is traded."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.manager, self.gate = self.desk.manager, self.desk.gate
        self.now = self.held = self.cuts = 0
        self.is_frozen = False
        self._due: list[tuple[int, str]] = []
        self.listening = Listening("main", self.manager, self.gate, probe=2 * SECOND, cut=self._cut)
        self._come()
        self._reconcile()

    def _cut(self) -> None:
        self.cuts += 1
        came = self.now + RECONNECTED
        self._due += [(came, "come"), (came + 10 * MS, "reconcile")]

    def _come(self) -> None:
        self.listening.came()

    def _reconcile(self) -> None:
        self.manager.hear([self._report()], NOW + self.now, source="rest")
        self.listening.reconciled(is_new=False)

    def _report(self) -> PositionReport:
        return PositionReport(PERP, PositionSide.BOTH, self.held, NOW + self.now)

    def trade(self, held: int) -> None:
        self.held = held
        if not self.is_frozen:
            self.listening.reports([self._report()])
            self.manager.hear([self._report()], NOW + self.now)

    @property
    def is_reported(self) -> bool:
        return self.manager.books.venue_positions.get((PERP, PositionSide.BOTH), (0, 0))[0] == self.held

    def until(self, what, most: float) -> float:
        """Seconds until it is so, `most` where it is not by then."""
        began = self.now
        while not what() and self.now - began < most * SECOND:
            self.now += STEP
            for each in [due for due in self._due if due[0] <= self.now]:
                self._due.remove(each)
                self._come() if each[1] == "come" else self._reconcile()
            self.listening.look(NOW + self.now, self.now)
            calls, self.manager.calls = self.manager.calls, []
            for call in calls:
                assert self.listening.answered(call, Answer(Outcome.DONE, (self._report(),)))
        return (self.now - began) / SECOND


@pytest.mark.parametrize("after", [0.0, 0.01, 3.0, 29.0])
def test_a_stream_that_is_frozen_again_before_it_is_believed_is_made_anew(after):
    """What is closed between one reconciliation and the next word stands for seconds, and not until somebody looks."""
    account = Account()
    account.is_frozen = True
    account.trade(5)
    assert account.until(lambda: account.is_reported, 60) <= 5
    account.until(lambda: False, after)
    account.trade(0)
    assert account.until(lambda: account.is_reported, 60) <= 5
    assert account.cuts == 2


def test_after_an_outage_a_quiet_account_is_believed_as_after_a_single_silence():
    account = Account()
    account.is_frozen = True
    for held in range(1, 9):
        account.trade(held)
        account.until(lambda: account.is_reported, 60)
        assert account.gate.is_deaf
    account.is_frozen = False
    assert account.until(lambda: not account.gate.is_deaf, 600) <= PROBATION / SECOND + 1


def test_after_an_outage_the_first_word_is_believed():
    account = Account()
    account.is_frozen = True
    for held in (1, 2, 3):
        account.trade(held)
        account.until(lambda: account.is_reported, 60)
    account.is_frozen = False
    account.until(lambda: False, 1)
    account.trade(4)
    assert account.until(lambda: not account.gate.is_deaf, 600) <= 1
