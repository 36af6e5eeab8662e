"""Costs and profits of a run, cause by cause: the parts are the whole, and a slow model finds the same."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from long_form import examples
from onetape.cli.attribution import command as attribution_command
from onetape.cli.tca import command as tca_command
from onetape.report.run import open_run
from onetape.research.backtest import BacktestOptions, run_backtest
from onetape.runs.attribution import attribution_of, side_by_side, write_rows
from onetape.runs.tca import CAUSES, costs_of
from reference import costs as slow
from worlds.strategy_files import write
from worlds.tapes import BTC, Market, at_ns, records

INVERSE = "bitmex:BTC/USD:BTC"
ETH = "binance:ETH/USDT:USDT"
SPOT = "binance:BTC/USDT"
DAY_S = 86_400
BUSY = """
from onetape import Strategy


class Part(Strategy):
    symbol: str = ""
    size: float = 1.0

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, q):
        if self.random.random() < 0.3:
            (self.buy if self.random.random() < 0.5 else self.sell)(self.symbol, self.size)


class Busy(Strategy):
    symbols: list[str] = []
    size: float = 1.0

    def on_start(self):
        for symbol in self.symbols:
            self.subscribe(symbol, quotes=True)
        self.child(Part, "a", symbol=self.symbols[0], size=self.size)
        self.child(Part, "b", symbol=self.symbols[-1], size=3 * self.size)

    def on_quote(self, q):
        kind = self.random.random()
        if kind < 0.1:
            self.set_target(q.symbol, self.random.randint(-4, 4) * self.size, algo="twap", minutes=200)
        elif kind < 0.2:
            self.set_target(q.symbol, self.random.randint(-4, 4) * self.size)
        elif kind < 0.4:
            self.buy(q.symbol, self.size, q.bid)
        elif kind < 0.5:
            self.cancel_all(q.symbol)
