"""Compiled strategies order what the same code orders interpreted; what cannot be says why."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from onetape import Strategy, compiled
from onetape.engine.compiled import is_compiled
from onetape.engine.latency import Latency
from onetape.engine.loader import load_strategy
from onetape.model.errors import NotAvailable, StrategyError
from onetape.replay.replay import replay_run
from onetape.research.backtest import BacktestOptions, run_backtest
from worlds.tapes import BTC, ETH, Market, play, records

numba = pytest.importorskip("numba")


def wavy(path: Path, seconds: int = 240, *, depth: bool = False) -> Path:
    """Quotes ten a second with a trade each second; two instruments, or depth of one."""
    market = Market(path)
    if not depth:
        market.add(ETH)
    for i in range(seconds * 10):
        at = i / 10
        mid = 100 + 5 * math.sin(i / 70) + 0.7 * math.sin(i * 1.7)
        bid = round(mid - 0.1, 1)
        if depth:
            market.book(
                at,
                [(round(bid - 0.1 * n, 1), 1 + (i * 7 + n) % 5) for n in range(5)],
                [(round(bid + 0.2 + 0.1 * n, 1), 1 + (i * 5 + n) % 7) for n in range(5)],
            )
        else:
            market.quote(at, bid, round(bid + 0.2, 1), 2, 3)
            market.quote(at, round(bid / 2, 1), round(bid / 2 + 0.3, 1), 5, 5, symbol=ETH)
        if i % 10 == 3:
            side = "buy" if i % 3 else "sell"
            market.trade(at, round(bid + 0.2, 1) if side == "buy" else bid, 1.5, side)
    return market.done()


class Ema(Strategy):
    """State in floats, market orders, a parameter and a constant of the class."""

    alpha: float = 0.05
    size: float = 0.7
    scale = 3

    def on_start(self):
        self.subscribe(BTC, quotes=True)
        self.fast = self.slow = 0.0
        self.seen = 0
        self.is_long = False

    def gap(self):
        return self.fast - self.slow

    def on_quote(self, q):
        self.seen += 1
        if self.seen == 1:
            self.fast = self.slow = q.mid
        self.fast += self.alpha * self.scale * (q.mid - self.fast)
        self.slow += self.alpha * (q.mid - self.slow)
        if self.gap() > 0.2 and not self.is_long:
            self.buy(BTC, self.size, tag="in")
            self.is_long = True
        elif self.gap() < -0.2 and self.is_long:
            self.close(BTC)
            self.is_long = False


class Target(Strategy):
    """set_target and a timer's name."""

    def on_start(self):
        self.subscribe(BTC, trades=True)
        self.set_timer("slow", every="7s")
        self.set_timer("fast", every="3s")
        self.last = 0.0
        self.wish = 0

    def on_trade(self, t):
        if t.side == "buy" and t.price > self.last:
            self.wish = min(self.wish + 1, 3)
        self.last = t.price

    def on_timer(self, name):
        if name == "fast":
            self.set_target(BTC, self.wish)
        elif name == "slow":
            self.wish = -self.wish


class Maker(Strategy):
    """Ladders from a live book, an inventory, fills counted by liquidity."""

    def on_start(self):
        self.subscribe(BTC, book=True)
        self.set_timer("t", every="1s")
        self.live = self.book(BTC)
        self.held = self.position(BTC)
        self.makers = self.takers = 0
        self.paid = 0.0

    def on_timer(self, name):
        bid, ask = self.live.best_bid, self.live.best_ask
        if bid is None or ask is None:
            return
        skew = self.held.qty * 0.05
        levels = self.live.bids(3)
        depth = 0.0
        for _, size in levels:
            depth += size
        step = 0.2 if depth > 9 else 0.1
        self.set_quotes(
            BTC,
            [(bid[0] - step * i - skew, 0.5) for i in range(3)],
            [(ask[0] + step * i - skew, 0.5) for i in range(3)],
            keep_within=1,
        )

    def on_fill(self, fill):
        if fill.liquidity == "maker":
            self.makers += 1
        else:
            self.takers += 1
        self.paid += fill.fee
        if fill.side == "buy" and fill.price * fill.qty > 1e9:
            self.cancel_all()


