"""Two gateways killed between any two steps of a transfer from the venue of one to that of the
other: frames of both, and requests to both venues."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from pathlib import Path

import pytest

from long_form import long_form
from onetape.accounts.entries import Outside
from onetape.gateway.transfer_desk import Heard
from onetape.model.money import money, money_units
from onetape.options.gateway import WithdrawalTarget
from onetape.orders.calls import Destination, OrderProtocol, TransferRoute
from onetape.orders.outcome import Answer, Outcome
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue
from worlds.between_venues import CURRENCY, ENDS, End, destinations, open_venues, other, steer
from worlds.books_process import UNIT, Books, Wire
from worlds.copied import in_a_copy

TOTAL = 1000 * UNIT
FEE = money_units("0.0001")
FINAL = ("failed", "expired")
amounts = itertools.count(1)


class Both:
    """The books of both gateways in this process, which dies after so many steps of either."""

    def __init__(self, world: World, home: Path) -> None:
        self.steps_left = -1
        self.books = {end: self._open(world, end, home) for end in ENDS}

    def _open(self, world: World, end: End, home: Path) -> Books:
        account = world.venues[end].ready["accounts"][0]
        withdraw = {
            name: WithdrawalTarget(
                venue=each["venue"],
                wallet=each["wallet"],
                to={currency: Destination(*to) for currency, to in each["to"].items()},
            )
            for name, each in destinations(world.venues, end).items()
        }

        def wire(protocol):
            return Wire(world.venues[end].port, protocol, self.step)

        async def tell(transfer) -> Heard:
            """As the other gateway's door does."""
            fields = {
                "transfer_id": transfer.name,
                "currency": transfer.currency,
                "txid": transfer.txid,
                "amount": str(money(transfer.amount)),
                "wallet": transfer.target.wallet,
                "since": transfer.since,
            }
            answer = self.books[other(end)].desk.arrival(fields)
            if not answer["arrived"]:
                return Heard()
            return Heard(True, money_units(answer["amount"]))

        made = Books(
            home,
            key=account["key"],
            secret=account["secret"],
            wire=wire,
            kind=end.kind,
            currency=CURRENCY,
            account=end.account,
            withdraw=withdraw,
            tell=tell,
        )
        made.writer.append = self._counted(made.writer.append)
        made.writer.append_raw = self._counted(made.writer.append_raw)
        return made

    def _counted(self, append):
        def write(*args, **kwargs):
            self.step()
            return append(*args, **kwargs)

        return write

    def step(self) -> None:
        if self.steps_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.steps_left -= 1

    def close(self) -> None:
        for books in self.books.values():
            books.close()

    def sum(self) -> int:
        """Of all that is in a wallet, on its way or gone in fees; what has come and is not yet
        taken off by its sender counts once."""
        found = 0
        for books in self.books.values():
            ledger = books.money.ledger
            found += sum(ledger.total(CURRENCY, wallet) for wallet in ledger.wallets())
            found += ledger.transit(CURRENCY)
            found += ledger.balance(CURRENCY, int(Outside.FEES))
        return found


class World:
    def __init__(self, folder: Path) -> None:
        self.venues = open_venues(folder, delay="20ms")
        self.began = time.time_ns() - 10**9
        end = ENDS[0]  # has its money in the wallet that it trades from
        protocol = self.protocol(end)
        call = protocol.transfer(TransferRoute("", "spot"), CURRENCY, money_units("0.9"), time.time_ns())
        self.ask(end, protocol, call)

    def protocol(self, end: End) -> OrderProtocol:
        account = self.venues[end].ready["accounts"][0]
        nowhere = Addresses("", "", "")
        return open_trading_venue(end.kind, account["key"], account["secret"], nowhere).protocol

    def ask(self, end: End, protocol: OrderProtocol, call) -> Answer:
        answer = asyncio.run(Wire(self.venues[end].port, protocol, lambda: None).answer(call))
        assert answer.outcome is Outcome.DONE, answer
        return answer

    def faults(self, end: End, *rules: dict) -> None:
        """These and no others."""
        faults = [{"path": end.path, "method": "POST", **rule} for rule in rules]
        for rule in faults:
            if "error" in rule:
                rule["error"] = end.no
        steer(self.venues[end], "/faults", clear=True, fault=faults)

    def carried_out(self, end: End, amount: int) -> int:
        """How often it has come, by the other venue's list of deposits."""
        there = other(end)
        protocol = self.protocol(there)
        call = protocol.deposits(CURRENCY, time.time_ns(), since=self.began)
        return sum(row.amount == amount - FEE for row in self.ask(there, protocol, call).reports)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("steps"))
    yield made
    for venue in made.venues.values():
        venue.stop()


