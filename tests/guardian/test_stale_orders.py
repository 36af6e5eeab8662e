"""Orders that work for too long: canceled, or a share of them takes; what people and other hands have placed stays."""

from __future__ import annotations

import struct
import time
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from test_guardian_under_up import CONFIG

from exchange.venue_client import served
from long_form import LONG
from onetape.guardian.account_follower import AccountFollower
from onetape.guardian.core import GuardianCore
from onetape.guardian.events import CancelOrder, Record, TakeShare
from onetape.guardian.guardian import share_fields, share_state
from onetape.guardian.stale_orders import StaleOrders, Top
from onetape.ipc.operator import send_command
from onetape.ipc.system import CommandResult
from onetape.model.catalogue import find
from onetape.model.enums import OrderState, OrderType, PositionSide, RequestKind, Side, TriggerBy, TriggerKind
from onetape.model.errors import BadConfig
from onetape.model.home import gateway_journal, guardian_journal
from onetape.model.order import OrderSpec
from onetape.model.time import SECOND
from onetape.options.gateway import HubOfGateway
from onetape.options.guardian_rules import GuardianSettings, StaleRule, StaleRules
from onetape.orders.order import Order
from onetape.projections.account import AccountState
from onetape.projections.followed_account import read_account
from onetape.projections.robot_life import RobotLife
from onetape.risk.halt_decisions import Priced
from onetape.store.config import parse_config
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.wait import Waiter
from waiting import wait_for
from worlds.netting_world import NettingWorld
from worlds.supervised import Home

SYMBOL = "binance:BTC/USDT:USDT"
BTC = find(SYMBOL)
RULES = StaleRules({"a": StaleRule(cancel_after=60 * SECOND), "b": StaleRule(take_after=5 * SECOND)}, 10 * SECOND)
TOPS = {SYMBOL: Top(1_000_000, 1_000_010, 0)}


def view(*specs: OrderSpec, robot: str = "mm", state: OrderState = OrderState.ACCEPTED) -> AccountState:
    """Orders that have worked since 0."""
    made = AccountState(instruments={SYMBOL: BTC}, robots={1: RobotLife(1, robot, 1, "")})
    for number, spec in enumerate(specs, 1):
        key = 1, 1 << 32 | number
        made.working[key] = Order(*key, spec)
        made.working[key].state = state
    return made


def order(tag: str, side: Side = Side.BUY, size: int = 100, **more) -> OrderSpec:
    return OrderSpec(symbol=SYMBOL, side=side, size_int=size, price_int=900_000, tag=tag, **more)


def stop(side: Side = Side.SELL, **more) -> OrderSpec:
    terms = {"trigger_int": 900_000, "trigger_by": TriggerBy.LAST, "trigger_kind": TriggerKind.STOP, **more}
    return OrderSpec(symbol=SYMBOL, side=side, size_int=100, type=OrderType.MARKET, **terms)


def due(made: AccountState, at: float, rules: StaleRules = RULES, tops=TOPS, stale: StaleOrders | None = None) -> list:
    stale = stale or StaleOrders("main", rules, epoch="1")
    return [each for each in stale.look(made, tops, int(at * SECOND)) if not isinstance(each, Record)]


@pytest.mark.parametrize(
    ("spec", "at", "wanted"),
    [
        (order("a"), 59.9, None),
        (order("a"), 60, CancelOrder),
        (order("b"), 4.9, None),
        (order("b"), 5, TakeShare),
        (order("c"), 1000, None),
        (order("guardian"), 1000, None),
        (order("b", size=3), 5, None),  # a share of it is less than a lot
    ],
)
def test_a_rule_is_that_of_the_tag(spec, at, wanted):
    found = due(view(spec), at)
    assert [type(each) for each in found] == ([wanted] if wanted else [])


def test_other_tags_have_the_rule_of_the_star():
    rules = StaleRules({"*": StaleRule(cancel_after=SECOND), "a": StaleRule(cancel_after=9 * SECOND)})
    assert len(due(view(order("a"), order("c"), order("")), 2, rules)) == 2


