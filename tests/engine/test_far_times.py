"""A time or a silence that nobody can have meant ends a run at once, with a reason."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from onetape.model.errors import BadInput
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.verify import verify
from tape.rechained import rechain
from worlds.tapes import BTC, SECOND, START, Market, at_ns

ONETAPE = Path(sys.executable).with_name("onetape")
YEAR_S = 365 * 86_400
STRATEGY = """
from onetape import Strategy

class Wait(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    period: str = "1m"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True, bars=self.period + "@mid")
        self.seen = 0

    def on_quote(self, quote):
        self.seen += 1
        print("quote", self.seen, flush=True)
"""


def quotes(path: Path, *seconds: float) -> Path:
    market = Market(path)
    for second in seconds:
        market.quote(second, 100, 101)
    return market.done()


def run(tape: Path, *more: str, **options) -> subprocess.Popen:
    strategy = tape.with_name("wait.py")
    strategy.write_text(STRATEGY)
    words = ["backtest", f"{strategy}:Wait", "--data", str(tape), "--json", "--home"]
    return subprocess.Popen(
        [str(ONETAPE), *words, str(tape.with_name("home")), *more],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def ended(process: subprocess.Popen) -> tuple[int, dict]:
    out, err = process.communicate(timeout=300)
    assert out, err
    return process.returncode, json.loads(out)


@pytest.mark.parametrize("time", [2**63 - 1, -(2**63), 7_258_118_400 * 10**9 + 1])
@pytest.mark.parametrize("place", ["within", "last"])
def test_a_frame_from_beyond_time_is_not_read_though_its_sum_is_right(tmp_path, time, place):
    path = tmp_path / "tape"
    code = f"import os, sys; sys.path[:0] = {sys.path[:40]!r}\n" + (
        "from pathlib import Path\nfrom worlds.tapes import Market\n"
        f"market = Market(Path({str(path)!r}))\n"
        "for at in range(20):\n    market.quote(at, 100, 101)\nos._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with JournalReader(path) as reader:
        count = reader.last_sequence
    at = count if place == "last" else count // 2
    rechain(path / "0000000001.tape", lambda sequence, kind, then, body: (kind, time if sequence == at else then, body))
    code, reported = ended(run(path))
    assert verify(path).frames == at - 1
    if place == "last":  # a torn tail: the run ends before it
        assert (code, verify(path).ok) == (0, True) and verify(path).torn_bytes
        return
    assert (code, reported["error"]["name"]) == (3, "TORN_TAPE")
    assert "beyond the years 1740 to 2200" in reported["error"]["message"]
    assert not verify(path).ok


def test_no_writer_writes_such_a_time(tmp_path):
    with JournalWriter(tmp_path / "tape", durable=False) as writer:
        for time in (2**63 - 1, -(2**63)):
            with pytest.raises(BadInput):
                writer.append("log", b"", time=time)
        writer.append("log", b"", time=7_258_118_400 * 10**9)
    assert verify(tmp_path / "tape").frames == 1


@pytest.mark.parametrize("period", ["1s", "1m"])
def test_a_silence_of_more_bars_than_anyone_counts_ends_the_run(tmp_path, period):
    tape = quotes(tmp_path / "tape", 0, 160 * YEAR_S)
    code, reported = ended(run(tape, "--param", f"period={period}"))
    assert (code, reported["error"]["name"]) == (3, "BAD_INPUT")
    assert "comes nothing for 58400 days" in reported["error"]["message"]


def test_a_long_silence_of_few_bars_is_gone_through(tmp_path):
    tape = quotes(tmp_path / "tape", 0, 160 * YEAR_S)
    code, reported = ended(run(tape, "--param", "period=1d"))
    assert (code, reported["events"]) == (0, 2)


def test_a_timer_in_a_long_silence_counts_too(tmp_path):
    from onetape import Strategy
    from worlds.tapes import session_of

    class Tick(Strategy):
        symbol: str = BTC

        def on_start(self):
            self.subscribe(self.symbol, quotes=True)
            self.set_timer("tick", every="1s")

    session = session_of(Tick, quotes(tmp_path / "tape", 0, 160 * YEAR_S))
    session.open()
    session.start()
    with pytest.raises(BadInput, match="bars, timers or samples"):
        session.step()
    session.close()


def test_ctrl_c_ends_a_run_that_is_between_two_frames(tmp_path):
    tape = quotes(tmp_path / "tape", 0, 90 * YEAR_S)  # 47 million bars of a minute
    process = run(tape, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    try:
        seen = [process.stderr.readline()]  # under --json a strategy prints there
        while seen[-1] and "quote 1" not in seen[-1]:
            seen.append(process.stderr.readline())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
    assert "quote 2" not in err
    assert json.loads(out)["error"]["name"] == "INTERRUPTED", err


def test_the_ends_of_time_are_times_of_tapes(tmp_path):
    assert START + 173 * YEAR_S * SECOND < 7_258_118_400 * 10**9
    tape = quotes(tmp_path / "tape", -(250 * YEAR_S), 0)
    assert verify(tape).ok
    assert at_ns(0) == START
