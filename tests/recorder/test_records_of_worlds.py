"""What is recorded of simulated gateways, whose networks fail and which are killed, is to the unit what their
ledgers and the exchange say; a recorder that is killed at its commits changes nothing of it."""

from __future__ import annotations

import json
import random
import shutil
import struct
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction

import pytest
import sqlalchemy as sa

from long_form import long_form
from onetape.model.enums import EventType, Kind
from onetape.model.money import money
from onetape.model.time import format_time
from onetape.recorder.projection import READ, Projection
from onetape.recorder.recorder import Recorder, gateway_journals
from onetape.simulation.record_sums import moved, opened
from onetape.simulation.seeds import KINDS, Seed, play
from onetape.store.record_queries import activity, ledger
from onetape.store.records import Records, metadata
from onetape.tape.journal import Frame, JournalReader, JournalWriter
from recorder.recorded_worlds import contents, record_all, record_with_kills


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


def test_spot_realizes_what_sales_bring_above_the_average_cost_and_moves_the_rest():
    """Against a model in fractions; what was traded is what is left of the flows."""
    world = play(Seed("World", "kraken", 1, 150).begun(), 150)
    records = record_all(world.home.path)
    try:
        rows, shown = (
            contents(records),
            {row["key"]: row for row in ledger(records, by="symbol") if row["currency"] == "USD"},
        )
        shown.pop("")  # of no symbol
    finally:
        records.close()
    slots = {(row["journal"], row["fill"]): row["slot"] for row in rows["record_income"] if row["slot"] > 0}
    held, realized, money_moved = defaultdict(lambda: [Fraction(0)] * 2), defaultdict(Fraction), defaultdict(Fraction)
    for fill in sorted(rows["record_fills"], key=lambda row: row["seq"]):
        at = slots[fill["journal"], fill["seq"]], fill["symbol"]
        qty, cost = held[at]
        change = Fraction(fill["qty_exact"]) * (1 if fill["side"] == "buy" else -1)
        value = change * Fraction(fill["price_exact"])
        closes = min(abs(qty), abs(change)) if qty * change < 0 else 0
        if closes:
            part = cost * closes / abs(qty)
            realized[at[1]] += -part - value * closes / abs(change)
            cost -= part
        held[at] = [qty + change, cost + value * (1 - closes / abs(change))]
        money_moved[at[1]] -= value if fill["trade_id"] >= 0 else 0
    assert realized.keys() == shown.keys() and all(realized.values())
    for symbol, profit in realized.items():
        row = shown[symbol]
        assert abs(Fraction(row["realized"]) - profit) < Fraction(1, 10**9)
        assert Fraction(row["realized"]) + Fraction(row["traded"]) == money_moved[symbol]
        assert Fraction(row["net"]) == Fraction(row["realized"]) - Fraction(row["fees"].get("USD", 0))


@pytest.mark.parametrize("kind", KINDS)
def test_equity_is_the_sum_of_sub_accounts(kind):
    world = play(Seed("World", kind, 2, 150).begun(), 150)
    rows = _with_quotes(world.home.path)
    sums = defaultdict(Decimal)
    for row in rows:
        for name in ("equity", "capital", "coins", "delta"):
            amount = Decimal(row[name])
            sums[row["ts"], row["currency"], name] += amount if row["slot"] else -amount
    assert {row["slot"] for row in rows} > {0, 1}
    # Of a coin or a position each part is rounded by itself.
    assert [(key, gap) for key, gap in sums.items() if abs(gap) > Decimal("1e-12")] == []
    assert any(Decimal(row["coins" if kind in ("kraken", "binance-spot") else "unrealized"]) for row in rows)


@pytest.mark.parametrize("kind", KINDS)
def test_activity_is_what_the_rows_of_orders_and_fills_are(kind):
    """Counted anew from the rows, for each hour, and for all of it."""
    world = play(Seed("World", kind, 4, 150).begun(), 150)
    traded_as = {i.symbol: (i.kind, Fraction(i.multiplier)) for i in world.exchange.instruments}
    records = record_all(world.home.path)
    try:
        rows = contents(records)
        orders, fills = rows["record_orders"], rows["record_fills"]
        for by, key in (("account", lambda row, _ts: row["account"]), ("hour", lambda _row, ts: shown_hour(ts))):
            found = {row["key"]: row for row in activity(records, by=by)}
            assert found.keys() == {key(r, r["ts_created"]) for r in orders} | {key(r, r["ts"]) for r in fills}
            for name, row in found.items():
                made = [each for each in orders if key(each, each["ts_created"]) == name]
                sent = [each for each in made if each["state"] != "DENIED"]
                filled = [each for each in sent if each["filled"]]
                traded = [each for each in fills if key(each, each["ts"]) == name]
                volume = Fraction(0)
                for each in traded:
                    form, times = traded_as[each["symbol"]]
                    price, qty = Fraction(each["price_exact"]), Fraction(each["qty_exact"]) * times
                    if each["trade_id"] >= 0:
                        volume += qty / price if form is Kind.INVERSE else qty * price
                counts = len(sent), len(made) - len(sent), len(filled), len(traded)
                assert (row["sent"], row["denied"], row["filled"], row["fills"]) == counts
                assert row["canceled"] == sum(each["state"] == "CANCELED" for each in sent)
                assert row["ratio"] == (len(filled) / len(sent) if sent else None)
                assert abs(sum(map(Fraction, row["volume"].values())) - volume) < Fraction(1, 10**15)
        assert any(row["sent"] > row["filled"] > 0 for row in found.values())
    finally:
        records.close()


def shown_hour(ts: int) -> str:
    return f"{format_time(ts)[:13]}:00:00Z"