class Orders(Strategy):
    """Limits, amendments, stops, cancels, states of orders, two symbols."""

    def on_start(self):
        self.subscribe(BTC, quotes=True)
        self.subscribe(ETH, quotes=True)
        self.order = None
        self.stop = None
        self.count = self.gone = self.denied = 0

    def on_quote(self, q):
        if q.symbol != BTC:
            if q.symbol == ETH and self.count % 50 == 7:
                self.buy(q.symbol, 1, q.bid, tif="IOC")
            return
        self.count += 1
        if self.count % 40 == 1:
            self.order = self.buy(BTC, 1, q.bid - 0.3, post_only=True, tag="rest")
        elif self.count % 40 == 15 and self.order is not None and not self.order.is_closed:
            self.amend(self.order, price=q.bid - 0.1, qty=2)
        elif self.count % 40 == 30 and self.order is not None:
            self.cancel(self.order)
            self.order = None
        if self.count % 97 == 0:
            self.stop = self.sell(BTC, 1, trigger=q.bid - 0.5, reduce_only=True, trigger_by="last")
        if self.count % 101 == 0:
            self.denied += self.buy(BTC, 0.0001).code == 4101

    def on_order(self, order):
        if order.is_closed:
            self.gone += 1
            if order.state in ("CANCELED", "EXPIRED"):
                self.gone += 10
        if order.price is not None and order.filled > 0:
            self.gone += 100


class Bars(Strategy):
    """Bars of trades and of mids, windows as arrays."""

    slow: int = 5

    def on_start(self):
        self.subscribe(BTC, bars=["2s@trade", "5s@mid"])
        self.closes = np.zeros(4)
        self.at = 0

    def on_bar(self, bar):
        self.closes[self.at % 4] = bar.close
        self.at += 1
        if bar.period == "2s":
            window = self.bars(BTC, "2s@trade", self.slow)
            if len(window) == self.slow and window.close[-1] > window.close[0]:
                self.set_target(BTC, 1)
        elif self.closes.max() - bar.close > 1.5:
            self.set_target(BTC, 0)


