"""`run --live` runs a stranger's code in the user's own process: it finds no secret there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from copied_process import ONETAPE, Copied
from exchange.venue_client import served
from waiting import PATIENCE_S
from worlds.command_lines import CLEAN
from worlds.gateway_process import TRADED

ROBOT = """
import ctypes
import json
import os
import resource
from onetape import Strategy

SEEN = dict(os.environ)  # when it is loaded

class Looks(Strategy):
    symbol: str = ""
    out: str = ""

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        mask = os.umask(0o077)
        told = {
            "then": SEEN, "now": dict(os.environ), "mask": mask,
            "dumpable": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
            "core": resource.getrlimit(resource.RLIMIT_CORE),
        }
        with open(self.out, "w") as file:
            json.dump(told, file)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only there a process can be shut")
@pytest.mark.parametrize("single", [False, True])
def test_a_strategy_in_the_foreground_finds_no_secret(tmp_path: Path, single):
    kind = "binance-usdm"
    with served(kind, limits=False) as (dialect, port):
        (tmp_path / "looks.py").write_text(ROBOT)
        (tmp_path / "onetape.toml").write_text(
            f'[venues.b]\nkind = "{kind}"\nmode = "sim"\nrest = "http://127.0.0.1:{port}"\n'
            '[accounts.main]\nvenue = "b"\nkey = "env:MAIN_KEY"\nsecret = "env:MAIN_SECRET"\n'
        )
        account, out = dialect.exchange.accounts[0], tmp_path / "seen.json"
        words = ["--single"] if single else []
        with Copied(
            ONETAPE, "run", "looks.py", "--live", "--account", "main", "--seconds", 3, "--json",
            "--home", tmp_path / "home", "--param", f"symbol={TRADED[kind][0]}",
            "--param", f"out={out}", *words, cwd=tmp_path, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**CLEAN, "MAIN_KEY": account.key, "MAIN_SECRET": account.secret, "MINE": "kept"},
        ) as process:  # fmt: skip
            _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    answer = json.loads(out.read_text())
    for environ in (answer["then"], answer["now"]):
        assert environ["MINE"] == "kept"
        assert not {"MAIN_KEY", "MAIN_SECRET"} & environ.keys()
    assert (answer["mask"], answer["dumpable"], answer["core"]) == (0o077, 0, [0, 0])
