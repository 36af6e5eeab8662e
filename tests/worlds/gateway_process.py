"""A gateway process for tests, and a robot that writes requests as a robot's journal has them."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import msgspec

from copied_process import Copied
from onetape.ipc.local_socket import connect
from onetape.model import catalogue
from onetape.model.enums import OrderNews, OrderType, RequestKind, Side, TimeInForce, TriggerBy
from onetape.model.home import gateway_journal
from onetape.model.order import REDUCE_ONLY
from onetape.model.request_key import RequestKey
from onetape.model.sections import OPERATOR
from onetape.options.gateway import gateway_socket
from onetape.security.tokens import read_token
from onetape.simulation.venue_numbers import venue_number
from onetape.tape.journal import JournalReader, JournalWriter
from waiting import wait_for
from worlds.frames import FILL, NEWS, REQUEST

SYMBOL = "binance:BTC/USDT:USDT"
# What is traded, and 0.01 of it in units.
TRADED = {
    "binance-usdm": (SYMBOL, 10),
    "kraken": ("kraken:BTC/USD", 1_000_000),
    "aster": ("aster:BTC/USDT:USDT", 10),
    "pacifica": ("pacifica:BTC/USDC:USDC", 1000),
    "bitmex": ("bitmex:BTC/USD:BTC", 100),
    "bybit": ("bybit:BTC/USDT:USDT", 10),
    "hyperliquid": ("hyperliquid:BTC/USDC:USDC", 1000),
    "okx": ("okx:BTC/USDT:USDT", 100),
    "binance-spot": ("binance:BTC/USDT", 1000),
}
# The same through the bridge to ccxt.
BRIDGED = {"ccxt:binanceusdm": TRADED["binance-usdm"], "ccxt:kraken": TRADED["kraken"]}
HEADER_BYTES = 32  # of a frame
BOOT_ID = slice(48, 64)  # of the control page
WS_PATH = {
    "binance-usdm": "",
    "kraken": "/v2",
    "aster": "",
    "pacifica": "/ws",
    "bitmex": "/realtime",
    "bybit": "",
    "hyperliquid": "/ws",
    "okx": "",
    "binance-spot": "",
}


class GatewayProcess:
    def __init__(self, kind: str, home: Path, port: int, account, **options) -> None:
        self.kind, self.home, self.port, self.account = kind, home, port, account
        self.options = options
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        log = self.home.with_name(f"{self.home.name}.log")
        with log.open("ab") as errors:  # a pipe that nobody reads would stop it once it is full
            self.process = Copied("onetape.gateway.main", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
        options = {
            "kind": self.kind,
            "account": "main",
            "rest": f"http://127.0.0.1:{self.port}",
            "ws": f"ws://127.0.0.1:{self.port}{WS_PATH.get(self.kind, '')}",
            "rest_wallet": f"http://127.0.0.1:{self.port}",
            "key": self.account.key,
            "secret": self.account.secret,
            "third_secret": getattr(self.account, "password", ""),
            "home": str(self.home),
            "symbols": [(TRADED | BRIDGED)[self.kind][0]],
            **self.options,
        }
        self.process.stdin.write(json.dumps(options).encode())
        self.process.stdin.close()
        line = self.process.stdout.readline()
        assert line == b"ready\n", log.read_text()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def ask(self, do: str, **fields):
        """As the operator."""
        fields = {"actor": OPERATOR, "token": read_token(self.home, OPERATOR), **fields}
        with wait_for(self._connect) as client:
            client.sendall(json.dumps({"do": do, **fields}).encode() + b"\n")
            return json.loads(client.makefile().readline())

    def _connect(self):
        """One that takes in another symbol has no socket for a moment."""
        try:
            return connect(gateway_socket(self.home, "main"), timeout_s=60)
        except (FileNotFoundError, ConnectionRefusedError):
            if self.process is None or self.process.poll() is not None:
                raise
            return None


def configure(folder: Path, port: int, account, *, kind: str = "binance-usdm", **more: str) -> None:
    """A configuration for robots of the command line, on a simulated exchange. more: of the account."""
    names = ("key", "secret", *(["password"] if getattr(account, "password", "") else []))
    for name in names:
        file = folder / name
        file.write_text(getattr(account, name))
        file.chmod(0o600)
    (folder / "onetape.toml").write_text(
        f'[venues.b]\nkind = "{kind}"\nmode = "sim"\nrest = "http://127.0.0.1:{port}"\n'
        '[accounts.main]\nvenue = "b"\n'
        + "".join(f'{name} = "file:{folder}/{name}"\n' for name in names)
        + "".join(f'{name} = "{value}"\n' for name, value in more.items())
    )


class Robot:
    """Writes requests as a robot's journal has them; wants at random. traded: as a row of `TRADED`."""

    def __init__(
        self,
        journal: Path,
        gateway: GatewayProcess,
        seed: int,
        *,
        subaccount: str = "main",
        name: str = "test",
        traded: tuple[str, int] | None = None,
    ) -> None:
        self.random, self.name, self.gateway = random.Random(seed), name, gateway
        self.writer = JournalWriter(journal, process="robot:test")
        symbol, self.size = traded or (TRADED | BRIDGED)[gateway.kind]
        instrument = catalogue.find(symbol)
        self.tick = instrument.core.tick
        self.writer.append_instrument(1, time.time_ns(), instrument.to_msgpack())
        answer = gateway.ask("attach", name=name, journal=str(journal), subaccount=subaccount)
        self.number, self.base = answer["robot"], answer["base"]
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

    def place(self, side: Side, price: int, *, reduce_only: bool = False, once: RequestKey | None = None) -> int:
        order_id = self.base + len(self.placed) + 1
        self.placed.append((order_id, side, price))
        self.request(
            RequestKind.PLACE,
            order_id,
            side,
            price,
            REDUCE_ONLY * reduce_only,
            msgspec.msgpack.encode(once.as_record()) if once is not None else b"",
        )
        return order_id

    def cancel_all(self) -> None:
        """Of what it has placed. Returns once the gateway has come to the last of its orders: what
        is open at either side can only end from here on."""
        for order_id, side, price in self.placed:
            self.request(RequestKind.CANCEL, order_id, side, price)
        wait_for(lambda: self.placed[-1][0] in self.answered())

    def answered(self) -> set[int]:
        """Its orders of which the gateway's journal says something."""
        with JournalReader(gateway_journal(self.gateway.home, "main")) as reader:
            received = [NEWS.unpack(frame.payload) for frame in reader.frames(("order_event",))]
        return {each[0] for each in received if each[9] == self.number}

    def end_cycle(self, key: RequestKey) -> None:
        record = {"end": key.key, "within": key.within}
        self.writer.append("cycle", msgspec.msgpack.encode(record), time=time.time_ns())

    def request(
        self,
        kind: RequestKind,
        order_id: int,
        side: Side,
        price: int,
        flags: int = 0,
        more: bytes = b"",
        trigger: int = 0,
    ) -> None:
        is_market = price == 0
        price, trigger = (each - each % self.tick for each in (price, trigger))  # of valid prices
        payload = REQUEST.pack(
            order_id,
            price,
            self.size,
            trigger,
            0,
            kind.id,
            side.id,
            (OrderType.MARKET if is_market else OrderType.LIMIT).id,
            TimeInForce.GTC.id,
            flags,
            (TriggerBy.LAST if trigger else TriggerBy.NONE).id,
            0,
            self.number,
            b"",
        )
        self.writer.append("order_request", payload + more, stream=1, time=time.time_ns())


