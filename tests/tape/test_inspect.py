"""What the command line's journal verbs stand on: ls, cat, tail, filters, retention."""

from __future__ import annotations

import contextlib
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_tapes import SMALL, UUID, instrument, make_tape, write_quotes

from onetape.model.errors import BadInput, OnetapeError, UsageError
from onetape.tape.inspect import cat, ls, tail
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.prune import compress, pin, pins, prune
from onetape.tape.verify import content_hash, verify
from onetape.tape.where import parse_where

RECORD = {"price": "100.50", "size": "2", "side": "buy", "symbol": "sim:BTC/USDT", "tag": "grid 3", "flags": 4}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("price>100", True),
        ("price > 100.5", False),
        ("price >= 100.5", True),
        ("price = 100.500", True),
        ("price != 100.5", False),
        ("side=buy", True),
        ("side == 'sell'", False),
        ("symbol = sim:BTC/USDT", True),
        ("tag ~ grid", True),
        ('tag = "grid 3"', True),
        ("missing > 1", False),
        ("missing != 1", False),
        ("not missing = 1", True),
        ("price>100 and size>3", False),
        ("price>100 and size>3 or flags=4", True),
        ("price>100 and (size>3 or flags=5)", False),
        ("not (side = sell or size < 1)", True),
        ("price < 1e3", True),
        ("price > -5", True),
        ("side > 5", False),
    ],
)
def test_a_filter_means_what_it_says(text: str, holds: bool) -> None:
    assert parse_where(text)(RECORD) is holds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "price",
        "price >",
        "> 5",
        "(price > 5",
        "price > 5)",
        "price > 5 size < 3",
        "price ** 2",
        "__import__('os')",
        "price > 5 and",
        "a = b = c",
        "price > 5;",
    ],
)
def test_a_filter_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected|understood|bracket"):
        parse_where(text)


