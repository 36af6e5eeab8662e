"""Kill switch, limits, robots that died, the venue's dead man's switch: with real processes."""

from __future__ import annotations

import json

import msgspec
import pytest

import copied_process
from exchange.venue_client import served
from onetape.model.enums import EventType, RequestKind, Side
from onetape.model.errors import Killed, OrderInvalid, OrderOutcomeUnknown, PositionLimit, PriceBand
from onetape.model.home import gateway_journal
from onetape.model.ids import client_id_of_order
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.gateway_process import SYMBOL, GatewayProcess, Robot, cut_journal, news_of

ORDERS = 12


def send(home, *words: str) -> dict:
    """`onetape send`, its answer."""
    done = copied_process.run("send", *words, "--json", "--home", home)
    return json.loads(done.stdout)


@pytest.mark.parametrize("entry", ["rest", "socket"])
def test_a_gateway_tells_what_its_orders_took(world, tmp_path, entry):
    _, listing, start = world
    gateway, robot = start(order_entry=entry)
    if entry == "socket":
        wait_for(lambda: gateway.ask("status")["order_entry"]["up"])
    # Most are asked for while the gateway is at the first.
    orders = [robot.place(Side.BUY, listing.bid - 2000 - n) for n in range(ORDERS)]
    for order in orders:
        wait_for(lambda order=order: ("accepted", 0) in news_of(tmp_path, order))
    spans = send(tmp_path, "gateway", "latency")["result"]
    by_robot = spans.pop("robots")
    assert (gateway.ask("status")["spans"], gateway.ask("status")["spans_by_robot"]) == (spans, by_robot)
    assert list(by_robot.values()) == [spans]
    decided, out, acknowledged = (spans[n] for n in ("received_to_decided", "decided_to_out", "out_to_acknowledged"))
    assert [span["count"] for span in (decided, out, acknowledged)] == [ORDERS] * 3
    for span in (decided, out, acknowledged):
        assert 0 < span["p50_us"] <= span["p99_us"] <= span["max_us"]


@pytest.mark.parametrize("intents", ["process", "disk"])
def test_an_order_leaves_once_its_intent_is_as_safe_as_wanted(world, tmp_path, intents):
    _, listing, start = world
    _, robot = start(durability=intents)
    order = robot.place(Side.BUY, listing.bid - 2000)
    wait_for(lambda: ("accepted", 0) in news_of(tmp_path, order))
    with JournalReader(gateway_journal(tmp_path, "main")) as reader:
        frames = list(reader.frames(("order_request", "health")))
        durable = reader.control["durable"]
    (intent,) = [f.sequence for f in frames if f.type == EventType.ORDER_REQUEST.id]
    assert (durable >= intent) == (intents == "disk")
    said = [msgspec.msgpack.decode(f.payload) for f in frames if f.type == EventType.HEALTH.id]
    assert {"kind": "intents", "subject": "main", "state": f"on {intents}"} in said


