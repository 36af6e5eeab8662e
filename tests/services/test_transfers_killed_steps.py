"""A gateway killed between any two steps of a transfer: frames, and requests to the venue."""

from __future__ import annotations

import asyncio
import http.client
import itertools
import os
import signal
import time
from pathlib import Path

import msgspec
import pytest
from books_process import UNIT, Books

from onetape.model.money import money, money_units
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.told import TransferTold
from onetape.venues.binance.trading import BinanceUsdmProtocol
from sim.venue_process import VenueProcess

PATH = "/sapi/v1/asset/transfer"
TOTAL = 1000 * UNIT
FINAL = ("done", "failed", "expired")
amounts = itertools.count(1)


class Wire:
    """One request after the other; before each and after its answer is a step."""

    def __init__(self, port: int, protocol: BinanceUsdmProtocol, step) -> None:
        self.port, self.protocol, self.step = port, protocol, step

    async def answer(self, call) -> Answer:
        self.step()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(call.method, call.target, call.body, dict(call.headers))
            response = connection.getresponse()
            status, body = response.status, response.read()
        except (OSError, http.client.HTTPException):
            self.step()
            return Answer(Outcome.AMBIGUOUS)
        finally:
            connection.close()
        self.step()
        return self.protocol.answer(call, status, {}, body, time.time_ns())


class World:
    def __init__(self, folder: Path) -> None:
        self.venue = VenueProcess(folder / "state", "binance-usdm")
        self.account = self.venue.told["accounts"][0]
        self.began = time.time_ns() - 10**9

    def books(self, home: Path) -> Books:
        found: list[Books] = []

        def wire(protocol):
            return Wire(self.venue.port, protocol, lambda: found[0].step())

        account = self.account
        found.append(Books(home, key=account["key"], secret=account["secret"], wire=wire))
        return found[0]

    def faults(self, *rules: dict) -> None:
        """These and no others."""
        faults = [{"path": PATH, "method": "POST", **rule} for rule in rules]
        content = msgspec.json.encode({"clear": True, "fault": faults})
        headers = {"Content-Type": "application/json"}
        status, told, _ = self.venue.control.request("POST", "/faults", content, headers)
        assert status == 200, told

    def carried_out(self, amount: int) -> int:
        """How often, by the venue's history."""
        protocol = BinanceUsdmProtocol(self.account["key"], self.account["secret"])
        call = protocol.transfers("", "spot", time.time_ns(), since=self.began)
        wire = Wire(self.venue.port, protocol, lambda: None)
        told = asyncio.run(wire.answer(call)).told
        return sum(isinstance(row, TransferTold) and row.amount == amount for row in told)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("steps"))
    yield made
    made.venue.stop()


def until_it_ends(books: Books, fields: dict, id_: str) -> str:
    """The command, and then what time brings."""

    async def work() -> str:
        books.desk.tick()  # what an earlier life has left is looked at first
        told = books.send("transfer", id_, **fields)
        assert told["error"] is None, told
        deadline = time.monotonic() + 60
        while True:
            (row,) = books.desk.shown(fields["id"])
            if row["state"] in FINAL:
                return row["state"]
            assert time.monotonic() < deadline, row
            await asyncio.sleep(0.005)
            books.desk.tick()

    return asyncio.run(work())


def lives_for(world: World, home: Path, steps: int, fields: dict) -> bool:
    """A process of its own makes the transfer and dies after so many steps. False: it ended
    before."""
    child = os.fork()
    if child == 0:
        try:
            books = world.books(home)
            books.kill_after(steps)
            until_it_ends(books, fields, "one")
            books.close()
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), status
    return status != 0


@pytest.mark.parametrize(
    ("rules", "states"),
    [
        ([], {"done"}),
        ([{"action": "drop_answer", "count": 1}], {"done"}),
        # Its deadline comes before another try.
        ([{"action": "drop_request"}], {"expired"}),
        ([{"action": "error", "error": "-1021", "status": 400, "done": False}], {"expired"}),
        ([{"action": "error", "error": "-5013", "status": 400, "done": False}], {"failed"}),
    ],
    ids=["plain", "answer lost", "request lost", "put off", "refused"],
)  # fmt: skip
def test_a_death_before_any_step_pays_neither_twice_nor_half(world, tmp_path, rules, states):
    for steps in range(40):
        amount = money_units(f"1.{next(amounts):06d}")
        fields = {
            "id": "t", "currency": "usdt", "amount": str(money(amount)), "from": "trading",
            "to": "spot", "deadline": "900ms",
        }  # fmt: skip
        home = tmp_path / str(steps)
        world.books(home).close()
        world.faults(*rules)
        has_died = lives_for(world, home, steps, fields)
        books = world.books(home)
        state = until_it_ends(books, fields, "two")
        world.faults()
        # After a death it may have come to its deadline first, or only be known to be over.
        assert state in ({*states, "expired", "failed"} if has_died else states), steps
        is_done = state == "done"
        assert world.carried_out(amount) == is_done, steps
        ledger = books.money.ledger
        found = ledger.total("USDT"), ledger.transit("USDT"), ledger.total("USDT", "spot")
        assert found == (TOTAL - amount * is_done, 0, amount * is_done), steps
        entries = ledger.posted
        again = books.send("transfer", "three", **fields)
        assert again["status"] == "duplicate"
        assert ledger.posted == entries
        books.close()
        if not has_died:
            return
    raise AssertionError("it never ended")
