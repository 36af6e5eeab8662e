"""Every choice of a run, asked of every verb: the same effect in backtest, sweep and paper."""

from __future__ import annotations

import inspect
import json
import random
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest
from test_detail_data import STOP_AND_TARGET, UP_FIRST, coarse, minutes

import onetape
from long_form import first_of
from onetape.cli.backtest import command as backtest_command
from onetape.cli.main import run
from onetape.cli.run import command as run_command
from onetape.cli.run_options import run_options
from onetape.cli.sweep import command as sweep_command
from onetape.model.errors import BadConfig
from onetape.replay.replay import replay_run
from onetape.report.sweep_results import open_sweep
from onetape.research.backtest import RARER
from onetape.robot.generated import generated_market
from onetape.robot.paper import PaperOptions, run_paper
from onetape.runs.options import CHOICES, RunOptions
from worlds.tapes import BTC, ETH, Market

SPOT = "binance:BTC/USDT"


def rising(path: Path) -> Path:
    """A minute of quotes that rise by 10 a second, a tick wide."""
    market = Market(path, taker_fee="0.0005", maker_fee="0.0002")
    for second in range(60):
        market.quote(second, 60_000 + 10 * second - 0.1, 60_000 + 10 * second)
    return market.done()


def two(path: Path) -> Path:
    market = Market(path)
    market.add(ETH)
    for second in range(60):
        market.quote(second, 59_999.9, 60_000).quote(second, 2999, 3000, symbol=ETH)
    return market.done()


def crash(path: Path) -> Path:
    market = Market(path, maintenance_rate="0.005", taker_fee="0")
    for second, price in enumerate((60_000, 60_000, 60_000, 54_500, 54_000, 53_000, 53_000)):
        market.mark(second, price).quote(second + 0.5, price - 0.1, price)
    return market.done()


def falling(path: Path) -> Path:
    market = Market(path, taker_fee="0.001")
    for second, price in enumerate((60_000, 60_000, 58_900, 58_800, 58_700, 58_600)):
        market.quote(second, price, price + 0.1)
    return market.done()


def spiked(path: Path) -> Path:
    """One quote of sixty lies far away."""
    market = Market(path)
    for second in range(60):
        middle = 50_000 if second == 40 else 30_000 + second % 3
        market.quote(second, middle - 0.1, middle + 0.1)
    return market.done()


def hour(path: Path) -> Path:
    """A quote a minute from midnight on."""
    market = Market(path)
    for minute in range(60):
        market.quote(60 * minute, 59_999.9, 60_000)
    return market.done()


def spot(path: Path) -> Path:
    market = Market(path, SPOT, taker_fee="0")
    for second in (0, 1, 3600 * 3 + 60):
        market.quote(second, 49_999.99, 50_000)
    return market.done()


def deep(path: Path) -> Path:
    """Depth, then a quote that is newer and wider."""
    market = Market(path, taker_fee="0.01")
    market.book(0, [(100, 5), (99, 5), (98, 5)], [(101, 5), (102, 5), (103, 5)])
    return market.quote(1, 99, 102, 2, 3).quote(9, 99, 102, 2, 3).done()


def joined(path: Path) -> Path:
    """10 at 100, 6 join them, 4 leave, 8 are sold into the rest."""
    market = Market(path).book(0, [(100, 10)], [(102, 5)])
    market.book(1, [(100, 10)], [], snapshot=False).book(2, [(100, 16)], [], snapshot=False)
    market.book(3, [(100, 12)], [], snapshot=False)
    return market.trade(4, 100, 9, "sell").trade(5, 101, 1, "buy").done()


def bars(path: Path) -> Path:
    market = Market(path)
    for number in range(21):
        price = 100 + number
        market.bar((number + 1) * 60, "1m", (price, price + 0.5, price - 0.5, price), 100)
    return market.done()


PLAY = """
from onetape import Strategy, compiled


{decorator}
class Play(Strategy):
    symbol: str = "{symbol}"

    def on_start(self):
        self.subscribe(self.symbol, {feed})
        self.n = 0

    def on_{event}(self, event):
        self.n += 1
        {body}
"""
QUOTES = ("quotes=True", "quote")
BOOK = ("book=True, trades=True", "book")
FILL = "if self.n == 2: self.buy(self.symbol, 1)"


