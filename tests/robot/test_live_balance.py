"""What a live robot sees of its money, in real processes: its sub-account, after each fill and
each command; the same in the replay; and what the exchange says itself."""

from __future__ import annotations

import json
import signal
import subprocess
from decimal import Decimal
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from exchange.venue_process import VenueProcess
from onetape.accounts import StrategyBalanceManager
from onetape.accounts.entries import Cause
from onetape.accounts.entry_frames import unpack
from onetape.ipc.operator import send_command
from onetape.model.enums import Side
from onetape.model.errors import InsufficientFunds
from onetape.model.home import gateway_journal
from onetape.model.money import money
from onetape.replay.replay import replay_run
from onetape.report.run import Run
from onetape.security.tokens import make_token
from onetape.tape.journal import JournalReader, type_id
from waiting import PATIENCE_S, wait_for
from worlds import command_lines
from worlds.frames import FILL
from worlds.gateway_process import GatewayProcess, Robot, news_of

SYMBOL = {"kraken": "kraken:BTC/USD", "binance-usdm": "binance:BTC/USDT:USDT"}
QUOTE = {"kraken": "USD", "binance-usdm": "USDT"}
FILL_TYPE = type_id("fill")
IDS = count(1)
ROBOT = """
from onetape import Strategy


class Watcher(Strategy):
    symbol: str = "SYMBOL"
    money: str = "QUOTE"
    orders_max: int = 12
    words: str = "take give rest clear"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="100ms")
        self.n = 0
        self.seen = self.last = None
        self.tell("start")

    def on_quote(self, q):
        self.last = q

    def tell(self, when, **fields):
        each = self.balance(self.money)
        base = self.balance("BTC")
        self.log(when, total=each.total, free=each.available, locked=each.locked,
                 base=base.total, base_locked=base.locked, equity=self.equity,
                 qty=self.position(self.symbol).qty, **fields)

    def on_timer(self, name):
        if (self.balance(self.money).total, self.balance("BTC").total) != self.seen:
            self.seen = (self.balance(self.money).total, self.balance("BTC").total)
            self.tell("changed")
        quote = self.last
        if quote is None or self.n >= self.orders_max or self.balance(self.money).total < 1000:
            return
        self.n += 1
        word = self.random.choice(self.words.split())
        if word == "take":
            self.buy(self.symbol, 0.01)
        elif word == "give" and self.position(self.symbol).qty > 0.005:
            self.sell(self.symbol, 0.01)
        elif word == "rest":
            order = self.buy(self.symbol, 0.01, quote.bid * 0.97, post_only=True)
            self.tell("asked", code=order.code)
        elif word == "much":  # more than there is: its gateway says so, not the robot's own loop
            order = self.buy(self.symbol, 5, quote.bid * 0.97)
            self.tell("asked", code=order.code, state=order.state)
        elif word == "clear":
            self.cancel_all()

    def on_order(self, order):
        if order.code:
            self.tell("refused", code=order.code, state=order.state)

    def on_fill(self, fill):
        self.tell("fill", trade=fill.id, side=fill.side)

    def on_stop(self):
        self.tell("stop")
"""


