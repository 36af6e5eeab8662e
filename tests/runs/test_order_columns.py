"""A run's columns come off its journal in one pass, and are what separate readers give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onetape.engine.tape_facts import streams_of
from onetape.report.report_data import NEVER, ORDER_STATES
from onetape.research.backtest import BacktestOptions, run_backtest
from onetape.runs import page
from onetape.runs.order_columns import fill_columns, order_columns, read_run, resting_columns
from onetape.tape.journal import JournalReader
from research.golden_runs import DATA, RUNS, Missing, play
from worlds.strategy_files import TAKER, write

# Golden runs, and what each has in it that the others may lack.
SHOWN = {
    "isolated-liquidated": {"accepted", "canceled", "rejected", "triggered", "updated", "forced"},
    "order-rate": {"rejected", "cancel_rejected", "update_rejected"},
    "closed-hours": {"rejected", "canceled"},
    "queue-power": {"updated", "denied"},
    "random-walk": {"tag", "canceled"},
    "bars-ambiguous": {"tag", "triggered"},
    "hedge": {"updated", "triggered"},
}


@pytest.fixture(scope="module", params=SHOWN)
def journal(request, tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("columns")

    def tape(name: str) -> Path:
        path = made / f"{name}.tape"
        if not path.exists():
            try:
                DATA[name](path)
            except Missing as missing:
                pytest.skip(str(missing))
        return path

    assert request.param in RUNS
    play(request.param, tape, made / "home")
    journal = made / "home" / "runs" / request.param / "journal"
    assert has(journal) >= SHOWN[request.param]
    return journal


def records(journal: Path, kind: str) -> list[tuple[int, int, dict[str, Any]]]:
    with JournalReader(journal) as reader:
        return [(r.time, r.stream, r.data) for r in reader if r.type == kind]


def has(journal: Path) -> set[str]:
    """What may go wrong with a run's orders and is in this one."""
    requests = [data for _, _, data in records(journal, "order_request")]
    ids = {data["order_id"] for data in requests if data["kind"] == "place"}
    news = [data for _, _, data in records(journal, "order_event")]
    filled = {data["order_id"] for _, _, data in records(journal, "fill")}
    found = {data["news"] for data in news}
    return (
        found
        | ({"tag"} if any(data["tag"] for data in requests) else set())
        | ({"forced"} if filled - ids else set())
        | ({"silent"} if ids - {data["order_id"] for data in news} - filled else set())
    )


def by_walking(journal: Path) -> dict[int, dict[str, Any]]:
    """What became of each order, one reader for each type and one record at a time."""
    facts = list(streams_of(journal).values())
    orders: dict[int, dict[str, Any]] = {}
    for time, stream, data in records(journal, "order_request"):
        if data["kind"] != "place":
            continue
        prices, sizes = facts[stream - 1].price_decimals, facts[stream - 1].size_decimals
        orders[data["order_id"]] = {
            "market": stream - 1,
            "side": {"buy": 1, "sell": -1}[data["side"]],
            "price": data["price"] / 10.0**prices if data["type"] == "limit" else 0.0,
            "trigger": data["trigger"] / 10.0**prices,
            "qty": data["size"] / 10.0**sizes,
            "ts_request": time,
            "ts_answer": NEVER,
            "ts_fill": NEVER,
            "ts_done": NEVER,
            "since": NEVER,
            "filled": 0.0,
            "ends": set(),
            "last_fill": NEVER,
            "tag": data["tag"],
        }
    for time, stream, data in records(journal, "order_event"):
        if (order := orders.get(data["order_id"])) is None:
            continue
        if data["news"] == "denied":  # nobody has answered
            order["ends"].add("denied")
            continue
        if order["ts_answer"] == NEVER:
            order["ts_answer"] = time
        if data["news"] in ("canceled", "expired", "rejected"):
            order["ends"].add(data["news"])
        elif data["news"] in ("accepted", "triggered", "updated"):
            order["since"] = data["ts_event"]
        if data["news"] in ("canceled", "expired", "rejected", "triggered"):
            order["ts_done"] = time if order["ts_done"] == NEVER else order["ts_done"]
        if data["news"] == "updated":
            order["qty"] = data["size"] / 10.0 ** facts[stream - 1].size_decimals
    for time, stream, data in records(journal, "fill"):
        if (order := orders.get(data["order_id"])) is None:
            continue
        order["filled"] += data["size"] / 10.0 ** facts[stream - 1].size_decimals
        order["last_fill"] = time
        if order["ts_fill"] == NEVER:
            order["ts_fill"] = time
            recorded = order["ts_answer"] != NEVER
            order["ts_answer"] = min(order["ts_answer"], time) if recorded else time
    for order in orders.values():
        full = order["filled"] >= order["qty"] * (1 - 1e-9)
        if full and order["ts_done"] == NEVER:
            order["ts_done"] = order["last_fill"]
        kinds = ("denied", "rejected", "expired", "canceled")
        ends = [each for each in kinds if each in order["ends"]]
        word = "filled" if full else "partly filled" if order["filled"] else (*ends, "working")[0]
        order["state"] = ORDER_STATES.index(word)
    return orders


