"""The golden runs: what is run, over which data, and what is kept of each.

A run is one row of RUNS. Its data are made here from fixed seeds, or imported from recorded files;
what comes out of it is reduced to four hashes and a few numbers that a person can read.
"""

from __future__ import annotations

import hashlib
import math
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
sys.path.append(str(FOLDER.parent))

from onetape.data.importing import import_files  # noqa: E402
from onetape.data.sample import write_sample  # noqa: E402
from onetape.model.money import decimal_text  # noqa: E402
from onetape.research.backtest import BacktestOptions, run_backtest  # noqa: E402
from onetape.tape.journal import JournalReader  # noqa: E402
from recorded import LACKING, RECORDED  # noqa: E402
from worlds.tapes import BTC, Market  # noqa: E402

STRATEGIES = FOLDER / "golden_strategies.py"
SHIPPED = FOLDER.parents[1] / "strategies"
INVERSE, SPOT = "binance:BTC/USD:BTC", "binance:BTC/USDT"
XRP = "binance:XRP/USDT:USDT"

CURVE = "time,request,reply\n00:00,2ms,3ms\n00:05,9ms,12ms\n12:00,4ms,4ms\n"
FACTS = """
[[instrument]]
symbol = "binance:BTC/USDT:USDT"
tick = "0.1"
lot = "0.001"
maker_fee = "0.0002"
taker_fee = "0.0005"
fee_tiers = [
  { volume_min = 20000, maker_fee = "0.0001", taker_fee = "0.0004" },
  { volume_min = 60000, maker_fee = "-0.00005", taker_fee = "0.0003" },
]
"""


class Missing(Exception):
    """A recorded file is not on this machine."""


# --- data ---------------------------------------------------------------------------------------


def sample(path: Path, symbol: str = BTC, flow: str = "crowd") -> None:
    write_sample(path, events=12_000, seed=3, symbols=[symbol], flow=flow)


def hours(path: Path, symbol: str = BTC) -> None:
    """Two days of quotes and trades with a few leaps; contracts have marks, and funding whose
    interval changes from 8 to 4 hours."""
    market, r, price = (Market(path, symbol, maintenance_rate="0.01"), random.Random("hours"), 60_000.0)
    paid = 0
    for minute in range(0, 48 * 60, 3):
        jump = r.choice([-1500, 1500]) if r.random() < 0.02 else 0
        price = round(price + r.uniform(-60, 60) + jump, 1)
        at = minute * 60
        market.quote(at, price, round(price + 0.1, 1), r.uniform(0.1, 3), r.uniform(0.1, 3))
        market.trade(at + 1, price, round(r.uniform(0.01, 0.6), 3), r.choice(["buy", "sell"]))
        if symbol == SPOT:
            continue
        market.mark(at + 2, round(price + r.uniform(-2, 2), 1))
        interval = 8 if minute < 24 * 60 else 4
        if minute - paid >= interval * 60:
            paid = minute
            rate = r.choice(["0.0001", "-0.0002", "0.0003"])
            market.funding(at + 3, rate, interval_h=interval)
    market.done()


def queued(path: Path) -> None:
    """A touch that rarely moves, whose sizes grow and shrink, and small trades against it."""
    market, r, bid = Market(path), random.Random("queued"), 60_000.0
    sizes = [5.0, 5.0]
    for i in range(4000):
        if r.random() < 0.005:
            bid = round(bid + r.choice([-0.1, 0.1]), 1)
        sizes = [min(max(round(size + r.uniform(-1, 1), 3), 0.5), 9) for size in sizes]
        ask = round(bid + 0.1, 1)
        levels = [
            [(round(side + way * n / 10, 1), size + n) for n in range(4)]
            for side, way, size in ((bid, -1, sizes[0]), (ask, 1, sizes[1]))
        ]
        market.book(i / 10, *levels)
        if i % 3 == 0:
            side = r.choice(["buy", "sell"])
            size = round(r.uniform(0.05, 1.0), 3)
            market.trade(i / 10 + 0.05, ask if side == "buy" else bid, size, side)
    market.done()


