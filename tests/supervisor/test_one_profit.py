"""One definition of profit, equity, fees and funding: robots trade at random under `up`, alone and on shared money,
with funding and a killed robot between; then all say the same, to the last digit, and what says something else has
another name."""

from __future__ import annotations

import asyncio
import json
import os
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from rich.console import Console

import onetape
from exchange.venue_client import served
from long_form import LONG
from onetape.dashboard.access import KEY_HEADER
from onetape.dashboard.options import link_of
from onetape.dashboard.terminal import Top
from onetape.ipc.snapshots import snapshots
from onetape.model.sections import Config
from onetape.recorder.read import records_of
from onetape.report.metrics import METRICS
from onetape.store.records import metadata
from waiting import wait_for
from worlds.gateway_process import configure
from worlds.supervised import Home

SYMBOL = "binance:BTC/USDT:USDT"
SEEDS = range(20) if LONG else [int(os.environ["SIMULATION_SEED"])]
TRADES = 10
WALK = """
import random

from onetape import Strategy


class Walk(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    seed: int = 0
    trades: int = 10
    keeps: int = 0  # lots that it holds once it has traded, until `closes`
    closes: bool = False

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="50ms")

    def on_timer(self, name):
        if self.quote(self.symbol) is None or self.orders(self.symbol):
            return
        count = self.memory.get("count", 0)
        held = round(self.position(self.symbol).qty / 0.01)
        wanted = random.Random(f"{self.seed} {count}").choice([-3, -2, -1, 1, 2, 3])
        if count >= self.trades:
            wanted = (0 if self.closes else self.keeps) - held
        if wanted:
            (self.buy if wanted > 0 else self.sell)(self.symbol, abs(wanted) * 0.01)

    def on_fill(self, fill):  # before there is money orders are denied: they are no trades
        self.memory["count"] = self.memory.get("count", 0) + 1
"""
SUBACCOUNTS = {"m": "main", "a": "a", "s": "b", "t": "b"}
KEPT = {"m": 2, "a": -3, "s": 0, "t": 0}  # who shares money is flat when funding is paid: each counts all of it


def config_of(seed: int) -> str:
    made = "subaccounts = { a = 2, b = 3 }\n[recorder]\n[dashboard]\nport = 0\n"
    for name, subaccount in SUBACCOUNTS.items():
        made += f'[robots.{name}]\nstrategy = "maker.py"\naccount = "main"\nsubaccount = "{subaccount}"\n'
        made += f"params = {{ seed = {seed + ord(name)}, keeps = {KEPT[name]} }}\n"
    return made


def exact(rows: Mapping[str, Any], key: str = "profit") -> dict[str, Decimal]:
    return {name: Decimal(each[key]) for name, each in rows.items()}


def robots(home: Home) -> dict[str, dict[str, Any]]:
    rows = {each["name"][6:]: each.get("robot") for each in home.status()["processes"] if each["kind"] == "robot"}
    return rows if all(rows.values()) else {}


