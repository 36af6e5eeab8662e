"""Of all requests with one key one leaves, whoever asks, whenever the gateway dies."""

from __future__ import annotations

import threading
import time

import msgspec
import pytest

from exchange.venue_client import served
from onetape.ipc.operator import send_command
from onetape.model.enums import OrderNews, RequestKind, Side
from onetape.model.home import gateway_journal
from onetape.model.ids import EPOCH_BITS
from onetape.model.request_key import RequestKey
from onetape.projections.robot_life import RobotLife
from onetape.security.tokens import make_token
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.frames import NEWS, REQUEST
from worlds.gateway_process import GatewayProcess, Robot

DUPLICATE = ("denied", 4605)


class World:
    """robots: how many, each with a journal of its own."""

    def __init__(self, tmp_path, robots: int, **options) -> None:
        self.tmp_path, self.home = tmp_path, tmp_path / ".onetape"
        self._served = served("binance-usdm", seed=4, limits=False)
        self.dialect, self.port = self._served.__enter__()
        self.account = self.dialect.exchange.accounts[0]
        make_token(self.home, "operator")
        self.gateway = GatewayProcess("binance-usdm", self.home, self.port, self.account, **options)
        self.gateway.start()
        self.robots = [self.robot(number) for number in range(robots)]

    def robot(self, number: int, **options) -> Robot:
        name = f"r{number}"
        return Robot(self.tmp_path / name, self.gateway, number, name=name, **options)

    def close(self) -> None:
        self.gateway.kill()
        for robot in self.robots:
            robot.writer.close()
        self._served.__exit__(None, None, None)

    def restart(self) -> None:
        """kill -9, and the next life."""
        self.gateway.kill()
        self.gateway.start()
        self.settled()

    def settled(self) -> None:
        """It trades, and knows of all orders what became of them."""
        wait_for(lambda: self.gateway.ask("status")["ready"])
        wait_for(lambda: not self.gateway.ask("status")["unknown"])

    @property
    def price(self) -> int:
        """Of a bid that rests."""
        return self.dialect.exchange.listings[0].bid - 3000

    def ask(self, robot: Robot, key: RequestKey, price: int | None = None) -> int:
        return robot.place(Side.BUY, self.price if price is None else price, once=key)

    def _news(self, robot: Robot, order: int) -> list[tuple[str, int]]:
        with JournalReader(gateway_journal(self.home, "main")) as reader:
            received = [NEWS.unpack(f.payload) for f in reader.frames(("order_event",))]
        mine = [n for n in received if (n[0], n[9]) == (order, robot.number)]
        return [(OrderNews.from_id(n[7]).value, n[6]) for n in mine]

    def client_id(self, number: int, order: int) -> str:
        (name,) = {r.name for r in self.robots if r.number == number} or {"gone"}
        return RobotLife(number, name, order >> EPOCH_BITS, "").client_id(order)

    def answered(self, robot: Robot, order: int) -> list[tuple[str, int]]:
        wait_for(lambda: self._news(robot, order))
        return self._news(robot, order)

    def records(self, kind: str) -> list[dict]:
        with JournalReader(gateway_journal(self.home, "main")) as reader:
            return [msgspec.msgpack.decode(f.payload) for f in reader.frames((kind,))]

    def reason(self, robot: Robot, order: int) -> str:
        (found,) = [
            r["reason"] for r in self.records("reply") if (r.get("robot"), r.get("order")) == (robot.number, order)
        ]
        return found

    def intents(self) -> list[tuple[int, int, dict]]:
        """(robot, order, what follows the layout) of the new orders on the gateway's tape."""
        found = []
        with JournalReader(gateway_journal(self.home, "main")) as reader:
            for frame in reader.frames(("order_request",)):
                row = REQUEST.unpack_from(frame.payload)
                if RequestKind.from_id(row[5]) is RequestKind.PLACE:
                    more = frame.payload[REQUEST.size :]
                    found.append((row[12], row[0], msgspec.msgpack.decode(more) if more else {}))
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """One for all tests: each has keys of its own."""
    made = World(tmp_path_factory.mktemp("first"), 5)
    yield made
    made.close()


def test_the_first_leaves_and_the_second_is_told_of_it(world):
    a, b, *_ = world.robots
    key = RequestKey("btc 09:30")
    first = world.ask(a, key)
    assert world.answered(a, first) == [("accepted", 0)]
    second = world.ask(b, key)
    assert world.answered(b, second) == [DUPLICATE]
    (order,) = world.account.by_id.values()
    assert world.reason(b, second) == (
        f"request key: the key 'btc 09:30' has order {order.client_id} of r0: ACCEPTED, 0.000 of 0.010 filled"
    )
    assert world.intents() == [(a.number, first, key.as_record())]


