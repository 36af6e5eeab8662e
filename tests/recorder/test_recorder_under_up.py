"""The recorder among the processes of a configuration: what is recorded is what the exchange says, whoever
was killed meanwhile."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from onetape.cli.main import run
from onetape.model.sections import Config
from onetape.recorder.read import records_of
from supervisor.test_alerts import http_sink
from waiting import wait_for
from worlds.supervised import Home

TRADER = """
from onetape import Strategy


class Trader(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="200ms")

    def on_timer(self, name):
        if self.quote(self.symbol) is None or self.orders(self.symbol):
            return
        if self.position(self.symbol).qty == 0:
            self.buy(self.symbol, 0.02)
        else:
            self.sell(self.symbol, 0.02)
"""
CONFIG = """
[venues.x]
kind = "binance-usdm"
mode = "sim"
[accounts.main]
venue = "x"
[recorder]
[accounts.main.alerts]
delta = { USDT = 100 }
[robots.trader]
strategy = "maker.py"
account = "main"
"""
BALANCE = Decimal(100_000)


def _is_delta(alert: dict) -> bool:
    return (alert["type"], alert["subject"]) == ("delta", "recorder delta main USDT")


def net(rows: list[dict]) -> Decimal:
    return sum((Decimal(row["net"]) for row in rows if row["currency"] == "USDT"), Decimal(0))


def test_the_ledger_is_the_exchange_s_statement_over_kills_and_a_second_recorder_is_refused(tmp_path):
    with Home(tmp_path, CONFIG, TRADER) as home:
        up = home.run("up")
        assert ("recorder", "recorder") in {(each["name"], each["kind"]) for each in up["processes"]}
        wait_for(lambda: len(home.run("trips")) > 2)
        for name in ("recorder", "gateway:main", "recorder"):
            home.kill(name)
            before = len(home.fills())
            wait_for(lambda before=before: len(home.fills()) > before + 2)
        # What it holds is more than that, and then it is flat.
        wait_for(lambda: [each for each in home.run("alerts", "ls", "--all") if each["cleared"] and _is_delta(each)])
        # What there is now is in the answer, though another process writes it.
        seen = len(home.fills())
        (row,) = home.run("ledger", "--by", "symbol")
        assert row["key"] == "binance:BTC/USDT:USDT"
        assert Decimal(row["fees"]["USDT"]) > 0
        with records_of(home.home, Config(), os.environ, tmp_path) as records:
            assert records.rows(_count("record_fills"))[0]["n"] >= seen
            assert records.take_lease() != ""  # the process has it
        home.run("down")
        for by in ("symbol", "strategy", "day", "account"):
            rows = home.run("ledger", "--by", by)
            (balance,) = [each for each in home.run("accounts") if each["currency"] == "USDT"]
            assert BALANCE + net(rows) == Decimal(balance["total"])
        assert {row["key"] for row in home.run("ledger", "--by", "strategy")} == {"trader"}
        (risk,) = home.run("risk")
        assert set(risk) >= {"account", "delta", "utilization", "leverage", "unrealized", "drawdown", "ts"}
        last = home.run("equity")[-1]
        assert Decimal(last["balance"]) == BALANCE + net(rows)
        now = home.run("equity", "--by", "strategy")[-1]
        assert (now["subaccount"], now["strategy"], now["equity"]) == ("main", "trader", last["equity"])
        exported(home, tmp_path)
        together = home.run("equity", "--by", "all")[-1]
        assert {name: last[name] for name in together} == together


RESTS = """
from onetape import Strategy


