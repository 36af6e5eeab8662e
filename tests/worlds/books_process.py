"""The books of a gateway in this process, which dies after so many steps."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from onetape.accounts.kept_money import KeptMoney
from onetape.accounts.reductions import Reductions
from onetape.accounts.table import AccountTable
from onetape.gateway.account_money import AccountMoney
from onetape.gateway.checkpoint import Recovered, recover
from onetape.gateway.command_handlers import Commands
from onetape.gateway.latency_spans import Spans
from onetape.gateway.transfer_desk import TransferDesk
from onetape.model.home import gateway_journal
from onetape.options.gateway import WithdrawalTarget
from onetape.orders.account_orders import AccountOrders
from onetape.orders.calls import OrderProtocol
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import BalanceReport
from onetape.security.tokens import make_token
from onetape.tape.journal import JournalWriter
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue
from orders.surroundings import manager_at
from waiting import PATIENCE_S
from worlds.gateway_money import options_of
from worlds.gateway_tapes import tape_after

UNIT = 10**18


class Wire:
    """One request after the other; before each and after its answer is a step."""

    def __init__(self, port: int, protocol: OrderProtocol, step) -> None:
        self.port, self.protocol, self.step = port, protocol, step

    async def answer(self, call) -> Answer:
        self.step()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
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


class Books:
    """What of a gateway moves money: its commands, its ledger and its tape. wire: to the venue,
    made of its protocol; None: without it."""

    def __init__(
        self,
        home: Path,
        *,
        key: str = "key",
        secret: str = "secret",
        wire: Callable[[Any], Any] | None = None,
        siblings: dict[str, str] | None = None,
        kind: str = "binance-usdm",
        currency: str = "USDT",
        account: str = "main",
        withdraw: dict[str, WithdrawalTarget] | None = None,
        tell: Callable[[Any], Any] | None = None,
    ) -> None:
        venue = kind.partition("-")[0]
        options = options_of(
            home,
            kind=kind,
            account=account,
            key=key,
            secret=secret,
            subaccounts={"a": 2},
            commands="process",
            transfer_settled_ns=20_000_000,
            siblings=siblings or {},
            withdraw=withdraw or {},
        )
        make_token(home, "a")
        self.token = make_token(home, "operator")
        path = gateway_journal(home, account)
        protocol = open_trading_venue(kind, key, secret, Addresses("", "", "")).protocol
        kept = KeptMoney(options, {}, {}, lambda _: 0)
        recovered = Recovered.nothing(AccountOrders(protocol), kept)
        if path.exists():
            recovered = recover(path, home / "none", AccountOrders(protocol), kept)
        self.writer = JournalWriter(path, process=f"gateway:{account}")
        tape = tape_after(recovered, self.writer, ())
        table = AccountTable(home, venue=venue, account=account, kind=kind)
        reductions = Reductions(
            manager_at(protocol), {}, own=lambda *of: 0, slot_of=lambda _: 1, bounds={}, is_shared=True
        )
        self.money = AccountMoney(
            kept,
            self.writer,
            table,
            reductions,
            slot_of=lambda _: 1,
            say=lambda _: None,
            stop=lambda _: None,
            wall=time.time_ns,
        )
        self.steps_left = -1  # never
        self.money.recover()
        reported = BalanceReport(currency, 1000 * UNIT, 1)
        self.money.begin({currency: reported}, is_other=False)
        self.money.ready()
        self.desk = TransferDesk(
            options,
            [venue],
            self.money,
            tape,
            protocol,
            wire(protocol) if wire else None,
            now=time.time_ns,
            spawn=asyncio.ensure_future,
            say=lambda _: None,
            tell=tell,
        )
        self.desk.recover(list(kept.transfers.values()), kept.arrivals)
        self.door = Commands(
            options,
            None,
            tape,
            now=time.time_ns,
            carry_out=lambda: None,
            spans=Spans(),
            once=tape.state.once,
            money=self.money,
            transfers=self.desk,
        ).door

    def send(self, command: str, id_: str = "one", **fields: Any) -> dict[str, Any]:
        request = {"id": id_, "actor": "operator", "token": self.token, "target": "gateway"}
        reply = self.door.answer({**request, "command": command, "fields": fields})
        self.door.settle()
        return reply

    def slots(self) -> list[int]:
        return [amount // UNIT for amount in self.money.ledger.slots("USDT", 3)]

    def kill_after(self, steps: int) -> None:
        """So many more are made by this process: frames written, and what calls `step`."""
        self.steps_left = steps

        def counted(append):
            def write(*args, **kwargs):
                self.step()
                return append(*args, **kwargs)

            return write

        # `append` writes by it as well.
        self.writer.append_raw = counted(self.writer.append_raw)

    def step(self) -> None:
        if self.steps_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.steps_left -= 1

    def close(self) -> None:
        self.money.close()
        self.writer.close()
