"""A gateway whose own work fails, whichever part of it: its process ends with a failing status, is
started again at once, is told of once, and the books are the exchange's."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from command_lines import CLEAN
from supervised import ALLOCATE, Home

from onetape.services.alert_watch import told_alerts
from onetape.services.live import GatewayClient

AGAIN_WITHIN_S = 10.0
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
# In the server that gateways are copied from: a task that finds its name in a file raises.
PLANTED = """
import sys
if "onetape.services.fork_server_main" in sys.orig_argv:
    import asyncio, os
    from pathlib import Path
    from onetape.services.gateway_tasks import GatewayTasks
    keep = GatewayTasks.keep
    def planted(self, name, work):
        file = Path(os.environ["PLANTED"])
        async def raises():
            while not (file.exists() and file.read_text() == name):
                await asyncio.sleep(0.02)
            file.unlink()
            raise ValueError(f"planted in {name}")
        async def first():
            done, left = await asyncio.wait(
                [asyncio.ensure_future(work), asyncio.ensure_future(raises())],
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                task.result()
        keep(self, name, first())
    GatewayTasks.keep = planted
"""
TASKS = ("tick", "clock", "market", "account", "order entry", "socket")


def test_a_gateway_that_raises_in_any_of_its_tasks_runs_again(tmp_path: Path, monkeypatch) -> None:
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
        for count, task in enumerate(TASKS, 1):
            before = home.process("gateway:main")
            plant.write_text(task)
            home.wait_for(lambda n=count: home.process("gateway:main")["restarts"] == n)
            began = time.monotonic()
            home.wait_for(lambda: home.process("gateway:main")["state"] == "running")
            assert time.monotonic() - began < AGAIN_WITHIN_S
            assert home.process("gateway:main")["pid"] != before["pid"]
            assert f"planted in {task}" in home.log()
            many = len(home.fills())
            home.wait_for(lambda n=many: len(home.fills()) > n)  # the robot trades on
        told = [a for a in told_alerts(home.home, 100) if a["subject"] == "gateway:main"]
        ended = Counter(a["severity"] for a in told if "planted" in a["message"])
        assert sum(ended.values()) + sum(a["more"] for a in told) == len(TASKS)
        gateway = GatewayClient(home.home, "main")
        gateway.ask("reconcile")
        home.wait_for(lambda: not gateway.ask("status")["reconciling"])
        assert gateway.ask("status")["differences"] == []
