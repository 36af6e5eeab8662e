"""Collectors on hosts of their own: one hub merges them, and pollers divide what they request."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from exchange.venue_client import served
from onetape.cluster.pollers import PollerLeases
from onetape.feeds.poll_plan import Pollers, Share, holder_of
from onetape.store.shared_counters import SharedLeases
from waiting import wait_for
from worlds.command_lines import command_line
from worlds.nats_hosts import free_port, server
from worlds.supervised import Home

pytest.importorskip("nats", reason="NOT_AVAILABLE: nats-py is not installed")
CONFIG = """
[cluster]
servers = ["nats://127.0.0.1:{nats}"]
host = "{host}"
[hosts.desk]
[hosts.tick-1]
[hosts.tick-2]
[venues.x]
kind = "binance-usdm"
rest = "http://127.0.0.1:{port}"
ws = "ws://127.0.0.1:{port}"
[collectors."tick_*"]
venue = "x"
hosts = "tick-*"
symbols = ["binance:BTC/USDT:USDT"]
[hub]
"""
WELL = {"healthy", "degraded"}  # states of a source that brings the market


def test_a_hub_merges_collectors_of_other_hosts_and_goes_on_without_one(tmp_path):
    nats = free_port()
    with ExitStack() as stack:
        _, port = stack.enter_context(served("binance-usdm", seed=4, limits=False))
        stack.enter_context(server(tmp_path, nats))
        homes: dict[str, Home] = {}
        for name in ("desk", "tick-1", "tick-2"):
            (tmp_path / name).mkdir()
            text = CONFIG.format(nats=nats, port=port, host=name)
            homes[name] = stack.enter_context(Home(tmp_path / name, text))
            homes[name].run("up")

        def states() -> dict[str, str]:
            return {row["source"]: row["state"] for row in homes["desk"].run("feeds")}

        wait_for(lambda: set(states().values()) <= WELL and len(states()) == 2, homes["desk"].log)
        homes["tick-1"].kill_all()
        wait_for(lambda: states()["tick_1"] not in WELL and states()["tick_2"] in WELL, homes["desk"].log)
        hosts = {each["host"]: each["state"] for each in homes["desk"].run("status", "--all")["hosts"]}
        assert hosts["tick-2"] == "up" and "tick-1" in hosts
        wait_for(lambda: {row["host"] for row in lines(homes["desk"])} >= {"desk", "tick-2"}, homes["desk"].log)
        for target in ("supervisor", "supervisor:tick-2"):
            assert homes["desk"].run("send", target, "status")["process"] == target
        homes["tick-1"].run("up")
        wait_for(lambda: states()["tick_1"] in WELL, homes["desk"].log)

        # A changed file: each host applies its part of a new collector.
        more = '[collectors.more]\nvenue = "x"\nhosts = "tick-2"\nsymbols = ["binance:ETH/USDT:USDT"]\n'
        for text, done in ((more, "added"), ("", "removed")):
            for name, home in homes.items():
                (home.folder / "onetape.toml").write_text(CONFIG.format(nats=nats, port=port, host=name) + text)
                its = done if name == "tick-2" else f"{done}: tick-2 runs it"
                assert home.run("up")["applied"] == {"collector:more": its}
            wait_for(lambda is_there=bool(text): (states().get("more") in WELL) == is_there, homes["desk"].log)
            wait_for(lambda: {states()["tick_1"], states()["tick_2"]} <= WELL, homes["desk"].log)


def lines(home: Home) -> list[dict[str, str]]:
    code, reported, said = command_line(["logs", "--all", "--json"], home.folder)
    assert code == 0, (reported, said)
    rows = [json.loads(line) for line in reported.splitlines()]
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    return rows


class Host:
    """A host with one poller."""

    def __init__(self, folder: Path, name: str) -> None:
        self.sent: list[tuple[str, bytes]] = []
        path = folder / name / "run" / "pollers-venue"
        path.parent.mkdir(parents=True)
        self.file, self.holder = SharedLeases(path), holder_of(name, 1)
        self.exchange = PollerLeases(
            name, folder / name, root="onetape", send=lambda subject, message, _: self.sent.append((subject, message))
        )

    def renew(self, now: int) -> Share:
        with self.file.changing() as leases:
            pollers = Pollers(list(leases))
            share = pollers.renew(self.holder, now)
            leases[:] = pollers.leases
        return share


def test_pollers_of_two_hosts_divide_symbols_and_keep_their_own_budgets(tmp_path):
    a, b = Host(tmp_path, "a"), Host(tmp_path, "b")

    def rounds(*hosts: Host) -> list[Share]:
        found = [host.renew(time.monotonic_ns()) for host in hosts]
        for host in hosts:
            host.exchange.tick()
            sent, host.sent = host.sent, []
            for subject, message in sent:
                for other in (a, b):
                    assert other.exchange.received(subject, message)
        return found

    rounds(a, b)
    rounds(a, b)
    assert sorted(rounds(a, b)) == [Share(0, 2, 1), Share(1, 2, 1)]
    assert rounds(a, b)[0].sharing == 1
    wait_for(lambda: rounds(a) == [Share()])  # b renews no more, and is not kept alive by what a has heard
    assert not a.exchange.received("onetape.host.b", b"{}")
    for host in (a, b):
        host.exchange.close()
        host.file.close()
