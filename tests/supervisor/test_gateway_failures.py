"""A gateway whose own work fails, whichever part of it: its process ends with a failing status, is
started again at once, is told of once, and the books are the exchange's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from onetape import feeds, gateway, net
from onetape.clients.gateway import GatewayClient
from onetape.notify.past_alerts import past_alerts
from worlds.command_lines import CLEAN
from worlds.supervised import ALLOCATE, Home

CONFIG = """
[venues.x]
kind = "binance-usdm"
mode = "sim"
[accounts.main]
venue = "x"
subaccounts = { a = 2 }
order_entry = "socket"
[robots.mm]
strategy = "maker.py"
account = "main"
subaccount = "a"
"""
# In the server that gateways are copied from: a task that finds its name in a file raises, and all
# of them leave their names in another one.
PLANTED = """
import sys
if "onetape.supervisor.fork_server_main" in sys.orig_argv:
    import asyncio, os
    from pathlib import Path
    from onetape.net import tasks
    from onetape.gateway.background import GatewayTasks
    keep, watched = GatewayTasks.keep, tasks.watched
    async def planted(name, work):
        file = Path(os.environ["PLANTED"])
        with file.with_name("names").open("a") as names:
            names.write(name + "\\n")
        async def raises():
            while not (file.exists() and file.read_text() == name):
                await asyncio.sleep(0.02)
            file.unlink()
            raise ValueError(f"planted in {name}")
        both = [asyncio.ensure_future(work), asyncio.ensure_future(raises())]
        try:
            done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
        for task in done:
            task.result()
    GatewayTasks.keep = lambda self, name, work: keep(self, name, planted(name, work))
    tasks.watched = lambda work: watched(planted(work.__qualname__, work))
"""
KEPT = ("tick", "clock", "market", "account", "order entry", "socket")
WATCHED = ("AccountFeed._keep_key", "KeptConnections.keep")
# Tasks that are neither kept nor watched, by module: somebody waits for each.
WAITED_FOR = {
    "account_feed": 1,  # the connections of an account, of which the first to end ends all
    "connection": 3,  # what ends a connection, its pings among them
    "depth_feed": 3,  # the book's snapshot, its readers, and its connection
    "market_feed": 2,  # a connection, and its first word
    "query_line": 1,  # a request, in order
    "background": 1,  # the keeper of all others
    "tasks": 1,  # `watched`
}


def test_no_task_of_a_gateway_is_made_whose_error_nobody_hears() -> None:
    made = {}
    for path in [each for package in (feeds, gateway, net) for each in Path(package.__path__[0]).glob("*.py")]:
        found = re.findall(r"\b(ensure_future|create_task)\(", path.read_text(encoding="utf-8"))
        if found:
            made[path.stem] = len(found)
    assert made == WAITED_FOR


@pytest.mark.parametrize("raising", [KEPT, WATCHED], ids=["kept", "watched"])  # of 8 it has enough
def test_a_gateway_that_raises_in_any_of_its_tasks_runs_again(
    tmp_path: Path, monkeypatch, raising: tuple[str, ...]
) -> None:
    planted = tmp_path / "planted"
    planted.mkdir()
    (planted / "sitecustomize.py").write_text(PLANTED)
    monkeypatch.setitem(CLEAN, "PYTHONPATH", str(planted))
    plant = tmp_path / "plant"
    monkeypatch.setitem(CLEAN, "PLANTED", str(plant))
    folder = tmp_path / "home"
    folder.mkdir()
    with Home(folder, CONFIG) as home:
        home.run("up")
        home.run(*ALLOCATE)
        home.wait_for(home.fills)
        for count, task in enumerate(raising, 1):
            before = home.process("gateway:main")
            plant.write_text(task)
            home.wait_for(lambda n=count: home.process("gateway:main")["restarts"] == n)
            home.wait_for(lambda: home.process("gateway:main")["state"] == "running")
            assert home.process("gateway:main")["pid"] != before["pid"]
            assert f"planted in {task}" in home.log()
            many = len(home.fills())
            home.wait_for(lambda n=many: len(home.fills()) > n)  # the robot trades on
        # A new one stands in the list above, and is made to raise as well.
        assert set((tmp_path / "names").read_text().split("\n")) - {""} == {*KEPT, *WATCHED}

        def times() -> int:
            alerts = [a for a in past_alerts(home.home, 100) if a["subject"] == "gateway:main"]
            return sum(("planted" in a["message"]) + a["more"] for a in alerts)

        home.wait_for(lambda: times() >= len(raising))  # a thread of its own tells
        assert times() == len(raising)
        gateway = GatewayClient(home.home, "main")
        gateway.ask("reconcile")
        home.wait_for(lambda: not gateway.ask("status")["reconciling"])
        assert gateway.ask("status")["differences"] == []
