"""A backtest by vnpy's CTA engine without a database: python vnpy_run.py bars.csv"""

import csv
import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

EXCHANGE_SYMBOL = "BTCUSDT_SWAP_BINANCE"


def backtest(data: Path) -> dict:
    from vnpy.trader.constant import Direction, Exchange, Interval
    from vnpy.trader.object import BarData
    from vnpy_ctastrategy.backtesting import BacktestingEngine
    from vnpy_theirs import Bands

    with data.open(newline="") as file:
        bars = [
            BarData(
                gateway_name="BACKTESTING",
                symbol=EXCHANGE_SYMBOL,
                exchange=Exchange.GLOBAL,
                interval=Interval.MINUTE,
                datetime=datetime.fromtimestamp(int(row["time"]), UTC),
                open_price=float(row["open"]),
                high_price=float(row["high"]),
                low_price=float(row["low"]),
                close_price=float(row["close"]),
                volume=float(row["volume"]),
            )
            for row in csv.DictReader(file)
        ]
    engine = BacktestingEngine()
    engine.set_parameters(
        vt_symbol=bars[0].vt_symbol,
        interval=Interval.MINUTE,
        start=bars[0].datetime,
        end=bars[-1].datetime,
        rate=0.0005,
        slippage=0,
        size=1,
        pricetick=0.01,
        capital=10_000,
    )
    engine.add_strategy(Bands, {})
    engine.history_data = bars
    engine.run_backtesting()
    profit = float(engine.calculate_result()["net_pnl"].sum())
    trades = [
        {
            "side": "buy" if each.direction is Direction.LONG else "sell",
            "quantity": each.volume,
            "time": int(each.datetime.timestamp()) * 10**9,
            "price": each.price,
        }
        for each in engine.get_all_trades()
    ]
    return {"version": version("vnpy"), "profit": profit, "trades": trades}


def main() -> None:
    data = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        Path(".vntrader").mkdir()  # else vnpy makes this folder in the user's home
        print(json.dumps(backtest(data)))


if __name__ == "__main__":
    main()
