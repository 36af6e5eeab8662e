"""Two robots, each a process, on one gateway: each is told of its own fills, and the gateway lives
until the second has left."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from onetape.model.enums import EventType
from onetape.model.home import gateway_journal
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape
from waiting import PATIENCE_S, wait_for
from worlds.command_lines import begin
from worlds.frames import FILL, INPUT, NEWS, REQUEST

TAKER = """
from onetape import Strategy


class Taker(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    size: float = 0.01

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="500ms")
        self.n = 0

    def on_timer(self, name):
        self.n += 1
        (self.buy if self.n % 2 else self.sell)(self.symbol, self.size)
"""


def ended(process: subprocess.Popen, code: int = 0) -> tuple[dict, str]:
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, err
    return json.loads(out), err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ended(begin(tmp_path, "init", "my"))
    (tmp_path / "my/strategies/taker.py").write_text(TAKER)
    return tmp_path / "my"


def taken_too_early(home: Path, runs: list[str]) -> list[int]:
    """Orders whose requests the gateway's tape calls taken before it says what becomes of them: a
    gateway that dies in between would never answer them."""
    requests = {}
    for run in runs:
        with JournalReader(Path(run) / "journal") as reader:
            requests[reader.uuid.bytes] = [
                (frame.sequence, REQUEST.unpack_from(frame.payload)[0]) for frame in reader.frames(("order_request",))
            ]
    recorded, early = set(), []
    with JournalReader(gateway_journal(home, "futures")) as reader:
        for frame in reader.frames(("order_request", "order_event", "input")):
            if frame.type == EventType.INPUT.id:
                uuid, _, first, count, _, robot = INPUT.unpack(frame.payload)
                last = first + count - 1
                wanted = {(robot, order) for seq, order in requests[uuid] if seq <= last}
                early += sorted(wanted - recorded)
            elif frame.type == EventType.ORDER_REQUEST.id:
                values = REQUEST.unpack_from(frame.payload)
                recorded.add((values[12], values[0]))
            else:
                values = NEWS.unpack(frame.payload)
                recorded.add((values[9], values[0]))
    return early


def filled_by_robot(home: Path) -> Counter:
    """Counts fills; none before the gateway has a journal."""
    if not is_tape(gateway_journal(home, "futures")):
        return Counter()
    with JournalReader(gateway_journal(home, "futures")) as reader:
        return Counter(FILL.unpack(frame.payload)[11] for frame in reader.frames(("fill",)))


def test_two_robots_share_a_gateway_and_each_has_its_fills(folder):
    run = ("run", "strategies/taker.py", "--live", "--account", "futures")
    home = folder / ".onetape"
    both = [begin(folder, *run), begin(folder, *run)]
    wait_for(lambda: any(each.poll() is not None for each in both) or len(filled_by_robot(home)) == 2)
    both[0].send_signal(signal.SIGINT)  # whose gateway it is, or not: that stays until the other has left
    before = filled_by_robot(home)
    wait_for(lambda: both[1].poll() is not None or filled_by_robot(home).total() > before.total() + 1)
    both[1].send_signal(signal.SIGINT)
    (first, _), (second, _) = (ended(each) for each in both)
    assert first["run"] != second["run"]
    filled = filled_by_robot(home)
    assert sorted(filled.values()) == sorted([first["fills"], second["fills"]])
    assert min(filled.values()) > 0
    assert len(filled) == 2  # robots of the gateway
    assert not taken_too_early(home, [first["run"], second["run"]])
    for reported in (first, second):
        repeated, _ = ended(begin(folder, "replay", reported["run"], "--verify"))
        assert repeated["divergences"] == 0


def test_a_symbol_that_the_running_gateway_does_not_follow_is_one_line(folder):
    run = ("run", "strategies/taker.py", "--live", "--account", "futures")
    first = begin(folder, *run, "--seconds", 60)
    try:
        home = folder / ".onetape/run"
        while not list(home.glob("*.sock")):
            assert first.poll() is None
            time.sleep(0.05)
        other = begin(folder, *run, "--seconds", 2, "--param", "symbol=binance:ETH/USDT:USDT")
        said, _ = ended(other, code=2)
        assert "does not follow binance:ETH/USDT:USDT" in said["error"]["message"]
    finally:
        first.terminate()
        first.communicate(timeout=PATIENCE_S)
