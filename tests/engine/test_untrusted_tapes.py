"""A tape is not trusted: what does not fit its type is named, and nothing is read past its end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from onetape import Strategy
from onetape.model.errors import SchemaMismatch
from worlds.tapes import BTC, Market, session_of


class Watch(Strategy):
    symbol: str = BTC

    def on_start(self):
        self.subscribe(self.symbol, quotes=True, trades=True, book=True, bars="1m@trade")
        self.seen = 0

    def on_quote(self, quote):
        self.seen += 1


@pytest.mark.parametrize("kind", ["quote", "trade", "book", "bar", "mark", "funding", "liquidation"])
@pytest.mark.parametrize("position", ["first", "later"])
def test_a_frame_shorter_than_its_type_is_named(tmp_path, kind, position):
    market = Market(tmp_path / "tape")
    if position == "later":
        market.quote(1, 100, 101)
    market.raw(kind, b"\1" * 8, 2)
    tape = market.done()
    session = session_of(Watch, tape)
    try:
        with pytest.raises(SchemaMismatch, match=f"{kind}.*8 bytes"):
            session.open()
            session.start()
            session.step()
    finally:
        session.close()


FULL = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from worlds.tapes import BTC, Market
from onetape import Strategy
from onetape.model.errors import DiskFull, IoFailed
from worlds.tapes import session_of


class Talk(Strategy):
    symbol: str = BTC

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        for _ in range(200):
            self.cancel(self.buy(self.symbol, 1, 50))


market = Market(Path(sys.argv[2]) / "tape")
for i in range(5000):
    market.quote(i, 100, 101)
session = session_of(Talk, market.done(), journal=Path(sys.argv[2]) / "run")
session.open()
session.start()
resource.setrlimit(resource.RLIMIT_FSIZE, (6 << 20, 6 << 20))
try:
    session.step()
except (DiskFull, IoFailed) as error:
    print("stopped", type(error).__name__, session.loop.counters()["frames"] < 5001)
"""


def test_a_run_whose_journal_cannot_be_written_stops(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(Path(__file__).parents[1]), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split()[0:1] == ["stopped"] and done.stdout.split()[2] == "True", done.stderr