def test_a_kill_cancels_refuses_and_survives_a_crash(world, tmp_path):
    account, listing, start = world
    gateway, robot = start()
    for step in range(3):
        robot.place(Side.BUY, listing.bid - 2000 - 10 * step)
    wait_for(lambda: len(account.open_orders) == 3)
    answer = send(tmp_path, "gateway", "kill", "reason=lunch", "--id", "k1")
    assert (answer["status"], answer["result"]) == ("applied", {"canceled": 3})
    wait_for(lambda: not account.open_orders)
    second = send(tmp_path, "gateway", "kill", "reason=lunch", "--id", "k1")
    assert (second["status"], second["result"]) == ("duplicate", {"canceled": 3})
    other = send(tmp_path, "gateway", "kill", "--id", "k1")
    assert (other["status"], other["error"]["name"]) == ("refused", "DUPLICATE_COMMAND")
    refused = robot.place(Side.BUY, listing.bid - 2000)
    wait_for(lambda: news_of(tmp_path, refused))
    assert news_of(tmp_path, refused) == [("denied", Killed.code)]
    gateway.kill()
    gateway.start()
    assert gateway.ask("status")["killed"] == "lunch"
    second = robot.place(Side.BUY, listing.bid - 2000)
    wait_for(lambda: news_of(tmp_path, second))
    assert news_of(tmp_path, second) == [("denied", Killed.code)]
    second = send(tmp_path, "gateway:main", "kill", "reason=lunch", "--id", "k1")
    assert (second["status"], second["result"]) == ("duplicate", {"canceled": 3})
    assert send(tmp_path, "kraken_gateway", "unkill")["error"]["name"] == "PROCESS_DOWN"
    assert send(tmp_path, "binance_gateway", "unkill")["status"] == "applied"
    wait_for(lambda: gateway.ask("status")["ready"])
    robot.place(Side.BUY, listing.bid - 2000)
    wait_for(lambda: len(account.open_orders) == 1)
    assert send(tmp_path, "gateway", "dance")["status"] == "refused"
    for _ in range(2):  # an alert while it is on, in each life; also where one has died before it said that it is off
        with JournalReader(gateway_journal(tmp_path, "main")) as reader:
            payloads = [each.payload for each in reader.frames(("health",))]
        said = [(msgspec.msgpack.decode(each), each) for each in payloads]
        states = [(each["state"], payload) for each, payload in said if each["kind"] == "kill switch"]
        assert [state for state, _ in states] == ["on: lunch", "on: lunch", "off"]
        gateway.kill()
        cut_journal(gateway_journal(tmp_path, "main"), states[-1][1])
        gateway.start()


def test_a_limit_counts_what_works_and_lets_reductions_pass(world, tmp_path):
    account, listing, start = world
    _, robot = start(position_max={SYMBOL: 0.02})
    robot.place(Side.BUY, 0)
    wait_for(lambda: account.qty(0) == 10)
    robot.place(Side.BUY, listing.bid - 2000)
    wait_for(lambda: len(account.open_orders) == 1)
    third = robot.place(Side.BUY, listing.bid - 2010)
    wait_for(lambda: news_of(tmp_path, third))
    assert news_of(tmp_path, third) == [("denied", PositionLimit.code)]
    robot.place(Side.SELL, listing.ask + 2000, reduce_only=True)
    wait_for(lambda: len(account.open_orders) == 2)


def has_quotes(home) -> bool:
    with JournalReader(gateway_journal(home, "main")) as reader:
        return next(iter(reader.frames(("quote",))), None) is not None


