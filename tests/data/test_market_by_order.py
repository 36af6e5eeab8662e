"""Market by order: hftbacktest's rows of orders become mbo events, and what the tape's market
report says of them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from kind_files import BUY, EXCH, LOCAL, NS, SELL, npy, reasons

from onetape import _core
from onetape.data.export import export_tape
from onetape.data.hftbacktest import ROW
from onetape.data.importing import import_files
from onetape.data.quality.market import verify_market
from onetape.data.sample import write_sample
from onetape.tape.journal import JournalReader, JournalWriter, type_id
from onetape.tape.schema import built_in

CLEAR, TRADE, ADD, CANCEL, MODIFY, FILL = 3, 2, 10, 11, 12, 13
SYMBOL = "x:A/USD"


def orders(rows: Iterable[tuple[Any, ...]]) -> bytes:
    """(ev, time, px, qty, order_id) as the bytes of a .npy file; received a ns later."""
    file = io.BytesIO()
    made = [(LOCAL | EXCH | ev, NS + t, NS + t + 1, px, qty, n, 0, 0.0) for ev, t, px, qty, n in rows]
    np.save(file, np.array(made, dtype=ROW))
    return file.getvalue()


# A day as the converter of a feed by order lays it out: the start-of-day snapshot under the clear's
# time, then trades, each with the fill of the order that it met and what became of that.
DAY = [
    (CLEAR, 0, 0.0, 0.0, 0),
    (BUY | ADD, 0, 99.5, 3.0, 11),
    (SELL | ADD, 0, 100.5, 2.0, 12),
    (BUY | ADD, 5, 99.5, 1.25, 13),
    (SELL | TRADE, 7, 99.5, 3.0, 0),
    (BUY | FILL, 7, 99.5, 3.0, 11),
    (BUY | CANCEL, 7, 99.5, 3.0, 11),
    (BUY | FILL, 8, 99.5, 0.25, 13),
    (BUY | MODIFY, 8, 99.5, 1.0, 13),
    (SELL | MODIFY, 9, 100.0, 2.0, 12),
    (SELL | CANCEL, 9, float("nan"), 0.0, 12),
    (BUY | CLEAR, 11, 0.0, 0.0, 0),
]


def test_rows_of_orders_become_events(load: Any) -> None:
    result, tape = load("hftbacktest", {"a.npy": orders(DAY)}, SYMBOL)
    assert result.by_type == {"trade": 1, "mbo": 11}
    assert (result.rejected, result.ignored) == (0, {})
    got = [
        (
            each.data["action"],
            each.data["side"],
            each.data["order_id"],
            float(tape.price(each.data["price"])),
            float(tape.size(each.data["size"])),
            each.flags,
            each.data["last"],
            each.data["reported"],
        )
        for each in tape.of("mbo")
    ]
    assert got == [
        ("clear", "none", 0, 0, 0, 1, 0, 0),
        ("add", "buy", 11, 99.5, 3, 1, 0, 0),
        ("add", "sell", 12, 100.5, 2, 1, 1, 0),
        ("add", "buy", 13, 99.5, 1.25, 0, 1, 0),
        ("fill", "buy", 11, 99.5, 3, 0, 0, 1),
        ("cancel", "buy", 11, 99.5, 0, 0, 1, 0),
        ("fill", "buy", 13, 99.5, 0.25, 0, 0, 1),
        ("modify", "buy", 13, 99.5, 1, 0, 1, 0),
        ("modify", "sell", 12, 100, 2, 0, 0, 0),
        ("cancel", "sell", 12, 0, 0, 0, 1, 0),
        ("clear", "buy", 0, 0, 0, 0, 1, 0),
    ]
    assert [each.data["ts_event"] - NS for each in tape.of("mbo")][-1] == 11


def test_rows_that_are_no_orders_are_rejected(load: Any, tmp_path: Path) -> None:
    rows = [
        (ADD, 1, 1.0, 1.0, 1),
        (BUY | ADD, 2, 1.0, 0.0, 2),
        (BUY | ADD, 3, float("inf"), 1.0, 3),
        (BUY | ADD, 4, 1.0, -1.0, 4),
        (BUY | FILL, 5, 1.0, 0.0, 5),
        (BUY | MODIFY, 6, float("nan"), 1.0, 6),
        (BUY | CANCEL, 7, 1.0, -1.0, 7),
        (BUY | ADD, -NS, 1.0, 1.0, 8),
        (BUY | ADD, 9, 1.0, 1.0, 2**64 - 1),
    ]
    result, tape = load("hftbacktest", {"a.npy": orders(rows)}, SYMBOL)
    assert result.by_type == {"mbo": 1}
    assert tape.of("mbo")[0].data["order_id"] == 2**64 - 1
    assert [reason for _, reason in reasons(tmp_path / "tape")] == [
        "is neither of the bids nor of the asks",
        "qty is zero",
        "px is not finite",
        "qty is negative",
        "qty is zero",
        "px is not finite",
        "qty is negative",
        "time is outside 1970 to 2262",
    ]


CSV = """ts_recv,ts_event,action,side,price,size,order_id,flags
{0},{0},R,N,,,0,32
{0},{0},A,B,99.5,5,11,32
{0},{0},A,A,100.5,2,12,160
{1},{1},A,B,99.5,4,13,128
{2},{2},T,A,99.5,3,0,0
{2},{2},F,B,99.5,3,11,0
{2},{2},C,B,99.5,3,11,128
{3},{3},M,A,100,2,12,128
{4},{4},N,N,,,0,128
{4},{4},C,B,99.5,4,13,128
"""


def test_csv_by_letters(load: Any, tmp_path: Path) -> None:
    """As Databento's schema mbo: a cancel takes its size off, also after the fill that it is of."""
    text = CSV.format(*(NS + at * 10**9 for at in range(5)))
    result, tape = load("csv", {"a.csv": text}, SYMBOL)
    assert result.by_type == {"trade": 1, "mbo": 8} and result.rejected == 0
    assert [each.data["side"] for each in tape.of("trade")] == ["sell"]
    events = [(each.data["action"], each.flags, each.data["last"], each.data["reported"]) for each in tape.of("mbo")]
    assert events == [
        ("clear", 1, 0, 0),
        ("add", 1, 0, 0),
        ("add", 1, 1, 0),
        ("add", 0, 1, 0),
        ("fill", 0, 0, 1),
        ("cancel", 0, 1, 0),
        ("modify", 0, 1, 0),
        ("cancel", 0, 1, 0),
    ]
    bids, asks, count, counts = final_book(tmp_path / "tape")
    assert (bids, asks, count) == ([(995, 2)], [(1000, 2)], 2)
    assert not any(counts[name] for name in ("unknown", "overfills", "duplicates", "refused"))