"""


@pytest.fixture(scope="module")
def busy(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("code"), "busy", BUSY)


def noisy(path: Path, seed: int, symbols: list[str]) -> Path:
    """Three days of a quote an hour of each symbol, trades, and funding of the first."""
    chance = random.Random(seed)
    market = Market(path, symbols[0])
    for symbol in symbols[1:]:
        market.add(symbol)
    price = dict.fromkeys(symbols, 1000.0)
    for step in range(72):
        for number, symbol in enumerate(symbols):
            at = step * 3600 + 600 * number
            mid = price[symbol] = round(price[symbol] + chance.randint(-30, 30) / 10, 1)
            market.quote(at, mid, round(mid + chance.randint(1, 9) / 10, 1), 2, 2, symbol=symbol)
            market.trade(at + 60, mid, chance.randint(1, 5), chance.choice(("buy", "sell")), symbol=symbol)
        if step % 8 == 5 and symbols[0].count(":") == 2:
            market.funding(step * 3600 + 3000, chance.choice(("0.0001", "-0.0003")), price[symbols[0]])
    return market.done()


def played(strategy: Path, tape: Path, home: Path, symbols: list[str], *, name: str = "run", **options) -> Path:
    params = {"symbols": symbols, "size": 1.0, **options.pop("params", {})}
    made = BacktestOptions(
        f"{strategy}:Busy", [tape], home, out=name, params=params, write_report=False, fee="0.0002,0.0005", **options
    )
    return run_backtest(made).run


def frames_of(run: Path) -> list[dict]:
    """As the slow model wants them: exact values, by symbol."""
    found, facts = [], {}
    for record in records(run / "journal", "instrument", "order_request", "order_event", "fill", "target"):
        data = dict(record.data)
        if record.type == "instrument":
            facts[record.stream] = data
            continue
        scale = facts.get(record.stream)
        if record.type == "fill":
            data["price"] = Fraction(data["price"], 10 ** scale["price_decimals"])
            data["size"] = Fraction(data["size"], 10 ** scale["size_decimals"])
            data["fee"] = Fraction(data["fee"]) if isinstance(data["fee"], Decimal) else Fraction(data["fee"], 10**18)
        more = data.pop("more", None) or {}
        symbol = scale["symbol"] if scale else data.get("symbol")
        kept = {**data, "type": record.type, "time": record.time, "symbol": symbol}
        if record.type == "order_request":
            kept |= {"location": more.get("location", "/busy"), "target": more.get("target", 0)}
        found.append(kept)
    return found


def facts_and_quotes(run: Path, tape: Path):
    facts = {r.data["symbol"]: dict(r.data) for r in records(run / "journal", "instrument")}
    streams, quotes = {}, defaultdict(list)
    for record in records(tape, "instrument", "quote"):
        if record.type == "instrument":
            streams[record.stream] = record.data
        else:
            scale = 2 * 10 ** streams[record.stream]["price_decimals"]
            mid = Fraction(record.data["bid"] + record.data["ask"], scale)
            quotes[streams[record.stream]["symbol"]].append((record.time, mid))
    return facts, quotes


SYMBOLS = ([BTC], [BTC, ETH], [SPOT, BTC], [INVERSE])


@settings(max_examples=examples(24), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=some.integers(0, 10**6), kind=some.sampled_from(SYMBOLS), latency=some.sampled_from(["0", "5s,1s", "50m,0"])
)
def test_parts_are_the_whole_and_a_slow_model_finds_the_same(tmp_path_factory, busy, seed, kind, latency):
    home = tmp_path_factory.mktemp("judged")
    tape = noisy(home / "t", seed, kind)
    is_inverse = kind == [INVERSE]
    cash = "1000 BTC" if is_inverse else "1000000 USDT"
    run = played(
        busy, tape, home, kind, latency=latency, cash=cash, seed=seed, params={"size": 100.0 if is_inverse else 1.0}
    )
    frames, (facts, quotes) = frames_of(run), facts_and_quotes(run, tape)
    slack = Fraction(1, 10**15) if is_inverse else 0  # each value of an inverse contract is rounded at 1e-18

    costs = costs_of(run)
    expected = slow.costs(frames, facts, quotes, at_once=latency == "0")
    judged = [parent for parent in costs.parents if parent.fills]
    assert costs.unpriced == costs.forced == 0 and len(judged) == len(expected)
    for parent in costs.parents:
        assert parent.fills or (parent.missing and not parent.notional and not parent.cost["shortfall"])
    for parent in judged:
        assert sum(parent.cost[name] for name in CAUSES) == parent.cost["shortfall"]
        cause = "target" if parent.orders[0].target else "order"
        wanted = expected[parent.symbol, (cause, parent.number), parent.side]
        for name, value in wanted.items():
            assert abs(Fraction(parent.cost[name], 10**18) - value) <= slack, (parent, name)
    whole = {row["cause"]: Decimal(row["amount"]) for row in costs.as_json()["costs"]}
    assert sum(whole[name] for name in CAUSES) == whole["shortfall"]

    there, back = {"0": (0, 0), "5s,1s": (5e3, 1e3), "50m,0": (3e6, 0)}[latency]
    answered: dict[int, str] = {}
    for frame in frames:
        if frame["type"] == "order_event":
            answered.setdefault(frame["order_id"], frame["news"])
    placed = [f for f in frames if f["type"] == "order_request" and f["kind"] == "place"]
    ours = Counter(f["location"] for f in placed if answered.get(f["order_id"]) in ("accepted", "rejected"))
    assert {row["strategy"]: row["orders"] for row in costs.latency} == ours
    for row in costs.latency:
        took = {"order_to_venue": there, "venue_to_robot": back, "both": there + back}[row["way"]]
        assert row["least"] == row["median"] == row["most"] == took

    answer = attribution_of(run).as_json()
    account = Decimal(answer["account"])
    assert account == Decimal(open_run(run).stats["pnl"]) == Decimal(answer["sum"])
    for name in ("rows", "by_strategy", "by_symbol", "by_day", "by_direction"):
        assert sum(Decimal(row["net"]) for row in answer[name]) == account
        assert sum(row["fills"] for row in answer[name]) == open_run(run).stats["fills"]
    own = [row for row in answer["rows"] if row["strategy"] != "account"]
    assert is_inverse or len(own) == len(answer["rows"])  # nothing is left over
    profits = slow.profits(frames, facts, quotes, "/busy", at_ns(3 * DAY_S) - 1) if frames else {}
    found = defaultdict(Fraction)
    for row in own:
        day = int(row["day"][-2:]) - 1 + at_ns(0) // slow.DAY
        found[row["strategy"], row["symbol"], day] += Fraction(row["net"]) - Fraction(row["funding"])
    for key in {*found, *profits}:
        assert abs(found[key] - profits.get(key, 0)) <= slack, key
    assert sum(Fraction(row["funding"]) for row in own) == Fraction(open_run(run).stats["funding"])


ONE = """
from onetape import Strategy