class Rests(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        if not self.orders(self.symbol):
            self.buy(self.symbol, 0.01, quote.bid * 0.9)
"""


def test_what_down_ends_is_in_the_records(tmp_path):
    """The recorder reads the gateways' last words."""
    import sqlalchemy as sa

    from onetape.store.records import metadata

    table = metadata.tables["record_orders"]
    with Home(tmp_path, CONFIG, RESTS) as home:
        home.run("up")

        def states() -> list[str]:
            with records_of(home.home, Config(), os.environ, tmp_path) as records:
                return [row["state"] for row in records.rows(sa.select(table.c.state))]

        wait_for(lambda: "ACCEPTED" in states())
        home.run("down")
        assert set(states()) == {"CANCELED"}


HUB = """
[collectors.c]
venue = "x"
symbols = ["binance:BTC/USDT:USDT"]
[hub]
"""


def test_positions_are_worth_what_the_hub_says_where_a_hub_brings_the_market(tmp_path):
    with Home(tmp_path, CONFIG + HUB, TRADER) as home:
        home.run("up")
        home.wait_for(lambda: any(Decimal(row["unrealized"]) for row in home.run("risk")))
        (trip, *_) = home.wait_for(lambda: home.run("trips"))
        assert 0 < Decimal(trip["context"]["bid"]) < Decimal(trip["context"]["ask"])
        assert Decimal(trip["peak"]) >= Decimal(trip["trough"])
        home.run("down")


def test_what_a_venue_tells_once_more_after_a_lost_journal_is_there_once(tmp_path):
    import sqlalchemy as sa

    from onetape.store.records import metadata

    fills, activity, orders = (metadata.tables[f"record_{name}"] for name in ("fills", "activity", "orders"))
    with Home(tmp_path, CONFIG, TRADER) as home:
        count = 3
        for life in range(2):
            home.run("up")
            # The second life has those of the first once more, and none of its own before there is one more.
            home.wait_for(lambda: len(home.fills()) > count)  # noqa: B023
            home.run("down")
            count = len(home.fills())
            if not life:
                shutil.rmtree(home.home / "journal" / "gateway-main")
        with records_of(home.home, Config(), os.environ, tmp_path) as records:
            rows = [(row["trade_id"], row["qty"] * row["price"]) for row in records.rows(sa.select(fills))]
            assert len({row["journal"] for row in records.rows(sa.select(fills))}) == 2
            sums = {"fills": Decimal(0), "volume": Decimal(0)}
            for row in records.rows(sa.select(activity).where(activity.c.kind.in_(tuple(sums)))):
                sums[row["kind"]] += Decimal(row["amount_exact"])
            assert not [row for row in records.rows(sa.select(orders)) if row["filled"] and not row["venue_order_id"]]
    assert len(rows) == len(dict(rows)) == sums["fills"]
    assert float(sums["volume"]) == pytest.approx(sum(dict(rows).values()))


def test_an_order_whose_journal_was_lost_stays_open_while_it_works_and_ends_where_it_does_not(tmp_path):
    import sqlalchemy as sa

    from onetape.store.records import metadata

    config, states = CONFIG.partition("[robots.trader]")[0], []
    with Home(tmp_path, config, TRADER) as home:
        for lost in ((), ("gateway-main",), ("gateway-main", "venue-x")):
            for name in lost:
                shutil.rmtree(home.home / "journal" / name)
            home.run("up")
            if not lost:
                home.buy("binance:BTC/USDT:USDT", "0.01", "--price", "mid*0.9", "--account", "main")
            home.run("down")
            with records_of(home.home, Config(), os.environ, tmp_path) as records:
                states.append([row["state"] for row in records.rows(sa.select(metadata.tables["record_orders"]))])
    assert states == [["ACCEPTED"], ["ACCEPTED"], ["EXPIRED"]]


def exported(home, folder) -> None:
    """A year's books and public figures of what has been traded."""
    year = datetime.now(tz=UTC).year
    books = home.run("export", "accounting", "--year", str(year), "--out", str(folder / "books"))
    with (folder / "books" / "sums.csv").open() as file:
        (sums,) = [row for row in csv.DictReader(file) if row["asset"] == "USDT"]
    (balance,) = [each for each in home.run("accounts") if each["currency"] == "USDT"]
    assert Decimal(sums["end"]) == Decimal(balance["total"])
    assert books["files"]["lots.csv"] > 2
    home.run("export", "accounting", "--year", str(year), "--out", str(folder / "books"), code=2)  # it is there
    home.run("export", "accounting", "--out", str(folder / "none"), code=2)
    home.run("export", "public", "--figures", "everything", "--out", str(folder / "none"), code=2)
    for delay, is_seen in (("0s", True), ("1d", False)):  # written again where it is
        home.run("export", "public", "--delay", delay, "--out", str(folder / "site"))
        shown = {path.name: path.read_text() for path in (folder / "site").iterdir()}
        assert set(shown) == {"equity.json", "days.json", "symbols.json", "index.html"}
        assert ("binance:BTC/USDT:USDT" in shown["symbols.json"]) == is_seen
        assert bool(json.loads(shown["days.json"])["days"]) == is_seen
        words = ("trader", '"main"', "account", "order", "transfer")
        assert not [word for word in words for name, text in shown.items() if word in text and name != "index.html"]
        assert "trader" not in shown["index.html"]


def test_without_a_recorder_the_verbs_project_the_tapes_themselves(tmp_path, capsys):
    with Home(
        tmp_path, CONFIG.replace(CONFIG[CONFIG.index("[recorder]") : CONFIG.index("[robots")], ""), TRADER
    ) as home:
        assert home.run("ledger") == []
        home.run("up")
        wait_for(lambda: len(home.run("trips")) > 1)
        first = home.run("trips")
        wait_for(lambda: len(home.run("trips")) > len(first))
        assert home.run("trips")[: len(first)] == first
        options = ("--home", str(home.home), "--config", str(home.folder / "onetape.toml"))
        assert run(["ledger", *options]) == run(["equity", *options]) == 0
        text = capsys.readouterr().out
        assert not re.search(r"\.\d{9}", text)  # an amount to 1e-18, or a moment to the nanosecond
        assert re.search(r"^[-\d]+ [\d:]{8}  main", text, re.MULTILINE)
        trip = first[0]
        assert trip["side"] == "long"
        assert Decimal(trip["qty"]) == Decimal("0.02")
        money = Decimal(trip["realized"]) + Decimal(trip["funding"]) - Decimal(trip["fees"]["USDT"])
        assert Decimal(trip["net"]) == money
        assert home.run("trips", "--until", str(trip["ts_close"])) == []
        home.run("down")


def test_a_recorder_stopped_in_its_tracks_is_waited_for_and_then_left(tmp_path):
    with Home(tmp_path, CONFIG, TRADER) as home:
        home.run("up")
        wait_for(lambda: home.run("trips"))
        pid = home.process("recorder")["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            assert home.run("trips")  # what it has written
        finally:
            os.kill(pid, signal.SIGCONT)
        home.run("down")


def _count(table: str):
    import sqlalchemy as sa

    from onetape.store.records import metadata

    return sa.select(sa.func.count().label("n")).select_from(metadata.tables[table])


def test_fills_and_positions_reach_the_sink_that_asks_for_them_and_no_other(tmp_path):
    with http_sink() as (url, reported), http_sink() as (other, faults):
        notify = f"""
[notify]
urls = ["{other}"]
batch = "500ms"
[notify.routes.trades]
urls = ["{url}"]
types = ["fill", "position"]
title = "{{type}}"
body = "{{message}}"
"""
        with Home(tmp_path, CONFIG + notify, TRADER) as home:
            home.run("up")

            def has(kind: str, *words: str, after: int = 0) -> bool:
                return any(e["title"] == kind and all(w in e["message"] for w in words) for e in reported[after:])

            wait_for(lambda: has("fill", "trader bought 0.02 binance:BTC/USDT:USDT at ", "fees "))
            wait_for(lambda: has("position", "opened long ") and has("position", "trader closed long ", ": net "))
            home.kill("recorder")
            before = len(reported)
            wait_for(lambda: has("fill", "trader ", after=before))
            home.run("down")
        assert {each["title"] for each in reported} == {"fill", "position"}
        assert not [each for each in faults if "trader bought" in each["message"]]