def test_fifty_at_once_make_one_order(world):
    robots = [world.robot(100 + number) for number in range(50)]
    seen, key, price = len(world.account.by_id), RequestKey("fifty"), world.price
    ready = threading.Barrier(len(robots))
    requests: dict[int, int] = {}

    def one(robot: Robot) -> None:
        ready.wait()
        requests[robot.number] = world.ask(robot, key, price)

    threads = [threading.Thread(target=one, args=(robot,)) for robot in robots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = [world.answered(robot, requests[robot.number]) for robot in robots]
    for robot in robots:
        robot.writer.close()
    assert sorted(said) == [[("accepted", 0)], *[[DUPLICATE]] * 49]
    assert len(world.account.by_id) == seen + 1


def test_whichever_four_of_five_are_silent_one_order_comes(world):
    for number, robot in enumerate(world.robots):
        seen, key = len(world.account.by_id), RequestKey(f"opportunity {number}")
        assert world.answered(robot, world.ask(robot, key)) == [("accepted", 0)]
        for other in world.robots:
            if other is not robot:
                assert world.answered(other, world.ask(other, key)) == [DUPLICATE]
        assert len(world.account.by_id) == seen + 1


def test_a_killed_gateway_knows_who_has_it(world):
    a, b, *_ = world.robots
    key, seen = RequestKey("before"), len(world.account.by_id)
    world.answered(a, world.ask(a, key))
    world.gateway.kill()
    while_away = world.ask(b, key)
    world.gateway.start()
    assert world.answered(b, while_away) == [DUPLICATE]
    assert "of r0: " in world.reason(b, while_away)
    world.settled()
    assert len(world.account.by_id) == seen + 1


def test_killed_while_all_ask_there_is_one_order_for_each_key(world):
    """What is asked for while it comes back may be denied for that; then they ask again."""
    price, keys = world.price, [f"killed {number}" for number in range(2)]
    for number, name in enumerate(keys):
        key = RequestKey(name)
        for robot in world.robots:
            world.ask(robot, key, price)
        time.sleep(0.003 * number)
        world.restart()
        second = [(robot, world.ask(robot, key, price)) for robot in world.robots]
        said = [world.answered(robot, order) for robot, order in second]
        assert sum(words != [DUPLICATE] for words in said) <= 1, said
    # An intent that was killed before it left is proven to be nowhere, and frees its key.
    named = {world.client_id(robot, order): more["once"] for robot, order, more in world.intents()}
    there = [named.get(order.client_id) for order in world.account.by_id.values()]
    assert sorted(key for key in there if key in keys) == keys


def test_what_ends_a_cycle_and_what_does_not_over_a_restart(world):
    a, b, *_ = world.robots
    ended, reported, kept = (RequestKey(name) for name in ("ended", "told", "kept"))
    short = RequestKey("short", expires="1s")
    for key in (ended, reported, kept, short):
        assert world.answered(a, world.ask(a, key)) == [("accepted", 0)]
    b.end_cycle(kept)  # it is not his
    a.end_cycle(ended)
    (said,) = send_command(world.home, "gateway:main", "end_cycle", {"key": "told"}, "one")
    assert said["status"] == "applied", said
    (said,) = send_command(world.home, "gateway:main", "end_cycle", {"key": ""}, "two")
    assert said["status"] == "refused"
    wait_for(lambda: len(world.records("cycle")) == 3)
    world.restart()
    time.sleep(1)
    for key in (ended, reported, short):
        assert world.answered(b, world.ask(b, key)) == [("accepted", 0)], key
    assert world.answered(b, world.ask(b, kept)) == [DUPLICATE]
    by_robots = [record for record in world.records("cycle") if record["robot"]]
    done, refused = sorted(by_robots, key=lambda record: "refused" in record)
    assert (refused["robot"], refused["end"]) == (b.number, "kept")
    assert "its robot or the operator ends the cycle" in refused["refused"]
    assert done == {"end": "ended", "within": "account", "slot": 1, "robot": a.number}


def test_an_order_that_is_denied_or_rejected_leaves_it_to_the_next(world):
    a, b, *_ = world.robots
    key = RequestKey("left")
    below = world.ask(a, key, price=1)  # the venue's price band refuses it
    assert world.answered(a, below)[0][0] in ("denied", "rejected")
    assert world.answered(b, world.ask(b, key)) == [("accepted", 0)]


def test_what_is_no_key_is_refused(world):
    a, b, *_ = world.robots
    for robot, more, said in ((a, b"\xc1", ("denied", 4101)), (b, b"\x80", ("accepted", 0))):
        order = robot.base + len(robot.placed) + 1
        robot.placed.append((order, Side.BUY, world.price))
        robot.request(RequestKind.PLACE, order, Side.BUY, world.price, more=more)
        assert world.answered(robot, order) == [said]