def test_one_order_and_its_price_are_bounded_too(world, tmp_path):
    account, listing, start = world
    _, robot = start(order_max={SYMBOL: 0.009}, price_band=0.01)
    large = robot.place(Side.BUY, listing.bid - 2000)  # of 0.01
    wait_for(lambda: news_of(tmp_path, large))
    assert news_of(tmp_path, large) == [("denied", OrderInvalid.code)]
    wait_for(lambda: has_quotes(tmp_path))  # before, nothing can be measured
    robot.size = 9
    dear = robot.place(Side.BUY, listing.bid + listing.bid // 50)
    wait_for(lambda: news_of(tmp_path, dear))
    assert news_of(tmp_path, dear) == [("denied", PriceBand.code)]
    robot.place(Side.BUY, listing.bid - 2000)
    wait_for(lambda: len(account.open_orders) == 1)


def test_an_amendment_passes_the_gate_too(world, tmp_path):
    account, listing, start = world
    _, robot = start(position_max={SYMBOL: 0.02})
    price = listing.bid - 2000
    order = robot.place(Side.BUY, price)
    wait_for(lambda: len(account.open_orders) == 1)
    robot.size = 30
    robot.request(RequestKind.AMEND, order, Side.BUY, price)
    wait_for(lambda: len(news_of(tmp_path, order)) == 2)
    assert news_of(tmp_path, order)[1] == ("update_rejected", PositionLimit.code)
    robot.size = 20
    robot.request(RequestKind.AMEND, order, Side.BUY, price)
    wait_for(lambda: [o.size for o in account.open_orders.values()] == [20])


def test_orders_of_a_robot_that_died_are_canceled(world):
    account, listing, start = world
    _, robot = start()
    robot.place(Side.BUY, listing.bid - 2000)
    wait_for(lambda: len(account.open_orders) == 1)
    robot.writer.close()
    wait_for(lambda: not account.open_orders)


def test_a_cancel_that_is_refused_is_asked_again_while_the_next_life_waits_for_it(tmp_path):
    faults = '[[fault]]\npurpose = "cancel"\ncount = 1\naction = "error"\nerror = "-1020"\ndone = false\n'
    with served("binance-usdm", seed=3, limits=False, faults=faults) as (dialect, port):
        account, listing = dialect.exchange.accounts[0], dialect.exchange.listings[0]
        gateway = GatewayProcess("binance-usdm", tmp_path, port, account)
        gateway.start()
        robot = Robot(tmp_path / "robot", gateway, 1)
        try:
            order = robot.place(Side.BUY, listing.bid - 2000)
            wait_for(lambda: len(account.open_orders) == 1)
            answer = gateway.ask("attach", name="test", journal=str(tmp_path / "robot"))
            assert answer["robot"] == robot.number
            wait_for(lambda: ("cancel_rejected", OrderInvalid.code) in news_of(tmp_path, order))
            wait_for(lambda: gateway.ask("standing", robot=robot.number)["settled"])
            assert not account.open_orders
        finally:
            gateway.kill()
            robot.writer.close()


def test_the_venue_cancels_when_the_gateway_is_silent(venue, world):
    account, listing, start = world
    gateway, robot = start(dead_man_ns=6_000_000_000, orphans="keep")
    robot.place(Side.BUY, listing.bid - 2000)
    wait_for(lambda: len(account.open_orders) == 1)
    # Three times in that time it says that it lives: the first would have come to its end.
    wait_for(lambda: sum(venue[0].exchange.orders.dead_men.values()) > 4)
    assert len(account.open_orders) == 1
    gateway.kill()
    wait_for(lambda: not account.open_orders)
    gateway.start()
    assert gateway.ask("status")["differences"] == []


def test_an_order_that_stays_unknown_is_settled_by_the_operator(tmp_path):
    """What is done at the venue is seen on its page, and said once; a restart remembers it."""
    faults = (
        '[[fault]]\npurpose = "place"\ncount = 1\naction = "drop_request"\n'
        '[[fault]]\npurpose = "query"\naction = "error"\nerror = "-1001"\ndone = false\n'
    )
    with served("binance-usdm", seed=3, limits=False, faults=faults) as (dialect, port):
        account, listing = dialect.exchange.accounts[0], dialect.exchange.listings[0]
        gateway = GatewayProcess("binance-usdm", tmp_path, port, account)
        gateway.start()
        robot = Robot(tmp_path / "robot", gateway, 1)
        try:
            lost = robot.place(Side.BUY, listing.bid - 2000)
            wait_for(lambda: news_of(tmp_path, lost))
            blocked = robot.place(Side.BUY, listing.bid - 2000)
            wait_for(lambda: news_of(tmp_path, blocked))
            assert news_of(tmp_path, blocked) == [("denied", OrderOutcomeUnknown.code)]
            answer = send(tmp_path, "gateway", "settle", "order=TtestX1X9z", "as=closed")
            assert answer["error"]["name"] == "BAD_INPUT"
            name = client_id_of_order("test", lost)
            answer = send(tmp_path, "gateway", "settle", f"order={name}", "as=closed")
            assert answer["result"] == {"order": name, "state": "CANCELED"}
            robot.place(Side.BUY, listing.bid - 2000)
            wait_for(lambda: len(account.open_orders) == 1)
            gateway.kill()
            gateway.start()
            status = gateway.ask("status")
            assert (status["unknown"], status["open"], status["differences"]) == (0, 1, [])
        finally:
            gateway.kill()
            robot.writer.close()
