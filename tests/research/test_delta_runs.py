"""The file of a pair, backtested: automatic mode, plans and sagas on recorded tapes of two venues."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from onetape.cli.main import run as cli
from onetape.data.sample import write_sample
from onetape.engine.delta import DeltaNeutral
from onetape.model.errors import BadConfig
from onetape.model.time import format_time
from onetape.replay.replay import replay_run
from onetape.research.backtest import BacktestOptions, run_backtest
from onetape.runs.run_summary import RunResult
from worlds.tapes import BTC, Market, at_ns, records

ASTER = "aster:BTC/USDT:USDT"
CASH = "binance=20000 USDT,aster=20000 USDT"
HEAD = f"""
[delta]
symbols = ["{BTC}", "{ASTER}"]
leverage = 10
interval = "1s"
cooldown = "5s"
"""
HEDGED = f"""{HEAD}
band = 0.05
[delta.positions]
"{BTC}" = 0.5
"""

CARRY = f"""{HEAD}
band = 0.05
[delta.carry]
size = 0.3
"""


def run(home: Path, text: str, *data: Path, **options: Any) -> RunResult:
    file = home / "delta.toml"
    file.write_text(text)
    defaults = {"cash": CASH, "leverage": 10, "latency": "10ms", "stress": False}
    return run_backtest(BacktestOptions(strategy=str(file), data=list(data), home=home, **{**defaults, **options}))


def tapes(folder: Path, prices: list[float], step: float = 1.0, **facts: Any) -> list[Path]:
    """A quote of each venue a step; aster's comes half a step later."""
    facts = {"taker_fee": "0.0005", "maintenance_rate": "0.005", "funding_interval": 8 * 3600 * 10**9, **facts}
    made = []
    for number, symbol in enumerate((BTC, ASTER)):
        market = Market(folder / f"{number}.tape", symbol, **facts)
        for index, price in enumerate(prices):
            at = (index + number / 2) * step
            market.mark(at, price)
            market.quote(at, price - 0.1, price + 0.1)
        made.append(market.done())
    return made


def logs(result: RunResult) -> list[str]:
    return [each.data["text"] for each in records(result.run / "journal", "log")]


def held(result: RunResult) -> dict[str, Decimal]:
    import onetape

    fills = onetape.open(result.run).fills
    found: dict[str, Decimal] = {}
    for symbol, side, qty in fills.select("symbol", "side", "qty").iter_rows():
        found[symbol] = found.get(symbol, Decimal(0)) + (Decimal(str(qty)) if side == "buy" else -Decimal(str(qty)))
    return found


def test_what_one_venue_holds_is_hedged_at_the_other(tmp_path):
    done = run(tmp_path, HEDGED, *tapes(tmp_path, [60_000] * 60))
    assert held(done) == {BTC: Decimal("0.5"), ASTER: Decimal("-0.5")}
    figures = done.as_json()["delta"]
    assert figures["operations"] == 1 and figures["stopped"] == ""
    # Half a coin at 60,000.1 less 0.1 at least, and its fee of 0.05 %.
    assert Decimal(figures["cost"]) == pytest.approx(Decimal("15.05"), abs=Decimal("0.01"))
    assert 0 < figures["off_seconds"] < 3 and figures["naked_longest"] == 0
    assert any("control delta_off" in each for each in logs(done))
    assert any("hold within_band" in each and "times" in each for each in logs(done))
    assert replay_run(done.run, verify=True)["divergences"] == 0


class Charged:
    """A fill whose fee is in another coin, as a gateway's may be; a backtest charges what contracts settle in."""

    def __init__(self, fill: Any, coin: str) -> None:
        self._fill, self.fee_currency = fill, coin

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fill, name)


@pytest.mark.parametrize(("coin", "rate"), [("USDT", 1), ("BTC", 60_000), ("BNB", 0)])
def test_a_fee_in_another_coin_costs_what_that_is_worth_or_is_said_to_be_in_no_cost(tmp_path, monkeypatch, coin, rate):
    heard = DeltaNeutral.on_fill
    monkeypatch.setattr(DeltaNeutral, "on_fill", lambda robot, fill: heard(robot, Charged(fill, coin)))
    done = run(tmp_path, HEDGED, *tapes(tmp_path, [60_000] * 30))
    assert Decimal(done.as_json()["delta"]["cost"]) == pytest.approx(Decimal("0.05") + 15 * rate, rel=Decimal("1e-5"))
    said = [each for each in logs(done) if "the cost lacks" in each]
    assert said == (["delta: the cost lacks fees in BNB, which has no price"] if not rate else [])


def test_a_venue_that_refuses_a_leg_leaves_nothing_naked(tmp_path):
    """A pair is to be taken up while one venue is closed: what the other has filled is undone, and after three times
    automatic mode has stopped."""
    data = [funded(tmp_path / "a.tape", BTC, "-0.0001", 60), funded(tmp_path / "b.tape", ASTER, "0.0009", 60)]
    closed = f"aster@{format_time(at_ns(0))}..{format_time(at_ns(40))}"
    done = run(tmp_path, CARRY, *data, closed=[closed])
    figures = done.as_json()["delta"]
    assert done.rejected == 3 and figures["operations"] == 3
    assert 0 < figures["naked_longest"] < 1
    assert set(held(done).values()) == {0}
    assert "3 operations in a row failed" in figures["stopped"]


