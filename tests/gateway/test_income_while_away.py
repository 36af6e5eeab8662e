"""More than a page of the venue's income comes while nobody listens, and each row is booked once."""

from __future__ import annotations

import contextlib

from onetape.accounts.entries import TOTAL, Cause
from onetape.accounts.entry_frames import unpack
from onetape.model.enums import OrderType, Side
from onetape.model.home import gateway_journal
from onetape.model.money import money
from onetape.model.order import OrderSpec
from onetape.simulation.faults import Faults
from onetape.simulation.record_sums import moved, opened
from onetape.simulation.world import MS, SECOND, World
from onetape.tape.journal import JournalReader
from recorder.recorded_worlds import contents, record_all

ROWS = 1250  # a page has 1000


def test_more_than_a_thousand_rows_between_two_looks_are_booked_once_each():
    world = World(2, Faults.none(), crashes=False)
    world.connect()
    world.until(world.now + SECOND)
    spec = OrderSpec(symbol=world.symbols[0], side=Side.BUY, size_int=50, type=OrderType.MARKET)
    fields = {"currency": "USDT", "index": 2, "amount": "20000"}
    request = {"target": "gateway:main", "actor": "operator", "token": world.home.tokens["operator"], "id": "a"}
    answer = world.life.commands.door.answer({**request, "command": "allocate", "fields": fields})
    assert answer["status"] == "applied"
    world.robots[0].ask(spec, world.exchange.listings[0].last)
    world.until(world.now + 5 * SECOND)
    assert world.account.qty(0) == 50
    world.drop_stream()
    for number in range(ROWS):  # several of them within a millisecond
        world.exchange.clearing.fund(0, world.now + number // 4 * MS, (-1) ** number * (1_000_000 + number))
    world.now += SECOND
    world.die()
    world.life.writer.left = -1
    world.be_quiet()
    with JournalReader(gateway_journal(world.home.path, "main")) as reader:
        entries = [unpack(frame.payload) for frame in reader.frames(("entry",))]
    funding = [each.reference for each in entries if each.cause is Cause.FUNDING]
    assert len(funding) == len(set(funding)) == ROWS
    records = record_all(world.home.path)  # more than a page in SQL, too
    with contextlib.closing(records):
        recorded = [row["reference"] for row in contents(records)["record_income"] if row["kind"] == "funding"]
        assert sorted(set(recorded)) == sorted(funding)
        sums = opened(records)["USDT"] + moved(records, "symbol")["USDT"]
        assert sums == money(world.money.ledger.total("USDT"))
    usdt = world.exchange.currencies.index("USDT")
    differs = world.money.ledger.balance("USDT", TOTAL) - int(world.account.money.balance(usdt))
    assert abs(differs) <= ROWS * 10**10 // 2  # rows are told to eight decimals
