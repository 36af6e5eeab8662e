"""A position in a symbol that no robot names, with a hub that does not bring it, and a guardian: it is shown, protected
and closed."""

from __future__ import annotations

from decimal import Decimal

from exchange.venue_client import served
from onetape.exchange.hands import trade_by_hand
from worlds.gateway_process import configure
from worlds.supervised import Home

OWN, OTHER = "binance:BTC/USDT:USDT", "binance:ETH/USDT:USDT"
MORE = f"""
[robots.still]
strategy = "maker.py"
account = "main"
params = {{ symbol = "{OWN}" }}
[collectors.a]
kind = "venue"
venue = "b"
symbols = ["{OWN}"]
[hub]
[guardian]
"""
STILL = """
from onetape import Strategy


class Still(Strategy):
    symbol: str = ""

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
"""


def test_a_position_that_no_robot_names_is_shown_protected_and_closed(tmp_path):
    with served("binance-usdm", seed=3, limits=False) as (dialect, port):
        exchange, account = dialect.exchange, dialect.exchange.accounts[0]
        configure(tmp_path, port, account)
        config = (tmp_path / "onetape.toml").read_text() + MORE
        with Home(tmp_path, config, STILL) as home:
            home.run("up")
            index = next(n for n, each in enumerate(exchange.instruments) if each.symbol == OTHER)
            trade_by_hand(exchange, account, index, Decimal(2), exchange.now)
            rows = home.wait_for(lambda: [each for each in home.run("positions") if each["symbol"] == OTHER])
            assert [each["symbol"] for each in rows] == [OTHER]

            def protected() -> bool:
                return any(each["symbol"] == OTHER and float(each["protected"]) > 0.9 for each in home.run("stops"))

            home.wait_for(protected)
            assert any(OTHER in each["subject"] for each in home.run("alerts", "ls", "--all"))
            home.run("close", OTHER)
            home.wait_for(
                lambda: not any(float(each["qty"]) for each in home.run("positions") if each["symbol"] == OTHER)
            )
            assert home.process("gateway:main")["restarts"] == 0
            home.run("down")
