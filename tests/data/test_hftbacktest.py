"""Event arrays: the real capture in their layout, and every kind of row."""

from __future__ import annotations

import gzip
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kind_files import BTC, BUY, EXCH, HFT, LOCAL, NS, SELL, npy, reasons

from onetape.data.hftbacktest import ROW
from onetape.data.importing import import_files
from onetape.model.errors import BadInput


def events_of_capture(path: Path) -> list[tuple[Any, ...]]:
    """The real capture as hftbacktest's own converter lays it out."""
    rows: list[tuple[Any, ...]] = []
    both = LOCAL | EXCH
    with gzip.open(path, "rt") as file:
        for line in file:
            local, _, text = line.partition(" ")
            message = json.loads(text)
            data = message.get("data", message)
            local_ts, exch = int(local), int(data["T"]) * 10**6
            kind = data.get("e")
            if kind == "trade" and data["X"] == "MARKET":
                side = SELL if data["m"] else BUY
                rows.append((both | side | 2, exch, local_ts, float(data["p"]), float(data["q"])))
            elif kind == "depthUpdate" or "lastUpdateId" in data:
                of = 1 if kind else 4
                for side, levels in ((BUY, data.get("b", data.get("bids"))), (SELL, data.get("a", data.get("asks")))):
                    if of == 4:
                        rows.append((both | side | 3, exch, local_ts, float(levels[-1][0]), 0.0))
                    rows += [(both | side | of, exch, local_ts, float(price), float(size)) for price, size in levels]
    return rows


def test_the_real_capture_as_an_event_array(
    shared: Path, facts: Any, tmp_path: Path, read: Any, naive_book: Any
) -> None:
    file = "binance-usdm/btcusdt-2024-08-08.raw.gz"
    rows = events_of_capture(shared / file)
    # Rows for the exchange alone come between: they repeat what was not yet received.
    for at in range(0, len(rows), 997):
        ev, *rest = rows[at]
        rows.insert(at, (ev & ~LOCAL, *rest))
    array = np.array([(*row, 0, 0, 0.0) for row in rows], dtype=ROW)
    np.savez_compressed(tmp_path / "btc.npz", data=array)
    out = tmp_path / "tape"
    result = import_files("hftbacktest", [tmp_path / "btc.npz"], symbol=BTC, out=out)
    fact = facts[file]["symbols"]["BTCUSDT"] if "symbols" in facts[file] else facts[file]["BTCUSDT"]
    trades, depth = fact["trades"], fact["depth"]
    assert result.by_type == {"trade": trades["n"], "book": depth["diffs"] + 1}
    assert (result.rejected, result.late, result.snapped) == (0, 0, 0)
    tape = read(out)
    sizes = [tape.size(record.data["size"]) for record in tape.of("trade")]
    assert sum(sizes) == Decimal(trades["sum_qty"])
    buys = [r for r in tape.of("trade") if r.data["side"] == "buy"]
    assert len(buys) == trades["taker_buy_n"]
    replayed = naive_book()
    for record in tape.of("book"):
        replayed.apply(record)
    final = depth["final_book"]
    assert tape.price(max(replayed.bids)) == Decimal(final["best_bid"])
    assert tape.price(min(replayed.asks)) == Decimal(final["best_ask"])
    assert tape.size(replayed.bids[max(replayed.bids)]) == Decimal(final["best_bid_qty"])
    assert tape.size(replayed.asks[min(replayed.asks)]) == Decimal(final["best_ask_qty"])


def test_kinds_of_events(load: Any, tmp_path: Path) -> None:
    rows = [
        (LOCAL | BUY | 5, NS, NS + 1, 100.1, 1.0),
        (LOCAL | SELL | 5, NS, NS + 1, 100.2, 2.0),
        (LOCAL | SELL | 5, NS + 2, NS + 3, 100.3, 0.5),  # one side changes
        (LOCAL | BUY | 99, NS, NS + 4, 1.0, 1.0),  # nobody knows
        (LOCAL | BUY | 3, NS, NS + 5, 0.0, 0.0),  # clears one side alone
        (LOCAL | 3, NS, NS + 6, float("nan"), 0.0),  # clears all
        (EXCH | BUY | 2, NS, NS + 7, 1.0, 1.0),
        (LOCAL | BUY | 2, NS, NS + 8, float("inf"), 1.0),
        (LOCAL | BUY | 2, NS, NS + 9, 1.0, -1.0),
        (LOCAL | BUY | 2, -5, NS + 10, 1.0, 1.0),
        (LOCAL | 1, NS, NS + 11, 1.0, 1.0),
        (LOCAL | BUY | 2, NS, NS + 12, 1e300, 1.0),
        (LOCAL | BUY | 2, NS, NS + 13, 0.1 + 0.2, 1e-7),
    ]
    result, tape = load("hftbacktest", {"a.npy": npy(rows)}, "x:A/USD")
    assert result.by_type == {"quote": 2, "trade": 1, "book": 1}
    assert result.ignored == {"event 99": 1, "depth clear of one side alone": 1}
    assert [reason for _, reason in reasons(tmp_path / "tape")] == [
        "px is not finite",
        "qty is negative",
        "time is outside 1970 to 2262",
        "is neither of the bids nor of the asks",
        "px is too large",
    ]
    _, two = (record.data for record in tape.of("quote"))
    assert tape.price(two["bid"]) == Decimal("100.1") and tape.price(two["ask"]) == Decimal("100.3")
    [book] = tape.of("book")
    assert (book.flags, book.data["bids"], book.data["asks"]) == (1, [], [])
    assert tape.price(tape.of("trade")[0].data["price"]) == Decimal("0.3")


def test_arrays_that_are_none_of_events_are_refused(tmp_path: Path) -> None:
    def refused(name: str, data: bytes, match: str) -> None:
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(BadInput, match=match):
            import_files("hftbacktest", [path], symbol=BTC, out=tmp_path / "tape")

    def saved(array: Any) -> bytes:
        file = io.BytesIO()
        np.save(file, array, allow_pickle=True)
        return file.getvalue()

    refused("old.npy", saved(np.zeros((4, 6))), "1.x")
    refused("objects.npy", saved(np.array([{"a": 1}], dtype=object)), "no array of events")
    refused("floats.npy", saved(np.zeros(4)), "no array of events")
    refused(
        "big-endian.npy",
        saved(np.zeros(4, dtype=[(name, t.replace("<", ">")) for name, t in ROW])),
        "no array of events",
    )
    other_end = [(name, kind.replace("<", ">")) for name, kind in ROW]
    refused("big-endian.npy", saved(np.zeros(4, dtype=other_end)), "no array of events")
    refused("none.npy", saved(np.zeros(0, dtype=ROW)), "no rows")
    refused("cut.npy", HFT[:-70], "ends in the middle: 2 of 5 rows")
    refused("long.npy", HFT + b"\0", "goes on behind its 5 rows")
    huge = HFT.replace(b"(5,)", b"(999999999999,)").replace(b" " * 11 + b"\n", b"\n")
    refused("huge.npy", huge, "ends in the middle|header is damaged")
    negative = HFT.replace(b"(5,)", b"(-5,)").replace(b"  \n", b" \n")
    refused("negative.npy", negative, "damaged|no rows")
    file = io.BytesIO()
    np.savez(file, other=np.zeros(3))
    refused("other.npz", file.getvalue(), "no file has data that this kind of import reads")
    import pickle

    refused("pickle.npy", pickle.dumps([1, 2, 3]), "no array of numpy")