@pytest.mark.parametrize(("robot", "state"), [("operator", OrderState.ACCEPTED), ("mm", OrderState.UNKNOWN)])
def test_orders_by_hand_and_those_nobody_knows_of_are_left_alone(robot, state):
    assert not due(view(order("a"), robot=robot, state=state), 1000)


@pytest.mark.parametrize(
    ("side", "price"),
    [(Side.BUY, 1_002_000), (Side.SELL, 998_010)],  # 1,000,000 * 1.002; 1,000,010 * 0.998 = 998,009.98
)
def test_what_a_share_takes_at_is_bounded_by_the_best_price_of_its_own_side(side, price):
    (found,) = due(view(order("b", side)), 6)
    assert (found.qty, found.price) == (30, price)


@pytest.mark.parametrize("tops", [{}, {SYMBOL: Top(1_000_000, 1_000_010, -10 * SECOND)}, {SYMBOL: Top(0, 5, 0)}])
def test_nothing_takes_without_a_price_that_is_fresh(tops):
    assert not due(view(order("b")), 6, tops=tops)


@pytest.mark.parametrize(("age", "is_fresh"), [(-3600, True), (3, False)])  # fresh for as long as it takes to look
def test_prices_that_a_hub_brings_count_while_they_are_fresh(tmp_path, age, is_fresh):
    gateway, hub = (
        JournalWriter(path, process=path.name, heartbeat=True)
        for path in (gateway_journal(tmp_path, "main"), tmp_path / "hub")
    )
    for writer in (gateway, hub):
        writer.append_instrument(1, time.time_ns(), BTC.to_msgpack())
    at = time.time_ns() - age * SECOND
    hub.append("quote", struct.pack("<6q2Q", at, at, 1_000_000, 1_000_010, 5, 5, 0, 0), stream=1, time=at)
    core, waiter = GuardianCore(GuardianSettings(), epoch="1", watched=()), Waiter()
    options = HubOfGateway(journal=str(tmp_path / "hub"), symbols=[SYMBOL])
    follower = AccountFollower("main", tmp_path, core, hub=options)
    assert follower.follow(waiter, 0)
    core.position("main", SYMBOL, PositionSide.BOTH, 5, Fraction(1_000_000), 0)
    hub.progress(hub.published)
    seen = JournalReader(hub.path)
    wait_for(lambda: seen.control["heartbeat"])
    follower.look_at_hub(SECOND)
    before = seen.control["heartbeat"]
    wait_for(lambda: seen.control["heartbeat"] != before)
    follower.look_at_hub(SECOND)
    (guard,) = core.guards.values()
    assert not guard.price(SECOND) and not follower.tops  # one message alone confirms nothing
    hub.append("quote", struct.pack("<6q2Q", at, at + 1, 1_000_000, 1_000_010, 5, 5, 0, 0), stream=1, time=at + 1)
    follower.look_at_hub(soon := SECOND * 14 // 10)
    assert bool(guard.price(soon)) is (SYMBOL in follower.tops) is is_fresh
    middle = Priced("BTC", Fraction(1_000_005, 10**BTC.price_decimals))
    assert list(follower.prices({"BTC", "BNB"}, "USDT")) == [middle] * is_fresh
    assert list(follower.prices({"BNB"}, "USDT")) == list(follower.prices({"BTC"}, "USD")) == []
    top = follower.tops.get(SYMBOL)  # no later than when it was looked at
    assert bool(due(view(order("b")), ((top.at if top else at) + SECOND) / SECOND, tops=follower.tops)) is is_fresh
    follower.leave(waiter)
    for each in (seen, gateway, hub):
        each.close()


HEDGED = {"position_side": PositionSide.LONG}


@pytest.mark.parametrize(
    ("spec", "held", "is_orphan"),
    [
        (stop(reduce_only=True), 0, True),
        (stop(reduce_only=True), 50, False),
        (stop(reduce_only=True), -50, True),
        (stop(), 0, False),  # it may open a position
        (stop(**HEDGED), 0, True),
        (stop(Side.BUY, **HEDGED), 0, False),
        (stop(reduce_only=True, tag="guardian"), 0, False),
    ],
)
def test_a_stop_that_has_had_nothing_to_close_for_so_long_is_canceled(spec, held, is_orphan):
    made, stale = view(spec), StaleOrders("main", RULES, epoch="1")
    made.opening(SYMBOL, spec.position_side, held)
    assert not due(made, 1000, stale=stale)
    assert not due(made, 1009.9, stale=stale)
    assert bool(due(made, 1010, stale=stale)) is is_orphan


def test_what_is_done_is_paced_and_said_once():
    made, stale = view(*(order("a") for _ in range(50))), StaleOrders("main", RULES, epoch="1")
    records, commands = [], []
    stuck = next(iter(made.working))  # its cancel does nothing
    for tick in range(600):  # half a minute
        for each in stale.look(made, TOPS, 100 * SECOND + tick * SECOND // 20):
            (records if isinstance(each, Record) else commands).append(each)
            if isinstance(each, CancelOrder):
                done = next(key for key in made.working if made.robots[1].client_id(key[1]) == each.order)
                made.working.pop(done if done != stuck else None, None)
        assert len(commands) <= 3 * (tick / 20 + 1) + 1
    assert len(records) == 50 and len({each.subject for each in records}) == 50
    assert records[0].state == "canceled: 'a' after 1m" and records[0].about["age_s"] == 100
    assert 53 <= len(commands) <= 55  # that one again after 2, 6, 14 and 30 s
    assert len({each.id for each in commands}) == len(commands)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "neither cancel_after nor take_after"),
        ('cancel_after = "soon"', "soon"),
        ('take_after = "5s"\ntake_share = "100%"', "100%"),
        ('take_after = "5s"\nafter = "5s"', "after"),
    ],
)
def test_a_rule_that_says_nothing_is_refused(text, words):
    with pytest.raises(BadConfig, match=words) as raised:
        parse_config(f"{CONFIG}\n[guardian.stale.quote]\n{text}\n")
    assert "guardian" in str(raised.value)


