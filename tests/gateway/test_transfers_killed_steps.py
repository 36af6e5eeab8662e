"""A gateway killed between any two steps of a transfer: frames, and requests to the venue."""

from __future__ import annotations

import asyncio
import itertools
import signal
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from exchange.venue_process import VenueProcess
from long_form import long_form
from onetape.model.money import money, money_units
from onetape.orders.calls import MASTER, OrderProtocol, TransferRoute
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import TransferReport
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue
from worlds.books_process import UNIT, Books, Wire
from worlds.copied import in_a_copy

TOTAL = 1000 * UNIT
FINAL = ("done", "failed", "expired")
amounts = itertools.count(1)


class Way(NamedTuple):
    """account: of the exchange, from 0. target: as the command names it. left: what the trading
    wallet, and the other wallet, change by for 1 that is moved. busy, no: what the venue says where
    it puts off, and where it refuses."""

    path: str
    account: int
    source: str
    target: str
    to: str
    left: tuple[int, int]
    kind: str = "binance-usdm"
    currency: str = "USDT"
    busy: str = "-1021"
    no: str = "-5013"

    @property
    def wallets(self) -> tuple[str, str]:
        return self.source, self.target.rpartition(".")[2]


OUT = Way("/sapi/v1/asset/transfer", 0, "", "spot", "", (-1, 1))
TO_MASTER = Way("/sapi/v1/sub-account/transfer/subToMaster", 1, "spot", "binance.boss.spot", MASTER, (0, -1))
TO_FUTURES = Way(
    "/0/private/WalletTransfer",
    0,
    "",
    "futures",
    "",
    (-1, 1),
    "kraken",
    "USD",
    "EAPI:Invalid nonce",
    "EFunding:Insufficient funds",
)
AT_ASTER = Way("/api/v3/asset/wallet/transfer", 0, "", "spot", "", (-1, 1), "aster", busy="-1003")
BUSY, NO = "busy", "no"  # a venue has its own words


class World:
    def __init__(self, folder: Path) -> None:
        self.venues = {kind: VenueProcess(folder / kind, kind) for kind in ("binance-usdm", "kraken", "aster")}
        self.began = time.time_ns() - 10**9
        _, protocol = self.keyed(TO_MASTER)
        self.ask(TO_MASTER, protocol.transfer(TransferRoute("", "spot"), "USDT", TOTAL, time.time_ns()))

    def keyed(self, way: Way) -> tuple[dict, OrderProtocol]:
        account = self.venues[way.kind].ready["accounts"][way.account]
        nowhere = Addresses("", "", "")
        return account, open_trading_venue(way.kind, account["key"], account["secret"], nowhere).protocol

    def ask(self, way: Way, call) -> Answer:
        _, protocol = self.keyed(way)
        answer = asyncio.run(Wire(self.venues[way.kind].port, protocol, lambda: None).answer(call))
        assert answer.outcome is Outcome.DONE, answer
        return answer

    def books(self, way: Way, home: Path) -> Books:
        found: list[Books] = []

        def wire(protocol):
            return Wire(self.venues[way.kind].port, protocol, lambda: found[0].step())

        account, _ = self.keyed(way)
        siblings = {"boss": way.to} if way.to else {}
        found.append(
            Books(
                home,
                key=account["key"],
                secret=account["secret"],
                wire=wire,
                siblings=siblings,
                kind=way.kind,
                currency=way.currency,
            )
        )
        return found[0]

    def faults(self, way: Way, *rules: dict) -> None:
        """These and no others."""
        words = {BUSY: way.busy, NO: way.no}
        faults = [{"path": way.path, "method": "POST", **rule} for rule in rules]
        for rule in faults:
            if "error" in rule:
                rule["error"] = words[rule["error"]]
        content = msgspec.json.encode({"clear": True, "fault": faults})
        headers = {"Content-Type": "application/json"}
        status, reported, _ = self.venues[way.kind].control.request("POST", "/faults", content, headers)
        assert status == 200, reported

    def carried_out(self, way: Way, amount: int) -> int:
        """How often, by the venue's history."""
        _, protocol = self.keyed(way)
        call = protocol.transfers(TransferRoute(*way.wallets, way.to), time.time_ns(), since=self.began)
        reported = self.ask(way, call).reports
        return sum(isinstance(row, TransferReport) and row.amount == amount for row in reported)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("steps"))
    yield made
    for venue in made.venues.values():
        venue.stop()


