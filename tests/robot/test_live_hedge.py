"""Long and short side by side, live: each side is opened, held and closed by itself."""

from __future__ import annotations

from exchange.venue_client import BinanceClient, Wire, served
from worlds.command_lines import answered, run_until
from worlds.gateway_process import configure

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
    with served("binance-usdm", seed=6, limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        client = BinanceClient(Wire(port), account.key, account.secret)
        status, _ = client.ask("POST", "/fapi/v1/positionSide/dual", dualSidePosition="true")
        assert status == 200
        configure(tmp_path, port, account, position_mode="hedge")

        def is_done() -> bool:
            """All but the stop, which was placed before the last of them, is filled."""
            return sum(trade.fill.size for trade in list(account.trades)) == 30 + 20 + 20

        reported = run_until(is_done, tmp_path, "sides.py", "--live", "--out", "r")
        assert (reported["orders"], reported["failures"]) == (4, [])
        assert reported["fills"] == len(account.trades)
        _, rows = client.ask("GET", "/fapi/v3/positionRisk")
        sides = {row["positionSide"]: row["positionAmt"] for row in rows}
        assert sides == {"LONG": "0.030"}, rows
        assert answered(tmp_path, "replay", "r", "--verify")["divergences"] == 0
