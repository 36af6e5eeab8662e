"""Makes src/onetape/model/margin.json from leverage brackets of a venue.

    python tools/make_margin.py binance 2024-10-24 "WHAT IT IS" FILE

FILE is a JSON object, unified symbol -> rows with minNotional, maxNotional, maintenanceMarginRate,
maxLeverage (the unified form of GET /fapi/v1/leverageBracket). Only the symbols below are kept:
the tables of small contracts change by the week, and an old one is worse than --instruments.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path

OUT = Path(__file__).resolve().parent.parent / "src" / "onetape" / "model" / "margin.json"
KEPT = ("BTC", "ETH", "BNB", "SOL", "XRP", "DOGE", "ADA", "LTC", "LINK", "DOT")


def text(value: object) -> str:
    return format(Decimal(str(value)).normalize(), "f")


def main(arguments: list[str]) -> int:
    if len(arguments) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    venue, as_of, about, path = arguments
    document = json.loads(Path(path).read_text())
    tables = {}
    for base in KEPT:
        symbol = f"{base}/USDT:USDT"
        rows = sorted(document[symbol], key=lambda row: row["maxNotional"])
        tables[f"{venue}:{symbol}"] = [
            [text(r["maxNotional"]), text(r["maintenanceMarginRate"]), int(r["maxLeverage"])] for r in rows
        ]
    lines = [f"{json.dumps(symbol)}: {json.dumps(rows)}" for symbol, rows in tables.items()]
    head = json.dumps({"about": about, "as_of": as_of})[:-1]
    OUT.write_text(f'{{"sets": [\n{head}, "tables": {{\n' + ",\n".join(lines) + "\n}}\n]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
