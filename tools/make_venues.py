"""Makes src/onetape/model/venues.json: what is publicly known of venues as a whole.

    python tools/make_venues.py KRAKEN-ASSETPAIRS-2021-04-17

Fee schedules by volume, rules of amendments and triggers, levels at which loans are called in, each
set with source and date. The argument is the recorded answer of Kraken's GET
/0/public/AssetPairs; all else stands in HAND below, entered by hand from the sources named there. A
number without a dated source is not entered: the venue then keeps its base tier.

Of a schedule: `valid_from` is since when it holds as far as the source says ("": nothing older is
known), `as_of` when it was read or published. `quotes` are the quote currencies whose volume can be
compared with its bounds; instruments in others keep its base tier. `needs` is what the venue asks
beside volume.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from make_catalogue import body

OUT = Path(__file__).resolve().parent.parent / "src" / "onetape" / "model" / "venues.json"
DOLLARS = ["USD", "USDT", "USDC", "BUSD", "DAI"]
CONTRACTS = ["linear", "inverse"]

AMEND = [
    {
        "venue": "binance",
        "markets": ["spot"],
        "rule": "decrease_only",
        "triggers": True,
        "about": "developers.binance.com, Order Amend Keep Priority: the quantity can be reduced",
        "as_of": "2026-07-21",
    },
    {
        "venue": "binance",
        "markets": CONTRACTS,
        "rule": "requeues",
        "triggers": False,
        "about": "developers.binance.com, Modify Order: limit orders, put in the queue anew; "
        "conditional orders cannot be modified",
        "as_of": "2026-07-28",
    },
    {
        "venue": "kraken",
        "markets": ["spot"],
        "rule": "decrease_keeps",
        "triggers": True,
        "about": "docs.kraken.com, AmendOrder: queue priority is kept where possible",
        "as_of": "2026-11-20",
    },
    {
        "venue": "krakenfutures",
        "markets": CONTRACTS,
        "rule": "decrease_keeps",
        "triggers": True,
        "about": "docs.kraken.com, amend_order of derivatives: priority is kept where possible",
        "as_of": "2026-11-20",
    },
    {
        "venue": "bybit",
        "markets": ["spot", *CONTRACTS],
        "rule": "decrease_keeps",
        "triggers": True,
        "about": "bybit-exchange.github.io, FIX Amend Order: a smaller size keeps the place, a "
        "larger one loses it (documented for spot)",
        "as_of": "2026-11-20",
    },
    {
        "venue": "okx",
        "markets": CONTRACTS,
        "rule": "requeues",
        "triggers": False,
        "about": "okx.com/docs-v5, Amend order: the effect on the place in the queue is not documented; amend-algos"
        " changes orders with a trigger, under other names",
        "as_of": "2026-07-01",
    },
    {
        "venue": "pacifica",
        "markets": ["linear"],
        "rule": "none",
        "triggers": False,
        "about": "docs.pacifica.fi, Edit order: it cancels, and places a new order under a new id that may be refused",
        "as_of": "2026-07-09",
    },
    {
        "venue": "hyperliquid",
        "markets": ["spot", "linear"],
        "rule": "none",
        "triggers": False,
        "about": "hyperliquid.gitbook.io, Modify an order: it cancels, and places a new order under a new id that may "
        "be refused",
        "as_of": "2026-10-23",
    },
]

TRIGGERS = [
    {
        "venue": "binance",
        "markets": ["spot"],
        "met": "refused",
        "about": "-2010 Stop price would trigger immediately (developers.binance.com, Errors)",
        "as_of": "2026-11-20",
    },
    {
        "venue": "binance",
        "markets": CONTRACTS,
        "met": "refused",
        "about": "-2021 ORDER_WOULD_IMMEDIATELY_TRIGGER (developers.binance.com, Error Code); "
        "workingType is CONTRACT_PRICE or MARK_PRICE (New Algo Order)",
        "as_of": "2026-11-20",
        "by": ["last", "mark"],
    },
    {
        "venue": "bitmex",
        "markets": CONTRACTS,
        "met": "refused",
        "about": "Invalid stopPx for ordType (its API, as ccxt 6802 shows it)",
        "as_of": "2020-04-15",
    },
    {
        "venue": "kraken",
        "markets": ["spot"],
        "met": "fires",
        "about": "support.kraken.com 203325793, Stop loss orders: entered above the market price, "
        "a sell stop executes immediately; trigger is last or index (docs.kraken.com, AddOrder)",
        "as_of": "2026-11-20",
        "by": ["last", "index"],
    },
    {
        "venue": "pacifica",
        "markets": ["linear"],
        "met": "refused",
        "about": "INVALID_STOP_TICK (docs.pacifica.fi, Error codes); trigger_price_type is mark_price, "
        "last_trade_price or mid_price",
        "as_of": "2026-07-09",
        "by": ["last", "mark"],
    },
    {
        "venue": "bybit",
        "markets": CONTRACTS,
        "met": "refused",
        "about": "110092 and 110093: the trigger is on the wrong side of the market (bybit-exchange.github.io, Error"
        " Codes); triggerBy is LastPrice, IndexPrice or MarkPrice",
        "as_of": "2026-07-24",
        "by": ["last", "mark", "index"],
    },
    {
        "venue": "okx",
        "markets": CONTRACTS,
        "met": "refused",
        "about": "51277 to 51280: the trigger of a take-profit or stop-loss is on the wrong side of the price"
        " (okx.com/docs-v5, Error Code); triggerPxType is last, index or mark",
        "as_of": "2026-07-01",
        "by": ["last", "mark", "index"],
    },
    {
        "venue": "hyperliquid",
        "markets": ["linear"],
        "met": "refused",
        "about": "Invalid TP/SL price (hyperliquid.gitbook.io, Error responses); triggers watch the mark",
        "as_of": "2026-10-23",
        "by": ["mark"],
    },
]

LOANS = [
    {
        "venue": "binance",
        "call": "1.3",
        "liquidation": "1.1",
        "fee": "0",
        "about": "binance.com, Margin Level and Margin Call: cross margin at 3x; the fee is not stated there",
        "as_of": "2019-07-05",
    }
]

FEES: list[dict[str, Any]] = [
    {
        "venue": "binance",
        "markets": ["spot"],
        "about": "binance.com, VIP Program Upgrade (as the table before 2022-06-01)",
        "as_of": "2022-05-31",
        "valid_from": "2021-12-21",
        "needs": "25 to 5,500 BNB held",
        "quotes": DOLLARS,
        "tiers": [
            ["0", "0.001", "0.001"],
            ["1000000", "0.0009", "0.001"],
            ["5000000", "0.0008", "0.001"],
            ["20000000", "0.0007", "0.001"],
            ["120000000", "0.0007", "0.0009"],
            ["200000000", "0.0006", "0.0008"],
            ["500000000", "0.0005", "0.0007"],
            ["1000000000", "0.0004", "0.0006"],
            ["2500000000", "0.0003", "0.0005"],
            ["5000000000", "0.0002", "0.0004"],
        ],
    },
    {
        "venue": "kraken",
        "markets": ["spot"],
        "about": "GET /0/public/AssetPairs of XBT/USDT, as kept by a public adapter's tests; its "
        "base tier is that of the pairs of 2025-01-01",
        "as_of": "2026-07-02",
        "valid_from": "2025-01-01",
        "quotes": DOLLARS,
        "tiers": [
            ["0", "0.0025", "0.004"],
            ["10000", "0.002", "0.0035"],
            ["50000", "0.0014", "0.0024"],
            ["100000", "0.0012", "0.0022"],
            ["250000", "0.001", "0.002"],
            ["500000", "0.0008", "0.0018"],
            ["1000000", "0.0006", "0.0016"],
            ["2500000", "0.0004", "0.0014"],
            ["5000000", "0.0002", "0.0012"],
            ["10000000", "0", "0.001"],
        ],
    },
    {
        "venue": "krakenfutures",
        "markets": CONTRACTS,
        "about": "support.kraken.com 360048917612, Fee schedule",
        "as_of": "2023-09-14",
        "valid_from": "2023-09-14",
        "quotes": DOLLARS,
        "tiers": [
            ["0", "0.0002", "0.0005"],
            ["100001", "0.00015", "0.0004"],
            ["1000001", "0.000125", "0.0003"],
            ["5000001", "0.0001", "0.00025"],
            ["10000001", "0.000075", "0.0002"],
            ["20000001", "0.00005", "0.00015"],
            ["50000001", "0.000025", "0.000125"],
            ["100000001", "0", "0.0001"],
        ],
    },
    # BitMEX counts the average of a day: thirty times that is the volume of thirty days.
    {
        "venue": "bitmex",
        "markets": CONTRACTS,
        "about": "blog.bitmex.com, Revamp of BitMEX Fee Structures: the fees before it",
        "as_of": "2021-08-18",
        "valid_from": "",
        "quotes": DOLLARS,
        "tiers": [["0", "-0.00025", "0.00075"]],
    },
    {
        "venue": "bitmex",
        "markets": CONTRACTS,
        "about": "blog.bitmex.com, Revamp of BitMEX Fee Structures, with its announcement of 2021-08-12",
        "as_of": "2021-08-18",
        "valid_from": "2021-08-18",
        "quotes": DOLLARS,
        "tiers": [
            ["0", "-0.0001", "0.0005"],
            ["150000000", "-0.0001", "0.0004"],
            ["300000000", "-0.0001", "0.00035"],
            ["750000000", "-0.0001", "0.0003"],
            ["1500000000", "-0.0001", "0.00025"],
        ],
    },
    {
        "venue": "bitmex",
        "markets": CONTRACTS,
        "about": "BitMEX, Fee Changes announced for 2023-01-17",
        "as_of": "2023-01-17",
        "valid_from": "2023-01-17",
        "quotes": DOLLARS,
        "tiers": [
            ["0", "0.0002", "0.00075"],
            ["30000000", "0.0001", "0.0005"],
            ["150000000", "0", "0.0004"],
            ["300000000", "0", "0.00035"],
            ["750000000", "0", "0.0003"],
            ["1500000000", "0", "0.00025"],
            ["3000000000", "-0.00003", "0.00024"],
            ["7500000000", "-0.00005", "0.00023"],
            ["15000000000", "-0.00008", "0.00022"],
            ["30000000000", "-0.0001", "0.000175"],
        ],
    },
]


def rate(percent: object) -> str:
    value = Decimal(str(percent)) / 100
    return format(value.normalize(), "f") if value else "0"


def kraken(document: Any) -> list[dict[str, Any]]:
    """The schedules of the document: that of most pairs for all, each other one for its pairs."""
    pairs: dict[str, list[str]] = {}
    for name, pair in document["result"].items():
        if "fees_maker" not in pair:
            continue  # dark pools are not in the catalogue
        tiers = [
            [str(volume), rate(maker), rate(taker)]
            for (volume, taker), (_, maker) in zip(pair["fees"], pair["fees_maker"], strict=True)
        ]
        pairs.setdefault(json.dumps(tiers), []).append(name)
    common = max(pairs, key=lambda tiers: len(pairs[tiers]))
    return [
        {
            "venue": "kraken",
            "markets": ["spot"],
            "about": "GET /0/public/AssetPairs",
            "as_of": "2021-04-17",
            "valid_from": "2021-04-17",
            "quotes": DOLLARS,
            **({} if tiers == common else {"names": sorted(names)}),
            "tiers": json.loads(tiers),
        }
        for tiers, names in pairs.items()
    ]


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    fees = sorted(
        kraken(body(Path(arguments[0]))) + FEES, key=lambda each: (each["venue"], each["valid_from"], "names" in each)
    )
    parts = {"amend": AMEND, "triggers": TRIGGERS, "loans": LOANS, "fees": fees}
    lines = [f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]" for name, rows in parts.items()]
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
