"""Money parity: where one cause differs, its part carries the gap; the parts always add up."""

from __future__ import annotations

import json
import random
import struct
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from long_form import examples
from onetape.model.errors import BadConfig, BadInput
from onetape.replay.money_bridge import PARTS
from onetape.replay.parity import compare
from onetape.research.backtest import BacktestOptions, run_backtest
from worlds.strategy_files import write
from worlds.tapes import Market, at_ns

TAKES = """
from onetape import Strategy


class Takes(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    size: float = 1.0

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.n = 0

    def on_quote(self, q):
        # On every tenth bid that rises by a whole unit: decided by the data alone.
        if round(q.bid * 10) % 10 == 5:
            self.n += 1
            (self.buy if self.n % 2 else self.sell)(self.symbol, self.size)
"""
RESTS = """
from onetape import Strategy


class Rests(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True, trades=True)
        self.sent = False

    def on_quote(self, q):
        if not self.sent:
            self.sent = True
            self.buy(self.symbol, 1, q.bid)
"""
NOISE = """
from onetape import Strategy


class Noise(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    size: float = 0.5
    often: int = 3

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.n = 0

    def on_quote(self, q):
        self.n += 1
        if self.n % self.often == 0:
            side = self.buy if self.random.random() < 0.5 else self.sell
            if self.random.random() < 0.5:
                side(self.symbol, self.size)
            else:
                side(self.symbol, self.size, q.bid if side == self.buy else q.ask)
        if self.n % 17 == 0:
            self.cancel_all()
"""


