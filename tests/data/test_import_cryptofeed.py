"""Recordings of cryptofeed: a tape of one holds what an independent script found in it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from onetape._core import FLAG_UNSYNCED, Book
from onetape.data.importing import ImportResult, import_files
from onetape.model.errors import BadInput, UnknownSymbol, UsageError
from onetape.tape.journal import JournalReader
from onetape.tape.verify import content_hash, verify

BINANCE_USDM = "binance-usdm/4-symbols-2021-07-22-first-half.ws.txt"
BINANCE_SPOT = "binance-spot/4-symbols-2021-10-12.ws.txt"
BITMEX = "bitmex/10-symbols-2021-07-22-first-half.ws.txt"
KRAKEN_TICKER = "kraken-spot/10-pairs-2021-04-17.ticker.ws.txt"
KRAKEN_BOOK = "kraken-spot/10-pairs-2021-04-17-first-quarter.book.ws.txt.gz"
KRAKEN_FUTURES = "kraken-futures/10-products-2021-07-22-first-half.ws.txt.gz"
BYBIT = "bybit/linear-8-symbols-2021-04-17.ws.txt.gz"
OKX = "okx/3-instruments-2022-05-13.ws.txt.gz"
SNAPSHOTS = {
    BINANCE_USDM: "binance-usdm/4-symbols-2021-07-22.depth-snapshots.http.txt",
    BINANCE_SPOT: "binance-spot/4-symbols-2021-10-12.depth-snapshots.http.txt",
}
ALL = (BINANCE_USDM, BINANCE_SPOT, BITMEX, KRAKEN_TICKER, KRAKEN_BOOK, KRAKEN_FUTURES, BYBIT, OKX)


class Imported:
    """A recording on a tape, by the venue's names of its instruments."""

    def __init__(self, result: ImportResult, tape: Any, book: Callable[[], Any]) -> None:
        self.result = result
        self.tape = tape
        self.by_raw: dict[str, int] = {}
        self.books: dict[int, Any] = {}
        self.events: dict[tuple[int, str], list[Any]] = {}
        for record in tape.records:
            self.events.setdefault((record.stream, record.type), []).append(record)
            if record.type == "book":
                self.books.setdefault(record.stream, book()).apply(record)

    def number(self, stream: int, units: int, what: str) -> Decimal:
        return Decimal(units).scaleb(-self.tape.instruments[stream][f"{what}_decimals"])

    def stream_of(self, raw: str) -> int:
        """The stream whose symbol is of this raw name."""
        for stream, instrument in self.tape.instruments.items():
            if SYMBOLS.get(raw, raw) == instrument["symbol"].partition(":")[2]:
                return int(stream)
        raise AssertionError(f"no stream is {raw}")


# By the rules of naming of each venue, written out: what an import must come to.
SYMBOLS = {
    "SUSHIUSDT": "SUSHI/USDT:USDT",
    "AKROUSDT": "AKRO/USDT:USDT",
    "KEEPUSDT": "KEEP/USDT:USDT",
    "CTKUSDT": "CTK/USDT:USDT",
    "NKNUSDT": "NKN/USDT",
    "BLZETH": "BLZ/ETH",
    "LRCBTC": "LRC/BTC",
    "RUNEEUR": "RUNE/EUR",
    "XRPU21": "XRP/BTC:BTC-210924",
    "TRXU21": "TRX/BTC:BTC-210924",
    "XBTUSD": "BTC/USD:BTC",
    "KSM/XBT": "KSM/BTC",
    "OCEAN/XBT": "OCEAN/BTC",
    "XBT/CHF": "BTC/CHF",
    "ADA/XBT": "ADA/BTC",
    "FI_BCHUSD_210730": "BCH/USD:BCH-210730",
    "FI_BCHUSD_210924": "BCH/USD:BCH-210924",
    "FI_ETHUSD_210730": "ETH/USD:ETH-210730",
    "FI_ETHUSD_211231": "ETH/USD:ETH-211231",
    "FI_XBTUSD_210730": "BTC/USD:BTC-210730",
    "FI_XBTUSD_210924": "BTC/USD:BTC-210924",
    "FI_XRPUSD_210924": "XRP/USD:XRP-210924",
    "PI_ETHUSD": "ETH/USD:ETH",
    "PI_LTCUSD": "LTC/USD:LTC",
    "PI_XRPUSD": "XRP/USD:XRP",
    "BTC-USD-220527": "BTC/USD:BTC-220527",
    "BTC-USDT": "BTC/USDT",
    "UNI-USD-SWAP": "UNI/USD:UNI",
} | {f"{base}USDT": f"{base}/USDT:USDT" for base in ("BCH", "XTZ", "LTC", "DOT", "LINK", "ADA", "ETH", "UNI")}
FREE = {"ADAUSDT", "EOSUSDT", "TRXUSDT", "SOLUSDT", "UNIUSDT", "MATICUSDT", "BCHUSD"}


