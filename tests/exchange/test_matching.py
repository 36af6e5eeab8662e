"""The matching engine against one that can be read in five minutes, and its rules by example."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from exchange_world import linear, said
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape import _core
from reference.matching_engine import ReferenceEngine

LONG = os.environ.get("ONETAPE_LONG") == "1"
MAKER, TAKER = "-0.00025", "0.00075"


def fast_engine(**rules: Any) -> Any:
    spec = linear(maker_fee=-250_000_000, taker_fee=750_000_000)
    return _core.MatchingEngine(spec, **rules)


def flat(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """The fast engine's events in the reference's words."""
    result: list[tuple[Any, ...]] = []
    for e in events:
        if e["event"] == "order":
            result.append(("order", e["owner"], e["order_id"], e["news"], e["code"]))
        else:
            keys = ("owner", "order_id", "price", "size", "liquidity", "trade_id", "fee")
            result.append(("fill", *(e[key] for key in keys)))
    return result


PARTICIPANTS = st.integers(0, 3)
BACK = st.integers(0, 6)  # which of one's orders, counted from the last
PRICES = st.integers(95, 105)
SIZES = st.integers(1, 9)
SIDES = st.sampled_from(["buy", "sell"])
TRIGGERED = {
    "trigger": PRICES,
    "trigger_by": st.sampled_from(["last", "mark", "index"]),
    "trigger_kind": st.sampled_from(["stop", "take_profit"]),
}


def _orders(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    common = {"op": st.just("place"), "participant": PARTICIPANTS, "side": SIDES, "size": SIZES}
    return st.fixed_dictionaries(common | fields)


LIMITS = {"type": st.just("limit"), "price": PRICES}
FLAGS = {"post_only": st.booleans(), "reduce_only": st.booleans()}
OPERATIONS = st.one_of(
    _orders(**LIMITS, tif=st.sampled_from(["GTC", "GTC", "GTC", "IOC", "FOK"])),
    _orders(**LIMITS, **FLAGS, tif=st.just("GTC")),
    _orders(**LIMITS, tif=st.just("GTD"), expire=st.integers(1, 60)),
    _orders(type=st.just("market"), reduce_only=st.booleans(), tif=st.sampled_from(["IOC", "FOK"])),
    _orders(**LIMITS, **FLAGS, **TRIGGERED),
    _orders(type=st.just("market"), reduce_only=st.booleans(), **TRIGGERED),
    st.fixed_dictionaries({"op": st.just("cancel"), "participant": PARTICIPANTS, "back": BACK}),
    st.fixed_dictionaries(
        {
            "op": st.just("amend"),
            "participant": PARTICIPANTS,
            "back": BACK,
            "price": st.one_of(st.just(0), PRICES),
            "size": st.one_of(st.just(0), SIZES),
        }
    ),
    st.fixed_dictionaries(
        {"op": st.just("all"), "participant": PARTICIPANTS, "side": st.sampled_from(["none", "buy"])}
    ),
    st.fixed_dictionaries({"op": st.just("mark"), "mark": PRICES, "index": PRICES}),
    st.fixed_dictionaries({"op": st.just("expire")}),
)


def compare(operations: list[dict[str, Any]], **rules: Any) -> ReferenceEngine:
    """Both engines on the same operations: the same events, books and positions after each."""
    fast = fast_engine(**rules)
    slow = ReferenceEngine(maker=MAKER, taker=TAKER, **rules)
    ids = dict.fromkeys(range(4), 0)
    for now, operation in enumerate(operations, start=1):
        slow.events.clear()
        r = dict(operation)
        op = r.pop("op")
        who = r.pop("participant", 0)
        if op == "place":
            # Mostly fresh ids, now and then one that may still be working.
            ids[who] += 1 if r["size"] < 9 else 0
            r["order_id"] = max(ids[who], 1)
            got = fast.request(who, now, **r)
            slow.place(who, now, **r)
        elif op in ("cancel", "amend"):
            back = r.pop("back")
            # Mostly one that works, now and then one that may be gone.
            mine = [order.order_id for order in slow.orders if order.participant == who]
            works = bool(mine) and back % 4 != 0
            r["order_id"] = mine[back % len(mine)] if works else max(ids[who] - back, 1)
            got = fast.request(who, now, kind=op, **r)
            (slow.cancel if op == "cancel" else slow.amend)(who, **r)
        elif op == "all":
            got = fast.cancel_all(who, now, r["side"])
            slow.cancel_all(who, r["side"])
        elif op == "mark":
            got = fast.set_mark(now, r["mark"], r["index"])
            slow.set_mark(r["mark"], r["index"])
        else:
            got = fast.expire(now)
            slow.expire(now)
        assert flat(got) == slow.events, (now, operation)
        assert fast.bids() == slow.levels("buy")
        assert fast.asks() == slow.levels("sell")
        assert fast.order_count == len(slow.orders)
        for participant in range(4):
            assert fast.position(participant) == slow.positions.get(participant, 0)
    assert sum(slow.positions.values()) == 0  # what was bought was sold
    best_bid, best_ask = fast.bids(1), fast.asks(1)
    assert not best_bid or not best_ask or best_bid[0][0] < best_ask[0][0]
    return slow


@settings(max_examples=2000 if LONG else 60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(operations=st.lists(OPERATIONS, min_size=1, max_size=60))
def test_equals_the_reference_engine(operations: list[dict[str, Any]]) -> None:
    compare(operations)


def session(seed: int, length: int) -> list[dict[str, Any]]:
    """A busy session: mostly orders near the touch, of every kind."""
    source = random.Random(seed)
    result: list[dict[str, Any]] = []
    for now in range(1, length + 1):
        who = source.randrange(4)
        kind = source.random()
        if kind < 0.7:
            r: dict[str, Any] = {"op": "place", "participant": who}
            r |= {"side": source.choice(["buy", "sell"]), "size": source.randint(1, 9)}
            r["reduce_only"] = source.random() < 0.1
            if source.random() < 0.15:
                r |= {"type": "market", "tif": source.choice(["IOC", "IOC", "FOK"])}
            else:
                middle = 98 if r["side"] == "buy" else 102
                r |= {"type": "limit", "price": middle + source.randint(-6, 6)}
                r["tif"] = source.choice(["GTC"] * 6 + ["IOC", "FOK", "GTD"])
                if r["tif"] == "GTD":
                    r["expire"] = now + source.randint(0, 40)
                r["post_only"] = source.random() < 0.15
                if r["tif"] == "FOK":
                    r["size"] = source.randint(5, 30)
            if source.random() < 0.12:
                r |= {"trigger": source.randint(94, 106)}
                r["trigger_by"] = source.choice(["last", "last", "mark", "index"])
                r["trigger_kind"] = source.choice(["stop", "take_profit"])
            result.append(r)
        elif kind < 0.85:
            back = source.randint(0, 12)
            result.append({"op": "cancel", "participant": who, "back": back})
        elif kind < 0.95:
            price = source.choice([0, 0, source.randint(92, 108)])
            size = source.choice([0, source.randint(1, 9)])
            change = {"back": source.randint(0, 8), "price": price, "size": size}
            result.append({"op": "amend", "participant": who} | change)
        elif kind < 0.96:
            result.append({"op": "all", "participant": who, "side": "none"})
        elif kind < 0.98:
            marks = {"mark": source.randint(95, 105), "index": source.randint(95, 105)}
            result.append({"op": "mark"} | marks)
        else:
            result.append({"op": "expire"})
    return result


@pytest.mark.parametrize("seed", range(100 if LONG else 6))
def test_equals_the_reference_engine_over_a_busy_session(seed: int) -> None:
    slow = compare(session(seed, 500))
    assert slow.trades > 60  # a session worth comparing


@pytest.mark.parametrize("triggers", [True, False])
@pytest.mark.parametrize("rule", ["decrease_keeps", "requeues", "decrease_only", "none"])
@pytest.mark.parametrize("seed", range(20 if LONG else 3))
def test_equals_the_reference_engine_under_each_amend_rule(seed: int, rule: str, triggers: bool) -> None:
    compare(session(seed, 400), amend=rule, amend_triggers=triggers)


@settings(max_examples=examples(20), deadline=None)
@given(seed=st.integers(0, 10**6))
def test_deep_books_far_from_the_touch(seed: int) -> None:
    """Prices over a wide range, so that the search by halves is exercised too."""
    source = random.Random(seed)
    fast, slow = fast_engine(), ReferenceEngine(maker=MAKER, taker=TAKER)
    for now in range(1, 300):
        if source.random() < 0.7:
            side = source.choice(["buy", "sell"])
            away = source.randint(1, 5000)
            request = {
                "order_id": now,
                "side": side,
                "price": 10_000 - away if side == "buy" else 10_000 + away,
                "size": source.randint(1, 9),
            }
            fast.request(now % 5, now, **request)
            slow.place(now % 5, now, **request)
        else:
            target = source.randint(1, now)
            fast.request(target % 5, now, kind="cancel", order_id=target)
            slow.cancel(target % 5, target)
    assert fast.bids() == slow.levels("buy")
    assert fast.asks() == slow.levels("sell")


def test_price_then_time() -> None:
    engine = fast_engine()
    engine.request(1, 1, order_id=1, side="sell", price=101, size=2)
    engine.request(2, 2, order_id=1, side="sell", price=100, size=2)
    engine.request(3, 3, order_id=1, side="sell", price=100, size=2)
    got = engine.request(4, 4, order_id=1, side="buy", price=101, size=5)
    makers = [e["owner"] for e in got if e.get("liquidity") == "maker"]
    assert makers == [2, 3, 1]


def test_amending_down_keeps_the_place_amending_up_loses_it() -> None:
    engine = fast_engine()
    for who in (1, 2, 3):
        engine.request(who, who, order_id=1, side="sell", price=100, size=4)
    engine.request(1, 4, kind="amend", order_id=1, size=2)
    engine.request(2, 5, kind="amend", order_id=1, size=6)
    got = engine.request(4, 6, order_id=1, side="buy", type="market", tif="IOC", size=12)
    makers = [(e["owner"], e["size"]) for e in got if e.get("liquidity") == "maker"]
    assert makers == [(1, 2), (3, 4), (2, 6)]


@pytest.mark.parametrize("seed", range(5))
def test_hidden_orders_trade_as_others_and_are_shown_to_nobody(seed: int) -> None:
    dice = random.Random(seed)
    shown, full = fast_engine(market_events=True), fast_engine()
    levels: dict[str, dict[int, int]] = {"bids": {}, "asks": {}}  # as the public is sent them
    left: dict[int, list[Any]] = {}  # of hidden orders that rest: side, price, size
    for number in range(1, 600):
        side, price, size = dice.choice(["buy", "sell"]), dice.randint(95, 105), dice.randint(1, 9)
        order = {"order_id": number, "side": side, "type": "limit", "price": price, "size": size}
        if number > 1 and dice.random() < 0.4:
            order = {"order_id": dice.randrange(1, number), "kind": "cancel", "side": side}
        is_hidden = "kind" not in order and dice.random() < 0.3
        said_shown = shown.request(1, number, **order, **({"hidden": True} if is_hidden else {}))
        news = [e for e in said_shown if e["event"] in ("order", "fill")]
        assert flat(news) == flat(full.request(1, number, **order))
        if is_hidden:
            left[number] = [side, price, size]
        for event in news:
            if event["event"] == "fill" and event["order_id"] in left:
                left[event["order_id"]][2] -= event["size"]
            elif event.get("news") == "canceled":
                left.pop(event["order_id"], None)
        for event in (e for e in said_shown if e["event"] == "levels"):
            for name in levels:
                levels[name].update(dict(event[name]))
        for name, of, ranked in (("bids", "buy", -1), ("asks", "sell", 1)):
            wanted = dict(getattr(full, name)(100))
            for whose, at, size in left.values():
                if whose == of and size:
                    wanted[at] -= size
            wanted = {at: size for at, size in wanted.items() if size}
            assert getattr(shown, name)(100) == sorted(wanted.items(), key=lambda each: ranked * each[0])
            assert {at: size for at, size in levels[name].items() if size} == wanted


def test_a_stop_sets_off_the_next() -> None:
    engine = fast_engine()
    engine.request(1, 1, order_id=1, side="buy", price=100, size=1)
    engine.request(1, 2, order_id=2, side="buy", price=95, size=1)
    engine.request(1, 3, order_id=3, side="buy", price=90, size=1)
    engine.request(2, 4, order_id=1, side="sell", type="market", size=1, trigger=100, trigger_kind="take_profit")
    engine.request(2, 5, order_id=2, side="sell", type="market", size=1, trigger=95, trigger_kind="stop")
    got = engine.request(3, 6, order_id=1, side="sell", type="market", tif="IOC", size=1)
    assert [e["price"] for e in got if e.get("liquidity") == "taker"] == [100, 95, 90]


def test_fill_or_kill_counts_what_reduce_only_orders_can_give_together() -> None:
    """Two of them stand on one position of 3: together they give 3, not 6."""
    engine = fast_engine()
    engine.set_position(1, 3)
    for number in (1, 2):
        engine.request(1, number, order_id=number, side="sell", price=100, size=3, reduce_only=True)
    got = engine.request(2, 3, order_id=1, side="buy", price=100, size=6, tif="FOK")
    assert said(got) == "#1 accepted, #1 canceled"
    got = engine.request(2, 4, order_id=2, side="buy", price=100, size=3, tif="FOK")
    assert [e["size"] for e in got if e["event"] == "fill"] == [3, 3]


def test_market_events_are_what_happened() -> None:
    engine = _core.MatchingEngine(linear(), market_events=True)
    engine.request(1, 1, order_id=1, side="sell", price=100, size=4)
    got = engine.request(2, 2, order_id=1, side="buy", price=101, size=6)
    kinds = [e["event"] for e in got]
    assert kinds == ["order", "fill", "fill", "trade", "levels", "touch"]
    assert (got[3]["price"], got[3]["size"], got[3]["side"]) == (100, 4, "buy")
    assert got[4]["asks"] == [(100, 0)]
    assert got[4]["bids"] == [(101, 2)]
    assert (got[5]["bid"], got[5]["bid_size"], got[5]["ask_size"]) == (101, 2, 0)


REFUSED = [
    ({"price": 100, "size": 0}, 4101),
    ({"price": 100, "size": -1}, 4101),
    ({"price": 0, "size": 1}, 4101),
    ({"price": 101, "size": 1}, 4101),  # not on the tick of 2
    ({"price": 100, "size": 4}, 4101),  # not on the lot of 3
    ({"price": 100, "size": 300}, 4101),  # over the largest size
    ({"price": 10, "size": 3}, 4102),  # 30 is under the smallest notional of 50
    ({"price": 2**62, "size": 3 * 2**59}, 4101),  # worth more than money can count
    ({"type": "market", "price": 100, "size": 3}, 4101),
    ({"type": "market", "size": 3, "post_only": True}, 4101),
    ({"price": 100, "size": 3, "tif": "IOC", "post_only": True}, 4101),
    ({"price": 100, "size": 3, "tif": "GTD"}, 4101),
    ({"price": 100, "size": 3, "trigger": 101}, 4101),
    ({"price": 100, "size": 3, "reduce_only": True}, 4106),
    ({"price": 222, "size": 3}, 4306),  # more than 10 % over the mark of 200
    ({"price": 220, "size": 3}, 0),
    ({"side": "sell", "price": 178, "size": 3}, 4306),
    ({"side": "sell", "price": 400, "size": 3}, 0),  # far away on the passive side
]


@pytest.mark.parametrize(("request_", "code"), REFUSED)
def test_refusals(request_: dict[str, Any], code: int) -> None:
    spec = linear(tick=2, lot=3, size_max=150, notional_min=50 * 10**18, band_up=100_000, band_down=100_000)
    engine = _core.MatchingEngine(spec)
    if "price" in request_ and request_["price"] > 150:
        engine.set_mark(1, 200)
    got = engine.request(1, 2, **({"order_id": 1, "side": "buy"} | request_))
    assert got[0]["code"] == code, said(got)
