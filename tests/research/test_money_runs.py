"""Whole runs in which the venue does something to the account: what the robot hears, what is
written, and that a replay is equal."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

import onetape
from onetape.model.errors import BadConfig
from onetape.replay.replay import replay_run
from onetape.research.backtest import BacktestOptions, run_backtest
from onetape.runs.run_summary import RunResult
from worlds.strategy_files import listener, write
from worlds.tapes import BTC, Market, records

HOLDER = listener(
    feeds="quotes=True, funding=True",
    quote="""
    if self.n == 1:
        self.buy(self.symbol, 1.0)
        self.sell(self.symbol, 1.0, quote.ask * 1.04, reduce_only=True)
    """,
    order='self.hear("order", order.tag, order.state, order.code)',
    fill='self.hear("fill", fill.order.tag, fill.side, fill.qty, fill.price, fill.fee)',
    health='self.hear("health", health.kind, health.subject, health.state)',
)


def backtest(home: Path, tape: Path, name: str, text: str = HOLDER, **options) -> RunResult:
    code = write(home / "code" / name, "holder", text)
    return run_backtest(BacktestOptions(strategy=str(code), data=[tape], home=home, out=name, **options))


def heard(run: Path) -> list[str]:
    return records(run / "journal", "memory")[-1].data["heard"]


def crash(path: Path, **facts: object) -> Path:
    """60,000, then 54,000, then 53,000, with marks."""
    market = Market(path, maintenance_rate="0.005", **facts)
    for second, price in enumerate((60_000, 60_000, 60_000, 54_500, 54_000, 53_000, 53_000)):
        market.mark(second, price)
        market.quote(second + 0.5, price - 0.1, price, 5, 5)
    return market.done()


@pytest.mark.parametrize("margin", ["cross", "isolated"])
def test_a_liquidation_reaches_the_robot_the_tape_and_the_result(tmp_path, margin) -> None:
    """1 BTC at 60,000 with 6,000 in the account or allotted: 54,000 leaves nothing."""
    tape = crash(tmp_path / "crash.tape", liquidation_fee="0.001", taker_fee="0")
    cash = "6000 USDT" if margin == "cross" else "9000 USDT"
    done = backtest(tmp_path, tape, "run", cash=cash, leverage=10, margin=margin, latency="10ms")
    # 54,500: 500 is left, and 0.5 % of it is 272.5. 54,000: nothing is left, and no fee taken.
    words = heard(done.run)
    assert "order  CANCELED 4201" in words
    assert "fill liquidation sell 1.0 54000.0 0.0" in words
    assert words[-1] == f"health liquidation {BTC} closed"
    assert done.liquidations == 1
    assert done.final_equity == (0 if margin == "cross" else 3000)
    [alert] = [r.data for r in records(done.run / "journal", "alert") if r.data["kind"] == "liquidation"]
    assert (alert["symbol"], alert["state"], alert["price"]) == (BTC, "closed", "54000")
    answer = replay_run(done.run, verify=True)
    assert answer["divergences"] == 0
    run = onetape.open(done.run)
    assert len(run.fills) == 2
    assert done.report is not None
    assert done.report.is_file()
    assert any("liquidations at the mark price" in each.text for each in done.assumptions)


def test_leverage_above_the_brackets_is_refused_at_the_start(tmp_path) -> None:
    facts = tmp_path / "facts.toml"
    facts.write_text(
        f'[[instrument]]\nsymbol = "{BTC}"\n'
        "brackets = [{ notional_max = 1000, maintenance_rate = 0.01, leverage_max = 20 }]\n"
    )
    tape = crash(tmp_path / "crash.tape")
    with pytest.raises(BadConfig, match=r"leverage 25, and .* allows 20 at most"):
        backtest(tmp_path, tape, "run", leverage=25, instruments=facts)


def test_leverage_beyond_what_maintenance_allows_is_said(tmp_path) -> None:
    tape = crash(tmp_path / "crash.tape", taker_fee="0")
    done = backtest(tmp_path, tape, "run", leverage=200, cash="100000 USDT", latency="0")
    assert any("below the maintenance margin" in each.text for each in done.assumptions)
    assert done.liquidations == 0  # the account had more than that
    alone = backtest(tmp_path, tape, "own", leverage=200, margin="isolated", latency="0")
    assert alone.liquidations == 1


def test_margin_facts_of_a_file_are_kept_for_the_replay(tmp_path) -> None:
    facts = tmp_path / "facts.toml"
    facts.write_text(
        f'[[instrument]]\nsymbol = "{BTC}"\nleverage = 10\nliquidation_fee = "0.01"\n'
        "brackets = [\n"
        "  { notional_max = 30000, maintenance_rate = 0.01, leverage_max = 20 },\n"
        "  { notional_max = 90000, maintenance_rate = 0.05, leverage_max = 10 }]\n"
    )
    tape = crash(tmp_path / "crash.tape", taker_fee="0")
    done = backtest(tmp_path, tape, "run", cash="7000 USDT", instruments=facts, latency="0")
    # 54,500: 1,500 is left against 2,725 - 1,200: down to 30,000, that is 0.45 of 0.550458.
    words = heard(done.run)
    fills = [word for word in words if word.startswith("fill liquidation")]
    assert fills[0].startswith("fill liquidation sell 0.45 54500.0")
    assert Decimal(done.liquidation_fees) > 0
    assert replay_run(done.run, verify=True)["divergences"] == 0
    assert msgspec.json.encode(done.as_json()["liquidations"]) == str(done.liquidations).encode()


TRADER = listener(
    quote="""
    if self.n % 3 == 0:
        self.set_target(self.symbol, 0.5 if self.n % 2 else -0.5)
    """,
    fill='self.hear(f"{fill.fee / (fill.qty * fill.price):.5f}")',
    health="self.hear(health.kind, health.state)",
)


def test_fee_tiers_of_a_run_are_recorded_and_replayed(tmp_path) -> None:
    facts = tmp_path / "facts.toml"
    facts.write_text(
        f'[[instrument]]\nsymbol = "{BTC}"\nmaker_fee = "0.0002"\ntaker_fee = "0.0005"\n'
        'fee_tiers = [{ volume_min = 100000, maker_fee = "0.0001", taker_fee = "0.0004" }]\n'
    )
    market = Market(tmp_path / "flat.tape")
    for second in range(40):
        market.quote(second, 59_999.9, 60_000)
    tape = market.done()
    done = backtest(tmp_path, tape, "run", TRADER, instruments=facts, fee_volume="40000", latency="0")
    # 30,000 and 60,000 on top of 40,000 reach the tier.
    assert heard(done.run)[:4] == ["0.00050", "0.00050", "fee_tier 1", "0.00040"]
    [news] = [r.data for r in records(done.run / "journal", "health") if r.data["kind"] == "fee_tier"]
    assert (news["state"], news["taker"]) == ("1", "0.0004")
    assert any("1 changes of tier" in each.text for each in done.assumptions)
    assert 'fee_volume = "40000"' in (done.run / "run.toml").read_text()
    assert replay_run(done.run, verify=True)["divergences"] == 0
    flat = backtest(tmp_path, tape, "flat", TRADER, instruments=facts, fee="0.001", latency="0")
    assert set(heard(flat.run)) == {"0.00100"}  # --fee overrides


def test_a_dated_change_of_fees_and_tick_takes_effect_in_the_run(tmp_path) -> None:
    market = Market(tmp_path / "dated.tape", maker_fee="0.0002", taker_fee="0.0005")
    for second in range(20):
        market.quote(second, 59_999.9, 60_000)
    market.version(20, taker_fee=Decimal("0.0003"))
    for second in range(21, 40):
        market.quote(second, 59_999.9, 60_000)
    done = backtest(tmp_path, market.done(), "run", TRADER, latency="0")
    words = heard(done.run)
    assert words[0] == "0.00050"
    assert words[-1] == "0.00030"
    assert sorted(set(words)) == ["0.00030", "0.00050"]
    assert replay_run(done.run, verify=True)["divergences"] == 0


FUNDED = """
from onetape import Strategy


