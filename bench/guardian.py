"""From a fill at the venue to stops that the venue has listed: a simulated exchange, 10 ms away each
way, a gateway and a guardian as processes, and positions that are opened, doubled and closed by
hand. Prints one JSON object of figures, ms, what they are made of, and the guardian's own histogram of
how long positions were unprotected.

    python bench/guardian.py [--rounds 50] [--away-ms 10]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from onetape.ipc.operator import send_command
from onetape.model.home import gateway_journal, guardian_journal
from onetape.options.gateway import GatewayOptions
from onetape.options.guardian import AccountOptions, GuardianOptions
from onetape.options.guardian_rules import GuardianSettings
from onetape.orders.order_frames import fill_of
from onetape.robot.live import addressed, gateway_process, simulated_exchange
from onetape.security.tokens import make_token
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape

PACE_S = 0.4
SYMBOL = "binance:BTC/USDT:USDT"
ACCOUNT = "bench"


class Away:
    """Carries bytes to a port of this machine and back, each piece so much later. In a thread."""

    def __init__(self, port: int, seconds: float) -> None:
        self._target, self._seconds = port, seconds
        self._loop = asyncio.new_event_loop()
        self.port = 0
        ready = threading.Event()
        threading.Thread(target=self._serve, args=(ready,), daemon=True).start()
        ready.wait()

    def _serve(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._join, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self._loop.run_forever()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        await asyncio.gather(self._carry(reader, back), self._carry(there, writer), return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            self._loop.call_later(self._seconds, writer.write, data)
        self._loop.call_later(self._seconds, writer.close)


def put_away(exchange: dict[str, Any], away_ms: float) -> None:
    """Its addresses are then so far, each way."""
    away: dict[int, Away] = {}
    for name in ("rest", "ws"):
        begin, _, port = exchange[name].rpartition(":")
        path = port.partition("/")[1] + port.partition("/")[2]
        number = int(port.partition("/")[0])
        proxy = away.setdefault(number, Away(number, away_ms / 1000))
        exchange[name] = f"{begin}:{proxy.port}{path}"


@contextlib.contextmanager
def guardian_process(
    home: Path, gateway: GatewayOptions, settings: GuardianSettings | None = None, *, takeover_ns: int = 0
) -> Iterator[None]:
    account = AccountOptions(
        kind=gateway.kind, rest=gateway.rest, ws=gateway.ws, key=gateway.key, secret=gateway.secret
    )
    settings = settings or GuardianSettings()
    options = GuardianOptions(home=str(home), accounts={ACCOUNT: account}, settings=settings, takeover_ns=takeover_ns)
    process = subprocess.Popen(
        [sys.executable, "-m", "onetape.guardian.main"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(msgspec.json.encode(options))
    process.stdin.close()
    process.stdout.readline()
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def frames(path: Path, kind: str) -> list[tuple[int, Any]]:
    """Time and payload of each."""
    if not is_tape(path):
        return []
    with JournalReader(path) as reader:
        return [(frame.time, frame.payload) for frame in reader.frames((kind,))]


def verified(home: Path) -> list[int]:
    """When ladders were, ns."""
    found = ((at, msgspec.msgpack.decode(payload)) for at, payload in frames(guardian_journal(home), "health"))
    return [at for at, record in found if (record["kind"], record["state"]) == ("ladder", "verified")]


def ask(home: Path, target: str, command: str, **fields: Any) -> Any:
    (answer,) = send_command(home, target, command, fields, uuid.uuid4().hex)
    if answer["status"] != "applied":
        raise SystemExit(f"{command}: {answer['error']}")
    return answer["result"]


def protected(home: Path, size: float) -> bool:
    rows = ask(home, "guardian", "status")["stops"]
    return any(abs(float(row["qty"])) == size and row["protected"] >= 0.95 for row in rows) or (not size and not rows)


def wait(home: Path, size: float, ladders: int = 0) -> None:
    """Until a position of that size is protected, and so many ladders were verified."""
    until = time.monotonic() + 30
    while not protected(home, size) or len(verified(home)) < ladders:
        if time.monotonic() > until:
            raise SystemExit(f"a position of {size} was not protected within 30 s")
        time.sleep(0.02)


def buy(home: Path) -> None:
    """Waits so that ladders stay within the 300 orders in ten seconds that the venue takes."""
    time.sleep(PACE_S)
    (order,) = ask(home, f"gateway:{ACCOUNT}", "place", symbol=SYMBOL, side="buy", qty="0.02")["orders"]
    if order["code"]:
        raise SystemExit(order["reason"])


def measure(home: Path, rounds: int) -> list[tuple[int, int]]:
    """When positions were filled at the venue, by its clock, and when their stops were listed, ns."""
    samples = []
    for _ in range(rounds):
        for size in (0.02, 0.04):
            before = len(verified(home))
            buy(home)
            wait(home, size, before + 1)
            filled = [fill_of(payload).time for _, payload in frames(gateway_journal(home, ACCOUNT), "fill")]
            samples.append((filled[-1], verified(home)[before]))
        ask(home, f"gateway:{ACCOUNT}", "close", symbol=SYMBOL)
        wait(home, 0)
    return samples


def parts(home: Path, samples: list[tuple[int, int]]) -> dict[str, list[float]]:
    """What the time was made of, ms, each part to the next: the gateway has the fill, the guardian has decided, the
    gateway has asked for the last stop, the venue's last answer is there, the guardian has the venue's listing."""
    health = [(at, msgspec.msgpack.decode(payload)) for at, payload in frames(guardian_journal(home), "health")]
    gateway = gateway_journal(home, ACCOUNT)
    steps = {
        "heard": [at for at, _ in frames(gateway, "fill")],
        "decided": [at for at, record in health if (record["kind"], record["state"]) == ("ladder", "placing")],
        "asked": [at for at, _ in frames(gateway, "order_request")],
        "accepted": [at for at, _ in frames(gateway, "order_event")],
        "verified": verified(home),
    }
    found: dict[str, list[float]] = {name: [] for name in steps}
    for began, ended in samples:
        last = began
        for name, times in steps.items():
            within = [at for at in times if last <= at <= ended]
            at = (within[0] if name in ("heard", "decided") else within[-1]) if within else last
            found[name].append((at - last) / 1e6)
            last = at
    return found


def at(samples: list[float], share: float) -> float:
    return round(sorted(samples)[int(share * (len(samples) - 1))], 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--away-ms", type=float, default=10.0, help="each way")
    inputs = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        home = Path(folder)
        (home / "run").mkdir(mode=0o700)
        for name in ("operator", "guardian"):
            make_token(home, name)
        exchange = stack.enter_context(simulated_exchange("binance-usdm", 1))
        put_away(exchange, inputs.away_ms)
        options = addressed(home, ACCOUNT, exchange, exchange["accounts"][0], [SYMBOL], is_new=True)
        stack.enter_context(gateway_process(options))
        stack.enter_context(guardian_process(home, options))
        samples = measure(home, inputs.rounds)
        status = ask(home, "guardian", "status")
        made_of = parts(home, samples)
    whole = [(ended - began) / 1e6 for began, ended in samples]
    print(
        json.dumps(
            {
                "fills": len(samples),
                "load": round(os.getloadavg()[0], 1),
                "fill_to_verified_ms_p50": at(whole, 0.5),
                "fill_to_verified_ms_p99": at(whole, 0.99),
                "of_these_ms_p50_p99": {name: [at(each, 0.5), at(each, 0.99)] for name, each in made_of.items()},
                "unprotected_ms": status["unprotected_ms"],
                "weight": status["weight"],
            }
        )
    )


if __name__ == "__main__":
    main()
