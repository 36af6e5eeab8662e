"""The catalogue: every row makes an instrument, dated versions are found, names map back."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest

from onetape.model import catalogue
from onetape.model.enums import Kind, Origin
from onetape.model.errors import UsageError
from onetape.model.time import HOUR, parse_time

D = Decimal
ROOT = Path(__file__).resolve().parents[2]


def test_every_row_makes_an_instrument() -> None:
    sets = json.loads(Path(catalogue.__file__).with_name("catalogue.json").read_text())["sets"]
    assert all(each["about"] and each["as_of"] for each in sets)
    names = {f"{each['venue']}:{row[each['fields'].index('name')]}" for each in sets for row in each["rows"]}
    assert len(names) > 1000
    for name in names:
        found = catalogue.versions(name)
        assert [version.version for version in found] == list(range(1, len(found) + 1))
        for version in found:
            assert version.origin is Origin.CATALOGUE
            assert (version.symbol, version.inferred) == (name, ())
            assert version.spec()["tick"] >= 1
            fits = {k: v for k, v in version.spec().items() if k != "notional_min"}
            assert max(fits.values()) < 2**62, name


@pytest.mark.parametrize(
    ("at", "tick", "notional_min"),
    [
        ("2019-01-01", "0.01", "5"),  # nothing older is known
        ("2021-07-22T22:25:40Z", "0.01", "5"),
        ("2022-02-16", "0.1", "5"),
        ("2023-11-02T09:59:59Z", "0.1", "5"),
        ("2023-11-02T10:00:00Z", "0.1", "100"),
        (None, "0.1", "100"),
    ],
)
def test_versions_are_dated(at: str | None, tick: str, notional_min: str) -> None:
    found = catalogue.find("binance:BTC/USDT:USDT", None if at is None else parse_time(at))
    assert found is not None
    assert (found.tick, found.notional_min) == (D(tick), D(notional_min))


@pytest.mark.parametrize(
    ("symbol", "kind", "tick", "lot", "multiplier"),
    [
        ("binance:SUSHI/USDT:USDT", "linear", "0.001", "1", "1"),
        ("binance:AKRO/USDT:USDT", "linear", "0.00001", "1", "1"),
        ("binance:KEEP/USDT:USDT", "linear", "0.0001", "1", "1"),
        ("binance:CTK/USDT:USDT", "linear", "0.001", "1", "1"),
        ("binance:NKN/USDT", "spot", "0.0001", "1", "1"),
        ("binance:BLZ/ETH", "spot", "0.00000001", "1", "1"),
        ("binance:LRC/BTC", "spot", "0.00000001", "1", "1"),
        ("binance:RUNE/EUR", "spot", "0.001", "0.1", "1"),
        ("binance:BTC/USD:BTC", "inverse", "0.1", "1", "100"),
        ("binance:ETH/USD:ETH", "inverse", "0.01", "1", "10"),
        ("bitmex:BTC/USD:BTC", "inverse", "0.1", "100", "1"),
        ("bitmex:XRP/BTC:BTC-210924", "linear", "0.00000001", "1", "1"),
        ("kraken:BTC/USD", "spot", "0.1", "0.00000001", "1"),
        ("kraken:DOGE/USD", "spot", "0.0000001", "0.00000001", "1"),
        ("krakenfutures:BTC/USD:BTC", "inverse", "0.5", "1", "1"),
        ("krakenfutures:BTC/USD:USD", "linear", "1", "0.0001", "1"),
        ("okx:BTC/USD:BTC-220527", "inverse", "0.1", "1", "100"),
    ],
)
def test_known_facts(symbol: str, kind: str, tick: str, lot: str, multiplier: str) -> None:
    found = catalogue.find(symbol)
    assert found is not None
    assert (found.kind, found.tick, found.lot, found.multiplier) == (Kind(kind), D(tick), D(lot), D(multiplier))


def test_each_market_has_its_majors() -> None:
    majors = "BTC ETH BNB SOL XRP ADA DOGE LTC BCH LINK DOT AVAX UNI ATOM ETC XLM TRX EOS FIL NEAR"
    for base in majors.split():
        for quote in ("USDT", "USDT:USDT"):
            assert catalogue.find(f"binance:{base}/{quote}"), (base, quote)


@pytest.mark.parametrize(
    ("venue", "kind", "fees"),
    [
        ("binance", Kind.SPOT, ("0.001", "0.001")),
        ("binance", Kind.LINEAR, ("0.0002", "0.0005")),
        ("binance", Kind.INVERSE, ("0.0002", "0.0005")),
        ("kraken", Kind.SPOT, ("0.0025", "0.004")),
        ("krakenfutures", Kind.INVERSE, ("0.0002", "0.0005")),
        ("bitmex", Kind.INVERSE, ("0.0002", "0.00075")),
    ],
)
def test_fees_are_the_base_tier(venue: str, kind: Kind, fees: tuple[str, str]) -> None:
    assert catalogue.default_fees(venue, kind) == (D(fees[0]), D(fees[1]))


def test_an_unknown_venue_has_no_fees() -> None:
    assert catalogue.default_fees("csv", Kind.SPOT) is None
    assert catalogue.find("csv:MYDATA") is None
    assert catalogue.versions("csv:MYDATA") == ()


@pytest.mark.parametrize(
    ("venue", "raw", "symbol"),
    [
        ("kraken", "XXBTZUSD", "kraken:BTC/USD"),
        ("kraken", "XBT/USD", "kraken:BTC/USD"),
        ("kraken", "XBTUSD", "kraken:BTC/USD"),
        ("kraken", "BTC/USD", "kraken:BTC/USD"),
        ("kraken", "XDG/USD", "kraken:DOGE/USD"),
        ("krakenfutures", "pi_xbtusd", "krakenfutures:BTC/USD:BTC"),
        ("krakenfutures", "FI_ETHUSD_211231", "krakenfutures:ETH/USD:ETH-211231"),
        ("bitmex", "XBTUSD", "bitmex:BTC/USD:BTC"),
        ("bitmex", "XBTU21", "bitmex:BTC/USD:BTC-210924"),
        ("binance", "BTCUSD_PERP", "binance:BTC/USD:BTC"),
        ("binance", "BTCUSDT_210924", "binance:BTC/USDT:USDT-210924"),
        ("bitmex", "UNIUSDT", None),  # quanto
        ("nowhere", "BTCUSDT", None),
    ],
)
def test_the_venue_s_own_names(venue: str, raw: str, symbol: str | None) -> None:
    found = catalogue.find_raw(venue, raw)
    assert (found and found.symbol) == symbol


def test_a_name_used_twice_needs_its_kind() -> None:
    with pytest.raises(UsageError, match="binance:BTC/USDT"):
        catalogue.find_raw("binance", "BTCUSDT")
    spot = catalogue.find_raw("binance", "BTCUSDT", kind=Kind.SPOT)
    linear = catalogue.find_raw("binance", "btcusdt", kind=Kind.LINEAR)
    assert spot and spot.symbol == "binance:BTC/USDT"
    assert linear and linear.symbol == "binance:BTC/USDT:USDT"


def test_expiry_and_funding() -> None:
    dated = catalogue.find("bitmex:BTC/USD:BTC-210924")
    assert dated and dated.expiry == parse_time("2021-09-24T12:00:00Z")
    assert (dated.perpetual, dated.funding_interval) == (False, 0)
    perpetual = catalogue.find("binance:BTC/USDT:USDT")
    assert perpetual and perpetual.funding_interval == 8 * HOUR


def test_rows_are_those_of_the_venue_s_document(shared: Path) -> None:
    document = shared / "binance-usdm" / "exchangeInfo-2021-07-22.http.txt.gz"
    with gzip.open(document, "rt") as file:
        line = next(line for line in file if " -> " in line)
    for item in json.loads(line.split(": ", 1)[1])["symbols"]:
        filters = {f["filterType"]: f for f in item["filters"]}
        at = parse_time("2021-07-22")
        found = catalogue.find_raw("binance", item["symbol"], kind=Kind.LINEAR, at=at)
        assert found is not None
        assert found.tick == D(filters["PRICE_FILTER"]["tickSize"])
        assert found.lot == D(filters["LOT_SIZE"]["stepSize"])
        assert found.notional_min == D(filters["MIN_NOTIONAL"]["notional"])
        assert (found.base, found.quote) == (item["baseAsset"], item["quoteAsset"])
