"""Runs in which the venue takes over a position or calls a loan in: what the robot hears, what the
tape, the result, the report and the table of fills say, and that a replay is equal."""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal

import pytest
from test_money_runs import HOLDER, backtest, heard
from test_venue_runs import LOAN, SPOT, flat

import onetape
from onetape.model.errors import BadConfig
from onetape.model.time import format_time
from onetape.replay.replay import replay_run
from worlds.tapes import BTC, START, Market, records


def at(seconds: int) -> str:
    return format_time(START + seconds * 10**9)


def rules(tmp_path, text: str):
    path = tmp_path / "rules.toml"
    path.write_text(text)
    return path


def adl(second: int, **cells: object) -> str:
    body = {"symbol": BTC, "time": at(second), "side": "long"} | cells
    return "[[adl]]\n" + "".join(f'{key} = "{value}"\n' for key, value in body.items())


def test_a_position_that_is_taken_over(tmp_path) -> None:
    """1 BTC at 60,000: half of it goes at 58,000, the rest at the mark; then nothing is there."""
    tape = flat(tmp_path / "flat.tape", taker_fee="0").done()
    facts = rules(tmp_path, adl(20, price="58000", share="0.5") + adl(30) + adl(40) + adl(10**6))
    done = backtest(tmp_path, tape, "run", HOLDER, instruments=facts, latency="10ms")
    words = heard(done.run)
    assert "fill adl sell 0.5 58000.0 0.0" in words
    assert words[words.index("fill adl sell 0.5 58000.0 0.0") + 1 :][:2] == [
        "order adl FILLED 0",
        f"health adl {BTC} reduced",
    ]
    # The rest goes at the mid of the quote, and with it the order that had only it to reduce.
    assert any(word.startswith("fill adl sell 0.5 59999.") for word in words)
    assert "order  CANCELED 4106" in words
    assert f"health adl {BTC} closed" in words
    alerts = [each.data for each in records(done.run / "journal", "alert") if each.data["kind"] == "adl"]
    assert [each["state"] for each in alerts] == ["reduced", "closed"]
    assert {each["severity"] for each in alerts} == {"critical"}
    assert done.deleveragings == 2
    assert done.as_json()["deleveragings"] == 2
    assert done.liquidations == 0
    assert done.fees == 0
    [line] = [each for each in done.assumptions if each.key == "adl"]
    assert "the venue took over 2 positions" in line.text
    assert "4 facts, 1 of them found no position, 1 outside the time" in line.text
    run = onetape.open(done.run)
    assert run.fills["forced"].to_list() == ["", "adl", "adl"]
    venue = tomllib.loads((done.run / "run.toml").read_text())["venue"]
    assert venue["adl"][0]["price"] == "58000"
    assert replay_run(done.run, verify=True)["divergences"] == 0
    page = (done.run / "report.html").read_text()
    assert re.search(r'"tags":\s*\["",\s*"adl"\]', page)  # the table of fills


def test_a_side_of_a_hedge_is_taken_over(tmp_path) -> None:
    text = HOLDER.replace("self.buy(self.symbol, 1.0", "self.buy(self.symbol, 1.0, position_side='long'")
    text = text.replace("quote.ask * 1.04, reduce_only=True", "position_side='short'")
    assert text.count("position_side") == 2
    tape = flat(tmp_path / "flat.tape", taker_fee="0").done()
    facts = rules(tmp_path, adl(20, side="short", price="61000"))
    done = backtest(tmp_path, tape, "run", text, instruments=facts, hedge=True, leverage=5)
    assert "fill adl buy 1.0 61000.0 0.0" in heard(done.run)
    assert done.deleveragings == 1
    assert replay_run(done.run, verify=True)["divergences"] == 0


@pytest.mark.parametrize(
    ("cells", "words"),
    [({"symbol": "binance:ETH/USDT:USDT"}, "ETH/USDT:USDT is not in the data"), ({"price": "58000.00001"}, "at most")],
)
def test_a_fact_that_cannot_be_is_refused_at_the_start(tmp_path, cells, words) -> None:
    tape = flat(tmp_path / "flat.tape", seconds=5).done()
    facts = rules(tmp_path, adl(2, **cells))
    with pytest.raises(BadConfig, match=words):
        backtest(tmp_path, tape, "run", HOLDER, instruments=facts)
    assert not (tmp_path / "runs" / "run").exists()


