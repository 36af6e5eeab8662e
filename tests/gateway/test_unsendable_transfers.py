"""A transfer that an earlier process could send, and this one cannot: nothing of it reaches the venue."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from onetape.options.gateway import WithdrawalTarget
from onetape.orders.calls import Call, Destination, Purpose
from onetape.orders.outcome import Answer, Outcome
from waiting import wait_in_loop
from worlds.books_process import UNIT, Books

SIBLINGS = {"other": "other@example.com"}
WITHDRAW = {"main": WithdrawalTarget(venue="kraken", wallet="", to={"USDT": Destination("ETH", "0xabc")})}
# Where the money goes, what the configuration says of that place, and the wallet that it leaves from.
WAYS = [
    pytest.param("trading", "binance.other.spot", {"siblings": SIBLINGS}, id="another account"),
    pytest.param("trading", "spot", {}, id="another wallet"),
    pytest.param("spot", "kraken.main", {"withdraw": WITHDRAW}, id="another venue"),
]
CANNOT = [*((way, False) for way in WAYS), (WAYS[0], True), (WAYS[2], True)]  # another wallet is always known


class Wire:
    """A venue that gives every transfer the same answer and has no history."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome, self.calls = outcome, list[Call]()

    async def answer(self, call: Call) -> Answer:
        self.calls.append(call)
        return Answer(self.outcome if call.purpose is Purpose.TRANSFER else Outcome.DONE)

    @property
    def transfers(self) -> list[Call]:
        return [each for each in self.calls if each.purpose is Purpose.TRANSFER]


def state_of(books: Books) -> tuple[str, str]:
    (row,) = books.desk.shown("t")
    return row["state"], row["reason"]


def run(home: Any, wire: Wire | None, until: Any, *, source: str = "", target: str = "", **settings: Any) -> Books:
    """A process of the gateway that lives until then, and makes the transfer where a target is named."""

    async def live() -> Books:
        books = Books(home, wire=None if wire is None else lambda protocol: wire, **settings)
        books.desk.tick()
        if target:
            fields = {"id": "t", "currency": "USDT", "amount": "5", "from": source, "to": target}
            answer = books.send("transfer", **fields)
            assert answer["error"] is None, answer

        def is_there() -> bool:
            books.desk.tick()
            return until(books)

        await wait_in_loop(is_there)
        return books

    books = asyncio.run(live())
    books.close()
    return books


@pytest.mark.parametrize(("source", "target", "settings"), WAYS)
def test_a_transfer_that_is_tried_again_is_sent_while_it_can_be(tmp_path, source, target, settings):
    wire = Wire(Outcome.SAFE)
    run(tmp_path, wire, lambda _: len(wire.transfers) == 1, source=source, target=target, **settings)
    run(tmp_path, wire, lambda _: len(wire.transfers) == 2, **settings)


@pytest.mark.parametrize(
    ("source", "target", "settings", "has_wire"),
    [pytest.param(*way.values, has_wire, id=f"{way.id}, {has_wire}") for way, has_wire in CANNOT],
)
def test_a_transfer_that_cannot_be_sent_any_more_fails_and_its_money_comes_back(
    tmp_path, source, target, settings, has_wire
):
    """Its account or address was taken out of the configuration, or the venue is not connected."""
    first, second = Wire(Outcome.SAFE), Wire(Outcome.DONE)
    run(tmp_path, first, lambda _: bool(first.transfers), source=source, target=target, **settings)
    books = run(
        tmp_path,
        second if has_wire else None,
        lambda books: state_of(books)[0] != "pending",
        **({} if has_wire else settings),
    )
    assert state_of(books) == ("failed", "it cannot be sent any more")
    assert second.calls == []
    total, *parts = books.money.ledger.slots("USDT", 3)
    assert total == sum(parts) == 1000 * UNIT and books.money.ledger.transit("USDT") == 0


def test_what_became_of_a_transfer_to_an_account_that_is_no_longer_known_stays_unknown(tmp_path):
    """The account's own history does not have it: that it is absent there does not say that it was not made."""
    first, second = Wire(Outcome.AMBIGUOUS), Wire(Outcome.DONE)
    way = {"source": "trading", "target": "binance.other.spot"}
    run(tmp_path, first, lambda books: state_of(books)[0] == "unknown", **way, siblings=SIBLINGS)
    turns = 0

    def has_looked(_: Books) -> bool:
        nonlocal turns
        turns += 1
        return turns > 50

    books = run(tmp_path, second, has_looked)
    assert state_of(books)[0] == "unknown"
    assert second.calls == []
