"""Robots and gateways that read the hub: real processes against a simulated exchange. Its market
comes from collectors, which are frozen and killed; robots trade on, and their runs are repeated."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from long_form import LONG
from onetape.clients.gateway import GatewayClient
from onetape.engine.actions import first_difference, read_actions
from onetape.engine.incarnations import incarnations_of
from onetape.model.home import gateway_journal, hub_journal, variants_file
from onetape.robot.options import run_journal
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.command_lines import command_line
from worlds.supervised import ALLOCATE, CONFIG, MAKER, Home

BTC, ETH = "binance:BTC/USDT:USDT", "binance:ETH/USDT:USDT"
HUB = f"""
[collectors.a]
kind = "venue"
venue = "x"
symbols = ["{BTC}"]
[collectors.b]
kind = "venue"
venue = "x"
transport = "rest"
symbols = ["{BTC}"]
[hub]
"""
TRADER = MAKER.replace(
    "    def on_timer",
    """    def on_health(self, health):
        self.log("health", kind=health.kind, subject=health.subject, state=health.state)

    def on_order(self, order):
        self.log("order", state=order.state, code=order.code, reason=order.reason, reduces=order.reduce_only)

    def on_timer""",
)


class HubHome(Home):
    """Whose robot's sub-account has money."""

    def begin(self) -> None:
        self.run("up")
        self.run(*ALLOCATE)
        wait_for(self.fills, lambda: (self.now(), self.log()))

    @property
    def journal(self) -> Path:
        journal = run_journal(self.home, "robot:mm")
        assert journal is not None
        return journal

    def logged(self, text: str) -> list[dict]:
        with JournalReader(self.journal) as reader:
            found = [each.data for each in reader if each.type == "log"]
        return [each["fields"] for each in found if each["text"] == text]

    def verified(self) -> dict:
        return self.run("replay", str(self.journal.parent), "--verify")

    def states(self) -> dict[str, str]:
        """Of the hub's sources."""
        return {row["source"]: row["state"] for row in self.run("feeds")}

    def market(self) -> dict:
        """As the gateway sees it."""
        return GatewayClient(self.home, "main").ask("status")["market"]


def frames(path: Path, *types: str) -> list:
    with JournalReader(path) as reader:
        return [each for each in reader if each.type in types]


def test_a_robot_trades_on_the_hubs_market_and_its_run_is_repeated(tmp_path: Path):
    with HubHome(tmp_path, CONFIG + HUB, TRADER) as home:
        home.begin()
        wait_for(lambda: len(home.fills()) >= 4)
        wait_for(lambda: home.market()["hub"]["symbols"][BTC]["stale"] == "")
        ages = [row["decision_age"]["main"] for row in home.run("feeds") if "main" in row["decision_age"]]
        assert sum(each["count"] for each in ages) >= 4 and all(each["p50_us"] > 0 for each in ages)
        running = home.verified()  # while it goes on
        assert running["divergences"] == 0 and running["actions"] >= 4
        home.run("down")
        assert not frames(gateway_journal(home.home, "main"), "quote", "trade", "mark")
        assert home.verified()["divergences"] == 0
        (life,) = incarnations_of(home.journal)
        assert life.live.market == [BTC]
        plan = home.journal.parent / "run.toml"
        with JournalReader(hub_journal(home.home)) as reader:
            assert reader.uuid.hex in plan.read_text()


def trade_ids(home: Path) -> list[int]:
    return [each.data["id_low"] for each in frames(hub_journal(home), "trade")]


def is_whole(ids: list[int]) -> bool:
    """The venue numbers its trades one after the other."""
    return sorted(ids) == list(range(min(ids), max(ids) + 1))


def longest_gap_ms(home: Path, since: int, until: int) -> float:
    """Between two quotes of the hub, from their times of receipt."""
    times = [each.time for each in frames(hub_journal(home), "quote") if since <= each.time <= until]
    return max(b - a for a, b in pairwise([since, *times, until])) / 1e6


def test_a_collector_that_is_frozen_or_killed_is_nobodys_loss(tmp_path: Path):
    with HubHome(tmp_path, CONFIG + HUB, TRADER) as home:
        home.begin()
        wait_for(lambda: home.run("feeds") and all(row["state"] == "healthy" for row in home.run("feeds")))
        with home.frozen("collector:a"):
            began = time.time_ns()
            filled = len(home.fills())
            wait_for(lambda: home.states() == {"a": "failing", "b": "healthy"})
            wait_for(lambda: len(home.fills()) >= filled + 2)
            frozen_ms = longest_gap_ms(home.home, began, time.time_ns())
        wait_for(lambda: all(row["state"] == "healthy" for row in home.run("feeds")))
        began = time.time_ns()
        home.kill("collector:a")
        filled = len(home.fills())
        wait_for(lambda: len(home.fills()) >= filled + 2)
        killed_ms = longest_gap_ms(home.home, began, time.time_ns())
        # Trades that only the poller can bring come with its next turn: none is missing, none is there twice.
        wait_for(lambda: is_whole(trade_ids(home.home)), lambda: trade_ids(home.home))
        home.run("down")
        if LONG:  # a machine that stands still has gaps of its own
            assert max(frozen_ms, killed_ms) < 2000
            assert 4304 not in {each["code"] for each in home.logged("order")}
        states = [(each["subject"], each["state"]) for each in home.logged("health") if each["kind"] == "source"]
        assert ("a", "failing") in states and ("a", "degraded") in states  # it was told, and that it came back
        assert home.verified()["divergences"] == 0
        ids = trade_ids(home.home)
        assert len(ids) == len(set(ids))


