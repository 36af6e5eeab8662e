"""A run on a tape that has the venue's orders one by one: the book, the callbacks, the queue."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import onetape
from onetape import Strategy, compiled
from onetape.data.export import export_tape
from onetape.data.importing import import_files
from onetape.data.quality.market import verify_market
from onetape.data.sample import DEFAULT_SYMBOL, write_sample
from onetape.engine.plan import read_plan
from onetape.model.errors import BadConfig, SchemaMismatch
from onetape.replay.market_prices import Market, first_data_difference
from onetape.tape.journal import JournalReader, type_id
from onetape.tape.schema import schema_preamble

SOURCE = Path(__file__)


@pytest.fixture(scope="module")
def tapes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One market, told by orders and by levels."""
    folder = tmp_path_factory.mktemp("tapes")
    write_sample(folder / "orders", events=12_000, seed=4, by_order=True)
    write_sample(folder / "levels", events=12_000, seed=4)
    return folder / "orders", folder / "levels"


class Watches(Strategy):
    """Notes the book at each of its changes."""

    def on_start(self) -> None:
        self.seen: list[Any] = []
        self.subscribe(DEFAULT_SYMBOL, book=True)

    def on_book(self, book: Any) -> None:
        assert book.synced
        self.seen.append((self.now, book.bids(10), book.asks(10)))

    def on_stop(self) -> None:
        _seen.append(self.seen)


_seen: list[Any] = []


def watched(strategy: type[Strategy], tape: Path, out: Path, **options: Any) -> Any:
    onetape.backtest(strategy, data=tape, out=out, **options)
    return _seen.pop()


def test_a_strategy_that_wants_the_book_sees_the_same_one(tapes: Any, tmp_path: Path) -> None:
    """The last state of each moment: levels are told once a call of the engine, as are orders."""
    orders, levels = (watched(Watches, tape, tmp_path / tape.name, latency="0ms") for tape in tapes)
    until = min(orders[-1][0], levels[-1][0]) - 1

    def by_time(seen: list[Any]) -> dict[int, Any]:
        return {time: (bids, asks) for time, bids, asks in seen if time <= until}

    assert by_time(orders) == by_time(levels) and len(orders) > 1000


class HearsOrders(Strategy):
    def on_start(self) -> None:
        self.seen: list[Any] = []
        self.books = 0
        self.subscribe(DEFAULT_SYMBOL, mbo=True, book=True)

    def on_mbo(self, event: Any) -> None:
        self.seen.append(event)

    def on_book(self, book: Any) -> None:
        assert self.seen[-1].is_last
        self.books += 1

    def on_stop(self) -> None:
        _seen.append((self.seen, self.books))


def test_the_messages_themselves_reach_on_mbo(tapes: Any, tmp_path: Path) -> None:
    seen, books = watched(HearsOrders, tapes[0], tmp_path / "run")
    with JournalReader(tapes[0]) as reader:
        records = [each for each in reader if each.type == "mbo"]
        facts = next(iter(reader.instruments.values()))
    scale = 10 ** facts["price_decimals"], 10 ** facts["size_decimals"]
    assert [(e.action, e.side or "none", e.order_id, e.price_int, e.size_int, e.ts_event, e.is_last) for e in seen] == [
        (*(r.data[name] for name in ("action", "side", "order_id", "price", "size", "ts_event")), bool(r.data["last"]))
        for r in records
    ]
    assert all(e.price == e.price_int / scale[0] and e.size == e.size_int / scale[1] for e in seen)
    assert books == sum(each.is_last for each in seen)
    assert "MarketByOrder(symbol='binance:BTC/USDT:USDT'" in repr(seen[0])


class Joins(Strategy):
    """Keeps an order at the best bid."""

    side: str = "buy"

    def on_start(self) -> None:
        self.order: Any = None
        self.subscribe(DEFAULT_SYMBOL, book=True)
        self.set_timer("again", every="5s")

    def on_timer(self, name: str) -> None:
        best = self.book(DEFAULT_SYMBOL).best_bid
        if best is None:
            return
        if self.order is not None:
            self.cancel(self.order)
        self.order = self.buy(DEFAULT_SYMBOL, 0.003, best[0], post_only=True)


def facts_of(run: Any) -> dict[str, Any]:
    return tomllib.loads((run.path / "run.toml").read_text())


def queue_of(run: Any) -> str:
    return str(facts_of(run)["model"]["queue"])


CHOSEN = [(None, "fifo", "conservative"), ("fifo", "fifo", None), ("power:2", "power:2", "power:2")]


@pytest.mark.parametrize(("queue", "with_orders", "with_levels"), CHOSEN)
def test_which_queue_a_run_has(
    tapes: Any, tmp_path: Path, queue: str | None, with_orders: str, with_levels: str | None
) -> None:
    run = onetape.backtest(Joins, data=tapes[0], out=tmp_path / "a", queue=queue)
    assert queue_of(run) == with_orders and len(run.fills) > 3
    said = " ".join(facts_of(run)["assumptions"]["lines"])
    assert ("exact place" in said) == (with_orders == "fifo")
    if with_levels is None:
        with pytest.raises(BadConfig, match="market by order"):
            onetape.backtest(Joins, data=tapes[1], out=tmp_path / "b", queue=queue)
    else:
        run = onetape.backtest(Joins, data=tapes[1], out=tmp_path / "b", queue=queue)
        assert queue_of(run) == with_levels


