"""What a guardian knows of an account: the same from the gateway's checkpoint as from the beginning of its journal,
and so also when that beginning has been pruned."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from onetape.guardian.account_follower import AccountFollower
from onetape.guardian.core import GuardianCore
from onetape.model.errors import TornTape
from onetape.model.home import gateway_journal
from onetape.model.sections import AccountConfig, Config
from onetape.options.guardian_rules import GuardianSettings
from onetape.projections.account_balances import balances
from onetape.projections.account_views import orders, positions, summary
from onetape.projections.checkpoint import checkpoint_file, read_checkpoint
from onetape.projections.followed_account import read_account
from onetape.simulation.gateway_life import SLOTS
from onetape.simulation.guardian_world import ACCOUNT, GuardianWorld
from onetape.tape.checkpoint import previous_of
from onetape.tape.journal import JournalReader
from onetape.tape.prune import prune
from onetape.tape.segments import list_segments
from onetape.tape.wait import Waiter


@pytest.fixture(scope="module", params=[("binance-usdm", 3, 1), ("binance-usdm", 13, 1), ("aster", 5, 1)])
def world(request):
    """The first from a seed on whose gateway's journal has so many segments, and where something is held at the end."""
    kind, first, segments = request.param
    for seed in range(first, first + 20):
        made = GuardianWorld(seed, kind=kind).run(120)
        made.life.end()
        if len(list_segments(gateway_journal(made.home.path, ACCOUNT))) >= segments and followed(made)[-1]:
            return made
    raise AssertionError("no such world")


def followed(world) -> tuple:
    """Positions by the frames that opened them, parts of sub-accounts and robots, stops and orders."""
    core, waiter = GuardianCore(GuardianSettings(), epoch="1", watched=()), Waiter()
    follower = AccountFollower(ACCOUNT, world.home.path, core, SLOTS)
    assert follower.follow(waiter, 1)
    view = follower.view
    guards = {key: (g.qty, g.opened, g.rows) for key, g in core.guards.items() if g.qty or g.rows}
    entries = {key: g.entry for key, g in core.guards.items() if g.qty}
    parts = {
        (key, name): (p.qty, p.cost, p.opened) for key, g in core.guards.items() for name, p in g.parts.items() if p.qty
    }
    working = {key: (row.spec, row.size, row.filled) for key, row in view.working.items()}
    robots = {number: (life.name, life.slot, life.epoch) for number, life in view.robots.items()}
    brought = {
        (number, symbol, side): qty
        for number, life in view.robots.items()
        for symbol, of in life.held.items()
        for side, qty in of.items()
        if qty
    }
    follower.leave(waiter)
    return guards, parts, working, robots, brought, entries


def symbols_with_late_fills(journal) -> set[str]:
    """Those of which a fill came after one that the venue had made later."""
    newest: dict[str, int] = {}
    late = set()
    for symbol, fill in read_account(journal).booked:
        if fill.time < newest.get(symbol, 0):
            late.add(symbol)
        newest[symbol] = max(newest.get(symbol, 0), fill.time)
    return late


def shown_of(world) -> tuple:
    """What the command line shows of the account while no gateway runs: what is held, orders, balances."""
    home, config = world.home.path, Config(accounts={ACCOUNT: AccountConfig(venue="x", subaccounts=SLOTS)})
    held = {(row["symbol"], row["side"]): row["qty"] for row in positions(home, config) if Decimal(row["qty"])}
    works = [(row["client_id"], row["filled"], row["qty"]) for row in orders(home, config)]
    rows = [(row["currency"], row["total"], row["subaccounts"]) for row in balances(home, config)]
    return held, works, rows, summary(home, config)["equity"].keys()


def test_a_follower_starts_from_a_checkpoint_at_any_frame(world):
    """All is the same to the last digit. A ledger books a late fill in its place, a journal has it where it came: where
    there was one the entry is the one's or the other's, and nothing between."""
    journal, file = gateway_journal(world.home.path, ACCOUNT), checkpoint_file(world.home.path, ACCOUNT)
    for each in (file, previous_of(file)):
        each.unlink(missing_ok=True)
    *whole, as_they_came = followed(world)
    assert any(whole[:2]) and as_they_came
    with JournalReader(journal) as reader:
        last = reader.last_sequence
    world.life.make_checkpoint(journal, file, last)
    *found, as_booked = followed(world)
    assert found == whole
    late = symbols_with_late_fills(journal)
    assert {key for key, entry in as_booked.items() if entry != as_they_came[key]} <= {
        key for key in as_booked if key[1] in late
    }
    chance = random.Random(1)
    begun = {each.first_seq + n for each in list_segments(journal)[1:] for n in range(-1, 4)}  # with a life, mostly
    for sequence in sorted({1, *begun, *(chance.randrange(1, last) for _ in range(12))}):
        world.life.make_checkpoint(journal, file, sequence)
        assert read_checkpoint(journal, file).sequence == sequence
        *found, entries = followed(world)
        assert found == whole, sequence
        assert entries.keys() == as_booked.keys()
        assert all(entry in (as_booked[key], as_they_came[key]) for key, entry in entries.items()), sequence


@pytest.mark.parametrize("world", [("binance-usdm", 6, 3)], indirect=True)
def test_what_sub_accounts_hold_is_known_though_the_beginning_of_the_journal_is_gone(world):
    journal, file = gateway_journal(world.home.path, ACCOUNT), checkpoint_file(world.home.path, ACCOUNT)
    whole, shown = followed(world), shown_of(world)
    newest = list_segments(journal)[-1].first_seq
    for sequence in (newest, newest + 1):  # the one before holds what it does not have itself
        world.life.make_checkpoint(journal, file, sequence)
    assert prune(journal, size=1).removed
    assert whole[1] and followed(world) == whole
    assert shown[0] and shown_of(world) == shown
    for each in (file, previous_of(file)):
        each.unlink()
    assert not followed(world)[1]  # rather nothing than half of it
    with pytest.raises(TornTape, match="no checkpoint of it fits"):
        shown_of(world)