def test_spot_has_no_position_to_take_over(tmp_path) -> None:
    tape = flat(tmp_path / "spot.tape", SPOT, seconds=5).done()
    facts = rules(tmp_path, adl(2, symbol=SPOT))
    with pytest.raises(BadConfig, match="is spot"):
        backtest(tmp_path, tape, "run", LOAN, instruments=facts)


HEARING = (
    LOAN.rstrip()
    + """

    def on_fill(self, fill):
        self.hear("fill", fill.order.tag, fill.side, fill.qty, fill.price, fill.fee)

    def on_health(self, h):
        self.hear("health", h.kind, h.subject, h.state)

    def hear(self, *words):
        self.memory["heard"] = [*self.memory.get("heard", []), " ".join(map(str, words))]
"""
)


def falling(path):
    """50,000, then 38,000 and 32,000: 2 BTC and 60,000 owed are a level of 1.27, then 1.07."""
    market = Market(path, SPOT, taker_fee="0", maker_fee="0", lot="0.01")
    for second, price in enumerate((50_000, 50_000, 38_000, 32_000, 32_000)):
        market.quote(second, price - 0.01, price)
    return market.done()


def test_a_loan_is_called_in(tmp_path) -> None:
    tape = falling(tmp_path / "spot.tape")
    inputs = rules(tmp_path, '[loans]\ncall = "1.3"\nliquidation = "1.1"\nfee = "0.01"\n')
    options = {"cash": "40000 USDT", "leverage": 3, "borrow": "USDT=0", "latency": "0"}
    done = backtest(tmp_path, tape, "run", HEARING, instruments=inputs, **options)
    words = heard(done.run)
    # At the mid of 31,999.995 and 1 %: 1.9 are 60,799.99 less 608.00, the least in whole lots.
    called = words.index("health margin_call USDT called")
    sold = next(i for i, word in enumerate(words) if word.startswith("fill loan sell"))
    assert called < sold
    assert words[sold].startswith("fill loan sell 1.9 ")
    assert words[sold + 1] == f"health loan {SPOT} reduced"
    assert "health margin_call USDT covered" in words
    assert (done.loan_calls, done.loan_liquidations, done.liquidations) == (1, 1, 0)
    [fee] = {word.split()[-1] for word in words if word.startswith("fill loan")}
    assert Decimal(fee) == pytest.approx(Decimal("607.9999"), abs=Decimal("0.001"))
    [alert] = [each.data for each in records(done.run / "journal", "alert") if each.data["kind"] == "margin_call"]
    assert (alert["currency"], alert["state"]) == ("USDT", "called")
    [text] = [each.text for each in done.assumptions if each.key == "loans"]
    assert "1 calls, 1 forced trades" in text
    assert onetape.open(done.run).fills["forced"].to_list() == ["", "loan"]
    assert replay_run(done.run, verify=True)["divergences"] == 0


def test_loans_have_a_default_and_can_be_left_alone(tmp_path) -> None:
    tape = falling(tmp_path / "spot.tape")
    options = {"cash": "40000 USDT", "leverage": 3, "borrow": "USDT=0", "latency": "0"}
    done = backtest(tmp_path, tape, "default", LOAN, **options)
    assert done.loan_liquidations == 1
    kept = tomllib.loads((done.run / "run.toml").read_text())["venue"]["loans"]
    assert kept == {"call": "1.3", "liquidation": "1.1", "fee": "0"}
    assert replay_run(done.run, verify=True)["divergences"] == 0
    inputs = rules(tmp_path, "[loans]\ncall = 0\n")
    alone = backtest(tmp_path, tape, "alone", LOAN, instruments=inputs, **options)
    assert (alone.loan_calls, alone.loan_liquidations) == (0, 0)
    [line] = [each for each in alone.assumptions if each.key == "loans"]
    assert "never calls in loans" in line.text
    assert line.bias == 1


def test_a_leverage_that_is_called_in_at_once_is_said(tmp_path) -> None:
    tape = falling(tmp_path / "spot.tape")
    done = backtest(tmp_path, tape, "run", LOAN, cash="9000 USDT", leverage=12, borrow="USDT=0", latency="0")
    assert done.loan_liquidations == 1
    assert any("at 12x the venue repays a fully drawn loan" in each.text for each in done.assumptions)
