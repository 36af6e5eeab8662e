"""`onetape chaos`: what it draws, that a seed is the same everywhere, what it says of one that fails."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from onetape.model.errors import BadConfig
from onetape.orders.manager import OrderManager
from onetape.simulation import campaign
from onetape.simulation.fault_rows import ROWS, rows_of
from onetape.simulation.real import ROWS as REAL_ROWS
from onetape.simulation.seeds import KINDS, OPERATIONS, PAIRS, SYSTEM, WORLDS, Seed, drawn
from orders.test_gateway_simulation import DRAWN


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


def test_consecutive_seeds_reach_every_world_at_every_venue_and_half_are_systems():
    seeds = list(campaign.seeds_from(0, 2000, 20))
    assert {(seed.world, seed.kind) for seed in seeds} == {*PAIRS, (SYSTEM, ""), (OPERATIONS, "")}
    assert 800 < sum(seed.world in (SYSTEM, OPERATIONS) for seed in seeds) < 1200
    assert [seed.number for seed in seeds] == list(range(2000))


@pytest.mark.parametrize(("world", "venue"), [("none", ""), ("", "none"), (SYSTEM, "kraken")])
def test_what_there_is_not_is_refused(world, venue):
    with pytest.raises(BadConfig):
        list(campaign.seeds_from(1, 1, 20, world, venue))


@pytest.mark.parametrize("named", [("--world", "System"), ("--world", "HubWorld", "--venue", "kraken")])
def test_a_seed_has_the_same_tapes_in_every_process(named, tmp_path):
    """The order of a set differs from one process to the next: nothing may follow from it."""
    found = []
    for number in (1, 2):
        done = subprocess.run(
            [sys.executable, "-m", "onetape", "chaos", "--seed", "2", "--hours", "0.012", *named, "--json"],
            env={**os.environ, "PYTHONHASHSEED": str(number)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found.append(json.loads(done.stdout))
    assert found[0]["hashes"] == found[1]["hashes"] and len(found[0]["hashes"]["2"]) == 64
    assert found[0]["hours"] == found[1]["hours"] >= 0.012
    assert found[0]["seeds"] == 1 and found[0]["failures"] == []


def test_a_failing_seed_says_what_broke_and_what_repeats_it(monkeypatch):
    monkeypatch.setattr(OrderManager, "submit", lambda *args, **named: 1 // 0)
    done = campaign.Campaign([campaign.played(Seed("World", "kraken", 3, 36))])
    (failure,) = done.as_json()["failures"]
    assert failure["seed"] == 3 and failure["invariant"].startswith("ZeroDivisionError after")
    assert failure["replay"] == "onetape chaos --seed 3 --world World --venue kraken --hours 0.01"


def test_the_page_has_every_row_and_world():
    page = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text()
    rows = {
        row
        for line in page.splitlines()
        for row in re.findall(r"\b[A-Z]\d\d\b", line.partition("| ")[2].partition(" |")[0])
    }
    assert rows == {*ROWS, *REAL_ROWS.values()}
    assert all(f"`{world}`" in page for world in (SYSTEM, OPERATIONS, *WORLDS))


def test_rows_are_counted_from_events():
    assert rows_of({"crash": 3, "robot lost": 1, "robot killed": 2}) | {"P01": 3, "P15": 3} == rows_of(
        {"crash": 3, "robot lost": 1, "robot killed": 2}
    )
    names = [name for names in ROWS.values() for name in names]
    assert len(names) == len(set(names))
