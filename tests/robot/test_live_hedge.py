"""Long and short side by side, live: each side is opened, held and closed by itself."""

from __future__ import annotations

import json
import os

import copied_process
from exchange.venue_client import BinanceClient, Wire, served

STRATEGY = """
from onetape import Strategy


class Sides(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.step = 0
        self.seen = []

    def on_quote(self, quote):
        if self.step == 0:
            self.buy(self.symbol, 0.03, position_side="long")
            self.sell(self.symbol, 0.02, position_side="short")
            self.step = 1
        sides = [float(self.position(self.symbol, side).qty) for side in ("long", "short")]
        if self.step == 1 and sides == [0.03, -0.02]:
            self.step = 2
            self.sell(self.symbol, 0.03, trigger=quote.bid / 2, position_side="long")
            self.buy(self.symbol, 0.02, position_side="short")
        if self.step == 2 and sides == [0.03, 0.0]:
            self.step = 3
            self.log(f"sides {sides}")
"""


def test_each_side_is_traded_by_itself(tmp_path):
    (tmp_path / "sides.py").write_text(STRATEGY)
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ONETAPE_")}
    with served("binance-usdm", seed=6, limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        client = BinanceClient(Wire(port), account.key, account.secret)
        status, _ = client.ask("POST", "/fapi/v1/positionSide/dual", dualSidePosition="true")
        assert status == 200
        (tmp_path / "onetape.toml").write_text(
            f'[venues.b]\nkind = "binance-usdm"\nmode = "sim"\nrest = "http://127.0.0.1:{port}"\n'
            f'[accounts.main]\nvenue = "b"\nposition_mode = "hedge"\nkey = "env:HEDGE_KEY"\n'
            f'secret = "env:HEDGE_SECRET"\n'
        )
        keys = {"HEDGE_KEY": account.key, "HEDGE_SECRET": account.secret}
        done = copied_process.run(
            "run", "sides.py", "--live", "--seconds", "12", "--json", "--out", "r", cwd=tmp_path, env={**clean, **keys}
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert (told["orders"], told["failures"]) == (4, [])
        assert told["fills"] == len(account.trades)
        _, rows = client.ask("GET", "/fapi/v3/positionRisk")
        sides = {row["positionSide"]: row["positionAmt"] for row in rows}
        assert sides == {"LONG": "0.030"}, rows
        again = copied_process.run("replay", "r", "--verify", "--json", cwd=tmp_path, env=clean)
        assert again.returncode == 0, again.stderr
