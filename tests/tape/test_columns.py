"""One walk over a journal gives what a walk for each type gives, and folds orders as they go."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tapes import instrument

from long_form import examples
from onetape.model.errors import BadInput, TornTape
from onetape.tape.columns import NEVER, read_columns
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.schema import built_in

SMALL = {"segment_bytes_first": 1 << 16, "segment_bytes_max": 1 << 16}
_SCHEMAS = {schema.name: schema for schema in built_in().values()}
NEWS = ("accepted", "rejected", "canceled", "expired", "triggered", "updated", "cancel_rejected", "update_rejected")
TAGS = (b"", b"in", "größe".encode(), b"a\0b", b"x" * 32)


def row(event: str, **values: Any) -> bytes:
    made = np.zeros(1, _SCHEMAS[event].payload_dtype)
    for name, value in values.items():
        made[name] = np.void(value) if isinstance(value, bytes) else value
    return made.tobytes()


def request(kind: int, order_id: int, number: int) -> bytes:
    return row(
        "order_request",
        kind=kind,
        order_id=order_id,
        price=100 + number,
        size=5 + number,
        trigger=number % 3,
        side=1 + number % 2,
        type=1 + number % 2,
        tag=TAGS[number % len(TAGS)].ljust(32, b"\0"),
    )


# (what, order, number): orders are placed with ids that rise by one or more.
STEPS = st.lists(
    st.tuples(st.sampled_from(("place", "cancel", "news", "fill", "quote")), st.integers(0, 12), st.integers(0, 7)),
    max_size=120,
)


def write(path: Path, steps: list[tuple[str, int, int]]) -> None:
    with JournalWriter(path, durable=False, **SMALL) as writer:
        writer.append_instrument(1, 0, instrument())
        placed = 40
        for at, (what, order, number) in enumerate(steps, 1):
            match what:
                case "place":
                    placed += 1 + (number == 7)
                    payload, event = request(1, placed, number), "order_request"
                case "cancel":
                    payload, event = request(2, 40 + order, number), "order_request"
                case "news":
                    event = "order_event"
                    payload = row(event, order_id=40 + order, news=number + 1, ts_event=at * 10, size=50 + at)
                case "fill":
                    event = "fill"
                    payload = row(event, order_id=40 + order, price=number, fee_low=at)
                case _:
                    event, payload = "quote", row("quote", bid=number, ask=number + 1)
            writer.append(event, payload, stream=1 + order % 2, time=at)


def by_walking(path: Path) -> tuple[list[dict[str, Any]], list[bytes]]:
    orders: dict[int, dict[str, Any]] = {}
    with JournalReader(path) as reader:
        for frame in reader.frames():
            schema = reader.schemas.of(frame.type)
            if schema.name not in ("order_request", "order_event"):
                continue
            data = np.frombuffer(frame.payload, schema.payload_dtype)[0]
            order_id = int(data["order_id"])
            if schema.name == "order_request" and data["kind"] == 1:
                orders[order_id] = {
                    "id": order_id,
                    "stream": frame.stream,
                    **{name: int(data[name]) for name in ("side", "type", "price", "size", "trigger")},
                    "requested": frame.time,
                    "answer": NEVER,
                    "done": NEVER,
                    "placed": NEVER,
                    "end": 0,
                    "tag": bytes(data["tag"]).rstrip(b"\0"),
                }
            elif schema.name == "order_event" and order_id in orders:
                order, news = orders[order_id], NEWS[data["news"] - 1]
                if order["answer"] == NEVER:
                    order["answer"] = frame.time
                if news == "updated":
                    order["size"] = int(data["size"])
                if news in ("accepted", "triggered", "updated"):
                    order["placed"] = int(data["ts_event"])
                ends = ("", "canceled", "expired", "rejected")
                if news in ends:
                    order["end"] = max(order["end"], ends.index(news))
                if news in (*ends, "triggered") and order["done"] == NEVER:
                    order["done"] = frame.time
    tags = list(dict.fromkeys(each["tag"] for each in orders.values()))
    return list(orders.values()), tags


@settings(deadline=None, max_examples=examples(60))
@given(steps=STEPS)
def test_one_walk_gives_what_separate_ones_give(tmp_path_factory, steps) -> None:
    path = tmp_path_factory.mktemp("columns") / "j"
    write(path, steps)
    with JournalReader(path) as reader:
        tables = [
            reader.table("fill"),
            reader.table("quote", names=("ask", "time")),
            reader.table("order_request", names=("order_id", "tag"), where={"kind": 2}),
        ]
        (fills, quotes, cancels), orders = read_columns(reader.core, tables, orders=True)

    def alone(event: str) -> np.ndarray:
        with JournalReader(path) as reader:
            parts = list(reader.chunks(event))
        return np.concatenate(parts) if parts else np.zeros(0, _SCHEMAS[event].row_dtype)

    rows = alone("fill")
    assert list(fills) == list(rows.dtype.names)
    for name, column in fills.items():
        assert column.dtype == rows.dtype[name] and column.flags.c_contiguous
        assert (column == rows[name]).all()
    rows = alone("quote")
    assert list(quotes) == ["ask", "time"]
    assert (quotes["ask"] == rows["ask"]).all() and (quotes["time"] == rows["time"]).all()
    rows = alone("order_request")
    rows = rows[rows["kind"] == 2]
    assert (cancels["order_id"] == rows["order_id"]).all()
    assert [bytes(each) for each in cancels["tag"]] == [bytes(each) for each in rows["tag"]]

    slow, tags = by_walking(path)
    assert orders.tags == tags
    found = {**orders.columns, "tag": [orders.tags[at] for at in orders.columns["tag"]]}
    for name, column in found.items():
        assert list(column) == [each[name] for each in slow], name


def test_columns_are_whole_when_their_walk_is_gone(tmp_path: Path) -> None:
    """They own their memory, and a run of more rows than one chunk keeps the earlier ones."""
    write(tmp_path / "j", [("quote", 0, at % 8) for at in range(5000)])
    with JournalReader(tmp_path / "j") as reader:
        bids = reader.columns("quote", names=("bid",))["bid"]
    bids[0] = 77  # the caller's to change
    assert bids.tolist() == [77, *(at % 8 for at in range(1, 5000))]


def test_a_type_without_a_fixed_layout_has_no_columns(tmp_path: Path) -> None:
    write(tmp_path / "j", [])
    with JournalReader(tmp_path / "j") as reader, pytest.raises(BadInput, match="no fixed layout"):
        reader.columns("log")


def test_damage_in_the_middle_of_a_walk_is_said(tmp_path: Path) -> None:
    write(tmp_path / "j", [("fill", 0, at % 8) for at in range(2000)])
    second = sorted((tmp_path / "j").glob("*.tape"))[1]
    data = bytearray(second.read_bytes())
    at = struct.calcsize("<IHHQqI4x") + len(data) // 2
    data[at] ^= 0xFF
    second.write_bytes(data)
    with JournalReader(tmp_path / "j") as reader, pytest.raises(TornTape):
        reader.columns("fill")
