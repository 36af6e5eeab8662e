"""Robots and gateways that read the hub: real processes against a simulated exchange. Its market
comes from collectors, which are frozen and killed; robots trade on, and their runs are repeated."""

from __future__ import annotations

import os
from pathlib import Path

from onetape.engine.incarnations import incarnations_of
from onetape.gateway.client import GatewayClient
from onetape.gateway.options import gateway_journal
from onetape.hub.options import hub_journal
from onetape.robot.options import run_journal
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.supervised import ALLOCATE, CONFIG, MAKER, Home

BTC, ETH = "binance:BTC/USDT:USDT", "binance:ETH/USDT:USDT"
HUB = f"""
[collectors.a]
kind = "venue"
venue = "x"
symbols = ["{BTC}"]
[collectors.b]
kind = "venue"
venue = "x"
transport = "rest"
symbols = ["{BTC}"]
[hub]
"""
TRADER = MAKER.replace(
    "    def on_timer",
    """    def on_health(self, health):
        self.log("health", kind=health.kind, subject=health.subject, state=health.state)

    def on_order(self, order):
        self.log("order", state=order.state, code=order.code, reason=order.reason, reduces=order.reduce_only)

    def on_timer""",
)


class HubHome(Home):
    """Whose robot's sub-account has money."""

    def begin(self) -> None:
        self.run("up")
        self.run(*ALLOCATE)
        wait_for(self.fills, lambda: (self.asked(), self.log()))

    @property
    def journal(self) -> Path:
        journal = run_journal(self.home, "robot:mm")
        assert journal is not None
        return journal

    def logged(self, text: str) -> list[dict]:
        with JournalReader(self.journal) as reader:
            found = [each.data for each in reader if each.type == "log"]
        return [each["fields"] for each in found if each["text"] == text]

    def verified(self) -> dict:
        return self.run("replay", str(self.journal.parent), "--verify")

    def signal(self, name: str, number: int) -> None:
        os.kill(self.process(name)["pid"], number)

    def market(self) -> dict:
        """As the gateway sees it."""
        return GatewayClient(self.home, "main").ask("status")["market"]


def frames(path: Path, *types: str) -> list:
    with JournalReader(path) as reader:
        return [each for each in reader if each.type in types]


def test_a_robot_trades_on_the_hubs_market_and_its_run_is_repeated(tmp_path: Path):
    with HubHome(tmp_path, CONFIG + HUB, TRADER) as home:
        home.begin()
        wait_for(lambda: len(home.fills()) >= 4)
        assert home.market()["hub"]["symbols"][BTC]["stale"] == ""
        running = home.verified()  # while it goes on
        assert running["divergences"] == 0 and running["actions"] >= 4
        home.run("down")
        assert not frames(gateway_journal(home.home, "main"), "quote", "trade", "mark")
        assert home.verified()["divergences"] == 0
        (life,) = incarnations_of(home.journal)
        assert life.live.market == [BTC]
        plan = home.journal.parent / "run.toml"
        with JournalReader(hub_journal(home.home)) as reader:
            assert reader.uuid.hex in plan.read_text()
