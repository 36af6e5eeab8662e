"""Robots in processes of their own that see the same opportunities: each is taken once, whoever
of them is alive, and who lost is told by whom."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import Counter
from pathlib import Path

import msgspec

from exchange.venue_client import served
from onetape.model.enums import RequestKind
from onetape.model.home import gateway_journal
from onetape.orders.order_frames import request_of
from onetape.tape.journal import JournalReader
from waiting import PATIENCE_S, wait_for
from worlds.command_lines import begin
from worlds.frames import FILL
from worlds.gateway_process import GatewayProcess

ROBOTS = 3
SEER = """
from onetape import Strategy


class Seer(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("see", every="500ms")

    def on_timer(self, name):
        self.buy(self.symbol, 0.01, once=f"beat {self.now // 500_000_000}", tag="seen")

    def on_order(self, order):
        if order.state == "DENIED":
            self.log(order.reason, code=order.code)
"""


def orders(home: Path) -> list[tuple[int, str]]:
    """(robot, key) of each order that the gateway took in; not of the cancels of one that ends."""
    with JournalReader(gateway_journal(home, "main")) as reader:
        requests = [request_of(f.payload, "") for f in reader.frames(("order_request",))]
    return [(r.robot, r.spec.once.key) for r in requests if r.kind is RequestKind.PLACE and r.spec.once is not None]


def lost(home: Path) -> list[dict]:
    """What robots say of orders that another one had placed before."""
    found: list[dict] = []
    for journal in {tape.parent for tape in home.glob("runs/*/journal/*.tape")}:
        with JournalReader(journal) as reader:
            found += [msgspec.msgpack.decode(f.payload) for f in reader.frames(("log",))]
    return [each for each in found if "reason" not in each and each["fields"].get("code") == 4605]


def test_robots_that_see_the_same_take_it_once_and_the_last_one_goes_on(tmp_path):
    (tmp_path / "seer.py").write_text(SEER)
    home = tmp_path / ".onetape"
    robots: list[subprocess.Popen] = []
    with served("binance-usdm", seed=4, limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        (tmp_path / "onetape.toml").write_text(
            f'[venues.b]\nkind = "binance-usdm"\nmode = "sim"\nrest = "http://127.0.0.1:{port}"\n'
            '[accounts.main]\nvenue = "b"\n'
        )
        gateway = GatewayProcess("binance-usdm", home, port, account)
        gateway.start()
        try:
            robots = [begin(tmp_path, "run", "seer.py", "--live") for _ in range(ROBOTS)]
            wait_for(lambda: gateway.ask("status")["robots"] == ROBOTS)
            wait_for(lambda: len(lost(home)) >= 6)  # of three one takes it, two lose it
            for robot in robots[:-1]:
                robot.kill()
                robot.communicate()
            wait_for(lambda: gateway.ask("status")["robots"] == 1)
            seen = len(orders(home))
            wait_for(lambda: len(orders(home)) >= seen + 3)
            robots[-1].send_signal(signal.SIGINT)
            out, err = robots[-1].communicate(timeout=PATIENCE_S)
            assert robots[-1].returncode == 0, err
        finally:
            for robot in robots:
                robot.kill()
                robot.wait()
            gateway.kill()
        taken = orders(home)
        assert max(Counter(key for _, key in taken).values()) == 1
        assert len({robot for robot, _ in taken[seen:]}) == 1
        with JournalReader(gateway_journal(home, "main")) as reader:
            filled = [FILL.unpack(f.payload)[0] for f in reader.frames(("fill",))]
        assert len(set(filled)) <= len(taken)  # one order may be filled in pieces
        run = Path(json.loads(out)["run"])
        assert len(list(run.parent.glob("*/journal"))) == ROBOTS  # who is quickest, and never loses, is chance
        assert all(" has order " in each["text"] for each in lost(home))
        second = begin(tmp_path, "replay", run, "--verify")
        answer = json.loads(second.communicate(timeout=PATIENCE_S)[0])
        assert answer["divergences"] == 0, answer
