"""What `onetape init --cluster` writes: three hosts and three NATS servers on this machine. One server less changes
nothing."""

from __future__ import annotations

import re
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from exchange.venue_client import served
from long_form import LONG
from waiting import wait_for
from worlds.command_lines import answered, command_line
from worlds.nats_hosts import free_port, serving
from worlds.supervised import Home

pytest.importorskip("nats", reason="NOT_AVAILABLE: nats-py is not installed")
PORTS = re.compile(r"\b(?:422[1-3]|622[1-3]|9001)\b")


class HostOf(Home):
    """One host of the folder, which all share."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.home, self.name = folder, folder / name, name

    def run(self, *arguments: str, code: int = 0):
        return answered(self.folder, *arguments, "--home", self.home, code=code, ONETAPE_CLUSTER__HOST=self.name)


def test_the_example_trades_and_goes_on_without_one_of_its_servers(tmp_path):
    folder = tmp_path / "example"
    got, _, said = command_line(["init", "--cluster", str(folder), "--json"], tmp_path)
    assert got == 0, said
    assert command_line(["init", "--cluster", str(folder)], tmp_path)[0] == 2  # it overwrites nothing
    with ExitStack() as stack:
        dialect, port = stack.enter_context(served("binance-usdm", seed=1, limits=False))
        ports = {"9001": str(port)} | {str(base + n): str(free_port()) for base in (4220, 6220) for n in (1, 2, 3)}
        for path in [folder / "onetape.toml", *(folder / "nats").iterdir()]:
            path.write_text(PORTS.sub(lambda found: ports[found[0]], path.read_text()))

        def start(number: int) -> subprocess.Popen[bytes]:
            config = folder / "nats" / f"{number}.conf"
            return stack.enter_context(serving(config, int(ports[str(4220 + number)]), folder))

        servers = [start(number) for number in (1, 2, 3)]
        hosts = []
        for name in ("desk", "spare", "trade"):
            hosts.append(stack.enter_context(HostOf(folder, name)))
            hosts[-1].run("up")
        account = dialect.exchange.accounts[0]

        def orders(more: int) -> None:
            before = len(account.by_id)
            wait_for(lambda: len(account.by_id) >= before + more, lambda: [host.log() for host in hosts])

        orders(1)
        for number, server in enumerate(servers if LONG else servers[:1], 1):
            server.kill()
            server.wait()
            orders(2)
            start(number)
        rows = {row["host"]: row for row in hosts[2].run("status", "--all")["hosts"]}
        assert [rows[name]["state"] for name in ("trade", "desk", "spare")] == ["self", "up", "up"]
        for host in reversed(hosts):
            host.run("down")
