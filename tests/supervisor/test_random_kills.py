"""Everything that `up` runs is killed at random while it trades. Afterwards the exchange, the
gateway and the robots tell one story, all is ready again, and each run is repeated to its end.

Twenty kills; with ONETAPE_LONG a thousand (`make prove WHAT=kills`)."""

from __future__ import annotations

import os
import random
import signal
import time
import tomllib
from collections import Counter, deque
from decimal import Decimal
from pathlib import Path

import msgspec

from onetape.exchange.exchange import SimExchange
from onetape.exchange.kept_state import VenueState
from onetape.exchange.server import catch_up
from onetape.model import catalogue
from onetape.model.enums import OrderNews, RequestKind
from onetape.model.home import gateway_journal
from onetape.model.ids import EPOCH_BITS, parse_client_id, robot_tag
from onetape.store.config import load_config
from onetape.supervisor.client import bring_up
from onetape.supervisor.restart_rules import STORM_MAX, STORM_S
from onetape.supervisor.start import process_journal
from onetape.tape.journal import JournalReader
from worlds.frames import FILL, NEWS, REQUEST
from worlds.supervised import Home, is_there

KILLS = int(os.environ.get("KILLS") or (1000 if os.environ.get("ONETAPE_LONG") else 20))
SYMBOL = "binance:BTC/USDT:USDT"
SUPERVISOR = "supervisor"
# Each end of these costs some four connections, of which an address has 38 a minute in the long run.
CONNECTING = ("gateway:main", "venue:x")
CONNECTING_MAX = 4  # kills a minute of each
SEED = 3  # of the market

# Orders of all kinds at random: at once, waiting, changed, taken back.
TRADER = """
from onetape import Strategy


class Trader(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="50ms")
        self.memory["starts"] = self.memory.get("starts", 0) + 1
        self.log("started", starts=self.memory["starts"], resumed=self.resumed)

    def on_timer(self, name):
        quote = self.quote(self.symbol)
        if quote is None:
            return
        working = self.orders(self.symbol)
        draw = self.random.random()
        qty = self.position(self.symbol).qty
        if draw < 0.3 and not any(order.price is None for order in working):
            act = self.sell if qty > 0 else self.buy
            act(self.symbol, 0.01)
        elif draw < 0.6 and len(working) < 4:
            if self.random.random() < 0.5:
                self.buy(self.symbol, 0.01, quote.bid - self.random.randint(0, 40))
            else:
                self.sell(self.symbol, 0.01, quote.ask + self.random.randint(0, 40))
        elif working and draw < 0.8:
            self.cancel(self.random.choice(working))
        elif resting := [order for order in working if order.price is not None]:
            order = self.random.choice(resting)
            self.amend(order, price=order.price + self.random.randint(-5, 5))

    def on_fill(self, fill):
        self.memory["fills"] = self.memory.get("fills", 0) + 1
"""
CONFIG = f"""
[venues.x]
kind = "binance-usdm"
mode = "sim"
seed = {SEED}
[accounts.main]
venue = "x"
subaccounts = {{ a = 2 }}
[robots.one]
strategy = "maker.py"
account = "main"
[robots.two]
strategy = "maker.py"
account = "main"
subaccount = "a"
"""
ROBOTS = ("one", "two")
ALLOCATE = ("send", "gateway:main", "allocate", "strategy=a", "currency=USDT", "amount=20000", "index=2")


class Killer:
    """Kills at random, but none so often that the supervisor gives it up for good, or that no connection is left."""

    def __init__(self, home: Home, rng: random.Random) -> None:
        self.home, self.rng = home, rng
        self.killed: Counter[str] = Counter()
        self._lately: dict[str, deque[float]] = {}
        self._waiting: list[str] = []  # all get their turn

    def kill(self) -> None:
        shown = {p["name"]: p["pid"] for p in self.home.now()["processes"] if p["pid"]}
        name = self._next(shown)
        if name is None:  # all that is left was killed too often just now
            return
        try:
            os.kill(shown[name], signal.SIGKILL)
        except ProcessLookupError:  # it has ended by itself since
            return
        self.killed[name] += 1
        self._lately.setdefault(name, deque()).append(time.monotonic())
        if name == SUPERVISOR:
            self.home.wait_for(lambda: not is_there(shown[name]))
            up(self.home)

    def _next(self, shown: dict[str, int]) -> str | None:
        now = time.monotonic()
        for lately in self._lately.values():
            while lately and lately[0] < now - STORM_S:
                lately.popleft()
        if not self._waiting:
            self._waiting = sorted(shown)
            self.rng.shuffle(self._waiting)
        for name in self._waiting:
            often = len(self._lately.get(name, ())) >= (CONNECTING_MAX if name in CONNECTING else STORM_MAX - 2)
            if name in shown and (name == SUPERVISOR or not often):
                self._waiting.remove(name)
                return name
        self._waiting = []
        return None


def up(home: Home) -> None:
    bring_up(load_config(home.folder / "onetape.toml", {}), home.folder / "onetape.toml", home.home)


