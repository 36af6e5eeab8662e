"""A good file of each kind of table, and what tests of them share."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from onetape.data.hftbacktest import ROW

BTC = "binance:BTC/USDT:USDT"
MS = 1_704_067_200_000  # 2024-01-01
NS = MS * 1_000_000
LOCAL, EXCH, BUY, SELL = 1 << 30, 1 << 31, 1 << 29, 1 << 28

VISION_KLINE = f"{MS},42000.1,42010,41990,42005,1.5,{MS + 59_999},63000.75,12,1,42000,0\n"
TARDIS_TRADES = (
    "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
    f"binance-futures,BTCUSDT,{MS}000,{MS}250,1,buy,42000.1,0.5\n"
    f"binance-futures,BTCUSDT,{MS}100,{MS}350,2,unknown,42000.2,0.25\n"
)
TARDIS_L2 = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n"
CCXT_OHLCV = f"[[{MS}, 1, 2, 0.5, 1.5, 10], [{MS + 60_000}, 1.5, 2, 1, 1e0, 0.1]]"
CCXT_TRADES = json.dumps(
    [
        {
            "info": {"a": [1]},
            "timestamp": MS,
            "symbol": "BTC/USDT:USDT",
            "id": "7",
            "side": "sell",
            "price": 42000.5,
            "amount": 0.25,
            "fee": None,
        },
        {"timestamp": MS + 1, "symbol": "BTC/USDT:USDT", "id": "8", "side": "buy", "price": 42001, "amount": 1},
    ]
)
FREQ_TRADES = f'[[{MS},"13","limit","sell",0.00141342,23.0,0.03],[{MS + 5},"14",null,"buy",1,2,2]]'
MOEX_TRADES = (
    "SecurityID,MDUpdateAction,MDEntryType,SettleType,MDEntryTime,SendingTime,PacketTime,price,"
    "size,side,PriceType,TradingSessionID,TradingSessionSubID\n"
    f"USD000UTSTOM,0,z,T1,{NS},{NS + 1},{NS + 2},65585000,20000000,B,0,CETS,N\n"
)
MOEX_STATS = (
    f"1,USD000UTSTOM,bid,0,{NS - 9},{NS - 8},{NS - 7},65580000,1000000000,C,CETS,\n"
    f"2,USD000UTSTOM,ask,0,{NS - 9},{NS - 8},{NS - 7},65590000,2000000000,C,CETS,\n"
)


def npy(rows: list[tuple[Any, ...]]) -> bytes:
    """Rows of (ev, exch_ts, local_ts, px, qty) as the bytes of a .npy file."""
    file = io.BytesIO()
    np.save(file, np.array([(*row, 0, 0, 0.0) for row in rows], dtype=ROW))
    return file.getvalue()


HFT = npy(
    [
        (LOCAL | EXCH | BUY | 1, NS, NS + 5, 41999.9, 1.0),
        (LOCAL | EXCH | BUY | 3, NS + 6, NS + 9, 41000.0, 0.0),
        (LOCAL | EXCH | BUY | 4, NS + 6, NS + 9, 42000.1, 0.25),
        (LOCAL | EXCH | SELL | 4, NS + 6, NS + 9, 42000.2, 1.5),
        (LOCAL | EXCH | SELL | 2, NS + 7, NS + 10, 42000.1, 0.1),
    ]
)


# One good file of each kind: name, content, symbol, events by type.
def parquet() -> bytes:
    file = io.BytesIO()
    at = pl.Series("time", [NS, NS + 60 * 10**9], dtype=pl.Int64).cast(pl.Datetime("ns", "UTC"))
    pl.DataFrame([at, *(pl.Series(name, [1.5, 1.5]) for name in ("open", "high", "low", "close"))]).write_parquet(file)
    return file.getvalue()


GOOD: dict[str, tuple[str, bytes, str, dict[str, int]]] = {
    "binance-vision": ("BTCUSDT-1m-2024-01.csv", VISION_KLINE.encode(), BTC, {"bar": 1}),
    "tardis": ("trades.csv", TARDIS_TRADES.encode(), BTC, {"trade": 2}),
    "ccxt": ("candles.json", CCXT_OHLCV.encode(), "x:A/USD", {"bar": 2}),
    "freqtrade": ("XRP_ETH-trades.json", FREQ_TRADES.encode(), "x:XRP/ETH", {"trade": 2}),
    "hftbacktest": ("data.npy", HFT, BTC, {"book": 2, "trade": 1}),
    "parquet": ("bars.parquet", parquet(), BTC, {"bar": 2}),
    "moex": ("fx.trades", MOEX_TRADES.encode(), "moex:USD/RUB", {"trade": 1}),
}


BINARY = {"hftbacktest", "parquet"}


def reasons(tape: Path) -> list[tuple[int, str]]:
    path = tape / "rejects.jsonl"
    if not path.exists():
        return []
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [(reject["line"], reject["reason"]) for reject in found]
