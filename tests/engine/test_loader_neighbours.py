"""A strategy's folder is looked in for what it imports, and hides nothing that we import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

STRATEGY = """
from onetape import Strategy
from near import SIZE


class Named(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    size: float = SIZE

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_stop(self):
        import numpy
        print("CLOSES", [numpy.float64(0.6)])
"""


def test_a_strategy_called_like_a_library_of_ours_hides_it_not(tmp_path: Path) -> None:
    (tmp_path / "near.py").write_text("SIZE = 0.5\n")
    (tmp_path / "rich.py").write_text(STRATEGY)
    (tmp_path / "zstandard.py").write_text("raise RuntimeError('of somebody else')\n")
    for line in (
        ["sample", "--events", "2000", "--out", "m.tape"],
        ["backtest", "rich.py", "--data", "m.tape", "--out", "r"],
    ):
        done = subprocess.run(
            [Path(sys.executable).with_name("onetape"), *line, "--home", str(tmp_path / "home")],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert "report" in done.stdout
    # numpy says of each number in a list what type it has, where nobody asks it not to.
    assert "CLOSES [0.6]" in done.stdout + done.stderr