def test_a_journal_that_is_being_made_is_recorded_once(tmp_path):
    """It is there before it has an identity: under none its rows would stand twice after a restart."""
    world = play(Seed("World", "binance-usdm", 2, 20).begun(), 20)
    (source,) = gateway_journals(world.home.path).values()
    made = tmp_path / "journal" / source.name
    shutil.copytree(source, made)
    segment = min(made.glob("*.tape"))
    whole = segment.read_bytes()
    segment.write_bytes(bytes(len(whole)))
    records = Records("sqlite:///store.db", home=tmp_path)
    assert records.take_lease() == ""
    recorder = Recorder(tmp_path, records, leverage={})
    assert recorder.step() == 0
    segment.write_bytes(whole)
    assert recorder.step() > 0
    with JournalReader(made) as reader:
        assert {row["journal"] for row in records.rows(sa.select(metadata.tables["record_cursors"]))} == {
            reader.uuid.hex
        }
    records.close()


def test_a_journal_that_another_takes_the_place_of_is_read_to_its_end(tmp_path):
    world, cursors = play(Seed("World", "binance-usdm", 4, 20).begun(), 20), metadata.tables["record_cursors"]
    (source,) = gateway_journals(world.home.path).values()
    path = tmp_path / "journal" / source.name
    shutil.copytree(source, path)
    records = Records("sqlite:///store.db", home=tmp_path)
    assert records.take_lease() == ""
    recorder = Recorder(tmp_path, records, leverage={}, frames_max=10)
    assert recorder.step() == 10
    shutil.rmtree(path)
    with JournalReader(source) as reader, JournalWriter(path, process="gateway:main", account="main") as writer:
        frame = next(iter(reader.frames(("instrument",))))
        writer.append_instrument(frame.stream, frame.time, frame.payload)
        while recorder.step():
            pass
    alone = record_all(world.home.path)
    (wanted,) = alone.rows(sa.select(cursors.c.journal, cursors.c.seq))
    found = records.rows(sa.select(cursors.c.journal, cursors.c.seq))
    assert len(found) == 2 and wanted in found
    for each in (records, alone):
        each.close()


def _with_quotes(home):
    """Rows of equity of its journal, on which prices wander."""
    rng, (path,) = random.Random(5), gateway_journals(home).values()
    projection, prices, rows = Projection("main", "j"), {}, []
    with JournalReader(path) as reader:
        for frame in reader.frames(READ):
            projection.take(frame)
            if frame.type == EventType.INSTRUMENT.id:
                prices.setdefault(frame.stream, 10_000)
            for stream in prices:
                prices[stream] += rng.randrange(-500, 501)
                payload = struct.pack("<6qQQ", 0, 0, prices[stream] - 1, prices[stream] + 1, 1, 1, 0, 0)
                projection.take(Frame(EventType.QUOTE.id, 0, frame.sequence, frame.time, stream, payload))
            rows += projection.drain().added.get("record_equity", [])
    return rows


@pytest.mark.parametrize("kind", KINDS)
def test_a_recorder_killed_at_its_commits_leaves_the_same_rows(kind):
    world = play(Seed("World", kind, 3, 60).begun(), 60)
    home = world.home.path
    whole = record_all(home, "sqlite:///whole.db")
    kills = record_with_kills(home, "sqlite:///torn.db", random.Random(kind))
    torn = record_all(home, "sqlite:///torn.db")
    try:
        assert kills > 2
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


@pytest.mark.parametrize(("kind", "number"), [("binance-usdm", 3), ("aster", 1), ("pacifica", 1), ("bitmex", 6)])
def test_the_trips_of_a_flat_position_add_up_to_what_the_ledger_has_of_it(kind, number):
    """In these worlds no funding comes after a position has ended: such funding is in the ledger and in no trip."""
    world = play(Seed("World", kind, number, 60).begun(), 60)
    records = record_all(world.home.path)
    try:
        found = contents(records)
    finally:
        records.close()
    held = {(row["slot"], row["symbol"]) for row in found["record_positions"] if Decimal(row["qty_exact"])}
    flat = {(row["slot"], row["symbol"]) for row in found["record_trips"]} - held
    booked, tripped = defaultdict(Decimal), defaultdict(Decimal)
    for row in found["record_income"]:
        if (row["slot"], row["symbol"]) in flat:
            booked[row["slot"], row["symbol"], row["asset"], row["kind"]] += Decimal(row["amount_exact"])
    for (*place, _), amount in list(booked.items()):
        booked[(*place, "net")] += amount
    for trip in found["record_trips"]:
        if (trip["slot"], trip["symbol"]) in flat:
            place = trip["slot"], trip["symbol"], trip["currency"]
            for part in ("realized", "funding", "net"):
                tripped[(*place, part)] += Decimal(trip[part])
            for asset, fee in json.loads(trip["fees"]).items():
                tripped[(*place[:2], asset, "fee")] -= Decimal(fee)
    assert any(part == "fee" and amount < 0 for (*_, part), amount in booked.items())
    assert {key: amount for key, amount in tripped.items() if amount} == {
        key: amount for key, amount in booked.items() if amount
    }


def test_funding_is_in_the_trip_of_who_holds_the_position():
    world = play(Seed("World", "binance-usdm", 9, 150).begun(), 150)
    records = record_all(world.home.path)
    try:
        found = contents(records)
    finally:
        records.close()
    booked, tripped = defaultdict(Decimal), defaultdict(Decimal)
    for row in found["record_income"]:
        if row["kind"] == "funding":
            booked[row["slot"], row["symbol"]] += Decimal(row["amount_exact"])
    for trip in found["record_trips"]:
        tripped[trip["slot"], trip["symbol"]] += Decimal(trip["funding"])
    assert (
        {place: amount for place, amount in tripped.items() if amount}
        == {place: amount for place, amount in booked.items() if amount}
        != {}
    )