def news_of(home: Path, order_id: int) -> list[tuple[str, int]]:
    """What the gateway's journal says of an order: words and codes."""
    with JournalReader(gateway_journal(home, "main")) as reader:
        received = [NEWS.unpack(f.payload) for f in reader.frames(("order_event",))]
    return [(OrderNews.from_id(n[7]).value, n[6]) for n in received if n[0] == order_id]


def cut_journal(journal: Path, lost: bytes) -> None:
    """As the disk has it after a loss of power: nothing from the frame of that payload on, and
    another start of the machine."""
    (segment,) = [p for p in sorted(journal.glob("*.tape*")) if lost in p.read_bytes()]
    image = bytearray(segment.read_bytes())
    cut = image.index(lost) - HEADER_BYTES
    image[cut:] = bytes(len(image) - cut)
    segment.write_bytes(image)
    control = journal / "control"
    page = bytearray(control.read_bytes())
    page[BOOT_ID] = bytes(16)
    control.write_bytes(page)


def traded(dialect) -> Counter:
    """Trades of the exchange's first account, by the numbers that the venue tells."""
    return Counter(venue_number(dialect, trade) for trade in dialect.exchange.accounts[0].trades)


def booked(home: Path) -> Counter:
    """Trades in the gateway's journal."""
    found: Counter = Counter()
    with JournalReader(gateway_journal(home, "main")) as reader:
        for frame in reader.frames(("fill",)):
            found[FILL.unpack(frame.payload)[2]] += 1
    return found