class World:
    """An exchange, a gateway with two sub-accounts, and a robot that trades with the first."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.folder, self.quote = kind, folder, QUOTE[kind]
        self.home = folder / "home"
        self.venue = VenueProcess(folder / "state", kind)
        account = SimpleNamespace(**self.venue.ready["accounts"][0])
        self.gateway = GatewayProcess(
            kind,
            self.home,
            self.venue.port,
            account,
            venue="here",
            subaccounts={"a": 2, "b": 3},
            leverage=10,
            check_every_ns=10**9,
        )
        make_token(self.home, "operator")
        self.gateway.start()
        for name in ("key", "secret"):
            file = folder / name
            file.write_text(getattr(account, name))
            file.chmod(0o600)
        (folder / "watcher.py").write_text(ROBOT.replace("SYMBOL", SYMBOL[kind]).replace("QUOTE", self.quote))
        (folder / "onetape.toml").write_text(
            f'[venues.here]\nkind = "{kind}"\nmode = "sim"\n'
            f'rest = "http://127.0.0.1:{self.venue.port}"\n'
            f'[accounts.main]\nvenue = "here"\nkey = "file:{folder}/key"\n'
            f'secret = "file:{folder}/secret"\nsubaccounts = {{ a = 2, b = 3 }}\n'
        )
        self.process: subprocess.Popen | None = None

    def begin(self, subaccount: str = "a", *params: str) -> Path:
        """The robot's run, once it has one."""
        words = [word for param in params for word in ("--param", param)]
        self.process = command_lines.begin(
            self.folder, "run", "watcher.py", "--live", "--subaccount", subaccount, "--home", self.home, *words
        )
        runs = self.home / "runs"
        before = set(runs.iterdir()) if runs.is_dir() else set()

        def alerts() -> list[Path]:
            made = set(runs.iterdir()) - before if runs.is_dir() else set()
            return [run for run in made if self.logs(run)]

        wait_for(lambda: alerts() or self.process.poll() is not None)
        assert self.process.poll() is None, self.process.communicate()
        (run,) = alerts()
        return run

    def end(self) -> dict:
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0, err
        return json.loads(out)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.gateway.kill()
        self.venue.stop()

    def send(self, name: str, **fields) -> None:
        fields = {"currency": self.quote, "index": 2, **fields}
        (answer,) = send_command(self.home, "gateway:main", name, fields, f"live {next(IDS)}")
        assert answer["status"] == "applied", answer

    def by_hand(self, path: str, **body: object) -> None:
        content = msgspec.json.encode(body)
        words = {"Content-Type": "application/json"}
        status, reported, _ = self.venue.control.request("POST", path, content, words)
        assert status == 200, reported

    def slots(self, currency: str = "") -> list[Decimal]:
        manager = StrategyBalanceManager("here", strategy_count=4, home=self.home, max_age=PATIENCE_S)
        return manager.get_all(currency or self.quote)

    def held(self, slot: int, currency: str = "") -> Decimal:
        manager = StrategyBalanceManager("here", strategy_count=4, home=self.home, max_age=PATIENCE_S)
        return manager.held(currency or self.quote, slot)

    def logs(self, run: Path) -> list[dict]:
        """What the robot has said, in order."""
        if not any((run / "journal").glob("*.tape")):
            return []
        with JournalReader(run / "journal") as reader:
            found = [msgspec.msgpack.decode(f.payload) for f in reader.frames(("log",))]
        return [{"when": each["text"], **each["fields"]} for each in found]

    def entries(self) -> list:
        with JournalReader(gateway_journal(self.home, "main")) as reader:
            return [unpack(frame.payload) for frame in reader.frames(("entry",))]

    def after_each_fill(self, slot: int, currency: str) -> list[tuple[int, Decimal]]:
        """Trade ids of robots, and what the ledger had of a slot once the fill was booked."""
        found, of, total = [], {}, 0
        with JournalReader(gateway_journal(self.home, "main")) as reader:
            for frame in reader.frames(("fill", "entry")):
                if frame.type == FILL_TYPE:
                    fields = FILL.unpack(frame.payload)
                    if fields[11]:
                        of[frame.sequence] = fields[2]
                    continue
                entry = unpack(frame.payload)
                total += sum(leg.amount for leg in entry.legs if (leg.holder, leg.currency) == (slot, currency))
                if entry.cause is Cause.FILL and entry.of in of:
                    found.append((of[entry.of], money(total)))
        return found


@pytest.fixture(params=["kraken", "binance-usdm"])
def world(request, tmp_path):
    made = World(request.param, tmp_path)
    try:
        yield made
    finally:
        made.close()


