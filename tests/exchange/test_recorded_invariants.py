"""What must hold of every fill, over random days of each kind of data."""

from __future__ import annotations

import os
import random
from typing import Any

import core_tested
import pytest
from exchange_world import ONE, USDT, VENUE_ORDERS, linear

LONG = os.environ.get("ONETAPE_LONG") == "1"


class Day:
    """A random market of one kind of data, random orders, and the checks."""

    def __init__(self, seed: int, data: str) -> None:
        self.random = random.Random(f"{data} {seed}")
        self.data = data
        self.core = core_tested.RecordedExchange(leverage=10)
        spec = linear(maker_fee=-100_000_000, taker_fee=500_000_000)
        self.core.add_instrument(0, spec, USDT, 2)
        self.core.account.deposit(USDT, 5000 * ONE)
        self.orders: dict[int, dict[str, Any]] = {}
        self.filled: dict[int, int] = {}
        self.closed: set[int] = set()
        self.position = 0
        self.fees = 0
        self.low = self.high = self.mid = 1000
        self.next_id = 0
        self.fills = 0

    def market(self, now: int) -> list[dict[str, Any]]:
        r = self.random
        self.mid = max(900, self.mid + r.randint(-3, 3))
        kind = r.choice({"quotes": ["quote", "trade"], "trades": ["trade"]}.get(self.data, ["x"]))
        if self.data == "bars":
            path = [self.mid + r.randint(-6, 6) for _ in range(4)]
            self.low, self.high = min(path), max(path)
            volume = r.choice([0, 10, 100])
            opened = (now - 1) // 10 * 10
            return self.core.bar(opened, opened + 10, path[0], self.high, self.low, path[-1], volume)
        if self.data == "depth":
            bids = [(self.mid - 1 - i, r.randint(1, 9)) for i in range(5)]
            asks = [(self.mid + 1 + i, r.randint(1, 9)) for i in range(5)]
            self.low, self.high = bids[-1][0], asks[-1][0]
            return self.core.book(now, bids, asks)
        if kind == "quote":
            wide = r.randint(1, 3)
            self.low, self.high = self.mid - wide, self.mid + wide
            return self.core.quote(now, self.low, self.high, r.randint(0, 9), r.randint(0, 9))
        price = self.mid + r.randint(-2, 2)
        self.low, self.high = min(self.low, price), max(self.high, price)
        return self.core.trade(now, price, r.randint(1, 9), r.choice(["buy", "sell"]))

    def order(self, now: int) -> list[dict[str, Any]]:
        r = self.random
        if self.orders and r.random() < 0.3:
            target = r.choice(list(self.orders))
            if r.random() < 0.5:
                return self.core.request(now, 0, kind="cancel", order_id=target)
            price, size = self.mid + r.randint(-8, 8), r.randint(1, 30)
            if self.orders[target]["type"] == "limit":
                got = self.core.request(now, 0, kind="amend", order_id=target, price=price, size=size)
                if any(e.get("news") == "updated" for e in got):
                    # The news comes before what follows from it.
                    self.orders[target] |= {"price": price, "size": size}
                return got
        self.next_id += 1
        request: dict[str, Any] = {
            "order_id": self.next_id,
            "side": r.choice(["buy", "sell"]),
            "size": r.randint(1, 20),
            "reduce_only": r.random() < 0.2,
        }
        if r.random() < 0.25:
            request |= {"type": "market", "tif": r.choice(["GTC", "IOC", "FOK"])}
        else:
            request |= {"type": "limit", "price": self.mid + r.randint(-8, 8)}
            request["tif"] = r.choice(["GTC", "GTC", "GTC", "IOC", "FOK"])
            request["post_only"] = request["tif"] == "GTC" and r.random() < 0.3
        if r.random() < 0.2:
            request |= {"trigger": self.mid + r.choice([-4, 4])}
            request["trigger_kind"] = r.choice(["stop", "take_profit"])
        self.orders[self.next_id] = request
        return self.core.request(now, 0, **request)

    def check(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            if event["event"] == "cash":
                continue
            number = event["order_id"]
            if number > VENUE_ORDERS:  # a day may end in liquidation, and goes on
                self.position += event["size"] if event["side"] == "buy" else -event["size"]
                continue
            order = self.orders[number]
            if event["event"] == "order":
                if event["news"] in ("canceled", "rejected", "expired"):
                    assert number not in self.closed
                    self.closed.add(number)
                continue
            assert number not in self.closed, "filled after its end"
            self.fills += 1
            done = self.filled[number] = self.filled.get(number, 0) + event["size"]
            assert done <= order["size"]
            if done == order["size"]:
                self.closed.add(number)
            if order["type"] == "limit":
                better = event["price"] - order["price"]
                assert better <= 0 if order["side"] == "buy" else better >= 0
            if order.get("post_only") and self.data != "bars":
                assert event["liquidity"] == "maker"
            if order.get("tif") == "FOK":
                assert event["liquidity"] == "taker"
            change = event["size"] if order["side"] == "buy" else -event["size"]
            if order["reduce_only"]:
                assert self.position * change < 0
                assert abs(change) <= abs(self.position)
            self.position += change
            self.fees += event["fee"]
            if event["liquidity"] == "taker":
                # A taker pays what the market showed, or one tick more; a maker its own price.
                assert self.low - 1 <= event["price"] <= self.high + 1
            else:
                assert event["price"] == order["price"] or self.data == "bars"


@pytest.mark.parametrize("data", ["quotes", "depth", "trades", "bars"])
@pytest.mark.parametrize("seed", range(200 if LONG else 8))
def test_a_random_day(seed: int, data: str) -> None:
    day = Day(seed, data)
    for now in range(10, 8000, 10):
        day.check(day.market(now))
        day.check(day.order(now))
        if day.random.random() < 0.3:
            day.check(day.order(now + 5))
        account = day.core.account
        assert account.position(0).qty == day.position
        assert account.fees(0) == day.fees
        held = account.position(0)
        paid = day.fees - account.insurance(0)
        assert account.balance(USDT) == 5000 * ONE + held.realized - paid
    whole = [n for n, r in day.orders.items() if r.get("tif") == "FOK" and n in day.filled]
    assert all(day.filled[n] == day.orders[n]["size"] or day.orders[n]["reduce_only"] for n in whole)
    assert day.fills > 50
    day.check(day.core.finish(8000))
    assert not day.core.working()
    day.core.account.set_mark(0, 1000)
    assert day.core.account.initial_margin(USDT) == abs(day.position) * 100 * ONE
