"""Random trading through a bad network at an exchange that misbehaves itself: what the gateway
believes afterwards is what the exchange says. `FaultyWorld(seed).run(60)` repeats a seed."""

from __future__ import annotations

import os
from collections import Counter
from functools import partial

import pytest

from onetape.exchange.dialect import Close, Pending, Reply
from onetape.exchange.dialect import Request as Http
from onetape.exchange.faults import parse_faults
from onetape.exchange.faulty import Faulty
from onetape.orders.calls import Call
from onetape.simulation.world import SECOND, World

SEEDS = 500 if os.environ.get("ONETAPE_LONG") else 8
FIRST = 10_000  # none of the seeds of the network alone


def often(action: str, probability: float, **keys) -> str:
    lines = [f"{name} = {value!r}" for name, value in keys.items()]
    return "\n".join(["[[fault]]", f'action = "{action}"', f"probability = {probability}", 'to = "1m"', *lines])


AMBIGUOUS = ("-1000", "-1001", "-1006", "-1007", "Unknown error, please check your request or try again later.")
RULES = "\n".join(
    [
        *(often("error", 0.01, purpose=p, error=e) for e in AMBIGUOUS for p in ("place", "cancel", "amend")),
        often("error", 0.05, purpose="query", error="-2013"),
        often("error", 0.01, purpose="place", error="-1003"),
        often("drop_answer", 0.03, purpose="place", wait="500ms", spread="3s"),
        often("drop_answer", 0.03, purpose="cancel", wait="500ms", spread="3s"),
        often("drop_request", 0.03, purpose="place", wait="1s"),
        often("duplicate", 0.05, purpose="cancel", wait="50ms"),
        often("reorder", 0.2, purpose="place", until="fill", wait="1s"),
        often("reorder", 0.2, purpose="cancel", until="cancel", wait="1s"),
        often("delay", 0.1, purpose="amend", wait="100ms", spread="4s"),
        often("slow_reads", 0.1, purpose="query", wait="300ms"),
        often("invisible", 0.5, purpose="query", lasting="4s"),
        often("invisible", 0.5, purpose="open_orders", lasting="4s"),
        often("duplicate", 0.05, event="ORDER_TRADE_UPDATE", wait="4s"),
        often("delay", 0.1, event="ORDER_TRADE_UPDATE", wait="10ms", spread="3s"),
        often("gap", 0.01, event="ORDER_TRADE_UPDATE"),
        often("gap", 0.01, event="ALGO_UPDATE"),
        # Orders that it accepted long ago are not found, either.
        '[[fault]]\naction = "invisible"\npurpose = "query"\nlasting = "1h"\nfrom = "30s"\nto = "46s"',
        '[[fault]]\naction = "stale"\nside = "stream"\nfrom = "12s"\nlasting = "4s"',
        '[[fault]]\naction = "stale"\nside = "rest"\nfrom = "20s"\nlasting = "3s"',
        '[[fault]]\naction = "disconnect"\nfrom = "28s"',
        '[[fault]]\naction = "halt"\nsymbol = "BTCUSDT"\nfrom = "33s"\nlasting = "3s"',
        '[[fault]]\naction = "expire_listen_key"\nsilent = true\nfrom = "40s"',
        '[[fault]]\naction = "maintenance"\nfrom = "46s"\nlasting = "4s"\nallow = "cancel"',
        '[[fault]]\naction = "clock_skew"\nfrom = "54s"\nlasting = "2s"\noffset = "-3s"',
    ]
)


class FaultyWorld(World):
    """A World whose exchange misbehaves, too."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.dialect = Faulty(self.dialect, "binance-usdm", seed=self.seed)
        self.dialect.add(parse_faults(RULES), self.now)

    def arrive(self, call: Call) -> None:
        path, _, query = call.target.partition("?")
        received = {name.lower(): value for name, value in call.headers.items()}
        reply = self.dialect.http(Http(call.method, path, query, call.body, received, "127.0.0.1"), self.now)
        if isinstance(reply, Pending):
            reply.then = partial(self.answer_late, call, reply)
            if reply.is_done:
                self.answer_late(call, reply)
        else:
            self.carry_back(call, reply)

    def answer_late(self, call: Call, pending: Pending) -> None:
        if pending.reply is None:
            self.at(self.now, self.lost, call)
        else:
            self.carry_back(call, pending.reply)

    def carry_back(self, call: Call, reply: Reply) -> None:
        if self.chance("lose_answer"):
            self.at(self.now + 2 * SECOND, self.lost, call)
            return
        self.at(self.now + self.way(), self.answer, call, reply.status, reply.headers, reply.body)

    def carry(self, message, news) -> None:
        if isinstance(message, Close) and self.streams:
            self.cut(self.streams)
            return
        super().carry(message, news)

    def open_stream(self, key: str) -> None:
        try:
            super().open_stream(key)
        except AssertionError:  # the exchange takes no connections now
            self.streams = {}
            self.at(self.now + SECOND, self.connect)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_after_any_faults_of_network_and_exchange_both_sides_agree(seed):
    world = FaultyWorld(seed).run(60)
    assert world.differences() == [], f"FaultyWorld({seed}).run(60), {dict(world.seen)}"
    hits = Counter()
    for rule in world.dialect.active_rules:
        hits[rule.action] += rule.hits
    assert sum(hits.values()) > 5, hits
