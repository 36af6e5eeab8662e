"""Moving averages that cross, in vectorbt: python vectorbt_theirs.py bars.csv"""

import json
import sys

import pandas as pd
import vectorbt as vbt


def simulate(bars: pd.DataFrame) -> vbt.Portfolio:
    fast = vbt.MA.run(bars.close, 10, short_name="fast").ma
    slow = vbt.MA.run(bars.close, 30, short_name="slow").ma
    above = fast > slow
    below = fast <= slow
    return vbt.Portfolio.from_signals(
        bars.close,
        entries=above.vbt.signals.fshift(1),  # the signal of one bar trades in the next,
        exits=below.vbt.signals.fshift(1),
        price=bars.open,  # at its open
        size=0.01,
        fees=0.001,
        init_cash=10_000,
        freq="1min",
    )


def main() -> None:
    bars = pd.read_csv(sys.argv[1], index_col="time")
    result = simulate(bars)
    rows = result.orders.records
    trades = [
        {
            "side": ["buy", "sell"][row.side],
            "quantity": row.size,
            "time": int(bars.index[row.idx]) * 10**9,
            "price": row.price,
        }
        for row in rows.itertuples()
    ]
    print(json.dumps({"version": vbt.__version__, "profit": result.total_profit(), "trades": trades}))


if __name__ == "__main__":
    main()