def test_other_models_fill_on_orders_as_on_levels(tapes: Any, tmp_path: Path) -> None:
    """The book that they see is the same at each moment, and so are the prints."""
    runs = [
        onetape.backtest(
            Joins, data=tape, out=tmp_path / tape.name, queue="conservative", end=1_767_225_600 * 10**9 + 200 * 10**9
        )
        for tape in tapes
    ]
    fills = [run.fills.drop("order", "trade_id").to_dicts() for run in runs]
    assert fills[0] == fills[1] and len(fills[0]) > 3


def test_orders_of_a_later_tape_are_met_by_what_rested_before(tapes: Any, tmp_path: Path) -> None:
    """Levels alone at first, then orders: the run goes on, on the orders."""
    write_sample(tmp_path / "later", events=3_000, seed=4, by_order=True, start=1_767_225_600 * 10**9 + 3600 * 10**9)
    run = onetape.backtest(Joins, data=[tapes[1], tmp_path / "later"], out=tmp_path / "run")
    assert queue_of(run) == "fifo" and len(run.fills) > 3
    assert run.fills["time"].max() > run.fills["time"].min() + timedelta(minutes=50)


class EachMinute(Strategy):
    """Bars alone; bids a little below each close."""

    def on_start(self) -> None:
        self.order: Any = None
        self.subscribe(DEFAULT_SYMBOL, bars="1m")

    def on_bar(self, bar: Any) -> None:
        if self.order is not None:
            self.cancel(self.order)
        self.order = self.buy(DEFAULT_SYMBOL, 0.003, bar.close - 1, post_only=True)


def test_orders_as_detail_data_of_bars(tapes: Any, tmp_path: Path) -> None:
    export_tape(tapes[1], out=tmp_path / "out", format="csv")
    import_files("csv", [tmp_path / "out" / "bar.csv"], symbol=DEFAULT_SYMBOL, out=tmp_path / "bars")
    run = onetape.backtest(EachMinute, data=tmp_path / "bars", detail_data=tapes[0], out=tmp_path / "run")
    assert queue_of(run) == "fifo" and len(run.fills) > 0
    assert set(run.fills["liquidity"]) == {"maker"}


def command(*words: str) -> tuple[int, Any]:
    done = subprocess.run(
        [sys.executable, "-c", "from onetape.cli.main import main; main()", *words, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


def test_the_command_line_says_it(tapes: Any, tmp_path: Path) -> None:
    home = ("--home", str(tmp_path / "home"))
    run = ("backtest", f"{SOURCE}:Joins", *home, "--data")
    code, said = command(*run, str(tapes[1]), "--queue", "fifo")
    assert code == 2 and "none of binance:BTC/USDT:USDT" in said["error"]["message"]
    code, said = command(*run, str(tapes[0]))
    assert code == 0 and said["fills"] > 3
    code, said = command("replay", said["run"], "--verify", *home)
    assert code == 0 and said["divergences"] == 0


@compiled
class Counts(Strategy):
    """The messages counted in machine code."""

    def on_start(self) -> None:
        self.adds = 0
        self.bought = 0.0
        self.subscribe(DEFAULT_SYMBOL, mbo=True)

    def on_mbo(self, event: Any) -> None:
        if event.action == "add" and event.side == "buy":
            self.adds += 1
            self.bought += event.size

    def on_stop(self) -> None:
        _seen.append((self.adds, self.bought))


def test_a_compiled_strategy_hears_them_too(tapes: Any, tmp_path: Path) -> None:
    pytest.importorskip("numba")
    fast = watched(Counts, tapes[0], tmp_path / "a")
    slow = watched(Counts, tapes[0], tmp_path / "b", options={"interpret": True})
    assert fast == slow and fast[0] > 1000


def test_a_tape_from_before_there_were_orders_is_compared_as_ever(
    tapes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its segments describe the types of its time."""
    of_old = [each for each in schema_preamble() if each[1] != type_id("mbo")]
    monkeypatch.setattr("onetape.tape.journal.schema_preamble", lambda: of_old)
    old = [tmp_path / "a", tmp_path / "b"]
    for seed, tape in enumerate(old):
        write_sample(tape, events=2_000, seed=seed)
    monkeypatch.undo()
    with JournalReader(old[0]) as reader, pytest.raises(SchemaMismatch):
        reader.columns("mbo")
    assert verify_market(old[0]).findings >= 0
    runs = [onetape.backtest(Joins, data=tape, out=tmp_path / f"run-{tape.name}") for tape in old]
    markets = [Market(read_plan(run.path)[0], [DEFAULT_SYMBOL]) for run in runs]
    assert first_data_difference(*markets) is not None
    assert len(markets[0].events("mbo", DEFAULT_SYMBOL)["time"]) == 0
