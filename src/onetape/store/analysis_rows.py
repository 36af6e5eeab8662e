"""Converts a run's frames to rows of tables: events, decisions, orders, fills.

Pure: records of a tape in, rows out. Prices and sizes are numbers for computing; their exact text with all decimals
is in `*_exact`. Times are ns UTC. Ids of 64 bits are signed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import msgspec

from onetape.store.frame_words import FrameWords
from onetape.store.frames import named_currencies
from onetape.tape.journal import JournalReader, Record

__all__ = ["KEYS", "OWN", "TABLES", "Rows"]

OWN: Final = "run"  # the name of the run's own tape; its inputs are input0, input1, ...

# Table -> column -> kind of column.
TABLES: Final[dict[str, dict[str, str]]] = {
    "runs": {
        "run": "key", "strategy": "text", "kind": "text", "analyzed_ts": "integer",
        "is_complete": "integer",
    },
    "events": {
        "run": "key", "tape": "key", "seq": "integer", "uniq_id": "text", "ts": "integer",
        "type": "key", "symbol": "text", "bid": "real", "ask": "real", "price": "real",
        "qty": "real", "body": "text",
    },
    "decisions": {
        "run": "key", "seq": "integer", "ts": "integer", "kind": "text", "order_id": "integer",
        "symbol": "text", "side": "text", "type": "text", "price": "real", "qty": "real",
        "trigger_price": "real", "tif": "text", "flags": "integer", "tag": "text",
        "price_exact": "text", "qty_exact": "text",
    },
    "orders": {
        "run": "key", "order_id": "integer", "ts_created": "integer", "ts_last": "integer",
        "symbol": "text", "side": "text", "type": "text", "price": "real", "qty": "real",
        "filled": "real", "average_price": "real", "state": "text", "code": "integer",
        "reason": "text", "tag": "text",
    },
    "fills": {
        "run": "key", "seq": "integer", "ts": "integer", "ts_event": "integer",
        "order_id": "integer", "trade_id": "integer", "symbol": "text", "side": "text",
        "position_side": "text", "price": "real", "qty": "real", "fee": "real",
        "fee_currency": "text", "liquidity": "text", "price_exact": "text", "qty_exact": "text",
        "fee_exact": "text",
    },
    "signals": {
        "run": "key", "signal": "integer", "seq": "integer", "ts": "integer", "cause": "integer",
        "symbol": "text", "direction": "text", "facts": "text",
    },
    "targets": {
        "run": "key", "target": "integer", "seq": "integer", "ts": "integer",
        "signal": "integer", "symbol": "text", "qty": "real", "qty_exact": "text",
    },
    "links": {
        "run": "key", "order_id": "integer", "signal": "integer", "target": "integer",
        "once": "text",
    },
    "states": {
        "run": "key", "seq": "integer", "uniq_id": "text", "ts": "integer", "body": "text",
    },
}  # fmt: skip
KEYS: Final = {
    "runs": ("run",),
    "events": ("run", "tape", "seq"),
    "decisions": ("run", "seq"),
    "orders": ("run", "order_id"),
    "fills": ("run", "seq"),
    "states": ("run", "seq"),
    "signals": ("run", "signal"),
    "targets": ("run", "target"),
    "links": ("run", "order_id"),
}
_DENIED: Final = 4  # flag of a live robot's denied request, which was never sent
_CLOSED: Final = ("FILLED", "CANCELED", "REJECTED", "DENIED", "EXPIRED")


@dataclass(slots=True)
class _Order:
    row: dict[str, Any]
    filled: Decimal = Decimal()  # sums of floats would have an error of their own
    cost: Decimal = Decimal()


class Rows:
    """Makes rows of one tape of a run. `take` a record; the resulting rows are in `made` (table -> rows) until the
    caller empties it, and new or changed orders in `changed`."""

    def __init__(self, run: str, tape: str, reader: JournalReader) -> None:
        self._run, self._tape = run, tape
        self._words, self._reader = FrameWords(reader), reader
        self._currencies: dict[int, str] = {}  # by their number in fills
        self._orders: dict[int, _Order] = {}
        self.made: dict[str, list[list[Any]]] = {
            table: [] for table in ("events", "decisions", "fills", "signals", "targets", "links")
        }
        self.changed: dict[int, list[Any]] = {}

    @property
    def orders(self) -> int:
        """Returns the number of orders."""
        return len(self._orders)

    def ended(self, silent: str) -> None:
        """Ends the tape: no record follows. silent: the state of orders without a record."""
        for order_id, order in self._orders.items():
            if order.row["state"] == "SUBMITTED" and silent != "SUBMITTED":
                order.row["state"] = silent
                self._note(order_id)

    def take(self, record: Record) -> None:
        body = self._words.of(record)
        symbol = body.pop("symbol", "")
        bid, ask = _number(body.get("bid")), _number(body.get("ask"))
        size = body.get("size") if record.type != "mbo" else None
        self.made["events"].append(
            [
                self._run,
                self._tape,
                record.sequence,
                f"{self._tape}:{record.sequence}",
                record.time,
                record.type,
                symbol,
                bid,
                ask,
                _number(body.get("price")),
                _number(size),
                msgspec.json.encode(body, enc_hook=str).decode(),
            ]
        )
        if self._tape != OWN:
            return
        match record.type:
            case "order_request":
                self._decided(record, symbol, body)
            case "order_event":
                self._reported(record, body)
            case "fill":
                self._filled(record, symbol, body)
            case "params":
                self._currencies |= named_currencies(record.data)
            case "signal":
                self.made["signals"].append(
                    [
                        self._run,
                        _signed(body["id"]),
                        record.sequence,
                        record.time,
                        body["after"][0],
                        symbol,
                        body["direction"],
                        msgspec.json.encode(body["facts"]).decode(),
                    ]
                )
            case "target":
                self.made["targets"].append(
                    [
                        self._run,
                        _signed(body["id"]),
                        record.sequence,
                        record.time,
                        _signed(body["signal"]),
                        symbol,
                        _number(body["qty"]),
                        body["qty"],
                    ]
                )
            case _:
                pass

    # --- kinds of records -------------------------------------------------------------------------

    def _decided(self, record: Record, symbol: str, body: dict[str, Any]) -> None:
        order_id = _signed(body["order_id"])
        price = _number(body["price"]) if body["type"] == "limit" else None
        self.made["decisions"].append([
            self._run, record.sequence, record.time, body["kind"], order_id, symbol, body["side"],
            body["type"], price, _number(body["size"]), _number(body["trigger"]) or None,
            body["tif"], body["flags"], body["tag"], body["price"], body["size"],
        ])  # fmt: skip
        if body["kind"] != "place":
            return
        if more := record.data.get("more"):
            self.made["links"].append([self._run, order_id, more.get("signal"), more.get("target"), more.get("once")])
        self._orders[order_id] = _Order({
            "run": self._run, "order_id": order_id, "ts_created": record.time,
            "ts_last": record.time, "symbol": symbol, "side": body["side"], "type": body["type"],
            "price": price, "qty": _number(body["size"]), "filled": 0.0, "average_price": None,
            "state": "DENIED" if body["flags"] & _DENIED else "SUBMITTED", "code": 0,
            "reason": None, "tag": body["tag"],
        })  # fmt: skip
        self._note(order_id)

    def _reported(self, record: Record, body: dict[str, Any]) -> None:
        order = self._orders.get(order_id := _signed(body["order_id"]))
        if order is None:
            return
        if state := body["state"]:
            order.row["state"] = str(state).upper()
        if body["news"] == "updated":
            order.row["price"], order.row["qty"] = _number(body["price"]), _number(body["size"])
        order.row["ts_last"] = record.time
        if body["code"]:
            order.row["code"] = body["code"]
            order.row["reason"] = (record.data.get("more") or {}).get("reason")
        self._note(order_id)

    def _filled(self, record: Record, symbol: str, body: dict[str, Any]) -> None:
        order_id = _signed(body["order_id"])
        price, size = _number(body["price"]), _number(body["size"])
        self.made["fills"].append([
            self._run, record.sequence, record.time, body["ts_event"], order_id,
            _signed(body["trade_id"]), symbol, body["side"], body["position_side"], price, size,
            _number(body["fee"]), self._fee_currency(record), body["liquidity"], body["price"],
            body["size"], body["fee"],
        ])  # fmt: skip
        order = self._orders.get(order_id)
        if order is None or price is None or size is None:
            return
        row = order.row
        order.filled += Decimal(body["size"])
        order.cost += Decimal(body["price"]) * Decimal(body["size"])
        row["filled"] = float(order.filled)
        row["average_price"] = float(order.cost / order.filled) if order.filled else None
        row["ts_last"] = record.time
        if row["state"] not in _CLOSED:
            whole = row["qty"] is not None and row["filled"] >= row["qty"] * (1 - 1e-12)
            row["state"] = "FILLED" if whole else "PARTIALLY_FILLED"
        self._note(order_id)

    def _fee_currency(self, record: Record) -> str:
        number = record.data["fee_currency"]
        if number:
            return self._currencies.get(number, "")
        return str(self._reader.instruments.get(record.stream, {}).get("settle", ""))

    def _note(self, order_id: int) -> None:
        self.changed[order_id] = list(self._orders[order_id].row.values())


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
