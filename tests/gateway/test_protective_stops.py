"""Stops that the guardian places through a gateway: whose they are, and what does not take them
away."""

from __future__ import annotations

import asyncio

import pytest

from exchange.venue_client import served
from onetape.ipc.operator import send_command
from onetape.ipc.system import IPCCommandSystem
from onetape.model.enums import EventType, RequestKind, Side, TriggerKind
from onetape.model.home import gateway_journal
from onetape.orders.order_frames import request_of
from onetape.security.tokens import make_token
from onetape.tape.journal import JournalReader, JournalWriter
from waiting import wait_for
from worlds.gateway_process import SYMBOL, cut_journal
from worlds.netting_world import NettingWorld

SIZE = 10  # of a robot's order, units


@pytest.fixture
def world(tmp_path):
    with served("binance-usdm", seed=11, limits=False) as (dialect, port):
        made = NettingWorld(tmp_path, dialect, port, "ab", commands="process")
        yield made
        made.close()


def send(world, command: str, actor: str = "guardian", **fields) -> dict:
    async def sent() -> dict:
        system = IPCCommandSystem(actor, home=world.home)
        system.start()
        try:
            answer = await system.send_command("gateway:main", command, fields)
            return {key: answer[key] for key in answer}
        finally:
            system.stop()

    return asyncio.run(sent())


def hold(world, robot, side: Side = Side.BUY) -> int:
    order = robot.place(side, 0)
    wait_for(lambda: world.filled(robot, order) == SIZE)
    return order


def stops_of(world) -> list[str]:
    return sorted(each.client_id for each in world.exchange.conditionals.open_of(world.account))


def trigger(world, share: float) -> str:
    return f"{int(world.bid * share) / 10:.1f}"


def stop(world, qty: str, share: float = 0.9) -> dict:
    return {"qty": qty, "trigger": trigger(world, share)}


def placed(world, *stops: dict, **more) -> list[dict]:
    done = send(world, "place_stops", symbol=SYMBOL, side="sell", stops=list(stops), **more)
    assert done["status"] == "applied", done
    return done["result"]["orders"]


def test_a_stop_belongs_to_whoever_holds_what_it_protects(world):
    a, b = world.robots
    hold(world, a), hold(world, a), hold(world, b)
    rows = placed(world, *(stop(world, "0.010", 0.9 - each / 100) for each in range(3)))
    assert [row["robot"] for row in rows] == ["a", "a", "b"]
    wait_for(lambda: stops_of(world) == sorted(row["client_id"] for row in rows))
    second = placed(world, *(stop(world, "0.010", 0.95 - each / 100) for each in range(3)))  # in their place
    assert [row["robot"] for row in second] == ["a", "a", "b"]


def test_nothing_that_cancels_robots_orders_takes_a_stop_away(world):
    a, _ = world.robots
    hold(world, a)
    (row,) = placed(world, stop(world, "0.010"))
    wait_for(lambda: stops_of(world) == [row["client_id"]])
    a.request(RequestKind.CANCEL, row["id"], Side.SELL, 0)
    for number, command in enumerate(("cancel_all", "kill", "unkill", "cancel")):
        fields = {"symbol": "*"} if command == "cancel" else {}
        (reported,) = send_command(world.home, "gateway:main", command, fields, f"c{number}")
        assert reported["status"] == "applied", reported
    world.restart()  # its next life knows what it is
    (reported,) = send_command(world.home, "gateway:main", "cancel_all", {}, "c9")
    assert reported["result"] == {"canceled": 0} and stops_of(world) == [row["client_id"]]
    done = send(world, "cancel_stops", orders=[row["client_id"]])
    assert done["status"] == "applied"
    wait_for(lambda: not stops_of(world))


def test_a_stop_without_a_trigger_closes_at_the_market_and_never_more_than_is_held(world):
    a, _ = world.robots
    hold(world, a)
    (row,) = placed(world, {"qty": "0.010"})
    wait_for(lambda: world.account.qty(0) == 0)
    assert row["robot"] == "a"
    (refused,) = placed(world, {"qty": "0.010"})
    assert (refused["state"], refused["code"]) != ("FILLED", 0) and world.account.qty(0) == 0


def test_stops_are_the_guardians_alone(world):
    make_token(world.home, "a")
    assert send(world, "place_stops", "a", symbol=SYMBOL, side="sell", stops=[])["error"]["name"] == "PERMISSION_DENIED"
    assert send(world, "kill")["error"]["name"] == "PERMISSION_DENIED"
    assert send(world, "place_stops", symbol=SYMBOL, side="sell", stops=[])["error"]["name"] == "BAD_CONFIG"
    blind = send(world, "place_stops", symbol=SYMBOL, side="sell", stops=[{"qty": "0.010", "kind": "take_profit"}])
    assert "has no trigger" in blind["error"]["message"]
    a, _ = world.robots
    order = world.rest(a, Side.BUY, world.bid - 3000)
    done = send(world, "cancel_stops", orders=[world.client_id(a, order)])
    assert done["error"]["name"] == "NOT_OWNER"