@pytest.fixture(scope="module")
def code(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("code")
    return {name: write(folder, name, text) for name, text in (("takes", TAKES), ("rests", RESTS), ("noise", NOISE))}


def run(strategy: Path, tape: Path, home: Path, name: str, **options) -> Path:
    options = {"fee": "0", "latency": "0", **options}
    return run_backtest(BacktestOptions(str(strategy), [tape], home, out=name, write_report=False, **options)).run


def bridged(a: Path, b: Path) -> dict[str, Decimal]:
    answer = compare(a, b, mode="money")
    assert answer["equal"] + answer["differing"] == answer["compared"]
    found = {n: Decimal(v) for n, v in answer["bridge"].items() if isinstance(v, str) and n != "currency"}
    assert sum(found[part] for part in PARTS) == found["gap"] == found["pnl_b"] - found["pnl_a"]
    detail = answer["bridge"]["residual_detail"]
    assert sum(map(Decimal, detail.values())) == found["residual"]
    assert (answer["differing"] > 0) == (answer["first_difference"] is not None)
    return found


def only(found: dict[str, Decimal], part: str) -> Decimal:
    """The part's value, when it carries the whole gap."""
    assert found["gap"] != 0
    assert {name: found[name] for name in PARTS if found[name]} == {part: found["gap"]}
    return found[part]


def walk(path: Path, *, shift: float = 0.0, drop: tuple[float, float] = (1e9, 1e9)) -> Path:
    """A quote a second that rises in steps of 0.5. shift: of all asks. drop: seconds left out."""
    market = Market(path)
    for second in range(60):
        if drop[0] <= second < drop[1]:
            continue
        bid = 100 + second * 0.1 + (second % 7) * 0.3
        market.quote(second, round(bid, 1), round(bid + 0.1 + shift, 1))
    return market.done()


def test_equal_runs_have_no_gap(tmp_path, code):
    tape = walk(tmp_path / "t")
    a, b = (run(code["takes"], tape, tmp_path, name) for name in "ab")
    answer = compare(a, b, mode="money")
    assert answer["differing"] == 0 and answer["first_difference"] is None
    assert answer["compared"] > 3 and {answer["bridge"][part] for part in PARTS} == {"0"}


def test_latency_alone_is_all_latency(tmp_path, code):
    tape = walk(tmp_path / "t")
    a = run(code["takes"], tape, tmp_path, "a")
    b = run(code["takes"], tape, tmp_path, "b", latency="2500ms,0")
    found = bridged(a, b)
    latency = only(found, "latency")
    # By hand: what each order pays two and a half seconds later, from the tape.
    quotes = {s: round(100 + s * 0.1 + (s % 7) * 0.3, 1) for s in range(60)}
    moments = [s for s, bid in quotes.items() if round(bid * 10) % 10 == 5]
    total = Decimal(0)
    for number, second in enumerate(moments):
        moved = Decimal(str(quotes[min(second + 2, 59)])) - Decimal(str(quotes[second]))
        total += -moved if number % 2 == 0 else moved
    assert len(moments) > 3 and latency == total


def test_fees_alone_are_all_fee(tmp_path, code):
    tape = walk(tmp_path / "t")
    a = run(code["takes"], tape, tmp_path, "a", fee="0.0002,0.0005")
    b = run(code["takes"], tape, tmp_path, "b", fee="0.0002,0.0007")
    assert only(bridged(a, b), "fee") < 0


def funded(path: Path, rate: int) -> Path:
    market = Market(path)
    for second in range(60):
        bid = 100.5 if second == 3 else 100.1
        market.quote(second, bid, bid + 0.1)
        if second == 30:
            payload = struct.pack("<qqqqq", at_ns(30), at_ns(30), rate, 1001, 0)
            market.raw("funding", payload, 30)
    return market.done()


def test_funding_alone_is_all_funding(tmp_path, code):
    a = run(code["takes"], funded(tmp_path / "a.tape", 10**8), tmp_path, "a")
    b = run(code["takes"], funded(tmp_path / "b.tape", 3 * 10**8), tmp_path, "b")
    # One unit is held at a mark of 100.1: 0.0002 of it more is paid.
    assert only(bridged(a, b), "funding") == Decimal("-0.02002")


def queued(path: Path, ahead: float) -> Path:
    market = Market(path)
    market.quote(0, 100.0, 100.2, bid_size=ahead)
    market.trade(1, 100.0, 5, "sell")
    for second in range(2, 30):
        market.quote(second, 101.0, 101.2, bid_size=ahead)
    return market.done()


def test_a_longer_queue_alone_is_all_queue(tmp_path, code):
    a = run(code["rests"], queued(tmp_path / "a.tape", 1), tmp_path, "a")
    b = run(code["rests"], queued(tmp_path / "b.tape", 50), tmp_path, "b")
    found = bridged(a, b)
    assert only(found, "queue") == Decimal("-1.1")  # bought at 100, worth 101.1 at the end
    assert only(bridged(b, a), "queue") == Decimal("1.1")
    words = compare(a, b, mode="money")["first_difference"]
    assert words.startswith("place order 1 buy 1.000 at 100.0") and "queue -1.1 USDT" in words


def test_another_price_at_the_same_moment_is_all_price(tmp_path, code):
    a = run(code["takes"], walk(tmp_path / "a.tape"), tmp_path, "a")
    b = run(code["takes"], walk(tmp_path / "b.tape", shift=0.2), tmp_path, "b")
    found = bridged(a, b)
    assert found["price"] < 0 and found["latency"] == found["queue"] == found["fee"] == 0
    # Half of it comes back where a position is open at the end: the mid stands higher as well.
    detail = compare(a, b, mode="money")["bridge"]["residual_detail"]
    assert Decimal(detail["decisions"]) == Decimal(detail["rest"]) == 0
    assert found["residual"] == Decimal(detail["marks"]) == found["gap"] - found["price"]


def test_what_the_other_never_heard_is_all_missed_data(tmp_path, code):
    a = run(code["takes"], walk(tmp_path / "a.tape"), tmp_path, "a")
    full = compare(a, a, mode="money")["compared"] - 3
    missed = {}
    for first, last in ((20, 40), (55, 58)):
        b = run(code["takes"], walk(tmp_path / f"b{first}", drop=(first, last)), tmp_path, f"r{first}")
        found = bridged(a, b)
        missed[first] = found["missed_data"]
        # Sides alternate, so an order too few turns those after it round: they are not A's orders.
        assert {name for name in PARTS if found[name]} <= {"missed_data"}
    assert missed[20] != 0 and full > 4


def test_an_order_that_equal_data_does_not_explain_is_a_decision(tmp_path, code):
    tape = walk(tmp_path / "t")
    a = run(code["takes"], tape, tmp_path, "a")
    b = run(code["takes"], tape, tmp_path, "b", params={"size": 2.0})
    found = bridged(a, b)
    assert only(found, "residual") == found["pnl_a"]
    detail = compare(a, b, mode="money")["bridge"]["residual_detail"]
    assert Decimal(detail["decisions"]) == found["gap"] and detail["marks"] == detail["rest"] == "0"


def test_a_position_valued_at_another_end_is_a_mark(tmp_path, code):
    tape = Market(tmp_path / "t")
    for second in range(60):
        bid = 100.5 if second == 3 else 100.1 + second * 0.2
        tape.quote(second, round(bid, 1), round(bid + 0.1, 1))
    tape = tape.done()
    only_first = write(tmp_path, "first", TAKES.replace("== 5:", "== 5 and not self.n:"))
    a = run(only_first, tape, tmp_path, "a", end=at_ns(30))
    b = run(only_first, tape, tmp_path, "b")
    found = bridged(a, b)
    assert only(found, "residual") == 6
    assert compare(a, b, mode="money")["bridge"]["residual_detail"]["marks"] == "6"


def test_inverse_contracts_add_up_too(tmp_path, code):
    market = Market(tmp_path / "t", "bitmex:BTC/USD:BTC", tick="0.5", lot="1")
    for second in range(60):
        bid = 50_000 + (second % 9) * 7.5 + second
        market.quote(second, bid, bid + 0.5)
    tape = market.done()
    text = TAKES.replace("round(q.bid * 10) % 10 == 5", "round(q.bid * 2) % 9 == 4")
    strategy = write(tmp_path, "inverse", text)
    params = {"symbol": "bitmex:BTC/USD:BTC", "size": 1000}
    a = run(strategy, tape, tmp_path, "a", params=params)
    b = run(strategy, tape, tmp_path, "b", params=params, latency="3s,0")
    found = bridged(a, b)
    # Values of inverse contracts are rounded at 1e-18 each: nothing else is left over.
    assert found["latency"] != 0 and abs(found["residual"]) < Decimal("1e-15")
    assert abs(found["latency"] - found["gap"]) < Decimal("1e-15")


def noisy(path: Path, seed: int, drop: float) -> Path:
    market, chance = Market(path), random.Random(seed)
    mid, dropped = 100.0, random.Random(seed + 1)
    for second in range(80):
        mid = round(mid + chance.choice((-0.2, -0.1, 0, 0.1, 0.2)), 1)
        sizes = chance.uniform(0.5, 3), chance.uniform(0.5, 3)
        if dropped.random() >= drop:
            market.quote(second, mid, round(mid + 0.1, 1), *sizes)
            if chance.random() < 0.4:
                buys = chance.random() < 0.5
                market.trade(
                    second + 0.5,
                    round(mid + 0.1, 1) if buys else mid,
                    chance.uniform(0.1, 2),
                    "buy" if buys else "sell",
                )
    return market.done()


@given(
    seed=some.integers(0, 2**20),
    drop=some.sampled_from([0.0, 0.1]),
    often=some.sampled_from([3, 4]),
    latency=some.sampled_from(["0", "700ms", "2s,1s"]),
    fee=some.sampled_from(["0", "0.0001,0.0004"]),
    run_seed=some.sampled_from([1, 2]),
)
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_parts_always_add_up(tmp_path_factory, code, seed, drop, often, latency, fee, run_seed):
    home = tmp_path_factory.mktemp("pair")
    a = run(code["noise"], noisy(home / "a.tape", seed, 0.0), home, "a")
    b = run(
        code["noise"],
        noisy(home / "b.tape", seed, drop),
        home,
        "b",
        params={"often": often},
        latency=latency,
        fee=fee,
        seed=run_seed,
    )
    there, back = bridged(a, b), bridged(b, a)
    assert there["gap"] == -back["gap"]
    # One currency, contracts, no funding: everything is explained by name.
    assert compare(a, b, mode="money")["bridge"]["residual_detail"]["rest"] == "0" or drop


def test_runs_in_two_currencies_are_refused(tmp_path, code):
    a = run(code["takes"], walk(tmp_path / "t"), tmp_path, "a")
    b = run(code["takes"], walk(tmp_path / "u"), tmp_path, "b")
    text = (b / "run.toml").read_text().replace('currency = "USDT"', 'currency = "EUR"')
    (b / "run.toml").write_text(text)
    with pytest.raises(BadConfig, match="A is in USDT and B in EUR"):
        compare(a, b, mode="money")


def test_a_tape_that_is_gone_is_named(tmp_path, code):
    tape = walk(tmp_path / "t")
    a, b = (run(code["takes"], tape, tmp_path, name) for name in "ab")
    tape.rename(tmp_path / "elsewhere")
    with pytest.raises(BadInput, match="is gone"):
        compare(a, b, mode="money")


def test_the_command_shows_a_waterfall_and_exits_with_4(tmp_path, code, capfd):
    from onetape.cli.main import run as cli

    tape = walk(tmp_path / "t")
    run(code["takes"], tape, tmp_path, "a")
    run(code["takes"], tape, tmp_path, "b", latency="2500ms,0")
    line = ["parity", "a", "b", "--mode", "money", "--home", str(tmp_path)]
    assert cli(line) == 4
    text = capfd.readouterr().out
    assert text.index("profit of A") < text.index("latency") < text.index("profit of B")
    assert cli([*line, "--json"]) == 4
    value = json.loads(capfd.readouterr().out)
    assert set(PARTS) <= set(value["bridge"]) and value["error"]["code"] == 4604
    low, high = map(Decimal, value["bridge"]["intervals"]["latency"])
    assert low < Decimal(value["bridge"]["latency"]) < high and value["bridge"]["intervals"]["funding"] is None
    assert f"[{low:+,.2f}, {high:+,.2f}]" in text
    assert cli(["parity", "a", "a", "--mode", "money", "--home", str(tmp_path)]) == 0


def test_orders_of_time_that_the_other_run_does_not_cover_are_outside(tmp_path, code):
    """The backtest of a day must not begin the day before; and ordinals count from then on."""
    tape = walk(tmp_path / "t")
    a = run(code["takes"], tape, tmp_path, "a", start=at_ns(21))
    b = run(code["takes"], tape, tmp_path, "b")
    found = bridged(a, b)
    detail = {n: Decimal(v) for n, v in compare(a, b, mode="money")["bridge"]["residual_detail"].items()}
    assert detail["outside"] != 0 and detail["rest"] == detail["marks"] == 0
    assert {name for name in PARTS if found[name]} == {"residual"}


def test_spot_adds_up_too(tmp_path, code):
    market = Market(tmp_path / "t", "kraken:BTC/USD", tick="0.1", lot="0.001")
    for second in range(60):
        bid = 100 + second * 0.1 + (second % 7) * 0.3
        market.quote(second, round(bid, 1), round(bid + 0.1, 1))
    tape = market.done()
    options = {"params": {"symbol": "kraken:BTC/USD"}, "cash": "10000 USD"}
    a = run(code["takes"], tape, tmp_path, "a", **options)
    b = run(code["takes"], tape, tmp_path, "b", latency="2500ms,0", **options)
    only(bridged(a, b), "latency")
    c = run(code["takes"], tape, tmp_path, "c", **options | {"fee": "0.001,0.002"})
    only(bridged(a, c), "fee")


def test_bars_alone_have_a_market_too(tmp_path):
    """A market order fills at the open of the next bar, a late one at that bar's close."""
    market, chance = Market(tmp_path / "t"), random.Random(3)
    for minute in range(60):
        price = 100 + chance.randrange(100) / 10
        prices = (round(price, 1), round(price + 1, 1), round(price - 1, 1), round(price + 0.4, 1))
        market.bar((minute + 1) * 60, "1m", prices)
    tape = market.done()
    text = TAKES.replace("quotes=True", 'bars="1m"').replace("on_quote(self, q)", "on_bar(self, q)")
    strategy = write(tmp_path, "bars", text.replace("q.bid", "q.close"))
    a = run(strategy, tape, tmp_path, "a", latency="5ms,5ms")
    b = run(strategy, tape, tmp_path, "b", latency="70s,5ms")
    found = bridged(a, b)
    # The late ones miss the open and fill at the close: the tape has both prices.
    only(found, "latency")
