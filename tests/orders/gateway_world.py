"""A gateway's order manager, a simulated exchange and a bad network in one virtual time.

One seed decides everything: what the robot wants, and what the network does to each request, each
answer and each message of the stream. `World(seed).run(seconds)` trades under faults, then lets the
world be quiet, and says where the two sides differ.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, deque
from dataclasses import dataclass, field

from onetape.model.enums import OrderType, PositionSide, RequestKind, Side, TimeInForce, TriggerBy
from onetape.model.ids import client_id
from onetape.model.order import OrderSpec
from onetape.orders.calls import Call, Purpose
from onetape.orders.managed import FillOut, IntentOut, NewsOut, Request
from onetape.orders.manager import OrderManager
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reconcile import Reconciler
from onetape.sim.dialect import Connection
from onetape.sim.dialect import Request as Http
from onetape.sim.venues import open_venue
from onetape.venues.gateways import AccountStream, Addresses, open_trading_venue

MS = 1_000_000
SECOND = 1000 * MS
START = 1_795_000_000 * SECOND
LINE_HELD = SECOND  # as the gateway's, where requests go in order
CALL_TIMEOUT = 4 * SECOND
# What a venue says where it says nothing.
SPEECHLESS = {
    "binance-usdm": (
        503,
        b'{"msg":"Unknown error, please check your request or try again later."}',
    ),
    "kraken": (520, b"<html>Web server is returning an unknown error</html>"),
}


@dataclass
class Faults:
    """Probabilities, for each request, answer or message."""

    lose_request: float = 0.02
    lose_answer: float = 0.04
    error_answer: float = 0.02  # a 503 that says nothing, with the request done or not
    slow: float = 0.1  # up to some seconds
    duplicate: float = 0.05  # of stream messages
    delay_stream: float = 0.1
    cut_stream: float = 0.002  # for each message: the connection is gone, and what follows lost
    silent_expiry: float = 0.0005

    @classmethod
    def none(cls) -> Faults:
        return cls(0, 0, 0, 0, 0, 0, 0, 0)


@dataclass
class World:
    seed: int
    faults: Faults = field(default_factory=Faults)
    kind: str = "binance-usdm"
    clock_ahead: int = 0  # ns, of the venue's clock against ours
    seen: Counter = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.now = START
        self.dialect = open_venue(self.kind, seed=self.seed, now=START, limits=False)
        self.exchange = self.dialect.exchange
        self.account = self.exchange.accounts[0]
        self.venue = open_trading_venue(
            self.kind, self.account.key, self.account.secret, Addresses("", "", "")
        )
        self.protocol = self.venue.protocol
        listed = self.http(self.venue.instruments())
        self.instruments = self.venue.instruments_of(listed.body, frozenset())
        self.line: deque[Call] = deque()
        self.in_line: Call | None = None  # it keeps the next ones waiting
        self.unanswered: list[Call] = []
        self.symbols = [i.symbol for i in self.exchange.instruments[:2]]
        by_symbol = {i.symbol: i for i in self.instruments}
        for instrument in self.exchange.instruments:  # what is listed is what there is
            ours = by_symbol[instrument.symbol]
            for fact in ("tick", "lot", "size_min", "price_decimals", "size_decimals"):
                assert getattr(ours, fact) == getattr(instrument, fact)
        self.manager = OrderManager(self.protocol)
        self.reconciler = Reconciler(self.manager, self.symbols, is_new=True)
        self.events: list = []
        self.count = 0
        self.ordinal = 0
        self.outs: list = []
        self.stream: Connection | None = None
        self.is_quiet = False
        self.stopping = False

    # --- time -------------------------------------------------------------------------------------

    def at(self, when: int, what, *args) -> None:
        self.count += 1
        heapq.heappush(self.events, (when, self.count, what, args))

    def run(self, seconds: float) -> World:
        self.connect()
        self.at(self.now + SECOND, self.act)
        end = self.now + int(seconds * SECOND)
        self.until(end)
        self.stopping, self.is_quiet = True, True
        self.until(end + 60 * SECOND)
        if self.stream is None or self.stream.closed:
            self.connect()
        self.reconciler.start(self.now, "quiet")
        self.until(self.now + 90 * SECOND)
        for _ in range(30):  # the market goes on: until nothing has been traded for a moment
            if not self.account.trades or self.account.trades[-1].fill.time < self.now - 2 * SECOND:
                break
            self.until(self.now + SECOND)
        return self

    def until(self, end: int) -> None:
        while self.now < end:
            due = min(self.events[0][0] if self.events else end, end, self.now + 250 * MS)
            due = min(due, max(self.manager.next_due, self.now + MS))
            due = min(due, max(self.reconciler.next_due, self.now + MS))
            self.now = due
            self.venue_step()
            while self.events and self.events[0][0] <= self.now:
                _, _, what, args = heapq.heappop(self.events)
                what(*args)
                self.venue_step()
                self.gateway_step()
            self.gateway_step()

    def venue_step(self) -> None:
        self.exchange.advance(self.now)
        self.dialect.publish(self.exchange.take(), self.now)
        self.dialect.tick(self.now)
        if self.stream is None:
            return
        out, self.stream.out = self.stream.out, []
        for message in out:
            self.carry(message)

    def gateway_step(self) -> None:
        self.manager.tick(self.now)
        self.reconciler.tick(self.now)
        calls, self.manager.calls = self.manager.calls, []
        for call in calls:
            self.send(call)
        outs, self.manager.outs = self.manager.outs, []
        for out in outs:
            self.outs.append(out)
        for order in self.account.open_orders.values():
            assert order.client_id in self.manager.orders, "an order that nobody asked for"

    def chance(self, name: str) -> bool:
        if self.is_quiet:
            return False
        hit = self.random.random() < getattr(self.faults, name)
        if hit:
            self.seen[name] += 1
        return hit

    def way(self) -> int:
        """How long something is under way, ns."""
        if self.chance("slow"):
            return int(self.random.uniform(0.1, 7) * SECOND)
        return int(self.random.uniform(1, 30) * MS)

    # --- requests ---------------------------------------------------------------------------------

    def send(self, call: Call) -> None:
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
            return
        self.at(self.now + self.way(), self.arrive, call)

    def http(self, call: Call):
        path, _, query = call.target.partition("?")
        told = {name.lower(): value for name, value in call.headers.items()}
        asked = Http(call.method, path, query, call.body, told, "127.0.0.1")
        return self.dialect.http(asked, self.now)

    def arrive(self, call: Call) -> None:
        self.exchange.advance(self.now)
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
        self.at(self.now + self.way(), self.answered, call, status, headers, body)

    def is_waited_for(self, call: Call) -> bool:
        """Once: what is lost has no answer any more."""
        at = next((n for n, each in enumerate(self.unanswered) if each is call), -1)
        if at < 0:
            return False
        del self.unanswered[at]
        self.leave_line(call)
        return True

    def answered(self, call: Call, status: int, headers: dict, body: bytes) -> None:
        if not self.is_waited_for(call):
            return
        told = {name.lower(): value for name, value in headers.items()}
        answer = self.protocol.answer(call, status, told, body, self.now)
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
        if not self.reconciler.answered(call, answer, self.now):
            self.manager.answered(call, answer, self.now)

    # --- the stream -------------------------------------------------------------------------------

    def connect(self) -> None:
        self.send(self.venue.stream_key(self.now))

    def open_stream(self, key: str) -> None:
        if not key:
            self.at(self.now + SECOND, self.connect)
            return
        self.news = self.venue.account_stream(key)
        path = self.news.url or "/v2"
        self.stream = Connection(self.count + 1, path, "", "127.0.0.1", self.now)
        assert self.dialect.connect(self.stream, self.now)
        for message in self.news.hello:
            self.dialect.message(self.stream, message, self.now)
        if self.news.is_live:
            self.reconciler.start(self.now, "connected")

    def carry(self, message) -> None:
        if not isinstance(message, bytes):
            return
        if self.stream is None:
            return  # on its way when the connection went
        if self.chance("cut_stream"):
            self.dialect.disconnect(self.stream)
            self.stream = None
            self.at(self.now + int(self.random.uniform(0.5, 8) * SECOND), self.connect)
            return
        for _ in range(2 if self.chance("duplicate") else 1):
            wait = (
                int(self.random.uniform(0.1, 3) * SECOND) if self.chance("delay_stream") else 5 * MS
            )
            self.at(self.now + wait, self.hear, message, self.news)

    def hear(self, message: bytes, news: AccountStream) -> None:
        was_live = news.is_live
        # That messages overtake each other does not break it here: the manager has to bear it.
        self.manager.hear(news.told(message), self.now)
        if news.is_live and not was_live and news is self.news:
            self.reconciler.start(self.now, "connected")

    # --- the robot --------------------------------------------------------------------------------

    def act(self) -> None:
        if self.stopping:
            return
        if not self.reconciler.rounds:  # nobody trades before the books are open
            self.at(self.now + SECOND, self.act)
            return
        self.at(self.now + int(self.random.expovariate(1 / 0.4) * SECOND) + MS, self.act)
        manager, rng = self.manager, self.random
        mine = [o for o in manager.open.values() if not o.is_foreign]
        what = rng.random()
        if mine and what < 0.35:
            manager.cancel(rng.choice(mine), self.now)
            self.seen["robot cancels"] += 1
        elif mine and what < 0.5:
            order = rng.choice(mine)
            if order.spec.type is OrderType.LIMIT:
                step = int(order.spec.price_int * rng.uniform(-0.002, 0.002))
                instrument = next(
                    i for i in self.exchange.instruments if i.symbol == order.spec.symbol
                )
                tick = int(instrument.tick.scaleb(instrument.price_decimals))
                price = (order.price + step) // tick * tick
                manager.amend(order, self.now, price=price, size=0)
                self.seen["robot amends"] += 1
        elif len(mine) < 20:
            self.place()

    def place(self) -> None:
        rng = self.random
        index = rng.randrange(len(self.symbols))
        listing = self.exchange.listings[index]
        instrument = listing.instrument
        tick = int(instrument.tick.scaleb(instrument.price_decimals))
        side = rng.choice((Side.BUY, Side.SELL))
        lots = int(instrument.lot.scaleb(instrument.size_decimals))
        size = max(int(listing.instrument.size_int("0.01" if index == 0 else "0.2")), lots)
        kind = rng.random()
        near = (listing.bid if side is Side.BUY else listing.ask) or listing.last
        away = int(near * rng.choice((0, 0, 0.0002, 0.001, -0.0005)))
        price = (near - away * side.sign) // tick * tick
        spec = {"symbol": instrument.symbol, "side": side, "size_int": size * rng.randint(1, 3)}
        if kind < 0.25:
            spec |= {"type": OrderType.MARKET}
        elif kind < 0.4:
            spec |= {"price_int": price, "tif": TimeInForce.IOC}
        elif kind < 0.55:
            spec |= {"price_int": price, "post_only": True}
        elif kind < 0.7:
            trigger = (listing.last + int(listing.last * 0.0008) * side.sign) // tick * tick
            spec |= {"type": OrderType.MARKET, "trigger_int": trigger, "trigger_by": TriggerBy.LAST}
        else:
            spec |= {"price_int": price}
        self.ordinal += 1
        self.manager.references[instrument.symbol] = listing.last
        ours = client_id(
            "world", epoch=1, ordinal=self.ordinal, chars_max=self.protocol.client_id_chars
        )
        self.manager.submit(
            ours, Request(1, RequestKind.PLACE, self.ordinal, OrderSpec(**spec)), self.now
        )
        self.seen["robot places"] += 1

    # --- what must hold ---------------------------------------------------------------------------

    def differences(self) -> list[str]:
        """Where the two sides differ, in words; to be empty once the world is quiet."""
        found = [str(d) for d in self.reconciler.differences]
        if self.reconciler.is_running:
            found.append("the last reconciliation is not over")
        manager = self.manager
        theirs = {o.client_id: o for o in self.account.open_orders.values()}
        waiting = {c.client_id: c for c in self.exchange.conditionals.open_of(self.account)}
        ours = {o.client_id: o for o in manager.open.values()}
        for name in sorted({*theirs, *waiting} ^ set(ours)):
            where = "here only" if name in ours else "there only"
            state = ours[name].state if name in ours else (theirs.get(name) or waiting[name]).state
            found.append(f"order {name} {where}: {state}")
        for name in sorted(set(theirs) & set(ours)):
            a, b = ours[name], theirs[name]
            if (a.price, a.life.size, a.life.filled) != (b.price, b.size, b.filled):
                found.append(
                    f"order {name}: {(a.price, a.life.size, a.life.filled)} "
                    f"{(b.price, b.size, b.filled)}"
                )
        for index, instrument in enumerate(self.exchange.instruments):
            qty = self.account.qty(index)
            held = manager.positions.get((instrument.symbol, PositionSide.BOTH), 0)
            if qty != held:
                found.append(f"position {instrument.symbol}: {held} {qty}")
        for number, currency in enumerate(self.exchange.currencies):
            ours = manager.books.expected.get(currency)
            theirs = int(self.account.money.balance(number))
            slack = self.protocol.slack(currency) * (manager.books.moved.get(currency, 0) + 1)
            if ours is not None and abs(ours - theirs) > slack:
                found.append(f"balance {currency}: {ours} {theirs}")
        booked = Counter(o.fill.key for o in self.outs if isinstance(o, FillOut))
        real = {
            (self.exchange.instruments[t.order.index].symbol, t.fill.trade_id, t.order.side)
            for t in self.account.trades
        }
        found += [f"trade {key} booked {n} times" for key, n in booked.items() if n != 1]
        found += [f"trade {key} was never booked" for key in sorted(real - set(booked))]
        found += [f"trade {key} never was" for key in sorted(set(booked) - real)]
        intents = Counter(
            o.order.client_id
            for o in self.outs
            if isinstance(o, IntentOut) and o.kind is RequestKind.PLACE
        )
        found += [f"{name} sent as {n} intents" for name, n in intents.items() if n != 1]
        ids = Counter(
            o.client_id for o in self.account.by_id.values() if not o.client_id.startswith("auto")
        )
        found += [f"{name} is {n} orders at the venue" for name, n in ids.items() if n > 1]
        ended = Counter(
            o.order.client_id
            for o in self.outs
            if isinstance(o, NewsOut)
            and o.state.is_final
            and o.news.value in ("canceled", "rejected", "expired", "denied", "absent")
        )
        found += [f"{name} ended {n} times" for name, n in ended.items() if n > 1]
        return found
