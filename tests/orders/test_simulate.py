"""The command that plays new seeds: what it prints can be repeated, and a failure is its exit."""

from __future__ import annotations

import random
from itertools import islice

import pytest

from onetape.orders.manager import OrderManager
from orders import simulate
from orders.gateway_seeds import KINDS, PAIRS, WORLDS, Seed, drawn
from orders.test_gateway_simulation import DRAWN

SHORT = ["--seconds", "20", "--workers", "1"]


def test_every_world_plays_at_every_venue_and_the_same_draw_gives_the_same_seeds():
    pairs = len(PAIRS)
    first, second = (list(islice(drawn(random.Random(7), 20), pairs)) for _ in range(2))
    assert first == second
    assert {(seed.world, seed.kind) for seed in first} == set(PAIRS)
    assert len({seed.number for seed in first}) == pairs


def test_what_one_change_draws_reaches_every_world_and_venue_and_many_changes_every_pair():
    changes = [list(islice(drawn(random.Random(number), 20), DRAWN)) for number in range(200)]
    for seeds in changes:
        assert ({seed.world for seed in seeds}, {seed.kind for seed in seeds}) == (set(WORLDS), set(KINDS))
    assert {(seed.world, seed.kind) for seeds in changes for seed in seeds} == set(PAIRS)


def test_one_seed_is_repeated_to_the_same_end():
    seed = Seed("EntryWorld", "kraken", 7, 20)
    ends = [simulate.played(seed) for _ in range(2)]
    assert [each.failure for each in ends] == ["", ""]
    assert ends[0].simulated == ends[1].simulated > 20


def test_it_says_hours_speed_seeds_and_failures(capsys, monkeypatch):
    assert simulate.main(["--hours", "0.01", *SHORT]) == 0
    assert "2 seeds from" in (reported := capsys.readouterr().out)
    assert "times real time a core" in reported
    assert ", 0 failed" in reported
    # Workers are forked: they have it broken too.
    monkeypatch.setattr(OrderManager, "submit", lambda *args, **named: 1 // 0)
    assert simulate.main(["--seed", "3", "--kind", "kraken", *SHORT]) == 4
    reported = capsys.readouterr().out
    assert "FAILED ZeroDivisionError" in reported
    command = "tests/orders/simulate.py --world World --kind kraken --seed 3 --seconds 20"
    assert reported.rstrip().endswith(command)


@pytest.mark.parametrize("arguments", [["--kind", "none"], ["--world", "none"]])
def test_what_there_is_not_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as refused:
        simulate.main(arguments)
    assert refused.value.code == 2