def funded(path: Path, symbol: str, rate: str, seconds: int) -> Path:
    market = Market(path, symbol, taker_fee="0.0001", funding_interval=8 * 3600 * 10**9)
    for second in range(seconds):
        if second % 20 == 0:
            market.funding(second, rate, 60_000, interval_h=8)
        market.quote(second + 0.1, 59_999.9, 60_000.1)
    return market.done()


def test_the_pair_that_earns_funding_is_taken_up(tmp_path):
    data = [funded(tmp_path / "a.tape", BTC, "-0.0001", 60), funded(tmp_path / "b.tape", ASTER, "0.0009", 60)]
    done = run(tmp_path, CARRY, *data)
    assert held(done) == {BTC: Decimal("0.3"), ASTER: Decimal("-0.3")}
    assert done.funding > 0
    assert any("long binance and short aster earns" in each for each in logs(done))


def move(direction: int) -> list[float]:
    """Still for 20 s, then 30 % in 300 s."""
    return (
        [60_000.0] * 20
        + [60_000 * (1 + direction * 0.001 * second) for second in range(1, 301)]
        + [60_000 * (1 + direction * 0.3)] * 10
    )


@pytest.mark.parametrize("direction", [1, -1])
def test_a_move_of_thirty_percent_in_minutes_liquidates_no_leg(tmp_path, direction):
    """With 12,000 at each venue and one coin each way; without the measure the venue closes a leg."""
    data = tapes(tmp_path, move(direction))
    text = HEDGED.replace(" = 0.5", " = 1")
    cash = "binance=12000 USDT,aster=12000 USDT"
    kept = run(tmp_path, text, *data, cash=cash, out="kept")
    assert kept.liquidations == 0
    assert any("trade liquidation_near" in each for each in logs(kept))
    assert sum(held(kept).values()) == 0
    bare = run(tmp_path, text.replace("[delta]", "[delta]\nmargin = false"), *data, cash=cash, out="bare")
    assert bare.liquidations > 0


def test_it_stops_at_its_cost_cap_and_says_so(tmp_path):
    done = run(tmp_path, HEDGED.replace("band", "max_cost = 10\nband"), *tapes(tmp_path, [60_000] * 30))
    assert held(done) == {BTC: Decimal("0.5")}
    assert "more than 10" in done.as_json()["delta"]["stopped"]


def test_two_generated_tapes_and_the_command(tmp_path, capsys):
    data = []
    for number, symbol in enumerate((BTC, ASTER)):
        tape = tmp_path / f"{number}.tape"
        write_sample(tape, symbols=[symbol], events=6000, seed=number + 1)
        data.append(str(tape))
    file = tmp_path / "delta.toml"
    file.write_text(HEDGED)
    words = ["backtest", str(file), "--data", *data, "--cash", CASH, "--leverage", "10", "--latency", "10ms"]
    assert cli([*words, "--no-stress", "--home", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "net delta off" in shown and "operations" in shown


@pytest.mark.parametrize(
    "text, words, line",
    [
        ("[delta]\nsymbols = ['a']\nband = 1\n", "not a symbol", 1),
        (f"[delta]\nsymbols = ['{BTC}']\nband = 1\n", "two or more", 2),
        (f"[delta]\nsymbols = ['{BTC}', '{ASTER}']\nband = -1\n", "band", 3),
        (f"[delta]\nsymbols = ['{BTC}', '{ASTER}']\nbnd = 1\n", "bnd", 3),
        (f"[delta]\nsymbols = ['{BTC}', '{ASTER}']\nband = 1\ninterval = '5'\n", "duration", 0),
        (f"[delta]\nsymbols = ['{BTC}', '{ASTER}']\nband = nan\n", "band", 3),
        (f"[delta]\nsymbols = ['{BTC}', '{ASTER}']\nband = 1\nmax_cost = inf\n", "max_cost", 4),
        (f"[delta]\nsymbols = ['{BTC}', '{ASTER}']\nband = 1\npositions = {{'{BTC}' = nan}}\n", "positions", 4),
        (f"[delta]\nsymbols = ['{BTC}', '{ASTER}']\nband = 1\ncarry = {{times = nan}}\n", "carry", 4),
        (f"[delta]\nsymbols = ['{BTC}', '{ASTER}']\nband = 1\nleverage = 0\n", "leverage", 4),
        (f"[delta]\nsymbols = ['{BTC}', '{ASTER}']\nband = 1\nstale = '0s'\n", "stale", 4),
        (f"[venues.x]\nkind = 'x'\n{HEDGED}", r"section \[venues\]", 1),
        (f"{HEDGED}'kraken:BTC/USD' = 1\n", "kraken:BTC/USD is not among", 0),
    ],
)
def test_what_the_file_may_not_say_is_refused_with_its_line(tmp_path, text, words, line):
    with pytest.raises(BadConfig, match=words) as caught:
        run(tmp_path, text, tmp_path / "none.tape")
    assert caught.value.location.endswith(f":{line}") or not line
