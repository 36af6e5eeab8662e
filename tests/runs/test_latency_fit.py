"""A curve fitted to a run gives the latency that the run had."""

from __future__ import annotations

import numpy as np
import pytest

from onetape.data.sample import write_sample
from onetape.engine.latency import parse_latency
from onetape.engine.plan import read_plan
from onetape.model.errors import BadConfig, BadInput
from onetape.model.time import HOUR, MINUTE, MS
from onetape.research.backtest import BacktestOptions, run_backtest
from onetape.runs.latency_fit import fit_latency
from onetape.tape.journal import JournalReader, JournalWriter
from worlds.strategy_files import TAKER, write


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    path = tmp_path_factory.mktemp("fit") / "market.tape"
    write_sample(path, events=20_000, seed=3)
    return path


def run(tmp_path, sample, latency):
    return run_backtest(
        BacktestOptions(
            strategy=str(write(tmp_path, "taker", TAKER)),
            data=[sample],
            home=tmp_path / "home",
            latency=latency,
            write_report=False,
        )
    )


def test_a_constant_latency_comes_out_as_it_went_in(tmp_path, sample):
    result = run(tmp_path, sample, "3ms,7ms")
    found = fit_latency(result.run, tmp_path / "curve.csv", every=MINUTE)
    assert found.orders == result.orders > 20 and found.shift == 0
    assert (found.request_median, found.reply_median) == (3 * MS, 7 * MS)
    curve = parse_latency(str(tmp_path / "curve.csv"))
    assert curve.daily and len(curve.curve) == found.points
    assert {(request, reply) for _, request, reply in curve.curve} == {(3 * MS, 7 * MS)}


def test_a_backtest_with_the_fitted_curve_is_the_run_it_was_fitted_to(tmp_path, sample):
    first = run(tmp_path, sample, "3ms,7ms")
    fit_latency(first.run, tmp_path / "curve.csv")
    second = run(tmp_path, sample, str(tmp_path / "curve.csv"))
    assert second.action_hash == first.action_hash and second.pnl == first.pnl


def shifted(source, target, by):
    """A copy of a run's journal whose venue stamps are `by` ns later."""
    with JournalReader(source / "journal") as reader, JournalWriter(target, process="robot:x", durable=False) as writer:
        for frame in reader.frames(types=["order_request", "order_event"]):
            payload = bytearray(frame.payload)
            if frame.type == 10:
                stamp = np.frombuffer(payload, np.int64, 1, 16)[0] + by
                payload[16:24] = np.int64(stamp).tobytes()
            name = "order_event" if frame.type == 10 else "order_request"
            writer.append(name, bytes(payload), stream=1, time=frame.time)
    return target


def lognormal(source, target, draw):
    """A copy of a run's journal whose ways have known distributions: 4 ms and 9 ms in the middle."""
    sent: dict[bytes, int] = {}
    frames = []
    with JournalReader(source / "journal") as reader:
        for frame in reader.frames(types=["order_request", "order_event"]):
            payload, time = bytearray(frame.payload), frame.time
            if frame.type == 10:
                key = bytes(payload[:8])
                there = sent[key] + int(4 * MS * draw.lognormal(0, 0.5))
                payload[16:24] = np.int64(there).tobytes()
                time = there + int(9 * MS * draw.lognormal(0, 0.3))
            else:
                sent[bytes(payload[:8])] = time
            frames.append((time, "order_event" if frame.type == 10 else "order_request", bytes(payload)))
    with JournalWriter(target, process="robot:x", durable=False) as writer:
        for time, name, payload in sorted(frames, key=lambda each: each[0]):
            writer.append(name, payload, stream=1, time=time)
    return target


def test_the_medians_of_what_orders_took_are_recovered_within_their_intervals(tmp_path, sample):
    """Of twenty intervals of 95 % each, three may lie beside the truth."""
    source = run(tmp_path, sample, "1ms").run
    beside = 0
    for seed in range(10):
        found = fit_latency(lognormal(source, tmp_path / str(seed), np.random.default_rng(seed)), tmp_path / "c.csv")
        for truth, (low, high) in ((4 * MS, found.request_interval), (9 * MS, found.reply_interval)):
            assert high < 2 * low
            beside += not low <= truth <= high
        assert MS < found.request_error < 2 * MS  # 0.6745 of half of 4 ms, about
    assert beside <= 3


def test_a_fitted_curve_says_how_far_off_it_is(tmp_path, sample):
    source = lognormal(run(tmp_path, sample, "1ms").run, tmp_path / "x", np.random.default_rng(1))
    found = fit_latency(source, tmp_path / "curve.csv")
    second = run(tmp_path, sample, str(tmp_path / "curve.csv"))
    assert found.points == 1
    plan = read_plan(second.run)[0]
    assert plan.latency.error == (found.request_error, found.reply_error)
    assert "off by" in str(plan.latency) and str(plan.latency) in str(second.assumptions)


@pytest.mark.parametrize("by", [1272 * MS, -40 * MS])
def test_a_venues_clock_that_is_wrong_is_set_by_the_fastest_order(tmp_path, sample, by):
    journal = shifted(run(tmp_path, sample, "5ms").run, tmp_path / "shifted", by)
    found = fit_latency(journal, tmp_path / "curve.csv", every=HOUR)
    assert (found.request_median, found.reply_median, found.shift) == (5 * MS, 5 * MS, -by)


def test_a_run_without_orders_has_no_latency(tmp_path, sample):
    with pytest.raises(BadInput, match="the run has no order that the venue answered"):
        fit_latency(sample, tmp_path / "curve.csv")
    assert not (tmp_path / "curve.csv").exists()


@pytest.mark.parametrize(("every", "quantile"), [(7 * HOUR, 0.5), (0, 0.5), (HOUR, 0), (HOUR, 1.5)])
def test_what_is_no_part_of_a_day_is_refused(tmp_path, sample, every, quantile):
    with pytest.raises(BadConfig, match="quantile"):
        fit_latency(sample, tmp_path / "curve.csv", every=every, quantile=quantile)
