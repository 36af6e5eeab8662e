"""A real gateway process against a real exchange server, killed at random moments: what its journal
says afterwards is what the exchange says."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from onetape.model import catalogue
from onetape.model.enums import OrderType, RequestKind, Side, TimeInForce
from onetape.services.gateway import gateway_journal, gateway_socket
from onetape.services.gateway_journal import FILL, REQUEST
from onetape.tape.journal import JournalReader, JournalWriter
from sim.venue_client import served

SYMBOL = "binance:BTC/USDT:USDT"
KILLS = 20 if os.environ.get("ONETAPE_LONG") else 4


class GatewayProcess:
    def __init__(self, home: Path, port: int, account) -> None:
        self.home, self.port, self.account = home, port, account
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "onetape.services.gateway"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        options = {
            "account": "main",
            "rest": f"http://127.0.0.1:{self.port}",
            "ws": f"ws://127.0.0.1:{self.port}",
            "key": self.account.key,
            "secret": self.account.secret,
            "home": str(self.home),
            "symbols": [SYMBOL],
        }
        self.process.stdin.write(json.dumps(options).encode())
        self.process.stdin.close()
        line = self.process.stdout.readline()
        assert line == b"ready\n", self.process.stderr.read()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def ask(self, do: str, **fields):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(gateway_socket(self.home, "main")))
            client.sendall(json.dumps({"do": do, **fields}).encode() + b"\n")
            return json.loads(client.makefile().readline())


class Robot:
    """Writes requests as a robot's journal has them; wants at random."""

    def __init__(self, journal: Path, gateway: GatewayProcess, seed: int) -> None:
        self.random = random.Random(seed)
        self.writer = JournalWriter(journal, process="robot:test")
        instrument = catalogue.find(SYMBOL)
        self.writer.append_instrument(1, time.time_ns(), instrument.to_msgpack())
        told = gateway.ask("attach", name="test", journal=str(journal))
        self.number, self.base = told["robot"], told["base"]
        self.placed: list[tuple[int, Side, int]] = []
        gateway.ask("follow", robot=self.number)

    def act(self, bid: int) -> None:
        if self.placed and self.random.random() < 0.4:
            order_id, side, price = self.random.choice(self.placed)
            self.request(RequestKind.CANCEL, order_id, side, price)
            return
        side = self.random.choice((Side.BUY, Side.SELL))
        is_market = self.random.random() < 0.3
        price = 0 if is_market else bid + self.random.randint(-30, 30) - 10 * side.sign
        order_id = self.base + len(self.placed) + 1
        self.placed.append((order_id, side, price))
        self.request(RequestKind.PLACE, order_id, side, price)

    def request(self, kind: RequestKind, order_id: int, side: Side, price: int) -> None:
        is_market = price == 0
        payload = REQUEST.pack(
            order_id, price, 10, 0, 0, kind.id, side.id,
            (OrderType.MARKET if is_market else OrderType.LIMIT).id, TimeInForce.GTC.id, 0, 0, 0,
            self.number, b"",
        )  # fmt: skip
        self.writer.append("order_request", payload, stream=1, time=time.time_ns())


def booked(home: Path) -> Counter:
    """Trades in the gateway's journal."""
    found: Counter = Counter()
    with JournalReader(gateway_journal(home, "main")) as reader:
        for frame in reader.frames(("fill",)):
            found[FILL.unpack(frame.payload)[2]] += 1
    return found


@pytest.mark.parametrize("seed", [1])
def test_a_gateway_killed_at_any_moment_ends_with_what_the_exchange_says(tmp_path, seed):
    rng = random.Random(seed)
    with served("binance-usdm", seed=seed, limits=False) as (dialect, port):
        exchange, account = dialect.exchange, dialect.exchange.accounts[0]
        gateway = GatewayProcess(tmp_path, port, account)
        gateway.start()
        robot = Robot(tmp_path / "robot", gateway, seed)
        try:
            for _ in range(KILLS):
                until = time.monotonic() + rng.uniform(0.2, 1.0)
                while time.monotonic() < until:
                    robot.act(exchange.listings[0].bid)
                    time.sleep(rng.uniform(0.001, 0.02))
                gateway.kill()
                for _ in range(5):  # what a robot asks for meanwhile waits on its journal
                    robot.act(exchange.listings[0].bid)
                gateway.start()
            time.sleep(0.3)
            for order_id, side, price in robot.placed:
                robot.request(RequestKind.CANCEL, order_id, side, price)
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                status = gateway.ask("status")
                if not status["open"] and not account.open_orders and not status["reconciling"]:
                    break
                time.sleep(0.2)
            gateway.ask("reconcile")
            while gateway.ask("status")["reconciling"]:
                time.sleep(0.05)
            status = gateway.ask("status")
        finally:
            gateway.kill()
            robot.writer.close()
        assert status["differences"] == []
        assert status["open"] == 0
        assert account.open_orders == {}
        trades = Counter(t.fill.trade_id for t in account.trades)
        assert booked(tmp_path) == trades
        assert sum(trades.values()) > 5
        held = account.qty(0)
        assert status["positions"].get(f"{SYMBOL} both", 0) == held
        clients = Counter(o.client_id for o in account.by_id.values())
        assert max(clients.values()) == 1
        assert msgspec.json.encode(status)