def until_it_ends(books: Books, fields: dict, id_: str) -> str:
    """The command, and then what time brings."""

    async def work() -> str:
        books.desk.tick()  # what an earlier life has left is looked at first
        answer = books.send("transfer", id_, **fields)
        assert answer["error"] is None, answer
        deadline = time.monotonic() + 60
        while True:
            (row,) = books.desk.shown(fields["id"])
            if row["state"] in FINAL and not books.desk.status()["unfinished"]:
                return row["state"]
            assert time.monotonic() < deadline, row
            await asyncio.sleep(0.005)
            books.desk.tick()

    return asyncio.run(work())


def survives(world: World, way: Way, home: Path, steps: int, fields: dict) -> bool:
    """A process of its own makes the transfer and dies after so many steps. False: it ended
    before."""

    def life() -> None:
        books = world.books(way, home)
        books.kill_after(steps)
        until_it_ends(books, fields, "one")
        books.close()

    status = in_a_copy(life)
    assert status in (0, signal.SIGKILL), status
    return status != 0


OTHER_WAYS = (TO_MASTER, TO_FUTURES, AT_ASTER)
OUTCOMES = {
    "plain": ([], {"done"}),
    "answer lost": ([{"action": "drop_answer", "count": 1}], {"done"}),
    # Its deadline comes before another try.
    "request lost": ([{"action": "drop_request"}], {"expired"}),
    "put off": ([{"action": "error", "error": BUSY, "done": False}], {"expired"}),
    "refused": ([{"action": "error", "error": NO, "done": False}], {"failed"}),
}


@pytest.mark.parametrize(
    ("way", "outcome"),
    [
        *((OUT, each) for each in OUTCOMES),
        *((other, "answer lost") for other in OTHER_WAYS),
        *long_form(*((o, each) for o in OTHER_WAYS for each in OUTCOMES if each != "answer lost")),
    ],
)
def test_a_death_before_any_step_pays_neither_twice_nor_half(world, tmp_path, way, outcome):
    rules, states = OUTCOMES[outcome]
    for steps in range(40):
        amount = money_units(f"1.{next(amounts):06d}")
        fields = {
            "id": "t",
            "currency": way.currency.lower(),
            "amount": str(money(amount)),
            "from": way.source or "trading",
            "to": way.target,
            "deadline": "900ms" if "expired" in states else "30s",
        }
        home = tmp_path / str(steps)
        world.books(way, home).close()
        world.faults(way, *rules)
        has_died = survives(world, way, home, steps, fields)
        books = world.books(way, home)
        state = until_it_ends(books, fields, "two")
        world.faults(way)
        # After a death it may have come to its deadline first, or only be known to be over.
        assert state in ({*states, "expired", "failed"} if has_died else states), steps
        is_done = state == "done"
        assert world.carried_out(way, amount) == is_done, steps
        ledger = books.money.ledger
        currency, beside = way.currency, way.wallets[1]
        found = ledger.total(currency), ledger.transit(currency), ledger.total(currency, beside)
        trading, other = (amount * is_done * sign for sign in way.left)
        assert found == (TOTAL + trading, 0, other), steps
        entries = ledger.posted
        second = books.send("transfer", "three", **fields)
        assert second["status"] == "duplicate"
        assert ledger.posted == entries
        books.close()
        if not has_died:
            return
    raise AssertionError("it never ended")
