"""Sub-accounts of one account as a guardian sees them: what each would lose now, and its local stops where they hold
against each other, for which the venue has no stops."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest

from guardian.guarded_world import tell
from onetape.accounts.holding import Holding, Terms
from onetape.guardian.core import GuardianCore
from onetape.guardian.events import CloseSubAccount, Flatten, Record
from onetape.guardian.kept import Kept
from onetape.model import catalogue
from onetape.model.enums import OrderType, PositionSide, Side
from onetape.model.money import money_units
from onetape.model.order import OrderSpec
from onetape.model.time import SECOND
from onetape.options.guardian_rules import GuardianSettings, Rules
from onetape.simulation.faults import Faults
from onetape.simulation.guardian_world import TIGHT, GuardianWorld, calm

BTC = catalogue.find("binance:BTC/USDT:USDT")
AT, BOTH = ("main", BTC.symbol), PositionSide.BOTH
PRICE = 100_000 * 10**BTC.price_decimals
NOW = 100 * SECOND


def holding(*fills: tuple[int, int]) -> Holding:
    """fills: signed size and price, units."""
    made = Holding(Terms(BTC))
    for change, price in fills:
        made.fill(change, made.terms.value(price, change))
    return made


def core_of(
    settings: GuardianSettings | None = None, *, before: GuardianCore | None = None, opened: str = "1", **parts: Holding
) -> GuardianCore:
    """Its account holds the sum of what sub-accounts hold. before: the life before it, of which it has the journal."""
    core = GuardianCore(settings or GuardianSettings(), epoch="1", watched=())
    core.instrument("main", BTC)
    qty, cost = (sum(getattr(each, of) for each in parts.values()) for of in ("qty", "cost"))
    entry = Fraction(cost, qty * Terms(BTC).value(1, 1)) if qty else None
    core.position(*AT, BOTH, qty, entry, NOW)
    for name, part in parts.items():
        core.sub_account("main", name, BTC.symbol, BOTH, part, NOW, opened=opened)
    if before is not None:
        kept = Kept()
        for each in before.effects:
            if isinstance(each, Record):
                kept.take({"kind": each.kind, "state": each.state, "about": each.about, "subject": each.subject})
        msgspec.json.decode(msgspec.json.encode(kept), type=Kept).resume(core, "main", [BTC.symbol])
    core.caught_up("main", NOW)
    return core


def closings(core: GuardianCore, price: int, now: int = NOW) -> dict[str, int]:
    """What sub-accounts are closed of at a price."""
    core.effects.clear()
    tell(core, BTC.symbol, price, now)
    return {each.name: each.size for each in core.effects if isinstance(each, CloseSubAccount)}


def at(share: str) -> int:
    return int(PRICE * (1 + Decimal(share)))


@pytest.mark.parametrize(
    ("parts", "price", "closed"),
    [
        ({"a": 500, "b": -300}, at("-0.049"), {}),
        ({"a": 500, "b": -300}, at("-0.05"), {"a": 100}),  # a fifth at each level, as at the venue
        ({"a": 500, "b": -300}, at("-0.06"), {"a": 300}),
        ({"a": 500, "b": -300}, at("-0.07"), {"a": 500}),
        ({"a": 500, "b": -300}, at("0.055"), {"b": 120}),
        ({"a": 300, "b": -300}, at("0.08"), {"b": 300}),  # the account holds nothing
        ({"a": 500, "b": -300, "c": -100}, at("0.05"), {"b": 60, "c": 20}),
        ({"a": 500, "b": 300}, at("-0.06"), {}),  # with each other: the ladder has them both
        ({"a": 500, "b": 0}, at("-0.06"), {}),
    ],
)
def test_sub_accounts_against_each_other_have_local_stops_from_their_own_entry(parts, price, closed):
    core = core_of(GuardianSettings(Rules(hard_stop=Decimal(0))), **{n: holding((q, PRICE)) for n, q in parts.items()})
    assert closings(core, price) == closed


def test_each_level_closes_once_and_the_rest_goes_at_the_hard_stop():
    core = core_of(a=holding((500, PRICE)), b=holding((-600, PRICE)))
    assert closings(core, at("-0.05")) == {"a": 100}
    assert closings(core, at("-0.05"), NOW + SECOND // 10) == {}  # that is under way
    core.sub_account("main", "a", BTC.symbol, BOTH, holding((400, PRICE)), NOW + SECOND, opened="1")
    assert closings(core, at("-0.05"), NOW + SECOND) == {}
    assert closings(core, at("-0.075"), NOW + 2 * SECOND) == {"a": 400}


@pytest.mark.parametrize(("price", "closed"), [(at("-0.05"), 100), (at("-0.08"), 500)])
def test_a_close_that_fills_late_is_sent_once_and_one_that_was_refused_again(price, closed):
    core = core_of(a=holding((500, PRICE)), b=holding((-600, PRICE)))
    assert closings(core, price) == {"a": closed}
    (close,) = [each for each in core.effects if isinstance(each, CloseSubAccount)]
    assert closings(core, price, NOW + 4 * SECOND) == {}
    core.closed(close, "not now", NOW + 4 * SECOND)
    assert closings(core, price, NOW + 5 * SECOND) == {"a": closed}


@pytest.mark.parametrize(
    ("after", "opened", "closed"),
    [
        (holding((400, PRICE)), "1", {}),
        (holding((300, PRICE)), "1", {}),  # its robot has taken some off, too
        (holding((400, PRICE), (50, at("-0.001"))), "1", {"a": 50}),  # or added some, which is beyond the level
        (holding((450, PRICE)), "2", {"a": 90}),  # closed and opened anew: another part
        (holding((-400, PRICE)), "2", {}),
    ],
)
def test_a_level_closes_once_also_over_lives_of_the_guardian(after, opened, closed):
    core = core_of(a=holding((500, PRICE)), b=holding((-600, PRICE)))
    assert closings(core, at("-0.051")) == {"a": 100}
    assert closings(core_of(before=core, opened=opened, a=after, b=holding((-600, PRICE))), at("-0.051")) == closed


def test_what_a_close_that_passed_after_a_refusal_closed_is_found_by_the_next_life():
    held = {"a": holding((500, PRICE)), "b": holding((-600, PRICE))}
    core = core_of(**held)
    closings(core, at("-0.051"))
    (close,) = [each for each in core.effects if isinstance(each, CloseSubAccount)]
    core.closed(close, "not now", NOW)
    (size,) = closings(core, at("-0.061"), NOW + 9 * SECOND).values()
    said = [each for each in core.effects if isinstance(each, Record) and each.state == "closing"]
    assert [each.severity for each in said] == [""]  # a new alarm it is not
    after = core_of(before=core, **{**held, "a": holding((500 - size, PRICE))})
    assert closings(after, at("-0.061")) == {}


def test_a_part_that_is_opened_anew_at_the_same_price_has_all_its_levels_in_the_next_life():
    held = {"a": holding((500, PRICE)), "b": holding((-600, PRICE))}
    core = core_of(**held)
    assert closings(core, at("-0.051")) == {"a": 100}
    for opened, part in (("", holding()), ("2", held["a"])):
        core.sub_account("main", "a", BTC.symbol, BOTH, part, NOW, opened=opened)
    assert closings(core_of(before=core, opened="2", **held), at("-0.051")) == {"a": 100}


def test_levels_of_a_part_that_grew_beyond_what_it_was_are_whole_also_in_the_next_life():
    against = holding((-900, PRICE))
    core = core_of(a=holding((500, PRICE)), b=against)
    assert closings(core, at("-0.051")) == {"a": 100}
    for size in (600, 450):  # what is kept with the first does not tell of it
        core.sub_account("main", "a", BTC.symbol, BOTH, holding((size, PRICE)), NOW, opened="1")
    for each in (core_of(before=core, a=holding((450, PRICE)), b=against), core):
        assert closings(each, at("-0.051"), NOW + SECOND) == {"a": 90}


def test_a_journal_that_is_read_anew_closes_no_level_of_a_part_once_more():
    held = {"a": holding((500, PRICE)), "b": holding((-600, PRICE))}
    core = core_of(**held)
    assert closings(core, at("-0.051")) == {"a": 100}
    core.forget_parts("main")
    assert closings(core, at("-0.051"), NOW + SECOND) == {}
    for name, part in {**held, "a": holding((400, PRICE))}.items():
        core.sub_account("main", name, BTC.symbol, BOTH, part, NOW, opened="1")
    assert closings(core, at("-0.051"), NOW + 2 * SECOND) == {}


def test_what_was_averaged_after_a_level_was_closed_is_found_by_the_next_life():
    against = holding((-600, PRICE))
    core = core_of(a=holding((500, PRICE)), b=against)
    assert closings(core, at("-0.051")) == {"a": 100}
    averaged = holding((400, PRICE), (40, at("-0.052")))
    core.sub_account("main", "a", BTC.symbol, BOTH, averaged, NOW, opened="1")
    assert closings(core_of(before=core, a=averaged, b=against), at("-0.0605")) == {"a": 140}


def test_what_is_open_counts_by_sub_account_at_its_own_cost():
    core = core_of(a=holding((500, PRICE)), b=holding((-300, at("0.01"))))
    tell(core, BTC.symbol, at("-0.01"), NOW)
    found = {each.strategy: each.amount for each in core.unrealized(NOW)}
    assert found == {"a": money_units(-500), "b": money_units(600), "": money_units(100)}
    assert {each.amount for each in core.unrealized(NOW + 60 * SECOND)} == {None}


@pytest.mark.parametrize(("limit", "is_flattened"), [("99.95", True), ("99.96", False)])
def test_a_total_loss_flattens_at_its_cent_also_where_the_average_lies_between_two_prices(limit, is_flattened):
    settings = GuardianSettings(total_loss={"USDT": Decimal(limit)})
    core = core_of(settings, main=holding((500, PRICE), (500, PRICE + 1)))
    tell(core, BTC.symbol, PRICE - 999, NOW)
    core.tick(NOW)
    assert {each.amount for each in core.unrealized(NOW)} == {money_units("-99.95")}
    assert any(isinstance(each, Flatten) for each in core.effects) is is_flattened


def test_a_level_of_a_part_that_was_added_to_while_no_guardian_was_there_closes_once():
    world = calm()
    allocate = {"currency": "USDT", "index": 2, "amount": "20000"}
    assert world.command("allocate", "allocate", allocate, "operator")["status"] == "applied"

    def short(size: int) -> None:
        spec = OrderSpec(symbol=world.symbols[0], side=Side.SELL, size_int=size, type=OrderType.MARKET)
        world.robots[0].ask(spec, world.exchange.listings[0].last)
        world.until(world.now + SECOND)

    def held() -> tuple[int, int]:
        return tuple(world.money.own(slot, world.symbols[0], BOTH) for slot in (1, 2))

    fields = {"symbol": world.symbols[0], "side": "buy", "qty": "0.12"}
    assert world.command("hand", "place", fields, "operator")["status"] == "applied"
    short(100)
    best, share = world.best, 1052
    world.best = lambda symbol: tuple(price * share // 1000 for price in best(symbol))
    world.until(world.now + 5 * SECOND)  # the venue's own mark does not agree
    assert held() == (120, -80)  # the first level of the one who is short
    world.end_guardian()
    share = 1000
    short(5)
    assert held() == (120, -85)
    share = 1053
    world.begin_guardian()
    world.until(world.now + 5 * SECOND)
    assert held() == (120, -80)  # what was added is beyond the level, and no share of it closes once more
    share = 1057
    world.until(world.now + 5 * SECOND)
    assert held() == (120, -60)  # two levels are passed: of the 100 that were held before any
    world.end_guardian()


def test_local_stops_of_sub_accounts_pass_the_gateway_until_nobody_holds_against_another():
    """The market meets the levels, which are near; guardian, gateway and venue in one virtual time."""
    world = GuardianWorld(0, Faults.none(), crashes=False, settings=TIGHT)
    world.connect()
    world.begin_watch()
    world.until(world.now + SECOND)
    allocate = {"currency": "USDT", "index": 2, "amount": "20000"}
    assert world.command("allocate", "allocate", allocate, "operator")["status"] == "applied"
    fields = {"symbol": world.symbols[0], "side": "buy", "qty": "0.08"}
    assert world.command("hand", "place", fields, "operator")["status"] == "applied"
    spec = OrderSpec(symbol=world.symbols[0], side=Side.SELL, size_int=80, type=OrderType.MARKET)
    world.robots[0].ask(spec, world.exchange.listings[0].last)

    def held() -> dict[int, int]:
        return {slot: world.money.own(slot, world.symbols[0], BOTH) for slot in (1, 2)}

    world.until(world.now + SECOND)
    assert held() == {1: 80, 2: -80} and world.account.qty(0) == 0
    for _ in range(300):
        world.until(world.now + SECOND)
        if not all(held().values()):
            break
    world.end_guardian()
    assert not all(held().values()) and world.account.qty(0) == sum(held().values())
    assert world.seen["close applied"] > 1
