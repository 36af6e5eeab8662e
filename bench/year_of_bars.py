"""A year of one-minute bars of twenty symbols through a moving-average cross: compiled, and plain
with the same windows. Seconds of the loop, which builds no bars: the tape has them. Of the
processor, here and in the rivals, so that other work of the machine does not count.

Rivals that `make peers` ran over the same bars stand beside it, and in a table what each did:
fills, gain, and what its run leaves out. One that ran over a share of them is compared with ours
over that share.
"""

from __future__ import annotations

import json
import struct
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from loop import Timed, run_once
from place import PLACE, ROOT

from onetape import Strategy, compiled
from onetape.engine.latency import Latency
from onetape.model.instrument import from_symbol
from onetape.tape.journal import JournalWriter

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from bars import MINUTES, START_S, SYMBOLS, TAKER, cross, prices

TAPE = PLACE / "year-of-bars"
PEERS = ROOT / "build" / "peers" / "results.json"
RIVALS = ("vectorbt bars", "nautilus bars", "backtrader bars", "backtesting.py bars", "freqtrade bars")
NAMES = tuple(f"binance:C{i:02}/USDT:USDT" for i in range(SYMBOLS))
MINUTE = 60 * 10**9
START = START_S * 10**9
DAY = 24 * 60 * MINUTE
BAR = struct.Struct("<12q")


class Cross(Strategy):
    fast: int = 10
    slow: int = 30

    def on_start(self):
        for name in NAMES:
            self.subscribe(name, bars="1m")

    def on_bar(self, bar):
        closes = self.bars(bar.symbol, "1m", self.slow).close
        if len(closes) == self.slow:
            self.set_target(bar.symbol, 0.01 if closes[-self.fast :].mean() > closes.mean() else 0)


def tape(symbols: int = SYMBOLS) -> Path:
    """The year of the first `symbols` of them."""
    place = TAPE if symbols == SYMBOLS else TAPE.with_name(f"{TAPE.name}-of-{symbols}")
    if place.is_dir():
        return place
    walk = prices()
    with JournalWriter(place, process="bench", durable=False) as writer:
        for stream, name in enumerate(NAMES[:symbols], 1):
            facts = from_symbol(name, tick="0.01", lot="0.001")
            writer.append_instrument(stream, START, facts.to_msgpack())
        for minute in range(MINUTES):
            opened, closed = START + minute * MINUTE, START + (minute + 1) * MINUTE
            for stream in range(symbols):
                first, last = int(walk[minute, stream]), int(walk[minute + 1, stream])
                row = BAR.pack(
                    opened, closed, MINUTE, first, max(first, last) + 3, min(first, last) - 3, last, 5_000, 0, 0, -1, 0
                )
                writer.append("bar", row, stream=stream + 1, time=closed)
    return place


def main() -> None:
    began = time.perf_counter()
    path = tape()
    made = time.perf_counter() - began
    figures = []
    marked = compiled(type("Cross", (Cross,), {"__module__": __name__}))
    runs = {}
    for word, strategy, reach in (("compiled", marked, 3.0), ("plain", Cross, None)):
        timed = runs[word] = over(strategy, path)
        figures.append(
            {
                "name": f"year of minute bars, 20 symbols, cross, {word}",
                "value": timed.seconds,
                "unit": "s",
                "better": "less",
                "reach": reach,
                "headline": word == "compiled",
            }
        )
        figures.append(
            {
                "name": f"minute bars, cross, {word}",
                "value": SYMBOLS * MINUTES / timed.seconds,
                "unit": "bars/s",
                "beside": RIVALS,
            }
        )
    print(json.dumps({"figures": figures, "made": made, "tables": [table(runs, marked, path)]}))


def over(strategy: type[Strategy], path: Path, days: int = 0) -> Timed:
    """The first `days` days, all without."""
    return run_once(
        strategy,
        path,
        latency=Latency(0, 0),
        fee=(Decimal(0), Decimal(str(TAKER))),
        # The samples of equity that `onetape backtest` would take of a year.
        sample_every=4 * 60 * MINUTE,
        end=START + days * DAY + 1 if days else None,
    )


def table(runs: dict[str, Timed], strategy: type[Strategy], path: Path) -> str:
    """What everybody did with the same bars."""
    walk = prices()
    shares = {0: (runs["compiled"], cross(walk))}
    lines = [
        "A moving-average cross over minute bars of twenty symbols, fee 0.05 %, no latency. Expected:"
        " exact, in whole numbers; where both averages are equal, rounding decides in each system,"
        " hence the small differences.",
        "",
        "| | bars | seconds | fills | gain, USDT | ours of the same bars | expected | leaves out |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for word, timed in runs.items():
        cells = [
            f"onetape, {word}",
            f"{SYMBOLS * MINUTES:,}",
            f"{timed.seconds:.2f}",
            *done(timed),
            "",
            " / ".join(figures_of(*shares[0][1])),
            "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    results: dict[str, Any] = {}
    if PEERS.is_file():
        results = json.loads(PEERS.read_text())["results"]
    for name in RIVALS:
        found = results.get(name)
        if found is None or "not_available" in found:
            why = found["not_available"] if found else "not run, see make peers"
            lines.append(f"| {name} | NOT_AVAILABLE: {why} | | | | | | |")
            continue
        days = found["events"] // SYMBOLS // 1_440 if found["share"] else 0
        if days not in shares:
            shares[days] = over(strategy, path, days), cross(walk[: days * 1_440 + 1])
        mine, expected = shares[days]
        cells = [
            name,
            f"{found['events']:,}",
            f"{found['seconds']:.2f}",
            *figures_of(found["fills"], found["gain"]),
            f"{mine.seconds:.2f} s / " + " / ".join(done(mine)),
            " / ".join(figures_of(*expected)),
            found["left_out"],
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def done(timed: Timed) -> tuple[str, str]:
    return figures_of(timed.counters["fills"], float(timed.gain))


def figures_of(fills: int, gain: float) -> tuple[str, str]:
    return f"{fills:,}", f"{gain:.2f}"


if __name__ == "__main__":
    main()
