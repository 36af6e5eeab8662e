"""What is written is read: by our reader, by the independent one, as records, rows and columns."""

from __future__ import annotations

import shutil
import struct
import tempfile
from pathlib import Path
from uuid import UUID

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tapes import SMALL, instrument, make_tape, write_quotes
from read_tape import Tape

from long_form import examples
from onetape.model.errors import BadInput, JournalLocked, NotAvailable, SchemaMismatch, UsageError
from onetape.tape.journal import JournalReader, JournalWriter, type_id
from onetape.tape.schema import EventSchema, Field, Schemas, built_in
from onetape.tape.verify import content_hash, verify

FRAME_TIME_MAX = 7_258_118_400 * 10**9  # the year 2200; see docs/format.md
frames = st.lists(
    st.tuples(
        st.integers(1, 0xFFFE),
        st.binary(max_size=200),
        st.integers(0, 0xFFFF),
        st.integers(0, 2**32 - 1),
        st.integers(-FRAME_TIME_MAX, FRAME_TIME_MAX),
    ),
    max_size=60,
)


@settings(max_examples=examples(40), deadline=None)
@given(written=frames, repeat=st.integers(1, 40), close=st.booleans())
def test_the_independent_reader_agrees(written: list, repeat: int, close: bool) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        writer = JournalWriter(folder / "j", **SMALL)
        for _ in range(repeat):
            for type_, payload, flags, stream, time in written:
                writer.core.append(type_, payload, flags, stream, time)
        if close:
            writer.close()
        else:
            del writer
        reported = Tape(folder / "j")
        frames = [(f.number, f.flags, f.sequence, f.time, f.stream, f.payload) for f in reported.frames()]
        reader = JournalReader(folder / "j")
        ours = []
        while (frame := reader.next_raw()) is not None:
            ours.append((frame[0], frame[1], frame[2], frame[3], frame[4], frame[5]))
        assert ours == frames
        assert len(ours) == repeat * len(written)
        assert reader.uuid.bytes == reported.uuid
        report = verify(folder / "j")
        assert report.ok
        assert (report.frames, report.torn_bytes) == (len(ours), reported.torn_bytes)
        ours = {type_: msgspec.msgpack.decode(schema.to_preamble()) for type_, schema in built_in().items()}
        assert ours == reported.schemas
    finally:
        shutil.rmtree(folder)


def test_a_quote_comes_back_with_its_names(tmp_path: Path) -> None:
    make_tape(tmp_path / "t", 3)
    records = list(JournalReader(tmp_path / "t"))
    assert [r.type for r in records] == ["instrument", "quote", "quote", "quote"]
    assert records[2].data == {
        "ts_event": 995,
        "ts_recv": 1000,
        "bid": 10_001,
        "ask": 10_002,
        "bid_size": 5,
        "ask_size": 6,
        "update_id": 0,
    }
    assert (records[2].sequence, records[2].stream, records[2].time) == (3, 1, 1000)


def test_every_fixed_type_survives_encode_and_decode() -> None:
    for schema in built_in().values():
        if not schema.fixed:
            continue
        payload = bytes(range(1, 1 + schema.payload_bytes))
        if schema.tail:
            payload = payload[: schema.payload_bytes - 8] + bytes(8)
        record = schema.decode(payload)
        row = np.frombuffer(payload, schema.payload_dtype)[0]
        for field in schema.fields:
            if field.kind in "iupstr" and field.is_scalar and field.names is None:
                assert record[field.name] == int(row[field.name])


def test_book_levels_and_enumerations_are_read_by_name(tmp_path: Path) -> None:
    with JournalWriter(tmp_path / "t", **SMALL) as writer:
        book = struct.pack("<5q2I6q", 1, 2, 3, 4, 5, 2, 1, 100, 7, 99, 8, 101, 9)
        writer.append("book", book, flags=1)
        trade = struct.pack("<4q2QBB14x", 1, 2, 3, 4, 77, 0, 2, 1)
        writer.append("trade", trade)
    first, second = JournalReader(tmp_path / "t")
    assert (first.data["bids"], first.data["asks"]) == ([(100, 7), (99, 8)], [(101, 9)])
    assert first.flags == 1
    assert (second.data["side"], second.data["id_kind"], second.data["id_low"]) == ("sell", "integer", 77)


