"""One position of several members: what they hold adds up to it whatever fills, and nothing is traded for nobody."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from onetape.portfolio.netting import UNOWNED, SharedPosition


class Shared(RuleBasedStateMachine):
    """Members change their minds while an order for all of them works, fills in parts, late or beyond."""

    def __init__(self):
        super().__init__()
        self.shared, self.position, self.order = SharedPosition(5), 0, 0

    @rule(member=st.integers(0, 3), lots=st.integers(-6, 6))
    def want(self, member, lots):
        self.shared.wanted[member] = lots * 5

    @rule()
    def net(self):
        before = dict(self.shared.held)
        trades = self.shared.cross()
        assert sum(qty for _, qty in trades) == 0
        for member, qty in trades:
            wants = self.shared.wanted.get(member, 0) - before.get(member, 0)
            assert 0 < abs(qty) <= abs(wants) and qty * wants > 0
        # Less than a lot may be left between them, where fills were no whole lots.
        assert min(sum(self.shared.missing(side).values()) for side in (1, -1)) < 5
        target = self.shared.target()
        assert target == sum(
            self.shared.wanted.get(m, 0 if m == UNOWNED else h)
            for m, h in {**dict.fromkeys(self.shared.wanted, 0), **self.shared.held}.items()
        )
        self.order = target - self.position

    @precondition(lambda self: self.order)
    @rule(share=st.integers(1, 100))
    def fill(self, share):
        qty = self.order * share // 100 or self.order
        self.order -= qty
        self.position += qty
        assert sum(each for _, each in self.shared.fill(qty)) == qty

    @rule(qty=st.integers(-30, 30).filter(bool))
    def fill_late(self, qty):
        self.position += qty
        assert sum(each for _, each in self.shared.fill(qty)) == qty

    @invariant()
    def adds_up(self):
        assert sum(self.shared.held.values()) == self.position


TestShared = Shared.TestCase


@given(st.lists(st.integers(-6, 6), min_size=1, max_size=5))
def test_a_target_that_fills_whole_leaves_each_with_what_it_wants(wanted):
    shared = SharedPosition(10)
    shared.wanted = {member: lots * 10 for member, lots in enumerate(wanted)}
    shared.cross()
    target = shared.target()
    if target:
        shared.fill(target)
    assert {m: q for m, q in shared.held.items() if q} == {m: q for m, q in shared.wanted.items() if q}


def test_what_nobody_asked_for_is_wanted_by_nobody_and_a_late_fill_is_whose_order_it_was():
    shared = SharedPosition(1)
    shared.wanted = {0: 10, 1: 5}
    assert shared.target() == 15 and shared.fill(6) == [(0, 4), (1, 2)]
    shared.wanted = {0: 4, 1: 2}  # both have changed their mind, the order fills before it is gone
    assert shared.fill(3) == [(0, 2), (1, 1)]
    assert shared.target() == 6
    assert shared.fill(-3) == [(0, -2), (1, -1)] and shared.held == {0: 4, 1: 2}
    assert shared.fill(7) == [(UNOWNED, 7)] and shared.target() == 6
