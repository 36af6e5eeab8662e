"""Commands to a robot that trades under the supervisor: a parameter is in force from the next quote
on and after a restart, a stopped robot works nothing, and the run is repeated to the bit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import threading
import tomllib
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from onetape.cli.processes import table
from onetape.engine.actions import read_actions
from onetape.engine.robot_commands import commands_of
from onetape.ipc.snapshots import snapshots
from onetape.ipc.system import IPCCommandSystem
from onetape.model.errors import ProcessDown
from onetape.model.home import gateway_journal
from onetape.orders.order_frames import DENIED_FLAG
from onetape.robot.control import saved_file
from onetape.robot.control_tape import robot_journal
from onetape.robot.options import run_journal
from onetape.tape.journal import JournalReader, Record
from worlds.supervised import CONFIG, Home

QUOTER = """
from typing import Annotated

from onetape import Param, Strategy


class Quoter(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    spread_ticks: Annotated[int, Param(min=1, max=500, help="from the mid")] = 300
    size: float = 0.002  # of a quote

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.memory["starts"] = self.memory.get("starts", 0) + 1

    def on_quote(self, quote):
        tick = float(self.instrument(self.symbol).tick)
        away = self.spread_ticks * tick
        held = self.position(self.symbol).qty
        asks = [(quote.mid + away, self.size)] if held >= self.size else []
        bids = [(quote.mid - away, self.size)] if held < 0.02 else []
        self.set_quotes(self.symbol, bids, asks)
"""
PARAMS = "params = { spread_ticks = 200 }\n"
SEND = ("send", "robot:mm")


def records(path: Path, *names: str) -> list[dict]:
    with JournalReader(path) as reader:
        return [msgspec.msgpack.decode(frame.payload) for frame in reader.frames(names)]


def shown(home: Home) -> dict:
    """Of the robot, as the operator asks."""
    return home.run(*SEND, "status")["result"]["strategies"][0]


def journal(home: Home) -> Path:
    path = run_journal(home.home, "robot:mm")
    assert path is not None
    return path


def away(home: Home, quote: dict) -> float:
    """From the mid to the newest quote, in ticks of 0.1."""
    actions = read_actions(journal(home)).columns
    placed = [int(p) for k, p in zip(actions["kind"], actions["price"], strict=True) if k == 1]
    return abs((quote["bid"] + quote["ask"]) / 2 - placed[-1] / 10) / 0.1


def test_what_the_operator_says_holds_from_the_next_quote_and_after_a_restart(tmp_path: Path):
    with Home(tmp_path, CONFIG + PARAMS, QUOTER) as home:
        home.run("up")
        home.run("send", "gateway:main", "allocate", "strategy=a", "currency=USDT", "amount=20000", "index=2")
        home.wait_for(lambda: shown(home)["orders"] > 0)
        first = shown(home)
        assert first["params"]["spread_ticks"] == {
            "value": 200,
            "default": 300,
            "type": "int",
            "optional": False,
            "min": 1,
            "max": 500,
            "step": 1,
            "choices": None,
            "help": "from the mid",
        }
        assert first["params"]["size"]["help"] == "of a quote"
        assert (first["status"], first["type"]) == ("started", "Quoter") and first["position"] in (0, 0.002)
        assert records(robot_journal(home.home, "mm"), "memory") == [{"starts": 1}]

        [seen] = [p["robot"] for p in home.status()["processes"] if p["kind"] == "robot"]
        assert seen == {
            "status": "started",
            "profit": seen["profit"],
            "currency": "USDT",
            "positions": seen["positions"],
            "orders": seen["orders"],
            "fills": seen["fills"],
        }
        assert abs(Decimal(seen["profit"])) < 1000  # what was allocated is none
        line = next(each for each in table(home.status()).splitlines() if each.startswith("robot:mm  started"))
        assert re.search(r"profit [-+0-9.]+ USDT, holds", line)
        # One robot, by its process's name or its own.
        assert home.run("params", "mm") == home.run("params", "robot:mm") == first["params"]
        assert home.run("send", "mm", "status")["status"] == "applied"

        answer = home.run(*SEND, "params", "spread_ticks=8", "--id", "one")
        assert answer["status"] == "applied"
        assert answer["result"] == {"params": {"spread_ticks": 8}, "was": {"spread_ticks": 200}}
        second = home.run(*SEND, "params", "spread_ticks=8", "--id", "one")
        assert (second["status"], second["result"]) == ("duplicate", answer["result"])
        home.wait_for(lambda: away(home, shown(home)) < 100)  # one is canceled before the next is placed
        refuse(home)

        # Stopped: nothing works, and it stays so after a kill -9.
        assert home.run(*SEND, "params", "size=0.003")["status"] == "applied"
        assert home.run(*SEND, "stop")["status"] == "applied"
        home.wait_for(lambda: home.status()["orders"] == 0)
        run = journal(home).parent
        assert [(each.command, each.fields) for each in commands_of(run / "journal")] == [
            ("params", {"spread_ticks": 8}),
            ("params", {"size": 0.003}),
            ("stop", {}),
        ]
        home.kill("robot:mm")
        now = shown(home)
        assert (now["status"], now["orders"]) == ("stopped", 0)
        assert now["params"]["spread_ticks"]["value"] == 8
        assert home.run(*SEND, "params", "spread_ticks=8", "--id", "one")["status"] == "duplicate"
        assert home.run(*SEND, "start")["status"] == "applied"
        home.wait_for(lambda: shown(home)["orders"] > 0)

        saved = home.run(*SEND, "save")
        section = tomllib.loads(saved_file(home.home, "mm").read_text())["robots"]["mm"]
        assert saved["result"]["params"] == section["params"]
        assert (section["params"]["spread_ticks"], section["subaccount"]) == (8, "a")
        asyncio.run(follow(home))
        run = journal(home).parent
        home.run("down")
        replay = home.run("replay", str(run), "--verify")
        assert (replay["divergences"], replay["actions"] > 0) == (0, True)
        answer = home.run("analyze", str(run), "--db", "sqlite:///x.db")
        assert answer["no_states"] is None and answer["states"] > 10 and answer["events"] > 100

        # The configuration's newer word counts; what it leaves alone stays.
        (tmp_path / "onetape.toml").write_text(CONFIG + PARAMS.replace("200", "50"))
        home.run("up")
        params = shown(home)["params"]
        assert (params["spread_ticks"]["value"], params["size"]["value"]) == (50, 0.003)
        home.run("down")
        check_journal(home)


def refuse(home: Home) -> None:
    """One line and a code each; nothing changes."""
    cases = {
        ("spread=8",): (2, "unknown parameter 'spread'"),
        ("spread_ticks=wide",): (2, "must be int"),
        ("spread_ticks=501",): (2, "at most 500"),
        ("symbol=binance:ETH/USDT:USDT",): (2, "read at the start"),
        ("size=0.5", "spread_ticks=0"): (2, "at least 1"),
        (): (2, "params needs NAME=VALUE"),
    }
    before = len(commands_of(journal(home)))
    for fields, (code, words) in cases.items():
        answer = home.run(*SEND, "params", *fields, code=code)
        assert answer["status"] == "refused"
        assert words in answer["error"]["message"] and "\n" not in answer["error"]["message"]
    assert home.run(*SEND, "dance", code=2)["status"] == "refused"
    assert shown(home)["params"]["size"]["value"] == 0.002
    assert len(commands_of(journal(home))) == before

    async def as_robot() -> None:
        system = IPCCommandSystem("mm", home=home.home)
        system.start()
        assert (await system.send_command("robot:mm", "status")).status == "applied"
        answer = await system.send_command("robot:mm", "stop")
        assert answer.error is not None and answer.error["name"] == "PERMISSION_DENIED"
        system.stop()

    asyncio.run(as_robot())


# Has an order of each timer, each time another one.
TICKER = """
from onetape import Strategy


class Ticker(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="50ms")

    def on_timer(self, name):
        self.memory["fired"] = self.memory.get("fired", 0) + 1
        if (quote := self.quote(self.symbol)) is not None:
            self.cancel_all(self.symbol)
            self.buy(self.symbol, 0.002, quote.bid - 1000)
"""


def test_a_robot_that_is_stopped_while_it_hangs_sends_nothing_for_timers_that_fire_late(tmp_path: Path):
    with Home(tmp_path, CONFIG.replace('subaccount = "a"\n', ""), TICKER) as home:
        home.run("up")
        home.wait_for(lambda: shown(home)["orders"] > 0)
        tape, run = gateway_journal(home.home, "main"), journal(home)

        def wait_for_quotes() -> None:
            before = quotes()
            home.wait_for(lambda: quotes() > before + 10)

        def quotes() -> int:
            with JournalReader(tape) as reader:
                return sum(1 for _ in reader.frames(("quote",)))

        answers: list[dict] = []
        ask = threading.Thread(target=lambda: answers.append(home.run(*SEND, "stop")))
        with home.frozen("robot:mm"):
            wait_for_quotes()
            ask.start()
            wait_for_quotes()
        ask.join()
        assert answers[0]["status"] == "applied"

        def after_stop() -> list[Record]:
            with JournalReader(run) as reader:
                frames = list(reader)
            return frames[next(n for n, each in enumerate(frames) if each.type == "command") :]

        home.wait_for(lambda: sum(each.type == "memory" for each in after_stop()) > 20)  # timers go on
        requests = [each.data for each in after_stop() if each.type == "order_request"]
        assert {each["kind"] for each in requests if not each["flags"] & DENIED_FLAG} <= {"cancel"}
        assert sum(each["flags"] & DENIED_FLAG for each in requests) > 0
        home.wait_for(lambda: home.status()["orders"] == 0)


async def follow(home: Home) -> None:
    """Whoever comes late has all of it at once; the stream ends with the process, loudly."""
    seen = []
    with pytest.raises(ProcessDown):
        async for each in snapshots("robot:mm", home=home.home):
            seen.append(each)
            if len(seen) == 3:
                assert each["strategies"][0]["params"]["size"]["value"] == 0.003
                assert seen[0]["time"] < seen[1]["time"] < each["time"]
                assert seen[0].keys() == each.keys()
                os.kill(home.process("robot:mm")["pid"], signal.SIGKILL)
    home.wait_for(lambda: home.process("robot:mm")["state"] == "running")
    home.wait_for(lambda: shown(home)["orders"] > 0)
    with contextlib.suppress(StopAsyncIteration):
        async for each in snapshots("robot:mm", home=home.home):
            assert each["strategies"][0]["name"] == "mm"
            break


def check_journal(home: Home) -> None:
    """Who asked stands on the journal of the process; a token nowhere."""
    path = robot_journal(home.home, "mm")
    requests = {each["id"]: each for each in records(path, "command")}
    assert (requests["one"]["actor"], requests["one"]["fields"]) == ("operator", {"spread_ticks": "8"})
    assert sum("refused" in each for each in requests.values()) >= 5
    answered = {each["id"]: each["status"] for each in records(path, "reply")}
    assert answered["one"] == "applied"
    token = (home.home / "run" / "tokens" / "operator").read_bytes()
    assert all(token not in segment.read_bytes() for segment in path.glob("*.tape"))