@pytest.fixture(scope="module")
def imported(
    shared: Path,
    tmp_path_factory: pytest.TempPathFactory,
    read_tape: Callable[[Path], Any],
    new_book: Callable[[], Any],
) -> Callable[[str], Imported]:
    kept: dict[str, Imported] = {}

    def get(name: str) -> Imported:
        if name not in kept:
            out = tmp_path_factory.mktemp("cryptofeed") / "tape"
            paths = [shared / name]
            if name in SNAPSHOTS:
                paths.append(shared / SNAPSHOTS[name])
            kept[name] = Imported(import_files("cryptofeed", paths, out=out), read_tape(out), new_book)
        return kept[name]

    return get


def raws(facts: dict[str, Any], name: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = facts[name]["symbols"]
    return found


def stream_of(found: Imported, name: str, raw: str) -> int:
    if name == BITMEX and raw in FREE:
        for stream, instrument in found.tape.instruments.items():
            if instrument["symbol"] == f"bitmex:{raw}":
                return int(stream)
    return found.stream_of(raw)


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_rejected_and_nothing_is_a_gap(name: str, imported: Any) -> None:
    result = imported(name).result
    assert (result.rejected, result.gaps, result.late) == (0, 0, 0)
    assert verify(result.tape).ok


@pytest.mark.parametrize("name", ALL)
def test_every_data_line_is_an_event_or_counted(name: str, imported: Any, facts: Any) -> None:
    found, reported = imported(name).result, facts[name]
    in_one_line = 0
    if name in SNAPSHOTS:
        in_one_line += facts[SNAPSHOTS[name]]["requests"]  # answers of the other file
        expected = reported["data_lines"] + reported["header_lines"] + in_one_line
        assert found.events + sum(found.ignored.values()) == expected
    else:
        # Lines with several rows give several events.
        headers = found.ignored["connection"] + found.ignored["sent by the client"]
        assert found.events + sum(found.ignored.values()) >= reported["data_lines"] + headers


@pytest.mark.parametrize("name", [n for n in ALL if n != KRAKEN_TICKER])
def test_final_books_are_those_of_an_independent_replay(name: str, imported: Any, facts: Any) -> None:
    found = imported(name)
    checked = 0
    for raw, reported in raws(facts, name).items():
        final = reported.get("final_book") or reported.get("depth", {}).get("final_book")
        if final is None:
            continue
        stream = stream_of(found, name, raw)
        book = found.books[stream]
        assert book.synced
        for side, best, word in ((book.bids, max, "bid"), (book.asks, min, "ask")):
            assert len(side) == final[f"{word}_levels"], raw
            if not side:
                continue
            price = best(side)
            assert found.number(stream, price, "price") == Decimal(final[f"best_{word}"]), raw
            sizes = found.number(stream, side[price], "size")
            assert sizes == Decimal(final[f"best_{word}_qty"]), raw
            total = found.number(stream, sum(side.values()), "size")
            assert total == Decimal(final[f"{word}_qty_total"]), raw
        checked += 1
    assert checked == len(found.tape.instruments)


@pytest.mark.parametrize("name", [n for n in ALL if n != KRAKEN_TICKER])
def test_the_cores_book_takes_every_message_that_is_synced(name: str, imported: Any) -> None:
    found = imported(name)
    books: dict[int, Book] = {}
    with JournalReader(found.result.tape) as reader:
        for frame in reader.frames(["book"]):
            book = books.setdefault(frame.stream, Book())
            outcome, crossed, _ = book.apply_payload(frame.payload, frame.flags)
            if not frame.flags & FLAG_UNSYNCED:
                assert outcome in ("applied", "snapshot"), frame
                assert not crossed or name == BITMEX  # a trade's levels go one message at a time
    for stream, book in books.items():
        plain = found.books[stream]
        assert book.synced
        assert (book.bid_count, book.ask_count) == (len(plain.bids), len(plain.asks))


TRADE_KEYS = ("agg_trades(ids are the f..l trade ids)", "trades_inserted", "trades")


@pytest.mark.parametrize("name", [BINANCE_USDM, BINANCE_SPOT, BITMEX, KRAKEN_FUTURES, BYBIT, OKX])
def test_trades_are_all_there_with_their_sums_and_sides(name: str, imported: Any, facts: Any) -> None:
    found = imported(name)
    seen = 0
    for raw, reported in raws(facts, name).items():
        sums = next((reported[key] for key in TRADE_KEYS if key in reported), None)
        if sums is None:
            continue
        stream = stream_of(found, name, raw)
        trades = found.events[stream, "trade"]
        assert len(trades) == sums["n"]
        sizes = [found.number(stream, t.data["size"], "size") for t in trades]
        prices = [found.number(stream, t.data["price"], "price") for t in trades]
        assert sum(sizes) == Decimal(sums["sum_qty"])
        assert sum(p * s for p, s in zip(prices, sizes, strict=True)) == Decimal(sums["sum_price_x_qty"])
        assert sum(t.data["side"] == "buy" for t in trades) == sums["taker_buy_n"]
        assert sum(t.data["side"] == "sell" for t in trades) == sums["taker_sell_n"]
        assert prices[-1] == Decimal(sums["last"][1])
        if str(sums["first"][0]).isdigit():
            assert trades[0].data["ts_event"] == int(sums["first"][0]) * 1_000_000
        seen += len(trades)
    assert seen == found.result.by_type["trade"] > 0


def test_quotes_are_the_venues_own(imported: Any, facts: Any) -> None:
    for name, keys in ((BINANCE_USDM, ("b", "B", "a", "A")), (BITMEX, ("bidPrice", "bidSize", "askPrice", "askSize"))):
        found = imported(name)
        for raw, reported in raws(facts, name).items():
            sums = reported.get("bookTicker") or reported.get("quote")
            stream = stream_of(found, name, raw)
            quotes = found.events[stream, "quote"]
            assert len(quotes) == sums["n"]
            last = quotes[-1].data
            shown = [
                found.number(stream, last[field], "size" if "size" in field else "price")
                for field in ("bid", "bid_size", "ask", "ask_size")
            ]
            assert shown == [Decimal(str(sums["last"][key])) for key in keys]
    found = imported(KRAKEN_TICKER)
    for raw, reported in raws(facts, KRAKEN_TICKER).items():
        stream = stream_of(found, KRAKEN_TICKER, raw)
        last = found.events[stream, "quote"][-1].data
        bid, ask = reported["last_ticker"]["bid"], reported["last_ticker"]["ask"]
        assert found.number(stream, last["bid"], "price") == Decimal(bid[0])
        assert found.number(stream, last["ask_size"], "size") == Decimal(ask[2])


@pytest.mark.parametrize("name", [BINANCE_USDM, BINANCE_SPOT])
def test_a_depth_answer_joins_the_stream_where_it_came(name: str, imported: Any, facts: Any) -> None:
    found = imported(name)
    dropped = 0
    for raw, reported in raws(facts, name).items():
        depth = reported["depth"]
        dropped += depth["dropped_before_snapshot"]
        books = found.events[found.stream_of(raw), "book"]
        assert len(books) == depth["diffs"] + 1
        assert books[-1].data["last_id"] == depth["last_u"]
        snapshot = next(record for record in books if record.flags & 1)
        at = [d["at"] for d in facts[SNAPSHOTS[name]]["detail"] if f"={raw}&" in d["url"]]
        assert str(snapshot.time)[:6] and len(at) == 1
    assert found.result.unsynced == dropped
    times = [record.time for record in found.tape.records if record.type != "instrument"]
    assert times == sorted(times)


def test_receipts_are_exact(imported: Any, facts: Any) -> None:
    result = imported(BYBIT).result
    seconds, fraction = facts[BYBIT]["last_capture"][0].split(".")
    assert result.last_ts == int(seconds) * 10**9 + int(fraction.ljust(9, "0"))


def lines(shared: Path, name: str) -> list[str]:
    raw = (shared / name).read_bytes()
    text = gzip.decompress(raw) if name.endswith(".gz") else raw
    return text.decode().splitlines(keepends=True)


def recorded(tmp_path: Path, found: list[str], **options: Any) -> ImportResult:
    source = tmp_path / "recording.txt"
    source.write_text("".join(found))
    return import_files("cryptofeed", [source], out=tmp_path / "tape", force=True, **options)


def is_change(name: str, line: str) -> bool:
    """Is this a depth message that changes a known book?"""
    marks = {
        BINANCE_USDM: '"depthUpdate"',
        BITMEX: '"table":"orderBookL2","action":"insert"',
        KRAKEN_BOOK: '"c":',
        KRAKEN_FUTURES: '"feed":"book",',
        OKX: '"action":"update"',
        BYBIT: '"type":"delta"',
    }
    return line[0].isdigit() and marks[name] in line and "subscribe" not in line


@pytest.mark.parametrize(
    "name",
    [
        KRAKEN_BOOK,  # by the checksum
        OKX,  # by the checksum
        KRAKEN_FUTURES,  # by the number
        BITMEX,  # by an id that nobody named
    ],
)
def test_a_lost_line_is_a_gap_and_what_follows_is_unsynced(
    name: str, shared: Path, tmp_path: Path, imported: Any
) -> None:
    found = lines(shared, name)
    changes = [i for i, line in enumerate(found) if is_change(name, line)]
    whole = imported(name).result
    gaps = []
    for at in changes[5 : 5 + 40 : 4]:
        lost = recorded(tmp_path, found[:at] + found[at + 1 :])
        gaps.append(lost.gaps)
        # One message of the book is lost: one gap, unless nothing later touched what it said.
        assert lost.gaps <= 1
        assert lost.unsynced >= lost.gaps
        assert lost.events == whole.events - 1
    assert sum(gaps) >= (2 if name == BITMEX else 6), gaps


def test_a_changed_size_breaks_the_checksum(shared: Path, tmp_path: Path) -> None:
    found = lines(shared, OKX)
    at = next(i for i, line in enumerate(found) if '"action":"snapshot"' in line)
    found[at] = found[at].replace('["30238.8","2",', '["30238.8","3",', 1)
    result = recorded(tmp_path, found)
    assert result.gaps == 1
    # The snapshot itself and all changes of that instrument stand on nothing.
    assert result.unsynced == result.by_symbol["okx:BTC/USD:BTC-220527"]["book"]


def test_a_new_connection_needs_a_new_snapshot(shared: Path, tmp_path: Path) -> None:
    found = lines(shared, KRAKEN_FUTURES)
    half = len(found) // 2
    stamp = found[half].split(": ")[0]
    result = recorded(tmp_path, [*found[:half], f"wss://futures.kraken.com/ws/v1 <-> {stamp}\n", *found[half:]])
    assert result.gaps == 0
    after = sum(is_change(KRAKEN_FUTURES, line) for line in found[half:])
    assert result.unsynced == after > 0


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('1652459230.1: {"arg":', "ends in the middle"),
        ("1652459230.1: [1,2]", "not JSON"),
        ("1652459230.1: 7", "not JSON"),
        ('1652459230.1: {"data":[{}],"arg":{"channel":"books"}}', "books has no"),
        (
            '1652459230.1: {"data":[{"ts":"1","px":"x","sz":"1","side":"buy","tradeId":"1"}],'
            '"arg":{"channel":"trades","instId":"BTC-USDT"}}',
            "price is not a number",
        ),
        (
            '1652459230.1: {"data":[{"ts":"1","px":"nan","sz":"1","side":"buy","tradeId":"1"}],'
            '"arg":{"channel":"trades","instId":"BTC-USDT"}}',
            "price is not finite",
        ),
        (
            '1652459230.1: {"data":[{"ts":"1","px":"1","sz":"-1","side":"buy","tradeId":"1"}],'
            '"arg":{"channel":"trades","instId":"BTC-USDT"}}',
            "size is negative",
        ),
        ("1652459230.1:no blank", "does not begin with seconds"),
        ("99999999999999999999: {}", "does not begin with seconds"),
        ("wss://ws.okx.com what", "no time or arrow"),
        ("hello", "neither a message nor"),
    ],
)
def test_a_bad_line_is_rejected_by_name_and_the_rest_is_kept(
    line: str, reason: str, shared: Path, tmp_path: Path, imported: Any
) -> None:
    found = lines(shared, OKX)
    result = recorded(tmp_path, [*found[:60], line + "\n", *found[60:]])
    assert result.rejected == 1
    assert result.events == imported(OKX).result.events
    listed = json.loads((tmp_path / "tape" / "rejects.jsonl").read_text())
    assert reason in listed["reason"]
    assert listed["line"] == 61


