"""Bars that are missing are counted as gaps, and the longest hole is named."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from onetape.data.importing import holes_in_bars, import_files
from onetape.model.time import DAY, HOUR, MINUTE

T0 = 1_700_006_400  # 2023-11-15T00:00:00Z


def csv_of(path: Path, minutes, symbol: str = "") -> Path:
    lines = ["time,open,high,low,close,volume"]
    lines += [f"{T0 + 60 * m},1,2,1,2,5" for m in minutes]
    path.write_text("\n".join(lines) + "\n")
    return path


def brought(tmp_path: Path, minutes, **options):
    source = csv_of(tmp_path / "bars.csv", minutes)
    return import_files("csv", [source], symbol="kraken:BTC/USD", out=tmp_path / "t", **options)


def test_a_hole_of_two_hours_is_a_gap_with_its_place(tmp_path):
    result = brought(tmp_path, [*range(60), *range(180, 240)])
    assert result.gaps == 1
    assert "kraken:BTC/USD: bars of 1m have 1 hole of 2h from 2023-11-15T01:00:00Z" in result.assumptions
    assert result.as_json()["gaps"] == 1


def test_bars_without_a_hole_have_none(tmp_path):
    result = brought(tmp_path, range(300))
    assert result.gaps == 0
    assert not any("hole" in line for line in result.assumptions)


def test_of_several_the_longest_is_named(tmp_path):
    result = brought(tmp_path, [*range(10), *range(11, 20), *range(80, 90), *range(92, 99)])
    assert result.gaps == 3
    (line,) = [each for each in result.assumptions if "hole" in each]
    assert "3 holes, the longest of 1h from 2023-11-15T00:20:00Z" in line


@pytest.mark.parametrize("order", ["newest first", "mixed"])
def test_the_order_of_the_rows_is_no_hole(tmp_path, order):
    minutes = [*range(60), *range(180, 240)]
    minutes = minutes[::-1] if order == "newest first" else random.Random(1).sample(minutes, 120)
    assert brought(tmp_path, minutes, period="1m").gaps == 1


def test_several_files_are_one_row_of_bars(tmp_path):
    parts = [csv_of(tmp_path / "a.csv", range(60)), csv_of(tmp_path / "b.csv", range(120, 200))]
    result = import_files("csv", parts, symbol="kraken:BTC/USD", out=tmp_path / "t")
    assert result.gaps == 1


def test_periods_and_symbols_are_counted_apart(tmp_path):
    import struct

    from onetape.model.instrument import from_symbol
    from onetape.tape.journal import JournalWriter

    row = struct.Struct("<qqqqqqqqqqqq")
    with JournalWriter(tmp_path / "t", process="test", durable=False) as writer:
        for stream, symbol in enumerate(("kraken:BTC/USD", "kraken:ETH/USD"), 1):
            facts = from_symbol(symbol, tick="0.1", lot="0.1")
            writer.append_instrument(stream, 0, facts.to_msgpack())
        for day in range(3):
            for stream, period in ((1, HOUR), (1, DAY), (2, MINUTE)):
                at = day * DAY + DAY - period
                bar = row.pack(at, at + period, period, 1, 1, 1, 1, 1, 0, 0, -1, 0)
                writer.append("bar", bar, stream=stream, time=day * DAY + DAY)
    found = {
        (each.symbol, each.period): (each.count, each.longest)
        for each in holes_in_bars(tmp_path / "t", ["kraken:BTC/USD", "kraken:ETH/USD"])
    }
    assert found == {("kraken:BTC/USD", HOUR): (2, DAY - HOUR), ("kraken:ETH/USD", MINUTE): (2, DAY - MINUTE)}