def test_a_frozen_hub_lets_nothing_open_and_everything_close(tmp_path: Path):
    with HubHome(tmp_path, CONFIG + HUB, TRADER) as home:
        home.begin()
        wait_for(lambda: home.market()["hub"]["symbols"][BTC]["stale"] == "")
        with home.frozen("hub"):
            wait_for(lambda: home.market()["stale_ms"])
            wait_for(lambda: ("market", "hub") in alerts(home))
            (bought,) = home.run("buy", BTC, "0.01", code=5)["orders"]
            assert bought["code"] == 4304 and "at most 0.5 s" in bought["reason"]
            flattened = home.run("flatten")  # by the last price that is known
            assert [each["side"] for each in flattened["orders"]] == ["sell"]
        wait_for(lambda: not home.market()["stale_ms"])
        wait_for(lambda: ("market", "hub") not in alerts(home))
        home.run("down")
        assert home.verified()["divergences"] == 0


def alerts(home: HubHome) -> set[tuple[str, str]]:
    """Kind and subject of what goes on."""
    found = set()
    for each in frames(gateway_journal(home.home, "main"), "health"):
        key = each.data["kind"], each.data["subject"]
        found.discard(key)
        if each.data.get("severity"):
            found.add(key)
    return found


def test_all_its_lives_are_repeated_when_robot_gateway_and_hub_are_killed(tmp_path: Path):
    with HubHome(tmp_path, CONFIG + HUB, TRADER) as home:
        home.begin()
        for name in ("robot:mm", "hub", "gateway:main"):
            home.kill(name)
            filled = len(home.fills())
            wait_for(lambda n=filled: len(home.fills()) >= n + 2, lambda: (home.now(), home.log()[-4000:]))
        home.run("down")
        assert len(incarnations_of(home.journal)) == 2
        assert home.verified()["divergences"] == 0


def taken(run: Path) -> list[tuple[int, int]]:
    """Frames of the hub's journal, and of the gateway's the one that each came behind."""
    return [(after, each) for life in incarnations_of(run / "journal") for after, _, each in life.live.order]


def test_variants_on_paper_take_the_hubs_market_in_their_robots_order(tmp_path: Path):
    hub = HUB.replace(f'["{BTC}"]', f'["{BTC}", "{ETH}"]')  # of which it follows one
    config = CONFIG.replace('subaccount = "a"\n', "") + hub + "[robots.mm.variants.same]\n"
    with HubHome(tmp_path, config, TRADER) as home:
        assert not any("variants" in note for note in home.run("up")["notes"])

        def runs() -> dict[str, Path]:
            reported = msgspec.json.decode(variants_file(home.home, "mm").read_bytes())
            return {name: Path(each["run"]) for name, each in reported["variants"].items()}

        def placed(run: Path) -> int:
            return len(read_actions(run / "journal"))

        live = home.journal.parent
        wait_for(lambda: all(placed(run) >= 4 for run in (live, *runs().values())), lambda: home.log()[-4000:])
        wait_for(lambda: len(taken(runs()["twin"])) > 10)
        twin, order = taken(runs()["twin"]), taken(live)  # in this order: both go on meanwhile
        assert twin == order[: len(twin)]
        before, dead = runs(), placed(live)
        home.kill("robot:mm")
        wait_for(lambda: placed(live) >= dead + 4)
        home.kill("variants:mm")
        wait_for(lambda: runs() != before)
        wait_for(lambda: all(placed(run) >= dead + 4 for run in runs().values()), lambda: home.log()[-4000:])
        home.run("down")
        assert home.journal.parent == live and not frames(gateway_journal(home.home, "main"), "quote", "trade", "mark")
        twin, same = (read_actions(runs()[name] / "journal") for name in ("twin", "same"))
        assert first_difference(twin, same)[0] == 0
        # A robot's restart takes nothing from its variants: what came meanwhile they have, too.
        order, twin = taken(live), taken(runs()["twin"])
        assert {each for each in order if each[1] <= twin[-1][1]} <= set(twin) and len(twin) > len(order) / 2
        for run in (before["twin"], runs()["twin"], live):
            assert home.run("replay", str(run), "--verify")["divergences"] == 0