@dataclass(frozen=True)
class Row:
    """option: the flag with its value. base: flags of both runs, with it and without. what: names
    an outcome, which is `without` and `with_it`."""

    option: tuple[str, ...]
    tape: object
    body: str
    what: str
    without: object
    with_it: object
    base: tuple[str, ...] = ()
    symbol: str = BTC
    feed: tuple[str, str] = QUOTES
    decorator: str = ""

    @property
    def code(self) -> str:
        if self.body is STOP_AND_TARGET:
            return STOP_AND_TARGET.replace("class Bracket", "class Play")
        feed, event = self.feed
        return PLAY.format(decorator=self.decorator, symbol=self.symbol, feed=feed, event=event, body=self.body)


def luck(seed: int) -> int:
    source = random.Random(seed)
    return sum(source.random() < 0.2 for _ in range(60))


AT_HALF = "2026-01-01T00:00:30Z"
FACTS, TIERS, DETAIL = "{facts}", "{tiers}", "{detail}"  # files of the test's folder
ROWS = [
    Row(("--symbol", BTC), two, FILL, "events", 120, 60),
    Row(("--from", AT_HALF), rising, FILL, "events", 60, 30),
    Row(("--to", AT_HALF), rising, FILL, "events", 60, 30),
    Row(("--cash", "5000 USDT"), rising, FILL, "denied", 0, 1),
    # The second quote asks 60,010.
    Row(("--fee", "0,0.001"), rising, FILL, "fees", "30.005", "60.01"),
    Row(("--fee-volume", "200000"), rising, FILL, "fees", "30.005", "24.004",
        base=("--instruments", TIERS)),
    Row(("--instruments", FACTS), rising, FILL, "fees", "30.005", "120.02"),
    Row(("--leverage", "10"), rising, "if self.n == 2: self.buy(self.symbol, 5)", "denied", 1, 0),
    # 1 BTC at 60,000 and 10x: 6,000 allotted are gone at 54,000, 100,000 in the account are not.
    Row(("--margin", "isolated"), crash, FILL, "fills", 1, 2, base=("--leverage", "10")),
    Row(("--hedge",), rising, "if self.n == 2: self.buy(self.symbol, 1, position_side='long')",
        "fills", 0, 1),
    # 2.5 s after the second quote the ask is 60,030.
    Row(("--latency", "2500ms"), rising, FILL, "fees", "30.005", "30.015",
        base=("--fee", "0.0005")),
    Row(("--queue", "power:1"), joined,
        "if self.n == 2: self.buy(self.symbol, 1, 100)", "fills", 0, 1, feed=BOOK),
    # 4 of 5 at 101; or 3 at 102 and 1 at 103.
    Row(("--filter",), spiked, "if event.bid > 40_000: self.buy(self.symbol, 1)", "fills", 1, 0),
    Row(("--fuse",), deep, "if self.n == 1: self.buy(self.symbol, 4)", "fees", "4.04", "4.09"),
    Row(("--bar-volume", "5%"), bars, "if self.n == 1: self.buy(self.symbol, 60)", "fills", 2, 12,
        feed=("bars='1m'", "bar")),
    # The fourth minute ends at most at 103.5, the fifth opens at 104.
    Row(("--limit-fills", "at-limit"), bars, "if self.n == 1: self.sell(self.symbol, 1, 103.7)", "fees",
        "0.052", "0.05185", base=("--fee", "0.0005"), feed=("bars='1m'", "bar")),
    # 36 at the open of 112; moves of 1 and 100 traded in each of 12 bars but the first, which has no move:
    # 10 sqrt(11 / 1200) 2/3 sqrt(36) = 3.83.
    Row(("--impact", "coefficient=10"), bars, "if self.n == 12: self.buy(self.symbol, 36)", "fees",
        "2.016", "2.0844", base=("--fee", "0.0005"), feed=("bars='1m'", "bar")),
    # Bought at 100; both a stop at 90 and a target at 110 lie in the third bar.
    Row(("--detail-data", DETAIL), coarse, STOP_AND_TARGET, "pnl", "-10", "10",
        base=("--fee", "0")),
    Row(("--borrow", "USDT=0.0001"), spot, "if self.n == 1: self.buy(self.symbol, 2)", "pnl",
        "0", "-18.00180006",
        base=("--cash", "40000 USDT", "--leverage", "3"), symbol=SPOT),
    Row(("--order-rate", "2/10s"), rising,
        "if self.n == 5: [self.buy(self.symbol, 0.01) for _ in range(3)]", "rejected", 0, 1),
    # Triggered at 58,900 of second 2; 1.5 s later the bid is 58,800.
    Row(("--trigger-delay", "1500ms"), falling,
        "if self.n == 1: self.sell(self.symbol, 1, trigger=59_000)", "fees", "58.9", "58.8"),
    Row(("--closed", "2026-01-01T00:00:20Z..2026-01-01T00:00:30Z"), rising,
        "if self.n == 25: self.buy(self.symbol, 1)", "rejected", 0, 1),
    Row(("--trade", "00:30-00:45"), hour, FILL, "denied", 0, 1),
    Row(("--tz", "Europe/Moscow"), hour, "if self.n == 35: self.buy(self.symbol, 1)", "denied",
        0, 1, base=("--trade", "00:30-00:45")),
    Row(("--seed", "2"), rising,
        "if self.random.random() < 0.2: self.buy(self.symbol, 0.01)", "orders", luck(1), luck(2)),
    Row(("--on-error", "continue"), rising, FILL + "\n        if self.n == 5: 1 / 0", "error",
        "STRATEGY_ERROR", None),
    # What a compiled callback cannot do Python can.
    Row(("--interpret",), rising, FILL + "\n        self.log('seen')", "error",
        "STRATEGY_ERROR", None, decorator="@compiled"),
]  # fmt: skip
OPTIONS = {row.option[0][2:]: row for row in ROWS}
OFTEN = (  # one of each kind of choice: the market, money, orders, its times, its code
    "symbol",
    "from",
    "cash",
    "fee",
    "leverage",
    "hedge",
    "latency",
    "queue",
    "detail-data",
    "order-rate",
    "trade",
    "on-error",
)
NUMBERS = ("orders", "fills", "events", "denied", "rejected", "pnl", "fees", "final_equity", "action_hash")


