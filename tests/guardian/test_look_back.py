"""Stops that are nowhere farther than where the market has been."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from test_guardian_under_up import CONFIG

from exchange.venue_client import served
from guardian.guarded_world import BTC, START, SYMBOL, GuardedWorld
from onetape.guardian.events import PlaceStops, ReadBars
from onetape.guardian.venue_reader import VenueReader
from onetape.model.enums import Side
from onetape.model.errors import BadConfig
from onetape.model.time import DAY, HOUR, MINUTE
from onetape.options.guardian import AccountOptions, guardian_options
from onetape.options.guardian_rules import GuardianSettings, Rules
from onetape.risk.look_back import look_back_level, period_of
from onetape.store.config import parse_config

SETTINGS = GuardianSettings(Rules(look_back=500 * MINUTE))


def at(percent: str) -> int:
    return int(START * Decimal(percent) / 100)


def triggers(world: GuardedWorld) -> list[int]:
    """Nearest first, of a long position."""
    return sorted((stop.trigger for stop in world.resting.values()), reverse=True)


@pytest.mark.parametrize(
    ("minutes", "period"),
    [
        (1, MINUTE),
        (499, MINUTE),
        (500, 15 * MINUTE),
        (7_499, 15 * MINUTE),
        (7_500, HOUR),
        (29_999, HOUR),
        (30_000, 4 * HOUR),
        (119_999, 4 * HOUR),
        (120_000, DAY),
        (719_999, DAY),
    ],
)
def test_a_window_is_read_in_some_five_hundred_bars_at_most(minutes, period):
    assert period_of(minutes * MINUTE) == period and minutes * MINUTE / period <= 500


@pytest.mark.parametrize(
    ("closes", "level"),
    [(Side.SELL, 995_000), (Side.BUY, 1_206_000)],  # 1,000,000 less 0.5 %, 1,200,000 and 0.5 %
)
def test_a_stop_lies_outside_of_the_window(closes, level):
    assert look_back_level(BTC, closes, 1_000_000, 1_200_000, Decimal("0.005")) == level


@pytest.mark.parametrize(
    ("low", "wanted"),
    [
        ("97", ["97.8572", "97.6429", "97.4286", "97.2143", "97"]),  # as far apart as 5 to 7 %, from the entry on
        ("94.2", ["95", "94.5", "94.4", "94.3", "94.2"]),  # from the last one on that may stay
        ("90", ["95", "94.5", "94", "93.5", "93"]),  # never farther than the ladder
        ("100.1", ["95", "94.5", "94", "93.5", "93"]),  # the market is beyond it already
        ("0", ["95", "94.5", "94", "93.5", "93"]),  # nobody can tell
    ],
)
def test_no_level_is_farther_than_the_low_of_the_window(low, wanted):
    world = GuardedWorld(settings=SETTINGS)
    world.range = at(low), at("103")
    world.trade(1000)
    world.run(3)
    assert triggers(world) == [at(each) for each in wanted]
    assert world.covered == 1000 and world.guard.is_protected  # whatever the window says: see the world's own checks


def test_the_stops_of_a_short_position_lie_above_the_high():
    world = GuardedWorld(settings=SETTINGS)
    world.range = at("99"), at("102")
    world.trade(-1000)
    world.run(3)
    wanted = ["101.4285", "101.5714", "101.7142", "101.8571", "102"]
    assert triggers(world)[::-1] == [at(each) for each in wanted]


def test_a_window_that_cannot_be_read_is_asked_for_until_it_can_and_said_once():
    world = GuardedWorld(settings=SETTINGS)
    world.trade(1000)
    world.run(12)
    assert [each.state for each in world.records if "look-back" in each.state] == [
        "the bars for its look-back cannot be read"
    ]
    world.range = at("98"), at("103")
    world.run(6)
    assert triggers(world) == [at(each) for each in ("98.5715", "98.4286", "98.2858", "98.1429", "98")]


def test_a_position_looks_back_once_and_so_does_its_next_guardian():
    world = GuardedWorld(settings=SETTINGS)
    world.range = at("97"), at("103")
    world.trade(1000)
    world.run(3)
    world.range = at("99"), at("103")
    world.kill_guardian()
    world.run(6)
    world.trade(1000)
    world.run(3)
    assert min(triggers(world)) == at("97") and world.covered == 2000
    assert sum(isinstance(each, ReadBars) for _, each in world.commands) == 1
    world.trade(-2000)
    world.run(3)
    world.trade(1000)  # another position looks anew
    world.run(3)
    assert min(triggers(world)) == at("99") and len(set(triggers(world))) == 5


@pytest.mark.parametrize("sign", [1, -1])
def test_levels_that_look_back_are_spread_beyond_where_the_market_is_already(sign):
    world = GuardedWorld(settings=SETTINGS)
    low = START * (100 - 3 * sign) // 100
    world.range = min(low, START), max(low, START)
    world.trade(sign * 1000)
    world.run(0.02)
    world.move(START * (100 - 2 * sign) // 100)
    world.quote()
    world.run(3)
    found = {stop.trigger for stop in world.resting.values()}
    assert len(found) == 5 and world.covered == 1000
    assert all((world.price - each) * sign > 0 and (each - low) * sign >= 0 for each in found)


def test_the_ladder_stands_until_the_one_that_has_looked_back_is_verified():
    world = GuardedWorld(settings=SETTINGS)
    world.range = at("97"), at("103")
    world.trade(1000)
    lowest = 0
    for _ in range(100):
        world.run(0.03)
        lowest = min(lowest, world.covered - 1000) if world.guard and world.guard.protected_at else lowest
    assert lowest == 0
    assert [len(each.rungs) for _, each in world.commands if isinstance(each, PlaceStops)] == [5, 5]


@pytest.mark.parametrize(
    ("text", "words"),
    [('look_back = "soon"', "soon"), ('look_back = "501d"', "500 days"), ('look_back_beyond = "2"', "no share")],
)
def test_what_is_no_window_is_refused(text, words):
    with pytest.raises(BadConfig, match=words):
        parse_config(CONFIG.replace("[guardian]", f"[guardian]\n{text}"))


def test_a_symbol_has_a_window_of_its_own():
    text = f'[guardian]\nlook_back = "1d"\n[guardian.symbols."{SYMBOL}"]\nlook_back = "8h"\nlook_back_beyond = "1%"'
    settings = guardian_options(parse_config(CONFIG.replace("[guardian]", text)), {}, home=Path("x")).settings
    assert (settings.of(SYMBOL).look_back, settings.of(SYMBOL).beyond) == (8 * HOUR, Decimal("0.01"))
    assert settings.of("other").look_back == DAY


def test_the_venue_tells_where_its_market_has_been(tmp_path):
    with served("binance-usdm", seed=11, limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        rest = f"http://127.0.0.1:{port}"
        options = AccountOptions(kind="binance-usdm", rest=rest, ws="", key=account.key, secret=account.secret)

        async def read(window: int) -> tuple[int, int]:
            reader = VenueReader(options, tmp_path, lambda _: None)
            async with reader.open():
                return await reader.extremes(BTC, window)

        low, high = asyncio.run(read(HOUR))
        last = dialect.exchange.listings[0].last
        assert 0 < low <= last <= high
    assert asyncio.run(read(HOUR)) == (0, 0)  # there is nobody
