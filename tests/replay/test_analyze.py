"""`onetape analyze`: what the tables have is what the run was; nothing of others is touched."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from pathlib import Path

import pytest

import copied_process
import onetape
from onetape.data.sample import write_sample
from onetape.engine.plan import read_plan
from onetape.engine.run_spec import RunSpec
from onetape.model.errors import BadConfig, BadInput, NotAvailable, ProcessDown
from onetape.replay.analyze import analyze_run
from onetape.replay.repeating import Watching, repeat, strategy_of
from onetape.replay.repetition import Recording
from onetape.replay.robot_state import state_of
from onetape.store.database import Database
from onetape.tape.journal import JournalReader
from waiting import PATIENCE_S, wait_for
from worlds.databases import mariadb, postgresql

STRATEGY = """
from onetape import Strategy


class Taker(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    size: float = 0.01
    every: int = 20

    def on_start(self):
        self.seen = 0
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        self.seen += 1
        if self.seen % self.every == 0:
            self.buy(self.symbol, self.size) if self.seen % (2 * self.every) else self.sell(
                self.symbol, self.size
            )
        elif self.seen % self.every == 5:
            self.memory["last"] = self.seen
            self.buy(self.symbol, self.size, quote.bid - 5, post_only=True)
        elif self.seen % self.every == 9:
            self.cancel_all(self.symbol)
        elif self.seen == 31:
            self.buy(self.symbol, 5000)  # no money for it

    def on_fill(self, fill):
        if self.seen % 3 == 0:
            self.sell(self.symbol, self.size, fill.price + 30, post_only=True)
"""
# The question of the manual.
NEAR_A_FILL = """
SELECT d.seq, d.ts, d.kind, d.order_id FROM decisions d
WHERE d.run = 'run' AND EXISTS (
    SELECT 1 FROM fills f
    WHERE f.run = d.run AND d.ts BETWEEN f.ts AND f.ts + 50000000
) ORDER BY d.seq
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("analyzed")
    (folder / "taker.py").write_text(STRATEGY)
    write_sample(folder / "m.tape", events=4000, seed=3)
    done = copied_process.run(
        "backtest",
        "taker.py",
        "--data",
        "m.tape",
        "--out",
        "run",
        "--latency",
        "10ms",
        "--cash",
        "100000 USDT",
        "--json",
        cwd=folder,
        check=True,
    )
    assert json.loads(done.stdout)["fills"] > 20
    return Path(json.loads(done.stdout)["run"])


def check(database: Database, run: Path, counts: dict) -> None:
    """Against the run's own frames, by another way."""
    recorded = onetape.open(run)
    assert counts["fills"] == len(recorded.fills)
    assert counts["orders"] == len(recorded.orders)
    ask = database.run
    fills = ask("SELECT ts, price, qty, side, price_exact FROM fills ORDER BY seq")
    rows = recorded.fills.select("price", "qty", "side").rows()
    assert [row[1:4] for row in fills] == rows
    assert all(float(exact) == price for _, price, _, _, exact in fills)
    orders = ask("SELECT order_id, state, filled FROM orders ORDER BY order_id")
    wanted = recorded.orders.sort("order").select("order", "state", "filled").rows()
    assert [(o, s) for o, s, _ in orders] == [(o, s) for o, s, _ in wanted]
    assert [f for *_, f in orders] == pytest.approx([f for *_, f in wanted])
    assert {"FILLED", "CANCELED", "DENIED"} <= {s for _, s, _ in orders}

    near = ask(NEAR_A_FILL)
    times = [ts for ts, *_ in fills]
    with JournalReader(run / "journal") as reader:
        requests = [r for r in reader if r.type == "order_request"]
    expected = [
        (r.sequence, r.time, r.data["kind"], r.data["order_id"])
        for r in requests
        if any(ts <= r.time <= ts + 50_000_000 for ts in times)
    ]
    assert near == expected
    assert 0 < len(near) < len(requests)

    # The state at event k is what the robot had after k frames.
    plan, _ = read_plan(run)
    seen = {}

    def keep(session) -> None:
        seen[session.loop.counters()["frames"]] = json.loads(json.dumps(state_of(session), default=str))

    repeat(Recording(RunSpec(plan, strategy_of(run, plan))), watching=Watching(each=keep))
    for k in (10, 500, 1999, max(seen)):
        ((body,),) = ask("SELECT body FROM states WHERE run = ? AND seq <= ? ORDER BY seq DESC LIMIT 1", ("run", k))
        assert json.loads(body) == seen[k]
    assert json.loads(body)["own"]["seen"] > 1000
    assert ask("SELECT count(*) FROM analyzer") == [(counts["events"] + counts["states"],)]
    market = ask("SELECT count(*) FROM events WHERE tape = 'input0' AND bid IS NOT NULL")
    assert market[0][0] == len(onetape.open(run).events("quote")) or market[0][0] > 500


def test_the_tables_are_what_the_run_was(run: Path, tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'x.db'}"
    reported = analyze_run(run, db=url)
    assert reported["no_states"] is None
    check(Database(url), run, reported)
    second = analyze_run(run, db=url)
    assert {**second} == reported
    assert Database(url).run("SELECT count(*) FROM fills") == [(reported["fills"],)]


@pytest.mark.parametrize("server", [postgresql, mariadb])
def test_the_same_on_a_server(run: Path, server):
    with server() as url:
        reported = analyze_run(run, db=url)
        database = Database(url)
        check(database, run, reported)
        assert analyze_run(run, db=url) == reported
        database.run("CREATE TABLE t_orders (mine integer)")
        with pytest.raises(BadInput, match="t_orders"):
            analyze_run(run, db=url, prefix="t_")
        database.close()


def test_what_it_did_not_make_stays(run: Path, tmp_path: Path):
    path = tmp_path / "mine.db"
    mine = sqlite3.connect(path)
    mine.execute("CREATE TABLE orders (mine INTEGER)")
    mine.execute("INSERT INTO orders VALUES (7)")
    mine.commit()
    url = f"sqlite:///{path}"
    with pytest.raises(BadInput, match="table orders exists and was not made by analyze"):
        analyze_run(run, db=url)
    reported = analyze_run(run, db=url, prefix="ot_")
    database = Database(url)
    assert database.run("SELECT mine FROM orders") == [(7,)]
    database.run("INSERT INTO ot_fills (run, seq) VALUES ('other', 1)")
    analyze_run(run, db=url, prefix="ot_")
    assert database.run("SELECT count(*) FROM ot_fills") == [(reported["fills"] + 1,)]
    with pytest.raises(BadConfig, match="prefix"):
        analyze_run(run, db=url, prefix="x; DROP TABLE orders; --")


def test_parquet_has_the_same_rows(run: Path, tmp_path: Path):
    pl = pytest.importorskip("polars")
    reported = analyze_run(run, parquet=tmp_path / "p")
    for table in ("events", "decisions", "orders", "fills", "states"):
        frame = pl.read_parquet(tmp_path / "p" / f"{table}.parquet")
        assert len(frame) == reported[table], table
    fills = pl.read_parquet(tmp_path / "p" / "fills.parquet")
    assert fills.select("price", "qty", "side").rows() == (
        onetape.open(run).fills.select("price", "qty", "side").rows()
    )
    with pytest.raises(BadInput, match="is not empty"):
        analyze_run(run, parquet=tmp_path / "p")


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("oracle://x/y", BadConfig, "the URL names no known kind of database"),
        ("sqlite://", BadConfig, "no file is named"),
        ("postgresql://u:sesame@127.0.0.1:1/x", ProcessDown, "does not answer"),
        ("mariadb://u:sesame@127.0.0.1:1/x", ProcessDown, "does not answer"),
        ("env:NOT_THERE_AT_ALL", BadConfig, "NOT_THERE_AT_ALL"),
    ],
)
def test_a_database_that_is_not_there_is_one_line_without_its_password(run, url, error, words):
    try:
        with pytest.raises(error, match=words) as reported:
            analyze_run(run, db=url)
    except NotAvailable as lacking:
        pytest.skip(f"NOT_AVAILABLE: {lacking}")
    assert "sesame" not in str(reported.value) and "\n" not in str(reported.value)