def backtest(line: list[str], tape: Path, home: Path, capfd) -> dict:
    code = run(
        ["backtest", *line, "--data", str(tape), "--home", str(home), "--json", "--out", "backtest", "--no-stress"]
    )
    return outcome(code, json.loads(capfd.readouterr().out))


def paper(line: list[str], tape: Path, home: Path, capfd) -> dict:
    code = run(["run", *line, "--paper", "--data", str(tape), "--speed", "1e9", "--home", str(home),
                "--json", "--out", "paper"])  # fmt: skip
    return outcome(code, json.loads(capfd.readouterr().out))


def sweep(line: list[str], tape: Path, home: Path, capfd) -> dict:
    assert run(["sweep", *line, "--data", str(tape), "--home", str(home), "--json", "--out",
                "sweep", "--metric", "pnl", "--jobs", "1"]) == 0  # fmt: skip
    capfd.readouterr()
    [row] = map(json.loads, (home / "sweeps" / "sweep" / "results.jsonl").read_text().splitlines())
    found = {name: row[name] for name in NUMBERS} if row["error"] is None else {}
    return {**found, "error": row.get("error_name")}


def outcome(code: int, value: dict) -> dict:
    if "error" in value:
        assert code != 0
        return {"error": value["error"]["name"]}
    assert code == 0
    return {**{name: value[name] for name in NUMBERS}, "error": None}


def same(left: object, right: object) -> bool:
    """Money is text where it is exact and a float in a sweep's row."""
    if isinstance(left, float) or isinstance(right, float):
        return float(left) == pytest.approx(float(right), abs=1e-9)
    return left == right


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    facts, tiers = tmp_path / "facts.toml", tmp_path / "tiers.toml"
    head = f'[[instrument]]\nsymbol = "{BTC}"\ntick = "0.1"\nlot = "0.001"\n'
    facts.write_text(head + 'maker_fee = "0.002"\ntaker_fee = "0.002"\n')
    tiers.write_text(
        head + 'maker_fee = "0.0002"\ntaker_fee = "0.0005"\n'
        'fee_tiers = [{ volume_min = 100000, maker_fee = "0.0001", taker_fee = "0.0004" }]\n'
    )
    detail = minutes(tmp_path / "detail.tape", UP_FIRST)
    return {FACTS: str(facts), TIERS: str(tiers), DETAIL: str(detail)}


