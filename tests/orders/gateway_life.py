"""One life of a gateway in virtual time: its tape, its account's money and its commands, put
together as `gateway/gateway.py` does, with files as they are there. It may be killed before any
frame of its journal."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from onetape.accounts.reductions import Reductions
from onetape.accounts.table import AccountTable
from onetape.gateway.account_money import AccountMoney
from onetape.gateway.checkpoint import Recovered, checkpoint_file, recover, write_checkpoint
from onetape.gateway.command_handlers import Commands
from onetape.gateway.gateway_tape import GatewayTape, RobotLife
from onetape.gateway.kept_money import KeptMoney
from onetape.gateway.latency_spans import Spans
from onetape.gateway.options import GatewayOptions, gateway_journal
from onetape.orders.manager import OrderManager
from onetape.security.tokens import make_token
from onetape.tape.journal import JournalReader, JournalWriter
from orders.gateway_robots import LEVERAGE, NAMES

SLOTS = {"one": 2, "two": 3, "three": 4}  # robots trade with two of them


class Died(Exception):
    """kill -9."""


class Home:
    """A gateway's folder. It outlives the gateway, not the world."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="world-")
        self.path = Path(self._folder.name)
        self.tokens = {name: make_token(self.path, name) for name in ("operator", *SLOTS)}


class MortalWriter:
    """A journal's writer. left: frames until its process is killed; below zero it is not."""

    def __init__(self, writer: JournalWriter) -> None:
        self._writer = writer
        self.left = -1

    def _live(self) -> None:
        if self.left == 0:
            raise Died
        self.left = max(self.left - 1, -1)

    def append(self, *args, **named) -> int:
        self._live()
        return self._writer.append(*args, **named)

    def append_raw(self, *args) -> int:
        self._live()
        return self._writer.append_raw(*args)

    def append_instrument(self, *args) -> int:
        self._live()
        return self._writer.append_instrument(*args)

    def ensure(self, level: str) -> int:
        return self._writer.ensure(level)

    def leave(self) -> None:
        """As a killed process does: nothing is closed or sealed."""
        self._writer.__dict__.clear()


class Life:
    """`begin` may raise Died; then `end` it all the same."""

    def __init__(self, world, home: Home, manager: OrderManager) -> None:
        self.world, self.manager = world, manager
        path = gateway_journal(home.path, "main")
        self.is_new = not path.exists()
        self.options = GatewayOptions(
            kind=world.kind,
            account="main",
            rest="",
            ws="",
            key="",
            secret="",
            home=str(home.path),
            symbols=[],
            subaccounts=SLOTS,
            credit=world.credit,
            leverage=LEVERAGE,
            commands="process",
        )
        self._kept = self._money(manager)
        recovered = Recovered.nothing(manager)
        if not self.is_new:
            file = checkpoint_file(home.path, "main")
            self._check_point(path, file)
            recovered = recover(path, file, manager, self._kept)
            assert not recovered.refused
        self._old, self.recovery = recovered.tape, recovered.recovery
        self.writer = MortalWriter(
            JournalWriter(path, process="gateway:main", account="main", durable=False, segment_bytes_first=1 << 18)
        )
        self.table = AccountTable(home.path, venue=world.kind, account="main", kind=world.kind, names=SLOTS)

    def _money(self, manager: OrderManager) -> KeptMoney:
        world = self.world
        return KeptMoney(
            self.options,
            {i.symbol: i for i in world.instruments},
            manager.references,
            world.protocol.slack,
            known=world.protocol.known_move,
        )

    def _check_point(self, path: Path, file: Path) -> None:
        """Before every other start, of some frame of the journal, from the one before on."""
        with JournalReader(path) as reader:
            last = reader.last_sequence
        chance = random.Random(last)
        if chance.random() < 0.5:
            sequence = chance.randrange(1, last + 1)
            manager = OrderManager(self.world.protocol)
            kept = self._money(manager)
            found = recover(path, file, manager, kept, until=sequence + 1)
            write_checkpoint(path, file, found, kept, sequence=sequence)
            self.world.seen["checkpoint"] += 1

    def begin(self, *, with_robots: bool) -> None:
        world, manager, old = self.world, self.manager, self._old
        self.tape = GatewayTape(
            self.writer,  # type: ignore[arg-type]
            world.instruments,
            robots=old.robots,
            currencies=old.currencies,
        )
        manager.owner_of = self.tape.owner_of
        reductions = Reductions(
            manager,
            self._kept.instruments,
            own=lambda *of: self.money.own(*of),
            slot_of=self.tape.slot_of,
            bounds=world.limits,
            is_shared=True,
        )
        self.money = AccountMoney(
            self._kept,
            self.writer,  # type: ignore[arg-type]
            self.table,
            reductions,
            slot_of=self.tape.slot_of,
            say=lambda out: manager.outs.append(out),
            stop=self._stop,
            forced=world.protocol.traits.forced,
            wall=lambda: world.now,
        )
        self.money.recover()
        self.tape.open(world.now)
        self.recovery.finish(world.now)
        for order in manager.open.values():
            self.money.order(order)
        for number, name in NAMES.items() if with_robots else ():
            if number not in self.tape.robots:
                self.tape.attach(RobotLife(number, name, 1, "", slot=SLOTS[name]), world.now)

    def open_door(self) -> None:
        world = self.world
        self.commands = Commands(
            self.options,
            world.manager,
            world.gate,
            world.reconciler,
            self.tape,
            now=lambda: world.now,
            carry_out=world.write,
            spans=Spans(),
            once=self._old.once,
            money=self.money,
            wall=lambda: world.now,
        )

    def _stop(self, slots: tuple[int, ...]) -> None:
        manager = self.manager
        for order in list(manager.open.values()):
            if order.robot and self.tape.slot_of(order.robot) in slots:
                manager.cancel_once(order, self.world.now)

    def end(self) -> None:
        """Killed: its files stay as they are."""
        self.writer.leave()
        self.table._writer.close()