# --- at a gateway ---------------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path):
    with served("binance-usdm", seed=11, limits=False) as (dialect, port):
        made = NettingWorld(tmp_path, dialect, port, "a", commands="process", price_band=0.05)
        wait_for(lambda: has_quotes(made))  # a band is measured by one
        yield made
        made.close()


def has_quotes(world) -> bool:
    with JournalReader(gateway_journal(world.home, "main")) as reader:
        return any(True for _ in reader.frames(("quote",)))


def working(world, order_id: int):
    rows = read_account(gateway_journal(world.home, "main")).working.values()
    return next((each for each in rows if each.order_id == order_id and each.state is OrderState.ACCEPTED), None)


def taken(world, stale: StaleOrders, count: int, seconds: float = 10) -> list[str]:
    """Sends what is due until the gateway has done it; what has been said."""
    said: list[str] = []
    bid = world.bid
    tops = {SYMBOL: Top(bid, bid + 1, time.time_ns() + 3600 * SECOND)}
    now = time.time_ns() + int(seconds * SECOND)

    def look() -> bool:
        nonlocal now
        now += SECOND
        book = read_account(gateway_journal(world.home, "main"))
        for each in stale.look(book, tops, now):
            if isinstance(each, Record):
                said.append(each.state)
            elif isinstance(each, TakeShare):
                (answer,) = send_command(world.home, "gateway:main", "take_share", share_fields(each, BTC), each.id)
                result = CommandResult(each.id, answer["status"], answer["result"], answer["error"], "")
                said.extend(record.state for record in stale.answered(each, *share_state(result)))
        return len(said) >= count

    wait_for(look, lambda: said)
    return said


