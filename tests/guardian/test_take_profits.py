"""Take-profits of the guardian's: a second ladder on the other side of the entry, which is placed when the stops
stand and replaced as they are; when one side takes off, the other one is made smaller."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from guardian.guarded_world import ACCOUNT, START, SYMBOL, Faults, GuardedWorld
from onetape.guardian.events import CancelStops, PlaceStops, ReadVenue
from onetape.model.errors import BadConfig
from onetape.model.time import SECOND
from onetape.options.guardian import guardian_options
from onetape.options.guardian_rules import GuardianSettings, Rules
from onetape.simulation.faults import Faults as Calm
from onetape.simulation.guardian_world import GuardianWorld
from onetape.store.config import parse_config

OTHER = "binance:ETH/USDT:USDT"
TARGETS = (Decimal("0.02"), Decimal("0.04"))
CONFIG = '[venues.x]\nkind = "binance-usdm"\n[accounts.main]\nvenue = "x"\n[guardian]\n'
SETTINGS = GuardianSettings(Rules(targets=TARGETS))


def held(qty: int, settings: GuardianSettings = SETTINGS, **options) -> GuardedWorld:
    world = GuardedWorld(settings=settings, **options)
    world.trade(qty)
    world.run(2)
    return world


def targets(world: GuardedWorld) -> list[tuple[int, int]]:
    return sorted((stop.trigger, stop.size) for stop in world.resting.values() if stop.is_target)


def placed(world: GuardedWorld, *, is_target: bool) -> list[PlaceStops]:
    return [each for _, each in world.commands if isinstance(each, PlaceStops) and each.is_target is is_target]


@pytest.mark.parametrize(("qty", "shares"), [(1001, (102, 104)), (-1001, (96, 98))])
def test_shares_rest_on_the_other_side_of_the_entry_once_the_stops_stand(qty, shares):
    world = held(qty)
    assert targets(world) == sorted(
        zip((START * each // 100 for each in shares), (500, 501)[:: qty // 1001], strict=True)
    )
    assert world.covered == 1001 and world.guard.is_protected
    first = next(at for at, each in world.commands if isinstance(each, PlaceStops) and each.is_target)
    verified = next(each for each in world.records if each.kind == "ladder" and each.state == "verified")
    assert verified and first > next(at for at, each in world.commands if isinstance(each, ReadVenue) and each.symbol)


def test_what_one_side_takes_off_goes_from_the_other_one():
    world = held(1000, faults=Faults(frozen=1e-9))
    world.move(START * 1021 // 1000)
    world.run(4)
    assert world.qty == 500 and (world.covered, world.taken) == (500, 500)
    assert targets(world) == [(START * 104 // 100, 500)]  # a target takes once
    world.move(START * 945 // 1000)
    world.run(4)
    assert world.qty == 300 and (world.covered, world.taken) == (300, 300)
    world.move(START * 105 // 100)
    world.run(4)
    assert not world.qty and not world.resting


def test_levels_without_a_stop_share_what_a_target_has_left():
    world = held(1000, faults=Faults(frozen=1e-9))
    world.move(START * 1021 // 1000)
    world.run(4)
    assert world.qty == 500
    world.check, world.faults = (lambda: None), Faults(frozen=1e-9, refused=1.0)
    for name in [name for name, stop in world.resting.items() if not stop.is_target]:
        del world.resting[name]
        world._ended(name)
    world.core.guards[ACCOUNT, SYMBOL, world.guard.side].stops.retry_at = 10**18  # no ladder comes meanwhile
    for thousandths, left in ((949, 400), (960, 400), (949, 400), (944, 300), (934, 100)):
        world.move(START * thousandths // 1000)
        world.faults = Faults(frozen=1e-9)
        world.run(3)
        assert world.qty == left, thousandths


def test_the_old_ones_go_when_the_new_ones_are_verified():
    world = held(1000)
    before = set(targets(world))
    world.trade(100)
    world.run(2)
    assert world.taken == 1100 and not before & set(targets(world))
    new = {each.id for each in placed(world, is_target=True)[1:]}
    order = [each for _, each in world.commands if not isinstance(each, ReadVenue) or each.symbol]
    at = next(i for i, each in enumerate(order) if getattr(each, "id", "") in new)
    cancel = next(i for i, each in enumerate(order) if i > at and isinstance(each, CancelStops))
    assert any(isinstance(each, ReadVenue) for each in order[at:cancel])


def test_they_follow_the_entry_price_both_ways_and_are_never_at_a_loss():
    """Unlike a stop's, a target's level may go farther: averaged up, the old one would be no profit."""
    world = held(1000)
    world.move(START * 1019 // 1000)
    world.trade(3000)
    world.run(3)
    assert world.entry > START
    assert targets(world)[0][0] == int(world.entry * (1 + Fraction(2, 100)))


def test_no_stops_no_take_profits():
    world = GuardedWorld(settings=SETTINGS, faults=Faults(refused=1.0))
    world.trade(1000)
    world.run(4)
    assert not placed(world, is_target=True)
    world.faults = Faults()
    world.run(8)
    assert world.guard.is_protected and world.taken == 1000


@pytest.mark.parametrize(
    ("qty", "high", "low", "wanted"),
    [
        (1000, 103, 97, (START * 102 // 100, START * 103 // 100)),
        (1000, 101, 97, (START * 1005 // 1000, START * 101 // 100)),
        (-1000, 103, 99, (START * 995 // 1000, START * 99 // 100)),
        (1000, 99, 97, (START * 102 // 100, START * 104 // 100)),  # the market is beyond it: they stay
    ],
)
def test_none_is_farther_than_the_market_has_been(qty, high, low, wanted):
    world = GuardedWorld(settings=GuardianSettings(Rules(look_back=60 * SECOND, targets=TARGETS)))
    world.range = START * low // 100, START * high // 100
    world.trade(qty)
    world.run(3)
    assert sorted(trigger for trigger, _ in targets(world)) == sorted(wanted)
    world.kill_guardian()
    world.range = START * 9 // 10, START * 11 // 10  # it has looked back once
    world.run(6)
    world.trade(qty)
    world.run(3)
    assert sorted(trigger for trigger, _ in targets(world)) == sorted(wanted) and world.taken == 2000


def test_without_them_in_the_configuration_those_that_rest_go():
    world = held(1000)
    world.kill_guardian()
    world.settings = GuardianSettings()
    world.run(6)
    assert world.taken == 0 and world.covered == 1000


def test_a_level_that_the_market_has_passed_is_left_to_the_next_one():
    world = GuardedWorld(settings=SETTINGS, faults=Faults(frozen=1e-9))
    world.trade(1000)
    world.price = START * 103 // 100
    world.quote()
    world.run(3)
    assert targets(world) == [(START * 104 // 100, 1000)]


@pytest.mark.parametrize("change", [-1000, -2000])
def test_a_position_that_is_opened_anew_before_its_stops_are_gone_has_its_own_levels(change):
    world = held(1000)
    world.trade(change)
    world.run(0.005)
    world.price = START * 1015 // 1000
    world.quote()
    world.trade(-change)
    world.run(6)
    triggers = sorted(stop.trigger * 1000 // world.price for stop in world.resting.values())
    assert triggers == [930, 935, 940, 945, 950, 1020, 1040] and world.covered == world.taken == 1000


def test_a_market_that_is_past_all_targets_is_said_once():
    world = GuardedWorld(settings=SETTINGS, faults=Faults(frozen=1e-9))
    world.trade(1000)
    world.price = START * 105 // 100
    world.quote()
    world.run(5)
    assert not targets(world)
    (said,) = [each for each in world.records if each.kind == "take-profits"]
    assert (said.severity, said.state) == ("warning", "the market is past all levels: none is placed")


def test_targets_that_are_configured_while_a_position_is_held_look_back_too():
    rules = Rules(look_back=60 * SECOND)
    world = GuardedWorld(settings=GuardianSettings(rules))
    world.range = START * 97 // 100, START * 101 // 100
    world.trade(1000)
    world.run(3)
    world.settings = GuardianSettings(Rules(look_back=60 * SECOND, targets=TARGETS))
    world.kill_guardian()
    world.run(8)
    assert targets(world) == [(START * 1005 // 1000, 500), (START * 101 // 100, 500)]


def test_at_the_venue_a_target_takes_off_and_the_stops_shrink_and_all_survives_kills():
    """The real gateway and a venue's dialect. At each step one of them is killed before its next frame."""
    settings = GuardianSettings(Rules(targets=TARGETS))
    world = GuardianWorld(0, Calm.none(), crashes=False, settings=settings)
    world.connect()
    world.begin_watch()
    world.until(world.now + SECOND)

    def rests() -> tuple[int, int]:
        rows = world.exchange.conditionals.open_of(world.account, 0)
        kinds = {True: 0, False: 0}
        for row in rows:
            kinds[row.trigger > world.exchange.listings[0].last] += row.size
        return kinds[False], kinds[True]

    def trade(side: str, qty: str) -> None:
        fields = {"symbol": world.symbols[0], "side": side, "qty": qty}
        assert world.command(f"{side} {world.now}", "place", fields, "operator")["status"] == "applied"

    trade("buy", "0.1")
    world.until(world.now + 2 * SECOND)
    assert rests() == (100, 100)
    for who in ("gateway", "guardian"):
        life = world.life if who == "gateway" else world.guardian
        world.step(trade, "buy", "0.02")
        life.writer.left = 1
        world.until(world.now + 15 * SECOND)
        world.life.writer.left = -1
        qty = world.account.qty(0)
        assert rests() == (qty, qty) and qty > 100, who
    world.step(trade, "sell", "0.06")
    world.until(world.now + 15 * SECOND)
    qty = world.account.qty(0)
    assert rests() == (qty, qty)
    world.end_guardian()


@pytest.mark.parametrize("levels", ['["4%", "2%"]', '["2"]', '["2%", "2%"]'])
def test_what_is_no_ladder_of_targets_is_refused(levels):
    with pytest.raises(BadConfig, match="take_profit"):
        parse_config(f"{CONFIG}take_profit = {levels}")


def test_a_symbol_may_have_others_or_none():
    own = f'[guardian.symbols."{SYMBOL}"]\ntake_profit = []\n[guardian.symbols."{OTHER}"]\ntake_profit = ["9%"]'
    settings = guardian_options(parse_config(f'{CONFIG}take_profit = ["2%", "4%"]\n{own}'), {}, home=Path("x")).settings
    found = [settings.of(name).targets for name in (SYMBOL, OTHER, "any")]
    assert found == [(), (Decimal("0.09"),), TARGETS]