def all_run(home: Home) -> bool:
    answer = home.now()
    return answer["running"] and all(p["state"] == "running" for p in answer["processes"])


def requests_of_robots(home: Home) -> dict[tuple[str, int], bytes]:
    """(robot, order) -> what was to be placed, from the runs' own journals."""
    found = {}
    for run in (home.home / "runs").iterdir():
        with JournalReader(run / "journal") as reader:
            for frame in reader.frames(("order_request",)):
                order, *_ = row = REQUEST.unpack(frame.payload)
                if row[5] == RequestKind.PLACE.id:
                    key = (robot_of(run), order)
                    assert key not in found, "one id for two orders"
                    found[key] = frame.payload
    return found


def robot_of(run: Path) -> str:
    return tomllib.loads((run / "run.toml").read_text())["state"]["robot"]


def fills_of(path: Path, robot: int | None = None) -> Counter:
    """(order, trade, price, size) on a tape, of a robot or of all."""
    with JournalReader(path) as reader:
        rows = [FILL.unpack(frame.payload) for frame in reader.frames(("fill",))]
    return Counter((r[0], r[2], r[4], r[5]) for r in rows if robot in (None, r[11]))


def robots_on(tape: Path) -> dict[str, int]:
    """By name, their numbers."""
    with JournalReader(tape) as reader:
        received = [msgspec.msgpack.decode(f.payload) for f in reader.frames(("params",))]
    return {each["name"]: each["robot"] for each in received if "robot" in each}


def the_exchange(home: Home) -> SimExchange:
    """As its own journal has it, now that nothing runs: the ledger of the other side."""
    state, dialect = VenueState.open(
        process_journal(home.home, "venue:x"), kind="binance-usdm", seed=SEED, now=0, limits=True
    )
    catch_up(dialect, time.time_ns())
    state.close()
    return dialect.exchange


def test_everything_is_killed_at_random_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    rng = random.Random(int(os.environ.get("SEED") or 1))
    with Home(tmp_path, CONFIG, TRADER) as home:
        up(home)
        assert home.run(*ALLOCATE)["status"] == "applied"
        tape = gateway_journal(home.home, "main")
        home.wait_for(lambda: sum(fills_of(tape).values()) > 3)
        killer = Killer(home, rng)
        while sum(killer.killed.values()) < KILLS:
            time.sleep(rng.uniform(0, 1.5))
            killer.kill()
        assert set(killer.killed) == {p["name"] for p in home.now()["processes"]}
        home.wait_for(lambda: all_run(home))
        many = {name: sum(fills_of(tape, n).values()) for name, n in robots_on(tape).items()}
        home.wait_for(  # and all of them trade
            lambda: all(sum(fills_of(tape, n).values()) > many[name] for name, n in robots_on(tape).items())
        )
        assert home.run("status")["running"]
        assert set(home.run("down")["stopped"]) == set(killer.killed)
        agree(home, tape)
        for run in (home.home / "runs").iterdir():
            answer = home.run("replay", str(run), "--verify")
            assert answer["divergences"] == 0, answer


def agree(home: Home, tape: Path) -> None:
    """The exchange's ledger, the gateway's books and the robots' journals."""
    exchange = the_exchange(home)
    account = exchange.accounts[0]
    assert home.run("status")["orders"] == 0
    assert not account.open_orders
    # Fills: each trade of the exchange is booked once, and told to its robot once.
    received = Counter(trade.fill.trade_id for trade in account.trades)
    assert Counter(trade for _, trade, _, _ in fills_of(tape).elements()) == received
    assert set(received.values()) == {1}
    numbers = robots_on(tape)
    assert set(numbers) == set(ROBOTS)
    for run in (home.home / "runs").iterdir():
        assert fills_of(run / "journal") == fills_of(tape, numbers[robot_of(run)])
    # Orders: each has one id, and a robot that asked for it; what was acknowledged is there.
    ids = Counter(order.client_id for order in account.by_id.values())
    assert set(ids.values()) == {1}
    wanted = requests_of_robots(home)
    tags = {robot_tag(name): name for name in ROBOTS}
    there = set()
    for text in ids:
        named = parse_client_id(text)
        assert named is not None, text
        there.add((tags[named.tag], named.epoch << EPOCH_BITS | named.ordinal))
    assert there <= set(wanted)
    names = {number: name for name, number in numbers.items()}
    with JournalReader(tape) as reader:
        news = [NEWS.unpack(frame.payload) for frame in reader.frames(("order_event",))]
    acknowledged = {(names[n[9]], n[0]) for n in news if n[7] == OrderNews.ACCEPTED.id}
    assert acknowledged <= there
    # What is held is what was traded, on all sides.
    held = Decimal(0)
    instrument = catalogue.find(SYMBOL)
    for trade in account.trades:
        held += instrument.size(trade.fill.size) * trade.order.side.sign
    assert sum((instrument.size(account.qty(0, side)) for side in account.sides), Decimal(0)) == held
    booked = sum((Decimal(f["qty"]) * (1 if f["side"] == "buy" else -1) for f in home.fills()), Decimal(0))
    assert booked == held
