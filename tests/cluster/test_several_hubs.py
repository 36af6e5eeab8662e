"""A hub on several hosts: a host reads its own one, others the first that is there. Recorders of two hosts."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from onetape.store.records import HOME_ID
from waiting import wait_for
from worlds.cluster_homes import ACCOUNT, ClusterHomes
from worlds.supervised import Home

pytest.importorskip("nats", reason="NOT_AVAILABLE: nats-py is not installed")
CONFIG = f"""
[hosts.desk]
processes = ["hub", "recorder"]
[hosts.main]
processes = ["gateway:*", "collector:*"]
[hosts.spare]
processes = ["hub", "recorder"]
[hosts.trade]
processes = ["robot:*"]
{ACCOUNT}
[collectors.tick]
venue = "x"
[hub]
[recorder]
url = "sqlite:///$FOLDER/shared.db"
[robots.mm]
strategy = "maker.py"
account = "main"
"""


def query(folder: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "shared.db")) as connection:
        return connection.execute(statement).fetchall()


def writer(folder: Path) -> str:
    """Returns the recorder that writes."""
    return next(
        (holder for name, holder in query(folder, "SELECT name, holder FROM record_lease") if name != "home"), ""
    )


def alerts(home: Home) -> set[str]:
    return {row["subject"] for row in home.run("alerts")}


def test_a_robot_goes_on_with_the_hub_of_another_host(tmp_path):
    with ExitStack() as stack:
        config = CONFIG.replace("$FOLDER", str(tmp_path))
        world = ClusterHomes(tmp_path, stack, config, ("desk", "main", "trade", "spare"))
        desk, main, trade, spare = world.homes.values()
        for home in (desk, spare):
            home.home.mkdir()
            (home.home / HOME_ID).write_text("a" * 32)  # both write to one database
        world.up()
        world.trades(3)
        first = writer(tmp_path)
        shown = trade.home / "journal" / "hub"
        assert shown.resolve().parts[-3] == "desk"  # it began first
        for home in (desk, spare):
            assert not (home.home / "journal" / "hub").is_symlink()
            assert home.process("hub")["state"] == "running"
            assert home.run("send", "hub", "status")["status"] != "refused"  # its own
        desk.kill_all()
        wait_for(lambda: "host:desk" in alerts(main), world.said)
        wait_for(lambda: shown.resolve().parts[-3] == "spare", world.said)
        world.trades(3)
        wait_for(lambda: writer(tmp_path) not in ("", first), world.said)
        assert "host:desk" not in alerts(spare) | alerts(trade)  # the first of those that are there alerts
        (held,) = trade.run("positions")
        assert held["alive"] and held["price"]  # its gateway runs, and the hub has the market
        trade.run("down")
        wait_for(lambda: ("trade", "down") in {(row["host"], row["state"]) for row in spare.run("status")["hosts"]})
        world.check_books(main)
        fills = Counter(str(trade.fill.trade_id) for trade in world.account.trades)
        wait_for(
            lambda: Counter(str(each) for (each,) in query(tmp_path, "SELECT trade_id FROM record_fills")) == fills,
            world.said,
        )
        main.run("down")
        spare.run("down")