def until_it_ends(both: Both, end: End, fields: dict, id_: str) -> str:
    """The command, and then what time brings."""

    async def work() -> str:
        books = both.books[end]
        for each in both.books.values():
            each.desk.tick()  # what an earlier life has left is looked at first
        answer = books.send("transfer", id_, **fields)
        assert answer["error"] is None, answer
        deadline = time.monotonic() + 60
        while True:
            (row,) = books.desk.shown(fields["id"])
            if row["state"] in FINAL or not books.desk.status()["unfinished"]:
                return row["state"]
            assert time.monotonic() < deadline, row
            await asyncio.sleep(0.005)
            for each in both.books.values():
                each.desk.tick()

    return asyncio.run(work())


def survives(world: World, end: End, home: Path, steps: int, fields: dict) -> bool:
    """A process of its own makes the transfer and dies after so many steps. False: it ended
    before."""

    def life() -> None:
        both = Both(world, home)
        both.steps_left = steps
        until_it_ends(both, end, fields, "one")
        both.close()

    status = in_a_copy(life)
    assert status in (0, signal.SIGKILL), status
    return status != 0


OUTCOMES = {
    "plain": ([], {"done"}),
    "answer lost": ([{"action": "drop_answer", "count": 1}], {"done"}),
    # Its deadline comes before another try.
    "request lost": ([{"action": "drop_request"}], {"expired"}),
    "refused": ([{"action": "error", "error": "no", "done": False}], {"failed"}),
}


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        *((ENDS[0], each) for each in OUTCOMES),
        *((other, "answer lost") for other in ENDS[1:]),
        *long_form(*((o, each) for o in ENDS[1:] for each in OUTCOMES if each != "answer lost")),
    ],
)
def test_a_death_before_any_step_pays_neither_twice_nor_half(world, tmp_path, end, outcome):
    rules, states = OUTCOMES[outcome]
    for steps in range(60):
        amount = money_units("0.001") + next(amounts) * 10**10
        fields = {
            "id": f"t{next(amounts)}",
            "currency": CURRENCY,
            "amount": str(money(amount)),
            "from": end.wallet or "trading",
            "to": other(end).place,
            "deadline": "900ms" if "expired" in states else "30s",
        }
        home = tmp_path / str(steps)
        both = Both(world, home)
        total = both.sum()
        both.close()
        world.faults(end, *rules)
        has_died = survives(world, end, home, steps, fields)
        both = Both(world, home)
        on_the_way = both.sum()
        state = until_it_ends(both, end, fields, "two")
        world.faults(end)
        # After a death it may have come to its deadline first, or only be known to be over.
        assert state in ({*states, "expired", "failed"} if has_died else states), steps
        is_done = state == "done"
        assert world.carried_out(end, amount) == is_done, steps
        local, there = (both.books[each].money.ledger for each in (end, other(end)))
        assert local.transit(CURRENCY) == there.transit(CURRENCY) == 0, steps
        assert local.balance(CURRENCY, int(Outside.FEES)) == FEE * is_done
        assert both.sum() == total, steps
        # At the death it was in one of them, or on its way, or in both by one id.
        assert on_the_way in (total, total + amount - FEE), steps
        entries = local.posted, there.posted
        second = both.books[end].send("transfer", "three", **fields)
        assert second["status"] == "duplicate"
        assert entries == (local.posted, there.posted)
        both.close()
        if not has_died:
            return
    raise AssertionError("it never ended")