def test_a_name_that_is_no_stop_any_more_does_not_keep_the_others(world):
    """What a guardian placed past a dead gateway may have fired, or ended, before a gateway knew of it."""
    a, _ = world.robots
    hold(world, a)
    (row,) = placed(world, stop(world, "0.010"))
    wait_for(lambda: stops_of(world) == [row["client_id"]])
    order = world.rest(a, Side.BUY, world.bid - 3000)
    names = ["TaX1000Xzz3bw9r", world.client_id(a, order), row["client_id"]]
    done = send(world, "cancel_stops", orders=names)
    assert [each["client_id"] for each in done["result"]["orders"]] == [row["client_id"]]
    wait_for(lambda: not stops_of(world))
    assert send(world, "cancel_stops", orders=names[:2])["error"]["name"] == "NOT_OWNER"


def lose_power(world) -> None:
    """As the disk has it: nothing from the command that placed stops on, or from where stops were taken over."""
    world.gateway.kill()
    journal = gateway_journal(world.home, "main")
    with JournalReader(journal) as reader:
        frames = list(reader.frames(("command", "order_request")))
    is_command = EventType.COMMAND.id
    cut_journal(
        journal,
        next(
            f.payload
            for f in frames
            if b"place_stops" in f.payload
            or (f.type != is_command and request_of(f.payload, SYMBOL).spec.tag == "guardian")
        ),
    )
    world.gateway.start()
    wait_for(lambda: world.gateway.ask("status")["ready"])


def test_stops_whose_command_was_lost_with_the_power_are_the_guardians_and_their_ids_are_not_used_anew(world):
    hold(world, world.robots[0]), hold(world, world.robots[1])
    held = placed(world, stop(world, "0.010", 0.8), stop(world, "0.010", 0.7))
    assert [row["robot"] for row in held] == ["a", "b"]
    names = sorted(row["client_id"] for row in held)
    wait_for(lambda: stops_of(world) == names)
    lose_power(world)
    (reported,) = send_command(world.home, "gateway:main", "cancel_all", {}, "c1")
    assert reported["result"] == {"canceled": 0} and stops_of(world) == names
    rows = placed(world, stop(world, "0.010"), stop(world, "0.010", 0.85))
    both = sorted([*names, *(row["client_id"] for row in rows)])
    assert len(set(both)) == 4
    wait_for(lambda: stops_of(world) == both)
    assert send(world, "cancel_stops", orders=names)["status"] == "applied"
    wait_for(lambda: stops_of(world) == sorted(row["client_id"] for row in rows))


def kinds_of(world) -> list[TriggerKind]:
    """Of the stops that the gateway's journal has, by client id."""
    with JournalReader(gateway_journal(world.home, "main")) as reader:
        requests = [request_of(frame.payload, SYMBOL) for frame in reader.frames(("order_request",))]
    return [r.spec.trigger_kind for r in requests if r.kind is RequestKind.PLACE and r.spec.trigger_int]


def test_however_often_the_power_goes_no_id_is_used_anew_and_a_take_profit_stays_one(world):
    hold(world, world.robots[0]), hold(world, world.robots[1])
    names: set[str] = set()
    for _ in range(3):
        target = {"qty": "0.010", "trigger": trigger(world, 1.2), "kind": "take_profit"}
        found = {row["client_id"] for row in placed(world, stop(world, "0.010"), target)}
        assert len(found) == 2 and not found & names
        names.update(found)
        wait_for(lambda: set(stops_of(world)) == names)
        lose_power(world)
        wait_for(lambda: len(kinds_of(world)) == len(names))  # found in the venue's list, and taken over
    assert sorted(kinds_of(world)) == [TriggerKind.STOP] * 3 + [TriggerKind.TAKE_PROFIT] * 3


def test_a_writer_that_died_before_it_noted_the_loss_of_power_leaves_it_to_the_next(world):
    hold(world, world.robots[0])
    (lost,) = placed(world, stop(world, "0.010"))
    world.gateway.kill()
    journal = gateway_journal(world.home, "main")
    with JournalReader(journal) as reader:
        cut = next(f.payload for f in reader.frames(("command",)) if b"place_stops" in f.payload)
    cut_journal(journal, cut)
    JournalWriter(journal, process="gateway:main", account="main").__dict__.clear()  # opened, and killed
    world.gateway.start()
    wait_for(lambda: world.gateway.ask("status")["ready"])
    (made,) = placed(world, stop(world, "0.010", 0.8))
    assert made["client_id"] != lost["client_id"]