def bars(path: Path, seconds: int = 60) -> None:
    """Wide bars of so many seconds: stops and targets on both sides of many opens."""
    market, r, price = Market(path), random.Random("bars"), 60_000.0
    for minute in range(400):
        steps = [price]
        for _ in range(60):
            steps.append(round(steps[-1] + r.uniform(-8, 8), 1))
        count = 60 // seconds
        for part in range(count):
            inside = steps[part * 60 // count : (part + 1) * 60 // count + 1]
            close = minute * 60 + (part + 1) * seconds
            prices = (inside[0], max(inside), min(inside), inside[-1])
            market.bar(close, f"{seconds}s", prices, 40 / count)
        price = steps[-1]
    market.done()


def wavy(path: Path) -> None:
    market = Market(path)
    for i in range(4000):
        mid = 60_000 + 300 * math.sin(i / 70) + 7 * math.sin(i * 1.7)
        market.quote(i / 10, round(mid - 0.1, 1), round(mid + 0.1, 1), 2, 3)
    market.done()


def recorded(kind: str, name: str, symbol: str, **options: Any) -> Callable[[Path], None]:
    def bring(path: Path) -> None:
        file = RECORDED / name
        if not file.exists():
            raise Missing(LACKING)
        import_files(kind, [file], symbol=symbol, out=path, **options)

    return bring


DATA: dict[str, Callable[[Path], None]] = {
    "sample": sample,
    "sample-inverse": lambda path: sample(path, INVERSE),
    "hours-spot": lambda path: hours(path, SPOT),
    "queued": queued,
    "walk": lambda path: sample(path, BTC, "random-walk"),
    "funded": hours,
    "bars-1m": bars,
    "bars-5s": lambda path: bars(path, 5),
    "wavy": wavy,
    "usdm": recorded("binance-raw", "binance-usdm/btcusdt-2024-08-08.raw.gz", BTC),
    "coinm": recorded("binance-raw", "binance-coinm/btcusd_perp-2024-08-08.raw.gz", INVERSE),
    "spot": recorded("binance-raw", "binance-spot/btcusdt-2024-08-08.raw.gz", SPOT),
    "btc-1m": recorded("csv", "bars/btc-perp-1m-first-half.csv.gz", BTC),
    "if-5m": recorded("csv", "bars/cffex-if-5m-2018-first-half.csv", "cffex:IF"),
}


# --- runs ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """options: of BacktestOptions; `latency_curve` and `facts` are files made for it."""

    data: tuple[str, ...]
    strategy: str = "Busy"
    options: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    detail: tuple[str, ...] = ()


def run(*data: str, strategy: str = "Busy", detail: str = "", params: Any = None, **options: Any):
    return Run(data, strategy, options, dict(params or {}), (detail,) if detail else ())


MAKER = {"shift": 3, "buy_by": 0.05, "sell_by": 0.05, "buy_limit": 0.2, "sell_limit": -0.2}
NEAR = {"reach": 0.0002}
RUNS: dict[str, Run] = {
    "plain": run("sample", latency="5ms"),
    "hedge": run("sample", hedge=True, leverage=20, params={"hedge": True}),
    "isolated-liquidated": run(
        "funded", margin="isolated", leverage=50, cash="20000 USDT", params={"size": 0.4, "every": 4, "spread": 500}
    ),
    "cross-liquidated": run("funded", leverage=50, cash="1500 USDT", params={"size": 0.2, "every": 3, "spread": 500}),
    "funding": run("funded", latency="20ms", leverage=5, params={"every": 9, "spread": 200}),
    "inverse": run("sample-inverse", cash="1 BTC", leverage=3, params={"size": 2, "symbol": INVERSE}),
    "spot-borrow": run(
        "hours-spot",
        cash="3000 USDT",
        leverage=3,
        borrow="USDT=0.00001,BTC=0.000002",
        params={"symbol": SPOT, "every": 9, "spread": 300},
    ),
    "fee-tiers": run("sample", facts=FACTS, fee_volume="15000", leverage=10),
    "order-rate": run("sample", order_rate="3/60s", params={"every": 10}),
    "trigger-delay": run("sample", trigger_delay="2s", latency="3ms,7ms"),
    "closed-hours": run("sample", closed=["2026-01-01T00:05:00Z..2026-01-01T00:20:00Z,cancel"]),
    "latency-curve": run("sample", latency_curve="burst=20us@100ms,feed=1ms"),
    "queue-conservative": run("queued", strategy="Joiner"),
    "queue-power": run("queued", strategy="Joiner", queue="power:2"),
    "queue-log": run("queued", strategy="Joiner", queue="log"),
    "random-walk": run("walk", strategy="MarketMaker", params=MAKER, latency="10ms"),
    "bars-ambiguous": run("bars-1m", strategy="Bracket", latency="50ms", params=NEAR),
    "bars-little-volume": run("bars-1m", strategy="Bracket", bar_volume="1%", params=NEAR),
    "bars-busy": run("bars-1m", params={"period": "1m", "every": 1, "spread": 200}),
    "detail": run("bars-1m", strategy="Bracket", detail="bars-5s", latency="50ms", params=NEAR),
    "compiled": run("wavy", strategy="Fast", latency="2ms"),
    "compiled-as-python": run("wavy", strategy="Fast", latency="2ms", interpret=True),
    "breakout": run("sample", strategy="Breakout", params={"period": "5s", "window": 3}),
    "real-usdm-maker": run("usdm", strategy="MarketMaker", latency="10ms", params=MAKER),
    "real-usdm-busy-power3": run("usdm", queue="power3:2", latency="4ms,6ms,feed=recorded", params={"every": 200}),
    "real-usdm-fused": run("usdm", strategy="MarketMaker", fuse=True, latency="2ms", params=MAKER),
    "real-coinm-isolated": run(
        "coinm", cash="0.1 BTC", margin="isolated", leverage=20, params={"symbol": INVERSE, "size": 3, "every": 150}
    ),
    "real-spot-busy": run("spot", cash="5000 USDT", params={"symbol": SPOT, "every": 100}),
    "real-usdm-unfused": run("usdm", strategy="MarketMaker", latency="2ms", params=MAKER),
    "real-bars-brackets": run("btc-1m", strategy="Bracket", leverage=5, params={"size": 0.2, "reach": 0.001}),
    "real-bars-breakout": run(
        "if-5m", strategy="Breakout", cash="10000000 XXX", params={"symbol": "cffex:IF", "period": "5m", "size": 1}
    ),
}


def source_of(strategy: str, strategies: Path, shipped: Path) -> str:
    files = {"MarketMaker": "market_maker", "Breakout": "breakout"}
    file = shipped / f"{files[strategy]}.py" if strategy in files else strategies
    return f"{file}:{strategy}"


# --- what is kept -------------------------------------------------------------------------------


def _digest(lines: Iterator[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()[:32]


def _fills(journal: Path) -> Iterator[str]:
    """Everything about a fill but where its frame lies."""
    with JournalReader(journal) as reader:
        for record in reader:
            if record.type == "fill":
                cells = sorted(record.data.items())
                yield f"{record.time} {record.stream} {cells}"


def play(
    name: str, tape: Callable[[str], Path], home: Path, *, strategies: Path = STRATEGIES, shipped: Path = SHIPPED
) -> dict[str, Any]:
    """Runs it in `home`; the kept values, in the order in which a difference is told."""
    row = RUNS[name]
    options = dict(row.options)
    home.mkdir(parents=True, exist_ok=True)
    if (extra := options.pop("latency_curve", None)) is not None:
        (home / "curve.csv").write_text(CURVE)
        options["latency"] = f"{home / 'curve.csv'},{extra}"
    if (facts := options.pop("facts", None)) is not None:
        (home / "facts.toml").write_text(facts)
        options["instruments"] = home / "facts.toml"
    done = run_backtest(
        BacktestOptions(
            strategy=source_of(row.strategy, strategies, shipped),
            data=[tape(each) for each in row.data],
            detail_data=[tape(each) for each in row.detail],
            home=home,
            out=name,
            params=row.params,
            write_report=False,
            stress=False,
            seed=7,
            **options,
        )
    )
    money = {
        each: decimal_text(getattr(done, each))
        for each in (
            "final_equity",
            "pnl",
            "fees",
            "funding",
            "liquidation_fees",
            "insurance",
            "interest",
            "max_drawdown",
        )
    }
    return {
        "actions": done.action_hash[:32],
        "fills": _digest(_fills(done.run / "journal")),
        "money": _digest(f"{key} {value}" for key, value in money.items()),
        "state": done.state_hash[:32],
        "counts": {
            "actions": done.actions,
            "orders": done.orders,
            "rejected": done.rejected,
            "fills": done.fills,
            "liquidations": done.liquidations,
            "ambiguous_bars": done.ambiguous_bars,
        },
        "amounts": money,
    }
