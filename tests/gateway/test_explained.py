"""`onetape accounts --explain`: of a real gateway's tape, exact, and a name that nobody has."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exchange.venue_client import served
from onetape.gateway.explained import explained
from onetape.ipc.operator import send_command
from onetape.model.config import parse_config
from onetape.model.enums import Side
from onetape.model.errors import UnknownSubaccount
from waiting import wait_for
from worlds.gateway_process import GatewayProcess, Robot

CONFIG = """
[venues.here]
kind = "kraken"
[accounts.main]
venue = "here"
subaccounts = { a = 2 }
"""
FOREVER = {"since": 0, "until": 2**63 - 1}


def test_every_unit_of_a_sub_account_has_a_name(tmp_path):
    home, config = tmp_path / "home", parse_config(CONFIG)
    with served("kraken", seed=4, limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        gateway = GatewayProcess("kraken", home, port, account, venue="here", subaccounts={"a": 2})
        gateway.start()
        fields = {"currency": "usd", "index": 2, "amount": 5000}
        (answer,) = send_command(home, "gateway:main", "allocate", fields, "one")
        assert answer["status"] == "applied"
        robot = Robot(tmp_path / "robot", gateway, 1, subaccount="a")
        for done, side in enumerate((Side.BUY, Side.SELL, Side.BUY), 1):
            robot.place(side, 0)
            wait_for(lambda done=done: gateway.ask("status")["booked"] >= done)
        gateway.kill()
        robot.writer.close()
    (btc, usd) = sorted(explained(home, config, "a", **FOREVER), key=lambda row: row["currency"])
    assert usd["commands"] == "5000"
    assert Decimal(usd["fees"]) < 0
    names = ("opening", "commands", "trades", "fees")
    assert sum(Decimal(usd.get(name, "0")) for name in names) == Decimal(usd["closing"])
    assert (usd["rest"], btc["rest"]) == ("0", "0")
    assert Decimal(btc["closing"]) == Decimal(btc["trades"]) == Decimal("0.01")
    assert len(usd["frames"]["trades"]) == len(account.trades)
    with pytest.raises(UnknownSubaccount, match="'z'"):
        explained(home, config, "z", **FOREVER)