def test_a_share_takes_once_and_the_rest_of_the_order_stays(world):
    (robot,) = world.robots
    rules = StaleRules({"*": StaleRule(take_after=5 * SECOND, share=Decimal("0.3"), within=Decimal("0.01"))})
    order_id = robot.place(Side.BUY, world.bid - 3000)
    wait_for(lambda: working(world, order_id))
    words = taken(world, StaleOrders("main", rules, epoch="1"), 2)
    assert words == ["30% takes liquidity after 5s: ''", "taken"]
    wait_for(lambda: world.account.qty(0) == 3)
    assert working(world, order_id).size == 7
    wait_for(lambda: [each[:2] for each in world.fills()] == [(robot.number, 3)])
    assert ("updated", 0) in world.news(robot, order_id)
    # The next life of the guardian, and of the gateway, find it done.
    world.restart()
    taken(world, StaleOrders("main", rules, epoch="2"), 2)
    assert world.account.qty(0) == 3 and working(world, order_id).size == 7


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_share_of_an_order_that_ends_meanwhile_does_not_take(world, is_killed):
    (robot,) = world.robots
    order_id = robot.place(Side.BUY, world.bid - 3000)
    wait_for(lambda: working(world, order_id))
    name = world.client_id(robot, order_id)
    fields = {"order": name, "qty": "0.003", "price": BTC.price_text(world.bid + 3000)}

    def ask(number: int) -> str:
        (answer,) = send_command(world.home, "gateway:main", "take_share", fields, f"share {number}")
        return answer["result"]["state"]

    assert ask(1) == "reducing"
    wait_for(lambda: working(world, order_id) and working(world, order_id).size == 7)
    if is_killed:  # what is left of it is canceled by that as well
        send_command(world.home, "gateway:main", "kill", {}, "kill")
    else:
        robot.request(RequestKind.CANCEL, order_id, Side.BUY, 0)
    wait_for(lambda: ("canceled", 0) in world.news(robot, order_id))
    assert ask(2) == "ended" and world.account.qty(0) == 0


def test_a_share_that_its_gateway_denies_is_said_and_not_asked_for_anew(world):
    (robot,) = world.robots
    rules = StaleRules({"*": StaleRule(take_after=5 * SECOND, within=Decimal("0.1"))})  # beyond the band
    order_id = robot.place(Side.BUY, world.bid - 3000)
    wait_for(lambda: working(world, order_id))
    words = taken(world, StaleOrders("main", rules, epoch="1"), 2)
    assert "denied" in words[1] and world.account.qty(0) == 0


# --- among the processes of a configuration -------------------------------------------------------

STALE = """
[guardian.stale.quote]
cancel_after = "1s"
[guardian.stale.chase]
take_after = "500ms"
take_share = "50%"
"""
ROBOT = """
from onetape import Strategy


class Stale(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="100ms")

    def on_timer(self, name):
        quote = self.quote(self.symbol)
        if quote is not None and not self.memory.get("done"):
            self.memory["done"] = True
            for tag in ("quote", "chase", "keep"):
                self.buy(self.symbol, 0.02, price=quote.bid * 0.99, tag=tag)
            self.sell(self.symbol, 0.02, trigger=quote.bid * 0.8, kind="stop", reduce_only=True, tag="keep")
"""


def notes(home: Home) -> set[str]:
    with JournalReader(guardian_journal(home.home)) as reader:
        records = [msgspec.msgpack.decode(frame.payload) for frame in reader.frames(("health",))]
    return {each["state"] for each in records if each["kind"] == "stale order"}


@pytest.mark.skipif(not LONG, reason="in the long form: make prove WHAT=long")  # a whole home
def test_the_guardian_looks_after_the_orders_of_robots(tmp_path):
    config = CONFIG.replace("[guardian]", '[guardian]\norphaned_stops = "60s"' + STALE)
    with Home(tmp_path, config, ROBOT) as home:
        home.run("up")
        wait_for(lambda: {(each["tag"], each["qty"]) for each in home.run("orders")} >= {("chase", "0.010")})
        wait_for(lambda: [each["qty"] for each in home.run("fills")] == ["0.010"])
        wait_for(lambda: "quote" not in {each["tag"] for each in home.run("orders")})
        assert sorted(each["qty"] for each in home.run("orders") if each["tag"] == "keep") == ["0.020", "0.020"]
        wait_for(lambda: {"canceled: 'quote' after 1s", "taken"} <= notes(home))
        home.run("down")
