"""One life of a gateway's core in virtual time, with files as its process has them. It may be
killed before any frame of its journal."""

from __future__ import annotations

import random
import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from onetape.accounts.table import AccountTable
from onetape.gateway.by_hand import OrdersByHand
from onetape.gateway.checkpoint import Recovered, recover, write_checkpoint
from onetape.gateway.command_handlers import Commands
from onetape.gateway.core import GatewayCore
from onetape.gateway.gateway_tape import GatewayTape
from onetape.gateway.latency_spans import Spans
from onetape.ipc.fence import Fence
from onetape.model.enums import OrderNews
from onetape.model.home import gateway_journal
from onetape.model.sections import GUARDIAN
from onetape.options.gateway import GatewayOptions
from onetape.orders.account_orders import AccountOrders
from onetape.orders.managed import FillOut, IntentOut, NewsOut, Out
from onetape.orders.order import Order
from onetape.orders.order_frames import FillFrame, fill_of, request_of
from onetape.orders.reports import FillReport
from onetape.projections.checkpoint import checkpoint_file
from onetape.security.tokens import make_token
from onetape.simulation.robots import LEVERAGE, NAMES
from onetape.tape.journal import JournalReader, JournalWriter, type_id
from onetape.tape.payloads import fields
from onetape.tape.recovered_instruments import preamble_of, recovered_instruments

PROCESS = "gateway:main"
SLOTS = {"one": 2, "two": 3, "three": 4}  # robots trade with two of them


class Died(Exception):
    """kill -9."""


class Home:
    """A gateway's folder. It outlives the gateway, not the world. lasting: where folders are made that stay;
    None: they are temporary."""

    lasting: ClassVar[Path | None] = None

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="world-", dir=self.lasting))
        if self.lasting is None:  # worlds have no end that a test could await
            weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
        self.tokens = {name: make_token(self.path, name) for name in ("operator", GUARDIAN, *SLOTS)}


ORDER_REQUEST, FILL = type_id("order_request"), type_id("fill")
NEWS = fields("order_event", "order_id", "ts_event", "news", "robot")


class MortalWriter:
    """A journal's writer. left: frames until its process is killed; below zero it is not."""

    def __init__(self, writer: JournalWriter) -> None:
        self._writer = writer
        self.left = -1

    def _live(self) -> None:
        if self.left == 0:
            raise Died
        self.left = max(self.left - 1, -1)

    @property
    def published(self) -> int:
        return self._writer.published

    @property
    def epoch(self) -> int:
        return self._writer.epoch

    def append(self, *args: Any, **named: Any) -> int:
        self._live()
        return self._writer.append(*args, **named)

    def append_raw(self, *args: Any) -> int:
        self._live()
        return self._writer.append_raw(*args)

    def append_instrument(self, *args: Any) -> int:
        self._live()
        return self._writer.append_instrument(*args)

    def ensure(self, level: str) -> int:
        return self._writer.ensure("process")  # what dies here is no machine

    def close(self) -> None:
        self._writer.close()

    def leave(self) -> None:
        """As a killed process does: nothing is closed or sealed."""
        self._writer.__dict__.clear()


class SeenTape(GatewayTape):
    """seen: told of what has been written, before anything follows from it."""

    seen: Callable[[Out], None]
    plain: int = 0  # frames that the core has made

    def write(self, out: Out, now: int) -> int:
        sequence = super().write(out, now)
        self.seen(out)
        return sequence

    def append_plain(self, kind: int, payload: bytes, stream: int, time: int, is_risk: bool) -> int:
        sequence = super().append_plain(kind, payload, stream, time, is_risk)
        self.plain += 1
        orders = self.state.orders.account.by_robot
        if kind == ORDER_REQUEST:
            request = request_of(payload, "")
            order = orders[request.robot, request.order_id]
            self.seen(IntentOut(order, request.kind, request.spec.price_int, request.spec.size_int))
        elif kind == FILL:
            fill = fill_of(payload)
            self.seen(FillOut(order := orders[fill.robot, fill.order_id], self._reported(fill, order)))
        else:
            order_id, at, news, robot = NEWS.unpack(payload)
            order = orders[robot, order_id]
            self.seen(NewsOut(order, OrderNews.from_id(news), order.state, at, 0, ""))
        return sequence

    def _reported(self, fill: FillFrame, order: Order) -> FillReport:
        """What the venue said of it."""
        return FillReport(
            order.spec.symbol,
            order.client_id,
            order.venue_id,
            fill.trade_id,
            fill.side,
            fill.position_side,
            fill.price,
            fill.size,
            fill.time,
            fill.fee,
            self.currencies.get(fill.currency, ""),
            fill.liquidity,
        )