def test_a_type_this_build_does_not_know_is_read_by_name(tmp_path: Path) -> None:
    future = EventSchema(
        900,
        "auction",
        True,
        24,
        (Field("price", "p", 8, 0), Field("phase", "e", 1, 8, ("none", "open", "closed")), Field("fee", "m", 8, 16)),
    )
    extra = [(21, 900, future.to_preamble())]
    with JournalWriter(tmp_path / "t", **SMALL, extra_preamble=extra) as writer:
        writer.append(900, struct.pack("<qB7xq", 55, 2, -3))
        writer.append(901, msgspec.msgpack.encode({"free": 1}))
    reader = JournalReader(tmp_path / "t")
    first, second = list(reader)
    assert (first.type, first.data) == ("auction", {"price": 55, "phase": "closed", "fee": -3})
    assert (second.type, second.data) == ("type_901", {"free": 1})
    assert reader.schemas.named("auction") == future


def test_a_payload_shorter_than_its_schema_is_named() -> None:
    with pytest.raises(SchemaMismatch, match="quote"):
        Schemas().named("quote").decode(b"short")


def test_a_batch_is_as_good_as_single_appends(tmp_path: Path) -> None:
    rows = np.zeros(700, built_in()[type_id("quote")].payload_dtype)
    rows["ts_recv"] = np.arange(700) * 1000
    rows["ts_event"] = rows["ts_recv"] - 5
    rows["bid"] = 10_000 + np.arange(700)
    rows["ask"] = rows["bid"] + 1
    rows["bid_size"], rows["ask_size"] = 5, 6
    for name in ("single", "batch"):
        with JournalWriter(tmp_path / name, **SMALL) as writer:
            writer.append_instrument(1, 0, instrument())
            if name == "batch":
                assert writer.append_batch("quote", 1, rows) == 701
            else:
                write_quotes(writer, 700)
    assert content_hash(tmp_path / "single") == content_hash(tmp_path / "batch")
    columns = JournalReader(tmp_path / "batch").columns("quote")
    assert (columns["bid"] == rows["bid"]).all()
    assert (columns["sequence"] == np.arange(2, 702)).all()
    some = JournalReader(tmp_path / "batch").columns("quote", names=("ask",), where={"bid": 10_013, "stream": 1})
    assert list(some) == ["ask"] and some["ask"].tolist() == [10_014]
    none = JournalReader(tmp_path / "batch").columns("quote", where={"bid": -1})
    assert len(none["bid"]) == 0 and none["bid"].dtype == columns["bid"].dtype
    chunks = list(JournalReader(tmp_path / "batch").chunks("quote", rows_max=100))
    assert [len(chunk) for chunk in chunks] == [100] * 7


def test_a_batch_of_the_wrong_width_is_refused(tmp_path: Path) -> None:
    with JournalWriter(tmp_path / "t", **SMALL) as writer:
        with pytest.raises(BadInput, match="64 bytes"):
            writer.append_batch("quote", 1, np.zeros(2, "<i8,<i8"), np.zeros(2, np.int64))
        with pytest.raises(BadInput, match="no fixed layout"):
            writer.append_batch("log", 1, np.zeros(2, "<i8"), np.zeros(2, np.int64))


def test_content_hash_depends_on_content_alone(tmp_path: Path) -> None:
    make_tape(tmp_path / "a", 500)
    make_tape(tmp_path / "b", 500, uuid=None, process="other", created=99, segment_bytes_max=1 << 20)
    make_tape(tmp_path / "c", 501)
    a, b, c = (content_hash(tmp_path / name) for name in "abc")
    assert a == b != c


def test_tapes_of_the_same_uuid_and_content_are_equal_byte_for_byte(tmp_path: Path) -> None:
    make_tape(tmp_path / "a", 8000)
    make_tape(tmp_path / "b", 8000)
    names = sorted(p.name for p in (tmp_path / "a").glob("*.tape"))
    assert len(names) > 1
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_new_journal_gets_an_identity_and_keeps_it(tmp_path: Path) -> None:
    with JournalWriter(tmp_path / "t", **SMALL, account="main", process="gateway:main") as writer:
        identity = writer.uuid
    with JournalWriter(tmp_path / "t", **SMALL) as writer:
        assert (writer.uuid, writer.epoch) == (identity, 2)
    reader = JournalReader(tmp_path / "t")
    assert isinstance(reader.uuid, UUID)
    assert (reader.process, reader.account) == ("gateway:main", "main")


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with JournalWriter(tmp_path / "t", **SMALL), pytest.raises(JournalLocked, match="pid"):
        JournalWriter(tmp_path / "t", **SMALL)
    JournalWriter(tmp_path / "t", **SMALL).close()


