"""What a portfolio's members made, as attribution and the report's page show it."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest
from test_portfolio_runs import MEMBERS, market, section

from onetape.research.backtest import BacktestOptions, run_backtest
from onetape.runs.attribution import attribution_of
from worlds.chromium_pipe import CHROMIUM, Chromium
from worlds.tapes import BTC, ETH, Market, records

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portfolio")
    (folder / "members.py").write_text(MEMBERS)
    members = {
        "a": section("Chance", (BTC, ETH), params="{ seed = 1 }"),
        "b": section("Chance", (BTC, ETH), params="{ seed = 2 }", algo='"twap"', options="{ minutes = 1 }"),
        "c": section("Chance", (BTC,), params="{ seed = 3 }"),
    }
    text = "".join(f"[portfolio.strategies.{name}]\n{lines}\n" for name, lines in members.items())
    (folder / "portfolio.toml").write_text("[portfolio]\n" + text)
    made = BacktestOptions(
        str(folder / "portfolio.toml"), [market(folder / "t", 60)], folder, out="r", stress=False, cash="10000 USDT"
    )
    return run_backtest(made).run


def test_each_member_has_what_the_portfolio_says_that_it_made(run):
    said: defaultdict[str, Decimal] = defaultdict(Decimal)
    crossed = 0
    for each in records(run / "journal", "log"):
        fields = each.data["fields"]
        if "unrealized" in fields:
            net = Decimal(fields["realized"]) - Decimal(fields["fees"]) + Decimal(fields["unrealized"])
            said[f"/portfolio/{fields['member']}"] += net
        crossed += fields.get("fill") == ""
    found = attribution_of(run).as_json()
    assert {row["strategy"]: Decimal(row["net"]) for row in found["by_strategy"]} == {
        name: net for name, net in said.items() if net
    }
    assert found["sum"] == found["account"] and len(said) == 3 and crossed > 5


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium (apt install --no-install-recommends chromium)")
def test_the_page_says_who_made_it_and_what_orders_cost(run, tmp_path):
    shown = json.loads((run / "report.json").read_text())
    with Chromium(run / "report.html", tmp_path) as browser:
        texts = "map((row) => [...row.cells].map((cell) => cell.innerText))"
        rows = f"[...document.querySelectorAll('#{{}} tbody tr')].{texts}"
        made, cost = (browser.js(rows.format(name)) for name in ("attribution", "tca"))
        assert browser.console == []
    assert [row[0] for row in made] == [row["strategy"] for row in shown["attribution"]]
    assert [row[:2] for row in cost] == [[row["algo"], str(row["parents"])] for row in shown["costs"]]
    assert {"twap", "touch"} <= {row["algo"] for row in shown["costs"]}


def test_the_page_s_example_trades(tmp_path):
    (example,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/concepts/portfolio.md").read_text(), re.S)
    (tmp_path / "portfolio.toml").write_text(re.sub(r"^account = .*\n", "", example, flags=re.M))
    shutil.copytree(ROOT / "strategies", tmp_path / "strategies")
    made = Market(tmp_path / "t")
    made.add(ETH)
    for count in range(4 * 24 * 12):
        for symbol, base, period in ((BTC, 50_000, 200), (ETH, 2_000, 90)):
            mid = round(base * (1 + 0.01 * math.sin(count / period * 2 * math.pi)), 1)
            made.quote(count * 300, mid - 0.1, mid + 0.1, 100, 100, symbol=symbol)
    options = BacktestOptions(
        str(tmp_path / "portfolio.toml"), [made.done()], tmp_path, out="r", stress=False, cash="100000 USDT"
    )
    assert run_backtest(options).fills > 10
