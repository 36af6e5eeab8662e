"""What is compared with rivals is the same work, and its arithmetic is right."""

from __future__ import annotations

import importlib
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from onetape.model.catalogue import find
from onetape.tape.journal import JournalReader, JournalWriter

SYMBOL = "binance:BTC/USDT:USDT"
BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture
def module(monkeypatch):
    """Loads a program of the bench by name, as if started from its folder."""
    monkeypatch.syspath_prepend(str(BENCH))
    monkeypatch.syspath_prepend(str(BENCH / "peers"))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(BENCH) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_expected_fills_and_gain_are_those_of_a_plain_loop(module):
    bars = module("bars")
    rows = 10_000 + np.random.default_rng(3).integers(-20, 21, (400, 3)).cumsum(axis=0)
    fills, cash, held = 0, Decimal(0), [0, 0, 0]
    for minute in range(1, 400):
        for symbol in range(3):
            closes = [int(p) for p in rows[max(1, minute - 29) : minute + 1, symbol]]
            if len(closes) < 30:
                continue
            wanted = int(sum(closes[-10:]) * 3 > sum(closes))
            if wanted != held[symbol]:
                value = Decimal(closes[-1]) / 100 * Decimal("0.01")
                cash += (held[symbol] - wanted) * value - value * Decimal("0.0005")
                held[symbol] = wanted
                fills += 1
    value = sum(Decimal(int(rows[-1, s])) / 100 * Decimal("0.01") * held[s] for s in range(3))
    expected = bars.cross(rows)
    assert expected[0] == fills > 20
    assert expected[1] == pytest.approx(float(cash + value), abs=1e-9)


def test_bars_of_a_share_are_the_first_of_the_year(module, tmp_path):
    bars = module("bars")
    every = np.arange(3 * 1_440 + 1)[:, None] * np.ones(2, np.int64)
    np.save(tmp_path / "bars.npy", every)
    rows, minutes = bars.load(str(tmp_path / "bars.npy"), "2")
    assert minutes == 2 * 1_440 and np.array_equal(rows, every[: minutes + 1])
    columns = bars.frame(np.array([100, 107, 90]))
    assert columns["open"].tolist() == [1.0, 1.07] and columns["close"].tolist() == [1.07, 0.9]
    assert columns["high"].tolist() == pytest.approx([1.1, 1.1])


def test_a_repeated_tape_is_the_same_frames_later(module, tmp_path, monkeypatch):
    long_l2 = module("long_l2")
    one = tmp_path / "one"
    facts = find(SYMBOL)
    assert facts is not None
    at = 1_723_161_255_000_000_000
    with JournalWriter(one, durable=False) as writer:
        writer.append_instrument(1, at, facts.to_msgpack())
        for i in range(5):
            writer.append_quote(1, at + i, at + i - 7, 100, 101, 3, 4)
    monkeypatch.setattr(long_l2, "ONE", one)
    with JournalReader(one) as reader:
        first = [frame for frame in reader.frames() if frame.type != long_l2.INSTRUMENT]
    with JournalReader(long_l2.repeated(tmp_path / "three", 3)) as reader:
        frames = list(reader.frames())
    assert [frame.type for frame in frames].count(long_l2.INSTRUMENT) == 1
    moved = [frame for frame in frames if frame.type != long_l2.INSTRUMENT]
    assert len(moved) == 15
    for number, frame in enumerate(moved):
        origin, later = first[number % 5], number // 5 * long_l2.SPAN_NS
        assert (frame.time, frame.flags, frame.stream) == (origin.time + later, origin.flags, 1)
        assert frame.payload[16:] == origin.payload[16:]
        stamps = np.frombuffer(frame.payload[:16], "<i8") - np.frombuffer(origin.payload[:16], "<i8")
        assert stamps.tolist() == [later, later]


def test_a_whole_process_is_measured_with_its_answer(module):
    whole = module("whole").whole
    busy = "import time; t = time.process_time()\nwhile time.process_time() - t < 0.2: pass\n"
    done = whole([sys.executable, "-c", busy + "print('x'); print('{\"a\": 1}')"])
    assert done.answer == {"a": 1}
    assert done.processor >= 0.2 and done.seconds >= 0.2
    assert 3 < done.memory_mib < 60  # not that of the process that runs the tests
    with pytest.raises(SystemExit, match="exit 3"):
        whole([sys.executable, "-c", "raise SystemExit(3)"])