def test_symbols_are_chosen_and_named(shared: Path, tmp_path: Path) -> None:
    found = lines(shared, OKX)
    one = recorded(tmp_path, found, symbol="okx:BTC/USDT")
    assert one.symbols == ["okx:BTC/USDT"]
    assert one.by_type == {"quote": 25, "trade": 69, "book": 98}
    assert one.ignored["symbol UNI-USD-SWAP"] == 95
    two = recorded(tmp_path, found, symbol="BTC-USDT=x:A/B,UNI-USD-SWAP=x:MINE")
    assert sorted(two.symbols) == ["x:A/B", "x:MINE"]
    with pytest.raises(UnknownSymbol, match="BTC-USDT"):
        recorded(tmp_path, found, symbol="okx:ETH/USDT")


def test_files_of_several_venues_make_one_tape(shared: Path, tmp_path: Path) -> None:
    names = (KRAKEN_TICKER, KRAKEN_BOOK, BYBIT)
    result = import_files("cryptofeed", [shared / n for n in names], out=tmp_path / "tape")
    assert {symbol.partition(":")[0] for symbol in result.symbols} == {"kraken", "bybit"}
    assert len(result.symbols) == 18
    assert result.by_symbol["kraken:SC/EUR"] == {"quote": 6, "book": 194}
    assert (result.late, result.gaps, result.rejected) == (0, 0, 0)