class One(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.n = 0

    def on_quote(self, q):
        self.n += 1
        if self.n == 2:
            self.buy(self.symbol, 2)
"""


def bought(folder: Path, prints: list[tuple[float, float, float]]):
    """Buys two at 1 s, which arrives at 4.2 s. prints: second, price and size."""
    market = Market(folder / "t")
    for second, bid in ((0, 100.0), (1, 100.0), (2, 100.5), (4, 101.0), (6, 103.0)):
        market.quote(second, bid, round(bid + 0.1, 1))
    for second, price, size in prints:
        market.trade(second, price, size)
    options = {"fee": "0.0002,0.0005", "latency": "3200ms,0", "write_report": False}
    strategy = write(folder, "one", ONE)
    run = run_backtest(BacktestOptions(f"{strategy}:One", [market.done()], folder, out="r", **options)).run
    (parent,) = costs_of(run).parents
    return parent


def test_a_buy_by_hand(tmp_path):
    """Decided at 100.05, at the exchange at 100.55, met 101.05 and paid 101.1; fees of five in ten thousand."""
    parent = bought(tmp_path, [(3.2, 100.5, 3), (3.4, 101.1, 1), (9, 500, 1)])
    assert {name: parent.cost[name] / 10**18 for name in CAUSES} == {
        "delay": pytest.approx(2.0),
        "impact": 0,
        "spread": pytest.approx(0.1),
        "fees": pytest.approx(2 * 101.1 * 0.0005),
    }
    assert parent.as_json()["average_price"] == 101.1


@pytest.mark.parametrize("scale", [1, 2e12])
def test_what_was_traded_meanwhile_is_averaged_between_ticks_and_beyond_64_bits(tmp_path, scale):
    parent = bought(tmp_path, [(4.2, 101.0, 1 * scale), (4.2, 101.1, 2 * scale), (4.3, 500, 1)])
    assert parent.as_json()["vwap"] == pytest.approx(101 + 0.2 / 3, abs=1e-9)
    assert parent.cost["against_vwap"] / 10**18 == pytest.approx(2 * (0.1 - 0.2 / 3), abs=1e-9)


def test_verbs_say_it(tmp_path, busy):
    run = played(busy, noisy(tmp_path / "t", 3, [BTC]), tmp_path, [BTC])
    said = CliRunner().invoke(tca_command, [str(run), "--home", str(tmp_path)], standalone_mode=False).return_value
    assert {row["cause"] for row in said.value["costs"]} >= {*CAUSES, "shortfall"} and "by_algo" in said.value
    json.dumps(said.value)
    row = next(row for row in said.value["costs"] if row["cause"] == "fees")
    assert row["low"] <= row["bps"] <= row["high"]
    words = [str(run), "--beside", str(run), "--parquet", str(tmp_path / "a.parquet"), "--home", str(tmp_path)]
    said = CliRunner().invoke(attribution_command, words, standalone_mode=False).return_value
    assert all(row["difference"] == "0" for row in said.value["beside"]) and "account" in said.text
    import polars as pl

    table = pl.read_parquet(tmp_path / "a.parquet")
    assert sum(map(Decimal, table["net_exact"])) == Decimal(said.value["account"])


def test_the_report_of_a_short_run_has_both(tmp_path, busy):
    made = BacktestOptions(
        f"{busy}:Busy",
        [noisy(tmp_path / "t", 3, [BTC, ETH])],
        tmp_path,
        out="r",
        params={"symbols": [BTC, ETH]},
        stress=False,
    )
    run = run_backtest(made).run
    shown = json.loads((run / "report.json").read_text())
    answer = attribution_of(run).as_json()
    assert sum(row["net"] for row in shown["attribution"]) == pytest.approx(float(answer["account"]))
    assert {row["algo"] for row in shown["costs"]} == {row["algo"] for row in costs_of(run).as_json()["by_algo"]}
    low, middle, high = shown["monte_carlo"]["drawdown"]
    assert 0 < low < middle < high and shown["monte_carlo"]["trips"] == shown["statistics"]["round_trips"]
    assert "What orders cost" in (run / "report.html").read_text()


def test_strategies_beside_holding_what_they_trade(tmp_path, busy):
    """One day rises, the next one falls: the deepest fall is that of the second."""
    market = Market(tmp_path / "t")
    for hour, bid in enumerate([100.0] + [110.0] * 25 + [104.0] * 10):
        market.quote(hour * 3600, bid, bid)
    text = (
        BUSY.partition("class Busy")[0]
        + """
class Holds(Part):
    size: float = 2.0

    def on_quote(self, q):
        self.set_target(q.symbol, self.size)
"""
    )
    made = BacktestOptions(
        f"{write(tmp_path, 'holds', text)}:Holds",
        [market.done()],
        tmp_path,
        out="r",
        params={"symbol": BTC},
        fee="0",
        latency="0",
        write_report=False,
    )
    (row,) = attribution_of(run_backtest(made).run).as_json()["by_strategy"]
    assert row["net"] == "8" and row["max_drawdown"] == 12.0 and row["hold_return"] == pytest.approx(0.04)


SIDES = """
from onetape import Strategy


class Sides(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    hedge: bool = False

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.n = 0

    def on_quote(self, q):
        self.n += 1
        if self.hedge and self.n in (1, 20):
            size = 5 if self.n == 1 else -2
            for side, qty in (("long", size), ("short", -size / 2)):
                (self.buy if qty > 0 else self.sell)(self.symbol, abs(qty), position_side=side)
        elif self.n == 1:
            self.buy(self.symbol, 30)
"""


@pytest.mark.parametrize("hedge", [True, False])
def test_hedged_sides_and_what_the_venue_closes_by_force(tmp_path, hedge):
    """A fall that a long position at 10x does not survive; its insurance and its funding are of its cell."""
    market = Market(tmp_path / "t")
    for hour in range(40):
        bid = 1000.0 - 8 * hour
        market.quote(hour * 3600, bid, bid + 0.1, 50, 50).mark(hour * 3600 + 1, bid)
        if hour % 8 == 3:
            market.funding(hour * 3600 + 100, "0.0001", bid)
    money = {"cash": "100000 USDT", "leverage": 5, "hedge": True} if hedge else {"cash": "5000 USDT", "leverage": 10}
    strategy = f"{write(tmp_path, 'sides', SIDES)}:Sides"
    made = BacktestOptions(
        strategy, [market.done()], tmp_path, out="r", params={"hedge": hedge}, write_report=False, **money
    )
    result = run_backtest(made)
    answer = attribution_of(result.run).as_json()
    assert Decimal(answer["sum"]) == result.pnl
    assert sum(Decimal(row["funding"]) for row in answer["rows"]) == result.funding != 0
    assert {(row["strategy"], row["direction"]) for row in answer["rows"]} == (
        {("/sides", "long"), ("/sides", "short")} if hedge else {("/sides", "long")}
    )
    by = {row["direction"]: row for row in answer["by_direction"]}
    if hedge:
        assert Decimal(by["long"]["net"]) < 0 < Decimal(by["short"]["net"])
    else:
        assert result.liquidations == costs_of(result.run).forced == 1
        assert Decimal(by["long"]["other"]) == result.insurance - result.liquidation_fees != 0


def test_two_runs_beside_each_other(tmp_path, busy):
    tape = noisy(tmp_path / "t", 5, [BTC])
    runs = [played(busy, tape, tmp_path, [BTC], name=name, seed=at) for at, name in enumerate("ab")]
    mine, other = map(attribution_of, runs)
    rows = side_by_side(mine, other, "day")
    for name, whole in (("net", mine), ("net_beside", other)):
        assert sum(Decimal(row[name]) for row in rows) == Decimal(whole.as_json()["account"])
    assert write_rows(mine, tmp_path / "x.parquet").exists()


MISSES = """
from onetape import Strategy


class Misses(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.asked = 0

    def on_quote(self, q):
        self.asked += 1
        if self.asked == 1:  # the limit is never met
            self.set_target(self.symbol, 2.0, algo="touch", limit=99.0, deadline="1m")
        elif self.asked == 100:
            self.set_target(self.symbol, -1.0, algo="twap", minutes=1, limit=101.0)
"""


def test_what_a_target_missed_is_held_against_the_market_that_went_away(tmp_path):
    """Two were wanted at 100.1 and the mid is 102.1 at the deadline; then one is sold while the price allows it."""
    market = Market(tmp_path / "t")
    for second in range(200):
        mid = 100.1 if second < 30 else 102.1 if second < 120 else 100.1
        market.quote(second, round(mid - 0.1, 1), round(mid + 0.1, 1), 5, 5)
    tape, code = market.done(), write(tmp_path, "misses", MISSES)
    run = run_backtest(
        BacktestOptions(str(code), [tape], tmp_path, out="run", write_report=False, fee="0", latency="0")
    )
    first, second = costs_of(run.run).as_json()["parents"]
    assert (first["missing"], first["filled"], first["orders"], first["side"]) == ("2.000", "0.000", 0, "buy")
    assert (first["opportunity"], first["shortfall"], first["average_price"]) == ("4", "0", None)
    assert first["opportunity_bps"] == pytest.approx(2 / 100.1 * 1e4)
    # Sold at 102.1 as long as that was there, and a fall of 2 in what was left over costs twice as much.
    missing = Decimal(second["missing"])
    assert 0 < missing < 1 and missing + Decimal(second["filled"]) == 1
    assert Decimal(second["opportunity"]) == 2 * missing
    rows = {row["cause"]: row for row in costs_of(run.run).causes()}
    assert Decimal(rows["opportunity"]["amount"]) == 4 + 2 * missing
    assert Decimal(rows["shortfall"]["amount"]) == sum(Decimal(rows[name]["amount"]) for name in CAUSES)
    words = [str(run.run), "--home", str(tmp_path)]
    assert "opportunity" in CliRunner().invoke(tca_command, words, standalone_mode=False).return_value.text
