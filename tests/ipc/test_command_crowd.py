"""Eight strategies at once against one gateway, over real sockets, while a reader in a process of
its own never stops looking: what was answered, what is on the tape and what is there at the end are
what a plain model makes of the commands in the order of the journal."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from exchange.venue_client import served
from onetape.accounts import StrategyBalanceManager
from onetape.accounts.entries import Cause, Outside
from onetape.accounts.entry_frames import unpack
from onetape.ipc import IPCCommandSystem
from onetape.model.home import gateway_journal
from onetape.model.money import money, money_units
from onetape.security.tokens import make_token
from onetape.simulation.command_model import Book, CommandModel, Said
from onetape.tape.journal import JournalReader, type_id
from waiting import PATIENCE_S
from worlds.gateway_process import GatewayProcess

COUNT = 10_000 if os.environ.get("ONETAPE_LONG") else 200  # commands of each
SLOTS = {name: slot for slot, name in enumerate("abcdefgh", 2)}
NAMES = {**SLOTS, "end": 63}
CREDIT = 500
WRONG = ("nan", "", "-3", "0", "12,5", "1e400", "0.0000000000000000001", True)
AT_DOOR = {"NOT_OWNER", "USAGE", "PERMISSION_DENIED", "DUPLICATE_COMMAND"}

READER = """
import sys
from onetape.accounts.table import AccountReader
group = AccountReader(sys.argv[1], "gateway:main").state.slots("balance", "USDT", max_age=2**62)
reads = changes = last = 0
print("reading", flush=True)
while True:
    known = group.all()
    if known is None:  # the gateway is gone
        break
    totals, held, _, _, sequence, _ = known
    if totals[0] != sum(totals[1:]) or held[0] != sum(held[1:]) or sequence < last:
        print("unequal", known, flush=True)
        break
    reads += 1
    changes += sequence != last
    last = sequence
    if totals[-1] == 1:  # the sign to stop
        print(reads, changes, flush=True)
        break