def test_csv_by_words(load: Any, tmp_path: Path) -> None:
    rows = [
        "add,buy,1,5,18446744073709551615",
        "fill,buy,1,2,18446744073709551615",
        "cancel,,,,18446744073709551615",
        "add,,1,5,2",
        "add,sell,1,0,2",
        "add,sell,1,-1,2",
        "add,sell,1,1,x",
        "jump,sell,1,1,2",
        "add,up,1,1,2",
        "cancel,buy,1,1,",
        "trade,buy,2,3,",
    ]
    text = "time,action,side,price,size,order_id\n"
    text += "".join(f"{NS + at},{row}\n" for at, row in enumerate(rows))
    result, tape = load("csv", {"a.csv": text}, SYMBOL)
    assert result.by_type == {"mbo": 3, "trade": 1}
    assert [reason for _, reason in reasons(tmp_path / "tape")] == [
        "side is neither bid nor ask",
        "size is zero",
        "size is negative",
        "order_id is no whole number of 64 bits",
        "action is none that is known",
        "side is none that is known",
        "order_id is no whole number of 64 bits",
    ]
    assert [each.data["reported"] for each in tape.of("mbo")] == [0, 0, 0]


def test_an_export_comes_back_as_it_was(tmp_path: Path) -> None:
    write_sample(tmp_path / "a", events=5_000, seed=9, by_order=True)
    export_tape(tmp_path / "a", out=tmp_path / "out", format="csv")
    import_files("csv", [tmp_path / "out" / "mbo.csv"], symbol="binance:BTC/USDT:USDT", out=tmp_path / "b")
    assert final_book(tmp_path / "b") == final_book(tmp_path / "a")