@pytest.mark.parametrize("option", first_of(OPTIONS, *OFTEN))
def test_an_option_does_the_same_in_every_verb(tmp_path, files, capfd, option) -> None:
    row = OPTIONS[option]
    code = tmp_path / "play.py"
    code.write_text(row.code)
    tape = row.tape(tmp_path / "a.tape")
    line = [str(code), *(files.get(word, word) for word in row.base)]
    if "--latency" not in row.option:
        line += ["--latency", "0"]
    without = backtest(
        [*line, *(["--latency", "0"] if "--latency" in row.option else [])], tape, tmp_path / "without", capfd
    )
    assert same(without.get(row.what), row.without), without
    line += [files.get(word, word) for word in row.option]
    tested = backtest(line, tape, tmp_path, capfd)
    assert same(tested.get(row.what), row.with_it), tested
    for found in (sweep(line, tape, tmp_path, capfd), paper(line, tape, tmp_path, capfd)):
        assert found.keys() == tested.keys()
        for name, value in tested.items():
            assert same(found[name], value), (name, found)
    for name in ("backtest", "paper"):
        if tested["error"] is None:
            kept = tmp_path / "runs" / name
            assert replay_run(kept, verify=True)["divergences"] == 0


# --- one list, everywhere -------------------------------------------------------------------------


def flags(command) -> dict[str, str]:
    return {each.name: each.opts[0] for each in command.params}


SHARED = {each.name: each.opts[0] for each in run_options(lambda: None).__click_params__}


def test_every_choice_has_one_flag_a_row_above_and_a_place_in_every_verb() -> None:
    assert set(SHARED) == {*CHOICES, "start", "end", "detail_data", "instruments"}
    # These two change statistics and nothing else: tests/report/test_annual.py.
    assert sorted(SHARED.values()) == sorted(["--year", "--riskless", *(row.option[0] for row in ROWS)])
    for command in (backtest_command, sweep_command, run_command):
        assert SHARED.items() <= flags(command).items()


def test_every_choice_is_taken_by_name_in_python(tmp_path, files) -> None:
    """In a sweep as a keyword, in a backtest as one or in `options`."""
    code = tmp_path / "play.py"
    code.write_text(ROWS[0].code)
    tape = rising(tmp_path / "a.tape")
    record = RunOptions(str(code), tape, tmp_path)
    chosen = {name: getattr(record, name) for name in CHOICES}
    found = onetape.sweep(str(code), tape, params={}, home=tmp_path, metric="pnl", jobs=1, **chosen | {"fee": (0, 0)})
    assert found.frame["fees"].to_list() == [0]
    named = {"cash", "fee", "symbol", "latency", "queue", "fuse", "leverage", "seed", "bar_volume"}
    same_run = onetape.backtest(
        str(code),
        tape,
        home=tmp_path,
        report=False,
        **{name: chosen[name] for name in named} | {"fee": (0, 0)},
        options={name: value for name, value in chosen.items() if name not in named},
    )
    assert same_run.stats["action_hash"] == found.frame["action_hash"][0]
    with pytest.raises(BadConfig, match="no option is called 'cash'"):
        onetape.backtest(str(code), tape, home=tmp_path, options={"cash": "1 USDT"})
    with pytest.raises(BadConfig, match="unknown option 'boros'"):
        onetape.sweep(str(code), tape, params={}, home=tmp_path, boros="USDT=0.1")


# Of the command alone: how its words are written, what it shows, and where a strategy's parameters stand.
LINE_ONLY = {"more_data", "params", "json", "config", "debug"}


def test_what_the_command_takes_the_function_in_python_takes_by_the_same_name() -> None:
    keywords = inspect.signature(onetape.backtest).parameters.keys() - {"params", "options"}
    assert keywords | RARER == (flags(backtest_command).keys() - LINE_ONLY) | {"home", "say"}
    assert not keywords & RARER


class Play(onetape.Strategy):
    symbol: str = BTC

    def on_start(self) -> None:
        self.subscribe(self.symbol, quotes=True)
        self.n = 0

    def on_quote(self, quote: object) -> None:
        self.n += 1
        if self.n == 2:
            self.buy(self.symbol, 1, position_side="long")


class Hedger(Play):
    hedge: float = 0.5  # a parameter of its own


def test_an_option_is_a_keyword_where_the_strategy_has_no_parameter_of_its_name(tmp_path) -> None:
    tape = rising(tmp_path / "a.tape")
    page = tmp_path / "page.html"
    run = onetape.backtest(Play, tape, home=tmp_path, hedge=True, margin="isolated", leverage=5, report=page)
    assert (run.stats["fills"], run.facts["money"]["margin"]) == (1, "isolated")
    assert page.is_file()
    own = onetape.backtest(Hedger, tape, home=tmp_path, hedge=0.7, report=False)
    assert (own.stats["fills"], own.facts["params"]["hedge"]) == (0, 0.7)
    both = onetape.backtest(Hedger, tape, home=tmp_path, hedge=0.7, options={"hedge": True}, report=False)
    assert (both.stats["fills"], both.facts["params"]["hedge"]) == (1, 0.7)
    with pytest.raises(BadConfig, match="'hedge' is given twice"):
        onetape.backtest(Play, tape, home=tmp_path, hedge=True, options={"hedge": True})