def test_instruments_are_known_after_a_seek_into_any_segment(tmp_path: Path) -> None:
    make_tape(tmp_path / "t", 6000)
    reader = JournalReader(tmp_path / "t")
    for sequence in (5, 900, 5999):
        fresh = JournalReader(tmp_path / "t")
        fresh.seek_sequence(sequence)
        assert fresh.instruments[1]["symbol"] == "sim:BTC/USDT"
        record = fresh.next()
        assert record is not None and record.sequence == sequence
    reader.seek_time(2_000_500)
    record = reader.next()
    assert record is not None and record.time == 2_001_000


def test_only_wanted_frames_are_given(tmp_path: Path) -> None:
    with JournalWriter(tmp_path / "t", **SMALL) as writer:
        for i in range(300):
            writer.append("log" if i % 3 else "alert", b"\x80", time=i)
    found = list(JournalReader(tmp_path / "t").frames(["alert"]))
    assert len(found) == 100
    assert {frame.type for frame in found} == {type_id("alert")}


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    make_tape(tmp_path / "t")
    assert (tmp_path / "t").stat().st_mode & 0o777 == 0o700
    for path in (tmp_path / "t").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_the_fast_appends_check_their_arguments(tmp_path: Path) -> None:
    with JournalWriter(tmp_path / "t", **SMALL) as writer:
        for bad in ((1, 2), (1, 2, 3, 4, 5, 6, "7"), (1, 2, 3, 4, 5, 6, 7, 8)):
            with pytest.raises(TypeError):
                writer.append_quote(*bad)  # type: ignore[arg-type]
        for bad in ((-1, 2, 3, 4, 5, 6, 7), (2**32, 2, 3, 4, 5, 6, 7), (1, 2**63, 3, 4, 5, 6, 7)):
            with pytest.raises(OverflowError):
                writer.append_quote(*bad)  # type: ignore[arg-type]
        for wrong in ((1,), (1, "text"), (1, b"", 0, 0, 0, 0)):
            with pytest.raises(TypeError):
                writer.append_raw(*wrong)
        for beyond in ((0xFFFF, b""), (0, b""), (1, b"", 1 << 16), (1, b"", 0, -1)):
            with pytest.raises(OverflowError):
                writer.append_raw(*beyond)
        with pytest.raises(BadInput, match="16 MiB"):
            writer.append_raw(23, bytes((16 << 20) + 1))
        assert writer.append_raw(23, b"\x80", 1, 2, 3) == 1
    (record,) = JournalReader(tmp_path / "t")
    assert (record.type, record.flags, record.stream, record.time) == ("log", 1, 2, 3)


def test_durability_is_asked_for_by_level(tmp_path: Path) -> None:
    with JournalWriter(tmp_path / "t", uuid=UUID(int=7)) as writer:
        write_quotes(writer, 3)
        assert writer.ensure("process") == writer.published == 3
        assert writer.ensure("disk") == 3
        assert writer.durable >= 3
        with pytest.raises(NotAvailable, match="no other host has frame 3"):
            writer.ensure("replicated")
        with pytest.raises(UsageError, match="process, disk, replicated"):
            writer.ensure("moon")


def test_a_reader_of_a_journal_that_is_being_made_is_at_its_beginning(tmp_path: Path) -> None:
    """The first segment is there before its writer has entered it."""
    with JournalWriter(tmp_path / "whole") as writer:
        writer.append_instrument(1, 0, instrument())
        writer.append("health", b"\x80")
        shutil.copytree(tmp_path / "whole", tmp_path / "made")
    segment = tmp_path / "made" / "0000000001.tape"
    whole = segment.read_bytes()
    segment.write_bytes(bytes(len(whole)))
    readers = [JournalReader(tmp_path / "made") for _ in range(4)]
    readers[1].seek_sequence(1)
    readers[2].seek_sequence(readers[2].last_sequence + 1)
    readers[3].seek_time(0)
    with segment.open("r+b") as file:
        assert all(reader.next_frame() is None and not reader.instruments for reader in readers)
        file.write(whole)
    control = JournalReader(tmp_path / "whole")
    assert [[*reader.frames()] for reader in readers] == [[*control.frames()]] * 4
