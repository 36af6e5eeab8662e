"""A target that is wanted again and again, live, while answers are lost and fills come late: the
position at the exchange never goes beyond it."""

from __future__ import annotations

from itertools import accumulate

from exchange.venue_client import served
from worlds.command_lines import run_until
from worlds.gateway_process import configure

SIZE = 30  # units of 0.001
STRATEGY = """
from onetape import Strategy


class Swing(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="20ms")
        self.n = 0

    def on_timer(self, name):
        self.n += 1
        self.set_target(self.symbol, 0.03 if self.n // 50 % 2 == 0 else -0.03)
"""
FAULTS = """
[[fault]]
action = "drop_answer"
purpose = "place"
probability = 0.2
wait = "300ms"

[[fault]]
action = "delay"
event = "ORDER_TRADE_UPDATE"
probability = 0.5
wait = "10ms"
spread = "300ms"
"""


def test_a_target_wanted_again_and_again_is_never_overshot(tmp_path):
    (tmp_path / "swing.py").write_text(STRATEGY)
    with served("binance-usdm", seed=6, limits=False, faults=FAULTS) as (dialect, port):
        account = dialect.exchange.accounts[0]
        configure(tmp_path, port, account)

        def path() -> list[int]:
            """What was held after each trade."""
            return list(accumulate(trade.fill.size * trade.order.side.sign for trade in list(account.trades)))

        reported = run_until(lambda: path().count(SIZE) > 1 and -SIZE in path(), tmp_path, "swing.py", "--live")
        assert max(map(abs, path())) <= SIZE
        assert reported["fills"] == len(account.trades)