@pytest.mark.parametrize(
    ("name", "value", "location"),
    [
        ("margin", "portfolio", "--margin"),
        ("on_error", "ignore", "--on-error"),
        ("leverage", -3, "--leverage"),
        ("closed", "2026-01-02", "--closed"),  # one text, not its letters
        ("speed", float("inf"), "--speed"),
        ("speed", float("nan"), "--speed"),
    ],
)
def test_python_s_words_are_checked_too(tmp_path, name, value, location) -> None:
    code = tmp_path / "play.py"
    code.write_text(ROWS[0].code)
    tape = rising(tmp_path / "a.tape")
    with pytest.raises(BadConfig) as problem:
        run_paper(PaperOptions(str(code), tape, tmp_path / "home", **{name: value}))
    assert problem.value.location == location
    assert not (tmp_path / "home").exists()


# --- what makes no sense is refused, never ignored ------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "flag", "says"),
    [
        ("run", "--stress", "a paper run is not repeated"),
        ("run", "--check-lookahead", "no future to look into"),
        ("sweep", "--stress", "no report for a stress test"),
    ],
)
def test_a_flag_that_means_nothing_for_a_verb(tmp_path, capfd, verb, flag, says) -> None:
    paper = ["--paper"] if verb == "run" else []
    line = [verb, "x.py:X", *paper, "--data", "none.tape", flag, "--home", str(tmp_path / "h")]
    assert run([*line, "--json"]) == 2
    error = json.loads(capfd.readouterr().out)["error"]
    assert says in error["message"] and flag in error["message"]
    assert flag not in {option for each in (run_command, sweep_command) for option in each.params}
    assert not (tmp_path / "h").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"detail_data": ["b.tape"]}, "a paper run cannot have finer data"),
        ({"latency": "5ms,feed=recorded"}, "measured on a finished tape"),
        ({"start": AT_HALF}, "the generated market starts now"),
        ({"closed": "soon"}, "closed hours 'soon'"),
        ({"instruments": "gone.toml"}, "gone.toml"),
        ({"closed": "kraken@2026-01-01..2026-01-02"}, "no instrument of venue 'kraken'"),
    ],
)
def test_a_market_that_is_being_made_refuses_what_needs_all_of_it(tmp_path, options, says) -> None:
    code = tmp_path / "play.py"
    code.write_text(ROWS[0].code)
    with pytest.raises(Exception, match=says) as problem:
        run_paper(PaperOptions(str(code), [], tmp_path / "home", seconds=2, **options))
    assert isinstance(problem.value, onetape.model.errors.OnetapeError)
    assert not (tmp_path / "home").exists()


def test_a_growing_tape_takes_the_rules_of_a_venue_and_ends_at_to(tmp_path) -> None:
    code = tmp_path / "play.py"
    code.write_text(
        PLAY.format(decorator="", symbol=BTC, feed="quotes=True", event="quote", body="self.buy(self.symbol, 0.01)")
    )
    with generated_market(tmp_path, [BTC], seed=4, seconds=20, rate=8.0, history_seconds=30) as market:
        end = market.ready_at + 2 * 10**9
        paper = run_paper(
            PaperOptions(
                str(code),
                market.path,
                tmp_path,
                start=market.ready_at,
                end=end,
                order_rate="2/10s",
                report=tmp_path / "page.html",
            )
        )
    assert paper.rejected > 0 and paper.orders > paper.rejected
    assert (tmp_path / "page.html").is_file()
    second = onetape.backtest(
        str(code),
        market.path,
        home=tmp_path,
        start=market.ready_at,
        end=end,
        report=False,
        options={"order_rate": "2/10s"},
    )
    assert second.stats["action_hash"] == paper.action_hash
    assert replay_run(paper.run, verify=True)["divergences"] == 0


# --- kept in a sweep ------------------------------------------------------------------------------


