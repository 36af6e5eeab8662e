"""What is recorded of simulated gateways, whose networks fail and which are killed, is to the unit what their
ledgers and the exchange say; a recorder that is killed at its commits changes nothing of it."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from long_form import long_form
from onetape.model.money import money
from orders.gateway_seeds import KINDS, Seed, play
from recorder.recorded_worlds import contents, moved, opened, record_all, record_with_kills


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [1, 4, *long_form(*range(10, 16))])
def test_sums_are_the_ledger_s_and_the_exchange_s(kind, number):
    world = play(Seed("World", kind, number, 60).begun(), 60)
    records = record_all(world.home.path)
    try:
        began = opened(records)
        ledger = world.money.ledger
        for by in ("symbol", "strategy", "day", "account"):
            came = moved(records, by)
            for asset in ledger.currencies():
                assert began.get(asset, 0) + came.get(asset, Decimal(0)) == money(ledger.total(asset)), (by, asset)
    finally:
        records.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_recorder_killed_at_its_commits_leaves_the_same_rows(kind):
    world = play(Seed("World", kind, 3, 60).begun(), 60)
    home = world.home.path
    whole = record_all(home, "sqlite:///whole.db")
    kills = record_with_kills(home, "sqlite:///torn.db", random.Random(kind))
    torn = record_all(home, "sqlite:///torn.db")
    try:
        assert kills > 3
        first, second = contents(whole), contents(torn)
        assert len(first["record_fills"]) > 5
        for table in first:
            assert first[table] == second[table], table
    finally:
        whole.close()
        torn.close()


def test_a_trip_ends_flat_and_its_money_is_in_the_ledger():
    world = play(Seed("World", "binance-usdm", 1, 60).begun(), 60)
    records = record_all(world.home.path)
    try:
        found = contents(records)
        trips = found["record_trips"]
        assert trips
        for trip in trips:
            assert trip["ts_open"] <= trip["ts_close"]
            assert Decimal(trip["qty"]) > 0
            assert Decimal(trip["peak"]) >= Decimal(trip["realized"]) >= Decimal(trip["trough"])
    finally:
        records.close()