class Means(Strategy):
    """Sums and means to the last bit, of windows of many lengths and of slices."""

    def on_start(self):
        self.subscribe(BTC, bars="1s@mid")
        self.sums = np.zeros(300)
        self.means = np.zeros(300)
        self.at = 0

    def on_bar(self, bar):
        closes = self.bars(BTC, "1s@mid", 300).close
        self.sums[self.at] = closes.sum() / 3
        self.means[self.at] = closes[-(1 + self.at // 2) :].mean() + self.sums[: self.at + 1].mean()
        self.at += 1
        if self.at % 20 == 0 and closes[-5:].mean() > closes.mean():
            self.buy(BTC, 1)


def test_sums_and_means_are_numpys_to_the_last_bit(tmp_path):
    tape = wavy(tmp_path / "t", 290)
    plain = play(Means, tape).robot
    fast = play(compiled(type("Means", (Means,), {})), tape).robot
    assert plain.at == fast.at > 280
    assert np.array_equal(plain.sums, fast.sums) and np.array_equal(plain.means, fast.means)


class Chance(Strategy):
    """The seeded source is one and the same."""

    def on_start(self):
        self.subscribe(BTC, quotes=True)

    def on_quote(self, q):
        if self.random.random() < 0.02:
            if self.random.randint(0, 1) == 1:
                self.buy(BTC, 1, q.ask + self.random.uniform(-1, 0.5), expire=self.now + 10**9)
            else:
                self.sell(BTC, 1)

    def on_position(self, position):
        if abs(position.qty) > 3:
            self.close(position.symbol)


class Held(Strategy):
    """Reads of orders that it keeps long after they closed, one of them refused in on_start."""

    def on_start(self):
        self.subscribe(BTC, quotes=True)
        self.refused = self.buy(BTC, 0.0001)
        self.kept = self.same = self.last = None
        self.count = self.codes = self.filled = 0

    def on_quote(self, q):
        if q.symbol != BTC:
            return
        self.count += 1
        if self.refused.is_closed:
            self.codes += self.refused.code
        if self.last is not None:
            self.cancel(self.last)
        self.last = self.buy(BTC, 0.5, q.bid - 3, post_only=True)
        self.buy(BTC, 0.0001)
        if self.count % 700 == 1:
            self.kept = self.sell(BTC, 0.5 + 0.1 * (self.count % 3))
            self.same = self.kept
        elif self.kept.state == "FILLED":
            self.filled += self.kept.qty_int + self.same.filled_int
            if self.count % 100 == 0 and self.kept.average_price > 50:
                self.buy(BTC, self.kept.qty, tag="back")


ALL = [Ema, Target, Maker, Orders, Bars, Means, Chance, Held]


@pytest.mark.parametrize("strategy", ALL)
@pytest.mark.parametrize("latency", [0.0, 0.13])
def test_compiled_and_interpreted_order_the_same(tmp_path, strategy, latency):
    tape = wavy(tmp_path / "t", depth=strategy is Maker)
    results = []
    for marked in (False, True):
        cls = type(strategy.__name__, (strategy,), {"__module__": __name__})
        if marked:
            cls = compiled(cls)
        played = play(cls, tape, journal=tmp_path / f"run-{marked}", latency=(latency, latency), leverage=20)
        assert not played.host.failures
        assert (played.session.compiled is not None) == marked
        state = {name: value for name, value in vars(played.robot).items() if isinstance(value, (int, float, bool))}
        results.append((played.action_hash, played.session.state_hash, state, played.loop.counters()))
    assert results[0][3]["orders"] > 3
    assert results[0] == results[1]


@pytest.mark.parametrize("seconds", [60, 240])
def test_only_closed_orders_in_reach_are_kept(tmp_path, seconds):
    cls = compiled(type("Held", (Held,), {"__module__": __name__}))
    played = play(cls, wavy(tmp_path / "t", seconds), leverage=20)
    counters = played.loop.counters()
    assert counters["denied"] > seconds * 9 and counters["orders"] > seconds * 18
    assert played.robot.filled > 0
    # The bound of CompiledStrategy, and what one callback may close beyond it.
    assert 3 <= played.loop.closed_orders_kept <= 64 + 4


def test_a_subclass_of_a_compiled_class_says_so_again():
    marked = compiled(type("Marked", (Ema,), {}))
    assert is_compiled(marked)
    assert not is_compiled(type("Later", (marked,), {}))
    with pytest.raises(TypeError, match="subclass of Strategy"):
        compiled(int)


SOURCE = """
from onetape import Strategy, compiled

@compiled
class Cross(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    size: float = 1

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.last = 0.0

    def on_quote(self, q):
        if q.bid > self.last + 1:
            self.buy(self.symbol, self.size)
        elif q.bid < self.last - 1:
            self.sell(self.symbol, self.size)
        else:
            return
        self.last = q.bid
"""


def test_a_run_of_the_command_replays_compiled_and_interpreted(tmp_path):
    tape = wavy(tmp_path / "t")
    (tmp_path / "cross.py").write_text(SOURCE)
    hashes = set()
    for interpret in (False, True):
        result = run_backtest(
            BacktestOptions(
                strategy=str(tmp_path / "cross.py"),
                data=[tape],
                home=tmp_path / "home",
                symbol=BTC,
                interpret=interpret,
            )
        )
        assert result.orders > 10
        hashes.add((result.action_hash, result.state_hash))
        replayed = replay_run(result.run)
        assert replayed["divergences"] == 0 and replayed["actions"] == result.actions
    assert len(hashes) == 1


def broken(**methods):
    """A marked strategy of which one method is replaced."""

    def on_start(self):
        self.subscribe(BTC, quotes=True)
        self.count = 0

    return compiled(type("Broken", (Strategy,), {"on_start": on_start, **methods}))


def test_what_raises_is_the_strategys_failure(tmp_path):
    def on_quote(self, q):
        self.count += 1
        if self.count == 5:
            self.buy(BTC, 1)
        if self.count == 9:
            raise ValueError("nine")

    played = play(broken(on_quote=on_quote), wavy(tmp_path / "t", 10), journal=tmp_path / "run")
    assert [str(each.error) for each in played.host.failures] == ["ValueError: nine"]
    assert played.loop.halted
    assert played.robot.count == 9
    [alert] = records(tmp_path / "run", "alert")
    assert alert.data["callback"] == "on_quote"


def test_a_division_by_zero_is_no_infinity(tmp_path):
    def on_quote(self, q):
        if 1.0 / self.count > 0:
            self.buy(BTC, 1)

    played = play(broken(on_quote=on_quote), wavy(tmp_path / "t", 2))
    assert [each.error.split(":")[0] for each in played.host.failures] == ["ZeroDivisionError"]


def stores_a_float(self, q):
    self.count = q.bid


def reads_nothing(self, q):
    self.buy(BTC, self.nowhere)


def logs(self, q):
    self.log("hello")


def names_no_symbol(self, q):
    self.buy("kraken:XRP/USD", 1)


def asks_for_bars(self, q):
    self.bars(BTC, "1m", 5)


def bad_tif(self, q):
    self.buy(BTC, 1, 5, tif="DAY")


def mixes(self, q):
    x = "a" if q.bid > 1 else 2
    self.count = len(x)


def by_algorithm(self, q):
    self.set_target(BTC, 1, algo="twap", minutes=1)


def of_an_account(self, q):
    self.set_target(BTC, 1, account="a")


@pytest.mark.parametrize("method", [by_algorithm, of_an_account])
def test_an_algorithm_in_compiled_code_is_not_available_and_says_what_to_do(tmp_path, method):
    with pytest.raises(NotAvailable) as caught:
        play(broken(on_quote=method), wavy(tmp_path / "t", 2))
    text = str(caught.value)
    assert "set_target with an algorithm" in text and "--interpret" in text and "\n" not in text
    assert f"test_compiled.py:{method.__code__.co_firstlineno + 1}" in text


def test_a_target_at_once_may_say_so_in_compiled_code(tmp_path):
    def on_quote(self, q):
        self.set_target(BTC, 1, algo="touch")

    tape = wavy(tmp_path / "t", 20)
    hashes = {play(broken(on_quote=on_quote), tape, interpret=interpret).action_hash for interpret in (True, False)}
    assert len(hashes) == 1


def test_the_algorithm_works_where_the_same_class_is_interpreted(tmp_path):
    played = play(broken(on_quote=by_algorithm), wavy(tmp_path / "t", 200), interpret=True)
    assert played.session.fills > 0 and not played.host.failures


REFUSED = [
    (stores_a_float, "self.count began as a whole number and gets a float"),
    (reads_nothing, "self.nowhere must be set in on_start"),
    (logs, "self.log cannot be used in compiled code"),
    (names_no_symbol, "kraken:XRP/USD is not in the data"),
    (asks_for_bars, "bars '1m' are not subscribed"),
    (bad_tif, "tif must be written out: GTC, IOC, FOK, GTD"),
    (mixes, "Cannot unify"),
]


@pytest.mark.parametrize(("method", "said"), REFUSED)
def test_what_cannot_be_compiled_says_why_and_where(tmp_path, method, said):
    with pytest.raises(StrategyError) as caught:
        play(broken(on_quote=method), wavy(tmp_path / "t", 2))
    text = str(caught.value)
    assert "cannot be compiled" in text and said in text
    line = method.__code__.co_firstlineno
    assert any(f"test_compiled.py:{line + n}" in text for n in range(4)), text
    assert "\n" not in text and len(text) < 400


def test_a_helper_may_not_store_whole_numbers(tmp_path):
    def count_up(self):
        self.count += 1

    def on_quote(self, q):
        self.count_up()

    with pytest.raises(StrategyError, match=r"a helper may not set self\.count"):
        play(broken(on_quote=on_quote, count_up=count_up), wavy(tmp_path / "t", 2))


def test_attributes_that_machine_code_cannot_hold_are_refused(tmp_path):
    for value, said in (
        ([1], "self.kept is a list"),
        ({}, "a dict"),
        (np.zeros(3, "f4"), "float32"),
        (2**70, "beyond 64 bits"),
        (object(), "a object"),
    ):

        def on_start(self, value=value):
            self.subscribe(BTC, quotes=True)
            self.kept = value

        def on_quote(self, q):
            pass

        cls = compiled(type("Kept", (Strategy,), {"on_start": on_start, "on_quote": on_quote}))
        with pytest.raises(StrategyError, match=said):
            play(cls, wavy(tmp_path / f"t{said[-3:]}", 2))


def test_a_callback_that_has_no_compiled_form_is_refused(tmp_path):
    def on_event(self, event):
        pass

    with pytest.raises(StrategyError, match="this callback cannot be compiled"):
        play(broken(on_event=on_event), wavy(tmp_path / "t", 2))


def test_two_runs_at_once_do_not_meet(tmp_path):
    """Services act for the run whose callback runs."""
    tapes = [wavy(tmp_path / name, 60) for name in "ab"]
    alone = [play(compiled(type("E", (Ema,), {})), tape).action_hash for tape in tapes]
    from worlds.tapes import session_of

    sessions = [session_of(compiled(type("E", (Ema,), {})), tape, latency=Latency(0, 0)) for tape in tapes]
    for session in sessions:
        session.open()
        session.start()
    for _ in range(1300):
        for session in sessions:
            session.step(1)
    for session in sessions:
        session.step()
        session.finish()
    assert [session.loop.action_hash().hex() for session in sessions] == alone
    for session in sessions:
        session.close()


def test_the_loader_takes_the_marked_class(tmp_path):
    (tmp_path / "cross.py").write_text(SOURCE)
    assert is_compiled(load_strategy(str(tmp_path / "cross.py")))


def test_sums_are_numpys_to_the_last_bit():
    """Blocks of 128 that are halved: lengths around each edge, magnitudes far apart."""
    from onetape.engine.jit.bars import pairwise_sum

    source = np.random.default_rng(1)
    for count in (*range(300), 511, 512, 513, 1_023, 5_000, 100_003):
        values = source.normal(size=count) * 10 ** source.uniform(-5, 5, size=count)
        assert pairwise_sum(values, count) == values.sum(), count
