"""Real captures give what an independent script counted in them."""

from __future__ import annotations

import gzip
import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from onetape.data.importing import import_files
from onetape.model.errors import BadInput
from onetape.tape.verify import verify

CAPTURES = {
    "usdm": ("binance-usdm/btcusdt-2024-08-08.raw.gz", "BTCUSDT", "binance:BTC/USDT:USDT"),
    "coinm": ("binance-coinm/btcusd_perp-2024-08-08.raw.gz", "BTCUSD_PERP", "binance:BTC/USD:BTC"),
    "spot": ("binance-spot/btcusdt-2024-08-08.raw.gz", "BTCUSDT", "binance:BTC/USDT"),
    "spot-cut": ("binance-spot/btcusdt-2024-08-09.raw.gz", "BTCUSDT", "binance:BTC/USDT"),
}
SEED = "binance-spot/btcusdt-2024-08-09.seed-book.json.gz"


def import_capture(shared: Path, name: str, out: Path, **options: Any) -> Any:
    file, _, symbol = CAPTURES[name]
    seed = shared / SEED if name == "spot-cut" else None
    return import_files("binance-raw", [shared / file], symbol=symbol, out=out, seed_book=seed, **options)


@pytest.mark.parametrize("name", CAPTURES)
def test_capture_imports_to_its_facts(
    name: str, shared: Path, facts: Any, tmp_path: Path, read: Any, naive_book: Any
) -> None:
    file, raw, symbol = CAPTURES[name]
    fact = facts[file]["symbols"][raw]
    result = import_capture(shared, name, tmp_path / "tape")
    depth, trades = fact["depth"], fact["trades"]
    snapshots = 1
    assert result.by_type == {
        "quote": fact["bookTicker"]["n"],
        "trade": trades["n"],
        "book": depth["diffs"] + snapshots,
    }
    assert result.by_symbol == {symbol: result.by_type}
    assert result.events == sum(result.by_type.values())
    assert (result.rejected, result.gaps, result.crossed, result.late) == (0, 0, 0, 0)
    assert result.first_ts == int(facts[file]["first_capture"][0])
    assert result.last_ts == int(facts[file]["last_capture"][0])

    tape = read(tmp_path / "tape")
    found = tape.of("trade")
    bought = [t for t in found if t.data["side"] == "buy"]
    assert sum(tape.size(t.data["size"]) for t in found) == Decimal(trades["sum_qty"])
    assert sum(tape.size(t.data["size"]) for t in bought) == Decimal(trades["taker_buy_qty"])
    assert len(bought) == trades["taker_buy_n"]
    assert sum(tape.price(t.data["price"]) * tape.size(t.data["size"]) for t in found) == Decimal(
        trades["sum_price_x_qty"]
    )
    assert found[0].data["ts_event"] == trades["first"][0] * 1_000_000
    assert found[-1].data["id_low"] == trades["last_id"]

    book = naive_book()
    compared = equal = unsynced = 0
    last_id = None
    for record in tape.of("book", "quote"):
        if record.type == "book":
            unsynced += bool(record.flags & 2)
            book.apply(record)
            if not record.flags & 2:
                last_id = record.data["last_id"]
                top = (max(book.bids), book.bids[max(book.bids)], min(book.asks))
        elif book.synced and record.data["update_id"] == last_id:
            compared += 1
            quote = record.data
            equal += (quote["bid"], quote["bid_size"], quote["ask"]) == top
    assert compared == equal
    assert result.unsynced == unsynced
    final = depth["final_book"]
    assert len(book.bids) == final["bid_levels"]
    assert len(book.asks) == final["ask_levels"]
    assert sum(map(tape.size, book.bids.values())) == Decimal(final["bid_qty_total"])
    assert sum(map(tape.size, book.asks.values())) == Decimal(final["ask_qty_total"])
    assert tape.price(max(book.bids)) == Decimal(final["best_bid"])
    assert tape.price(min(book.asks)) == Decimal(final["best_ask"])
    report = verify(tmp_path / "tape")
    assert report.ok and report.torn_bytes == 0


