"""Three simulated exchanges with their gateways under a supervisor, and a desk in this process."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from onetape.control.desk import Desk
from onetape.control.operations import ControlTape
from onetape.figures.views import Views
from onetape.hedge.model import LegView
from onetape.ipc.system import IPCCommandSystem
from onetape.model.errors import OnetapeError
from onetape.model.sections import CONTROL
from onetape.store.config import load_config
from waiting import wait_for

CONFIG = """
[control]
port = 0
[symbols]
BTC-USD = ["aster:BTC/USDT:USDT", "binance:BTC/USDT:USDT", "pacifica:BTC/USDC:USDC"]
[venues.aster]
kind = "aster"
mode = "sim"
[venues.binance]
kind = "binance-usdm"
mode = "sim"
[venues.pacifica]
kind = "pacifica"
mode = "sim"
[accounts.aster-hedge]
venue = "aster"
symbols = ["aster:BTC/USDT:USDT"]
[accounts.binance-backup]
venue = "binance"
symbols = ["binance:BTC/USDT:USDT"]
[accounts.pacifica-main]
venue = "pacifica"
symbols = ["pacifica:BTC/USDC:USDC"]
"""
ACCOUNTS = ("pacifica-main", "aster-hedge", "binance-backup")


class NoAlerts:
    def gate(self, accounts: Sequence[str], reduces: bool) -> None:
        pass


class DeskOf:
    """A desk on a home, as the control plane's process makes it."""

    def __init__(self, folder: Path) -> None:
        home = folder / ".onetape"
        self.views = Views(load_config(folder / "onetape.toml", {}), home)
        self.tape = ControlTape(folder / "desk")  # that of the home is the control plane's own
        self.commands = IPCCommandSystem(CONTROL, home=home)
        self.commands.start()
        self.desk = Desk(self.views, NoAlerts(), home, self.tape, self.commands)

    async def close(self) -> None:
        await self.desk.close()
        self.commands.stop()
        self.views.close()
        self.tape.close()

    def positions(self) -> dict[str, Decimal]:
        self.views.refresh()
        return {each.account: each.position for each in self.views.legs("BTC-USD", ACCOUNTS)}

    def wait(self) -> None:
        """Returns once each account can trade and sees a whole book: its quote comes first, with a level a side."""

        def seen() -> list[LegView]:
            self.views.refresh()
            try:
                return self.views.legs("BTC-USD", ACCOUNTS)
            except OnetapeError:  # what it has is not whole yet
                return []

        def is_whole(leg: LegView) -> bool:
            return not leg.refusal and min(len(leg.bids), len(leg.asks)) > 1

        wait_for(lambda: (legs := seen()) and all(map(is_whole, legs)), seen)
