"""Prints and displays of one queue that reach us over two ways, and in either order: what a print
took from before us and what the display lost by it move us once.

A stamp (`@40`) is the venue's; displays of 100 ms have many prints at once, prints come before the
display that has them, or after it.
"""

from __future__ import annotations

import random

import pytest
from exchange_world import Recorded

from onetape.engine.queue_model import parse_queue

MODELS = ["conservative", "power:1", "power:2", "power2", "power3", "log", "log2"]

TABLES = {
    "a print before the display that has it": """
        book 100:10 | 102:5 @1000
        buy#1 limit 100 x3            -> accepted
        trade 100 x4 sell @1010       ->            // 6 before us
        change 100:6 | @1020          ->            // the same 4
        trade 100 x6 sell @1030       ->
        trade 100 x1 sell @1031       -> fill 1@100 maker
    """,
    "a display before the print that it has": """
        book 100:10 | 102:5 @1000
        buy#1 limit 100 x3            -> accepted
        change 100:6 | @1020          ->            // 4 have gone from before us
        trade 100 x4 sell @1010       ->            // by this print
        trade 100 x6 sell @1030       ->
        trade 100 x1 sell @1031       -> fill 1@100 maker
    """,
    "a late print that took more than the display lost": """
        book 100:10 | 102:5 @1000
        buy#1 limit 100 x3            -> accepted
        change 100:8 | @1020          ->            // 4 traded and 2 joined: 2 seen to go
        trade 100 x4 sell @1010       ->            // 2 more
        trade 100 x6 sell @1030       ->
        trade 100 x1 sell @1031       -> fill 1@100 maker
    """,
    "a late print that emptied the level reaches us with the rest": """
        book 100:10 | 102:5 @1000
        buy#1 limit 100 x3            -> accepted
        book 99:5 | 102:5 @1020       ->
        trade 100 x12 sell @1010      -> fill 2@100 maker
    """,
    "two late prints of one display": """
        book 100:10 | 102:5 @1000
        buy#1 limit 100 x3            -> accepted
        change 100:4 | @1020          ->
        trade 100 x2 sell @1010       ->
        trade 100 x4 sell @1011       ->
        trade 100 x4 sell @1030       ->
        trade 100 x1 sell @1031       -> fill 1@100 maker
    """,
    "a print of the display before the last": """
        book 100:10 | 102:5 @1000
        buy#1 limit 100 x3            -> accepted
        change 100:6 | @1020          ->
        change 100:6 | @1040          ->
        trade 100 x4 sell @1010       ->
        trade 100 x6 sell @1050       ->
        trade 100 x1 sell @1051       -> fill 1@100 maker
    """,
    "what was canceled long ago is not held against new prints": """
        book 100:10 | 102:5 @1000
        buy#1 limit 100 x3            -> accepted
        change 100:6 | @1020          ->            // canceled
        trade 100 x4 sell @1030       ->            // newer than all displays: 2 before us
        trade 100 x3 sell @1031       -> fill 1@100 maker
    """,
    "a print from before we came is none of our business": """
        book 100:10 | 102:5 @1000
        buy#1 limit 100 x3            -> accepted
        trade 100 x10 sell @990       ->            // the 10 that are shown stood behind it
        trade 99 x50 sell @995        ->            // nor did one through our price meet us
        trade 100 x10 sell @1010      ->
        trade 100 x1 sell @1011       -> fill 1@100 maker
    """,
    "quotes beside prints are displays, too": """
        quote 100 102 10 5 @1000
        buy#1 limit 100 x3            -> accepted
        quote 100 102 6 5 @1010       ->
        trade 100 x4 sell @1010       ->            // the quote of the same match came first
        trade 100 x6 sell @1011       ->
        trade 100 x1 sell @1012       -> fill 1@100 maker
    """,
    "a changed order joins anew": """
        book 100:10 | 102:5 @1000
        buy#1 limit 100 x3            -> accepted
        change 100:10 99:7 | @1020    ->
        amend#1 price=99              -> updated
        trade 99 x7 sell @1010        ->
        trade 99 x7 sell @1030        ->
        trade 99 x1 sell @1031        -> fill 1@99 maker
    """,
    "without stamps every print counts": """
        book 100:10 | 102:5
        buy#1 limit 100 x3            -> accepted
        change 100:6 |                ->
        trade 100 x4 sell             ->
        trade 100 x3 sell             -> fill 1@100 maker
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_conservative(name: str) -> None:
    Recorded().run(TABLES[name])


@pytest.mark.parametrize("model", MODELS)
def test_a_display_that_lacks_a_print_does_not_hide_it_from_the_next(model: str) -> None:
    """The second display loses what the print took: nobody canceled. Every model must agree."""
    queue = parse_queue(model)
    world = Recorded(queue_model=queue.number, queue_exponent=queue.exponent)
    world.run("""
        book 100:20 | 102:5 @1000
        buy#1 limit 100 x3            -> accepted
        change 100:30 | @1001         ->            // 10 behind us
        trade 100 x8 sell @1010       ->            // 12 before us
        change 100:30 | @1005         ->            // made before the print
        change 100:22 | @1020         ->            // made after it
        trade 100 x12 sell @1030      ->
        trade 100 x1 sell @1031       -> fill 1@100 maker
    """)


@pytest.mark.parametrize("model", MODELS)
def test_a_display_in_the_middle_of_many_prints_takes_its_own(model: str) -> None:
    queue = parse_queue(model)
    world = Recorded(queue_model=queue.number, queue_exponent=queue.exponent)
    world.step("book 100:40 | 102:5 @1000")
    world.step("buy#1 limit 100 x3")
    for i in range(10):
        world.step(f"trade 100 x2 sell @{1010 + i}")
    world.step("change 100:30 | @1014")  # has five of the ten
    world.step("change 100:20 | @1030")
    assert world.step("trade 100 x20 sell @1040") == ""
    assert world.step("trade 100 x1 sell @1041") == "#1 fill 1@100 maker"


# --- against a queue in which everybody is known ---


@pytest.mark.parametrize("has_stamps", [True, False])
def test_the_back_of_the_queue_is_never_ahead_of_the_truth(has_stamps: bool) -> None:
    """Prints delayed by up to two displays, displays of every ten moments delayed likewise. What
    the tape shows is the market without us, so the true place is reckoned in it: who stood before
    us and has neither traded nor canceled. Withheld stamps are what makes it go wrong."""
    ahead_of_truth = filled = 0
    for seed in range(150):
        early, got = one_queue(seed, has_stamps=has_stamps)
        ahead_of_truth += early
        filled += got
    assert filled > 500
    assert (ahead_of_truth == 0) == has_stamps


def one_queue(seed: int, *, has_stamps: bool) -> tuple[int, int]:
    """(times at which the simulation had filled more than the truth, units filled)."""
    r = random.Random(f"conflated {seed}")
    level = [[r.randint(1, 9), number] for number in range(r.randint(2, 8))]  # [size, who]
    mine = len(level)  # who came before us has a lower number
    numbers = iter(range(mine, 10**6))
    now, events = 1000, []  # (delivered, order, line)
    true_filled: list[tuple[int, int]] = [(0, 0)]  # by the venue's time

    def shown() -> int:
        return sum(size for size, _ in level)

    start = shown()
    done, size = 0, 12
    for _ in range(120):
        now += r.randint(1, 3)
        kind = r.random()
        if kind < 0.35 and shown():
            # A taker meets who is there; what goes beyond those before us is ours first.
            amount = r.randint(1, min(8, shown()))
            before = sum(units for units, who in level if who < mine)
            done = min(size, done + max(0, amount - before))
            left = amount
            while left:
                part = min(left, level[0][0])
                level[0][0] -= part
                left -= part
                if not level[0][0]:
                    level.pop(0)
            true_filled.append((now, done))
            events.append((now + r.randint(0, 25), len(events), f"trade 100 x{amount} sell", now))
        elif kind < 0.6:
            level.append([r.randint(1, 6), next(numbers)])
        elif len(level) > 1:
            level.pop(r.randrange(len(level)))
        if r.random() < 0.3 and shown():
            events.append((now + r.randint(0, 25), len(events), f"change 100:{shown()} |", now))
    # Each way keeps its own order.
    lines = []
    for word in ("trade", "change"):
        latest = 0
        for delivered, order, line, stamp in events:
            if line.startswith(word):
                latest = max(latest, delivered)
                lines.append((latest, order, line, stamp))
    world = Recorded()
    mark = " @{}" if has_stamps else ""
    world.step(f"book 100:{start} 90:5 | 102:5" + mark.format(1000))
    world.step(f"buy#1 limit 100 x{size}")
    early = got = printed = 0
    for _, _, line, stamp in sorted(lines):
        answer = world.step(line + mark.format(stamp))
        if "fill" in answer:
            got += int(answer.split("@")[0].split()[-1])
        if line.startswith("trade"):
            printed = stamp
        truth = [amount for at, amount in true_filled if at <= printed][-1]
        early += got > truth
    return early, got