def test_a_live_robot_sees_its_sub_account_and_nothing_else(world):
    world.send("allocate", amount="2000.5")
    run = world.begin()
    logs = world.logs
    first = logs(run)[0]
    assert (first["when"], first["total"], first["base"]) == ("start", 2000.5, 0)
    assert first["equity"] == pytest.approx(2000.5, rel=1e-12)
    wait_for(lambda: sum(each["when"] == "fill" for each in logs(run)) >= 2)
    # Commands and what others do: the first reach it, the second do not.
    world.send("allocate", amount=750)
    world.send("allocate", amount=300, index=3)
    world.by_hand("/deposit", account="main", currency=world.quote, amount="-31.25", silent=True)
    wait_for(lambda: [e for e in world.entries() if e.cause is Cause.CORRECTION])
    world.send("release", amount=125)
    if world.kind == "binance-usdm":
        world.by_hand("/fund", symbol="BTCUSDT", rate="0.01")
        wait_for(lambda: [e for e in world.entries() if e.cause is Cause.FUNDING])
    wait_for(lambda: logs(run)[-1]["total"] == float(world.slots()[2]))
    reported = world.end()
    said = logs(run)
    # When it ends it has what the table says, and at each fill what the ledger made of that fill.
    assert said[-1]["when"] == "stop"
    assert said[-1]["total"] == float(world.slots()[2])
    if world.kind == "kraken":
        assert said[-1]["base"] == float(world.slots("BTC")[2])
    fills = [each for each in said if each["when"] == "fill"]
    ledger = world.after_each_fill(2, world.quote)
    assert [(int(each["trade"]), each["total"]) for each in fills] == [(trade, float(total)) for trade, total in ledger]
    # Profit is what trading made of it: not what was allocated, not what was taken away.
    moved = Decimal(625)
    pnl = Decimal(reported["pnl"])
    assert Decimal(reported["final_equity"]) == Decimal("2000.5") + moved + pnl
    assert abs(pnl) < 200
    # Nor is it a return or a drawdown.
    stats = Run(run).stats
    assert all(abs(stats[name]) < 0.1 for name in ("return", "best_day", "worst_day", "max_drawdown"))
    assert float(stats["max_drawdown_amount"]) < 200
    assert Run(run).equity["moved"][-1] == float(moved)
    assert "money moved in" in (run / "report.html").read_text()
    assert replay_run(run, verify=True)["divergences"] == 0


def test_what_orders_hold_is_locked_at_once_and_as_the_gateway_says(world):
    world.send("allocate", amount=9000)
    run = world.begin("a", "orders_max=8", "words=take rest rest")
    rested = lambda: [e for e in world.logs(run) if e["when"] == "asked"]  # noqa: E731
    wait_for(lambda: len(rested()) >= 2)
    # In the callback that asked for it, before anybody has answered.
    first = rested()[0]
    assert first["locked"] > 0
    assert first["free"] == pytest.approx(first["total"] - first["locked"], abs=1e-9)
    world.end()
    # All is cancelled at the end: what a position holds stays, and both sides reckon it alike.
    wait_for(lambda: not world.gateway.ask("status")["open"])
    last = world.logs(run)[-1]
    assert last["locked"] == float(world.held(2))
    assert replay_run(run, verify=True)["divergences"] == 0


def test_the_gateway_alone_says_what_the_money_is_not_enough_for(world):
    world.send("allocate", amount=1500)
    run = world.begin("a", "orders_max=1", "words=much")
    wait_for(lambda: world.logs(run)[-1]["when"] == "refused")
    request, refused = world.logs(run)[-2:]
    assert (request["code"], request["state"]) == (0, "SUBMITTED")
    assert (refused["code"], refused["state"]) == (InsufficientFunds.code, "DENIED")
    assert (refused["free"], refused["locked"]) == (1500, 0)
    world.end()
    assert replay_run(run, verify=True)["divergences"] == 0


def test_without_a_sub_account_a_robot_sees_the_pool_whoever_moves_it(world, tmp_path):
    world.send("allocate", amount=400, index=3)
    run = world.begin("main", "orders_max=0")
    pool = world.slots()[1]
    assert world.logs(run)[0]["total"] == float(pool)
    other = Robot(tmp_path / "other", world.gateway, 1)
    order = other.place(Side.BUY, 0)
    wait_for(lambda: "accepted" in [word for word, _ in news_of(world.home, order)])
    world.send("allocate", amount=100, index=3)
    wait_for(lambda: world.slots()[3] == 500 and world.slots()[1] != pool - 100)
    wait_for(lambda: world.logs(run)[-1]["total"] == float(world.slots()[1]))
    reported = world.end()
    other.writer.close()
    assert reported["orders"] == 0
    if world.kind == "binance-usdm":  # of spot the pool's coins go up and down
        assert Decimal(reported["pnl"]) == 0  # neither was its own doing
    assert replay_run(run, verify=True)["divergences"] == 0
