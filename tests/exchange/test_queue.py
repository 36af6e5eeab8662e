"""Queue models: shares by hand, places by table, and the core against a slow model."""

from __future__ import annotations

import math
import random

import core_tested
import pytest
from exchange_world import Recorded

from onetape.engine.queue_model import QUEUE_MODELS, parse_queue
from onetape.model.errors import BadConfig
from reference.places import Place, QueueModel

# model, exponent, front, back -> share of cancellations behind us, worked out by hand
SHARES = [
    ("conservative", 1, 30, 10, 1.0),
    ("power", 1, 30, 10, 0.25),  # 10 / 40
    ("power", 2, 30, 10, 0.1),  # 100 / 1000
    ("power2", 2, 30, 10, 0.0625),  # (10 / 40)^2
    ("power3", 2, 30, 10, 0.4375),  # 1 - (30 / 40)^2
    ("log", 1, 1, math.e - 1, 1 / (1 + math.log(2))),
    ("log2", 1, 3, 1, 0.43067655807339306),  # log 2 / log 5
    ("power", 2, 0, 10, 1.0),  # nobody before us: nobody cancels there
    ("power", 2, 10, 0, 0.0),  # nobody behind us
    ("log", 1, 10, 0, 0.0),
    ("power", 50, 1e300, 1e-300, 0.0),  # no overflow
]


@pytest.mark.parametrize(("model", "exponent", "front", "back", "share"), SHARES)
def test_share_behind(model, exponent, front, back, share):
    number = QUEUE_MODELS[model][0]
    assert core_tested.share_behind(number, exponent, front, back) == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize("model", QUEUE_MODELS)
def test_a_share_lies_between_nothing_and_all(model):
    source = random.Random(model)
    number = QUEUE_MODELS[model][0]
    for _ in range(2000):
        front, back = (source.choice([0, 1, source.random() * 10**9]) for _ in range(2))
        assert 0 <= core_tested.share_behind(number, source.choice([0.5, 1, 3]), front, back) <= 1


# 10 stand before us. The level shrinks by 4 for no trade: who left?
PLACES = {
    "conservative": """
        book 100:10 | 102:5
        buy#1 limit 100 x3        -> accepted
        change 100:16 |           ->      // 6 joined behind
        change 100:12 |           ->      // 4 canceled: behind us, we say; 10 before us
        trade 100 x10 sell        ->
        trade 100 x1 sell         -> fill 1@100 maker
    """,
    "power:1": """
        book 100:10 | 102:5
        buy#1 limit 100 x3        -> accepted
        change 100:16 |           ->
        change 100:12 |           ->      // behind: 4 * 6/16 = 1.5; before us 10 - 2.5 = 7.5
        trade 100 x7 sell         ->
        trade 100 x2 sell         -> fill 1@100 maker   // a begun unit still stood before us
    """,
    "power3:1": """
        book 100:10 | 102:5
        buy#1 limit 100 x3        -> accepted
        trade 100 x4 sell         ->      // 6 before us
        change 100:6 |            ->      // the trade, not a cancellation
        trade 100 x6 sell         ->
        trade 100 x1 sell         -> fill 1@100 maker
    """,
    "log": """
        book 100:10 | 102:5
        buy#1 limit 100 x3        -> accepted
        change 100:4 |            ->      // nobody behind: all 6 were before us
        trade 100 x4 sell         ->
        trade 100 x3 sell         -> fill 3@100 maker
    """,
}


@pytest.mark.parametrize("model", PLACES)
def test_places(model):
    queue = parse_queue(model)
    world = Recorded(queue_model=queue.number, queue_exponent=queue.exponent)
    world.run(PLACES[model])


@pytest.mark.parametrize("model", ["conservative", "power:1", "power:2", "power2", "power3", "log", "log2"])
@pytest.mark.parametrize("seed", range(12))
def test_the_core_fills_when_the_slow_model_does(model, seed):
    queue = parse_queue(model)
    source = random.Random(f"{model} {seed}")
    core = Recorded(queue_model=queue.number, queue_exponent=queue.exponent)
    shown = source.randint(1, 60)
    core.step(f"book 100:{shown} 90:50 | 102:50")
    core.step("buy#1 limit 100 x40")
    slow = Place(QueueModel(queue.name, queue.exponent), float(shown))
    left = 40
    for _ in range(400):
        if left == 0:
            break
        if source.random() < 0.3:
            size = source.randint(1, 8)
            got = core.step(f"trade 100 x{size} sell")
            wanted = min(slow.trade(size, size), left)
            left -= wanted
            filled = int(got.split("@")[0].split()[-1]) if "@" in got else 0
            assert filled == wanted, (got, slow)
        else:
            shown = max(1, shown + source.randint(-7, 7))
            core.step(f"change 100:{shown} |")
            slow.show(shown)
    assert left < 40


def test_a_used_up_print_moves_the_queues_of_all_own_orders_at_its_price():
    """The second order's place must not take the print for a cancellation."""
    queue = parse_queue("power3:1")
    world = Recorded(queue_model=queue.number, queue_exponent=queue.exponent)
    world.step("book 100:10 | 102:5")
    world.step("buy#1 limit 100 x3")
    world.step("buy#2 limit 100 x3")
    world.step("trade 100 x5 sell")
    world.step("change 100:5 |")
    assert "#2" not in world.step("trade 100 x8 sell")  # 5 before both, 3 for the first
    assert world.core.counters()["trades_beyond_display"] == 1  # 8 where 5 were shown


@pytest.mark.parametrize(
    "text", ["lifo", "power:", "fifo:2", "power:0", "power:nan", "power:x", "log:2", "power:1e9", ""]
)
def test_what_is_no_model_is_refused(text):
    with pytest.raises(BadConfig, match="queue model"):
        parse_queue(text)


@pytest.mark.parametrize(("text", "kept"), [("power", "power:2"), ("power3:1.5", "power3:1.5"), ("log", "log")])
def test_a_model_reads_back_as_it_is_written(text, kept):
    assert str(parse_queue(text)) == kept
    assert parse_queue(kept) == parse_queue(text)
