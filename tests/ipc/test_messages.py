"""What is published of events and commands is what is written and printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onetape.ipc.message_page import OTHER_NAMES, messages, page
from onetape.ipc.messages import COMMANDS
from onetape.model.enums import EventType
from onetape.tape.inspect import cat, ls
from onetape.tape.messages import COLD, event_schemas
from onetape.tape.schema import built_in
from waiting import wait_for
from worlds.stream_feeds import ZeroMqFeed
from worlds.supervised import CONFIG, Home

jsonschema = pytest.importorskip("jsonschema", reason="NOT_AVAILABLE: jsonschema is not installed")
REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
CHAPTER = {
    "data",
    "new_order",
    "cancel_order",
    "new_reply",
    "cancel_reply",
    "trade_reply",
    "timer",
    "control",
    "session_status",
    "system",
}
STREAMS = """
streams = ["feed"]
[collectors.feed]
kind = "zeromq"
address = "{}"
[hub]
"""
RESTLESS = """
from onetape import Strategy


class Restless(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True, bars="1s@mid")
        self.set_timer("beat", every="1s")
        self.n = 0

    def on_quote(self, quote):
        self.n += 1
        self.memory["n"] = self.n
        if self.n % 10 == 1:
            self.buy(self.symbol, 0.01, quote.bid - 100)
        if self.n % 10 == 5:
            self.cancel_all()
        if self.n % 10 == 9:
            (self.buy if self.n % 20 == 9 else self.sell)(self.symbol, 0.01)

    def on_event(self, event):
        self.log("heard", level="warning", data=event["data"])
"""


def validators() -> dict:
    return {name: jsonschema.Draft202012Validator(each) for name, each in event_schemas().items()}


def check(path: Path, found: dict) -> dict[str, set[str]]:
    """Every line of a tape, as `journal cat --jsonl` prints it; the keys of each type."""
    keys: dict[str, set[str]] = {}
    for record in cat(path):
        line = json.loads(json.dumps(record, default=str))
        error = next(found[line["type"]].iter_errors(line), None)
        assert error is None, (str(path), line, error.message)
        keys.setdefault(line["type"], set()).update(line)
    return keys


def test_the_published_schemas_are_those_of_the_code():
    assert (REFERENCE / "messages.md").read_text() == page(), "python tools/make_messages.py"
    assert json.loads((REFERENCE / "messages.json").read_text()) == messages()
    for schema in (*messages()["events"].values(), *messages()["commands"].values()):
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_event_and_every_word_of_the_chapter_is_there():
    assert set(event_schemas()) == {str(each) for each in EventType}
    colds = {schema.name for schema in built_in().values() if not schema.fixed}
    assert set(COLD) == colds - {"instrument"}
    assert {there for there, _ in OTHER_NAMES} == CHAPTER


def test_a_line_that_lacks_something_or_says_it_wrong_is_refused(sample):
    found = validators()
    line = json.loads(json.dumps(next(iter(cat(sample, types=["quote"])))))
    assert found["quote"].is_valid(line)
    assert not found["quote"].is_valid({**line, "bid": 1.5})
    assert not found["quote"].is_valid({**line, "type": "trade"})
    assert not found["quote"].is_valid({key: value for key, value in line.items() if key != "ask"})
    assert not found["trade"].is_valid({**line, "type": "trade"})


def test_a_generated_market_keeps_its_schemas(sample):
    assert {"instrument", "quote", "trade", "book", "bar", "mark"} <= set(check(sample, validators()))


def test_all_that_a_system_writes_and_answers_is_as_published(tmp_path: Path):
    """Every journal of a home that trades; every command that its processes know."""
    feed = ZeroMqFeed(tmp_path)
    try:
        with Home(tmp_path, "[guardian]\n" + CONFIG + STREAMS.format(feed.address), RESTLESS) as home:
            home.run("up")
            home.run("send", "gateway:main", "allocate", "strategy=a", "currency=USDT", "amount=20000", "index=2")
            wait_for(lambda: feed.followed(""))
            feed.publish("x", {"type": "mood", "seq": 1, "score": 0.5})
            feed.publish("x", {"type": "mood", "seq": 3, "score": 0.5})
            feed.publish("x", b"?")
            answers = [home.run("send", "robot:mm", "stop"), home.run("send", "robot:mm", "start")]
            home.wait_for(lambda: len(home.fills()) > 2)
            answers += _ask_what_there_is(home)
            home.run("down")
            found, keys = validators(), {}
            for each in ls(tmp_path / ".onetape"):
                for name, there in check(Path(each.path), found).items():
                    keys.setdefault(name, set()).update(there)
    finally:
        feed.end()
    answered = jsonschema.Draft202012Validator(messages()["answer"])
    for each in answers:
        answered.validate(each)
    used = {"health", "params", "command", "reply", "external", "input", "log", "memory", "entry",
            "balance", "order_request", "order_event", "fill", "quote", "trade"}  # fmt: skip
    assert used <= set(keys)
    for name in set(keys) & set(COLD) - {"memory"}:  # nothing is written that is not published
        assert keys[name] <= set(event_schemas()[name]["properties"]), name


def _ask_what_there_is(home: Home) -> list[dict]:
    """A process names its commands to who asks for another, and a command its fields."""
    answers = []
    processes = {
        "robot": "robot:mm",
        "gateway": "gateway:main",
        "supervisor": "supervisor",
        "collector": "collector:feed",
        "hub": "hub",
        "guardian": "guardian",
    }
    for kind, commands in COMMANDS.items():
        answer = home.run("send", processes[kind], "frobnicate", code=2)
        answers.append(answer)
        there = answer["error"]["message"].rpartition("knows no command 'frobnicate', ")[2]
        names = {name for name in there.split(", ") if not name.endswith("_strategy_balance")}
        assert names == set(commands), kind
        for name, fields in commands.items():
            if fields is not None and name != "save":
                answer = home.run("send", processes[kind], name, "bogus=1", code=2)
                answers.append(answer)
                takes = ", ".join(fields) or "nothing"
                assert f"{name} takes {takes}, not bogus" in answer["error"]["message"]
    return answers
