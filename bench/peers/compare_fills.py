"""The same orders at the same moments on the same file in both systems: which fill, when, at what.

python bench/peers/run.py hftbacktest "hftbacktest l2 steps"     # makes environment and data
build/peers/hftbacktest/bin/python bench/peers/hftbacktest_fills.py build/peers
.venv/bin/python bench/peers/compare_fills.py build/peers
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from onetape import Strategy
from onetape.data.importing import import_files
from onetape.research.backtest import BacktestOptions, run_backtest
from onetape.tape.journal import JournalReader

SYMBOL = "binance:BTC/USDT:USDT"
MS = 1_000_000


def strategy(sent: dict[int, int]) -> type[Strategy]:
    """sent: time -> number, odd ones sell."""

    class Same(Strategy):
        def on_start(self):
            self.live = self.book(SYMBOL)
            self.order = None
            self.next = min(sent)
            self.set_timer("step", at=self.next)

        def on_timer(self, name):
            number = sent.get(self.now)
            self.next += 10 * MS
            self.set_timer("step", at=self.next)
            if self.order is not None:
                self.cancel(self.order)
            if number is None or not self.live.synced:
                return
            if number % 2 == 0:
                self.order = self.buy(SYMBOL, 0.01, self.live.best_bid[0], post_only=True)
            else:
                self.order = self.sell(SYMBOL, 0.01, self.live.best_ask[0], post_only=True)

    return Same


def ours(tape: Path, home: Path, sent: dict[int, int], latency: str) -> tuple[dict, dict]:
    """(price of each order by number, its fills as (time, price, size))"""
    run = run_backtest(
        BacktestOptions(
            strategy=strategy(sent),
            data=[tape],
            home=home,
            cash="1000000 USDT",
            leverage=10,
            latency=latency,
            queue="power:2",
            fee="-0.00005,0.0007",
            write_report=False,
            stress=False,
        )
    )
    numbers, prices, fills = {}, {}, {}
    with JournalReader(run.run / "journal") as reader:
        for record in reader:
            data = record.data
            if record.type == "order_request" and data["kind"] == "place":
                numbers[data["order_id"]] = sent[record.time]
                prices[sent[record.time]] = data["price"] / 10
            elif record.type == "fill":
                fills.setdefault(numbers[data["order_id"]], []).append(
                    (data["ts_event"], data["price"] / 10, data["size"] / 1000)
                )
    return prices, fills


def main() -> None:
    folder = Path(sys.argv[1])
    rival = json.loads((folder / "hftbacktest-fills.json").read_text())
    theirs = {int(number): fill for number, fill in rival["filled"].items()}
    sent = {time: number for number, time, _ in rival["sent"]}
    wanted = {number: price for number, _, price in rival["sent"]}
    at = {number: time for number, time, _ in rival["sent"]}
    with tempfile.TemporaryDirectory() as place:
        tape = Path(place) / "tape"
        import_files("hftbacktest", [folder / "btcusdt-l2.npz"], symbol=SYMBOL, out=tape)
        for latency in ("1ms", "1ms,feed=recorded"):
            prices, fills = ours(tape, Path(place) / "home", sent, latency)
            both = sorted(set(theirs) & set(fills))
            only = sorted(set(fills) - set(theirs))
            ties = [n for n in only if fills[n][0][0] == at[n] + 11 * MS]
            size = sum(part for each in fills.values() for *_, part in each)
            same_price = sum(abs(prices[n] - wanted[n]) < 1e-6 for n in prices)
            at_price = sum(fills[n][0][1] == theirs[n][1] for n in both)
            at_time = sum(fills[n][0][0] == theirs[n][0] for n in both)
            parts = sum(sum(part for *_, part in each) < 0.00999 for each in fills.values())
            there = 0.01 * len(theirs)
            for line in (
                f"latency {latency}",
                f"  sent {len(at)}, {len(prices)} here; at equal prices {same_price}",
                f"  filled there {len(theirs)} ({there:.2f}), here {len(fills)} ({size:.3f})",
                f"  in both {len(both)}, at the same price {at_price}, same millisecond {at_time}",
                f"  only here {len(only)}, {len(ties)} of them as the cancel arrived",
                f"  only there {len(set(theirs) - set(fills))}; in parts here {parts}",
            ):
                print(line)


if __name__ == "__main__":
    main()