def test_depth_of_levels_stays_what_it_was_where_no_orders_are(load: Any) -> None:
    rows = [
        (LOCAL | 3, NS, NS, 0.0, 0.0),
        (LOCAL | BUY | 4, NS, NS, 99.0, 1.0),
        (LOCAL | SELL | 4, NS, NS, 101.0, 1.0),
        (LOCAL | 3, NS + 5, NS + 5, 0.0, 0.0),
    ]
    result, _ = load("hftbacktest", {"a.npy": npy(rows)}, SYMBOL)
    assert result.by_type == {"book": 2}


def as_event_array(tape: Path, out: Path) -> None:
    """A tape's orders and trades in hftbacktest's layout, fills told as it tells them."""
    made: list[tuple[Any, ...]] = []
    left: dict[int, int] = {}
    with JournalReader(tape) as reader:
        records = list(reader)
        facts = next(iter(reader.instruments.values()))
        price = 10.0 ** facts["price_decimals"]
        size = 10.0 ** facts["size_decimals"]
        kinds = {"add": ADD, "modify": MODIFY, "cancel": CANCEL, "fill": FILL, "clear": CLEAR}
        sides = {"none": 0, "buy": BUY, "sell": SELL}
        for each in records:
            if each.type not in ("mbo", "trade"):
                continue
            data, number = each.data, each.data.get("order_id", 0)
            ev = LOCAL | EXCH | sides[data["side"]]
            row = (each.time, each.time, data["price"] / price, data["size"] / size, number, 0, 0.0)
            if each.type == "trade":
                made.append((ev | TRADE, *row))
                continue
            made.append((ev | kinds[data["action"]], *row))
            if data["action"] == "add":
                left[number] = data["size"]
            elif data["action"] == "fill":
                left[number] -= data["size"]
                row = (*row[:3], left[number] / size, number, 0, 0.0)
                made.append((ev | (MODIFY if left[number] else CANCEL), *row))
    np.savez_compressed(out, data=np.array(made, dtype=ROW))


def final_book(tape: Path) -> tuple[Any, Any, int, dict[str, int]]:
    book = _core.MboBook()
    with JournalReader(tape) as reader:
        for rows in reader.chunks("mbo"):
            book.apply_rows(rows.tobytes())
    return book.levels.bids(50), book.levels.asks(50), book.order_count, book.counts


def test_a_tape_out_and_in_again_has_the_same_book(tmp_path: Path) -> None:
    write_sample(tmp_path / "a", events=20_000, seed=5, by_order=True)
    as_event_array(tmp_path / "a", tmp_path / "a.npz")
    result = import_files("hftbacktest", [tmp_path / "a.npz"], symbol="binance:BTC/USDT:USDT", out=tmp_path / "b")
    assert result.rejected == 0
    bids, asks, count, _ = final_book(tmp_path / "a")
    second = final_book(tmp_path / "b")
    assert second[:3] == (bids, asks, count) and count > 50
    assert not any(second[3][name] for name in ("unknown", "overfills", "duplicates", "refused"))


def test_orders_and_levels_of_one_market_are_one_book(tmp_path: Path) -> None:
    """The generated market told by order and by level: at each trade both books are the same."""
    write_sample(tmp_path / "orders", events=20_000, seed=2, by_order=True)
    write_sample(tmp_path / "levels", events=20_000, seed=2)

    def at_trades(path: Path) -> list[Any]:
        seen = []
        orders, levels = _core.MboBook(), _core.Book()
        book = None
        with JournalReader(path) as reader:
            for frame in reader.frames(["mbo", "book", "trade"]):
                if frame.type == type_id("trade"):
                    assert book is not None
                    seen.append((frame.time, book.bids(20), book.asks(20)))
                elif frame.type == type_id("book"):
                    levels.apply_payload(frame.payload, frame.flags)
                    book = levels
                else:
                    orders.apply_rows(bytes(6) + frame.flags.to_bytes(2, "little") + bytes(24) + frame.payload)
                    book = orders.levels
        return seen

    by_order, by_level = at_trades(tmp_path / "orders"), at_trades(tmp_path / "levels")
    both = min(len(by_order), len(by_level))
    assert both > 500 and by_order[:both] == by_level[:both]