def test_importing_twice_gives_equal_tapes(shared: Path, tmp_path: Path) -> None:
    hashes = set()
    for out in (tmp_path / "a", tmp_path / "b"):
        import_files("cryptofeed", [shared / BITMEX], out=out)
        hashes.add(content_hash(out))
    assert len(hashes) == 1


def test_the_order_of_the_files_does_not_matter(shared: Path, tmp_path: Path) -> None:
    hashes = set()
    paths = [shared / BINANCE_USDM, shared / SNAPSHOTS[BINANCE_USDM]]
    for number, options in enumerate((paths, paths[::-1])):
        import_files("cryptofeed", options, out=tmp_path / str(number))
        hashes.add(content_hash(tmp_path / str(number)))
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1652459230.1: {}\n", "with a wss:// or https:// line"),
        ("wss://ws.example.com <-> 1652459230.1\n", "an unknown host"),
        ("wss://ws.okx.com <-> 1652459230.1\n", "no message could be read"),
        ("a,b\n1,2\n", "is no recording"),
        ("", "is no recording"),
    ],
)
def test_what_is_no_recording_is_refused(text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=reason):
        recorded(tmp_path, [text])
    assert not (tmp_path / "tape").exists()


def test_a_seed_book_is_the_other_kinds_word(shared: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="seed-book"):
        recorded(tmp_path, lines(shared, OKX), seed_book=shared / "facts.json")
