"""Two runs in one database, compared by plain SQL; and the manual's own queries, each as it stands
there, against what the runs' tapes say by another way."""

from __future__ import annotations

import json
import re
from itertools import zip_longest
from pathlib import Path

import pytest
from test_analyze import STRATEGY

import copied_process
from onetape.data.sample import write_sample
from onetape.model.errors import BadConfig
from onetape.replay.analyze import analyze_pair
from onetape.research.backtest import BacktestOptions, run_backtest
from onetape.store.database import Database
from onetape.tape.journal import JournalReader
from worlds.databases import postgresql

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "concepts" / "analyze.md"
QUERIES = re.findall(r"```sql\n(.*?)```", MANUAL.read_text(), re.DOTALL)
NEAR_NS = 50_000_000


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[Path, Path]:
    """The same robot, and one that buys other sizes from some moment on; slower, too."""
    folder = tmp_path_factory.mktemp("pairs")
    write_sample(folder / "m.tape", events=4000, seed=3)
    made = []
    for name, text, latency in (
        ("monday", STRATEGY, "10ms"),
        (
            "tuesday",
            STRATEGY.replace("self.seen += 1", "self.seen += 1\n        self.size = 0.01 + 0.01 * (self.seen > 600)"),
            "30ms",
        ),
    ):
        code = folder / name / "taker.py"
        code.parent.mkdir()
        code.write_text(text)
        made.append(
            run_backtest(
                BacktestOptions(
                    strategy=str(code),
                    data=[folder / "m.tape"],
                    home=folder,
                    out=name,
                    latency=latency,
                    write_report=False,
                    cash="100000 USDT",
                )
            ).run
        )
    return made[0], made[1]


def frames(run: Path, kind: str) -> list:
    with JournalReader(run / "journal") as reader:
        return [record for record in reader if record.type == kind]


def rows_of(database: Database, query: str) -> list[tuple]:
    for name, own in (("MONDAY", "monday"), ("TUESDAY", "tuesday"), ("RUN", "monday")):
        query = query.replace(f"'{name}'", f"'{own}'")
    return database.run(query.strip().rstrip(";"))


def check(database: Database, runs: tuple[Path, Path], counts: dict) -> None:
    after, around, _, different, later = QUERIES
    decisions, fills = frames(runs[0], "order_request"), frames(runs[0], "fill")
    times = [fill.time for fill in fills]

    found = rows_of(database, after)
    assert [row[1] for row in found] == [
        d.sequence for d in decisions if any(t <= d.time <= t + NEAR_NS for t in times)
    ]
    found = rows_of(database, around)
    wanted = [
        (d.sequence, f.sequence, f.time - d.time) for d in decisions for f in fills if abs(f.time - d.time) <= NEAR_NS
    ]
    assert [(row[0], row[-2], row[-1]) for row in found] == wanted
    assert 0 < len({each[0] for each in wanted}) < len(decisions)

    both = [frames(run, "order_request") for run in runs]
    fields = ("kind", "side", "type", "price", "size")
    differs = [
        n
        for n, (a, b) in enumerate(zip_longest(*both), 1)
        if a is None or b is None or any(a.data[f] != b.data[f] for f in fields)
    ]
    found = [row for row in rows_of(database, different) if row[0] == "decision"]
    assert sorted(row[2] for row in found) == differs and 0 < len(differs) < len(both[0])
    decided = counts["compared"]["decision"]
    assert decided["differing"] == len(differs)
    assert decided["compared"] == max(map(len, both)) == decided["equal"] + decided["differing"]
    assert decided["first"]["n"] == found[0][2] == differs[0]
    waits = [b.time - a.time for n, (a, b) in enumerate(zip(*both, strict=False), 1) if n not in differs]
    (row,) = [row for row in rows_of(database, later) if row[0] == "decision"]
    assert (int(row[1]), int(row[2]), int(row[4])) == (len(waits), min(waits), max(waits))
    assert float(row[3]) == pytest.approx(sum(waits) / len(waits))
    # The other way round it is the same.
    back = database.run("SELECT count(*) FROM compared WHERE run_a = 'tuesday' AND is_equal = 0")
    forth = database.run("SELECT count(*) FROM compared WHERE run_a = 'monday' AND is_equal = 0")
    assert back == forth


def test_two_runs_are_compared_and_the_manuals_queries_say_what_they_say(runs, tmp_path):
    url = f"sqlite:///{tmp_path / 'x.db'}"
    check(Database(url), runs, analyze_pair(*runs, db=url, states=False))


def test_the_same_on_a_server(runs):
    with postgresql() as url:
        database = Database(url)
        check(database, runs, analyze_pair(*runs, db=url, states=False))
        database.close()


def test_the_command_says_the_first_difference(runs, tmp_path):
    def onetape(*arguments: str, code: int = 0) -> str:
        done = copied_process.run("analyze", *arguments, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        return done.stdout

    a, b = map(str, runs)
    said = onetape(a, b, "--db", "sqlite:///x.db", "--no-states")
    assert re.search(r"decisions: \d+ of \d+ equal\n  the first difference: binance:BTC", said)
    answer = json.loads(onetape(a, b, "--db", "sqlite:///x.db", "--no-states", "--json"))
    assert [each["run"] for each in answer["runs"]] == ["monday", "tuesday"]
    for wrong in ((a, b), (a, b, a, "--db", "sqlite:///x.db"), (a, b, "--parquet", "p")):
        assert "error" in json.loads(onetape(*wrong, "--json", code=2))
    with pytest.raises(BadConfig, match="both are called monday"):
        analyze_pair(runs[0], runs[0], db="sqlite:///y.db")
