"""A live robot's variants on paper, beside it under the supervisor: the same parameters make the
same orders, what the operator asks reaches them at the same frame, and a kill changes nothing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from onetape.engine.actions import first_difference, read_actions
from onetape.model.config import parse_config
from onetape.model.errors import BadConfig
from onetape.model.home import variants_file
from onetape.replay.parity import compare_orders
from worlds.supervised import CONFIG, Home

QUOTER = """
from onetape import Strategy


class Quoter(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    spread_ticks: int = 300
    size: float = 0.002

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("turn", every="1s")
        self.count = 0

    def on_timer(self, name):
        self.count += 1
        self.set_target(self.symbol, self.size if self.count % 2 else 0)

    def on_quote(self, quote):
        tick = float(self.instrument(self.symbol).tick)
        self.set_quotes(self.symbol, [(quote.mid - self.spread_ticks * tick, self.size)], [],
                        keep_within=50)
"""
ONE = CONFIG.replace('subaccount = "a"\n', "")  # all of the account's money
VARIANTS = """
[robots.mm.variants.same]
[robots.mm.variants.also]
params = { spread_ticks = 300 }
[robots.mm.variants.big]
params = { size = 0.004 }
"""


def runs(home: Home) -> dict[str, Path]:
    reported = msgspec.json.decode(variants_file(home.home, "mm").read_bytes())
    found = {name: Path(each["run"]) for name, each in reported["variants"].items()}
    return {"live": Path(reported["live"]), **found}


def placed(run: Path) -> int:
    return int((read_actions(run / "journal").columns["kind"] == 1).sum())


def test_variants_run_beside_the_robot_and_equal_parameters_make_equal_orders(tmp_path: Path):
    with Home(tmp_path, ONE + VARIANTS, QUOTER) as home:
        home.run("up")
        process = next(p for p in home.status()["processes"] if p["kind"] == "variants")
        assert (process["name"], process["state"]) == ("variants:mm", "running")
        home.wait_for(lambda: all(placed(run) > 4 for run in runs(home).values()))
        answer = home.run("send", "robot:mm", "params", "spread_ticks=500")
        assert answer["status"] == "applied"
        first = runs(home)
        home.kill("variants:mm")
        home.wait_for(lambda: runs(home) != first)
        now = runs(home)
        assert now["live"] == first["live"]
        before = placed(now["live"])
        home.wait_for(lambda: placed(now["live"]) > before + 4)
        home.wait_for(lambda: all(placed(run) > before for run in now.values()))
        rows = {row["variant"]: row for row in home.run("variants", "mm")}
        home.run("down")

    assert list(rows) == ["live", "twin", "same", "also", "big"]
    assert (rows["twin"]["against"], rows["same"]["against"]) == ("live", "twin")
    assert rows["same"]["differing"] == 0 < rows["same"]["compared"]
    assert rows["big"]["differing"] > 0
    assert rows["twin"]["compared"] > 0
    assert min(row["fills"] for row in rows.values()) > 0
    assert float(rows["big"]["pnl"]) != float(rows["twin"]["pnl"])
    assert rows["live"]["behind_live"] == "0"
    for row in rows.values():  # its value on paper, beside what it made
        assert float(row["equity"]) - float(row["pnl"]) == pytest.approx(
            float(rows["live"]["equity"]) - float(rows["live"]["pnl"])
        )
        assert 0 <= row["drawdown"] < 1
    assert rows["also"]["params"] == {"spread_ticks": 300}
    # Now that all have ended, at the same frame: to the last order.
    names = ("twin", "same", "also", "big")
    twin, same, also, big = (read_actions(now[name] / "journal") for name in names)
    assert first_difference(twin, same)[0] == 0
    assert first_difference(twin, big)[0] > 0
    # What was changed from outside is not what the variant has said for itself.
    assert first_difference(twin, also)[0] > 0
    # The dead process's runs are the beginning of the later ones'.
    old = read_actions(first["same"] / "journal")
    assert len(old) > 0
    assert first_difference(old, same.head(len(old)))[0] == 0
    # The twin asks for what the robot asks for; where fills differ, targets may follow.
    orders = compare_orders(now["live"] / "journal", now["twin"] / "journal")
    assert orders["compared"] > 0
    for run in (now["twin"], now["big"]):
        assert home.run("replay", run, "--verify")["divergences"] == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[robots.mm.variants.twin]", "a variant cannot be called `twin`"),
        ('[robots.mm.variants."a/b"]', "a variant cannot be called `a/b`"),
        ("[robots.mm.variants.x]\nparam = {}", "param"),
    ],
)
def test_a_wrong_variant_is_one_line(text, words):
    with pytest.raises(BadConfig, match=words):
        parse_config(CONFIG + text + "\n")
