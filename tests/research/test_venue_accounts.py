"""Venues with accounts and ways of their own, end to end: from the option to the result, the run's
folder, the report, a replay, a parity and paper trading."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from test_money_runs import backtest, heard

import onetape
from onetape.model.errors import BadConfig
from onetape.replay.parity import compare
from onetape.replay.replay import replay_run
from worlds.tapes import BTC, Market, records

KRAKEN = "kraken:BTC/USD:USD"
CASH = "binance=10000 USDT,kraken=5000 USD"

BOTH = """
from onetape import Strategy


class Both(Strategy):
    size: float = 1.0
    symbol_a: str = "binance:BTC/USDT:USDT"
    symbol_b: str = "kraken:BTC/USD:USD"

    def on_start(self):
        self.memory["heard"] = []
        self.n = 0
        for symbol in (self.symbol_a, self.symbol_b):
            self.subscribe(symbol, quotes=True)

    def on_quote(self, q):
        self.n += 1
        if self.n % 12 == 2:
            side = self.buy if self.n % 24 == 2 else self.sell
            side(self.symbol_a, self.size)
            side(self.symbol_b, self.size)

    def on_fill(self, fill):
        text = f"{fill.order.symbol} {fill.side} {fill.qty} {fill.price}"
        self.memory["heard"] = [*self.memory["heard"], text]
