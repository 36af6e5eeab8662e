"""A gateway's core, a simulated exchange and a bad network in one virtual time.

The core is the one that trades: this is another shell around it, whose clock is virtual, whose
network loses, delays and repeats, and whose process is killed before any frame of its journal.

One seed decides everything: what two robots want, what the network does to each request, each
answer and each message of the stream, when the gateway is killed, when its operator throws the
switch, and what other hands and the venue itself do to the account. `World(seed).run(seconds)`
trades under faults, holds to `gateway_invariants` after every event, then lets the world be quiet,
and says where the two sides differ.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from onetape.exchange.dialect import Connection, Reply
from onetape.exchange.dialect import Request as Http
from onetape.exchange.hands import deposit, trade_by_hand
from onetape.exchange.venues import Crowd, facts_of, open_venue
from onetape.gateway.account_money import AccountMoney
from onetape.gateway.core import GatewayCore, Moment
from onetape.gateway.gateway_tape import GatewayTape
from onetape.model.enums import Kind, OrderNews, PositionSide, RequestKind, Side
from onetape.model.instrument import Instrument
from onetape.model.money import money_text
from onetape.model.sections import OPERATOR
from onetape.orders.calls import Call, Purpose
from onetape.orders.gate import Gate
from onetape.orders.managed import FillOut, IntentOut, NewsOut, Out
from onetape.orders.manager import OrderManager
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reconcile import Reconciler
from onetape.simulation.faults import SPEECHLESS, Faults
from onetape.simulation.gateway_life import Died, Home, Life
from onetape.simulation.invariants import Invariants
from onetape.simulation.money_invariants import MoneyInvariants
from onetape.simulation.owners import Owners
from onetape.simulation.robots import TAGS, SimRobot
from onetape.simulation.state_invariants import StateInvariants
from onetape.simulation.venue_numbers import venue_number
from onetape.venues.client_ids import client_id_of
from onetape.venues.contract import AccountStream, Addresses, joined
from onetape.venues.open import open_trading_venue
from onetape.venues.typed_data import checked

MS = 1_000_000
SECOND = 1000 * MS
START = 1_795_000_000 * SECOND
LINE_HELD = SECOND  # as the gateway's, where requests go in order
CALL_TIMEOUT = 4 * SECOND
LIVE_WITHIN = 10 * SECOND  # as the gateway's feed
QUIET_CHECK = 10 * SECOND  # how old a look at the account's money may be at the end
PING_EVERY = 10 * SECOND
TURN = 100 * MS  # the core hears of the time at least so often
WS_PATHS = {"pacifica": "/ws", "bitmex": "/realtime", "bybit": "/v5/private", "hyperliquid": "/ws"}  # where it is none
# What is traded beside a swap in one account, in every other world: spot, or a dated contract.
BESIDE = {
    "okx": ("okx:BTC/USDT", "okx:BTC/USDT:USDT-261225"),
    "hyperliquid": ("hyperliquid:PURR/USDC", "hyperliquid:HYPE/USDC"),
}
MARKET_RATE = 0.5  # enough to fill what is near, and little to compute


@dataclass
class World:
    seed: int
    faults: Faults = field(default_factory=Faults)
    kind: str = "binance-usdm"
    crashes: bool = True  # the gateway is killed now and then
    crash_every: int = 120  # seconds, about
    is_guarded: bool = False  # nothing is opened but under a guardian's lease
    sells_to_buy: bool = False  # robots close one thing to open another
    is_slow: bool = False  # the list of rules judges each order
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.now = START
        self.open_account()
        # Some have credit, and in some nothing moves money that nobody tells of.
        self.quote = {"kraken": "USD", "pacifica": "USDC", "hyperliquid": "USDC"}.get(self.kind, "USDT")
        self.credit = {self.quote: "5000"} if self.seed % 4 == 1 else {}
        # Nor does this venue list what was missed.
        self.is_open = self.seed % 2 == 0 or self.kind == "binance-spot"
        self.listed = b""
        self.open_venue()
        self.line: deque[Call] = deque()
        self.in_line: Call | None = None  # it keeps the next ones waiting
        self.unanswered: list[Call] = []
        # At Bybit a contract in USDT, spot, and a contract in coin; the first two have the same raw symbol.
        self.symbols = [i.symbol for i in self.exchange.instruments[: 3 if self.kind == "bybit" else 2]]
        by_symbol = {i.symbol: i for i in self.instruments}
        for instrument in self.exchange.instruments:  # what is listed is what there is
            ours = by_symbol[instrument.symbol]
            for fact in ("tick", "lot", "size_min", "price_decimals", "size_decimals"):
                assert getattr(ours, fact) == getattr(instrument, fact)
        self.held_first = {i.symbol: self.account.qty(n) for n, i in enumerate(self.exchange.instruments)}
        self.places = list(range(len(self.symbols)))  # of the symbols that robots and other hands trade
        self.robots = [SimRobot(self, number) for number in (1, 2)]
        # Of each symbol some twelve usual orders.
        self.limits = {symbol: 12 * self.robots[0].usual(symbol) for symbol in self.symbols}
        self.invariants = Invariants(self, TAGS)
        self.outs: list[Out] = []
        self.events: list[tuple[int, int, Callable[..., object], tuple[Any, ...]]] = []
        self.count = 0
        self.streams: dict[Connection, AccountStream] = {}
        self.frozen_until = 0
        self.is_quiet = self.stopping = self.is_pinging = False
        self.is_dead = False  # the gateway is, and `life` its last one
        self.is_mortal = False  # it is killed before the next call leaves, or
        self.is_mortal_at_fill = False  # between the next fill and what follows from it
        self.kept_back: list[Call] | None = None  # calls, where somebody wants to answer them
        self.owners = Owners(self)
        self.money_invariants = MoneyInvariants(self)
        self.state_invariants = StateInvariants(self)
        self.home = Home()
        self.begin_gateway(self.home)
        self.money_invariants.follow(self.home)
        self.state_invariants.follow(self.home)

    def open_account(self) -> None:
        """At an exchange of its own, in one of the modes that its venue has."""
        beside = BESIDE.get(self.kind, ()) if self.seed % 2 else ()
        symbols: tuple[str, ...] = (facts_of(self.kind).symbols[0], beside[self.seed // 2 % 2]) if beside else ()
        if self.kind == "hyperliquid" and not beside:  # spot is in another wallet, unless it is traded, too
            symbols = facts_of(self.kind).symbols[:2]
        market = Crowd(MARKET_RATE, 30 * SECOND, symbols)
        self.dialect = open_venue(self.kind, seed=self.seed, now=START, limits=False, market=market)
        # Some worlds have other hands in them; then exposure is not the gateway's alone.
        self.hands = self.seed % 3 == 0
        self.exchange = self.dialect.exchange
        self.account = self.exchange.accounts[0]
        if self.seed % 5 == 4 and self.kind not in ("kraken", "pacifica", "bitmex", "hyperliquid", "binance-spot"):
            self.exchange.accounts.set_hedge(self.account, True, START)
        self.key, self.secret = self.account.key, self.account.secret
        if self.kind == "hyperliquid":
            self.choose_wallets(is_joint=bool(beside))
        if self.kind == "okx" and self.seed % 3 == 1:
            self.exchange.accounts.set_level(self.account, "3")
        self.isolated = self.kind == "okx" and self.seed % 3 == 2  # its orders name the mode
        if self.isolated or (self.kind == "bybit" and self.seed % 3 == 1):
            for at, instrument in enumerate(self.exchange.instruments):
                self.exchange.accounts.set_isolated(self.account, at, instrument.kind is not Kind.SPOT, START)
        if self.kind == "binance-spot" and self.seed % 3 == 1:
            self.exchange.accounts.set_fee_currency(self.account, "BNB")

    def identity(self, process: str) -> bytes:
        """Returns the identity of a new journal: the same in each play of the seed."""
        return hashlib.sha256(f"{self.kind} {self.seed} {process}".encode()).digest()[:16]

    def choose_wallets(self, *, is_joint: bool) -> None:
        """The account is a sub-account in some worlds, which the main wallet's agent trades. is_joint: its wallets are
        one; else only that of perpetuals has money."""
        accounts = self.exchange.accounts
        if self.seed % 8 in (2, 5):
            main, address = self.key, checked(f"0x{self.seed % 2**32:040x}")
            self.account = accounts.open("sub", address, "", facts_of(self.kind).balances, parent=main)
            self.key = f"{main}/{address}"
        if is_joint:
            accounts.join_wallets(self.account, START)
            accounts.set_level(self.account, "unifiedAccount")
            return
        held = self.account.money.balance(self.exchange.currencies.index(self.account.spot_money))
        accounts.deposit(self.account, self.account.spot_money, money_text(-held), START)

    def open_venue(self) -> None:
        """As a process begins to know it."""
        self.venue = open_trading_venue(
            self.kind, self.key, self.secret, Addresses("", "", ""), self.account.password, isolated=self.isolated
        )
        self.protocol = self.venue.protocol
        self.listed = self.listed or joined([self.http(each).body for each in self.venue.instrument_lists()])
        self.instruments = self.venue.instruments_of(self.listed, frozenset())

    def begin_gateway(self, home: Home, *, frames: int = -1, with_robots: bool = True) -> None:
        """One life of it, with what its journal says of earlier ones. May raise Died, after so many
        frames."""
        self.open_venue()
        self.is_mortal = self.is_mortal_at_fill = False
        self.life = Life(self, home)
        self.life.writer.left = frames
        self.life.begin(with_robots=with_robots)
        self.watch_proceeds()
        for n, each in enumerate(self.exchange.instruments):
            self.note_price(each.symbol, self.exchange.listings[n].last)

    def note_price(self, symbol: str, price: int) -> None:
        """The gateway knows it, as by its market."""
        references: Any = self.manager.references  # the market's own, which it reads
        references[symbol] = price

    def watch_proceeds(self) -> None:
        """What is held before an order that has waited leaves is noted: a fill may have changed
        it."""
        proceeds = self.core.proceeds
        look = proceeds.look

        def noted(now: int) -> None:
            if proceeds.waiting:
                self.money_invariants.note_held()
            look(now)

        proceeds.look = noted  # type: ignore[method-assign]  # seen from here, and done there

    @property
    def core(self) -> GatewayCore:
        return self.life.core

    @property
    def manager(self) -> OrderManager:
        return self.core.manager

    @property
    def gate(self) -> Gate:
        return self.core.gate

    @property
    def reconciler(self) -> Reconciler:
        return self.core.reconciler

    @property
    def money(self) -> AccountMoney:
        return self.core.money

    @property
    def tape(self) -> GatewayTape:
        return self.core.tape

    def sides_of(self, instrument: Instrument) -> tuple[PositionSide, ...]:
        return (PositionSide.BOTH,) if instrument.kind is Kind.SPOT else self.account.sides

    # --- what the core sees of the market, and its effects ----------------------------------------

    def best(self, symbol: str) -> tuple[int, int]:
        listing = self.exchange.listings[self.symbols.index(symbol)]
        return listing.bid, listing.ask

    def silent_ns(self, symbol: str) -> int:
        return 0

    def silent_max_ns(self, symbol: str) -> int:
        return 0

    def in_front(self, symbol: str, side: Side, price: int) -> int:
        return 0

    def messages(self) -> int:
        return self.now // (100 * MS)

    def out(self, out: Out) -> None:
        """It stands on the journal."""
        self.outs.append(out)
        self.invariants.out(out)
        self.money_invariants.out(out)
        match out:
            case IntentOut() if out.order.is_unfunded:
                self.seen["waits for money"] += 1
            case IntentOut() if out.kind is RequestKind.PLACE and not out.is_reissue:
                self.seen["robot places"] += 1
            case IntentOut() if out.kind is RequestKind.AMEND:
                self.seen["robot amends"] += 1
            case NewsOut() if out.news is OrderNews.DENIED:
                self.seen[f"denied {out.code}"] += 1
            case FillOut() if self.is_mortal_at_fill:
                raise Died

    def send(self, calls: list[Call]) -> None:
        """To the wire."""
        if self.is_mortal:
            raise Died
        if self.kept_back is not None:
            self.kept_back += calls
            return
        for call in calls:
            self.invariants.call(call)
            self.leave(call)

    def cut_stream(self) -> None:
        self.seen["silent stream"] += 1
        self.at(self.now, self.cut, self.streams)

    def clock_set(self, step: int) -> None:
        """It moves no money."""

    def wake(self) -> None:
        """Its robots look at its orders, not at its journal."""

    # --- time -------------------------------------------------------------------------------------

    def moment(self) -> Moment:
        return Moment(self.now, self.now, self.now)

    def at(self, when: int, what: Callable[..., object], *args: Any) -> None:
        self.count += 1
        heapq.heappush(self.events, (when, self.count, what, args))

    def run(self, seconds: float) -> World:
        self.connect()
        self.trade()
        self.until(self.now + int(seconds * SECOND))
        self.be_quiet()
        return self

    def trade(self) -> None:
        """Begins what everybody wants, and what goes wrong."""
        for robot in self.robots:
            self.at(self.now + SECOND, robot.act)
            if self.sells_to_buy:
                self.at(self.now + SECOND, robot.sell_to_buy)
        self.at(self.now + SECOND, self.owners.act)
        for what, every in self.chances():
            self.at(self.now + int(self.random.expovariate(1 / every) * SECOND), what, every)

    def chances(self) -> tuple[tuple[Callable[[int], None], int], ...]:
        """Returns what happens by chance, with the seconds from one time to the next."""
        return (
            (self.crash, self.crash_every),
            (self.throw_switch, 60),
            (self.meddle, 15),
            (self.pay, 40),
            (self.lose_robot, 80),
        )

    def stop_faults(self) -> None:
        """No fault and no wish any more."""
        self.stopping, self.is_quiet = True, True
        self.frozen_until = 0
        self.life.writer.left = -1
        self.is_mortal = self.is_mortal_at_fill = False

    def be_quiet(self) -> None:
        """Goes on without faults until all has been said, at most some minutes."""
        self.stop_faults()
        self.until(self.now + 12 * SECOND)  # what was slow arrives
        if not self.streams or any(each.closed for each in self.streams):
            self.connect()
        self.until(self.now + SECOND + SECOND // 2)  # not when marks come, each second: something is on its way then
        self.core.reconcile()
        looked = 0
        for _ in range(200):
            self.until(self.now + SECOND + 70 * MS)  # not always beside what comes each second
            last = self.account.trades[-1].fill.time if self.account.trades else 0
            is_recent = last >= self.now - 2 * SECOND  # the market goes on
            is_queried = any(order.ask_at or order.asking for order in self.manager.open.values())
            is_on_way = any(what in (self.hear, self.arrive, self.answer) for _, _, what, _ in self.events)
            if self.reconciler.is_running or self.manager.unknown or is_recent or is_queried or is_on_way:
                continue
            # What somebody has told of and the venue does not show may take two minutes.
            if self.money.moves_wanted is not None or self.money_invariants.unequal():
                if looked < max(last, self.now - QUIET_CHECK):
                    looked = self.now
                    self.reconciler.check(self.now)
                continue
            if not self.reconciler.differences:
                break
            self.core.reconcile()

    def until(self, end: int) -> None:
        while self.now < end:
            due = min(self.events[0][0] if self.events else end, end, self.now + TURN)
            self.now = min(due, max(self.next_due(), self.now + MS))
            self.venue_step()
            if not self.events or self.events[0][0] > self.now:
                self.step()
            while self.events and self.events[0][0] <= self.now:
                _, _, what, args = heapq.heappop(self.events)
                self.step(what, *args)

    def next_due(self) -> int:
        """When the core is due by its own clock."""
        if self.is_dead:
            return self.now + TURN
        return min(self.manager.next_due, self.reconciler.next_due)

    def step(self, what: Callable[..., object] | None = None, *args: Any) -> None:
        try:
            if what is not None and self.is_dead and self.is_of_gateway(what):
                self.at(self.now + SECOND, what, *args)
            elif what is not None:
                what(*args)
                self.venue_step()
            self.gateway_step()
        except Died:
            self.die()

    def is_of_gateway(self, what: Callable[..., object]) -> bool:
        """What comes to nothing without one comes later."""
        return isinstance(getattr(what, "__self__", None), SimRobot | Owners) or what in (
            self.connect,
            self.crash,
            self.lose_robot,
            self.miss_robot,
            self.throw_switch,
        )

    def venue_step(self) -> None:
        self.exchange.advance_unheard(self.now)  # nobody here reads its books
        self.dialect.publish(self.exchange.take(), self.now)
        self.dialect.tick(self.now)
        for connection, news in list(self.streams.items()):
            out, connection.out = connection.out, []
            for message in out:
                self.carry(message, news)

    def gateway_step(self) -> None:
        if self.is_dead:
            self.invariants.check()
            return
        self.core.tick(self.moment())
        self.invariants.check()
        self.state_invariants.check()
        self.money_invariants.check()

    def chance(self, name: str) -> bool:
        if self.is_quiet:
            return False
        hit = self.random.random() < float(getattr(self.faults, name))
        if hit:
            self.seen[name] += 1
        return hit

    def way(self) -> int:
        """How long something is under way, ns."""
        if self.chance("slow"):
            return int(self.random.uniform(0.1, 7) * SECOND)
        return int(self.random.uniform(1, 30) * MS)

    # --- what happens to the gateway and its account ----------------------------------------------

    def crash(self, every: int) -> None:
        """kill -9, between any two frames of the journal, or before the wire."""
        if self.stopping or not self.crashes:
            return
        self.at(self.now + int(self.random.expovariate(1 / every) * SECOND), self.crash, every)
        if self.random.random() < 0.6:
            self.life.writer.left = self.random.randrange(40)
            return
        if self.random.random() < 0.5:
            raise Died
        if self.random.random() < 0.5:
            self.is_mortal = True
        else:
            self.is_mortal_at_fill = True

    def die(self) -> None:
        self.seen["crash"] += 1
        self.disconnect()
        if self.is_open and self.random.random() < 0.4:
            self.seen["another credit"] += 1
            self.credit = {self.quote: self.random.choice(("0", "500", "5000", "50000"))}
        self.rise()

    def disconnect(self) -> None:
        """The gateway's connections end: nobody waits for answers any more."""
        self.unanswered.clear()
        self.line.clear()
        self.in_line = None
        self.drop_stream()

    def rise(self) -> None:
        """At the first try or a later one."""
        while True:
            self.life.end()
            frames = self.random.randrange(6) if self.random.random() < 0.3 else -1
            try:
                self.begin_gateway(self.home, frames=frames)
            except Died:
                self.seen["crash at a start"] += 1
                continue
            return

    def throw_switch(self, every: int) -> None:
        """The operator's: off again after a while."""
        if self.stopping:
            return
        self.seen["kill switch"] += 1
        is_on = bool(self.gate.halts.killed)
        wait = self.random.expovariate(1 / every) if is_on else self.random.uniform(2, 20)
        self.at(self.now + int(wait * SECOND), self.throw_switch, every)
        answer = self.command(f"switch {self.now}", "unkill" if is_on else "kill", {}, OPERATOR)
        assert answer["status"] == "applied", answer

    def command(self, id_: str, command: str, fields: dict[str, Any], actor: str) -> dict[str, Any]:
        """Sends a command to the gateway, and returns its answer."""
        self.core.stamp(self.moment())
        request = {
            "id": id_,
            "target": "gateway:main",
            "actor": actor,
            "fields": fields,
            "command": command,
            "token": self.home.tokens[actor],
        }
        return self.life.commands.door.answer(request)

    def lose_robot(self, every: int) -> None:
        """Its process ends, with orders open; the next one of its name comes after a while."""
        if self.stopping:
            return
        self.at(self.now + int(self.random.expovariate(1 / every) * SECOND), self.lose_robot, every)
        robot = self.random.choice(self.robots)
        if robot.is_there:
            self.seen["robot lost"] += 1
            robot.is_there = False
            self.miss_robot(robot, self.now + int(self.random.uniform(0.5, 8) * SECOND))

    def miss_robot(self, robot: SimRobot, until: int) -> None:
        if self.now < until:
            self.at(min(self.now + SECOND, until), self.miss_robot, robot, until)
            self.core.robots_ended([robot.number], self.moment())
        else:
            robot.begin_life()

    def meddle(self, every: int) -> None:
        """Other hands on the account, and the venue's own."""
        if self.stopping or not self.hands or not (self.is_dead or self.reconciler.rounds):
            return self.at(self.now + SECOND, self.meddle, every) if self.hands else None
        self.at(self.now + int(self.random.expovariate(1 / every) * SECOND), self.meddle, every)
        rng, account, exchange = self.random, self.account, self.exchange
        index = self.places[rng.randrange(len(self.places))]
        instrument = exchange.instruments[index]
        what = rng.random()
        if what < 0.4 or instrument.kind is Kind.SPOT:
            self.seen["trade by hand"] += 1
            size = instrument.size(self.robots[0].usual(instrument.symbol))
            trade_by_hand(exchange, account, index, rng.choice((size, -size)), self.now)
        elif what < 0.6:
            self.seen["funding"] += 1
            exchange.clearing.fund(index, self.now, rng.choice((100_000_000, -100_000_000)))
        else:
            origin = rng.choice(("liquidation", "adl", "settlement"))
            for side in account.sides:
                if account.qty(index, side):
                    self.seen[origin] += 1
                    exchange.clearing.force_close(account, index, side, self.now, origin)
        return None

    def pay(self, every: int) -> None:
        """Money comes to the account, or leaves it, by its owner's hand at the venue."""
        if self.stopping:
            return
        self.at(self.now + int(self.random.expovariate(1 / every) * SECOND), self.pay, every)
        rng = self.random
        currency = rng.choice(
            (self.quote, self.quote, self.quote if self.kind in ("pacifica", "hyperliquid") else "BTC")
        )
        whole = rng.choice((5, 200, 3000)) if currency == self.quote else 1
        amount = Decimal(rng.randint(1, 10**6)).scaleb(-6) * whole * rng.choice((1, 1, -1))
        if currency != self.quote:
            amount /= 100
        silent = self.is_open and rng.random() < 0.4
        reason = "deposit" if amount > 0 else "withdraw"
        self.seen[f"{'silent ' if silent else ''}{reason}"] += 1
        deposit(self.exchange, self.account, currency, amount, self.now, reason=reason, silent=silent)

    def cut(self, streams: dict[Connection, AccountStream]) -> None:
        """The stream's connections go, and are made again."""
        if streams and streams is self.streams:
            self.drop_stream()
            if self.core.is_up:
                self.core.stream_went(self.moment())

    def ping(self) -> None:
        """Keeps the stream's connections, as those of a process are kept."""
        self.at(self.now + PING_EVERY, self.ping)
        for connection, news in self.streams.items():
            if news.ping:
                self.dialect.message(connection, news.ping, self.now)

    def drop_stream(self) -> None:
        for each in self.streams:
            self.dialect.disconnect(each)
        self.streams = {}
        self.at(self.now + int(self.random.uniform(0.5, 8) * SECOND), self.connect)

    # --- requests ---------------------------------------------------------------------------------

    def leave(self, call: Call) -> None:
        if self.venue.in_order:
            self.line.append(call)
            self.next_of_line()
        else:
            self.begin(call)

    def next_of_line(self) -> None:
        if self.in_line is None and self.line:
            call = self.in_line = self.line.popleft()
            self.begin(call)
            self.at(self.now + LINE_HELD, self.leave_line, call)
            self.at(self.now + CALL_TIMEOUT, self.lost, call)

    def leave_line(self, call: Call) -> None:
        if self.in_line is call:
            self.in_line = None
            self.next_of_line()

    def begin(self, call: Call) -> None:
        self.seen[call.purpose.value] += 1
        self.unanswered.append(call)
        if self.chance("lose_request"):
            self.at(self.now + int(self.random.uniform(1, 4) * SECOND), self.lost, call)
            if self.random.random() < 0.5:  # the connection is gone, and yet it arrives
                self.seen["late_request"] += 1
                self.at(self.now + int(self.random.uniform(1, 5) * SECOND), self.arrive, call)
            return
        self.at(self.now + self.way(), self.arrive, call)

    def http(self, call: Call) -> Reply:
        path, _, query = call.target.partition("?")
        received = {name.lower(): value for name, value in call.headers.items()}
        request = Http(call.method, path, query, call.body, received, "127.0.0.1")
        reply = self.dialect.http(request, self.now)
        assert isinstance(reply, Reply)  # nothing is answered later: no limits are on
        return reply

    def arrive(self, call: Call) -> None:
        is_done = not self.chance("error_answer")
        status, body = SPEECHLESS[self.kind]
        headers: dict[str, str] = {}
        if is_done or self.random.random() < 0.5:
            reply = self.http(call)
            if is_done:
                status, headers, body = reply.status, reply.headers, reply.body
        if self.chance("lose_answer"):
            self.at(self.now + int(self.random.uniform(0.5, 4) * SECOND), self.lost, call)
            return
        self.at(self.now + self.way(), self.answer, call, status, headers, body)

    def is_waited_for(self, call: Call) -> bool:
        """Once: what is lost has no answer any more."""
        at = next((n for n, each in enumerate(self.unanswered) if each is call), -1)
        if at < 0:
            return False
        del self.unanswered[at]
        self.leave_line(call)
        return True

    def answer(self, call: Call, status: int, headers: Mapping[str, str], body: bytes) -> None:
        if not self.is_waited_for(call):
            return
        received = {name.lower(): value for name, value in headers.items()}
        answer = self.protocol.answer(call, status, received, body, self.now)
        if call.purpose is Purpose.STREAM_KEY:
            self.open_stream(answer.value)
            return
        self.take(call, answer)

    def lost(self, call: Call) -> None:
        if not self.is_waited_for(call):
            return
        if call.purpose is Purpose.STREAM_KEY:
            self.connect()
            return
        self.take(call, Answer(Outcome.AMBIGUOUS, text="the connection was lost"))

    def take(self, call: Call, answer: Answer) -> None:
        self.invariants.answer(call, answer.outcome)
        self.core.answered(call, answer, self.moment())

    # --- the stream -------------------------------------------------------------------------------

    def connect(self) -> None:
        self.leave(self.venue.stream_key(self.now))

    def open_stream(self, key: str) -> None:
        if not key:
            self.at(self.now + SECOND, self.connect)
            return
        self.streams = {}
        for news in self.venue.account_streams(key):
            path = news.url or WS_PATHS.get(self.kind, "/v2")
            number = self.count + 1 + len(self.streams)
            connection = Connection(number, path, "", "127.0.0.1", self.now)
            self.streams[connection] = news
            assert self.dialect.connect(connection, self.now)
            for message in news.hello:
                self.dialect.message(connection, message, self.now)
        if not self.is_pinging and any(news.ping for news in self.streams.values()):
            self.is_pinging = True
            self.at(self.now + PING_EVERY, self.ping)
        if self.is_live:
            self.core.stream_came(self.moment())
        else:
            self.at(self.now + LIVE_WITHIN, self.look_late, self.streams)

    def look_late(self, streams: dict[Connection, AccountStream]) -> None:
        """As the gateway's feed does: what has not begun to report in time is connected again."""
        if streams is self.streams and not self.is_live:
            self.seen["late stream"] += 1
            self.cut(streams)

    @property
    def is_live(self) -> bool:
        return bool(self.streams) and all(each.is_live for each in self.streams.values())

    def carry(self, message: object, news: AccountStream) -> None:
        if not isinstance(message, bytes):
            return
        if not self.streams:
            return  # on its way when the connections went
        if self.chance("cut_stream"):
            self.cut(self.streams)
            return
        if self.faults.freeze_stream and self.chance(
            "freeze_stream"
        ):  # also what is connected meanwhile, pings and all
            self.frozen_until = self.now + int(self.random.uniform(3, 40) * SECOND)
        if self.now < self.frozen_until:
            return
        for _ in range(2 if self.chance("duplicate") else 1):
            wait = int(self.random.uniform(0.1, 3) * SECOND) if self.chance("delay_stream") else 5 * MS
            self.at(self.now + wait, self.hear, message, news, self.life)

    def hear(self, message: bytes, news: AccountStream, life: Life) -> None:
        if life is not self.life or self.is_dead:
            return  # what was on its way to a gateway ends with it
        was_live = self.is_live
        # That messages overtake each other does not break it here: the manager has to bear it.
        self.core.reports(news.reports_of(message), self.moment())
        connection = next((each for each, of in self.streams.items() if of is news), None)
        if connection is not None:
            for each in news.due():
                self.dialect.message(connection, each, self.now)
        if self.is_live and not was_live:
            self.core.stream_came(self.moment())

    # --- what must hold ---------------------------------------------------------------------------

    def differences(self) -> list[str]:
        """Where the two sides differ, in words; to be empty once the world is quiet."""
        found = [str(d) for d in self.reconciler.differences]
        if self.reconciler.is_running:
            found.append("the last reconciliation is not over")
        manager = self.manager
        theirs = {client_id_of(o.client_id): o for o in self.account.open_orders.values()}
        waiting = {client_id_of(c.client_id): c for c in self.exchange.conditionals.open_of(self.account)}
        ours = {o.client_id: o for o in manager.open.values()}
        for name in sorted({*theirs, *waiting} ^ set(ours)):
            presence = "here only" if name in ours else "there only"
            state = ours[name].state if name in ours else (theirs.get(name) or waiting[name]).state
            found.append(f"order {name} {presence}: {state}")
        for name in sorted(set(theirs) & set(ours)):
            a, b = ours[name], theirs[name]
            size = b.extra.get("amount", b.size)  # as it is shown: what reduces may have been cut
            if (a.price, a.size, a.filled) != (b.price, size, b.filled):
                found.append(f"order {name}: {(a.price, a.size, a.filled)} {(b.price, size, b.filled)}")
        for index, instrument in enumerate(self.exchange.instruments):
            for side in self.sides_of(instrument) if instrument.symbol in self.symbols else ():
                qty = self.account.qty(index, side)
                if not self.protocol.traits.has_position(instrument.symbol):
                    qty -= self.held_first[instrument.symbol]
                held = manager.positions.get((instrument.symbol, side), 0)
                if qty != held:
                    found.append(f"position {instrument.symbol} {side}: {held} {qty}")
        found += self.money_invariants.differences()
        booked = {o.fill.key for o in self.outs if isinstance(o, FillOut)}
        real = {
            (self.exchange.instruments[t.order.index].symbol, venue_number(self.dialect, t), t.order.side)
            for t in self.account.trades
        }
        found += [f"trade {key} was never booked" for key in sorted(real - booked)]
        found += [f"order {o.client_id} is {o.state}" for o in manager.unknown]
        found += [
            f"order {o.client_id} outlives the kill switch"
            for o in manager.open.values()
            if self.gate.halts.killed
            and o.robot
            and not self.gate.reduces(o.spec, o)
            and self.invariants.worst(o.spec.symbol, o.spec.side, o.spec.position_side) > 0
        ]
        return found