SLOW = """
import time

from onetape import Strategy


class Slow(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    conflate: bool = True

    def on_start(self):
        self.subscribe(self.symbol, quotes=True, trades=True, conflate=self.conflate)
        self.quotes = self.heard = 0

    def on_quote(self, quote):
        self.quotes += 1
        self.log("quote", ts=quote.ts_recv, mid=quote.mid)
        time.sleep(0.2)  # nobody reads a clock
        self.set_target(self.symbol, 0.01 * (self.quotes % 3))

    def on_trade(self, trade):
        self.log("trade", id=trade.id)
"""


def test_a_slow_robot_that_asks_has_the_newest_quote_and_every_trade(tmp_path: Path):
    config = CONFIG.replace('subaccount = "a"\n', "") + HUB
    with HubHome(tmp_path, config, SLOW) as home:
        home.run("up")
        wait_for(lambda: len(home.logged("quote")) >= 12 and len(read_actions(home.journal)) >= 4)
        # One that sleeps in its callbacks may not answer in time.
        request = ["send", "robot:mm", "status", "--json"]
        answer = wait_for(lambda: (got := command_line(request, home.folder))[0] == 0 and json.loads(got[1]))
        assert answer["result"]["superseded"] > 0
        home.run("down")
        heard, trades = home.logged("quote"), [each["id"] for each in home.logged("trade")]
        there = [each.data["ts_recv"] for each in frames(hub_journal(home.home), "quote")]
        between = [each for each in there if heard[0]["ts"] <= each <= heard[-1]["ts"]]
        assert len(between) > len(heard) + 5 and {each["ts"] for each in heard} <= set(between)
        ids = [each.data["id_low"] for each in frames(hub_journal(home.home), "trade")]
        first = ids.index(int(trades[0]))
        assert [int(each) for each in trades] == ids[first : first + len(trades)]
        assert home.verified()["divergences"] == 0
        (life,) = incarnations_of(home.journal)
        sequences = [each.sequence for each in frames(hub_journal(home.home), "quote")]
        left_out = [n for n in sequences if life.live.order[0][2] < n < life.live.order[-1][2]]
        assert set(left_out) - {each for _, _, each in life.live.order}  # the run says which it never had


@pytest.mark.parametrize("symbols", [f'["{ETH}"]', '"top:1"'])
def test_what_no_collector_names_stays_the_gateways_own(tmp_path: Path, symbols: str):
    config = CONFIG + HUB.replace(f'["{BTC}"]', symbols)
    with HubHome(tmp_path, config, TRADER) as home:
        found = home.run("doctor")["findings"]
        assert [each["subject"] for each in found if "itself" in each["text"]] == ["account main"]
        up = home.run("up")
        assert any("follows" in note and BTC in note for note in up["notes"])
        home.run(*ALLOCATE)
        wait_for(home.fills)
        home.run("down")
        assert frames(gateway_journal(home.home, "main"), "quote")
        assert home.verified()["divergences"] == 0


LOOKS = """
from onetape import Strategy


class Looks(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, bars="5s", history=12)
        self.closed = 0

    def on_bar(self, bar):
        self.closed += 1
        bars = self.bars(self.symbol, "5s", 1000)
        at, volume = [int(each) for each in bars.ts_open], [float(each) for each in bars.volume]
        self.log("bars", closed=self.closed, at=at, volume=volume)
"""
PERIOD = 5 * 10**9


def test_bars_from_before_the_start_join_the_hubs_trades_without_gap_or_double(tmp_path: Path):
    alone = HUB[: HUB.index("[collectors.b]")] + "[hub]\n"
    with HubHome(tmp_path, CONFIG + alone, LOOKS) as home:
        home.run("up")
        wait_for(lambda: [each for each in home.logged("bars") if each["closed"] == 3])
        home.kill("robot:mm")  # what it saw as it came is history now
        wait_for(lambda: len([each for each in home.logged("bars") if each["closed"] == 2]) == 2)
        seen = [each for each in home.logged("bars") if each["closed"] == 2][-1]
        home.run("down")
        assert home.verified()["divergences"] == 0
        trades = frames(hub_journal(home.home), "trade")
    at = seen["at"]
    assert at == list(range(at[0], at[0] + len(at) * PERIOD, PERIOD)) and len(at) == 14
    # Bars of the venue are by its time, those that were heard by that of receipt: only the end is one.
    begin = min(each for each in at if each >= trades[0].data["ts_event"])
    assert begin < at[-3]
    wanted = sum(each.data["size"] for each in trades if each.data["ts_event"] >= begin and each.time < at[-1] + PERIOD)
    found = sum(volume for each, volume in zip(at, seen["volume"], strict=True) if each >= begin)
    assert round(found * 1000) == wanted