"""


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """120 s of both venues; kraken is dearer by 5 at the end."""
    market = Market(tmp_path / "two.tape", taker_fee="0.001")
    market.add(KRAKEN, taker_fee="0.002")
    for second in range(120):
        market.quote(second, 99.9, 100)
        price = 100 if second < 100 else 105
        market.quote(second + 0.5, price - 0.1, price, symbol=KRAKEN)
    market.funding(119, "0.001", 100)
    market.funding(119.1, "0.002", 105, symbol=KRAKEN)
    market.quote(119.5, 99.9, 100)
    return market.done()


def row(result, venue: str) -> dict[str, object]:
    (found,) = (each for each in result.as_json()["venues"] if each["venue"] == venue)
    return found


def test_the_result_has_a_row_for_each_venue(tmp_path, tape) -> None:
    done = backtest(tmp_path, tape, "run", BOTH, cash=CASH, latency="0", params={"size": 1.0})
    a, b = row(done, "binance"), row(done, "kraken")
    assert (a["currency"], a["cash"], b["currency"], b["cash"]) == ("USDT", "10000", "USD", "5000")
    # 20 orders at each, turn by turn; what was bought at 100 is sold at 99.9.
    assert heard(done.run).count(f"{BTC} buy 1.0 100.0") == 10
    assert done.fills == 40
    for each in (a, b):
        cash, equity, pnl = (Decimal(str(each[k])) for k in ("cash", "final_equity", "pnl"))
        assert equity - cash == pnl
    assert Decimal(str(a["volume"])) == 10 * 100 + 10 * Decimal("99.9")
    assert Decimal(str(a["fees"])) == Decimal(str(a["volume"])) / 1000
    assert a["funding"] == b["funding"] == "0"  # flat when it came
    assert Decimal(str(a["pnl"])) == -1 - Decimal(str(a["fees"]))
    sums = {k: Decimal(str(a[k])) + Decimal(str(b[k])) for k in ("final_equity", "pnl", "fees")}
    assert sums == {"final_equity": done.final_equity, "pnl": done.pnl, "fees": done.fees}


def test_the_run_keeps_and_shows_it(tmp_path, tape) -> None:
    done = backtest(tmp_path, tape, "run", BOTH, cash=CASH, latency=["1ms", "kraken=20ms,80ms"], params={"size": 1.5})
    run = onetape.open(done.run)
    assert run.facts["money"]["cash"] == ["binance=10000 USDT", "kraken=5000 USD"]
    assert run.facts["model"]["latencies"]["kraken"]["reply"] == 80_000_000
    assert [each["venue"] for each in run.facts["venue_result"]] == ["binance", "kraken"]
    texts = [each.text for each in done.assumptions]
    assert "cash binance 10000 USDT, kraken 5000 USD, leverage 1x, cross margin" in texts
    assert "binance, kraken have separate accounts: no money moves between them" in texts
    assert "equity is in USDT; one USD counts as one USDT" in texts
    assert "kraken: latency to the exchange and back: 20ms,80ms" in texts
    assert "binance: latency to the exchange and back: 1ms,1ms" in texts
    report = json.loads((done.run / "report.json").read_text())
    assert [each["venue"] for each in report["venues"]] == ["binance", "kraken"]
    assert report["venues"][1]["equity"] == float(row(done, "kraken")["final_equity"])
    assert report["facts"]["cash"] == "binance 10000 USDT, kraken 5000 USD"
    assert report["facts"]["latency"] == "1ms,1ms; kraken 20ms,80ms"
    page = (done.run / "report.html").read_text()
    assert "By venue" in page
    assert len(run.equity) == len(run.accounts) / 2
    of_kraken = run.accounts.filter(run.accounts["account"] == "kraken")
    assert of_kraken["currency"].unique().to_list() == ["USD"]
    assert of_kraken["equity"][-1] == pytest.approx(report["venues"][1]["equity"])
    assert run.equity["equity"].null_count() == 0
    run.save(tmp_path / "saved", format="csv")
    assert "kraken,USD" in (tmp_path / "saved" / "venues.csv").read_text()


def test_the_table_is_printed(tmp_path, tape, capsys) -> None:
    from onetape.report.result_table import print_backtest

    done = backtest(tmp_path, tape, "run", BOTH, cash=CASH, params={"size": 1.5})
    print_backtest(done.as_json(), done.assumptions)
    lines = capsys.readouterr().out.splitlines()
    (kraken,) = (line for line in lines if line.startswith("kraken, USD"))
    assert "5,000" in kraken


def test_with_one_account_no_venue_has_cash_of_its_own(tmp_path) -> None:
    okx = "okx:BTC/USDT:USDT"
    market = Market(tmp_path / "t", taker_fee="0.001")
    market.add(okx, taker_fee="0.002")
    for second in range(60):
        market.quote(second, 99.9, 100)
        market.quote(second + 0.5, 99.9, 100, symbol=okx)
    done = backtest(tmp_path, market.done(), "run", BOTH, cash="10000 USDT", latency="0", params={"symbol_b": okx})
    (said,) = (each for each in done.assumptions if each.text.startswith("one account serves"))
    assert said.bias == 1
    assert "--cash 'binance=..,okx=..' gives each its own" in said.text
    a, b = row(done, "binance"), row(done, "okx")
    assert [a["cash"], a["final_equity"], b["cash"], b["final_equity"]] == [None] * 4
    assert Decimal(str(a["pnl"])) + Decimal(str(b["pnl"])) == done.pnl
    assert Decimal(str(a["volume"])) > 0


def test_a_replay_is_equal_and_edited_cash_is_another_run(tmp_path, tape) -> None:
    options = {"latency": "10ms;kraken=700ms,300ms,feed=50ms", "params": {"size": 1.5}}
    done = backtest(tmp_path, tape, "run", BOTH, cash=CASH, **options)
    second = replay_run(done.run, verify=True)
    assert (second["divergences"], second["action_hash"]) == (0, done.action_hash)
    poor = backtest(tmp_path, tape, "poor", BOTH, cash="binance=10000 USDT,kraken=100 USD", **options)
    assert poor.denied > 0
    assert done.denied == 0
    assert replay_run(poor.run, verify=True)["divergences"] == 0


def test_parity_of_decisions_and_of_money(tmp_path, tape) -> None:
    quick = backtest(tmp_path, tape, "quick", BOTH, cash=CASH, latency="0")
    slow = backtest(tmp_path, tape, "slow", BOTH, cash=CASH, latency="0;kraken=450ms,0")
    assert compare(quick.run, slow.run, mode="decisions")["differing"] == 0
    money = compare(quick.run, slow.run, mode="money")
    bridge = {k: Decimal(v) for k, v in money["bridge"].items() if isinstance(v, str) and k != "currency"}
    assert bridge["gap"] == slow.pnl - quick.pnl
    parts = ("latency", "queue", "price", "fee", "funding", "missed_data", "residual")
    assert sum(bridge[part] for part in parts) == bridge["gap"]


def test_money_of_a_slower_way_is_latency_in_the_bridge(tmp_path) -> None:
    """kraken's price rises by 1 half a second after each decision: 700 ms later the buy costs 1
    more, and the kraken leg alone says so."""
    market = Market(tmp_path / "t")
    market.add(KRAKEN)
    market.quote(0, 99.9, 100)
    market.quote(0, 99.9, 100, symbol=KRAKEN)
    market.quote(1, 99.9, 100)
    market.quote(1.5, 100.9, 101, symbol=KRAKEN)
    market.quote(5, 99.9, 100)
    tape = market.done()
    quick = backtest(tmp_path, tape, "quick", BOTH, cash=CASH, latency="0", fee="0")
    slow = backtest(tmp_path, tape, "slow", BOTH, cash=CASH, latency="0;kraken=1600ms,0", fee="0")
    bridge = compare(quick.run, slow.run, mode="money")["bridge"]
    assert (bridge["gap"], bridge["latency"], bridge["residual"]) == ("-1", "-1", "0")


def test_paper_trading_keeps_the_accounts_apart(tmp_path, tape) -> None:
    from onetape.robot.paper import PaperOptions, run_paper
    from worlds.strategy_files import write

    code = write(tmp_path / "code", "both", BOTH)
    paper = run_paper(
        PaperOptions(
            str(code),
            [tape],
            tmp_path,
            params={"size": 1.5},
            speed=1e6,
            out="paper",
            cash="binance=10000 USDT,kraken=100 USD",
        )
    )
    assert paper.denied > 0
    assert {each.venue: each.cash for each in paper.venues} == {"binance": 10000, "kraken": 100}
    assert replay_run(paper.run, verify=True)["divergences"] == 0
    same = backtest(tmp_path, tape, "same", BOTH, params={"size": 1.5}, cash="binance=10000 USDT,kraken=100 USD")
    assert paper.action_hash == same.action_hash


def test_python_takes_accounts_and_ways_by_venue(tmp_path, tape) -> None:
    from worlds.strategy_files import write

    code = write(tmp_path / "code", "both", BOTH)
    run = onetape.backtest(
        str(code),
        data=tape,
        home=tmp_path,
        cash={"binance": "10000 USDT", "kraken": "5000 USD"},
        latency={"": "10ms", "kraken": "20ms,80ms"},
        options={"fee_volume": "kraken=5"},
    )
    assert run.facts["money"]["cash"] == ["binance=10000 USDT", "kraken=5000 USD"]
    assert run.facts["money"]["fee_volumes"] == ["kraken=5"]
    with pytest.raises(BadConfig, match="no cash at kraken"):
        onetape.backtest(str(code), data=tape, home=tmp_path, cash={"binance": "10000 USDT"})


LENT = """
from onetape import Strategy


