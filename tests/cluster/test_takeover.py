"""One gateway with two hosts: commands and robots of the other host, a host that is killed, and planned moves. In the
end the books are the exchange's."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from long_form import LONG
from onetape.cluster.view import hosts_now
from onetape.model.home import gateway_journal
from onetape.options.gateway import gateway_socket
from onetape.tape.journal import last_written
from waiting import wait_for
from worlds.cluster_homes import ACCOUNT, ClusterHomes
from worlds.nats_hosts import server
from worlds.supervised import Home

pytest.importorskip("nats", reason="NOT_AVAILABLE: nats-py is not installed")
CONFIG = f"""
[hosts.desk]
[hosts.spare]
processes = ["robot:*"]
{ACCOUNT}standby = "spare"
durability = "$DURABILITY"
[robots.mm]
strategy = "maker.py"
account = "main"
"""
GATEWAY = "gateway:main"


class Hosts(ClusterHomes):
    """Two homes, and who holds the lease of the gateway."""

    def __init__(self, folder: Path, stack: ExitStack, durability: str) -> None:
        super().__init__(folder, stack, CONFIG.replace("$DURABILITY", durability), ("desk", "spare"))
        self.desk, self.spare = self.homes.values()
        self.stack = stack

    def holder(self, home: Home) -> str:
        seen = hosts_now(home.home)
        return seen["leases"].get(GATEWAY, {}).get("host", "") if seen is not None else ""


@contextmanager
def hosts(folder: Path, durability: str = "process") -> Iterator[Hosts]:
    with ExitStack() as stack:
        yield Hosts(folder, stack, durability)


def test_a_standby_takes_over_a_killed_hosts_gateway(tmp_path):
    with hosts(tmp_path) as world:
        world.up()
        world.trades(3)
        world.desk.kill_all()
        began = time.monotonic()
        world.trades(3)
        print(time.monotonic() - began)
        assert world.holder(world.spare) == "spare"
        world.spare.run("down")
        world.check_books(world.spare)


def test_without_a_server_the_gateway_ends_and_begins_again_when_one_answers(tmp_path):
    with hosts(tmp_path) as world:
        world.up()
        world.trades(3)
        world.server.kill()
        world.server.wait()
        wait_for(lambda: "NO_LEASE(4313)" in world.desk.log(), world.said)
        wait_for(lambda: world.desk.process(GATEWAY)["state"] != "running", world.said)
        count = len(world.account.by_id)
        time.sleep(1)  # nobody orders meanwhile: there is nothing to wait for
        assert len(world.account.by_id) == count
        world.stack.enter_context(server(tmp_path, world.nats))
        world.trades(3)
        world.spare.run("down")
        last = "desk" if world.holder(world.desk) == "desk" else "spare"
        world.desk.run("down")
        world.check_books(world.desk if last == "desk" else world.spare)


def test_a_gateway_moves_to_its_standby_and_back(tmp_path):
    with hosts(tmp_path) as world:
        world.up()
        world.trades(3)
        answer = world.spare.run("send", GATEWAY, "halts")  # it runs on the other host
        assert answer["status"] == "applied" and answer["process"] == GATEWAY
        moved = world.spare.run("failover", GATEWAY)
        assert (moved["process"], moved["from"], moved["to"], moved["lease"] > 1) == (GATEWAY, "desk", "spare", True)
        world.trades(3)
        wait_for(lambda: gateway_socket(world.desk.home, "main").exists(), world.said)
        answer = world.desk.run("send", GATEWAY, "halts")
        assert answer["status"] == "applied"
        back = world.spare.run("failover", GATEWAY, "--to", "desk")
        assert (back["to"], back["lease"] > moved["lease"]) == ("desk", True)
        world.trades(3)
        standby = world.spare.run("up", "--standby", GATEWAY)
        assert (standby["from"], standby["to"], standby["lease"]) == ("desk", "spare", back["lease"])
        assert world.desk.run("failover", GATEWAY, "--to", "desk", code=2)["error"]["message"].endswith("desk")
        world.spare.run("down")
        world.desk.run("down")
        world.check_books(world.desk)
        assert (
            last_written(gateway_journal(world.desk.home, "main"))[0] == back["lease"]
        )  # the fencing token of its frames


def test_replicated_orders_wait_for_the_standby_and_nothing_is_opened_without_it(tmp_path):
    with hosts(tmp_path, "replicated") as world:
        world.up()
        world.trades(3)
        copying = next(p["pid"] for p in world.spare.now()["processes"] if p["name"] == "cluster")
        os.kill(copying, signal.SIGSTOP)
        try:
            refused = world.desk.run("buy", "binance:BTC/USDT:USDT", "0.01", code=5)
            assert refused["error"]["name"] == "NOT_REPLICATED"
        finally:
            os.kill(copying, signal.SIGCONT)
        world.desk.buy("binance:BTC/USDT:USDT", "0.01")
        world.trades(3)
        world.desk.kill_all()
        wait_for(lambda: world.holder(world.spare) == "spare", world.said)
        world.desk.run("up")  # it is the standby now: without one nothing is opened
        world.trades(3)
        world.desk.run("down")
        world.spare.run("down")
        world.check_books(world.spare)


@pytest.mark.skipif(not LONG, reason="in the long form: make prove WHAT=long")
def test_fifty_takeovers_in_a_row_lose_and_double_nothing(tmp_path, record_property):
    took = []
    with hosts(tmp_path) as world:
        world.up()
        homes = [world.desk, world.spare]
        world.trades(3)
        for _ in range(50):
            name, other = world.holder(world.spare), homes[1] if world.holder(world.spare) == "desk" else homes[0]
            holder = homes[0] if name == "desk" else homes[1]
            wait_for(lambda other=other, name=name: world.holder(other) == name, world.said)
            wait_for(lambda other=other: is_copied(other), world.said)
            began = time.monotonic()
            holder.kill_all()
            wait_for(lambda other=other, name=name: world.holder(other) not in ("", name), world.said)
            wait_for(lambda other=other: gateway_socket(other.home, "main").exists(), world.said)
            took.append(time.monotonic() - began)
            holder.run("up")
            world.trades(1)
        last = world.desk if world.holder(world.desk) == "desk" else world.spare
        for home in homes:
            home.run("down")
        world.check_books(last)
    record_property("seconds", sorted(took))
    print(f"takeovers: p50 {sorted(took)[25]:.1f} s, longest {max(took):.1f} s")
    assert max(took) < 30


def is_copied(home: Home) -> bool:
    """Whether a standby has all frames of the gateway's journal that its host has announced."""
    seen = hosts_now(home.home)
    return seen is not None and all(row["lag_ms"] in (0, None) for row in seen["hosts"][1:])
