"""The Ray backend: the same table as the local one, on this machine and on a cluster that has none of its files. A
visible skip where ray is not installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import onetape
from onetape.model.errors import BadConfig, NotAvailable, ProcessDown
from onetape.research.ray_pool import is_address
from waiting import wait_for
from worlds.strategy_files import TAKER, write
from worlds.stream_feeds import free_port, wait_for_server

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: pip install onetape[ray]")
HELPER = "N = 1\n"
SOURCE = "import helper\n" + TAKER.replace("self.n = 0", "self.n = helper.N // self.every * 0")
PARAMS = {"every": [20, 40, 0], "size": [0.01, 0.05]}


@needs_ray
def test_ray_gives_the_table_that_local_workers_give(tmp_path, sample, monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    code = write(tmp_path, "taker", TAKER.replace("self.n = 0", "self.n = 1 // self.every * 0"))
    found = [
        onetape.sweep(
            str(code), sample, params=PARAMS, metric="pnl", home=tmp_path, jobs=2, out=backend, backend=backend
        )
        for backend in ("local", "ray")
    ]
    tables = [(each.path / "results.parquet").read_bytes() for each in found]
    assert tables[0] == tables[1]
    assert found[1].frame["error"].drop_nulls().len() == 2  # failures are rows there as well


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """Two nodes with a temporary folder each below this one, whose path is short: sockets are there. Yields the
    address."""
    import ray

    head, clients = free_port(), free_port()
    own = ["--block", "--num-cpus=1", "--node-ip-address=127.0.0.1", "--disable-usage-stats"]
    starts = (
        ["--head", f"--port={head}", f"--ray-client-server-port={clients}", "--include-dashboard=false"],
        [f"--address=127.0.0.1:{head}"],
    )
    nodes = []
    try:
        for number, words in enumerate(starts):
            (folder / str(number)).mkdir()
            # A token in the user's folder would be required.
            environ = {**os.environ, "TMPDIR": str(folder / str(number)), "RAY_AUTH_MODE": "disabled"}
            command = [
                sys.executable,
                "-m",
                "ray.scripts.scripts",
                "start",
                *words,
                *own,
                "--object-store-memory=100000000",
            ]
            nodes.append(subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            wait_for_server(head, nodes[0])
        wait_for_server(clients, nodes[0])

        def is_whole() -> bool:
            with suppress(ConnectionError), ray.init(f"ray://127.0.0.1:{clients}"):  # it refuses while it begins
                return len(ray.nodes()) == len(starts)
            return False

        wait_for(is_whole)
        yield f"ray://127.0.0.1:{clients}"
    finally:
        for each in reversed(nodes):
            each.terminate()
        for each in nodes:
            each.wait()


@needs_ray
def test_a_cluster_gets_tapes_and_strategy_once_for_each_node(tmp_path, sample):
    (tmp_path / "helper.py").write_text(HELPER)
    code = write(tmp_path, "taker", SOURCE)
    params = {**PARAMS, "every": [*range(20, 60), 0]}
    with TemporaryDirectory(prefix="nodes") as nodes, cluster(Path(nodes)) as address:
        found = [
            onetape.sweep(
                str(code), sample, params=params, metric="pnl", home=tmp_path, out=str(number), backend=backend
            )
            for number, backend in enumerate(("local", address))
        ]
        with pytest.raises(NotAvailable, match="runs stay on the cluster"):
            onetape.sweep(
                str(code), sample, params=PARAMS, metric="pnl", home=tmp_path, backend=address, keep_runs=True
            )
        for node in Path(nodes).iterdir():
            (tape,) = {each.parent for each in node.glob("onetape-*/*/*/*.tape")}  # one copy on each
            assert tape.name == Path(sample).name
    tables = [(each.path / "results.parquet").read_bytes() for each in found]
    assert tables[0] == tables[1]
    assert found[1].frame["error"].drop_nulls().len() == 2


@needs_ray
def test_a_cluster_that_is_not_there_is_named(tmp_path, sample):
    code = write(tmp_path, "taker", TAKER)
    with pytest.raises(ProcessDown, match=r"no Ray cluster at ray://127\.0\.0\.1:1:"):
        onetape.sweep(
            str(code), sample, params={"every": [20]}, home=tmp_path, metric="pnl", backend="ray://127.0.0.1:1"
        )


def test_without_ray_the_answer_says_how_to_get_it(tmp_path, sample, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    code = write(tmp_path, "taker", TAKER)
    for backend in ("ray", "ray://10.0.0.1"):
        with pytest.raises(NotAvailable, match=r"pip install 'onetape\[ray\]'"):
            onetape.sweep(str(code), sample, params={"every": [20]}, home=tmp_path, metric="pnl", backend=backend)


def test_an_address_has_a_host(tmp_path, sample):
    assert is_address("ray://h") and not is_address("ray://") and not is_address("ray")
    with pytest.raises(BadConfig, match=r"unknown backend 'ray://'.*ray://HOST"):
        onetape.sweep(str(write(tmp_path, "taker", TAKER)), sample, params={"every": [20]}, backend="ray://")
