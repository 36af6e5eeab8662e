"""From the first position that the guardian sees beyond its hard stop to the last of many that is flat: a simulated
exchange, 10 ms away each way, a gateway and a guardian as processes. Prints one JSON object of figures.

    python bench/flatten.py [--positions 100] [--away-ms 10] [--dead]

dead: the gateway is killed before, and the guardian acts past it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from guardian import ACCOUNT, ask, frames, guardian_process, put_away
from onetape.exchange.flow import flow_market
from onetape.exchange.options import VenueOptions
from onetape.model import catalogue
from onetape.model.home import gateway_journal, guardian_journal
from onetape.model.time import SECOND
from onetape.options.guardian_rules import GuardianSettings, Rules
from onetape.robot.live import addressed, gateway_process
from onetape.security.tokens import make_token
from onetape.tape.journal import JournalReader

# A quiet market of many symbols, with half a minute behind it instead of an hour.
EXCHANGE = """
import sys
from dataclasses import replace
from onetape.exchange import main, server, venues
from onetape.exchange.binance import facts
facts.FACTS = replace(facts.FACTS, symbols=tuple(sys.argv[1].split(",")))
server.Crowd = lambda: venues.Crowd(rate=0.1, history=30 * 10**9)
sys.exit(main.main())
"""


@contextlib.contextmanager
def exchange_of(symbols: list[str]) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-c", EXCHANGE, ",".join(symbols)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(msgspec.json.encode(VenueOptions(kind="binance-usdm", seed=1)))
        process.stdin.close()
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.kill()


def hard_stops(home: Path) -> list[tuple[int, str]]:
    """When they were said, ns, and what."""
    found = ((at, msgspec.msgpack.decode(payload)) for at, payload in frames(guardian_journal(home), "health"))
    return [(at, record["state"]) for at, record in found if record["kind"] == "hard stop"]


def wait(what: str, count: Callable[[], int], wanted: int, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while (found := count()) < wanted:
        if time.monotonic() > until:
            raise SystemExit(f"{found} of {wanted} are {what}")
        time.sleep(0.2)


def held(home: Path) -> list[dict[str, Any]]:
    return [row for row in ask(home, "guardian", "status")["stops"] if float(row["qty"])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--positions", type=int, default=100)
    parser.add_argument("--away-ms", type=float, default=10.0, help="each way")
    parser.add_argument("--dead", action="store_true", help="past a gateway that was killed")
    inputs = parser.parse_args()
    names = [s for s in catalogue._by_symbol() if s.startswith("binance:") and s.endswith("/USDT:USDT")]
    symbols = names[: inputs.positions + 15]  # a market so young may have nobody to trade with
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        home = Path(folder)
        (home / "run").mkdir(mode=0o700)
        for name in ("operator", "guardian"):
            make_token(home, name)
        exchange = stack.enter_context(exchange_of(symbols))
        put_away(exchange, inputs.away_ms)
        options = addressed(home, ACCOUNT, exchange, exchange["accounts"][0], symbols, is_new=True)
        stack.enter_context(gateway_process(options))
        rules = Rules(distances=(Decimal("0.05"),))  # the venue takes 200 stops of an account
        with guardian_process(home, options, GuardianSettings(rules=rules)):
            for number, symbol in enumerate(symbols):
                qty = flow_market(symbol).size
                ask(home, f"gateway:{ACCOUNT}", "place", symbol=symbol, side="buy", qty=str(qty))
                if number % 20 == 19:
                    time.sleep(2)  # orders by hand are no part of the measure, and are counted by the venue, too
            wait("protected", lambda: sum(row["protected"] >= 0.95 for row in held(home)), inputs.positions)
            count = len(held(home))
        if inputs.dead:
            with JournalReader(gateway_journal(home, ACCOUNT)) as reader:
                os.kill(reader.control["pid"], signal.SIGKILL)
        # Whatever the price is, it is beyond this.
        at_once = GuardianSettings(rules=Rules(distances=rules.distances, hard_stop=Decimal("-0.9")))
        with guardian_process(home, options, at_once, takeover_ns=SECOND):
            wait("flat", lambda: sum(state == "flat" for _, state in hard_stops(home)), count)
            weight = ask(home, "guardian", "status")["weight"]
        said = hard_stops(home)
    began = [at for at, state in said if state == "flattening"]
    flat = [at for at, state in said if state == "flat"]
    print(
        json.dumps(
            {
                "positions": len(flat),
                "past_gateway": inputs.dead,
                "first_seen_to_last_flat_s": round((max(flat) - min(began)) / SECOND, 2),
                "last_seen_to_last_flat_s": round((max(flat) - max(began)) / SECOND, 2),
                "weight": weight,
            }
        )
    )


if __name__ == "__main__":
    main()