def test_connections_that_open_a_new_file_at_once_wait_for_each_other(tmp_path: Path):
    found: list[Exception] = []

    def opens(url: str, gate: threading.Barrier) -> None:
        gate.wait()
        try:
            Database(url).close()
        except BadConfig as error:
            found.append(error)

    for number in range(60):
        gate = threading.Barrier(6)
        facts = (f"sqlite:///{tmp_path / str(number)}.db", gate)
        threads = [threading.Thread(target=opens, args=facts) for _ in range(6)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert found == []


def test_a_run_that_goes_on_is_followed(run: Path, tmp_path: Path):
    """A copy of the run's tape that grows under its reader: rows come as frames do."""
    from onetape.tape.journal import JournalWriter

    growing = tmp_path / "runs" / "live"
    growing.mkdir(parents=True)
    with JournalReader(run / "journal") as reader:
        frames = [f for f in reader.frames() if f.type != 1]
        stream, facts = next((f.stream, f.payload) for f in JournalReader(run / "journal").frames(("instrument",)))
    writer = JournalWriter(growing / "journal", durable=False, heartbeat=True)
    writer.append_instrument(stream, frames[0].time, facts)
    half = len(frames) // 2

    def write(part) -> None:
        for each in part:
            writer.append_raw(each.type, each.payload, each.flags, each.stream, each.time)

    write(frames[:half])
    url = f"sqlite:///{tmp_path / 'x.db'}"
    received: list[dict] = []
    following = threading.Thread(target=lambda: received.append(analyze_run(growing, db=url, follow=True)))
    following.start()
    database = Database(url)

    def rows() -> int:
        if "events" not in database.tables():
            return 0
        return database.run("SELECT count(*) FROM events")[0][0]

    wait_for(lambda: rows() == half + 1)
    write(frames[half:])
    wait_for(lambda: rows() == len(frames) + 1)
    writer.close()
    following.join(PATIENCE_S)
    assert received[0]["events"] == len(frames) + 1
    assert (received[0]["states"], received[0]["no_states"]) == (
        None,
        "the run is still active, or ended without a complete record",
    )
    assert received[0]["fills"] == len(onetape.open(run).fills)


def test_the_command(run: Path, tmp_path: Path):
    def onetape_(*arguments: str, code: int = 0):
        done = copied_process.run(
            "analyze", *arguments, "--json", cwd=tmp_path, env={**os.environ, "WHERE": f"sqlite:///{tmp_path}/y.db"}
        )
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    assert onetape_(str(run), "--db", "env:WHERE", "--no-states")["states"] is None
    assert (tmp_path / "y.db").exists()
    assert "the target is missing" in onetape_(str(run), code=2)["error"]["message"]
    assert "is not a run" in onetape_(str(tmp_path), "--db", "sqlite:///z.db", code=3)["error"]["message"]
