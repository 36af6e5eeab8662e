"""A portfolio's file as it runs: who hears what, what is netted, and that members add up to the account."""

from __future__ import annotations

from decimal import Decimal
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape.engine.loader import load_strategy
from onetape.model.errors import BadConfig, NotAvailable, StrategyError
from worlds.tapes import BTC, ETH, SECOND, START, Market, play, records

COIN = "binance:ETH/USD:ETH"
MEMBERS = '''
import random
from onetape import Strategy

class Plan(Strategy):
    """Says the targets of its plan, one a bar."""
    symbol: str = ""
    period: str = "1m"
    plan: list[float] = []
    def on_start(self):
        self.subscribe(self.symbol, bars=self.period)
        self.heard, self.fills, self.seen, self.left = [], [], [], list(self.plan)
    def on_bar(self, bar):
        self.heard.append((bar.symbol, bar.period))
        if self.left:
            self.set_target(self.symbol, self.left.pop(0))
    def on_fill(self, fill):
        self.fills.append((fill.side, fill.qty, fill.price, fill.liquidity, fill.fee))
        assert self.position(fill.symbol).qty_int % 1 == 0
    def on_position(self, position):
        self.seen.append(position.qty)

class Chance(Strategy):
    symbols: list[str] = []
    seed: int = 0
    def on_start(self):
        for symbol in self.symbols:
            self.subscribe(symbol, bars="1m")
        self.chance = random.Random(self.seed)
    def on_bar(self, bar):
        if self.chance.random() < 0.5:
            self.set_target(bar.symbol, self.chance.randint(-20, 20) / 10)

class Both(Strategy):
    symbol: str = ""
    def on_start(self):
        self.subscribe(self.symbol, bars=["1m", "5m"])

class Orders(Plan):
    def on_bar(self, bar):
        self.buy(self.symbol, 1)

class Worked(Plan):
    """By an algorithm that is done within a bar."""
    def on_bar(self, bar):
        if self.left:
            self.set_target(self.symbol, self.left.pop(0), "twap", minutes=0.5)

class Sided(Plan):
    def on_start(self):
        self.set_target(self.symbol, 1, side="long")

class Raises(Plan):
    def on_bar(self, bar):
        raise RuntimeError("mine alone")
'''


def portfolio(folder, text, **members):
    """members: strategy name -> its section's lines."""
    folder.mkdir(exist_ok=True)
    (folder / "members.py").write_text(MEMBERS)
    sections = "".join(f"\n[portfolio.strategies.{name}]\n{lines}\n" for name, lines in members.items())
    file = folder / "portfolio.toml"
    file.write_text(f"[portfolio]\n{text}\n{sections}")
    return load_strategy(str(file))


def section(kind: str, symbols=(BTC,), **more: object) -> str:
    return "\n".join(
        [f'strategy = "members.py:{kind}"', f"symbols = {list(symbols)}", *(f"{k} = {v}" for k, v in more.items())]
    )


