"""Strategies as users write them, as text: runs keep their source, so they must come from files."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

BTC = "binance:BTC/USDT:USDT"

TAKER = """
from onetape import Strategy


class Taker(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    size: float = 0.05
    every: int = 20

    def on_start(self):
        self.subscribe(self.symbol, quotes=True, bars="5s@mid")
        self.set_timer("look", every="2s")
        self.n = 0
        self.order = None

    def on_quote(self, q):
        self.n += 1
        if self.n % self.every:
            return
        if self.order is not None:
            self.cancel(self.order)
        side = self.buy if self.random.random() < 0.5 else self.sell
        if self.random.random() < 0.5:
            self.order = side(self.symbol, self.size)
        else:
            self.order = side(self.symbol, self.size, q.bid if side == self.buy else q.ask)

    def on_bar(self, bar):
        self.memory["close"] = bar.close

    def on_timer(self, name):
        if abs(self.position(self.symbol).qty) > 5 * self.size:
            self.set_target(self.symbol, 0)

    def on_stop(self):
        self.cancel_all()
"""

# Finds the whole tape through its module and trades on what comes next.
CHEAT = """
import os

from onetape import Strategy
from onetape.tape.journal import JournalReader

TAPE = os.environ["CHEAT_TAPE"]
FUTURE = {}
with JournalReader(TAPE) as reader:
    rows = reader.columns("quote")
    FUTURE = dict(zip(rows["time"][:-1].tolist(), rows["bid"][1:].tolist()))


class Cheat(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, q):
        following = FUTURE.get(self.now, q.bid_int)
        if following > q.bid_int:
            self.set_target(self.symbol, 0.1)
        elif following < q.bid_int:
            self.set_target(self.symbol, -0.1)
"""


def listener(symbol: str = BTC, feeds: str = "quotes=True", **callbacks: str) -> str:
    """A strategy of one symbol: the body of each callback by kind, whose argument is called so. `self.n` counts
    what its first kind has shown; what it says to `self.hear` is in its memory, as `heard`."""
    text = f"""
from onetape import Strategy


class Listener(Strategy):
    symbol: str = "{symbol}"

    def on_start(self):
        self.subscribe(self.symbol, {feeds})
        self.n = 0
        self.memory["heard"] = []

    def hear(self, *words):
        self.memory["heard"] = [*self.memory["heard"], " ".join(map(str, words))]
"""
    count = "self.n += 1\n"
    for kind, body in callbacks.items():
        text += f"\n    def on_{kind}(self, {kind}):\n" + indent(count + dedent(body).strip("\n") + "\n", " " * 8)
        count = ""
    return text


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(text)
    return path
