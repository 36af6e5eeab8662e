"""A live run that ends while the venue is away says which orders may still work there, and does not end well."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import ExitStack

import pytest

from copied_process import ONETAPE, Copied
from exchange.venue_client import served
from waiting import PATIENCE_S, wait_for
from worlds.command_lines import CLEAN
from worlds.gateway_process import SYMBOL, configure
from worlds.supervised import Home

ROBOT = """
from onetape import Strategy

class Rests(Strategy):
    symbol: str = ""

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.order = None

    def on_quote(self, quote):
        if self.order is None:
            self.order = self.buy(self.symbol, 0.01, round(quote.bid * 0.97, 1))
"""


@pytest.mark.parametrize("single", [[], ["--single"]], ids=["processes", "single"])
@pytest.mark.parametrize("is_away", [False, True])
def test_a_run_says_what_it_has_left_at_the_venue(tmp_path, single, is_away):
    (tmp_path / "rests.py").write_text(ROBOT)
    with served("binance-usdm", seed=5, limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        configure(tmp_path, port, account)
        words = ["run", f"{tmp_path}/rests.py:Rests", "--live", "--param", f"symbol={SYMBOL}", "--json", *single]
        words += ["--home", str(tmp_path / "home"), "--config", str(tmp_path / "onetape.toml")]
        run = Copied(ONETAPE, *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env=CLEAN)
        wait_for(lambda: account.open_orders)
        if not is_away:
            run.send_signal(signal.SIGTERM)
            said, _ = run.communicate(timeout=PATIENCE_S)
    if is_away:
        run.send_signal(signal.SIGTERM)
        said, _ = run.communicate(timeout=PATIENCE_S)
    value = json.loads(said)
    if not is_away:
        assert run.returncode == 0 and "working" not in value and not account.open_orders
        return
    assert run.returncode == 1 and value["error"]["name"] == "ORDER_OUTCOME_UNKNOWN"
    assert len(value["working"]) == 1 and value["working"][0].startswith(f"buy 0.01 {SYMBOL}")


@pytest.mark.parametrize("single", [[], ["--single"]], ids=["processes", "single"])
def test_up_says_in_its_log_what_its_robots_have_left_at_the_venue(tmp_path, single):
    with ExitStack() as venue:
        dialect, port = venue.enter_context(served("binance-usdm", seed=5, limits=False))
        account = dialect.exchange.accounts[0]
        configure(tmp_path, port, account)
        robot = f'[robots.rests]\nstrategy = "maker.py"\naccount = "main"\nparams = {{ symbol = "{SYMBOL}" }}\n'
        with Home(tmp_path, (tmp_path / "onetape.toml").read_text() + robot, ROBOT) as home:
            home.run("up", *single)
            home.wait_for(lambda: account.open_orders)
            venue.close()
            home.run("down")
            assert f"may still work at the venue: buy 0.01 {SYMBOL}" in home.log()
