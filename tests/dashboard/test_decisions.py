"""What a robot decided and why it placed no order, from the journal of a real run and from what processes say."""

from __future__ import annotations

import asyncio
import re
import shutil
from decimal import Decimal

import msgspec
import pytest
from test_past import onetape

from onetape.dashboard import decisions as decisions_module
from onetape.dashboard.decisions import Decisions
from onetape.dashboard.processes import blocked
from onetape.dashboard.trials import Trials
from onetape.model.errors import BadInput
from onetape.runs.attribution import attribution_of
from onetape.runs.tca import costs_of
from onetape.tape.journal import JournalWriter

DECIDES = """
from onetape import Strategy


class Decides(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.seen = 0
        self.subscribe(self.symbol, bars="1m")

    def on_bar(self, bar):
        self.seen += 1
        signal = self.signal(self.symbol, "buy", bar=self.seen)
        if self.seen % 3 == 1:
            self.set_target(self.symbol, 0.01 * self.seen, signal=signal)
        if self.seen % 3 == 2:
            self.set_target(self.symbol, 0.01 * (self.seen - 1), signal=signal)
        if self.seen % 5 == 0:
            self.buy(self.symbol, 1000, bar.close)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("decides")
    (made / "decides.py").write_text(DECIDES)
    onetape(made, "sample", "--out", "market.tape", "--events", "60000")
    onetape(made, "backtest", "decides.py", "--data", "market.tape", "--out", "one")
    return made / ".onetape"


def look(home, *words):
    async def work():
        decisions = Decisions(home)
        try:
            return await decisions.topics()["decisions"].make(words)
        finally:
            await decisions.close()

    return asyncio.run(work())


def test_each_signal_has_its_target_and_what_became_of_the_order_or_that_there_was_none(folder):
    found = look(folder, "one")["decisions"]
    assert len(found) >= 15 and [each["at"] for each in found] == sorted((each["at"] for each in found), reverse=True)
    for each in found:
        bar = int(each["facts"].removeprefix("bar "))
        assert each["direction"] == "buy" and each["symbol"] == "binance:BTC/USDT:USDT"
        assert len(each["targets"]) == (bar % 3 != 0)  # a signal may want nothing
        assert len(each["orders"]) == (bar % 3 == 1)  # what is held already takes no order
        if each["orders"]:
            (order,) = each["orders"]
            assert order["state"] == "FILLED" and order["side"] == "buy"
    bought = sum(Decimal(each["orders"][0]["qty"]) for each in found if each["orders"])
    assert bought == Decimal(max((each["targets"][0] for each in found if each["targets"]), key=float))


def test_orders_that_were_refused_are_there_with_code_and_reason(folder):
    refused = look(folder, "one")["refused"]
    assert refused and all(each["state"] == "DENIED" and each["code"] and each["reason"] for each in refused)
    assert {each["qty"] for each in refused} == {"1000.000"}


def test_a_look_after_a_long_pause_reads_no_more_than_a_first_one_does(tmp_path, monkeypatch):
    monkeypatch.setattr(decisions_module, "LOOKED_BACK", 10)
    decisions, folder = Decisions(tmp_path), tmp_path / "one"
    folder.mkdir()
    with JournalWriter(folder / "journal", process="robot:one", durable=False) as writer:
        followed = []
        for count in (5, 5, 30):
            for _ in range(count):
                writer.append("signal", msgspec.msgpack.encode({}), time=1)
            with monkeypatch.context() as patched:
                patched.setattr(decisions_module._Followed, "_signal", lambda self, frame, data: None)
                decisions._read(folder)
            followed.append(decisions._runs["one"])
    assert followed[0] is followed[1] is not followed[2]
    asyncio.run(decisions.close())


@pytest.mark.parametrize("state", ["CANCELED", "EXPIRED", "REJECTED", "ACCEPTED"])
def test_a_fill_that_comes_after_the_end_of_its_order_leaves_its_state(tmp_path, state):
    with JournalWriter(tmp_path / "journal", process="robot:one", durable=False) as writer:
        writer.append("signal", msgspec.msgpack.encode({}), time=1)
        followed = decisions_module._Followed(tmp_path / "journal")
    followed._orders[1] = {"state": state, "filled": 0, "size": 2}
    followed._fill(None, {"order_id": 1, "size": 1})
    wanted = "PARTIALLY_FILLED" if state == "ACCEPTED" else state
    assert followed._orders[1] == {"state": wanted, "filled": 1, "size": 2}
    followed.reader.close()


def test_a_run_that_is_none_is_refused(folder):
    for words in (("../runs/one",), ("none",), ()):
        with pytest.raises(BadInput):
            look(folder, *words)


def test_a_run_that_has_not_ended_is_explained_as_one_that_has(folder):
    """Its file says nothing yet of how far it read."""
    going = shutil.copytree(folder / "runs" / "one", folder / "runs" / "going")
    text = (going / "run.toml").read_text()
    (going / "run.toml").write_text(re.sub(r"last_sequence = \d+", "last_sequence = 0", text))
    costs, made = costs_of(folder / "runs" / "one"), attribution_of(folder / "runs" / "one")
    assert costs.as_json()["parents"] and costs_of(going).as_json() == costs.as_json()
    assert attribution_of(going).as_json()["by_symbol"] == made.as_json()["by_symbol"]

    async def work():
        trials = Trials(folder.parent, folder)
        try:
            found = await trials.topics()["explained"].make(["going"])
            with pytest.raises(BadInput):
                await trials.topics()["explained"].make(["../one"])
        finally:
            await trials.close()
        return found

    found = asyncio.run(work())
    assert found["symbols"] == made.as_json()["by_symbol"] and found["unpriced"] == 0
    assert [each["cause"] for each in found["costs"]][:4] == ["shortfall", "spread", "impact", "delay"]


GATEWAY = {"killed": "", "lease": {"wanted": True, "until_ns": 9}, "unprotected": {}}
HALT = {"scope": "system", "subject": "", "rule": "ban", "accounts": ["a"], "until": 5 * 10**6}
ROBOT = {"state": "running", "status": "started", "accounts": ["a", "b"], "subaccount": "s", "symbols": {"X": {}}}


@pytest.mark.parametrize(
    ("robot", "a", "halts", "words"),
    [
        ({}, {}, [], []),
        ({"state": "failed"}, {}, [], ["its process is failed"]),
        ({"status": "stopped"}, {}, [], ["it was stopped by a command"]),
        ({"status": None}, {}, [], ["it does not answer"]),
        ({}, None, [], ["the gateway of a does not answer"]),
        ({}, {"killed": "by\nhand"}, [], ["the kill switch of a is on: by hand"]),
        ({}, {"lease": {"wanted": True, "until_ns": 1}}, [], ["no guardian watches a"]),
        ({}, {"lease": {"wanted": False, "until_ns": 0}}, [], []),
        ({}, {"unprotected": {"X": 1}}, [], ["X at a has no stops"]),
        ({}, {}, [{}], ["halt of system: ban"]),
        ({}, {}, [{"accounts": ["c"]}], []),
        ({}, {}, [{"scope": "strategy", "subject": "s"}], ["halt of strategy s: ban"]),
        ({}, {}, [{"scope": "strategy", "subject": "other"}], []),
        ({}, {}, [{"scope": "symbol", "subject": "X"}], ["halt of symbol X: ban"]),
        ({}, {}, [{"scope": "symbol", "subject": "Y"}], []),
    ],
)
def test_why_a_robot_opens_nothing(robot, a, halts, words):
    gateways = {"a": a if a is None else GATEWAY | a, "b": GATEWAY}
    found = blocked(ROBOT | robot, gateways, [HALT | each for each in halts], now=5)
    assert [each["text"] for each in found] == words
    assert [each["until"] for each in found] == [5 if each.startswith("halt") else None for each in words]


def test_the_newest_points_of_each_series_that_it_draws_are_there_and_no_more_series_than_a_page_shows(tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    with JournalWriter(folder / "journal", process="robot:one", durable=False) as writer:
        for number in range(decisions_module.POINTS_KEPT + 3):
            said = {"name": "a", "value": number if number % 2 else None}
            writer.append("plot", msgspec.msgpack.encode(said), time=number * 10**6)
        for number in range(decisions_module.PLOTS_KEPT + 5):
            writer.append("plot", msgspec.msgpack.encode({"name": f"s{number}", "value": 1.5}), time=10**12)
    plots = Decisions(tmp_path)._read(folder)["plots"]
    assert [each["name"] for each in plots] == ["a", *(f"s{n}" for n in range(decisions_module.PLOTS_KEPT - 1))]
    points = plots[0]["points"]
    assert len(points) == decisions_module.POINTS_KEPT and points[:2] == [(3, 3), (4, None)]
