"""A portfolio of fifty strategies on each of twenty symbols over a year of one-minute bars: a thousand members, netted
into twenty positions. Seconds of the loop.

Members hear Python callbacks, so their number is the measure: by the hour a year of them is 8.8 million. By the
minute it would be 525 million: those are timed over a week, as callbacks a second, and not multiplied.
"""

from __future__ import annotations

import json
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

from loop import Timed, run_once
from year_of_bars import DAY, NAMES, PEERS, START, SYMBOLS, tape

from onetape.engine.loader import load_strategy

STRATEGIES, RIVAL = 50, "nautilus portfolio"
EMA = """
from onetape import Strategy

class Ema(Strategy):
    symbol: str = ""
    period: str = "1h"
    fast: int = 5
    slow: int = 20

    def on_start(self):
        self.subscribe(self.symbol, bars=self.period)
        self.a, self.b, self.short, self.long = 2 / (self.fast + 1), 2 / (self.slow + 1), None, None

    def on_bar(self, bar):
        close = bar.close
        if self.short is None:
            self.short = self.long = close
        was = self.short > self.long
        self.short += self.a * (close - self.short)
        self.long += self.b * (close - self.long)
        if (self.short > self.long) != was:
            self.set_target(self.symbol, 1 if self.short > self.long else -1)
"""


def portfolio(folder: Path, period: str, symbols: int) -> Path:
    (folder / "ema.py").write_text(EMA)
    names = list(NAMES[:symbols])
    sections = [
        f'[portfolio.strategies.s{k}]\nstrategy = "ema.py:Ema"\nsymbols = {names}\nperiods = ["{period}"]\n'
        # Small beside the bars' volume: what is timed is the portfolio, not orders that fill for hours.
        f"share = 0.000008\nparams = {{ fast = {4 + k % 10}, slow = {20 + 3 * k} }}\n"
        for k in range(STRATEGIES)
    ]
    file = folder / f"portfolio-{period}.toml"
    head = '[portfolio]\nweights = "risk_parity"\nreturns = "1h"\nwindow = 100\nrebalance = "1d"\n'
    file.write_text("\n".join([head, *sections]))
    return file


def over(period: str, days: int = 0, symbols: int = SYMBOLS) -> Timed:
    with tempfile.TemporaryDirectory() as folder:
        return run_once(
            load_strategy(str(portfolio(Path(folder), period, symbols))),
            tape(symbols),
            fee=(Decimal(0), Decimal("0.0005")),
            sample_every=DAY // 6,
            end=START + days * DAY + 1 if days else None,
        )


def table() -> str:
    """The rival over the share that it is timed on, and ours over the same."""
    results = json.loads(PEERS.read_text())["results"] if PEERS.is_file() else {}
    rival = results.get(RIVAL, {"not_available": "not run, see make peers"})
    if "seconds" not in rival:
        return f"{RIVAL}: NOT_AVAILABLE: {rival['not_available']}"
    symbols = 2
    ours = over("1h", rival["events"] // symbols // 1_440, symbols)
    return (
        f"{STRATEGIES} strategies on {symbols} symbols, {rival['events']:,} bars: {RIVAL} {rival['seconds']:.2f} s, "
        f"ours {ours.seconds:.2f} s, {rival['seconds'] / ours.seconds:.1f} times; left out there: {rival['left_out']}."
    )


def main() -> None:
    days = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    year, week = over("1h", days), over("1m", min(days, 7) or 7)
    callbacks = STRATEGIES * len(NAMES) * 7 * 24 * 60
    figures = [
        {
            "name": "portfolio, 50 strategies x 20 symbols, a year of minute bars, heard by the hour",
            "value": year.seconds,
            "unit": "s",
            "better": "less",
            "reach": 60.0,
            "headline": True,
        },
        {"name": "portfolio, members' callbacks by the minute", "value": callbacks / week.seconds, "unit": "bars/s"},
    ]
    print(
        json.dumps(
            {
                "figures": figures,
                "tables": [table()],
                "fills": year.counters.get("fills"),
                "orders": year.counters.get("orders"),
            }
        )
    )


if __name__ == "__main__":
    main()
