"""A gateway killed between any two steps of a command that moves money: command, entry, reply."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from onetape.accounts.table import AccountTable
from onetape.ipc.once import Once
from onetape.orders.manager import OrderManager
from onetape.orders.recover import Recovery
from onetape.services.gateway_commands import Commands
from onetape.services.gateway_journal import GatewayTape
from onetape.services.gateway_money import AccountMoney, KeptMoney
from onetape.services.gateway_options import GatewayOptions, gateway_journal
from onetape.services.gateway_spans import Spans
from onetape.store.tokens import make_token
from onetape.tape.journal import JournalWriter
from onetape.venues.gateways import Addresses, open_trading_venue

UNIT = 10**18


class Books:
    """What of a gateway moves money: its commands, its ledger and its tape, without the venue."""

    def __init__(self, home: Path) -> None:
        options = GatewayOptions(
            kind="binance-usdm", account="main", rest="", ws="", key="key", secret="secret",
            home=str(home), symbols=[], subaccounts={"a": 2}, commands="process",
        )  # fmt: skip
        make_token(home, "a")
        self.token = make_token(home, "operator")
        path = gateway_journal(home, "main")
        kept, once = KeptMoney(), Once()
        if path.exists():
            venue = open_trading_venue("binance-usdm", "key", "secret", Addresses("", "", "", ""))
            old = GatewayTape(None, ())
            old.recover(path, Recovery(OrderManager(venue.protocol)), kept)
            once = old.once
        self.writer = JournalWriter(path, process="gateway:main")
        tape = GatewayTape(self.writer, ())
        table = AccountTable(home, venue="binance", account="main", kind="binance-usdm")
        self.money = AccountMoney(
            options, {}, {}, self.writer, table, slot_of=lambda _: 1, slack=lambda _: 0,
            say=lambda _: None, stop=lambda _: None,
        )  # fmt: skip
        self.money.recover(kept)
        self.money.begin({"USDT": (1000 * UNIT, 1)}, {}, is_other=False)
        self.door = Commands(
            options, None, None, None, tape, now=time.time_ns, carry_out=lambda: None,
            spans=Spans(), once=once, money=self.money,
        ).door  # fmt: skip

    def send(self, command: str, **fields: Any) -> dict[str, Any]:
        request = {"id": "one", "actor": "operator", "token": self.token, "target": "gateway"}
        told = self.door.answer({**request, "command": command, "fields": fields})
        self.door.settle()
        return told

    def slots(self) -> list[int]:
        return [amount // UNIT for amount in self.money.ledger.slots("USDT", 3)]

    def kill_after(self, frames: int) -> None:
        """So many more of them are written by this process."""
        left = frames

        def counted(append):
            def write(*args, **kwargs):
                nonlocal left
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1
                return append(*args, **kwargs)

            return write

        self.writer.append = counted(self.writer.append)
        self.writer.append_raw = counted(self.writer.append_raw)

    def close(self) -> None:
        self.money.close()
        self.writer.close()


def killed(home: Path, frames: int, command: str, fields: dict[str, Any]) -> None:
    """A process of its own does a command, and dies after so many frames."""
    child = os.fork()
    if child == 0:
        try:
            books = Books(home)
            books.kill_after(frames)
            books.send(command, **fields)
        finally:
            os.kill(os.getpid(), signal.SIGKILL)  # at the latest when it is done
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.mark.parametrize("frames", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("command", "fields", "after"),
    [
        ("allocate", {"index": 2, "amount": "100"}, [1000, 900, 100]),
        ("strategy_balance", {"cmd": "allocate", "index": 2, "amount": 100}, [1000, 900, 100]),
        ("adjust", {"delta": "-250", "transfer_id": "t1"}, [750, 750, 0]),
        ("set", {"index": 2, "amount": "7"}, [1000, 993, 7]),
        ("set", {"index": 0, "amount": "900"}, [900, 900, 0]),
        ("reset", {"amount": "500"}, [500, 500, 0]),
    ],
)
def test_what_is_sent_again_after_a_kill_is_booked_once(
    tmp_path: Path, command: str, fields: dict[str, Any], after: list[int], frames: int
):
    fields = {"currency": "usdt", **fields}
    first = Books(tmp_path)
    assert first.slots() == [1000, 1000, 0]
    first.close()
    killed(tmp_path, frames, command, fields)
    before = after if frames >= 2 else [1000, 1000, 0]  # the entry is the second frame
    for found in (before, after):  # whatever a life has remembered, the next one does too
        books = Books(tmp_path)
        assert books.slots() == found
        told = books.send(command, **fields)
        assert told["status"] in ("applied", "duplicate") and told["error"] is None, told
        assert books.slots() == after
        assert books.send(command, **fields)["status"] == "duplicate"
        other = {**fields, "amount": "1", "delta": "1"}
        assert books.send(command, **other)["error"]["name"] == "DUPLICATE_COMMAND"
        assert books.slots() == after
        books.close()
