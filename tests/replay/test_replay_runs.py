"""replay and parity: equal runs are equal, and a difference is named by its first action."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from onetape.engine.actions import read_actions
from onetape.model.errors import BadInput, Divergence
from onetape.model.time import format_time
from onetape.replay.parity import compare
from onetape.replay.replay import replay_run
from onetape.research.backtest import BacktestOptions, run_backtest
from onetape.tape.journal import JournalReader, JournalWriter
from worlds.strategy_files import TAKER, write
from worlds.tapes import BTC, Market


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


def make(home: Path, tape: Path, name: str, text: str = TAKER, **options) -> Path:
    code = write(home / "code" / name, "taker", text)
    result = run_backtest(
        BacktestOptions(strategy=str(code), data=[tape], home=home, out=name, write_report=False, **options)
    )
    return result.run


@pytest.fixture(scope="module")
def run(home, sample) -> Path:
    return make(home, sample, "base")


def test_a_run_replays_equal_from_its_tapes_and_its_kept_source(home, run):
    shutil.rmtree(home / "code" / "base")
    answer = replay_run(run, verify=True)
    assert answer["divergences"] == 0 and answer["first_divergence"] is None
    assert answer["actions"] == len(read_actions(run / "journal")) > 50
    assert answer["run"] == "base"


def test_equal_runs_have_equal_hashes_and_equal_parity(home, sample, run):
    other = make(home, sample, "again")
    for mode in ("orders", "decisions"):
        answer = compare(run, other, mode=mode)
        assert answer["differing"] == 0 and answer["equal"] == answer["compared"] > 50
        assert answer["first_difference"] is None
    assert replay_run(run)["action_hash"] == replay_run(other)["action_hash"]


def test_edited_source_is_answered_by_its_first_differing_action(home, run):
    edited = write(home / "edited", "taker", TAKER.replace("self.n % self.every", "self.n % 21"))
    answer = replay_run(run, source=edited)
    assert answer["divergences"] > 0
    # Timers act before the edited line does: those actions are equal.
    assert answer["first_divergence"].startswith("recorded: action 5: place order 4 ")
    assert ", but place order 4 " in answer["first_divergence"]


def test_a_late_difference_is_named_and_not_an_earlier_one(home, run):
    text = TAKER.replace("self.n += 1", "self.n += 1\n        if self.n == 2000: self.random.random()")
    answer = replay_run(run, source=write(home / "late", "taker", text))
    count = int(answer["first_divergence"].split("action ")[1].split(":")[0])
    first = read_actions(run / "journal")
    assert 10 < count < len(first)
    assert first.describe(count - 1) in answer["first_divergence"]


def test_until_stops_in_the_middle_and_compares_what_lies_before(run):
    actions = read_actions(run / "journal")
    moment = int(actions.columns["time"][len(actions) // 2])
    for until in (format_time(moment), format_time(moment + 1_500_000_000)):
        answer = replay_run(run, verify=True, until=until)
        assert answer["divergences"] == 0
        assert 0 < answer["actions"] < len(actions)


@pytest.mark.parametrize("sequence", [2, 500, 7_777, 10**9])
def test_until_a_sequence_takes_the_tape_up_to_there(run, sequence):
    answer = replay_run(run, verify=True, until=str(sequence))
    assert answer["divergences"] == 0
    assert answer["events"] <= sequence
    if sequence == 10**9:
        assert answer["actions"] == len(read_actions(run / "journal"))


def test_until_finds_what_the_edited_source_leaves_out(home, run):
    silent = write(home / "silent", "taker", TAKER.replace("self.n % self.every", "True"))
    actions = read_actions(run / "journal")
    until = format_time(int(actions.columns["time"][40]))
    answer = replay_run(run, until=until, source=silent)
    assert answer["divergences"] > 20 and "action 1" in answer["first_divergence"]


def test_another_tape_in_the_old_ones_place_is_named(home, tmp_path):
    market = Market(tmp_path / "t")
    for second in range(60):
        market.quote(second, 99.9, 100.1)
    tape = market.done()
    run = make(tmp_path, tape, "moved")
    shutil.rmtree(tape)
    with pytest.raises(BadInput, match="is gone"):
        replay_run(run)
    other = Market(tmp_path / "t")
    for second in range(60):
        other.quote(second, 99.8, 100.1)
    other.done()
    with pytest.raises(Divergence, match="a different tape"):
        replay_run(run)


def test_a_rewritten_tape_of_the_same_identity_is_named(tmp_path):
    market = Market(tmp_path / "t")
    for second in range(60):
        market.quote(second, 99.9, 100.1)
    tape = market.done()
    run = make(tmp_path, tape, "rewritten")
    with JournalReader(tape) as reader:
        identity, frames = reader.uuid, list(reader.frames())
    shutil.rmtree(tape)
    with JournalWriter(tape, uuid=identity, durable=False) as writer:
        for frame in frames:
            if frame.type == 1:
                writer.append_instrument(frame.stream, frame.time, frame.payload)
            else:
                payload = bytearray(frame.payload)
                payload[16] ^= frame.sequence == 30  # one bit of one bid
                writer.append(frame.type, bytes(payload), flags=frame.flags, stream=frame.stream, time=frame.time)
    with pytest.raises(Divergence, match="was rewritten: frame 61"):
        replay_run(run)


def test_a_tape_that_has_grown_since_replays_as_it_was(tmp_path):
    market = Market(tmp_path / "t")
    for second in range(120):
        market.quote(second, 99.9 + second % 3, 100.1 + second % 3)
    tape = market.done()
    run = make(tmp_path, tape, "grown")
    with JournalReader(tape) as reader:
        last = list(reader.frames())[-1]
    with JournalWriter(tape, durable=False) as writer:
        for more in range(1, 50):
            writer.append(last.type, last.payload, stream=last.stream, time=last.time + more * 10**9)
    assert replay_run(run, verify=True)["divergences"] == 0


def test_facts_given_by_file_are_part_of_the_run(tmp_path):
    market = Market(tmp_path / "t")
    for second in range(300):
        market.quote(second, 99.9 + second % 3, 100.1 + second % 3)
    file = tmp_path / "facts.toml"
    file.write_text(f'[["instrument"]]\nsymbol = "{BTC}"\ntick = "0.5"\nlot = "0.01"\n')
    run = make(tmp_path, market.done(), "given", instruments=file)
    plain = make(tmp_path, market.path, "plain")
    assert compare(run, plain)["differing"] > 0  # the facts matter
    file.unlink()
    assert replay_run(run, verify=True)["divergences"] == 0


def test_parameters_of_every_kind_survive_the_runs_record(tmp_path):
    text = """
