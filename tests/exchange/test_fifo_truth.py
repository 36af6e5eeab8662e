"""The exact queue against the truth: the same stream of requests in the matching engine, with our
order in it as one more participant, and simulated over the recording of a run without it.

The others do not react to us: theirs are the same requests in both runs. What they would have done
with what we took is the one thing that such a comparison cannot show; where our order could change
their trades (an order of the other side that finds nobody but us), the comparison ends.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import core_tested
import numpy as np
import pytest
from exchange_world import BTC, ONE, USDT, linear

import onetape
from onetape import Strategy, _core
from onetape.data.sample import DEFAULT_SYMBOL, write_sample
from onetape.tape.journal import JournalReader

CROWD, OWN = 1, 2
_SELL = {"buy": "sell", "sell": "buy"}


Fill = tuple[int, int, int]  # time, price, size


def by_moment(fills: list[Fill], until: int = 2**62) -> dict[tuple[int, int], int]:
    """(time, price) -> size. What one taker took is one fill in the engine; over a recording it is
    one for each of the orders that he met instead."""
    found: dict[tuple[int, int], int] = {}
    for time, price, size in fills:
        if time <= until:
            found[time, price] = found.get((time, price), 0) + size
    return found


def crowd(seed: int, count: int) -> list[dict[str, Any]]:
    """Limit orders around 1000, market orders, cancels and amendments; the venue decides which of
    them still stand."""
    source = random.Random(seed)
    requests: list[dict[str, Any]] = []
    middle = 1000.0
    for number in range(1, count + 1):
        middle += source.gauss(0, 0.15)
        side = source.choice(["buy", "sell"])
        drawn = source.random()
        away = 1 + int(source.expovariate(0.5))
        price = round(middle) - away if side == "buy" else round(middle) + away
        if number < 60 or drawn < 0.45:
            if drawn < 0.03:  # aggressive: crosses, and rests with what is left
                price = round(middle) + (3 if side == "buy" else -3)
            requests.append(
                {"order_id": number, "side": side, "type": "limit", "price": price, "size": source.randint(1, 9)}
            )
        elif drawn < 0.6:
            requests.append({"order_id": number, "side": side, "type": "market", "size": source.randint(1, 14)})
        elif drawn < 0.85:
            requests.append({"kind": "cancel", "order_id": source.randint(1, number)})
        else:
            amended = {"kind": "amend", "order_id": source.randint(1, number)}
            if source.random() < 0.6:
                amended["size"] = source.randint(1, 9)
            else:
                amended["price"] = price
            requests.append(amended)
    return requests


def own_requests(seed: int, count: int) -> dict[int, dict[str, Any]]:
    """place -> ours: one passive order, and in some runs a smaller size or another price later."""
    source = random.Random(-seed - 1)
    side = source.choice(["buy", "sell"])
    away = source.randint(1, 3)
    price = 1000 - away if side == "buy" else 1000 + away
    at = count // 8
    size = source.choice([1, 1, 3, 10])
    found = {at: {"order_id": 1, "side": side, "type": "limit", "price": price, "size": size, "post_only": True}}
    if size > 1 and source.random() < 0.5:
        found[at + source.randint(20, 200)] = {"kind": "amend", "order_id": 1, "size": size - 1}
    if source.random() < 0.3:
        moved = price - 1 if side == "buy" else price + 1
        found[at + source.randint(20, 200)] = {"kind": "amend", "order_id": 1, "price": moved}
    return found


def truth(requests: list[dict[str, Any]], own: dict[int, dict[str, Any]]) -> list[Fill]:
    """Our order in the engine."""
    engine = _core.MatchingEngine(linear())
    fills = []
    for time, request in enumerate(requests, 1):
        events = engine.request(OWN, 10 * time - 5, **own[time]) if time in own else []
        events += engine.request(CROWD, 10 * time, **request)
        fills += [
            (each["ts_event"], each["price"], each["size"])
            for each in events
            if each["event"] == "fill" and each["owner"] == OWN
        ]
    return fills


def simulated(requests: list[dict[str, Any]], own: dict[int, dict[str, Any]]) -> tuple[list[Fill], int]:
    """Our order over the recording of a run without it; and until when both are comparable: until
    an order of the other side has come to rest at our price or beyond."""
    engine = _core.MatchingEngine(linear(), market_events=True, by_order=True)
    exchange = core_tested.RecordedExchange(leverage=10, queue_by_order=True, check_funds=False)
    exchange.add_instrument(0, linear(), USDT, BTC)
    exchange.account.deposit(USDT, 10**9 * ONE)
    fills: list[Fill] = []
    first = next(iter(own.values()))
    price, until = first["price"], 2**62
    working = False

    def note(events: list[dict[str, Any]]) -> None:
        nonlocal working
        for each in events:
            if each["event"] == "fill":
                assert each["liquidity"] == "maker"
                fills.append((each["ts_event"], each["price"], each["size"]))

    for time, request in enumerate(requests, 1):
        if time in own:
            note(exchange.request(10 * time - 5, 0, **own[time]))
            price = own[time].get("price", price)
            working = True
        for event in engine.request(CROWD, 10 * time, **request):
            for order in event["orders"] if event["event"] == "orders" else ():
                note(exchange.mbo(10 * time, **order))
                rests = order["action"] in ("add", "modify") and order["side"] != first["side"]
                reach = order["price"] - price
                meets = reach <= 0 if first["side"] == "buy" else reach >= 0
                if working and rests and meets:
                    until = min(until, 10 * time)
    return fills, until


@pytest.mark.parametrize("seeds", [range(start, start + 25) for start in range(0, 200, 25)])
def test_fills_are_those_of_the_engine(seeds):
    compared = partial = 0
    for seed in seeds:
        requests = crowd(seed, 1500)
        for own in (own_requests(3 * seed + part, 1500) for part in range(3)):
            real = truth(requests, own)
            ours, until = simulated(requests, own)
            # At that very moment the other side meets us in the engine, too; later it is another
            # market.
            assert by_moment(ours, until) == by_moment(real, until), (seed, own)
            compared += len(by_moment(real, until))
            partial += len(by_moment(real, until)) > 1
    assert compared > 20 and partial > 0  # something was compared, fills in parts among it


# --- the whole way: a generated market on a tape, a strategy in a backtest ------------------------


def requests_of(tape: Path) -> list[tuple[int, dict[str, Any]]]:
    """(time, request) that makes the venue say what stands on the tape, one for each message: an
    order that comes, with what it takes and what of it rests; a cancel; a change."""
    with JournalReader(tape) as reader:
        columns = reader.columns("mbo")
    names = ("time", "flags", "order_id", "side", "action", "price", "size")
    rows = list(zip(*(columns[name].tolist() for name in names), strict=True))
    found: list[tuple[int, dict[str, Any]]] = []
    ends = np.flatnonzero(columns["last"]) + 1
    begin = 0
    sides = ("", "buy", "sell")
    for end in ends:
        message = rows[begin:end]
        begin = end
        taken, rested = 0, None
        for time, flags, number, of, action, price, size in message:
            side = sides[of]
            if action == 1:
                order = {"order_id": number, "side": side, "type": "limit", "price": price}
                if flags & 1:
                    found.append((time, order | {"size": size}))
                else:
                    rested = order | {"size": size}
            elif action == 3:
                found.append((time, {"kind": "cancel", "order_id": number}))
            elif action == 4:
                taken += size
                against = side
            else:
                assert action == 5  # the flow amends nothing
        if rested is not None:
            rested["size"] += taken
            found.append((time, rested))
        elif taken:
            # How far it would have gone is not on the tape, how much it took is.
            taker = {"order_id": 10**9 + len(found), "side": _SELL[against], "type": "market"}
            found.append((time, taker | {"size": taken}))
    return found


class OnePassive(Strategy):
    """One order at a tick's distance from the touch, at a given moment."""

    at: int = 0
    side: str = "buy"
    away: int = 0
    size: float = 0.002

    def on_start(self) -> None:
        self.subscribe(DEFAULT_SYMBOL, book=True)
        self.set_timer("go", at=self.at)

    def on_timer(self, name: str) -> None:
        book, tick = self.book(DEFAULT_SYMBOL), float(self.instrument(DEFAULT_SYMBOL).tick)
        if self.side == "buy":
            self.buy(DEFAULT_SYMBOL, self.size, book.best_bid[0] - self.away * tick, post_only=True)
        else:
            self.sell(DEFAULT_SYMBOL, self.size, book.best_ask[0] + self.away * tick, post_only=True)


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_backtest_on_a_generated_tape_fills_when_the_engine_does(tmp_path, seed):
    tape = tmp_path / "orders.tape"
    write_sample(tape, events=6_000, seed=seed, by_order=True)
    requests = requests_of(tape)
    first, last = requests[0][0], requests[-1][0]
    filled = 0
    for part in range(6):
        at = first + (last - first) * (part + 1) // 10 + 1
        side, away = ("buy", "sell")[part % 2], part // 2
        run = onetape.backtest(
            OnePassive,
            data=tape,
            latency="0ms",
            cash="1000000 USDT",
            at=at,
            side=side,
            away=away,
            out=tmp_path / f"{seed}-{part}",
        )
        order = run.orders.to_dicts()[0]
        assert order["state"] != "DENIED"
        price = round(float(order["price"]) * 10)
        engine = _core.MatchingEngine(linear(price_decimals=1, size_decimals=3))
        real: list[Fill] = []
        placed = False
        for time, request in requests:
            if not placed and time > at:
                own = {"order_id": 1, "side": side, "type": "limit", "price": price, "size": 2}
                engine.request(OWN, at, **own)
                placed = True
            real += [
                (each["ts_event"], each["price"], each["size"])
                for each in engine.request(CROWD, time, **request)
                if each["event"] == "fill" and each["owner"] == OWN
            ]
        fills = run.fills.to_dicts()
        ours = [(int(f["ts_event"]), round(float(f["price"]) * 10), round(float(f["qty"]) * 1000)) for f in fills]
        assert by_moment(ours) == by_moment(real), (seed, part)
        filled += len(real)
    assert filled >= 2
