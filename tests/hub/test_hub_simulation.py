"""The hub's cores in simulated time: sources of one market that lag, freeze, die, flap and come back, by a seed. What
is merged is the exchange's own list of trades, each once, no quote steps back; a source's state is known in time."""

from __future__ import annotations

import heapq
import os
import random
from dataclasses import dataclass, field

import pytest
from core_tested import Merge

from onetape.hub.source_health import FeedState, SourceHealth
from onetape.model.time import SECOND

MS = SECOND // 1000
STEP, PROCESSES, LOOK = 10 * MS, 50 * MS, 200 * MS
T0 = 1_767_225_600 * SECOND
SEED = int(os.environ["SIMULATION_SEED"])


@dataclass
class Source:
    """polls: what came while it was away is there when it is back; of a stream it is lost."""

    number: int
    polls: bool
    delay: int
    state: str = "live"
    since: int = 0
    kept: list[tuple] = field(default_factory=list)
    faults: int = 0


class World:
    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        count = self.chance.choice([2, 3, 4])
        self.core, self.health = Merge(stale_ns=2 * SECOND), SourceHealth(count, 2 * SECOND)
        self.core.add_symbol()
        self.sources = [Source(n, n == count - 1, self.chance.randrange(1, 300) * MS) for n in range(count)]
        for each in self.sources:
            self.core.add_source(each.number)
            self.health.process(each.number, is_alive=True)
        self.now, self.trades, self.quotes = T0, 0, 0
        self.under_way: list[tuple[int, int, int, str, int, int]] = []  # when, order, source, kind, id, venue time
        self.brought: set[int] = set()  # trades
        self.taken: list[int] = []
        self.newest = self.quote = 0  # update id: brought by anybody, and taken last
        self.spoken: set[tuple[int, int]] = set()
        self.order = 0

    def say(self, kind: str, number: int) -> None:
        for each in self.sources:
            if each.state == "live":
                self.send(each, kind, number, self.now)
            elif each.polls:
                each.kept.append((kind, number, self.now))

    def send(self, source: Source, kind: str, number: int, at: int) -> None:
        self.order += 1
        when = self.now + source.delay + self.chance.randrange(50 * MS)
        heapq.heappush(self.under_way, (when, self.order, source.number, kind, number, at))

    def change(self, source: Source, state: str) -> None:
        if state == source.state:
            return
        others = [each for each in self.sources if each is not source and each.state == "live"]
        if state != "live" and not any(self.now - each.since > SECOND for each in others):
            return  # somebody follows the market, and has for a while
        source.state, source.since = state, self.now
        source.faults += state != "live"
        if state == "live":
            for kind, number, at in source.kept:
                self.send(source, kind, number, at)
            source.kept.clear()
        elif state == "dead":  # what was under way to it comes to nobody
            self.under_way = [each for each in self.under_way if each[2] != source.number]
            heapq.heapify(self.under_way)
        self.health.process(source.number, is_alive=state != "dead")

    def arrive(self) -> None:
        while self.under_way and self.under_way[0][0] <= self.now:
            when, _, source, kind, number, at = heapq.heappop(self.under_way)
            self.spoken.add((source, 0))
            if kind == "trade":
                self.brought.add(number)
                outcome, _, _ = self.core.trade(source, 0, at, when, 1000 + number % 7, 5, number)
                self.taken += [number] * (outcome == "taken")
            else:
                self.newest = max(self.newest, number)
                outcome = self.core.quote(source, 0, at, when, 1000, 1001, number)
                if outcome == "taken":
                    assert number > self.quote, "a quote steps back"
                    self.quote = number
                assert self.quote == self.newest

    def look(self) -> None:
        for each in self.health.look(self.now):
            for source in self.sources:
                self.core.set_rank(source.number, source.number + 1000 * self.health.state(source.number))
            assert each.source < len(self.sources)
        for each in self.sources:
            state, away = self.health.state(each.number), self.now - each.since
            if each.state == "dead" and away > PROCESSES + STEP:
                assert state is FeedState.FAILING, f"dead for {away / MS} ms"
            # Later ones are judged by a rhythm that the gaps before them have widened.
            if each.state == "frozen" and each.faults == 1 and away > 2 * SECOND + each.delay + LOOK + 50 * MS + STEP:
                assert state is FeedState.FAILING, f"frozen for {away / MS} ms"

    def go(self, seconds: int) -> None:
        until = self.now + seconds * SECOND
        while self.now < until:
            self.now += STEP
            if self.chance.random() < 0.6:
                self.trades += 1
                self.say("trade", self.trades)
            if self.chance.random() < 0.8:
                self.quotes += 1
                self.say("quote", self.quotes)
            if self.now > T0 + 10 * SECOND and self.chance.random() < 0.01:
                self.change(self.chance.choice(self.sources), self.chance.choice(["live", "live", "frozen", "dead"]))
            self.arrive()
            if not self.now % LOOK:
                self.health.heard(self.spoken, self.now)
                self.spoken.clear()
            if not self.now % PROCESSES:
                self.look()


@pytest.mark.parametrize("seed", [*range(6), SEED])
def test_whatever_becomes_of_sources_each_trade_is_merged_once_and_no_quote_steps_back(seed):
    world = World(seed)
    world.go(60)
    for each in world.sources:
        world.change(each, "live")
    world.now += 2 * SECOND
    world.arrive()
    assert sorted(world.taken) == sorted(world.brought) and len(set(world.taken)) == len(world.taken)
    assert world.brought == set(range(1, world.trades + 1))  # one always followed the market
    assert world.quote == world.newest