"""


class Strategy:
    """Sends one command after the other, some wrong, some twice."""

    def __init__(self, name: str, home) -> None:
        self.name, self.slot = name, SLOTS[name]
        self.random = random.Random(name)
        self.system = IPCCommandSystem(name, home=home)
        self.answers: list[tuple[str, str, dict[str, Any], Any]] = []

    def wish(self) -> tuple[str, dict[str, Any]]:
        rng = self.random
        name = rng.choice(("allocate", "release", "allocate", "release", "adjust", "set", "reset"))
        if name in ("set", "reset") and rng.random() < 0.6:
            name = "allocate"
        units = rng.randint(1, rng.choice((10**18, 10**21, 3 * 10**22)))
        if name == "adjust":
            units = rng.choice((-1, 1)) * rng.randint(1, 10**20)
        amount: Any = rng.choice(WRONG) if rng.random() < 0.05 else str(money(units))
        fields: dict[str, Any] = {"currency": rng.choice(("usdt", "USDT")), "amount": amount}
        if name in ("allocate", "release", "set"):
            fields["index"] = self.slot if rng.random() < 0.92 else rng.randrange(12)
        if rng.random() < 0.04:
            fields["currency"] = "doge"
        if rng.random() < 0.04:
            fields["strategy"] = rng.choice("abcdefgh")
        if rng.random() < 0.04:
            fields["delta"] = rng.choice((amount, "5"))
        if name == "adjust" and rng.random() < 0.5:
            fields["transfer_id"] = f"{self.name}{rng.randrange(200)}"
        return name, fields

    async def run(self) -> None:
        self.system.start()
        for number in range(COUNT):
            if self.answers and self.random.random() < 0.05:
                id_, name, fields, _ = self.random.choice(self.answers[-50:])
                if self.random.random() < 0.2:
                    fields = {**fields, "amount": "17"}
            else:
                name, fields = self.wish()
                id_ = f"{self.name} {number}"
            command, sent = name, fields
            if self.random.random() < 0.5:
                command, sent = "binance_strategy_balance", {"cmd": name, **fields}
            answer = await self.system.send_command("binance_gateway", command, sent, timeout=120, command_id=id_)
            self.answers.append((id_, command, sent, answer))
        self.system.stop()


def replayed(home) -> tuple[CommandModel, dict[str, Said], dict[str, dict]]:
    """The model after all commands of the tape, what it answered, and what the gateway did."""
    model = CommandModel(NAMES, {"USDT": Book({}, credit=CREDIT * 10**18)})
    command, reply, entry = (type_id(name) for name in ("command", "reply", "entry"))
    wanted, reported = {}, {}
    with JournalReader(gateway_journal(home, "main")) as reader:
        for frame in reader.frames(("command", "reply", "entry")):
            if frame.type == entry:
                booked = unpack(frame.payload)
                venues = booked.reference not in wanted and booked.cause is not Cause.COMMAND
                for leg in booked.legs if venues else ():  # what the venue says comes in between
                    book = model.books.setdefault(leg.currency, Book({}))
                    if leg.holder > 0:
                        book.slots[leg.holder] = book.slots.get(leg.holder, 0) + leg.amount
                    assert leg.holder != Outside.NETTING
                continue
            record = msgspec.msgpack.decode(frame.payload)
            id_ = record.get("id")
            if frame.type == reply and "status" in record:
                reported[id_] = record
            if frame.type == command:
                assert id_ not in wanted, "on the journal twice"
                fields = dict(record["fields"])
                name = fields.pop("cmd", record["command"])
                wanted[id_] = model.answer(record["actor"], name, fields, id_)
                if "refused" in record:
                    reported[id_] = {"status": "refused", "error": record["refused"]}
    return model, wanted, reported


def said(answer: Any) -> Said:
    return Said(str(answer["status"]), answer["error"]["name"] if answer["error"] else "")


@pytest.mark.skipif(sys.platform == "win32", reason="sockets of files")
def test_what_eight_strategies_are_told_is_what_a_model_makes_of_the_journal(tmp_path):
    with served("binance-usdm", seed=9, limits=False) as (dialect, port):
        gateway = GatewayProcess(
            "binance-usdm",
            tmp_path,
            port,
            dialect.exchange.accounts[0],
            commands="process",
            subaccounts=NAMES,
            venue="binance",
            credit={"USDT": str(CREDIT)},
        )
        gateway.start()
        reader = subprocess.Popen([sys.executable, "-c", READER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        try:
            assert reader.stdout is not None and reader.stdout.readline() == "reading\n"
            strategies = [Strategy(name, tmp_path) for name in SLOTS]

            async def work() -> None:
                await asyncio.gather(*(each.run() for each in strategies))
                make_token(tmp_path, "operator")
                operator = IPCCommandSystem("operator", home=tmp_path)
                operator.start()
                fields = {"currency": "usdt", "index": 63, "amount": str(money(1))}
                await operator.send_command("gateway:main", "allocate", fields, timeout=PATIENCE_S)
                operator.stop()

            asyncio.run(work())
            seen = reader.communicate(timeout=PATIENCE_S)[0].split()
            assert len(seen) == 2, seen
            assert int(seen[1]) > 10
            slots = StrategyBalanceManager("binance", strategy_count=64, home=tmp_path).get_all("USDT")
        finally:
            reader.kill()
            reader.wait()
            gateway.kill()
    model, wanted, reported = replayed(tmp_path)
    assert {id_: said(each) for id_, each in reported.items()} == wanted
    held = model.books["USDT"].slots
    assert [money_units(str(each)) for each in slots[1:]] == [held.get(at, 0) for at in range(1, 64)]
    count: dict[str, int] = {}
    for strategy in strategies:
        first: dict[str, Any] = {}
        for id_, command, fields, answer in strategy.answers:
            count[answer.status] = count.get(answer.status, 0) + 1
            got, name = said(answer), fields.get("cmd", command)
            words = json.dumps([command, fields], sort_keys=True)
            if id_ not in wanted:  # it was not let in
                assert got.status == "refused" and got.code in AT_DOOR, (id_, name, fields, got)
            elif id_ not in first:
                assert got == wanted[id_], (id_, name, fields)
                first[id_] = words, got
            elif first[id_][0] == words:
                assert got == Said("duplicate", first[id_][1].code), (id_, name, fields)
            else:
                assert got.status == "refused" and got.code in AT_DOOR, (id_, name, fields, got)
    assert all(count.get(each, 0) > COUNT // 10 for each in ("applied", "refused", "duplicate"))