# --- the market report ----------------------------------------------------------------------------


def write_orders(path: Path, steps: list[tuple[Any, ...]]) -> None:
    """(action, order_id, side, price, size[, flags]) a second apart."""
    schema = built_in()[type_id("mbo")]
    actions = ("", "add", "modify", "cancel", "fill", "clear")
    with JournalWriter(path, process="test") as writer:
        facts = {"symbol": SYMBOL, "price_decimals": 1, "size_decimals": 0}
        writer.append_instrument(1, NS, msgspec.msgpack.encode(facts))
        for at, (action, number, side, price, size, *flags) in enumerate(steps):
            values = {
                "ts_event": NS + at,
                "ts_recv": NS + at,
                "order_id": number,
                "price": price,
                "size": size,
                "action": actions.index(action),
                "side": side,
                "last": 1,
            }
            payload = np.zeros((), schema.payload_dtype)
            for name, value in values.items():
                payload[name] = value
            writer.append(type_id("mbo"), payload.tobytes(), stream=1, time=NS + at, flags=sum(flags))


FAULTS = [
    (("cancel", 7, 1, 0, 0), "unknown_order"),
    (("modify", 7, 1, 990, 2), "unknown_order"),
    (("fill", 7, 1, 990, 2), "unknown_order"),
    (("add", 1, 1, 990, 2), "duplicate_order"),
    (("fill", 1, 1, 1000, 99), "overfill"),
    (("cancel", 1, 1, 1000, 99), "overfill"),
    (("add", 5, 1, 990, -3), "size_negative"),
    (("add", 5, 1, 990, 0), "refused"),
    (("add", 5, 0, 990, 1), "refused"),
    (("add", 5, 1, 1020, 1), "crossed"),
    (("add", 5, 1, 1010, 1), "locked"),
    (("fill", 1, 2, 1000, 1), "disagreeing"),
    (("fill", 1, 1, 990, 1), "disagreeing"),
]


@pytest.mark.parametrize(("fault", "check"), FAULTS)
def test_what_the_orders_before_do_not_bear_out_is_counted(tmp_path: Path, fault: tuple[Any, ...], check: str) -> None:
    sound = [("clear", 0, 0, 0, 0, 1), ("add", 1, 1, 1000, 5, 1), ("add", 2, 2, 1010, 5, 1)]
    write_orders(tmp_path / "a", [*sound, ("add", 3, 1, 980, 1), ("cancel", 3, 1, 980, 1)])
    result = verify_market(tmp_path / "a").by_symbol[SYMBOL]["mbo"]
    assert result["findings"] == 0 and result["orders_at_end"] == 2
    write_orders(tmp_path / "b", [*sound, ("add", 3, 1, 980, 1), fault])
    result = verify_market(tmp_path / "b").by_symbol[SYMBOL]["mbo"]
    found = {name: count for name, count in result["checks"].items() if count}
    assert found == {check: 1}
    [example] = result["examples"][check]
    assert example["order_id"] == fault[1] and example["sequence"] == 6


def test_a_recording_that_begins_in_the_middle(tmp_path: Path) -> None:
    steps = [
        ("cancel", 1, 1, 0, 0),
        ("cancel", 2, 1, 0, 0),
        ("add", 3, 1, 100, 1),
        ("clear", 0, 0, 0, 0, 1),
        ("add", 4, 1, 100, 1, 1),
        ("cancel", 9, 1, 0, 0),
    ]
    write_orders(tmp_path / "a", steps)
    result = verify_market(tmp_path / "a").by_symbol[SYMBOL]["mbo"]
    assert (result["unknown_at_start"], result["checks"]["unknown_order"]) == (2, 1)
