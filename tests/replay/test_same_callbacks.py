"""A robot hears the market and its own orders through the same callbacks, in the same order,
whether a gateway's tape brings them or the venue's connections are in its own process."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from onetape.tape.journal import JournalReader
from worlds.command_lines import answered

SECONDS = (4, 10, 30)  # the next where a machine is too busy for one

ROBOT = """
from onetape import Strategy


class Hears(Strategy):
    symbol: str = "kraken:BTC/USD"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True, trades=True)
        self.heard = set()
        self.resting = self.taking = None

    def market(self, what, event):
        if what not in self.heard:
            self.heard.add(what)
            self.log(what, symbol=event.symbol)

    def on_trade(self, trade):
        self.market("trade", trade)

    def on_quote(self, quote):
        self.market("quote", quote)
        if self.resting is None:
            self.resting = self.buy(self.symbol, 0.001, quote.bid * 0.9)

    def on_order(self, order):
        if self.taking is None:
            self.log(f"resting {order.state}")
            if order.state == "ACCEPTED":
                self.cancel(order)
            elif order.state == "CANCELED":
                self.taking = self.buy(self.symbol, 0.001)
        elif order.state == "FILLED":  # its fill may be here before the answer to its placing
            self.log(f"taking {order.state}")

    def on_fill(self, fill):
        self.log(f"fill {fill.side}")

    def on_position(self, position):
        self.log(f"position {position.qty > 0}")
"""


def heard(folder: Path, *how: str) -> list[str]:
    """What its callbacks were, in their order."""
    for seconds in SECONDS:
        reported = answered(folder, "run", "hears.py", "--live", *how, "--account", "main", "--seconds", seconds)
        with JournalReader(Path(reported["run"]) / "journal") as reader:
            texts = [msgspec.msgpack.decode(f.payload)["text"] for f in reader.frames(("log",))]
        if reported["fills"] and "trade" in texts:
            return texts
    pytest.fail(f"nothing traded: {texts}")


def test_callbacks_are_the_same_from_the_tape_and_from_the_venue(tmp_path):
    answered(tmp_path, "init", "my")
    folder = tmp_path / "my"
    (folder / "hears.py").write_text(ROBOT)
    tape, venue = (of_last_fill(heard(folder, *how)) for how in ((), ("--single",)))
    assert tape == venue
    own = [text for text in tape if text != "quote"]
    assert own[0].startswith("resting ")
    assert [text.split()[0] for text in own[-3:]] == ["fill", "taking", "position"]


def of_last_fill(texts: list[str]) -> list[str]:
    """Without trades of others, and all parts but the last of what was filled in parts: the market decides on both."""
    own = [text for text in texts if text != "trade"]
    fills = [at for at, text in enumerate(own) if text.startswith("fill")]
    return own[: fills[0]] + own[fills[-1] :]
