"""A currency as the core writes it to the account's table, beside the lists that are written slot by slot."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from accounts.booking_world import INSTRUMENTS, LINEAR, SPOT
from accounts.test_reserves import order_of
from onetape.accounts.entries import MAIN, Cause, Entry, Leg, Outside
from onetape.accounts.ledger import Ledger
from onetape.accounts.reserves import Reserves
from onetape.accounts.table import LAYOUT, SLOTS_SHOWN, AccountTable
from onetape.model.enums import Side
from onetape.model.errors import InvariantViolation
from onetape.model.home import state_of
from onetape.tape.state import StateReader

UNIT = 10**18


def table_in(home: Path) -> AccountTable:
    table = AccountTable(home, venue="v", account="main", kind="kraken")
    table.ready()
    return table


def shown(home: Path, table: AccountTable, currency: str) -> object:
    reader = StateReader(state_of(home), table.process, LAYOUT)
    group = reader.slots("balance", currency, max_age=10**18)
    assert group is not None
    found = group.all()
    assert found is not None
    return found[:5]  # without its version


def money(rng: Random) -> tuple[Ledger, Reserves, int]:
    """A ledger, what is held of it, and how many slots are in use."""
    ledger, reserves = Ledger(), Reserves(INSTRUMENTS, leverage=2.0)
    used = rng.randint(MAIN + 1, 20)
    for number in range(rng.randint(0, 30)):
        holder, amount = rng.choice((*range(MAIN, used), Outside.NETTING)), rng.randint(-5, 9) * UNIT // 7
        legs = (Leg(holder, "USDT", amount), Leg(Outside.WORLD, "USDT", -amount))
        ledger.post(Entry(number, Cause.FUNDING, legs, f"e{number}", 0, ""))
    for number in range(rng.randint(0, 8)):
        order = order_of(rng.choice((SPOT, LINEAR)), rng.choice(tuple(Side)), rng.randint(1, 900), 1_000, f"o{number}")
        reserves.update(order, rng.randrange(MAIN, used))
    return ledger, reserves, used


@pytest.mark.parametrize("seed", range(60))
def test_a_currency_is_shown_as_ledger_and_reserves_have_it(tmp_path, seed):
    ledger, reserves, used = money(Random(seed))
    whole, rows = table_in(tmp_path / "whole"), table_in(tmp_path / "rows")
    for currency in ("USDT", "BTC"):
        whole.put_money(ledger, reserves, currency, used, ts=5, sequence=seed)
        rows.put(currency, ledger.slots(currency, used), reserves.held_in(currency, used), ts=5, sequence=seed)
        assert shown(tmp_path / "whole", whole, currency) == shown(tmp_path / "rows", rows, currency)
    whole.close()
    rows.close()


def test_money_beyond_the_slots_that_are_shown_is_an_error_and_nothing_is_written(tmp_path):
    ledger, reserves, table = Ledger(), Reserves(INSTRUMENTS, leverage=1.0), table_in(tmp_path)
    table.put_money(ledger, reserves, "USDT", MAIN + 1, ts=5, sequence=1)
    before = shown(tmp_path, table, "USDT")
    legs = (Leg(SLOTS_SHOWN, "USDT", UNIT), Leg(Outside.WORLD, "USDT", -UNIT))
    ledger.post(Entry(1, Cause.FUNDING, legs, "e", 0, ""))
    with pytest.raises(InvariantViolation, match=f"slot {SLOTS_SHOWN} of 2 holds"):
        table.put_money(ledger, reserves, "USDT", MAIN + 1, ts=6, sequence=2)
    assert shown(tmp_path, table, "USDT") == before
    table.put_money(ledger, reserves, "USDT", SLOTS_SHOWN + 1, ts=6, sequence=2)
    assert shown(tmp_path, table, "USDT") != before
    table.close()