def test_importing_twice_gives_equal_bytes(shared: Path, tmp_path: Path) -> None:
    import_capture(shared, "coinm", tmp_path / "a")
    import_capture(shared, "coinm", tmp_path / "b")
    names = sorted(entry.name for entry in (tmp_path / "a").iterdir())
    assert names == sorted(entry.name for entry in (tmp_path / "b").iterdir())
    for name in names:
        hashes = [hashlib.sha256((tmp_path / tape / name).read_bytes()).digest() for tape in ("a", "b")]
        assert hashes[0] == hashes[1], name


def test_removed_lines_are_a_gap_and_a_later_snapshot_heals(
    shared: Path, tmp_path: Path, read: Any, naive_book: Any
) -> None:
    file, _, symbol = CAPTURES["usdm"]
    lines = gzip.decompress((shared / file).read_bytes()).splitlines(keepends=True)[:6000]
    depth = [i for i, line in enumerate(lines) if b"depthUpdate" in line]
    removed = depth[100:103]
    short = tmp_path / "short.raw"
    short.write_bytes(b"".join(line for i, line in enumerate(lines) if i not in removed))
    result = import_files("binance-raw", [short], symbol=symbol, out=tmp_path / "gap")
    assert result.gaps == 1
    tape = read(tmp_path / "gap")
    book = naive_book()
    flagged = []
    for record in tape.of("book"):
        book.apply(record)
        if record.flags & 4:
            flagged.append(record)
    assert len(flagged) == 1 and not book.synced
    assert result.unsynced > len(depth) - 110

    # The book as a REST answer would give it, well after the break.
    at = depth[200]
    whole = tmp_path / "whole.raw"
    whole.write_bytes(b"".join(lines[: at + 1]))
    import_files("binance-raw", [whole], symbol=symbol, out=tmp_path / "whole")
    recorded = read(tmp_path / "whole")
    book = naive_book()
    for record in recorded.of("book"):
        book.apply(record)
    receipt = int(lines[at].split()[0])
    levels = [
        ",".join(f'["{recorded.price(p)}","{recorded.size(s)}"]' for p, s in side.items())
        for side in (book.bids, book.asks)
    ]
    last_id = recorded.of("book")[-1].data["last_id"]
    snapshot = f'{receipt + 1} {{"lastUpdateId":{last_id},"bids":[{levels[0]}],"asks":[{levels[1]}]}}\n'
    healed = tmp_path / "healed.raw"
    kept = [line for i, line in enumerate(lines) if i not in removed]
    kept.insert(at + 1 - len(removed), snapshot.encode())
    healed.write_bytes(b"".join(kept))
    result = import_files("binance-raw", [healed], symbol=symbol, out=tmp_path / "healed")
    assert result.gaps == 1
    ends = []
    for name in ("healed", "all"):
        if name == "all":
            (tmp_path / "all.raw").write_bytes(b"".join(lines))
            import_files("binance-raw", [tmp_path / "all.raw"], symbol=symbol, out=tmp_path / name)
        tape = read(tmp_path / name)
        book = naive_book()
        for record in tape.of("book"):
            book.apply(record)
        assert book.synced
        ends.append((book.bids, book.asks))
    assert ends[0] == ends[1]


def test_two_days_join_across_midnight(shared: Path, facts: Any, tmp_path: Path, read: Any, naive_book: Any) -> None:
    """Given in the wrong order, files are taken in the order of their receipts."""
    files = [CAPTURES["spot-cut"][0], CAPTURES["spot"][0]]
    result = import_files(
        "binance-raw", [shared / file for file in files], symbol="binance:BTC/USDT", out=tmp_path / "tape"
    )
    assert (result.gaps, result.late, result.unsynced) == (0, 0, 3)
    book = naive_book()
    tape = read(tmp_path / "tape")
    for record in tape.of("book"):
        book.apply(record)
    final = facts[files[0]]["symbols"]["BTCUSDT"]["depth"]["final_book"]
    assert tape.price(max(book.bids)) == Decimal(final["best_bid"])


def test_what_is_no_capture_is_named(shared: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no capture"):
        import_files("binance-raw", [shared / "README.md"], symbol="binance:BTC/USDT:USDT", out=tmp_path / "x")
    assert not list(tmp_path.iterdir())
