"""A transfer that is told of by a command, by the stream and by balances counts once.

Every order of the three, with and without each of them, with the same name, another or none.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from account_world import U, World

from onetape.accounts.statement import Recheck
from onetape.accounts.unexplained import moved
from onetape.model.time import SECOND
from onetape.orders.reports import MoveReport

LANDS = 100  # when the venue's balance has it, seconds
CHECKS = range(40, 640, 60)
VENUES_NAME = "T1"


def commands(at: tuple[int, ...], amount: int, name: str) -> list[tuple[int, Callable]]:
    fields = {"transfer_id": name} if name else {}
    return [(when, lambda w, when=when: w.command("adjust", amount, at=when * SECOND, **fields)) for when in at]


def stream_reports(at: tuple[int, ...], amount: int) -> list[tuple[int, Callable]]:
    reported = MoveReport(VENUES_NAME, "USD", amount * U, LANDS * SECOND)
    return [(when, lambda w: w.keeper.book(moved(reported))) for when in at]


def checks(amount: int) -> list[tuple[int, Callable]]:
    def check(world: World, when: int) -> None:
        total = 10_000 + amount * (when >= LANDS)
        effects = world.report(total, at=when * SECOND)
        if any(isinstance(each, Recheck) for each in effects):
            world.report(total, at=(when + 1) * SECOND)

    return [(when, lambda w, when=when: check(w, when)) for when in CHECKS]


# Each a way of being told, by name: when the commands come, when the stream does.
COMMANDS = {
    "no command": (),
    "before": (70,),
    "just before": (95,),
    "after": (130,),
    "late": (170,),
    "very late": (400,),
    "before and after": (70, 130),
    "after a check, again": (130, 170),
    "long before and long after": (50, 400),
}
STREAM = {"no stream": (), "at once": (101,), "behind": (150,), "twice": (105, 230), "late": (290,)}
MATRIX = [
    (command, name, stream)
    for command, name, stream in itertools.product(COMMANDS, (VENUES_NAME, "mine", ""), STREAM)
    # A command without a name that comes twice tells of two transfers.
    if name or len(COMMANDS[command]) < 2
]


@pytest.mark.parametrize("amount", [1000, -1000])
@pytest.mark.parametrize(("command", "name", "stream"), MATRIX)
def test_a_transfer_counts_once_whoever_tells_of_it_and_when(command, name, stream, amount):
    for is_restarted in (False, True):
        steps = [*commands(COMMANDS[command], amount, name), *stream_reports(STREAM[stream], amount), *checks(amount)]
        world = World()
        for when, step in sorted(steps, key=lambda each: each[0]):
            step(world)
            assert world.rows[0] in (10_000, 10_000 + amount), f"at {when}"
            if is_restarted:
                rows = world.rows
                world.start()
                assert world.rows == rows
        assert world.rows == [10_000 + amount, 10_000 + amount, 0, 0]
        assert len([e for e in world.tape if e.cause == "correction"]) <= 1
        if COMMANDS[command] or STREAM[stream]:
            assert world.open == 0


def test_two_equal_transfers_are_two():
    for order in itertools.permutations(("command", "command", "stream", "stream")):
        world = World()
        names = {"command": iter("ab"), "stream": iter("xy")}
        for at, who in enumerate(order, 10):
            name = next(names[who])
            if who == "command":
                world.command("adjust", 500, at=at * SECOND, transfer_id=name)
            else:
                reported = MoveReport(name, "USD", 500 * U, at * SECOND)
                world.keeper.book(moved(reported))
        assert world.rows[0] == 11_000, order
        assert world.report(11_000, at=60 * SECOND) == []


def test_a_command_that_is_wrong_is_put_right_by_the_venue():
    """It says 100, and 1000 have moved."""
    world = World()
    world.command("adjust", 100, at=10 * SECOND, transfer_id=VENUES_NAME)
    world.keeper.book(moved(MoveReport(VENUES_NAME, "USD", 1000 * U, 20 * SECOND)))
    assert world.rows[0] == 11_000
    assert world.report(11_000, at=30 * SECOND) == []


def test_a_transfer_that_never_happened_is_taken_back_by_the_check():
    world = World()
    world.command("adjust", 700, at=10 * SECOND)
    for at in range(60, 300, 60):
        if world.report(10_000, at=at * SECOND):
            world.report(10_000, at=(at + 1) * SECOND)
    assert world.rows[0] == 10_000


def corrected(world: World, total: int, at: int) -> None:
    world.report(total, at=at * SECOND)
    world.report(total, at=(at + 1) * SECOND)
    assert world.rows[0] == total


def test_a_correction_that_had_more_than_the_transfer_is_set_against_it_when_the_stream_tells():
    world = World()
    corrected(world, 10_993, 160)  # the transfer, and seven that nobody knows of
    world.command("adjust", 1000, at=170 * SECOND)
    assert world.rows[0] == 11_993  # no amount that is open is equal
    world.keeper.book(moved(MoveReport(VENUES_NAME, "USD", 1000 * U, LANDS * SECOND)))
    assert (world.rows[0], world.open) == (10_993, -7)


def test_a_transfer_that_comes_after_it_was_given_up_is_booked_when_the_stream_tells():
    world = World()
    world.command("adjust", 1000, at=10 * SECOND)
    corrected(world, 10_000, 140)
    world.keeper.book(moved(MoveReport(VENUES_NAME, "USD", 1000 * U, 300 * SECOND)))
    assert world.rows[0] == 11_000
    assert world.report(11_000, at=310 * SECOND) == []
