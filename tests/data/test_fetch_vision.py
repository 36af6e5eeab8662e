"""Downloads from the archive: a real server on the loopback, laid out as the real one, which
misbehaves when told to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from history_server import Fault, Server, klines, serving

from onetape.data.download import Client, Patience
from onetape.data.fetching import FetchOptions, FetchResult, fetch
from onetape.data.importing import import_files
from onetape.data.registry import KINDS
from onetape.data.vision import DATASETS, plan
from onetape.model.errors import BadInput, DiskFull, UsageError, VenueRateLimit, VenueUnavailable
from onetape.model.symbol import parse_symbol
from onetape.security.private import private_folder

NOW = datetime(2024, 3, 20, 12, tzinfo=UTC)
FAST = Patience(backoff_s=0.01, backoff_s_max=0.02, timeout_s=5)
LINEAR = "binance:BTC/USDT:USDT"
STEM = "/data/futures/um"


@pytest.fixture
def server() -> Iterator[Server]:
    """Monthly January, daily 1 to 12 February of 2024, some of each."""
    with serving(Server()) as made:
        folder = f"{STEM}/monthly/klines/BTCUSDT/1m"
        name = "BTCUSDT-1m-2024-01"
        made.add_zip(f"{folder}/{name}.zip", f"{name}.csv", klines(date(2024, 1, 1), 31))
        for day in range(1, 13):
            name = f"BTCUSDT-1m-2024-02-{day:02d}"
            path = f"{STEM}/daily/klines/BTCUSDT/1m/{name}.zip"
            made.add_zip(path, f"{name}.csv", klines(date(2024, 2, day), 1))
        yield made


@pytest.fixture
def get(server: Server, tmp_path: Path) -> Any:
    def run(**options: Any) -> FetchResult:
        defaults: dict[str, Any] = {
            "symbol": LINEAR,
            "folder": tmp_path / "kept",
            "make_folder": private_folder,
            "type_": "klines",
            "period": "1m",
            "start": "2024-01-01",
            "end": "2024-02-04",
            "base_url": server.url,
            "patience": FAST,
            "now": NOW,
        }
        return fetch(FetchOptions("binance-vision", **{**defaults, **options}))

    return run


MONTH = "BTCUSDT-1m-2024-01.zip"


def names(found: FetchResult) -> list[str]:
    return [path.name for path in found.files]


def test_whole_months_come_by_month_and_the_rest_by_day(get: Any, server: Server) -> None:
    found = get()
    assert names(found) == [MONTH] + [f"BTCUSDT-1m-2024-02-{day:02d}.zip" for day in (1, 2, 3)]
    for path in found.files:
        inside = str(path.relative_to(found.folder))
        assert path.read_bytes() == server.files[f"/{inside}"]
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
    assert found.bytes == sum(path.stat().st_size for path in found.files)
    assert not list(found.folder.rglob("*.part*"))


def test_a_second_call_asks_for_nothing(get: Any, server: Server) -> None:
    get()
    server.log.clear()
    found = get()
    assert (found.cached, found.bytes, server.log) == (4, 0, [])


def test_a_damaged_cached_file_is_fetched_again(get: Any, server: Server) -> None:
    path = next(p for p in get().files if p.name == MONTH)
    good = path.read_bytes()
    path.write_bytes(good[:500] + b"X" + good[501:])
    found = get()
    assert path.read_bytes() == good
    assert (found.cached, found.bytes) == (3, len(good))


def test_a_month_that_is_not_there_comes_by_its_days(get: Any, server: Server) -> None:
    found = get(start="2024-02-01", end="2024-03-01")
    assert len(found.files) == 12
    assert found.missing == [f"BTCUSDT-1m-2024-02-{day}.zip" for day in range(13, 30)]


def test_days_that_are_not_there_are_said(get: Any) -> None:
    found = get(start="2024-02-11", end="2024-02-15")
    assert names(found) == ["BTCUSDT-1m-2024-02-11.zip", "BTCUSDT-1m-2024-02-12.zip"]
    assert found.missing == ["BTCUSDT-1m-2024-02-13.zip", "BTCUSDT-1m-2024-02-14.zip"]
    assert found.as_json()["missing"] == found.missing


def test_nothing_at_all_is_an_error(get: Any) -> None:
    with pytest.raises(BadInput, match="no file of this range"):
        get(start="2023-05-01", end="2023-05-03")


@pytest.mark.parametrize("at", [1, 1000, 60_000])
def test_a_cut_connection_is_continued_where_it_broke(get: Any, server: Server, at: int) -> None:
    server.faults = [Fault(MONTH, "cut", at)]
    found = get(end="2024-02-01")
    body = server.files[f"{STEM}/monthly/klines/BTCUSDT/1m/{MONTH}"]
    assert found.files[0].read_bytes() == body
    assert server.requests(MONTH) == ["", f"bytes={at}-"]
    assert found.bytes == len(body)  # no byte twice


def test_many_cuts_end_because_each_attempt_gets_on(get: Any, server: Server) -> None:
    server.faults = [Fault(MONTH, "cut", 4000, times=15)]
    found = get(end="2024-02-01")
    assert found.files[0].read_bytes() == server.files[f"{STEM}/monthly/klines/BTCUSDT/1m/{MONTH}"]
    assert len(server.requests(MONTH)) == 16


def test_a_later_call_goes_on_in_the_middle(get: Any, server: Server) -> None:
    server.faults = [Fault(MONTH, "cut", 5000), Fault(MONTH, "status", (500, {}), times=5)]
    with pytest.raises(VenueUnavailable, match="500"):
        get(end="2024-02-01")
    server.log.clear()
    found = get(end="2024-02-01")
    assert server.requests(MONTH) == ["bytes=5000-"]
    assert (found.resumed, names(found)) == (1, [MONTH])


def test_a_server_without_ranges_begins_anew(get: Any, server: Server) -> None:
    server.faults = [Fault(MONTH, "cut", 5000), Fault(MONTH, "ignore-range")]
    found = get(end="2024-02-01")
    assert found.files[0].read_bytes() == server.files[f"{STEM}/monthly/klines/BTCUSDT/1m/{MONTH}"]


def test_a_file_replaced_between_two_attempts_is_not_glued(get: Any, server: Server) -> None:
    path = f"{STEM}/monthly/klines/BTCUSDT/1m/{MONTH}"
    server.faults = [Fault(MONTH, "cut", 5000), Fault(MONTH, "status", (500, {}), times=5)]
    with pytest.raises(VenueUnavailable):
        get(end="2024-02-01")
    new = server.add_zip(path, "BTCUSDT-1m-2024-01.csv", klines(date(2024, 1, 1), 30))
    assert get(end="2024-02-01").files[0].read_bytes() == new


@pytest.mark.parametrize("what", ["other-range", "less", "more", "slow"])
def test_a_server_that_lies_about_lengths_and_places_is_asked_again(get: Any, server: Server, what: str) -> None:
    body = server.files[f"{STEM}/monthly/klines/BTCUSDT/1m/{MONTH}"]
    cut = Fault(MONTH, "cut", 5000) if what == "other-range" else None
    server.faults = [f for f in (cut, Fault(MONTH, what, 1.5)) if f]
    patience = Patience(backoff_s=0.01, timeout_s=0.4)
    assert get(end="2024-02-01", patience=patience).files[0].read_bytes() == body


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_busy_server_is_asked_again(get: Any, server: Server, status: int) -> None:
    server.faults = [Fault(".zip", "status", (status, {"Retry-After": "0"}), times=3)]
    assert len(get(end="2024-02-01").files) == 1


def test_retry_after_is_kept(server: Server, tmp_path: Path) -> None:
    waits: list[float] = []
    client = Client(private_folder, FAST, sleep=waits.append)
    url = f"{server.url}{STEM}/monthly/klines/BTCUSDT/1m/{MONTH}"
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=60))
    server.faults = [
        Fault(MONTH, "status", (429, {"Retry-After": "7"})),
        Fault(MONTH, "status", (503, {"Retry-After": at})),
    ]
    assert client.checked_file(url, tmp_path / MONTH).how == "fetched"
    assert waits[0] == 7.0
    assert 50 < waits[1] <= 60


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(MONTH, "status", (429, {"Retry-After": "86400"}), times=9), VenueRateLimit),
        (Fault(MONTH, "status", (429, {}), times=99), VenueRateLimit),
        (Fault(MONTH, "status", (503, {}), times=99), VenueUnavailable),
        (Fault(MONTH, "status", (403, {}), times=1), VenueUnavailable),
        (Fault(MONTH, "redirect", "ftp://127.0.0.1/x"), VenueUnavailable),
        (Fault(MONTH, "redirect", "file:///etc/passwd"), VenueUnavailable),
    ],
)
def test_patience_has_an_end(get: Any, server: Server, fault: Fault, error: type) -> None:
    server.faults = [fault]
    with pytest.raises(error) as caught:
        get(end="2024-02-01")
    assert MONTH in caught.value.location
    assert len(server.log) < 12


def test_a_wrong_checksum_is_never_kept(get: Any, server: Server, tmp_path: Path) -> None:
    path = f"{STEM}/monthly/klines/BTCUSDT/1m/{MONTH}"
    server.files[path + ".CHECKSUM"] = f"{'0' * 64}  {MONTH}\n".encode()
    with pytest.raises(BadInput, match="SHA-256"):
        get(end="2024-02-01")
    assert len(server.requests(MONTH)) == 2
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
    server.files[path + ".CHECKSUM"] = f"{'0' * 64}  OTHER.zip\n".encode()
    with pytest.raises(BadInput, match="is of another file"):
        get(end="2024-02-01")


def test_a_file_beyond_the_bound_is_refused(get: Any, server: Server) -> None:
    with pytest.raises(BadInput, match="longer than 1,000"):
        get(patience=Patience(bytes_max=1000))


def test_a_server_that_is_not_there(get: Any) -> None:
    with pytest.raises(VenueUnavailable, match="failed"):
        get(base_url="http://127.0.0.1:9")


def test_a_full_disk_is_said(get: Any, monkeypatch: Any) -> None:
    import errno

    from onetape.data import download

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download.Client, "_copy", full)
    with pytest.raises(DiskFull):
        get(end="2024-02-01")


@pytest.mark.parametrize(
    ("options", "location"),
    [
        ({"symbol": "kraken:BTC/USD"}, "--symbol"),
        ({"symbol": "nonsense"}, "--symbol"),
        ({"symbol": "binance:../../ETC/USDT"}, "--symbol"),
        ({"type_": "candles"}, "--type"),
        ({"type_": "bookTicker", "symbol": "binance:BTC/USDT", "period": None}, "--type"),
        ({"type_": "trades"}, "--period"),
        ({"period": "7m"}, "--period"),
        ({"start": "2024-02-30"}, "--from"),
        ({"start": "2024-01-01T03:00"}, "--from"),
        ({"start": "2024-02-05", "end": "2024-02-05"}, "--from"),
        ({"start": "1970-01-01"}, "--from"),
        ({"end": "2024-04-01"}, "--to"),
        ({"base_url": "file:///etc"}, "--base-url"),
        ({"base_url": "http://user:word@127.0.0.1"}, "--base-url"),
    ],
)
def test_a_request_that_makes_no_sense_is_named(
    get: Any, server: Server, options: dict[str, Any], location: str
) -> None:
    with pytest.raises(UsageError) as caught:
        get(**options)
    assert caught.value.location == location
    assert server.log == []


@pytest.mark.parametrize(
    ("symbol", "type_", "period", "first", "expected"),
    [
        (LINEAR, "klines", "1m", "data/futures/um/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01.zip", 3),
        ("binance:BTC/USDT", "aggTrades", "", "data/spot/monthly/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-01.zip", 3),
        (
            "binance:BTC/USD:BTC",
            "trades",
            "",
            "data/futures/cm/monthly/trades/BTCUSD_PERP/BTCUSD_PERP-trades-2024-01.zip",
            3,
        ),
        (LINEAR, "fundingRate", "", "data/futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2024-01.zip", 2),
        (LINEAR, "metrics", "", "data/futures/um/daily/metrics/BTCUSDT/BTCUSDT-metrics-2024-01-01.zip", 33),
        (
            "binance:NEW/USDT:USDT-240329",
            "trades",
            "",
            "data/futures/um/monthly/trades/NEWUSDT_240329/NEWUSDT_240329-trades-2024-01.zip",
            3,
        ),
    ],
)
def test_files_are_named_as_the_archive_names_them(
    symbol: str, type_: str, period: str, first: str, expected: int
) -> None:
    parts = plan(parse_symbol(symbol), DATASETS[type_], period, date(2024, 1, 1), date(2024, 2, 3))
    assert (parts[0].path, len(parts)) == (first, expected)


def test_a_range_inside_a_month_is_taken_by_days() -> None:
    parts = plan(parse_symbol(LINEAR), DATASETS["trades"], "", date(2023, 12, 30), date(2024, 1, 31))
    assert len(parts) == 2 + 30
    assert all("/daily/" in part.path for part in parts)


def test_what_was_fetched_becomes_a_tape(get: Any, tmp_path: Path) -> None:
    """By the archive's own importer, where this build has it."""
    out = tmp_path / "tape"
    if "binance-vision" in KINDS:
        found = get(out=out)
        assert found.imported is not None
        assert found.imported.by_type == {"bar": (31 + 3) * 60}
        assert found.as_json()["events"] == (31 + 3) * 60
        return
    found = get()
    columns = "time,open,high,low,close,volume,-,-,-,-,-,-"
    result = import_files("csv", found.files, symbol=LINEAR, out=out, columns=columns, period="1m")
    assert result.by_type == {"bar": (31 + 3) * 60}


def test_why_it_waits_is_said(tmp_path):
    """Without a network, too: a name that has no address is one of RFC 6761."""
    waits, said = [], []
    client = Client(private_folder, FAST, sleep=waits.append, say=said.append)
    with pytest.raises(VenueUnavailable, match="no network here, or no such server"):
        client.text("http://nowhere.invalid/x")
    assert len(said) == len(waits) == FAST.attempts_max - 1
    assert said[0].startswith("nowhere.invalid: the name of the server has no address: there is no network")
    assert f"(2 of {FAST.attempts_max})" in said[0]