from decimal import Decimal
from enum import StrEnum
from typing import Literal
from onetape import Strategy


class Mood(StrEnum):
    CALM = "calm"
    WILD = "wild"


class Kinds(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    stop: float | None = None
    name: str | None = None
    some: float | None = 1.5
    exact: Decimal = Decimal("0.10")
    many: list[int] = [1, 2]
    pair: tuple[float, ...] = (0.5,)
    table: dict[str, float] = {"a": 0.5}
    mode: Literal["fast", "slow"] = "fast"
    mood: Mood = Mood.CALM
    text: str = 'with "quotes"\\n'
    flag: bool = True

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        values = [self.stop, self.name, self.some, self.exact, self.many, self.pair, self.table,
                  self.mode, self.mood, self.text, self.flag]
        self.tag = str(len(repr(values)))

    def on_quote(self, q):
        if not self.orders():
            self.buy(self.symbol, 0.01, 50, tag=self.tag)
"""
    market = Market(tmp_path / "t")
    for second in range(10):
        market.quote(second, 99.9, 100.1)
    params = {"some": None, "mode": "slow", "mood": "wild", "table": {"b": 2.0}}
    run = make(tmp_path, market.done(), "kinds", text, params=params)
    answer = replay_run(run, verify=True)
    assert answer["divergences"] == 0 and answer["actions"] == 1


# --- parity of runs that differ


def test_parity_names_the_first_order_of_another_seed(home, sample, run):
    answer = compare(run, make(home, sample, "seed2", seed=2))
    assert answer["differing"] > 0
    assert " A" in answer["first_difference"] and " B" in answer["first_difference"]
    assert answer["equal"] + answer["differing"] == answer["compared"]


def test_parity_of_another_latency_differs_in_fills_within_the_latency(home, sample, run):
    slow = make(home, sample, "slow", latency="300ms")
    exact = compare(run, slow)
    assert exact["differing"] > 0 and exact["first_difference"]
    assert compare(run, slow, tolerance="1h")["differing"] <= exact["differing"]


def test_decisions_of_another_latency_are_the_same_when_fed_the_same(home, sample, run):
    """B's robot gets A's order news and fills in the exchange's place."""
    slow = make(home, sample, "slow2", latency="300ms")
    answer = compare(run, slow, mode="decisions")
    assert answer["differing"] == 0 and answer["compared"] > 50


def test_decisions_of_another_source_differ(home, sample, run):
    other = make(
        home,
        sample,
        "other",
        TAKER.replace(
            "< 0.5:\n            self.order = side(self.symbol, self.size)",
            "< 0.4:\n            self.order = side(self.symbol, self.size)",
        ),
    )
    answer = compare(run, other, mode="decisions")
    assert answer["differing"] > 0 and "action" in answer["first_difference"]


def test_an_edited_default_counts_where_the_run_did_not_give_the_parameter(home, sample, run):
    edited = write(home / "default", "taker", TAKER.replace("every: int = 20", "every: int = 21"))
    assert replay_run(run, source=edited)["divergences"] > 0
    made = make(home, sample, "given", params={"every": 20})
    assert replay_run(made, source=edited)["divergences"] == 0