class Funded(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    size: float = 1.0

    def on_start(self):
        self.subscribe(self.symbol, quotes=True, funding=True)
        self.sent = False

    def on_quote(self, q):
        if not self.sent:
            self.sent = True
            (self.buy if self.size > 0 else self.sell)(self.symbol, abs(self.size))
"""
HOUR = 3600


def funded(path: Path, symbol: str = BTC, **facts: object) -> Path:
    """Every 8 hours 0.01 %, then every 4 hours -0.02 %, one of them twice and two missing."""
    market = Market(path, symbol, funding_interval=8 * HOUR * 10**9, **facts)
    market.quote(0, 49_999.9, 50_000)
    market.quote(1, 49_999.9, 50_000)
    at = 0
    for _ in range(3):
        at += 8 * HOUR
        market.funding(at, "0.0001", 60_000)
    market.funding(at, "0.0001", 60_000)  # again
    market.version(at + 1, funding_interval=4 * HOUR * 10**9)
    for hours in (4, 4, 12):  # two are missing before the last
        at += hours * HOUR
        market.funding(at, "-0.0002", 40_000)
    market.quote(at + 1, 49_999.9, 50_000)
    return market.done()


@pytest.mark.parametrize(
    ("size", "funding"),
    [
        # Long 1: -3 * 6 + 3 * 8 = 6; a short the opposite.
        ("1", "6"),
        ("-1", "-6"),
    ],
)
def test_funding_follows_the_events_whatever_their_interval(tmp_path, size, funding) -> None:
    tape = funded(tmp_path / "funded.tape", taker_fee="0")
    done = backtest(tmp_path, tape, "run", FUNDED, latency="0", params={"size": size})
    assert done.funding == Decimal(funding)
    words = [each.text for each in done.assumptions]
    assert "1 funding events repeat the previous one and were not paid twice" in words
    assert any(word.startswith("2 funding intervals have no event") for word in words)
    # Each payment is on the run's tape, with its sign.
    paid = [Decimal(r.data["amount"]) for r in records(done.run / "journal", "transfer")]
    assert paid == [Decimal(n) * Decimal(size) for n in (-6, -6, -6, 8, 8, 8)]
    assert replay_run(done.run, verify=True)["divergences"] == 0


def test_inverse_funding_is_paid_in_coin(tmp_path) -> None:
    """6,000 contracts of 100 USD: 10 BTC at 60,000, 15 at 40,000. -3 * 0.001 + 3 * 0.003."""
    symbol = "binance:BTC/USD:BTC"
    tape = funded(tmp_path / "inverse.tape", symbol, multiplier="100", lot="1", taker_fee="0")
    done = backtest(
        tmp_path,
        tape,
        "run",
        FUNDED.replace("binance:BTC/USDT:USDT", symbol),
        latency="0",
        cash="20 BTC",
        params={"size": "6000"},
    )
    assert (done.currency, done.funding) == ("BTC", Decimal("0.006"))
