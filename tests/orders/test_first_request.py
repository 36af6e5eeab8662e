"""First request wins: which of several requests with one key leaves, as a table of keys."""

from __future__ import annotations

import pytest

from onetape.model.enums import OrderState
from onetape.model.errors import DuplicateCommand, OrderInvalid, OrderRate
from onetape.model.request_key import RequestKey, request_key
from onetape.model.time import DAY, MINUTE
from onetape.orders import first_request
from onetape.orders.first_request import FirstRequests, OrderStatus

NOW = 1_767_225_600 * 10**9


class Orders:
    """The orders that have keys, by name."""

    def __init__(self) -> None:
        self.states: dict[str, OrderState] = {}
        self.first: FirstRequests[str] = FirstRequests(self.status_of)

    def status_of(self, name: str) -> OrderStatus | None:
        state = self.states.get(name)
        return None if state is None else OrderStatus(state, f"order {name}, {state}")

    def ask(self, name: str, key: RequestKey, *, slot=1, robot=1, now=NOW):
        refusal = self.first.refusal(key, slot, now)
        if refusal is None:
            self.states[name] = OrderState.SUBMITTED
            self.first.claim(key, slot, name, robot, now)
        return refusal


def test_the_first_has_it_and_the_others_are_told_who():
    orders, key = Orders(), RequestKey("btc 09:30")
    assert orders.ask("a-1", key) is None
    orders.states["a-1"] = OrderState.FILLED
    refusal = orders.ask("b-1", key, robot=2, slot=3)
    assert refusal.code == DuplicateCommand.code
    assert refusal.reason == "the key 'btc 09:30' has order a-1, FILLED"


@pytest.mark.parametrize("state", list(OrderState))
def test_only_an_order_that_came_to_be_holds_its_key(state):
    orders, key = Orders(), RequestKey("k")
    orders.ask("a-1", key)
    orders.states["a-1"] = state
    is_free = orders.ask("b-1", key) is None
    assert is_free == (state in (OrderState.DENIED, OrderState.REJECTED))


def test_one_that_nobody_remembers_still_holds_it():
    orders, key = Orders(), RequestKey("k")
    orders.ask("a-1", key)
    del orders.states["a-1"]
    assert "an order that ended" in orders.ask("b-1", key).reason


def test_a_sub_account_has_keys_of_its_own():
    orders = Orders()
    own, all_ = RequestKey("k", within="subaccount"), RequestKey("k")
    assert orders.ask("a-1", own, slot=2) is None
    assert orders.ask("b-1", own, slot=3) is None
    assert orders.ask("c-1", all_, slot=2) is None
    assert orders.ask("a-2", own, slot=2).code == DuplicateCommand.code
    assert orders.ask("c-2", all_, slot=3).code == DuplicateCommand.code


def test_it_expires_at_its_time_and_not_before():
    orders, key = Orders(), RequestKey("k", expires="15m")
    orders.ask("a-1", key)
    assert orders.ask("b-1", key, now=NOW + 15 * MINUTE - 1) is not None
    assert orders.ask("b-1", key, now=NOW + 15 * MINUTE) is None
    assert "order b-1" in orders.ask("c-1", key, now=NOW + 15 * MINUTE).reason


def test_the_winner_ends_the_cycle_and_nobody_else():
    orders, key = Orders(), RequestKey("k")
    orders.ask("a-1", key, robot=1)
    said = orders.first.end(key, 1, robot=2)
    assert said == "the key 'k' has order a-1, SUBMITTED: its robot or the operator ends the cycle"
    assert orders.ask("b-1", key, robot=2) is not None
    assert orders.first.end(key, 1, robot=1) == ""
    assert orders.ask("b-1", key, robot=2) is None
    assert orders.first.end(key, 1) == ""  # the operator's word
    assert orders.first.end(key, 1, robot=7) == ""  # there is none
    assert orders.ask("c-1", key) is None


def test_keys_are_bounded_and_expired_ones_make_room(monkeypatch):
    monkeypatch.setattr(first_request, "CLAIMS_MAX", 3)
    orders = Orders()
    for number in range(3):
        assert orders.ask(f"a-{number}", RequestKey(f"{number}")) is None
    refusal = orders.ask("a-3", RequestKey("3"))
    assert refusal.code == OrderRate.code
    assert refusal.reason == "3 request keys are in use: end their cycles"
    assert orders.ask("a-3", RequestKey("3"), now=NOW + DAY) is None
    assert len(orders.first) == 1


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (RequestKey(""), "1 to 64 bytes"),
        (RequestKey("ä" * 33), "1 to 64 bytes"),
        (RequestKey("k", expires=0), "must expire"),
        (RequestKey("k", within="all"), "account or subaccount"),
    ],
)
def test_a_wrong_key_is_refused_by_its_rule(key, words):
    refusal = Orders().ask("a-1", key)
    assert refusal.code == OrderInvalid.code
    assert words in refusal.reason
    with pytest.raises(ValueError, match=words):
        request_key(key)


def test_a_strategys_word_for_a_key():
    assert request_key("k") == RequestKey("k")
    assert request_key(RequestKey("k", expires="2h")).expires == 120 * MINUTE
    with pytest.raises(TypeError, match="a text or a RequestKey, not int"):
        request_key(7)
