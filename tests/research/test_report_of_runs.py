"""The report of real runs, held against slow counts of their tapes and against other runs."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

import copied_process
import onetape
from onetape.data.sample import write_sample
from onetape.engine.latency import Latency
from onetape.engine.plan import RunPlan, read_plan
from onetape.model.errors import BadConfig, StrategyError
from onetape.research.backtest import BacktestOptions, run_backtest
from onetape.research.stress import drawn_plans, worse_plans
from onetape.runs.market_columns import _are_among
from onetape.tape.journal import JournalReader
from worlds.strategy_files import TAKER, write
from worlds.tapes import records

STOPPER = '''
from onetape import Strategy


class Stopper(Strategy):
    """Holds a position under a stop, and quotes beside it."""

    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.n = 0

    def on_quote(self, q):
        self.n += 1
        if self.n % 50 == 1:
            self.buy(self.symbol, 0.02, tag="enter")
            self.sell(self.symbol, 0.02, trigger=q.bid - 3, reduce_only=True, tag="stop")
        if self.n % 50 == 25:
            self.buy(self.symbol, 0.01, q.bid - 0.5, post_only=True, tag="quote")
        if self.n % 200 == 199:
            self.cancel_all()
'''


@pytest.fixture(scope="module")
def recorded(sample, tmp_path_factory):
    """A run of a taker with cancels, limits and market orders, and one with stops and quotes."""
    home = tmp_path_factory.mktemp("home")
    found = {}
    for name, text in (("taker", TAKER), ("stopper", STOPPER)):
        path = home / f"{name}.py"
        path.write_text(text)
        result = run_backtest(
            BacktestOptions(strategy=str(path), data=[sample], home=home, out=name, latency="3ms,7ms")
        )
        found[name] = (result, json.loads((result.run / "report.json").read_text()))
    return found


def slow_orders(run):
    """What became of each order, by walking the tape once."""
    orders = {}
    with JournalReader(run / "journal") as reader:
        for record in reader:
            data = record.data
            if record.type == "order_request" and data["kind"] == "place":
                orders[data["order_id"]] = {
                    "asked": record.time,
                    "size": data["size"],
                    "filled": 0,
                    "end": None,
                    "answer": None,
                    "fill": None,
                    "since": None,
                    "rests": [],
                }
            elif record.type == "order_event" and data["order_id"] in orders:
                order = orders[data["order_id"]]
                order["answer"] = order["answer"] or record.time
                if data["news"] in ("accepted", "triggered", "updated"):
                    order["since"] = data["ts_event"]
                if data["news"] in ("canceled", "expired", "rejected"):
                    order["end"] = data["news"]
            elif record.type == "fill":
                order = orders[data["order_id"]]
                order["answer"] = order["answer"] or record.time
                order["fill"] = order["fill"] or record.time
                order["filled"] += data["size"]
                if data["liquidity"] == "maker":
                    order["rests"].append((data["ts_event"], data["ts_event"] - order["since"]))
    return orders


def rank(values, part):
    return sorted(values)[max(int(np.ceil(part * len(values))) - 1, 0)]


@pytest.mark.parametrize("name", ["taker", "stopper"])
def test_orders_come_out_as_a_walk_over_the_tape_counts_them(recorded, name):
    result, report = recorded[name]
    slow = slow_orders(result.run)
    words = Counter()
    for order in slow.values():
        if order["filled"] >= order["size"]:
            words["filled"] += 1
        elif order["filled"]:
            words["partly filled"] += 1
        elif order["end"]:
            words[order["end"]] += 1
        else:
            words["denied" if order["answer"] is None else "working"] += 1
    found = {key: value for key, value in report["orders"]["outcomes"].items() if value}
    assert found == dict(words)
    assert sum(found.values()) == result.orders
    requests = [o["answer"] - o["asked"] for o in slow.values() if o["answer"]]
    filled = [o["fill"] - o["asked"] for o in slow.values() if o["fill"]]
    rests = [rest for o in slow.values() for _, rest in o["rests"]]
    for key, times in (
        ("order_to_answer", requests),
        ("order_to_first_fill", filled),
        ("rested_before_maker_fill", rests),
    ):
        assert report["orders"][key]["count"] == len(times)
        assert report["orders"][key]["median"] == pytest.approx(rank(times, 0.5) / 1e6)
        assert report["orders"][key]["p99"] == pytest.approx(rank(times, 0.99) / 1e6)
    # Both ways of the latency: an answer needs 3 ms there and 7 ms back.
    assert report["orders"]["order_to_answer"]["least"] == 10


def test_what_filled_a_resting_order_is_read_off_the_tape(recorded, sample):
    result, report = recorded["taker"]
    times = {record.time for record in records(sample, "trade")}
    moments = [at for o in slow_orders(result.run).values() for at, _ in o["rests"]]
    share = sum(at in times for at in moments) / len(moments)
    assert 0 < share < 1
    assert report["orders"]["maker_fills_by_trade"] == pytest.approx(share)


def test_stops_lie_on_the_chart_as_segments_at_their_level(recorded):
    result, _ = recorded["stopper"]
    page = (result.run / "report.html").read_text()
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found
    stops = json.loads(found[1])["stops"]
    orders = onetape.open(result.run).orders
    levels = orders.filter(orders["trigger"].is_not_null())["trigger"].to_list()
    assert stops["total"] == len(levels) > 5
    assert stops["level"] == pytest.approx(levels)
    assert all(length > 0 for length in stops["to"])


def test_each_fill_carries_the_tag_of_its_order(recorded):
    result, _ = recorded["stopper"]
    page = (result.run / "report.html").read_text()
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found
    shown = json.loads(found[1])["fills"]
    run = onetape.open(result.run)
    tags = dict(zip(run.orders["order"], run.orders["tag"], strict=True))
    expected = [tags[order] for order in run.fills["order"]]
    assert [shown["tags"][place] for place in shown["tag"]] == expected
    assert {"enter", "stop", "quote"} == set(expected)


def test_the_exact_lines_are_the_fills_added_up_again(recorded):
    result, report = recorded["taker"]
    fills = onetape.open(result.run).fills
    taker = fills.filter(fills["liquidity"] == "taker")
    assert 0 < len(taker) < len(fills)
    tick = Decimal("0.1")
    rows = zip(taker["qty"], taker["price"], taker["side"], taker["fee"], strict=True)
    cost = Decimal(0)
    for qty, price, side, fee in rows:
        worse = tick if side == "buy" else -tick
        cost += Decimal(str(qty)) * tick + Decimal(str(fee)) * worse / Decimal(str(price))
    by_name = {each["name"]: each for each in report["stress"]}
    line = by_name["one tick worse on each taker fill"]
    assert line["how"] == "exact"
    assert line["pnl"] == pytest.approx(float(result.pnl - cost), abs=1e-6)
    fees = by_name["fees x1.25"]
    assert fees["pnl"] == pytest.approx(float(result.pnl - result.fees / 4), abs=1e-6)
    assert fees["change"] == pytest.approx(float(-result.fees / 4), abs=1e-6)
    assert fees["part"] == pytest.approx(fees["change"] / abs(float(result.pnl)))


def test_the_re_run_is_the_backtest_that_one_would_run(recorded, sample, tmp_path):
    result, report = recorded["taker"]
    line = next(each for each in report["stress"] if each["name"] == "latency x2")
    assert line["how"] == "re-run"
    other = run_backtest(
        BacktestOptions(
            strategy=str(result.run / "source" / "taker.py"),
            data=[sample],
            home=tmp_path,
            latency="6ms,14ms",
            write_report=False,
        )
    )
    assert Decimal(str(line["pnl"])) == pytest.approx(other.pnl)
    assert line["pnl"] != pytest.approx(float(result.pnl)), "the latency changes this run"


def test_the_back_of_the_queue_is_said_to_be_the_run_itself(recorded):
    _, report = recorded["taker"]
    line = next(each for each in report["stress"] if each["name"] == "back of queue")
    assert line["how"] == "not run" and "the run itself" in line["note"]


def test_without_re_runs_the_report_says_how_to_get_them(sample, tmp_path):
    options = BacktestOptions(strategy=str(write(tmp_path, "taker", TAKER)), data=[sample], home=tmp_path, stress=False)
    result = run_backtest(options)
    report = json.loads((result.run / "report.json").read_text())
    assert {each["how"] for each in report["stress"]} == {"exact"}
    assert "--stress" in report["stress_hint"]
    request = run_backtest(replace(options, stress=True, out="asked"))
    report = json.loads((request.run / "report.json").read_text())
    assert "re-run" in {each["how"] for each in report["stress"]}
    assert report["stress_hint"] is None
    assert request.action_hash == result.action_hash


def test_drawn_latencies_are_backtests_that_one_would_run(sample, tmp_path):
    """One draw is all three quantiles; more of them are what the same backtests by hand give."""
    options = BacktestOptions(
        strategy=str(write(tmp_path, "taker", TAKER)),
        data=[sample],
        home=tmp_path,
        latency="300ms,700ms",
        stress=False,
        latency_draws=5,
    )
    result = run_backtest(options)
    lines = [each for each in result.stress if each.name.startswith("latency drawn")]
    plain = replace(options, latency_draws=0, write_report=False)
    by_hand = []
    for plan in drawn_plans(read_plan(result.run)[0], 5):
        request, reply = plan.latency.request, plan.latency.reply
        assert 150_000_000 <= request <= 600_000_000 and 350_000_000 <= reply <= 1_400_000_000
        by_hand.append(float(run_backtest(replace(plain, latency=f"{request}ns,{reply}ns")).pnl))
    assert len(set(by_hand)) > 1
    low, middle, high = (each.pnl for each in lines)
    assert [low, middle, high] == [sorted(by_hand)[at] for at in (0, 2, 4)]
    assert f"{sum(each < 0 for each in by_hand)} lose" in lines[0].note
    with pytest.raises(BadConfig, match="--latency-draws"):
        run_backtest(replace(options, latency_draws=1001))


def test_draws_that_fail_or_are_stopped_leave_the_others(sample, tmp_path):
    text = TAKER.replace(
        "    def on_start(self):\n",
        "    def on_start(self):\n"
        "        import pathlib\n"
        f"        count = pathlib.Path({str(tmp_path / 'count')!r})\n"
        "        if '/source/' in __file__:\n"
        "            count.write_text(count.read_text() + '.' if count.exists() else '.')\n"
        "            if len(count.read_text()) == 2:\n"
        "                raise ValueError('the second')\n"
        "            if len(count.read_text()) == 5:\n"
        "                raise KeyboardInterrupt\n",
    )
    options = BacktestOptions(
        strategy=str(write(tmp_path, "taker", text)), data=[sample], home=tmp_path, stress=False, latency_draws=9
    )
    lines = [each for each in run_backtest(options).stress if each.name.startswith("latency drawn")]
    assert [each.how for each in lines] == ["re-run"] * 3 and lines[0].pnl < lines[2].pnl
    assert "of 3 re-runs (of 9 wanted; stopped by Ctrl-C)" in lines[0].note
    assert len((tmp_path / "count").read_text()) == 5
    for name, words in ({"latency_draws": 1}, "--latency-draws"), ({"latency_draws": 0, "stress": True}, "--stress"):
        with pytest.raises(BadConfig, match=f"{words} without a report"):
            run_backtest(replace(options, write_report=False, **name))


def test_a_re_run_sees_nothing_that_the_run_left_in_its_module(sample, tmp_path):
    text = TAKER.replace("class Taker", "SEEN = []\n\n\nclass Taker").replace(
        "        self.n = 0\n",
        "        self.n = 0\n        SEEN.append(1)\n        assert len(SEEN) == 1\n        print('started')\n",
    )
    result = run_backtest(
        BacktestOptions(strategy=str(write(tmp_path, "once", text)), data=[sample], home=tmp_path, stress=True)
    )
    assert [each.how for each in result.stress if each.name == "latency x2"] == ["re-run"]


def test_a_re_run_that_fails_says_so_and_the_run_stands(sample, tmp_path):
    text = TAKER.replace(
        "    def on_start(self):\n",
        "    def on_start(self):\n"
        "        import pathlib\n"
        "        flag = pathlib.Path(__file__).with_name('flag')\n"
        "        if 'source' in __file__:\n"
        "            raise ValueError('only once')\n",
    )
    result = run_backtest(
        BacktestOptions(strategy=str(write(tmp_path, "once", text)), data=[sample], home=tmp_path, stress=True)
    )
    line = next(each for each in result.stress if each.name == "latency x2")
    assert (line.how, line.pnl) == ("not run", None)
    assert "only once" in line.note
    assert result.fills and (result.run / "report.html").is_file()


def test_a_latency_is_doubled_and_none_becomes_the_usual_one():
    def first(latency: Latency) -> tuple[str, Latency]:
        name, _, worse = worse_plans(RunPlan(strategy="s.py:S", latency=latency))[0]
        assert worse is not None
        return name, worse.latency

    assert first(Latency(5_000_000, 1_000_000)) == ("latency x2", Latency(10_000_000, 2_000_000))
    assert first(Latency(0, 0)) == ("latency of the default", Latency())
    aged = replace(Latency(), clock="constant", feed=2_000_000, burst_window=1000)
    assert first(replace(aged, request=0, reply=0)) == ("latency of the default", aged)
    (drawn,) = drawn_plans(RunPlan(strategy="s.py:S", latency=replace(aged, request=0, reply=0, burst=500)), 1)
    assert drawn.latency.request and (drawn.latency.clock, drawn.latency.feed) == ("constant", 2_000_000)
    assert 250 <= drawn.latency.burst <= 1000
    curve = Latency(curve=((0, 1, 2), (10, 3, 4)), daily=True)
    assert first(curve)[1].curve == ((0, 2, 4), (10, 6, 8))


def test_another_queue_model_is_put_to_the_back_of_the_queue():
    plan = RunPlan(strategy="x", queue="power")
    (_, _, longer), (name, note, back) = worse_plans(plan)
    assert longer is not None and longer.queue == "power"
    assert back is not None and back.queue == "conservative" and back.latency == plan.latency
    assert name == "back of queue" and "power" in note
    assert worse_plans(RunPlan(strategy="x"))[1][2] is None


def test_assumptions_carry_a_sign_and_where_it_can_be_had_a_size(recorded):
    result, report = recorded["taker"]
    signs = {each["bias"] for each in report["assumptions"]}
    assert signs == {"given", "unknown", "flatters", "hurts"}
    sizes = {each["text"].split(" ")[0]: each["size"] for each in report["assumptions"]}
    assert "of the volume in the data" in sizes["own"]
    assert "latency x2" in sizes["latency"]
    facts = onetape.open(result.run).facts["assumptions"]
    assert len(facts["lines"]) == len(facts["bias"]) == len(facts["size"])


def test_the_page_and_the_json_say_the_same_and_equal_runs_are_equal(recorded, sample, tmp_path):
    result, report = recorded["taker"]
    assert report["statistics"]["pnl"] == float(result.pnl)
    assert report["statistics"]["orders"] == result.orders
    stats = onetape.open(result.run).stats
    for key in ("return", "max_drawdown", "win_rate", "turnover", "maker_share", "exposure"):
        assert key in stats
    second = run_backtest(
        BacktestOptions(
            strategy=str(result.run / "source" / "taker.py"),
            data=[sample],
            home=tmp_path,
            out="taker",
            latency="3ms,7ms",
        )
    )
    other = json.loads((second.run / "report.json").read_text())
    for value in (report, other):
        value["facts"].pop("loop")  # wall time
    assert other == report


def test_the_report_shows_what_the_strategy_raised(sample, tmp_path):
    text = TAKER.replace("        self.n += 1\n", "        self.n += 1\n        1 / (self.n - 99)\n")
    with pytest.raises(StrategyError):
        run_backtest(
            BacktestOptions(strategy=str(write(tmp_path, "broken", text)), data=[sample], home=tmp_path, out="b")
        )
    report = json.loads((tmp_path / "runs" / "b" / "report.json").read_text())
    assert "ZeroDivisionError" in report["failures"][0]


@pytest.mark.parametrize(("flag", "hows"), [("--stress", {"exact", "re-run", "not run"}), ("--no-stress", {"exact"})])
def test_the_command_line_turns_re_runs_on_and_off(flag, hows, sample, tmp_path):
    strategy = write(tmp_path, "taker", TAKER)
    done = copied_process.run("backtest", strategy, "--data", sample, flag, "--home", tmp_path, "--json", check=True)
    assert {each["how"] for each in json.loads(done.stdout)["stress"]} == hows


def test_the_ledgers_drawdown_is_never_less_than_that_of_its_samples(recorded):
    for result, report in recorded.values():
        worst = report["drawdowns"][0]["fraction"] if report["drawdowns"] else 0
        assert report["statistics"]["max_drawdown"] == result.max_drawdown_ratio >= worst - 1e-12


def test_ctrl_c_in_a_re_run_keeps_the_run(sample, tmp_path):
    text = TAKER.replace(
        "    def on_bar(self, bar):\n",
        "    def on_bar(self, bar):\n        if '/source/' in __file__:\n            raise KeyboardInterrupt\n",
    )
    options = BacktestOptions(strategy=str(write(tmp_path, "taker", text)), data=[sample], home=tmp_path, stress=True)
    result = run_backtest(options)
    assert [each.note for each in result.stress if each.how == "not run"] == ["stopped by Ctrl-C"]
    assert result.fills
    assert (result.run / "run.toml").is_file() and (result.run / "report.html").is_file()


def test_the_profits_of_the_instruments_add_up_to_the_runs(recorded):
    for result, report in recorded.values():
        total = sum(each["pnl"] for each in report["symbols"])
        assert total == pytest.approx(float(result.pnl), abs=1e-6)
        days = sum(each["pnl"] for each in report["days"])
        assert days == pytest.approx(float(result.pnl), abs=1e-6)
        assert sum(each["fills"] for each in report["days"]) == result.fills


def test_sizes_of_two_instruments_are_their_own(tmp_path):
    tape = tmp_path / "two.tape"
    symbols = ["binance:BTC/USDT:USDT", "binance:ETH/USDT:USDT"]
    write_sample(tape, events=20_000, seed=3, symbols=symbols)
    result = run_backtest(BacktestOptions(strategy="onetape.strategies.pair:Pair", data=[tape], home=tmp_path))
    report = json.loads((result.run / "report.json").read_text())
    fees = {each["symbol"]: each["fees"] for each in report["symbols"]}
    assert min(fees.values()) > 0
    for symbol, paid in fees.items():
        size = next(each["size"] for each in report["assumptions"] if each["text"].startswith(symbol))
        amount = float(re.search(r"(-[\d.,]+) USDT", size)[1].replace(",", ""))
        assert amount == pytest.approx(-paid / 4, abs=0.006)


@pytest.mark.parametrize("is_sorted", [True, False])
@pytest.mark.parametrize(("times", "wanted"), [(0, 5), (5, 0), (1, 7), (400, 300)])
def test_times_are_found_among_those_of_a_tape_in_any_order(times, wanted, is_sorted):
    source = np.random.default_rng(times)
    there = source.integers(0, 200, times)
    there = np.sort(there) if is_sorted else there
    request = source.integers(-5, 210, wanted)
    assert _are_among(request, there).tolist() == [each in set(there.tolist()) for each in request]
