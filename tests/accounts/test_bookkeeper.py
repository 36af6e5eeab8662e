"""An entry is on the tape before it counts; a death at any step books it once or never."""

from __future__ import annotations

import pytest
from account_world import U, World

from onetape.accounts.bookkeeper import Bookkeeper
from onetape.accounts.entries import MAIN, Cause, Entry, Leg, Outside
from onetape.accounts.slots import Refused
from onetape.model.errors import BadInput, DiskFull

ALLOCATE = {"currency": "usd", "amount": 100, "index": 2, "strategy": "a"}


class Died(Exception):
    pass


def allocate(world: World, dies_before: int = 9) -> str:
    """As a gateway does: the command on the tape, what it would book, the entry there, booked,
    answered. Dies before one of these."""

    def step(number: int) -> None:
        if number == dies_before:
            raise Died

    def write(entry: Entry) -> None:
        step(2)
        world.tape.append(entry)
        step(3)

    keeper = Bookkeeper(world.ledger, world.statements, write)
    step(1)
    done = world.accounts.command("a", "allocate", ALLOCATE, "c1", 10)
    if isinstance(done, Refused):
        return done.kind.name
    keeper.book(done)
    step(4)
    return "ok"


@pytest.mark.parametrize("dies_before", range(1, 5))
def test_a_command_is_done_once_wherever_the_process_dies(dies_before):
    world = World()
    with pytest.raises(Died):
        allocate(world, dies_before)
    on_tape = len(world.tape)
    world.start()
    assert world.rows == ([10_000, 9900, 100, 0] if dies_before > 2 else [10_000, 10_000, 0, 0])
    # It is on the tape and without an answer: the next life does it again, by the same id.
    assert allocate(world) == ("DUPLICATE_COMMAND" if dies_before > 2 else "ok")
    assert world.rows == [10_000, 9900, 100, 0]
    assert len(world.tape) == 2
    assert on_tape == (2 if dies_before > 2 else 1)


def test_what_cannot_be_written_does_not_count():
    world = World()

    def write(entry: Entry) -> None:
        raise DiskFull("no room")

    keeper = Bookkeeper(world.ledger, world.statements, write)
    done = world.accounts.command("a", "allocate", ALLOCATE, "c1", 10)
    with pytest.raises(DiskFull):
        keeper.book(done)
    assert world.rows == [10_000, 10_000, 0, 0]


def test_what_is_no_entry_is_not_written():
    world = World()
    before = len(world.tape)
    with pytest.raises(BadInput):
        world.keeper.book(Entry(1, Cause.FILL, (Leg(2, "USD", 5),), "x"))
    assert len(world.tape) == before


def test_what_was_booked_is_not_written_again():
    world = World()
    legs = (Leg(MAIN, "USD", U), Leg(Outside.MARKET, "USD", -U))
    assert world.keeper.book(Entry(5, Cause.FILL, legs, "f")) is not None
    before = len(world.tape)
    assert world.keeper.book(Entry(5, Cause.FILL, legs, "f")) is None
    assert len(world.tape) == before
    assert not world.keeper.replay(world.tape[-1])
    assert world.rows[0] == 10_001
