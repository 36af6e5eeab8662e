"""`import --filter`: bad ticks are not on the tape; what they said is."""

from __future__ import annotations

from pathlib import Path

from onetape.data.importing import import_files
from worlds.tapes import records


def rows(tmp_path: Path) -> Path:
    source = tmp_path / "trades.csv"
    lines = ["timestamp,price,amount,side,id"]
    prices = [100 + n % 3 for n in range(20)] + [5000, 101] + [140, 141, 140, 141]
    lines += [f"2026-01-01T00:00:{n:02}Z,{price},1,buy,{n + 1}" for n, price in enumerate(prices)]
    lines.append(lines[-1])  # the same trade again
    source.write_text("\n".join(lines) + "\n")
    return source


def test_what_was_kept_back_is_said_and_a_jump_is_taken(tmp_path):
    source = rows(tmp_path)
    plain = import_files("csv", [source], symbol="x:A/USD", out=tmp_path / "plain")
    assert plain.by_type == {"trade": 27}
    kept = import_files("csv", [source], symbol="x:A/USD", out=tmp_path / "kept", filters=True)
    assert kept.by_type == {"trade": 25, "health": 4}
    trades = [record.data["price"] for record in records(tmp_path / "kept", "trade")]
    assert 5000 not in trades
    assert trades[-4:] == [140, 141, 140, 141]
    said = [record.data for record in records(tmp_path / "kept", "health")]
    assert [each["state"] for each in said] == ["spike", "spike", "spike", "duplicate"]
    assert (said[0]["kind"], said[0]["event"], said[0]["id"]) == ("quarantine", "trade", "21")
    second = import_files("csv", [source], symbol="x:A/USD", out=tmp_path / "again", filters=True)
    segment = next((tmp_path / "kept").glob("*.seg*"), None) or sorted((tmp_path / "kept").iterdir())[0]
    assert segment.read_bytes() == (second.tape / segment.name).read_bytes()
