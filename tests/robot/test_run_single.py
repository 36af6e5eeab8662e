"""`onetape run --live --single`: gateway and robot in one process, on the same two journals."""

from __future__ import annotations

from pathlib import Path

import pytest

from onetape.model.enums import EventType
from onetape.model.home import gateway_journal
from onetape.options.gateway import gateway_socket
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape
from worlds.command_lines import answered, run_until
from worlds.frames import FILL, REQUEST

ROBOT = """
from onetape import Strategy


class Pair(Strategy):
    symbol: str = "kraken:BTC/USD"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.step = 0

    def on_quote(self, quote):
        self.step += 1
        if self.step == 1:
            self.buy(self.symbol, 0.01)
        elif self.step == 2:
            self.buy(self.symbol, 0.01, quote.bid * 0.9)
"""


def test_one_process_trades_cancels_what_works_and_is_repeated(tmp_path):
    answered(tmp_path, "init", "my")
    folder = tmp_path / "my"
    (folder / "pair.py").write_text(ROBOT)
    tape = gateway_journal(folder / ".onetape", "main")

    def is_done() -> bool:
        """Both are asked for, and the first one is filled, in however many pieces."""
        if not is_tape(tape):
            return False
        with JournalReader(tape) as reader:
            frames = list(reader.frames(("order_request", "fill")))
        requests = [frame for frame in frames if frame.type == EventType.ORDER_REQUEST.id]
        filled = sum(FILL.unpack(frame.payload)[5] for frame in frames if frame.type == EventType.FILL.id)
        return len(requests) == 2 and filled == 1_000_000

    reported = run_until(is_done, folder, "pair.py", "--live", "--single", "--account", "main")
    assert reported["orders"] == 2
    run = Path(reported["run"])
    second = answered(folder, "replay", run, "--verify")
    assert second["divergences"] == 0
    assert second["actions"] == 3  # two orders, and the cancel of what did not trade
    home = run.parents[1]
    with JournalReader(gateway_journal(home, "main")) as reader:
        frames = list(reader.frames(("order_request", "fill")))
    kinds = [REQUEST.unpack(frame.payload)[5] for frame in frames if frame.type == EventType.ORDER_REQUEST.id]
    fills = [FILL.unpack(frame.payload) for frame in frames if frame.type == EventType.FILL.id]
    assert kinds == [1, 1, 2]  # place, place, cancel
    assert len({fill[0] for fill in fills}) == 1 and len(fills) == reported["fills"]  # it may come in pieces
    assert not gateway_socket(home, "main").exists()


@pytest.mark.parametrize(("mode", "flag"), [("--paper", "--single"), ("--live", "--spin")])
def test_what_is_of_one_process_alone_is_refused_elsewhere(tmp_path, mode, flag):
    (tmp_path / "pair.py").write_text(ROBOT)
    assert flag in answered(tmp_path, "run", "pair.py", mode, flag, code=2)["error"]["message"]
