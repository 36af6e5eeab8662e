"""A price with a crowd in the real matching engine, first in, first out, who cancel by a law that the test knows."""

from __future__ import annotations

import random

import core_tested
import numpy as np

from onetape import _core
from onetape.engine.queue_model import QUEUE_MODELS
from onetape.runs.queue_episodes import Episode

CROWD, OWN = 1, 2
PRICE = 100


def crowd_episode(draw: random.Random, family: str, exponent: float) -> Episode:
    """One order of ours among others of one unit. Each cancellation is behind it with the probability that the model
    has as a share; who is hit by a taker, the engine decides."""
    spec = _core.InstrumentSpec(kind="linear", price_decimals=0, size_decimals=0)
    engine = _core.MatchingEngine(spec)
    model, own = QUEUE_MODELS[family][0], draw.choice([1, 3, 5])
    ahead: list[int] = []
    behind: list[int] = []
    numbers = iter(range(1, 10_000))

    def join(queue: list[int]) -> None:
        queue.append(next(numbers))
        engine.request(CROWD, 0, order_id=queue[-1], side="buy", type="limit", price=PRICE, size=1)

    for _ in range(draw.randint(10, 60)):
        join(ahead)
    engine.request(OWN, 0, order_id=1, side="buy", type="limit", price=PRICE, size=own, post_only=True)
    rows = [[0, len(ahead), 0, 0]]
    for _ in range(draw.randint(30, 120)):
        what = draw.random()
        if what < 0.35:
            join(behind)
        elif what < 0.75 and (ahead or behind):
            share = core_tested.share_behind(model, exponent, float(len(ahead)), float(len(behind)))
            queue = behind if not ahead or (behind and draw.random() < share) else ahead
            gone = queue.pop(draw.randrange(len(queue)))
            engine.request(CROWD, 0, kind="cancel", order_id=gone)
        elif what >= 0.75:
            taker = {"order_id": next(numbers), "side": "sell", "type": "market", "size": draw.randint(1, 6)}
            fills = [each for each in engine.request(CROWD, 0, **taker) if each["event"] == "fill"]
            ours = sum(each["size"] for each in fills if each["owner"] == OWN)
            traded = sum(each["size"] for each in fills if each["liquidity"] == "taker")
            rows.append([1, traded, ours, own])
            if ours:
                return Episode("x", 1.0, 1, np.array(rows, dtype=np.int64), is_filled=True)
            del ahead[:traded]
        rows.append([0, len(ahead) + len(behind), 0, 0])
    return Episode("x", 1.0, 1, np.array(rows, dtype=np.int64), is_filled=False)
