"""One position of several members: what they hold adds up to it whatever fills, and nothing is traded for nobody."""

from __future__ import annotations

import msgspec
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


class Sent(RuleBasedStateMachine):
    """An account sends orders for what is wanted, asks for the cancel of what is too much, and waits for its end as a
    target does. Any order that is not closed may fill: no part of it is nobody's, whatever was wanted meanwhile."""

    LOT = 5

    def __init__(self):
        super().__init__()
        self.shared, self.position, self.wanted = SharedPosition(self.LOT), 0, 0
        self.orders, self.number = {}, 0  # what is left of each
        self.lacking, self.lacked = set(), {}  # (member, side) that lacked since a target was said; by order: its own

    def send(self):
        buys, sells = (sum(left for left in self.orders.values() if left * side > 0) for side in (1, -1))
        high, low = self.position + buys, self.position + sells
        qty = max(self.wanted - high, 0) - max(low - self.wanted, 0)
        if qty:
            self.number += 1
            self.orders[self.number] = qty
            self.lacked[self.number] = self.lacking

    @rule(member=st.integers(0, 3), lots=st.integers(-6, 6))
    def want(self, member, lots):
        self.shared.wanted[member] = lots * self.LOT
        self.shared.cross()
        self.wanted = self.shared.target(list(self.orders))
        self.lacking = set()
        self.look()
        self.send()

    def look(self):
        self.lacking |= {(member, side) for side in (1, -1) for member in self.shared.missing(side)}

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), lots=st.integers(1, 6))
    def fill(self, data, lots):
        order = data.draw(st.sampled_from(sorted(self.orders)))
        side = 1 if self.orders[order] > 0 else -1
        qty = side * min(lots * self.LOT, abs(self.orders[order]))
        lacking = self.shared.missing(side)
        self.orders[order] -= qty
        self.position += qty
        parts = self.shared.fill(qty, order)
        assert sum(each for _, each in parts) == qty and len({member for member, _ in parts}) == len(parts)
        assert {(member, side) for member, _ in parts if member not in lacking} <= self.lacked[order]
        if sum(lacking.values()) >= abs(qty):
            assert {member for member, _ in parts} <= {*lacking}, "nobody before those that lack it now"
        self.look()
        if not self.orders[order]:
            self.close(order)

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def cancel(self, data):
        self.close(data.draw(st.sampled_from(sorted(self.orders))))

    def close(self, order):
        del self.orders[order]
        self.send()

    @rule()
    def restart(self):
        """Its process is killed: the next one has what is held and wanted, and the record."""
        names = {UNOWNED: "nobody", **{member: str(member) for member in range(4)}}
        record = msgspec.msgpack.decode(msgspec.msgpack.encode(self.shared.to_record(names)))
        before, self.shared = self.shared, SharedPosition(self.LOT)
        self.shared.held, self.shared.wanted = before.held, before.wanted
        self.shared.restore(record, {name: member for member, name in names.items()})

    @invariant()
    def adds_up_and_nothing_is_nobodys(self):
        assert sum(self.shared.held.values()) == self.position
        assert UNOWNED not in self.shared.held


TestSent = Sent.TestCase


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


def test_a_fill_is_whose_order_it_was_after_their_target_was_lowered_and_they_lack_it_once():
    shared = SharedPosition(1)
    shared.wanted = {0: 10}
    assert shared.target() == 10  # order 1 is sent
    shared.wanted = {0: 4, 1: 3}
    assert shared.target([1]) == 7
    assert shared.fill(8, 1) == [(0, 5), (1, 3)], "those that lack it now, then 0, which had lacked it"
    assert shared.target([1]) == 7  # order 2 sells 1
    shared.wanted = {0: 10, 1: 3}
    assert shared.target([1, 2]) == 13
    assert shared.fill(-1, 2) == [(0, -1)]
    assert shared.fill(2, 1) == [(0, 2)]
    shared.release(0)
    shared.wanted = {0: 6, 1: 3}
    assert shared.fill(2, 1) == [(UNOWNED, 2)], "0 has given up"
