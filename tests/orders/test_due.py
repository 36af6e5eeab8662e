"""Which orders have something due: one that nobody has seen to is due still."""

from __future__ import annotations

from orders.binance_manager import NOW, SECOND, Desk


def test_what_was_taken_and_not_changed_is_due_still():
    desk = Desk()
    order = desk.place(accepted=False)
    due = desk.manager.directory.due
    late = NOW + 5 * SECOND
    assert due.next == late
    for _ in range(2):
        assert due.take(late) == [order]
    assert due.take(late - 1) == []


def test_what_is_due_at_another_time_now_is_so():
    desk = Desk()
    order = desk.place()
    due = desk.manager.directory.due
    for at in (NOW + 9, NOW + 3, NOW + 6):
        order.ask_at = at
        desk.manager.directory.mark(order)
        assert due.next == at
