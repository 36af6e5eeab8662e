"""Makes src/onetape/model/catalogue.json from instrument documents of the venues.

    python tools/make_catalogue.py 2021-07-22 binance-usdm FILE [2021-10-12 binance-spot FILE ...]

A FILE is the JSON answer of the venue's instrument endpoint, or one `<url> -> <time>: <json>` line
of a recording, plain or .gz. What no document says (later changes of rules, venues without one) is
in HAND below, each set with its source. Rows keep the venue's own decimals as text.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

OUT = Path(__file__).resolve().parent.parent / "src" / "onetape" / "model" / "catalogue.json"

Row = dict[str, str]
FIELDS = [
    "name",
    "raw",
    "tick",
    "lot",
    "multiplier",
    "size_min",
    "size_max",
    "market_size_max",
    "notional_min",
    "band_up",
    "band_down",
    "maintenance_rate",
    "expiry",
    "valid_from",
    "liquidation_fee",
    "price_decimals",
]
# The lowest tier of the venue's own margin tables; elsewhere 1 %, marked as a default.
MAINTENANCE = {"BTC": "0.004", "ETH": "0.005"}
SPOT_QUOTES = {"USDT", "BTC", "ETH", "EUR", "BUSD", "USDC"}
OLD_NAMES = {"XBT": "BTC", "XDG": "DOGE"}


def text(value: object) -> str:
    """A decimal as text without exponent and trailing zeros; "" for zero."""
    number = Decimal(str(value))
    if not number:
        return ""
    return format(number.normalize(), "f")


def body(path: Path) -> Any:
    data = (gzip.open if path.suffix == ".gz" else open)(path, "rt")
    with data as lines:
        content = lines.read()
    for line in content.splitlines():
        head, arrow, rest = line.partition(" -> ")
        if arrow and head.startswith("http"):
            return json.loads(rest.split(": ", 1)[1])
    return json.loads(content)


def currency(name: str) -> str:
    return OLD_NAMES.get(name, name)


def iso(ms: int) -> str:
    import datetime as dt

    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def binance(document: Any, *, futures: bool) -> Iterator[Row]:
    for item in document["symbols"]:
        filters = {f["filterType"]: f for f in item["filters"]}
        base, quote = item["baseAsset"], item["quoteAsset"]
        if not futures and (quote not in SPOT_QUOTES or item["status"] != "TRADING"):
            continue
        row = {
            "name": f"{base}/{quote}",
            "raw": item["symbol"],
            "tick": text(filters["PRICE_FILTER"]["tickSize"]),
            "lot": text(filters["LOT_SIZE"]["stepSize"]),
            "size_min": text(filters["LOT_SIZE"]["minQty"]),
            "size_max": text(filters["LOT_SIZE"]["maxQty"]),
        }
        minimum = filters["MIN_NOTIONAL"]
        row["notional_min"] = text(minimum["notional" if futures else "minNotional"])
        band = filters["PERCENT_PRICE"]
        row["band_up"] = text(Decimal(band["multiplierUp"]) - 1)
        row["band_down"] = text(1 - Decimal(band["multiplierDown"]))
        if futures:
            row["name"] += f":{item['marginAsset']}"
            if item["contractType"] != "PERPETUAL":
                row["expiry"] = iso(item["deliveryDate"])
                row["name"] += "-" + row["expiry"][2:10].replace("-", "")
            row["liquidation_fee"] = text(item.get("liquidationFee", 0))
            row["market_size_max"] = text(filters["MARKET_LOT_SIZE"]["maxQty"])
            row["maintenance_rate"] = MAINTENANCE.get(base, "")
        yield row


def bitmex(document: Any) -> Iterator[Row]:
    for item in document:
        if item["isQuanto"] or item["typ"] not in {"FFCCSX", "FFWCSX"}:
            continue
        base, quote = currency(item["underlying"]), currency(item["quoteCurrency"])
        row = {
            "name": f"{base}/{quote}:{base if item['isInverse'] else quote}",
            "raw": item["symbol"],
            "tick": text(item["tickSize"]),
            "lot": text(item["lotSize"]),
            "size_max": text(item["maxOrderQty"]),
            "maintenance_rate": text(item["maintMargin"]),
        }
        if item.get("expiry"):
            row["expiry"] = item["expiry"].replace(".000Z", "Z")
            row["name"] += "-" + row["expiry"][2:10].replace("-", "")
        yield row


def kraken(document: Any) -> Iterator[Row]:
    for key, item in document["result"].items():
        if "wsname" not in item or key.endswith(".d"):
            continue
        base, quote = (currency(part) for part in item["wsname"].split("/"))
        raw = dict.fromkeys([item["altname"], key, item["wsname"], f"{base}/{quote}"])
        yield {
            "name": f"{base}/{quote}",
            "raw": " ".join(raw),
            "tick": text(item.get("tick_size") or Decimal(1).scaleb(-item["pair_decimals"])),
            "lot": text(Decimal(1).scaleb(-item["lot_decimals"])),
            "size_min": text(item.get("ordermin", 0)),
            "notional_min": text(item.get("costmin", 0)),
        }


def krakenfutures(document: Any) -> Iterator[Row]:
    for item in document["instruments"]:
        if item["type"] != "futures_inverse":
            continue
        raw = item["symbol"].upper()
        base = currency(raw.split("_")[1].removesuffix("USD"))
        row = {
            "name": f"{base}/USD:{base}",
            "raw": raw,
            "tick": text(item["tickSize"]),
            "lot": text(item["contractSize"]),
            "maintenance_rate": text(item["marginLevels"][0]["maintenanceMargin"]),
        }
        if item.get("lastTradingTime"):
            row["expiry"] = item["lastTradingTime"].replace(".000Z", "Z")
            row["name"] += "-" + row["expiry"][2:10].replace("-", "")
        yield row


# kind -> (venue, what it is, reader, facts of the set). Fees are the public base tier of 2026.
SETS: dict[str, tuple[str, str, Any, dict[str, Any]]] = {
    "binance-spot": (
        "binance",
        "spot, GET /api/v3/exchangeInfo",
        lambda document: binance(document, futures=False),
        {"maker_fee": "0.001", "taker_fee": "0.001"},
    ),
    "binance-usdm": (
        "binance",
        "USD-M futures, GET /fapi/v1/exchangeInfo",
        lambda document: binance(document, futures=True),
        {"maker_fee": "0.0002", "taker_fee": "0.0005", "funding_hours": 8},
    ),
    # Of its documents that of the venue's own examples: asterdex/API-demo, futures-v3-demo.
    "aster": (
        "aster",
        "perpetuals, GET /fapi/v3/exchangeInfo",
        lambda document: (
            row
            for item, row in zip(document["symbols"], binance(document, futures=True), strict=True)
            if item["status"] == "TRADING" and item["symbol"].isascii()
        ),
        {"maker_fee": "0.0001", "taker_fee": "0.00035", "funding_hours": 8},
    ),
    "bitmex": (
        "bitmex",
        "GET /api/v1/instrument/active, without quanto contracts",
        bitmex,
        {"maker_fee": "0.0002", "taker_fee": "0.00075", "funding_hours": 8},
    ),
    "kraken": ("kraken", "spot, GET /0/public/AssetPairs", kraken, {"maker_fee": "0.0025", "taker_fee": "0.004"}),
    "krakenfutures": (
        "krakenfutures",
        "GET /derivatives/api/v3/instruments",
        krakenfutures,
        {"maker_fee": "0.0002", "taker_fee": "0.0005", "funding_hours": 4},
    ),
}


def hand(names: str, columns: str) -> list[Row]:
    rows = []
    for line in names.strip().splitlines():
        values = line.split()
        pairs = zip(columns.split(), values, strict=True)
        rows.append({column: "" if value == "-" else value for column, value in pairs})
    return rows


COINM = """
BTC/USD:BTC   BTCUSD_PERP   0.1      100 0.004
ETH/USD:ETH   ETHUSD_PERP   0.01     10  0.005
BNB/USD:BNB   BNBUSD_PERP   0.001    10  -
SOL/USD:SOL   SOLUSD_PERP   0.001    10  -
XRP/USD:XRP   XRPUSD_PERP   0.0001   10  -
ADA/USD:ADA   ADAUSD_PERP   0.00001  10  -
DOGE/USD:DOGE DOGEUSD_PERP  0.00001  10  -
LTC/USD:LTC   LTCUSD_PERP   0.01     10  -
BCH/USD:BCH   BCHUSD_PERP   0.01     10  -
LINK/USD:LINK LINKUSD_PERP  0.001    10  -
DOT/USD:DOT   DOTUSD_PERP   0.001    10  -
EOS/USD:EOS   EOSUSD_PERP   0.001    10  -
ETC/USD:ETC   ETCUSD_PERP   0.001    10  -
FIL/USD:FIL   FILUSD_PERP   0.001    10  -
TRX/USD:TRX   TRXUSD_PERP   0.00001  10  -
"""
USDM_LATER = """
BTC/USDT:USDT BTCUSDT 0.1  0.001 0.001 1000  5   0.05 0.05 0.004 2022-02-15T03:30:00Z
BTC/USDT:USDT BTCUSDT 0.1  0.001 0.001 1000  100 0.05 0.05 0.004 2023-11-02T10:00:00Z
ETH/USDT:USDT ETHUSDT 0.01 0.001 0.001 10000 20  0.05 0.05 0.005 2023-11-02T10:00:00Z
"""
SPOT_LATER = """
BTC/USDT BTCUSDT 0.01   0.00001 0.00001 9000   5 4 0.8
ETH/USDT ETHUSDT 0.01   0.0001  0.0001  9000   5 4 0.8
ADA/USDT ADAUSDT 0.0001 0.1     0.1     900000 5 4 0.8
LTC/USDT LTCUSDT 0.01   0.001   0.001   90000  5 4 0.8
"""
PACIFICA = """
AVAX/USDC:USDC    AVAX   0.001    0.01    10 0.05 0.02
BNB/USDC:USDC     BNB    0.01     0.001   10 0.05 0.02
BTC/USDC:USDC     BTC    1        0.00001 10 0.01 0.0075
ETH/USDC:USDC     ETH    0.1      0.0001  10 0.01 0.0075
HYPE/USDC:USDC    HYPE   0.001    0.01    10 0.025 0.01
PAXG/USDC:USDC    PAXG   0.1      0.001   10 0.05 0.02
PUMP/USDC:USDC    PUMP   0.000001 1       10 0.1 0.04
SOL/USDC:USDC     SOL    0.01     0.01    10 0.025 0.01
SUI/USDC:USDC     SUI    0.0001   0.1     10 0.05 0.02
TSLA/USDC:USDC    TSLA   0.01     0.001   10 0.05 0.02
UNI/USDC:USDC     UNI    0.001    0.1     10 0.05 0.02
USDJPY/USDC:USDC  USDJPY 0.01     0.001   10 0.01 0.0075
XAG/USDC:USDC     XAG    0.001    0.01    10 0.05 0.02
XMR/USDC:USDC     XMR    0.01     0.01    10 0.05 0.02
XRP/USDC:USDC     XRP    0.0001   0.01    10 0.025 0.01
ZEC/USDC:USDC     ZEC    0.01     0.01    10 0.05 0.02
"""

BYBIT = """
BTC/USDT:USDT BTCUSDT 0.1   0.001 0.001 1190 5 0.005
ETH/USDT:USDT ETHUSDT 0.01  0.01  0.01  -    5 0.005
SOL/USDT:USDT SOLUSDT 0.001 0.1   0.1   -    5 0.01
"""

BYBIT_SPOT = """
BTC/USDT BTCUSDT 0.1  0.000001 0.000011 83 5
ETH/USDT ETHUSDT 0.01 0.00001  -        -  5
"""

OKX = """
BTC/USDT:USDT BTC-USDT-SWAP 0.1  0.01 0.01
ETH/USDT:USDT ETH-USDT-SWAP 0.01 0.1  0.01
SOL/USDT:USDT SOL-USDT-SWAP 0.01 1    0.01
"""

HYPERLIQUID = """
BTC/USDC:USDC BTC 1    0.00001 10 0.0125 1
ETH/USDC:USDC ETH 0.1  0.0001  10 0.02   2
SOL/USDC:USDC SOL 0.01 0.01    10 0.025  4
"""
HYPERLIQUID_SPOT = """
PURR/USDC PURR/USDC 0.00001 1    10 8
HYPE/USDC @107      0.001   0.01 10 6
"""

HAND: list[dict[str, Any]] = [
    {
        "venue": "binance",
        "about": "COIN-M futures, contract list of the venue's site, entered by hand",
        "as_of": "2021-08-01",
        "maker_fee": "0.0002",
        "taker_fee": "0.0005",
        "funding_hours": 8,
        "defaults": {"lot": "1", "size_min": "1"},
        "rows": hand(COINM, "name raw tick multiplier maintenance_rate"),
    },
    {
        "venue": "binance",
        "about": "USD-M futures, changes of rules as the venue announced them, entered by hand",
        "as_of": "2023-11-02",
        "maker_fee": "0.0002",
        "taker_fee": "0.0005",
        "funding_hours": 8,
        "rows": hand(
            USDM_LATER, "name raw tick lot size_min size_max notional_min band_up band_down maintenance_rate valid_from"
        ),
    },
    {
        "venue": "binance",
        "about": "spot, GET /api/v3/exchangeInfo as kept by public test fixtures, by hand",
        "as_of": "2024-01-01",
        "maker_fee": "0.001",
        "taker_fee": "0.001",
        "rows": hand(SPOT_LATER, "name raw tick lot size_min size_max notional_min band_up band_down"),
    },
    {
        "venue": "bitmex",
        "about": "GET /api/v1/instrument/active, an answer that a public client quotes",
        "as_of": "2022-01-14",
        "maker_fee": "-0.0001",
        "taker_fee": "0.0005",
        "funding_hours": 8,
        "rows": hand(
            "LTC/USDT:USDT LTCUSDT 0.01 1000 1000000000 0.0001 0.015",
            "name raw tick lot size_max multiplier maintenance_rate",
        ),
    },
    {
        "venue": "bitmex",
        "about": "GET /api/v1/instrument, by hand",
        "as_of": "2024-11-24",
        "maker_fee": "0.0002",
        "taker_fee": "0.00075",
        "funding_hours": 8,
        "rows": hand("BTC/USD:BTC XBTUSD 0.1 100 10000000 0.005", "name raw tick lot size_max maintenance_rate"),
    },
    {
        "venue": "kraken",
        "about": "spot, GET /0/public/AssetPairs, by hand",
        "as_of": "2025-01-01",
        "maker_fee": "0.0025",
        "taker_fee": "0.004",
        "rows": hand(
            "BTC/USD  XBTUSD  0.1 0.00000001 0.00005 0.5\nBTC/USDT XBTUSDT 0.1 0.00000001 0.00005 0.5\n",
            "name raw tick lot size_min notional_min",
        ),
    },
    {
        "venue": "krakenfutures",
        "about": "multi-collateral perpetuals, GET /derivatives/api/v3/instruments, by hand",
        "as_of": "2024-01-01",
        "maker_fee": "0.0002",
        "taker_fee": "0.0005",
        "funding_hours": 1,
        "rows": hand(
            "BTC/USD:USD PF_XBTUSD 1   0.0001 -\nETH/USD:USD PF_ETHUSD 0.1 0.001  -\n",
            "name raw tick lot maintenance_rate",
        ),
    },
    {  # maintenance is half of the margin at the highest leverage, which its list has; the penalty of a
        # liquidation is 0.4 of that, and at least 0.75 % (pacifica.gitbook.io, Liquidations)
        "venue": "pacifica",
        "about": "perpetuals, GET /api/v1/info as a public client's tests keep it, by hand",
        "as_of": "2026-01-27",
        "maker_fee": "0.00015",
        "taker_fee": "0.0004",
        "funding_hours": 1,
        "rows": hand(PACIFICA, "name raw tick lot notional_min maintenance_rate liquidation_fee"),
    },
    {  # maintenance is half of the margin at the highest leverage, which its list has
        "venue": "bybit",
        "about": "linear perpetuals, GET /v5/market/instruments-info as its documentation and a public client's tests "
        "keep it, by hand",
        "as_of": "2026-07-24",
        "maker_fee": "0.0002",
        "taker_fee": "0.00055",
        "funding_hours": 8,
        "rows": hand(BYBIT, "name raw tick lot size_min size_max notional_min maintenance_rate"),
    },
    {
        "venue": "bybit",
        "about": "spot, GET /v5/market/instruments-info as its documentation keeps it, by hand",
        "as_of": "2026-07-24",
        "maker_fee": "0.001",
        "taker_fee": "0.001",
        "rows": hand(BYBIT_SPOT, "name raw tick lot size_min size_max notional_min"),
    },
    {
        "venue": "bybit",
        "about": "inverse perpetuals, GET /v5/market/instruments-info as its documentation keeps it, by hand",
        "as_of": "2026-07-24",
        "maker_fee": "0.0002",
        "taker_fee": "0.00055",
        "funding_hours": 8,
        "defaults": {"lot": "1", "size_min": "1", "maintenance_rate": "0.005"},
        "rows": hand("BTC/USD:BTC BTCUSD 0.1\nETH/USD:ETH ETHUSD 0.01", "name raw tick"),
    },
    {  # maintenance is half of the margin at the highest leverage; the tick is that of five significant figures
        "venue": "hyperliquid",
        "about": "perpetuals, POST /info meta as public clients' tests keep it, by hand",
        "as_of": "2026-10-23",
        "maker_fee": "0.00015",
        "taker_fee": "0.00045",
        "funding_hours": 1,
        "rows": hand(HYPERLIQUID, "name raw tick lot notional_min maintenance_rate price_decimals"),
    },
    {
        "venue": "hyperliquid",
        "about": "spot, POST /info spotMeta as public clients' tests keep it, by hand",
        "as_of": "2026-10-23",
        "maker_fee": "0.0004",
        "taker_fee": "0.0007",
        "rows": hand(HYPERLIQUID_SPOT, "name raw tick lot notional_min price_decimals"),
    },
    {  # the margin rate of the first tier
        "venue": "okx",
        "about": "linear swaps, GET /api/v5/public/instruments as its documentation keeps it, by hand",
        "as_of": "2026-07-01",
        "maker_fee": "0.0002",
        "taker_fee": "0.0005",
        "funding_hours": 8,
        "defaults": {"lot": "0.01", "maintenance_rate": "0.005"},
        "rows": hand(OKX, "name raw tick multiplier size_min"),
    },
    {
        "venue": "okx",
        "about": "GET /api/v5/public/instruments, by hand",
        "as_of": "2022-05-01",
        "maker_fee": "0.0008",
        "taker_fee": "0.001",
        "rows": hand("BTC/USDT BTC-USDT 0.1 0.00000001 0.00001", "name raw tick lot size_min"),
    },
    {
        "venue": "okx",
        "about": "GET /api/v5/public/instruments, by hand",
        "as_of": "2022-05-01",
        "maker_fee": "0.0002",
        "taker_fee": "0.0005",
        "funding_hours": 8,
        "defaults": {"lot": "1", "size_min": "1", "maintenance_rate": "0.005"},
        "rows": hand(
            "BTC/USD:BTC-220527 BTC-USD-220527 0.1   100\n"
            "BTC/USD:BTC        BTC-USD-SWAP   0.1   100\n"
            "ETH/USD:ETH        ETH-USD-SWAP   0.01  10\n"
            "UNI/USD:UNI        UNI-USD-SWAP   0.001 10\n",
            "name raw tick multiplier",
        ),
    },
]


def as_set(facts: dict[str, Any], rows: Iterable[Row]) -> dict[str, Any]:
    defaults = facts.pop("defaults", {})
    full = [{**defaults, **row} for row in rows]
    used = [field for field in FIELDS if any(row.get(field) for row in full)]
    # A column that ends a row empty is left out of that row.
    table = []
    for row in sorted(full, key=lambda row: (row["name"], row.get("valid_from", ""))):
        values = [row.get(field, "") for field in used]
        while values and not values[-1]:
            values.pop()
        table.append(values)
    return {**facts, "fields": used, "rows": table}


def main(arguments: list[str]) -> int:
    if not arguments or len(arguments) % 3:
        print(__doc__, file=sys.stderr)
        return 2
    sets = []
    for as_of, kind, path in zip(arguments[::3], arguments[1::3], arguments[2::3], strict=True):
        venue, about, reader, facts = SETS[kind]
        head = {"venue": venue, "about": about, "as_of": as_of, **facts}
        sets.append(as_set(head, reader(body(Path(path)))))
    sets += [as_set(dict(facts), facts["rows"]) for facts in HAND]
    lines = []
    for item in sets:
        rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in item.pop("rows"))
        head = json.dumps(item, separators=(", ", ": "))[:-1]
        lines.append(f'{head}, "rows": [\n{rows}\n]}}')
    OUT.write_text('{"sets": [\n' + ",\n".join(lines) + "\n]}\n")
    print(f"{sum(text.count(chr(10)) for text in lines)} lines, {OUT.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