class Life:
    """`begin` may raise Died; then `end` it all the same."""

    def __init__(self, world: Any, home: Home) -> None:
        self.world = world
        path = gateway_journal(home.path, "main")
        by_symbol = {i.symbol: i for i in world.instruments}
        self.options = GatewayOptions(
            kind=world.kind,
            account="main",
            rest="",
            ws="",
            key="",
            secret="",
            symbols=[],
            home=str(home.path),
            subaccounts=SLOTS,
            credit=world.credit,
            leverage=LEVERAGE,
            commands="process",
            is_guarded=world.is_guarded,
            is_slow=world.is_slow,
            position_max={s: float(by_symbol[s].size(n)) for s, n in world.limits.items()},
        )
        self._fence = Fence(home.path, "main", holder="gateway")
        assert self._fence.take()
        self.core = GatewayCore(self.options, world.venue, world)
        self._kept = self.core.kept_money(world.instruments)
        self._recovered = Recovered.nothing(AccountOrders(world.venue.protocol), self._kept)
        if path.exists():
            file = checkpoint_file(home.path, "main")
            self._check_point(path, file)
            self._recovered = recover(path, file, AccountOrders(world.venue.protocol), self._kept)
            assert not self._recovered.refused
        before = preamble_of(recovered_instruments(path, PROCESS))
        self.writer = MortalWriter(
            JournalWriter(
                path,
                process=PROCESS,
                account="main",
                uuid=world.identity("gateway"),
                durable=False,
                segment_bytes_first=1 << 18,
                extra_preamble=before,
            )
        )
        self.table = AccountTable(home.path, venue=world.kind, account="main", kind=world.kind, names=SLOTS)

    def _check_point(self, path: Path, file: Path) -> None:
        """Before every other start, of some frame of the journal, from the one before on."""
        with JournalReader(path) as reader:
            last = reader.last_sequence
        chance = random.Random(last)
        if chance.random() < 0.5:
            self.make_checkpoint(path, file, chance.randrange(1, last + 1))
            self.world.seen["checkpoint"] += 1

    def make_checkpoint(self, path: Path, file: Path, sequence: int) -> None:
        other = GatewayCore(self.options, self.world.venue, self.world)
        kept = other.kept_money(self.world.instruments)
        found = recover(path, file, AccountOrders(self.world.venue.protocol), kept, until=sequence + 1)
        write_checkpoint(path, file, found, sequence=sequence)

    def begin(self, *, with_robots: bool) -> None:
        world, core, read = self.world, self.core, self._recovered.account
        writer: Any = self.writer
        tape = SeenTape(writer, world.instruments, read.parts, self._recovered.state, read.currencies)
        tape.seen = world.out
        core.open(world.instruments, world, self.table, self._recovered, tape, world.moment())
        assert core.gate.limits.position_max == world.limits
        for number, name in NAMES.items() if with_robots else ():
            if number not in tape.robots:
                life = core.requests.attach(name, "", world.now, slot=SLOTS[name])
                assert life is not None and life.number == number
        hands = OrdersByHand(core, runs=lambda number: number in NAMES, now=lambda: world.now)
        self.commands = Commands(
            self.options,
            core,
            tape,
            now=lambda: world.now,
            carry_out=core.carry_out,
            spans=Spans(),
            once=tape.state.once,
            money=core.money,
            wall=lambda: world.now,
            by_hand=hands.handlers,
        )

    def close(self) -> None:
        """Ends as a process that was asked to: its journal is sealed."""
        self.writer.close()
        self.end()

    def end(self) -> None:
        """Killed: its files stay as they are."""
        self.writer.leave()
        self.table._writer.close()
        self._fence.release()