class Lent(Strategy):
    symbol_a: str = "binance:BTC/USDT"
    symbol_b: str = "kraken:BTC/USDT"

    def on_start(self):
        self.memory["heard"] = []
        self.sent = set()
        for symbol in (self.symbol_a, self.symbol_b):
            self.subscribe(symbol, quotes=True)

    def on_quote(self, q):
        if q.symbol not in self.sent:
            self.sent.add(q.symbol)
            self.buy(q.symbol, 2)

    def on_health(self, h):
        self.memory["heard"] = [*self.memory["heard"], f"{h.kind} {h.subject} {h.state}"]
"""


def test_a_margin_call_says_of_which_account(tmp_path) -> None:
    """2 BTC at 50,000 with 60,000 at each venue: at 25,000 the 40,000 owed are a level of 1.25.
    That happens at one of them, and the money has the same name at both."""
    market = Market(tmp_path / "t", "binance:BTC/USDT", taker_fee="0")
    market.add("kraken:BTC/USDT", taker_fee="0")
    for second, price in enumerate((50_000, 50_000, 25_000, 50_000)):
        market.quote(second, 49_999.9, 50_000)
        market.quote(second + 0.5, price - 0.1, price, symbol="kraken:BTC/USDT")
    path = tmp_path / "rules.toml"
    path.write_text('[loans]\ncall = "1.3"\nliquidation = "1.1"\n')
    done = backtest(
        tmp_path,
        market.done(),
        "run",
        LENT,
        latency="0",
        leverage=3,
        borrow="USDT=0.0001",
        cash="binance=60000 USDT,kraken=60000 USDT",
        instruments=path,
    )
    assert heard(done.run) == ["margin_call USDT at kraken called", "margin_call USDT at kraken covered"]
    [alert] = [each.data for each in records(done.run / "journal", "alert")]
    assert (alert["kind"], alert["currency"]) == ("margin_call", "USDT at kraken")
    assert replay_run(done.run, verify=True)["divergences"] == 0
