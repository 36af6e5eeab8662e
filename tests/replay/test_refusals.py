"""An order that was refused says so, and why: in the summary, in every table, on the journal. One
that works when the run ends is shown as it stands. And a fee has its currency."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path

import pytest

import copied_process
import onetape
from onetape.data.sample import write_sample
from onetape.model.errors import BadInput
from onetape.replay.analyze import analyze_run
from onetape.store.analysis import SqlTables
from onetape.store.database import Database
from onetape.tape.journal import JournalReader

STRATEGY = """
from onetape import Strategy


class Refused(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.seen = 0
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        self.seen += 1
        if self.seen % 10 == 1 and self.seen < 60:
            self.buy(self.symbol, 20)  # 6: no money for it
        elif self.seen in (65, 67):
            self.buy(self.symbol, 0.01, quote.ask + 200, post_only=True)  # 2: it would cross
        elif self.seen == 70:
            self.buy(self.symbol, 0.01)
        elif self.seen == 80:
            self.buy(self.symbol, 0.01, quote.bid - 3000, tag="works")

    def on_stop(self):
        self.buy(self.symbol, 0.01)  # 1: the run is over


class LastWord(Refused):
    def on_quote(self, quote):
        super().on_quote(quote)
        self.last = quote.bid
        if self.now >= LAST:
            self.buy(self.symbol, 0.01, tag="under way")
"""


class Begins(str):
    """Equal to every text that begins so: the amounts behind it are the market's."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and other.startswith(str(self))


FUNDS = Begins("the account cannot carry it: it needs 1200")
CROSS = "post-only, and it would have taken liquidity"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("refusals")
    write_sample(folder / "m.tape", events=2000, seed=3)
    with JournalReader(folder / "m.tape") as reader:
        last = [r.time for r in reader if r.type == "quote"][-1]
    (folder / "refused.py").write_text(f"LAST = {last}\n{STRATEGY}")
    return folder


def backtest(folder: Path, name: str, *options: str, out: str = "") -> str:
    return copied_process.run(
        "backtest",
        f"refused.py:{name}",
        "--data",
        "m.tape",
        "--latency",
        "10ms",
        "--cash",
        "100000 USDT",
        "--out",
        out or name,
        *options,
        cwd=folder,
        check=True,
    ).stdout


@pytest.fixture(scope="module")
def run(folder) -> Path:
    answer = json.loads(backtest(folder, "Refused", "--json"))
    assert answer["refusals"] == {
        "denied": {"INSUFFICIENT_FUNDS": 6, "ORDER_INVALID": 1},
        "rejected": {"ORDER_WOULD_CROSS": 2},
    }
    return Path(answer["run"])


def test_the_summary_counts_reasons(folder):
    shown = " ".join(backtest(folder, "LastWord", out="shown").split())
    assert "denied" in shown
    assert "7: INSUFFICIENT_FUNDS 6, ORDER_INVALID 1" in shown
    assert "2: ORDER_WOULD_CROSS 2" in shown


def test_the_frames_of_orders_say_why(run):
    recorded = onetape.open(run)
    orders = recorded.orders.sort("order").select("state", "code", "reason").rows()
    assert orders[:6] == [("DENIED", 4201, FUNDS)] * 6
    assert orders[6:8] == [("REJECTED", 4103, CROSS)] * 2
    assert orders[8:] == [("FILLED", 0, None), ("ACCEPTED", 0, None), ("DENIED", 4101, "the run is over")]
    assert recorded.stats["refusals"]["denied"] == {"INSUFFICIENT_FUNDS": 6, "ORDER_INVALID": 1}
    page = json.loads((run / "report.json").read_text())
    assert page["orders"]["refusals"] == [
        {"state": "denied", "code": 4201, "error": "INSUFFICIENT_FUNDS", "orders": 6},
        {"state": "denied", "code": 4101, "error": "ORDER_INVALID", "orders": 1},
        {"state": "rejected", "code": 4103, "error": "ORDER_WOULD_CROSS", "orders": 2},
    ]
    assert page["orders"]["outcomes"]["denied"] == 7
    assert page["orders"]["outcomes"]["working"] == 1


def test_the_journal_has_a_refusal_beside_its_request(run):
    with JournalReader(run / "journal") as reader:
        frames = [r for r in reader if r.type in ("order_request", "order_event")]
    request, denied = frames[:2]
    assert (request.type, denied.type) == ("order_request", "order_event")
    assert denied.data["order_id"] == request.data["order_id"]
    assert (denied.data["news"], denied.data["state"], denied.data["code"]) == ("denied", "DENIED", 4201)
    assert denied.data["more"] == {"reason": FUNDS}


def test_an_order_under_way_at_the_end_is_not_shown_as_denied(folder):
    backtest(folder, "LastWord")
    recorded = onetape.open(folder / ".onetape" / "runs" / "LastWord")
    states = dict(recorded.orders.select("tag", "state").rows())
    assert (states["works"], states["under way"]) == ("ACCEPTED", "SUBMITTED")


def test_exports_have_reasons_and_the_currency_of_fees(run, tmp_path):
    recorded = onetape.open(run)
    assert recorded.fills["fee_currency"].to_list() == ["USDT"]
    recorded.save(tmp_path / "tables", format="csv")
    with (tmp_path / "tables" / "fills.csv").open() as file:
        assert [row["fee_currency"] for row in csv.DictReader(file)] == ["USDT"]
    with (tmp_path / "tables" / "orders.csv").open() as file:
        assert next(csv.DictReader(file))["reason"] == FUNDS


def orders_in(path: Path) -> list:
    with sqlite3.connect(path) as database:
        return database.execute("SELECT state, code, reason FROM orders ORDER BY order_id").fetchall()


def test_the_tables_of_analyze_have_them(run, tmp_path):
    analyze_run(run, db=f"sqlite:///{tmp_path}/a.db")
    found = orders_in(tmp_path / "a.db")
    assert found[0] == ("DENIED", 4201, FUNDS)
    assert found[6] == ("REJECTED", 4103, CROSS)
    assert [state for state, *_ in found[8:]] == ["FILLED", "ACCEPTED", "DENIED"]
    with sqlite3.connect(tmp_path / "a.db") as database:
        assert database.execute("SELECT fee_currency FROM fills").fetchall() == [("USDT",)]


def test_tables_of_an_earlier_release_get_the_columns(run, tmp_path):
    url = f"sqlite:///{tmp_path}/a.db"
    database = Database(url)
    SqlTables(database)
    for table, column in (("orders", "reason"), ("fills", "fee_currency")):
        database.run(f"ALTER TABLE {table} DROP COLUMN {column}")
    database.run("UPDATE analysis_tables SET version = 1")
    database.run("INSERT INTO orders (run, order_id, state) VALUES ('old', 1, 'FILLED')")
    database.close()
    analyze_run(run, db=url)
    assert ("FILLED", None, None) in orders_in(tmp_path / "a.db")
    assert ("DENIED", 4201, FUNDS) in orders_in(tmp_path / "a.db")


def test_tables_of_a_later_release_are_refused(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/a.db")
    SqlTables(database)
    database.run("UPDATE analysis_tables SET version = 3")
    with pytest.raises(BadInput, match="another release"):
        SqlTables(database)
