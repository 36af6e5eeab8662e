"""Quotes a second through a backtest into a Python callback: empty, as the command tells a user
over recorded quotes and by the processor's time over a walk, then reading two fields, reading four
and computing. Beside it the floor: the same callback called from a Python loop over a list."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from loop import best_of
from market_tapes import SYMBOL, real_tape, walk_tape

from onetape import Strategy

COUNT, PASSES = 1_000_000, 3


class Empty(Strategy):
    def on_start(self):
        self.subscribe(SYMBOL, quotes=True)

    def on_quote(self, quote):
        pass


class TwoFields(Empty):
    def on_quote(self, quote):
        quote.bid
        quote.ask


class Arithmetic(Empty):
    def on_quote(self, quote):
        bid_size = quote.bid_size
        ask_size = quote.ask_size
        self.fair = (quote.bid * ask_size + quote.ask * bid_size) / (bid_size + ask_size)


def python_calls() -> float:
    """Method calls a second of a bare loop in this interpreter."""

    class Bare:
        def on_quote(self, quote):
            pass

    call, items, best = Bare().on_quote, [None] * COUNT, 0.0
    for _ in range(PASSES):
        began = time.process_time()
        for item in items:
            call(item)
        best = max(best, COUNT / (time.process_time() - began))
    return best


BY_COMMAND = f"""
from onetape import Strategy
class Empty(Strategy):
    def on_start(self):
        self.n = 0
        self.subscribe({SYMBOL!r}, quotes=True)
    def on_quote(self, quote): {{body}}
"""


def by_command(tape: Path, body: str) -> float:
    """What `onetape backtest` says itself, by the wall's clock: the best of some."""
    best = 0.0
    with tempfile.TemporaryDirectory(prefix="onetape-bench-") as folder:
        source = Path(folder) / "empty.py"
        source.write_text(BY_COMMAND.format(body=body))
        call = [
            sys.executable,
            "-m",
            "onetape",
            "backtest",
            str(source),
            "--data",
            str(tape),
            "--home",
            str(Path(folder) / "home"),
            "--json",
        ]
        for _ in range(PASSES):
            said = subprocess.run(call, stdout=subprocess.PIPE, check=True).stdout
            answer = json.loads(said)
            assert answer["events"] == COUNT
            best = max(best, float(answer["events_per_second"]))
    return best


def of_command() -> list[dict[str, object]]:
    tape = real_tape(COUNT)
    if tape is None:
        print("NOT AVAILABLE: the recorded quotes are not there", file=sys.stderr)
        return []
    rows = (
        ("empty on_quote", "pass", 10e6, {"peer": "nautilus no-op", "headline": True}),
        ("on_quote that counts", "self.n += 1", 6e6, {}),
    )
    return [
        {
            "name": f"onetape backtest, {name}, recorded quotes",
            "unit": "quotes/s",
            "value": by_command(tape, body),
            "better": "more",
            "reach": reach,
            **more,
        }
        for name, body, reach, more in rows
    ]


def main() -> None:
    tape = walk_tape(COUNT)
    floor = {"name": "bare method calls of this interpreter", "value": python_calls()}
    figures = of_command()
    for name, strategy, reach, more in (
        ("backtest, empty on_quote", Empty, 10e6, {"peer": "nautilus no-op"}),
        ("backtest, on_quote reading bid and ask", TwoFields, 8e6, {"against": floor}),
        ("backtest, on_quote with four fields and arithmetic", Arithmetic, 5e6, {"against": floor}),
    ):
        timed = best_of(PASSES, strategy, tape)
        assert timed.counters["events"] == COUNT
        figures.append(
            {"name": name, "value": COUNT / timed.seconds, "unit": "quotes/s", "better": "more", "reach": reach, **more}
        )
    print(json.dumps({"figures": figures}))


if __name__ == "__main__":
    main()
