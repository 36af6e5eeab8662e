"""Agents backtest, sweep and read reports: the official client drives `onetape mcp --offline` over its standard input
and output. The verbs themselves run."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

pytest.importorskip("mcp", reason="the extra mcp is not installed")
from mcp import StdioServerParameters  # type: ignore[import-not-found,unused-ignore]
from mcp.client.client import Client
from mcp.client.stdio import stdio_client

import onetape
from onetape.cli import backtest, sweep
from onetape.cli.run_options import run_options
from worlds.command_lines import CLEAN, answered

HOLD = """
import os
from onetape import Strategy


class Hold(Strategy):
    symbol: str = "x:A/USD"
    size: float = 1

    def on_start(self):
        print("noise on standard output", os.environ.get("ONETAPE_TOKEN"))
        self.subscribe(self.symbol, bars="1m")

    def on_bar(self, bar):
        self.set_target(self.symbol, self.size if bar.close > bar.open else 0)
"""
SLOW = HOLD.replace("self.set_target", "import time; time.sleep(30); self.set_target")
RUN = {"strategy": "hold.py", "data": ["bars.csv"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A strategy and an hour of bars; a secret beside the folder."""
    made = tmp_path / "work"
    made.mkdir()
    rows = [f"{1_704_067_200 + 60 * at},100,102,99,{100 + at % 2},10" for at in range(60)]
    (made / "bars.csv").write_text("\n".join(["time,open,high,low,close,volume", *rows]) + "\n")
    (made / "hold.py").write_text(HOLD)
    (made / "slow.py").write_text(SLOW)
    (tmp_path / "secret.csv").write_text("key,secret\n")
    return made


def with_agent(folder: Path, work: Callable[[Client], Awaitable[Any]], *options: str) -> Any:
    words = ["-m", "onetape", "mcp", "--offline", *options]
    server = StdioServerParameters(
        command=sys.executable, args=words, env={**CLEAN, "ONETAPE_TOKEN": "t"}, cwd=str(folder)
    )

    async def session() -> Any:
        async with Client(stdio_client(server)) as client:
            return await work(client)

    return asyncio.run(session())


def test_a_backtest_a_sweep_and_a_report_are_those_of_the_command_line(folder: Path) -> None:
    async def work(client: Client) -> tuple[Any, ...]:
        tested = await client.call_tool("backtest", {**RUN, "out": "mine", "params": ["size=2"], "cash": "5000 USD"})
        swept = await client.call_tool("sweep", {**RUN, "params": ["size=1,2"], "metric": "pnl", "out": "many"})
        return tested, swept, await client.call_tool("report", {"run": "mine", "parts": ["statistics", "facts"]})

    tested, swept, report = with_agent(folder, work)
    assert not tested.is_error and json.loads(tested.content[0].text) == tested.structured_content
    line = ("hold.py", "--data", "bars.csv", "--param", "size=2", "--cash", "5000 USD", "--out", "own")
    plain = answered(folder, "backtest", *line)
    found = tested.structured_content
    assert found.keys() == plain.keys() and found["action_hash"] == plain["action_hash"]
    assert (swept.structured_content["done"], swept.structured_content["failed"]) == (2, 0)
    run = onetape.open(found["run"])
    value = report.structured_content
    assert value.keys() == {"run", "page", "title", "currency", "statistics", "facts"}
    assert value["statistics"]["fills"] == run.stats["fills"] > 0
    assert Path(value["page"]).is_file()


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("backtest", {**RUN, "data": ["../secret.csv"]}, "agents use files of one folder"),
        ("backtest", {**RUN, "data": ["link.csv"]}, "agents use files of one folder"),
        ("backtest", {**RUN, "latency": ["x=../secret.csv"]}, "agents use files of one folder"),
        ("backtest", {**RUN, "data": [".onetape/operator"]}, "agents use files of one folder"),
        ("backtest", {**RUN, "out": "../elsewhere"}, "agents use files of one folder"),
        ("backtest", {**RUN, "strategy": "../other.py"}, "agents use files of one folder"),
        ("backtest", {**RUN, "strategy": "os:system"}, "no file of a strategy"),
        ("backtest", {**RUN, "strategy": "--report=x.py"}, "no file of a strategy"),
        ("backtest", {**RUN, "force": True}, "unknown fields force"),
        ("backtest", {**RUN, "symbol": "--force"}, "symbol"),
        ("backtest", {**RUN, "fuse": "yes"}, "not true or false"),
        ("backtest", {**RUN, "cash": "lots"}, "INVALID_AMOUNT"),
        ("backtest", {**RUN, "seconds": 1e9}, "at most 3600"),
        ("backtest", {"strategy": "slow.py", "data": ["bars.csv"], "seconds": 3}, "not done after 3 s, and ended"),
        ("report", {"run": "nobody"}, "there is no run"),
        ("report", {"run": "../secret.csv"}, "agents use files of one folder"),
        ("report", {"run": "x", "parts": ["all"]}, "unknown parts"),
        ("hedge_execute", {}, "no tool"),
    ],
)
def test_what_is_refused_is_one_answer(folder: Path, tool: str, arguments: dict[str, Any], says: str) -> None:
    (folder / "link.csv").symlink_to(folder.parent / "secret.csv")
    (folder.parent / "other.py").write_text(HOLD)
    (folder / ".onetape").mkdir()
    (folder / ".onetape" / "operator").write_text("token")
    began = time.monotonic()

    async def work(client: Client) -> Any:
        return await client.call_tool(tool, arguments)

    answer = with_agent(folder, work)
    assert answer.is_error and says in answer.content[0].text
    assert "key,secret" not in answer.content[0].text
    assert time.monotonic() - began < 25
    assert not any("slow.py" in words for words in _command_lines())


def _command_lines() -> list[str]:
    found = []
    for each in Path("/proc").iterdir() if os.path.isdir("/proc") else ():
        if each.name.isdigit() and (each / "cmdline").exists():
            try:
                found.append((each / "cmdline").read_text())
            except OSError:  # it has ended meanwhile
                continue
    return found


def test_read_only_runs_no_strategy(folder: Path) -> None:
    async def work(client: Client) -> list[str]:
        return [each.name for each in (await client.list_tools()).tools]

    assert with_agent(folder, work, "--read-only") == ["report"]
    assert with_agent(folder, work) == ["backtest", "sweep", "report"]


def test_schemas_have_the_options_of_the_verbs(folder: Path) -> None:
    async def work(client: Client) -> Any:
        return (await client.list_tools()).tools

    shared = {each.name for each in run_options(lambda: None).__click_params__}  # type: ignore[attr-defined]
    for tool in with_agent(folder, work):
        schema = tool.input_schema
        jsonschema.Draft202012Validator.check_schema(schema)
        assert set(schema["required"]) <= set(schema["properties"])
        if tool.name != "report":
            command = backtest.command if tool.name == "backtest" else sweep.command
            assert shared <= set(schema["properties"]) <= {each.name for each in command.params} | {"seconds"}
            assert schema["required"] == ["strategy", "data"]
            assert not {"force", "report", "home", "config", "backend"} & set(schema["properties"])