def settled(home: Home, kept: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Waits until each robot has traded, holds what it is to hold, and nothing is on its way."""

    def found() -> dict[str, dict[str, Any]] | None:
        rows = robots(home)
        is_so = rows and all(
            each["fills"] >= TRADES
            and not each["orders"]
            and Decimal(each["positions"].get(SYMBOL, 0)) == Decimal(kept[name]) / 100
            for name, each in rows.items()
        )
        return rows if is_so else None

    return home.wait_for(found)


# --- the pages ------------------------------------------------------------------------------------


class Page:
    """Reads what the pages read."""

    def __init__(self, home: Home) -> None:
        from http.cookies import SimpleCookie
        from urllib.error import HTTPError
        from urllib.request import HTTPRedirectHandler, Request, build_opener

        class Stays(HTTPRedirectHandler):
            def redirect_request(self, *_: object) -> None:
                return None

        link = link_of(home.home)
        self.address = link.partition("/login")[0]
        self._opener, self._request = build_opener(Stays), Request
        with pytest.raises(HTTPError) as answered:
            self._opener.open(link)
        (cookie,) = SimpleCookie(answered.value.headers["Set-Cookie"]).items()
        key = answered.value.headers["Location"].removeprefix("/#key=")
        self._headers = {"Cookie": f"{cookie[0]}={cookie[1].value}", KEY_HEADER: key}

    def read(self, topic: str) -> Any:
        from urllib.parse import quote

        address = f"{self.address}/read?topic={quote(topic, safe='')}"
        with self._opener.open(self._request(address, headers=self._headers)) as answer:
            return json.load(answer)


def on_screen(view: dict[str, Any]) -> dict[str, Decimal]:
    """Returns the profits that `top` draws, which has two decimals."""
    top, found = Top(), {}
    top.view = view
    console = Console(width=80, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(top.screen())
    for line in console.export_text().splitlines():
        words = line.split()
        if words and words[0] in SUBACCOUNTS and len(words) > 2:
            found.setdefault(words[0], Decimal(words[2].replace(",", "")))
    return found


async def snapshot(home: Home, name: str) -> dict[str, Any]:
    """Returns the first one of a robot that is flat: the one that is there may be a second old."""
    async for shown in snapshots(f"robot:{name}", home=home.home):
        (strategy,) = shown["strategies"]
        if not strategy["position"] and not strategy["orders"]:
            return strategy
    raise AssertionError("it shows nothing")


# --- what each surface says -----------------------------------------------------------------------


def of_records(home: Home) -> dict[str, dict[str, Decimal]]:
    """Sums of the table of income: by strategy what kinds came to."""
    income = metadata.tables["record_income"]
    found: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    with records_of(home.home, Config(), os.environ, home.folder) as records:
        for row in records.rows(sa.select(income)):
            found[row["strategy"]][row["kind"]] += Decimal(row["amount_exact"])
    return found


def compare_live(home: Home, rows: dict[str, dict[str, Any]]) -> dict[str, Decimal]:
    """Compares all that speaks while robots run and are flat. Returns the profit of each."""
    profits = exact(rows)
    shown = {name: asyncio.run(snapshot(home, name)) for name in profits}
    assert exact(shown) == profits
    sent = {name: home.run("send", f"robot:{name}", "status")["result"]["strategies"][0] for name in profits}
    assert exact(sent) == profits

    def booked() -> dict[str, Any] | None:
        """The books by strategy, once nothing is left of a balance that the venue reported before its funding: the
        next check of the balance corrects it back."""
        rows = {row["key"]: row for row in home.run("ledger", "--by", "strategy")}
        rest = [Decimal(rows.pop(name)["net"]) for name in ("netting", "external") if name in rows]
        return None if any(rest) else rows

    ledger = home.wait_for(booked)
    assert exact(ledger, "net") == profits
    for name, kinds in of_records(home).items():
        if name in profits:
            assert kinds["realized"] + kinds["fee"] + kinds["funding"] == profits[name]
            assert -kinds["fee"] == Decimal(ledger[name]["fees"]["USDT"])
    (account,) = home.run("ledger")
    assert Decimal(account["net"]) == sum(profits.values())
    assert sum(Decimal(row["funding"]) for row in ledger.values()) == Decimal(account["funding"]) != 0
    now = home.run("equity")[-1]
    assert Decimal(now["equity"]) - Decimal(now["capital"]) == sum(profits.values())
    assert Decimal(home.status()["equity"]["main"]["USDT"]) == Decimal(now["equity"])

    def figures(verb: str) -> dict[str, Any]:
        return {key: home.run(verb)[-1][key] for key in ("equity", "capital", "drawdown")}

    # A drawdown is one from full minutes: the first may be over between the two.
    home.wait_for(lambda: figures("risk") == figures("equity"))
    parts = {row["strategy"]: row for row in home.run("equity", "--by", "strategy")[-3:]}
    assert {name: Decimal(row["equity"]) - Decimal(row["capital"]) for name, row in parts.items()} == {
        "m": profits["m"],
        "a": profits["a"],
        "s,t": profits["s"] + profits["t"],
    }
    # Trips are a sub-account's at its own prices: of one that several share they add up alone.
    trips: dict[str, Decimal] = defaultdict(Decimal)
    for row in home.run("trips"):
        trips[row["strategy"]] += Decimal(row["net"])
    assert (trips["m"], trips["a"], trips["s"] + trips["t"]) == (
        profits["m"],
        profits["a"],
        profits["s"] + profits["t"],
    )
    return profits


def compare_pages(home: Home, profits: dict[str, Decimal]) -> None:
    page = Page(home)
    overview = page.read("overview")
    assert exact({row["name"]: row for row in overview["robots"]}) == profits
    assert exact({row["name"]: row for row in page.read("robots")}) == profits
    assert on_screen(overview) == {name: round(each, 2) for name, each in profits.items()}
    results = {row["key"]: row for row in page.read("results|strategy|all")}
    assert {name: Decimal(results[name]["result"]) for name in profits} == profits
    ledger = {row["key"]: row for row in home.run("ledger", "--by", "strategy")}
    assert {name: row["fees"] for name, row in results.items()} == {name: row["fees"] for name, row in ledger.items()}

    def is_read() -> bool:  # the pages look at the records every five seconds
        (row,) = page.read("overview")["equity"]
        return (
            row["fees"] is not None
            and Decimal(row["fees"]) == sum(Decimal(each["fees"].get("USDT", 0)) for each in ledger.values())
            and Decimal(row["funding"]) == sum(Decimal(each["funding"]) for each in ledger.values())
            and Decimal(row["day"]) == sum(profits.values())
            and Decimal(row["unrealized"]) == 0
        )

    wait_for(is_read, lambda: page.read("overview")["equity"])


def compare_runs(home: Home, profits: dict[str, Decimal], *, ended: bool) -> None:
    ledger = {row["key"]: row for row in home.run("ledger", "--by", "strategy")}
    for folder in (home.home / "runs").iterdir():
        document = tomllib.loads((folder / "run.toml").read_text())
        name = document["state"]["robot"]
        found = home.run("attribution", str(folder))
        assert Decimal(found["account"]) == Decimal(found["sum"]) == profits[name]
        assert (found["until"] is None) == ended
        fees, funding = Decimal(ledger[name]["fees"]["USDT"]), Decimal(ledger[name]["funding"])
        rows = [row for row in found["by_strategy"] if row["strategy"] != "account"]
        assert sum(Decimal(row["fees"]) for row in rows) == fees
        assert sum(Decimal(row["funding"]) for row in rows) == funding
        assert not [row for row in found["by_strategy"] if row["strategy"] == "account"]
        if ended:
            wanted = {"pnl": profits[name], "fees": fees, "funding": funding}
            assert {key: Decimal(document["result"][key]) for key in wanted} == wanted
            stats = onetape.open(str(folder)).stats
            assert {key: Decimal(stats[key]) for key in wanted} == wanted
            report = json.loads((folder / "report.json").read_text())["statistics"]
            assert {key: report[key] for key in wanted} == {key: float(each) for key, each in wanted.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_all_that_shows_a_profit_shows_the_same_to_the_last_digit(tmp_path: Path, seed: int):
    with served("binance-usdm", seed=seed, limits=False) as (dialect, port):
        exchange = dialect.exchange
        configure(tmp_path, port, exchange.accounts[0])
        with Home(tmp_path, (tmp_path / "onetape.toml").read_text() + config_of(seed), WALK) as home:
            home.run("up")
            for index, name in ((2, "a"), (3, "b")):
                words = ("allocate", f"strategy={name}", "currency=USDT", "amount=20000", f"index={index}")
                home.run("send", "gateway:main", *words)
            home.wait_for(lambda: (rows := robots(home)) and rows["a"]["fills"] > 2)
            home.kill("robot:a")
            settled(home, KEPT)
            exchange.clearing.fund(
                next(n for n, each in enumerate(exchange.instruments) if each.symbol == SYMBOL), exchange.now, 10**9
            )
            home.wait_for(lambda: [row for row in home.run("ledger") if Decimal(row["funding"])])
            check_open(home)
            for name in SUBACCOUNTS:
                home.run("send", f"robot:{name}", "params", "closes=true")
            rows = settled(home, dict.fromkeys(SUBACCOUNTS, 0))
            profits = compare_live(home, rows)
            compare_pages(home, profits)
            home.wait_for(lambda: is_sampled(home, profits))
            compare_runs(home, profits, ended=False)
            home.run("down")
            compare_runs(home, profits, ended=True)


def is_sampled(home: Home, profits: dict[str, Decimal]) -> bool:
    """A run that goes on counts up to the last sample of its equity."""
    with suppress(KeyError):
        return all(
            Decimal(home.run("attribution", str(each))["sum"])
            == profits[tomllib.loads((each / "run.toml").read_text())["state"]["robot"]]
            for each in (home.home / "runs").iterdir()
        )
    return False


def check_open(home: Home) -> None:
    """While positions are open, kinds of profit that differ have names and definitions that differ."""

    def figures() -> dict[str, Any] | None:
        """The newest, once `net`, which is without open positions, is the balance's: the venue's rounding may be booked
        between the two questions."""
        (account,), now = home.run("ledger"), home.run("equity")[-1]
        return now if Decimal(account["net"]) == Decimal(now["balance"]) - Decimal(now["capital"]) else None

    now = home.wait_for(figures)
    assert now["balance"] != now["equity"]
    assert Decimal(now["equity"]) == Decimal(now["balance"]) + Decimal(now["unrealized"])
    named = {each.key: each for each in METRICS}
    assert named["closed_profit"].name != named["pnl"].name
    assert "open positions" in (named["pnl"].includes or ())
    assert "open positions" not in (named["closed_profit"].includes or ())
    explained = home.run("status", "--explain")["definitions"]
    assert explained["profit"]["definition"] == named["pnl"].note
    assert explained["profit"]["includes"] == ["fees", "funding", "open positions"]
    assert "definitions" not in home.status()


SPOT = """
[venues.k]
kind = "kraken"
[accounts.main]
venue = "k"
[recorder]
[dashboard]
port = 0
"""


def test_open_profit_of_coins_that_were_bought_is_on_the_first_page(tmp_path: Path):
    with Home(tmp_path, SPOT) as home:
        home.run("up")
        home.buy("kraken:BTC/USD", "0.5", "--account", "main")
        page = Page(home)

        def is_shown() -> bool:
            rows = {row["symbol"]: row for row in home.run("positions")}
            held = rows.get("kraken:BTC/USD")
            shown = {row["currency"]: row for row in page.read("overview")["equity"]}.get("USD")
            return bool(held and shown) and Decimal(held["unrealized"] or 0) == Decimal(shown["unrealized"]) != 0

        home.wait_for(is_shown)
        home.run("down")