@given(st.text(alphabet="price><=!~() and or not '\"0159._x", max_size=40))
def test_no_filter_text_gets_past_the_parser_in_another_way(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert parse_where(text)(RECORD) in (True, False)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(UsageError, match="nested"):
        parse_where("(" * 500 + "a = 1" + ")" * 500)


def test_cat_shows_prices_as_decimals_and_takes_ranges(tmp_path: Path) -> None:
    make_tape(tmp_path / "t", 6000)
    shown = list(cat(tmp_path / "t", start="5000", end="5002"))
    assert [r["sequence"] for r in shown] == [5000, 5001, 5002]
    assert shown[0]["symbol"] == "sim:BTC/USDT"
    assert (shown[0]["bid"], shown[0]["ask_size"]) == ("149.98", "0.006")
    hits = list(cat(tmp_path / "t", where="bid >= 159.98", types=["quote"]))
    assert [r["bid"] for r in hits] == ["159.98", "159.99"]
    assert list(cat(tmp_path / "t", types=["trade"])) == []
    with pytest.raises(BadInput, match="no event type 'qoute'"):
        list(cat(tmp_path / "t", types=["qoute"]))


@pytest.mark.parametrize("read", [cat, tail])
def test_a_field_that_no_record_has_is_named_with_the_nearest(tmp_path: Path, read: Callable[..., Any]) -> None:
    make_tape(tmp_path / "t", 6000)
    with pytest.raises(UsageError, match=r"no record here has a field 'bidd'.*did you mean bid.*ask_size"):
        list(read(tmp_path / "t", where="bidd > 1 or bid > 159.9"))
    assert list(read(tmp_path / "t", where="bid > 1000")) == []
    assert [each["type"] for each in read(tmp_path / "t", where="sequence = 3 and bid > 0")] == ["quote"]


def test_cat_by_time_is_half_open(tmp_path: Path) -> None:
    second = 10**9
    with JournalWriter(tmp_path / "t", **SMALL) as writer:
        for n in range(10):
            writer.append("log", b"\x80", time=(1_600_000_000 + n) * second)
    shown = list(cat(tmp_path / "t", start="1600000003", end="1600000006"))
    assert [r["sequence"] for r in shown] == [4, 5, 6]
    shown = list(cat(tmp_path / "t", start="2020-09-13T12:26:48Z"))
    assert [r["sequence"] for r in shown] == [9, 10]
    for start, end in (("2021-01-01", "2020-01-01"), ("9", "4")):
        with pytest.raises(UsageError, match="swap them"):
            list(cat(tmp_path / "t", start=start, end=end))


@pytest.mark.parametrize("count", [0, 1, 10, 5000, 9000])
def test_tail_gives_the_last(tmp_path: Path, count: int) -> None:
    make_tape(tmp_path / "t", 6000)
    shown = [r["sequence"] for r in tail(tmp_path / "t", count=count)]
    assert shown == list(range(max(1, 6002 - count), 6002))
    rare = list(tail(tmp_path / "t", count=2, where="bid < 100.03"))
    assert [r["bid"] for r in rare] == ["100.01", "100.02"]


WRITTEN = st.tuples(st.sampled_from(["quote", "trade", "book", "log", "look"]), st.integers(1, 3))


@given(st.lists(WRITTEN, max_size=60))
def test_a_slow_reader_gets_the_latest_of_each_symbol_and_how_many_it_skipped(steps: list[tuple[str, int]]) -> None:
    sizes = {"quote": 64, "trade": 64, "book": 48, "log": 0}
    with tempfile.TemporaryDirectory() as folder, JournalWriter(folder, durable=False) as writer:
        reader, since = JournalReader(folder), list[tuple[str, int, int]]()
        for what, stream in [*steps, ("look", 1)]:
            if what != "look":
                payload = bytes(sizes[what]) or b"\x80"
                since.append((what, stream, writer.append(what, payload, stream=stream, time=1)))
                continue
            newest = {(kind, of): sequence for kind, of, sequence in since if kind in ("quote", "trade")}
            expected = [
                (sequence, sum((kind, of) == each[:2] for each in since) - 1 if (kind, of) in newest else 0)
                for kind, of, sequence in since
                if newest.get((kind, of), sequence) == sequence
            ]
            assert [(record.sequence, skipped) for record, skipped in reader.latest()] == expected
            since.clear()
        reader.close()


def test_a_tail_that_is_behind_shows_the_latest_alone(tmp_path: Path) -> None:
    with JournalWriter(tmp_path / "t", **SMALL) as writer:
        writer.append_instrument(1, 0, instrument())
        write_quotes(writer, 3)
        shown = tail(tmp_path / "t", count=2, follow=True, latest=True)
        assert [next(shown)["bid"] for _ in range(2)] == ["100.01", "100.02"]
        write_quotes(writer, 5, first=3)
        latest = next(shown)
        assert (latest["bid"], latest["skipped"]) == ("100.07", 4)
        write_quotes(writer, 1, first=8)
        assert "skipped" not in next(shown)


def test_ls_finds_journals_below_a_folder(tmp_path: Path) -> None:
    make_tape(tmp_path / "journal" / "hub", 10)
    make_tape(tmp_path / "runs" / "r1" / "journal", 20, close=False)
    found = ls(tmp_path)
    assert [(Path(i.path).name, i.last_seq, i.writer) for i in found] == [
        ("hub", 11, "closed"),
        ("journal", 21, "dead"),
    ]
    assert found[0].journal == "00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert (found[0].first_time, found[0].latest_time) == (0, 9000)


def test_a_compressed_tape_is_the_same_tape(tmp_path: Path) -> None:
    make_tape(tmp_path / "t", 8000)
    plain = {p.name: p.read_bytes() for p in (tmp_path / "t").glob("*.tape")}
    before, records = content_hash(tmp_path / "t"), list(JournalReader(tmp_path / "t"))
    done = compress(tmp_path / "t")
    assert done == list(range(1, len(plain)))
    assert content_hash(tmp_path / "t") == before
    assert list(JournalReader(tmp_path / "t")) == records
    assert verify(tmp_path / "t").ok
    reader = JournalReader(tmp_path / "t")
    reader.seek_sequence(2000)
    assert reader.next_sequence == 2000
    import zstandard

    for path in (tmp_path / "t").glob("*.zst"):
        assert zstandard.decompress(path.read_bytes()) == plain[path.stem]
    with JournalWriter(tmp_path / "t", **SMALL) as writer:
        write_quotes(writer, 5)
    assert verify(tmp_path / "t").ok


def test_a_hurt_compressed_segment_is_damage(tmp_path: Path) -> None:
    make_tape(tmp_path / "t", 8000)
    compress(tmp_path / "t")
    path = tmp_path / "t" / "0000000001.tape.zst"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    path.write_bytes(data)
    report = verify(tmp_path / "t")
    assert not report.ok and "0000000001" in report.damage[0]
    with pytest.raises(OnetapeError):
        list(JournalReader(tmp_path / "t"))


def test_pruning_keeps_what_runs_are_replayed_from_unless_forced(tmp_path: Path) -> None:
    make_tape(tmp_path / "t", 8000)
    numbers = sorted(int(p.stem) for p in (tmp_path / "t").glob("*.tape"))
    pin(tmp_path / "t", "run-1", 1, 50)
    assert [p.run for p in pins(tmp_path / "t")] == ["run-1"]
    report = prune(tmp_path / "t", keep_sequence=8000)
    assert (report.removed, report.kept_by_runs) == ([], ["run-1"])
    report = prune(tmp_path / "t", keep_sequence=8000, force=True, dry_run=True)
    assert report.unreplayable == ["run-1"] and report.removed
    assert verify(tmp_path / "t").first_seq == 1
    report = prune(tmp_path / "t", keep_sequence=8000, force=True)
    assert report.removed == numbers[: len(report.removed)] and report.freed_bytes > 0
    left = verify(tmp_path / "t")
    assert left.ok and left.first_seq == report.first_seq > 1
    assert next(r.sequence for r in JournalReader(tmp_path / "t")) == report.first_seq


def test_pruning_by_size_and_age_leaves_the_newest(tmp_path: Path) -> None:
    make_tape(tmp_path / "t", 8000)
    sizes = [p.stat().st_size for p in sorted((tmp_path / "t").glob("*.tape"))]
    report = prune(tmp_path / "t", size=sizes[-1] + sizes[-2] + 1, dry_run=True)
    assert len(report.removed) == len(sizes) - 2
    assert prune(tmp_path / "t", older="1s", now=10**9).removed == []
    report = prune(tmp_path / "t", older="1s", now=3 * 10**9)
    assert len(report.removed) == len(sizes) - 1
    with pytest.raises(UsageError, match="no size"):
        prune(tmp_path / "t", size="many")


def test_a_tape_that_lost_its_beginning_is_damaged_unless_it_was_pruned(tmp_path: Path) -> None:
    make_tape(tmp_path / "t", 8000, uuid=UUID)
    prune(tmp_path / "t", keep_sequence=8000)
    assert verify(tmp_path / "t").ok
    (tmp_path / "t" / "pruned.json").unlink()
    report = verify(tmp_path / "t")
    assert not report.ok and "missing, not pruned" in report.damage[0]


def test_a_trades_id_is_shown_as_the_venue_writes_it(tmp_path: Path) -> None:
    venue_id = uuid4()
    low, high = (int.from_bytes(part, "little") for part in (venue_id.bytes[:8], venue_id.bytes[8:]))
    text = int.from_bytes(b"ab-7", "little")
    with JournalWriter(tmp_path / "t", **SMALL) as writer:
        for id_low, id_high, kind in ((3185, 0, 1), (low, high, 3), (text, 0, 2), (0, 0, 0)):
            writer.append("trade", struct.pack("<4q2QBB14x", 1, 2, 3, 4, id_low, id_high, 2, kind))
    assert [shown["id"] for shown in cat(tmp_path / "t")] == ["3185", str(venue_id), "ab-7", ""]
    assert [shown["sequence"] for shown in cat(tmp_path / "t", where="id = ab-7")] == [3]