def market(path, minutes=30, step=15, **facts):
    made = Market(path, **facts)
    made.add(ETH)
    for count in range(minutes * 60 // step):
        for symbol, base in ((BTC, 100), (ETH, 50)):
            mid = base + (count * 7 % 13) / 2 - count * 3 % 5
            made.quote(count * step, mid - 0.1, mid + 0.1, symbol=symbol)
            made.trade(count * step + 1, mid, 0.5, symbol=symbol)
    return made.done()


def member(played, name):
    return next(each for each in played.host.children if repr(each) == f"/portfolio/{name}")


def test_each_instance_hears_its_own_bars_and_nothing_else(tmp_path):
    made = portfolio(
        tmp_path / "p",
        "",
        a=section("Plan", (BTC, ETH), periods=["1m", "5m"]),
        b=section("Plan", (ETH,), periods=["3m"], params="{ plan = [0.0] }"),
        c=section("Both", (BTC,), periods=["1m", "5m"]),
    )
    played = play(made, market(tmp_path / "t"))
    heard = {repr(each).rpartition("/")[2]: set(each.heard) for each in played.host.children if hasattr(each, "heard")}
    assert heard == {
        "a.1": {(BTC, "1m")},
        "a.2": {(BTC, "5m")},
        "a.3": {(ETH, "1m")},
        "a.4": {(ETH, "5m")},
        "b": {(ETH, "3m")},
    }
    assert len(member(played, "a.1").heard) == 29


def test_lots_times_target_is_the_position(tmp_path):
    made = portfolio(
        tmp_path / "p",
        "",
        a=section("Plan", lots="{ '" + BTC + "' = 98 }", params="{ plan = [-1.0] }"),
        b=section("Plan", lots="100.0", params="{ plan = [0.0] }"),
    )
    played = play(made, market(tmp_path / "t"), cash={"USDT": Decimal(10**6)})
    assert played.loop.position(BTC, None).qty == -98
    assert member(played, "a").position(BTC).qty == -98 and member(played, "b").position(BTC).qty == 0


@pytest.mark.parametrize("kind", ["Plan", "Worked"])
def test_in_hedge_mode_the_net_position_is_on_one_side(tmp_path, kind):
    made = portfolio(
        tmp_path / "p",
        "",
        a=section(kind, params="{ plan = [2.0, -1.0, 0.0] }"),
        b=section(kind, params="{ plan = [0.0, -2.0, 1.0] }"),
    )
    played = play(made, market(tmp_path / "t"), hedge=True, cash={"USDT": Decimal(10**6)}, journal=tmp_path / "run")
    long, short = (played.loop.position(BTC, side).qty for side in ("long", "short"))
    assert (long, short) == (1, 0)
    assert member(played, "a").position(BTC).qty == 0 and member(played, "b").position(BTC).qty == 1
    requests = [each.data["position_side"] for each in records(tmp_path / "run", "order_request")]
    assert {*requests} == {1, 2} or {*requests} == {"long", "short"}, requests


def test_a_member_names_no_side(tmp_path):
    (tmp_path / "p").mkdir()
    made = portfolio(tmp_path / "p", "", a=section("Sided"))
    with pytest.raises(NotAvailable, match="net positions"):
        play(made, market(tmp_path / "t"), hedge=True)


def test_members_that_want_of_each_other_trade_inside_at_the_middle(tmp_path):
    made = portfolio(
        tmp_path / "p",
        "",
        a=section("Plan", params="{ plan = [2.0, 0.0] }"),
        b=section("Plan", params="{ plan = [0.0, 2.0] }"),
        c=section("Plan", params="{ plan = [0.0, 0.0, -0.5] }"),
    )
    played = play(made, market(tmp_path / "t"), journal=tmp_path / "run", fee=(Decimal(0), Decimal("0.001")))
    requests = [each.data for each in records(tmp_path / "run", "order_request")]
    assert [each["size"] for each in requests] == [2000, 500]  # nothing left for what a and b exchanged
    a, b = member(played, "a"), member(played, "b")
    assert [each[0] for each in a.fills] == ["buy", "sell"] and a.fills[1][3] == b.fills[0][3] == "internal"
    assert a.fills[1][2] == b.fills[0][2] and a.fills[0][4] > 0 == a.fills[1][4] == b.fills[0][4]
    assert a.seen == [2, 0] and b.seen == [2]
    assert member(played, "c").position(BTC).qty == -0.5 and played.loop.position(BTC, None).qty == 1.5


def test_what_is_within_the_band_stays_and_what_is_to_close_goes(tmp_path):
    made = portfolio(
        tmp_path / "p",
        "band = 0.01",  # of 10,000: one coin
        a=section("Plan", params="{ plan = [2.0, 2.5, 2.5, 0.0] }"),
        b=section("Plan", params="{ plan = [-0.5, -0.5, 0.5, 0.0] }"),
    )
    played = play(made, market(tmp_path / "t"), journal=tmp_path / "run", cash={"USDT": Decimal(10_000)})
    requests = [each.data for each in records(tmp_path / "run", "order_request")]
    assert [each["size"] for each in requests] == [1500, 1500, 3000]
    assert next(each[:2] for each in member(played, "b").fills) == ("sell", 0.5)


@pytest.mark.parametrize("algo", ["touch", "join", "twap"])
@given(seed=st.integers(0, 10**6), latency=st.sampled_from([0, 0.02, 3.0]), caps=st.booleans())
@settings(max_examples=examples(6), deadline=None)
def test_members_add_up_to_the_account_to_the_last_unit(tmp_path_factory, algo, seed, latency, caps):
    path = tmp_path_factory.mktemp("p")
    options = ", options = { minutes = 2 }" if algo == "twap" else ""
    lines = {
        name: section("Chance", (BTC, ETH), params=f"{{ seed = {seed + k} }}", algo=f'"{algo}"')
        + (f"\n{options[2:]}" if options and k else "")
        for k, name in enumerate("abc")
    }
    if algo == "twap":
        lines["a"] = lines["a"].replace('"twap"', '"touch"')
    made = portfolio(path / "p", "gross_max = 0.02\nsymbol_max = 0.015" if caps else "", **lines)
    played = play(
        made,
        market(path / "t"),
        latency=(latency, latency),
        fee=(Decimal("0.0001"), Decimal("0.0005")),
        cash={"USDT": Decimal(10_000)},
    )
    robot = played.robot
    total = Decimal(0)
    for symbol in (BTC, ETH):
        held = [each[symbol].qty_int for each in robot._positions if symbol in each]
        assert sum(held) == played.loop.position(symbol, None).qty_int
        unit = Decimal(played.loop.value_doubled(symbol)) / 2
        for each in robot._positions:
            if symbol in each:
                units = each[symbol].holding
                value = Decimal(units.terms.value(1, units.qty)) * unit
                total += units.realized - each[symbol].fees + value - units.cost
    assert total / 10**18 == played.equity - 10_000
    if caps and not latency and algo == "touch":
        gross = sum(abs(played.loop.position(s, None).qty) * played.loop.value_doubled(s) / 20 for s in (BTC, ETH))
        assert gross <= 0.02 * 10_000 * 1.2  # cut when it was said; the price has moved since


def test_weights_follow_volatility(tmp_path):
    made = Market(tmp_path / "t", lot="0.00001")
    made.add(ETH, lot="0.00001")
    for minute in range(121):
        calm, wild = (2, 4) if minute < 60 else (4, 2)
        sign = 1 if minute % 2 else -1
        slow = 1 if minute // 2 % 2 else -1
        made.quote(minute * 60, 1000 + sign * calm - 0.1, 1000 + sign * calm + 0.1)
        made.quote(minute * 60, 1000 + slow * wild - 0.1, 1000 + slow * wild + 0.1, symbol=ETH)
    text = 'weights = "inverse_volatility"\nreturns = "1m"\nwindow = 40\nrebalance = "10m"\ngross_max = 1.0'
    klass = portfolio(tmp_path / "p", text, a=section("Plan", (BTC, ETH), params="{ plan = [1.0] }"))
    played = play(klass, made.done(), journal=tmp_path / "run", cash={"USDT": Decimal(10**5)}, leverage=3)
    said = [
        each.data["fields"]["symbols"] for each in records(tmp_path / "run", "log") if each.data["text"] == "weights"
    ]
    first, last = said[0], said[-1]
    # ETH moves every second minute: sqrt(2) less often.
    assert first[BTC] / first[ETH] == pytest.approx(2 / 2**0.5, rel=0.02)
    assert last[BTC] / last[ETH] == pytest.approx(0.5 / 2**0.5, rel=0.02)
    held = {symbol: played.loop.position(symbol, None).qty * 1000 / 10**5 for symbol in (BTC, ETH)}
    assert held == pytest.approx(last, rel=0.02)


def test_a_rebalance_waits_for_the_bars_that_the_data_brings_at_its_moment(tmp_path):
    made, closes = Market(tmp_path / "t"), {BTC: [1000.0], ETH: [1000.0]}
    made.add(ETH)
    for minute in range(1, 32):
        for symbol, step in ((BTC, 3), (ETH, 5)):
            closes[symbol].append(1000.0 + step * (minute * minute % 7))
            made.quote(minute * 60 - 1, 999.9, 1000.1, symbol=symbol)
        made.bar(minute * 60, "1m", (closes[BTC][-1],) * 4)
        if minute != 30:  # of the twentieth minute it comes late, of the thirtieth never
            late = 3 * (minute == 20)
            made.bar(minute * 60, "1m", (closes[ETH][-1],) * 4, symbol=ETH, at=minute * 60 + late)
        made.quote(minute * 60 + 15, 999.9, 1000.1)
    text = 'weights = "inverse_volatility"\nreturns = "1m"\nwindow = 4\nrebalance = "10m"'
    klass = portfolio(tmp_path / "p", text, a=section("Plan", (BTC, ETH), params="{ plan = [1.0] }"))
    play(klass, made.done(), journal=tmp_path / "run", cash={"USDT": Decimal(10**5)}, leverage=3)
    said = [each for each in records(tmp_path / "run", "log") if each.data["text"] == "weights"]
    assert [(each.time - START) / SECOND for each in said[-3:]] == [600, 1203, 1810]

    def expected(minute: int) -> float:
        one, other = (np.log(closes[each][minute - 4 : minute + 1]) for each in (BTC, ETH))
        return float(np.diff(other).std() / np.diff(one).std())

    weights = [each.data["fields"]["symbols"] for each in said[-3:]]
    shares = [each[BTC] / each[ETH] for each in weights]
    assert shares[:2] == pytest.approx([expected(10), expected(20)])


def test_a_member_that_raises_or_orders_stops_nobody_else(tmp_path):
    made = portfolio(
        tmp_path / "p", "", a=section("Raises"), b=section("Plan", params="{ plan = [1.0] }"), c=section("Orders")
    )
    played = play(made, market(tmp_path / "t"), on_error="continue")
    assert {each.callback for each in played.host.failures} == {"on_bar of /portfolio/a", "on_bar of /portfolio/c"}
    assert "set a target" in next(each.error for each in played.host.failures if each.callback.endswith("c"))
    assert member(played, "b").position(BTC).qty == 1


@pytest.mark.parametrize(
    "limits", ["gross_max = 1.0", "band = 0.1", f"weights = {{ '{BTC}' = 0.5, '{COIN}' = 0.5 }}", ""]
)
def test_money_that_the_equity_leaves_out_has_no_weights_and_limits(tmp_path, limits):
    made = Market(tmp_path / "u")
    made.add(COIN)
    made.quote(1, 100, 101)
    klass = portfolio(tmp_path / "p", limits, a=section("Plan", (BTC, COIN)))
    if not limits:
        assert play(klass, made.done(), cash={"USDT": Decimal(100)})
        return
    with pytest.raises(NotAvailable, match=rf"{COIN}: its ETH is no part of the equity"):
        play(klass, made.done(), cash={"USDT": Decimal(100)})


def test_weights_of_inverse_contracts_are_of_the_coin(tmp_path):
    """One of 10 USD at 100 is a tenth of a coin."""
    made = Market(tmp_path / "t", COIN, multiplier="10", lot="1")
    for second in range(0, 300, 15):
        made.quote(second, 99.9, 100.1, 1000, 1000)
    klass = portfolio(tmp_path / "p", 'weights = "equal"', a=section("Plan", (COIN,), params="{ plan = [0.5] }"))
    played = play(klass, made.done(), cash={"ETH": Decimal(20)})
    assert played.robot.position(COIN).qty == 100


ONE = section("Plan")
VIOLATIONS = {
    "a class": ("", {"a": section("Nobody")}, "no strategy class 'Nobody'"),
    "a file": ("", {"a": ONE.replace("members", "others")}, "no strategy file"),
    "a file elsewhere": ("", {"a": ONE.replace("members", "../members")}, "not beside the portfolio's file"),
    "a parameter": ("", {"a": ONE + "\nparams = { fast = 3 }"}, "Plan has no parameter 'fast'"),
    "a value": ("", {"a": ONE + '\nparams = { plan = "x" }'}, "plan"),
    "symbol among them": ("", {"a": ONE + '\nparams = { symbol = "x" }'}, "`symbol` is set by the section's own key"),
    "a symbol twice": ("", {"a": section("Plan", (BTC, BTC))}, f"{BTC} is written twice"),
    "no symbol": ("", {"a": section("Plan", ())}, "no symbols"),
    "a period": ("", {"a": section("Plan", periods=["1M"])}, "not a period"),
    "the same twice": ("", {"a": ONE, "b": ONE}, "as `a`"),
    "an algorithm": ("", {"a": ONE + '\nalgo = "magic"'}, "no algorithm 'magic'"),
    "weights": ('weights = "best"', {"a": ONE}, "unknown weights `best`"),
    "a weight of nothing": (f"weights = {{ '{ETH}' = 1.0, '{BTC}' = 1.0 }}", {"a": ONE}, f"{ETH} has a weight, but no"),
    "no weight": (f"weights = {{ '{BTC}' = 1.0 }}", {"a": section("Plan", (BTC, ETH))}, "a strategy, but no weight"),
    "lots of others": ("", {"a": ONE + f"\nlots = {{ '{BTC}' = 1.0, '{ETH}' = 1.0 }}"}, f"{ETH} is not among"),
    "lots and weights": ('weights = "equal"', {"a": ONE + "\nlots = 2.0"}, "lots, although [portfolio] has weights"),
    "shares": ('weights = "equal"', {"a": ONE + "\nshare = 0.7", "b": section("Chance", share=0.6)}, "add up to 1.3"),
    "a share for lots": ("", {"a": ONE + "\nshare = 0.7"}, "no weights"),
    "below zero": ("band = -1.0", {"a": ONE}, "-1.0 is below 0"),
    "a weight below zero": (f"weights = {{ '{BTC}' = -0.5 }}", {"a": ONE}, f"{BTC} has a weight of -0.5"),
    "a weight that is none": (f"weights = {{ '{BTC}' = nan }}", {"a": ONE}, f"{BTC} has a weight of nan"),
    "lots that are none": ("", {"a": ONE + "\nlots = inf"}, "lots of inf"),
    "no values": ("", {"a": ONE.replace("Plan", "Chance") + "\nparams = { seed = [] }"}, "`seed` has no values"),
    "a member twice": (
        "",
        {"a": section("Plan", (BTC, ETH)), "b": ONE},
        "b has the same strategy, symbols, periods and",
    ),
    "a default twice": (
        "",
        {"a": section("Chance"), "b": section("Chance") + "\nparams = { seed = [1, 0] }"},
        "b.2 has the same strategy, symbols, periods and parameters as a",
    ),
    "a name twice": (
        "",
        {"a": section("Chance") + "\nparams = { seed = [1, 2] }", '"a.1"': ONE},
        "a.1 is a member's name in a and in a.1",
    ),
    "a period in other words": ("", {"a": section("Plan", periods=["1h", "60m"])}, "60m is the same as 1h"),
    "a bound that is none": ("band = nan", {"a": ONE}, "nan is no finite number"),
    "no leverage": (
        'weights = "risk_parity"\nvolatility = 0.2\nleverage_max = 0',
        {"a": ONE},
        "with leverage_max = 0 nothing is traded",
    ),
    "a clip of nothing": (
        "",
        {"a": ONE + '\nalgo = "twap"\noptions = { minutes = 1, clip = -1 }'},
        "clip is above 0, not -1",
    ),
    "a limit of nothing": (
        "",
        {"a": ONE + '\nalgo = "twap"\noptions = { minutes = 1, limit = 0 }'},
        "limit is above 0, not 0",
    ),
    "a member's key": ("", {"a": ONE + "\nfoo = 1"}, "unknown key `foo` at portfolio.strategies.a.foo"),
    "a member's type": ("", {"a": ONE, "b": ONE + "\nshare = 'x'"}, "at portfolio.strategies.b.share"),
    "no time for twap": ("", {"a": ONE + '\nalgo = "twap"'}, "twap needs minutes="),
    "an option's value": ("", {"a": ONE + '\nalgo = "twap"\noptions = { minutes = -1 }'}, "minutes is above 0"),
    "an option's name": ("", {"a": ONE + '\nalgo = "join"\noptions = { minuts = 1 }'}, "no option 'minuts'"),
    "an age": ("", {"a": ONE + '\nalgo = "join"\noptions = { age = "x" }'}, "not a period"),
    "a key": ("bands = 1.0", {"a": ONE}, "unknown key `bands`"),
    "nobody": ("", {}, "no strategies"),
}


@pytest.mark.parametrize("rule", VIOLATIONS)
def test_each_violation_is_refused_with_its_line_and_both_sides(tmp_path, rule):
    text, members, words = VIOLATIONS[rule]
    with pytest.raises(BadConfig) as caught:
        portfolio(tmp_path / "p", text, **members)
    assert words in str(caught.value) and "portfolio.toml:" in str(caught.value)


@pytest.mark.parametrize("scheme", ["mean_variance", "hierarchical"])
def test_weights_of_a_library_that_is_not_there_are_refused_with_the_file(tmp_path, scheme):
    if find_spec("skfolio") is None:
        with pytest.raises(NotAvailable, match=f"weights '{scheme}' without skfolio"):
            portfolio(tmp_path / "p", f'weights = "{scheme}"', a=ONE)
    else:
        portfolio(tmp_path / "p", f'weights = "{scheme}"', a=ONE)


def test_a_subscription_beside_the_file_is_refused_with_both_sides(tmp_path):
    made = portfolio(tmp_path / "p", "", a=section("Both", periods=["1m"]))
    with pytest.raises(StrategyError, match=r"a subscribes to .* 5m, and \[portfolio.strategies.a\] says 1m"):
        play(made, market(tmp_path / "t"))