def test_orders_and_fills_are_those_of_separate_readers(journal: Path) -> None:
    slow = by_walking(journal)
    instruments = list(streams_of(journal).values())
    rows = records(journal, "fill")
    run = read_run(journal)
    fills = fill_columns(run, instruments, np.arange(len(rows) + 3.0))
    orders, since = order_columns(run, instruments, fills)

    assert len(slow) > 10 and orders.id.tolist() == list(slow)
    for name in (
        "market",
        "side",
        "price",
        "trigger",
        "qty",
        "filled",
        "state",
        "ts_request",
        "ts_answer",
        "ts_fill",
        "ts_done",
    ):
        assert getattr(orders, name).tolist() == [each[name] for each in slow.values()], name
    assert since.tolist() == [each["since"] for each in slow.values()]

    assert len(rows) >= 5 and fills.ts.tolist() == [time for time, _, _ in rows]
    assert fills.order.astype(np.uint64).tolist() == [data["order_id"] for _, _, data in rows]
    assert fills.fee.tolist() == pytest.approx([data["fee"] / 1e18 for _, _, data in rows])
    assert fills.realized.tolist() == list(range(len(rows)))
    tags = [slow[order]["tag"] if order in slow else None for order in fills.order.tolist()]
    if len(fills.tag):
        pairs = zip(fills.tag, tags, strict=True)
        assert all(found == tag if tag is not None else found for found, tag in pairs)
    else:
        assert not any(tags) and None not in tags

    rests = resting_columns(run, orders, since)
    assert rests.rest_ns.tolist() == [
        max(data["ts_event"] - slow[data["order_id"]]["since"], 0)
        for _, _, data in rows
        if data["liquidity"] == "maker" and slow.get(data["order_id"], {}).get("since", NEVER) >= 0
    ]


def test_a_long_run_and_its_report_read_its_journal_once(sample, tmp_path, monkeypatch) -> None:
    """Costs and profits are parted in the report of a short one alone, which is read again for it."""
    monkeypatch.setattr(page, "ORDERS_JUDGED_MAX", 0)
    opened: list[Path] = []
    real = JournalReader.__init__

    def noted(self: JournalReader, directory: Any) -> None:
        opened.append(Path(directory))
        real(self, directory)

    monkeypatch.setattr(JournalReader, "__init__", noted)
    result = run_backtest(
        BacktestOptions(strategy=str(write(tmp_path, "taker", TAKER)), data=[sample], home=tmp_path, stress=False)
    )
    assert result.fills and result.report is not None and result.report.is_file()
    assert opened.count(result.run / "journal") == 1
