"""A start from a checkpoint knows what a start from the journal's beginning knows, and what does
not fit the journal is not used."""

from __future__ import annotations

import hashlib
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from onetape.accounts.kept_money import KeptMoney
from onetape.dashboard import orders
from onetape.gateway import checkpoint
from onetape.gateway.checkpoint import hold_all, recover, write_checkpoint
from onetape.model.errors import TornTape
from onetape.model.home import gateway_journal
from onetape.model.typed import from_json
from onetape.orders.account_orders import AccountOrders
from onetape.projections.account_balances import balances
from onetape.projections.checkpoint import FORMAT, Checkpoint, checkpoint_file
from onetape.projections.followed_account import read_account
from onetape.simulation.world import World
from onetape.store.config import parse_config
from onetape.tape import checkpoint as checkpoints
from onetape.tape.checkpoint import previous_of
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.prune import pins, prune
from onetape.tape.segments import list_segments


class Reading:
    """Of the journal that a simulated gateway has left."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.journal = gateway_journal(world.home.path, "main")
        self.file = checkpoint_file(world.home.path, "main")
        with JournalReader(self.journal) as reader:
            self.last = reader.last_sequence

    def forget(self) -> None:
        for each in (self.file, previous_of(self.file)):
            each.unlink(missing_ok=True)

    def state(self, file: Path, *, until: int = 0, write: bool = False):
        """(what is known by that frame, the checkpoint's, why one was refused)."""
        self.world.open_venue()
        kept = KeptMoney(
            self.world.life.options,
            {i.symbol: i for i in self.world.instruments},
            {},
            self.world.protocol.slack,
            on_reference=self.world.protocol.note_move,
        )
        found = recover(self.journal, file, AccountOrders(self.world.protocol), kept, until=until)
        if write:
            write_checkpoint(self.journal, self.file, found, sequence=until - 1)
        record = found.account.to_records()
        return msgspec.json.encode(record, order="deterministic"), found

    def whole(self):
        return self.state(self.file.with_name("none"))[0]


@pytest.fixture(scope="module", params=[("binance-usdm", 7), ("kraken", 6), ("binance-usdm", 4)])
def left(request) -> Reading:
    """Killed now and then, with transfers, commands and orders of unknown outcome; 4: hedged."""
    kind, seed = request.param
    world = World(seed, kind=kind)
    world.run(240)
    world.life.end()
    return Reading(world)


def test_a_checkpoint_at_any_frame_changes_nothing_that_is_known(left):
    whole = left.whole()
    chance = random.Random(1)
    for sequence in (1, left.last, *(chance.randrange(1, left.last) for _ in range(8))):
        left.forget()
        left.state(left.file, until=sequence + 1, write=True)
        recorded, found = left.state(left.file)
        assert (found.sequence, found.refused) == (sequence, "")
        assert recorded == whole


def test_orders_and_news_for_pages_are_those_of_the_whole_journal_from_a_checkpoint_on(left, monkeypatch):
    """Of what was before it so many frames are read, and no more."""
    left.forget()
    whole = orders._Account("main", left.journal, left.file)
    assert whole.news() and len(whole.events) > 20
    brought = {number: each.held for number, each in whole.view.robots.items()}
    left.state(left.file, until=left.last * 3 // 4, write=True)
    names = ("id", "client_id", "symbol", "side", "price", "qty", "filled", "state", "robot")
    for back in (left.last, left.last // 2, 40):
        monkeypatch.setattr(orders, "FRAMES_BACK", back)
        folded, made = [], orders._Account("main", left.journal, left.file)
        fold = made._fold
        monkeypatch.setattr(made, "_fold", lambda frame, fold=fold, folded=folded: (folded.append(frame), fold(frame)))
        assert made.news()
        assert {number: each.held for number, each in made.view.robots.items()} == brought  # what was before: once
        assert [[row[name] for name in names] for row in made.working()] == [
            [row[name] for name in names] for row in whole.working()
        ]
        first = min(left.last * 3 // 4, left.last - back)
        assert folded[0].sequence >= first and len({frame.sequence for frame in folded}) == len(folded)
        late = [text for sequence, text in whole.events if sequence > left.last - back]
        fills = [text for text in late if b'"kind":"fill"' in text]
        assert [text for _, text in made.events if b'"kind":"fill"' in text] == fills
        # A checkpoint keeps no words of why an order's outcome is unknown: the next report brings them.
        words = [
            [{**msgspec.json.decode(text), "reason": ""} for text in each]
            for each in ([text for _, text in made.events], late)
        ]
        assert back < left.last or words[0] == words[1]
        made.close()
    whole.close()


def test_a_checkpoint_goes_on_from_the_one_before(left):
    left.forget()
    whole = left.whole()
    for part in (3, 2, 1):
        sequence = left.last // part
        left.state(left.file, until=sequence + 1, write=True)
    recorded, found = left.state(left.file)
    assert found.sequence == left.last
    assert recorded == whole


def test_a_checkpoint_of_a_journals_end_fits_once_it_goes_on(left, tmp_path):
    """The next life begins a segment, and the end of the one before is a frame of its own."""
    left.forget()
    left.state(left.file, until=left.last + 1, write=True)
    journal = tmp_path / "journal"
    shutil.copytree(left.journal, journal)
    with JournalWriter(journal, process="gateway:main", account="main") as writer:
        writer.append("log", msgspec.msgpack.encode({"text": "again"}), time=left.world.now)
    before, left.journal = left.journal, journal
    try:
        _, found = left.state(left.file)
    finally:
        left.journal = before
    assert (found.sequence, found.refused) == (left.last, "")


def edited(content: bytes, change) -> bytes:
    """With a digest that is right."""
    record = msgspec.json.decode(content[65:])
    change(record)
    body = msgspec.json.encode(record)
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


REFUSED = {
    "empty": (lambda content: b"", "is damaged"),
    "cut": (lambda content: content[:-1], "is damaged"),
    "one bit": (lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:], "is damaged"),
    "no checkpoint": (lambda content: edited(content, lambda r: r.pop("orders")), "is damaged"),
    "another version": (lambda content: edited(content, lambda r: r.update(made_by="0 0.0.0 x")), "another version"),
    "another journal": (
        lambda content: edited(content, lambda r: r.update(journal="A" * 22 + "==")),
        "of another journal",
    ),
    "ahead": (lambda content: edited(content, lambda r: r.update(sequence=10**9)), "ahead"),
    "another history": (lambda content: edited(content, lambda r: r.update(chain=r["chain"] ^ 1)), "another history"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_passed_over_with_its_reason(left, name):
    damage, reason = REFUSED[name]
    whole = left.whole()
    left.forget()
    left.state(left.file, until=left.last, write=True)
    left.file.write_bytes(damage(left.file.read_bytes()))
    recorded, found = left.state(left.file)
    assert found.sequence == 0
    assert reason in found.refused
    assert recorded == whole


def test_other_instruments_make_other_amounts_of_the_same_frames(left):
    left.forget()
    left.state(left.file, until=left.last, write=True)
    instruments = left.world.instruments
    changed = [msgspec.structs.replace(i, size_decimals=i.size_decimals + 1) for i in instruments]
    assert checkpoint._made_by(changed) != checkpoint._made_by(instruments)
    fees = [msgspec.structs.replace(i, tick=i.tick * 2) for i in instruments]
    assert checkpoint._made_by(fees) == checkpoint._made_by(instruments)


def without_beginning(left: Reading) -> None:
    """Its first segments go, as far as they may."""
    report = prune(left.journal, size=1)
    assert report.removed
    assert report.first_seq > 1


@pytest.fixture
def long_tape() -> Iterator[Reading]:
    world = World(8)
    world.run(400)
    world.life.end()
    reading = Reading(world)
    reading.forget()
    yield reading


def test_what_only_the_journal_knows_is_not_pruned(long_tape):
    hold_all(long_tape.journal)
    kept = prune(long_tape.journal, size=1)
    assert (kept.removed, kept.kept_by_runs) == ([], ["books"])
    whole = long_tape.whole()
    middle = list_segments(long_tape.journal)[1].first_seq + 5
    long_tape.state(long_tape.file, until=middle, write=True)
    assert prune(long_tape.journal, size=1).removed == []  # it may turn out to be damaged
    long_tape.state(long_tape.file, until=long_tape.last, write=True)
    without_beginning(long_tape)
    for damaged in (None, long_tape.file):
        if damaged is not None:
            damaged.write_bytes(b"")
        assert long_tape.state(long_tape.file)[0] == whole
    previous_of(long_tape.file).unlink()
    with pytest.raises(TornTape, match="the journal's beginning has been pruned"):
        long_tape.state(long_tape.file)


def test_balances_of_a_pruned_journal_are_as_old_as_its_checkpoint(long_tape, tmp_path):
    """Nothing has come since; what is not there is no time."""
    for sequence in (long_tape.last, long_tape.last + 1):
        long_tape.state(long_tape.file, until=sequence, write=True)
    without_beginning(long_tape)
    with JournalReader(long_tape.journal) as reader:
        reader.seek_sequence(long_tape.last)
        made_at = reader.next_frame().time
    config = parse_config('[venues.x]\nkind = "binance-usdm"\n[accounts.main]\nvenue = "x"\n')
    shutil.copytree(long_tape.journal, gateway_journal(tmp_path, "main"))  # of no gateway that shows any in memory
    checkpoint_file(tmp_path, "main").parent.mkdir()
    shutil.copy(long_tape.file, checkpoint_file(tmp_path, "main"))
    rows = balances(tmp_path, config)
    assert rows and all(row["data_age_ms"] <= (time.time_ns() - made_at) // 10**6 for row in rows)
    reported = read_account(long_tape.journal, long_tape.file).balances
    assert reported and {at for _, at in reported.values()} == {made_at}


def test_another_version_goes_on_from_the_checkpoint_of_a_pruned_journal(long_tape):
    whole = long_tape.whole()
    for sequence in (long_tape.last // 2, long_tape.last):
        long_tape.state(long_tape.file, until=sequence, write=True)
    without_beginning(long_tape)
    content = long_tape.file.read_bytes()
    long_tape.file.write_bytes(edited(content, lambda r: r.update(made_by="0 0.0.0 x")))
    recorded, found = long_tape.state(long_tape.file)
    assert (found.sequence, found.refused) == (long_tape.last - 1, "")
    assert recorded == whole


def test_what_comes_after_a_checkpoint_of_another_format_is_not_all_that_is_kept(long_tape):
    """The newest may turn out to be damaged, and that one cannot be read here."""
    for sequence in (long_tape.last // 2, long_tape.last - 1):
        long_tape.state(long_tape.file, until=sequence, write=True)
    assert pins(long_tape.journal)[0].first_sequence == long_tape.last // 2 - 1
    content = long_tape.file.read_bytes()
    long_tape.file.write_bytes(edited(content, lambda r: r.update(made_by=f"{FORMAT - 1} 1 x")))
    long_tape.state(long_tape.file, until=long_tape.last, write=True)
    assert pins(long_tape.journal)[0].first_sequence == 1


def test_the_checkpoint_before_is_looked_at_and_not_read(long_tape, monkeypatch):
    long_tape.state(long_tape.file, until=long_tape.last // 2, write=True)
    read = []
    monkeypatch.setattr(checkpoints, "from_json", lambda data, kind: read.append(kind) or from_json(data, kind))
    long_tape.state(long_tape.file, until=long_tape.last, write=True)
    assert read.count(Checkpoint) == 1  # that it goes on from


SHAPES = {21: "0df8444a45c4c658"}


def shape_of(part: Any, named: dict[str, Any]) -> Any:
    """Of a schema: what is kept, whatever the classes are called and say of themselves."""
    if isinstance(part, list):
        return [shape_of(each, named) for each in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return shape_of(named[part["$ref"].rpartition("/")[2]], named)
    words = {key for key in ("title", "description") if isinstance(part.get(key), str)}
    return {key: shape_of(value, named) for key, value in part.items() if key not in words | {"$defs"}}


def test_another_shape_of_the_records_is_another_format():
    """Whoever changes what is kept gives it a new number: an old file must not be half read."""
    schema = msgspec.json.schema(Checkpoint)
    shape = msgspec.json.encode(shape_of(schema, schema["$defs"]), order="sorted")
    assert hashlib.sha256(shape).hexdigest()[:16] == SHAPES[FORMAT]