def swept(tmp_path: Path, row: Row, files: dict[str, str], **options) -> Path:
    code = tmp_path / "play.py"
    code.write_text(row.code)
    tape = tmp_path / "a.tape"
    if not tape.exists():
        row.tape(tape)
    options = {"home": tmp_path, "metric": "pnl", "jobs": 1, "out": "s", **options}
    return onetape.sweep(str(code), tape, params={}, **options).path


def test_the_printed_command_repeats_a_variant_with_all_its_options(tmp_path, files, capfd) -> None:
    row = next(row for row in ROWS if row.what == "pnl" and row.option[0] == "--detail-data")
    path = swept(
        tmp_path,
        row,
        files,
        detail_data=files[DETAIL],
        fee="0",
        latency="0",
        cash="20000 USDT",
        closed=["2027-01-01T00:00:00Z..2027-01-02T00:00:00Z,cancel", "2028-01-01..2028-01-02"],
        hedge=False,
        order_rate="300/10s",
        on_error="continue",
        bar_volume="40%",
    )
    kept = open_sweep(path)
    words = shlex.split(kept.command(0))
    assert words.count("--closed") == 2 and "--hedge" not in words
    assert words[words.index("--detail-data") + 1] == files[DETAIL]
    assert run([*words[1:], "--home", str(tmp_path), "--json"]) == 0
    value = json.loads(capfd.readouterr().out)
    assert (value["pnl"], value["fills"]) == ("10", 2)
    assert value["action_hash"] == kept.rows[0]["action_hash"]


def test_a_walk_forward_trades_its_windows_with_detail(tmp_path, files) -> None:
    row = next(row for row in ROWS if row.option[0] == "--detail-data")
    path = swept(tmp_path, row, files, detail_data=files[DETAIL], fee="0", latency="0", walk_forward=("15m", "5m"))
    rows = {row["key"]: row for row in map(json.loads, (path / "results.jsonl").open())}
    # The training window holds the bar that detail decides; its data end with the window.
    assert (rows["train/1/0"]["pnl"], rows["train/1/0"]["fills"]) == (10.0, 2)


def test_a_look_ahead_check_stays_in_the_range_of_the_sweep(tmp_path, files) -> None:
    row = next(row for row in ROWS if row.option[0] == "--seed")
    path = swept(tmp_path, row, files, end=AT_HALF, check_lookahead="all")
    rows = {row["key"]: row for row in map(json.loads, (path / "results.jsonl").open())}
    assert 0 < rows["0"]["orders"] < luck(1)
    assert rows["lookahead/0"]["lookahead"]["decisions"] == rows["0"]["orders"]


@pytest.mark.parametrize("change", ["detail", "options", "curve", "facts"])
def test_a_resumed_sweep_with_other_options_is_refused(tmp_path, files, change) -> None:
    row = next(row for row in ROWS if row.option[0] == "--detail-data")
    curve = tmp_path / "curve.csv"
    curve.write_text("time,request,reply\n00:00,1ms,1ms\n")
    options = {
        "detail_data": files[DETAIL],
        "fee": "0",
        "latency": str(curve),
        "borrow": "USDT=0.0001",
        "instruments": files[FACTS],
    }
    swept(tmp_path, row, files, **options)
    swept(tmp_path, row, files, **options, resume=True)  # as it was: it goes on
    if change == "detail":
        options["detail_data"] = None
        says = "other tapes"
    elif change == "options":
        options["borrow"] = "USDT=0.0002"
        says = "other options: borrow USDT=0.0001, now USDT=0.0002"
    elif change == "curve":
        curve.write_text("time,request,reply\n00:00,2ms,1ms\n")
        says = "another latency curve"
    else:
        Path(files[FACTS]).write_text(Path(files[FACTS]).read_text().replace("0.002", "0.003"))
        says = "other facts in --instruments"
    with pytest.raises(BadConfig, match=says):
        swept(tmp_path, row, files, **options, resume=True)


def test_a_sweep_from_before_an_option_existed_goes_on(tmp_path, files) -> None:
    row = next(row for row in ROWS if row.option[0] == "--cash")
    path = swept(tmp_path, row, files)
    manifest = json.loads((path / "sweep.json").read_text())
    for name in ("borrow", "closed", "hedge"):
        del manifest["options"][name]
    del manifest["latency_hash"], manifest["tapes"][0]["role"]
    (path / "sweep.json").write_text(json.dumps(manifest))
    assert "--borrow" not in open_sweep(path).command(0)
    swept(tmp_path, row, files, resume=True)
    with pytest.raises(BadConfig, match="hedge False, now True"):
        swept(tmp_path, row, files, resume=True, hedge=True)
