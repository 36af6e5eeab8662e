"""By what names an order is found, until when, and what of it is due: one that nobody has seen to is due still."""

from __future__ import annotations

import pytest

from orders.binance_manager import NOW, SECOND, SYMBOL, Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_an_order_is_found_by_its_name_by_its_robot_s_number_and_by_the_venue_s_id(desk):
    order, found = desk.place(), desk.manager.account
    assert found.find("id-1", SYMBOL, "") is order
    assert found.find("", SYMBOL, "77") is order
    assert found.by_robot[1, order.order_id] is order
    assert found.find("", "binance:ETH/USDT:USDT", "77") is None


def test_late_words_use_the_id_from_before_the_trigger_fired(desk):
    order, found = desk.place(), desk.manager.account
    found.name(order, "88")
    assert found.find("", SYMBOL, "77") is found.find("", SYMBOL, "88") is order


def test_what_was_renamed_is_found_by_both_names_and_knows_the_former_ones(desk):
    order, found = desk.place(), desk.manager.account
    found.rename(order, "id-1r1")
    assert found.find("id-1r1", SYMBOL, "") is found.find("id-1", SYMBOL, "") is order
    assert (order.former, order.venue_id, order.name) == (["id-1", "77"], "", "id-1r1")


def test_an_ended_order_is_found_until_so_many_later_ones_have_ended(desk):
    found = desk.manager.account
    found.closed_kept = 1
    first, second = desk.place("id-1"), desk.place("id-2")
    found.rename(first, "id-1r1")
    found.name(first, "78")
    for order in (first, second):
        assert found.find(order.client_id, SYMBOL, "") is order
        found.close(order)
    assert [found.find(n, SYMBOL, "") for n in ("id-1", "id-1r1")] == [None, None]
    assert (SYMBOL, "78") not in found.by_venue_id
    assert (1, first.order_id) not in found.by_robot
    assert found.find("id-2", SYMBOL, "") is second


def test_what_was_taken_and_not_changed_is_due_still():
    desk = Desk()
    order = desk.place(accepted=False)
    found = desk.manager.account
    late = NOW + 5 * SECOND
    assert found.next_due == late
    for _ in range(2):
        assert found.take_due(late) == [order]
    assert found.take_due(late - 1) == []


def test_what_is_due_at_another_time_now_is_so():
    desk = Desk()
    order = desk.place()
    for at in (NOW + 9, NOW + 3, NOW + 6):
        order.ask_at = at
        assert desk.manager.account.next_due == at
