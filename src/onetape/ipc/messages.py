"""Commands as JSON Schema: requests to a process's socket, and its answers.

The fields of each command are its handler's; they are listed here for readers, and compared with those of running
processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from onetape.accounts.slots import COMMANDS as MONEY_COMMANDS
from onetape.accounts.transfer_command import ARRIVAL_FIELDS
from onetape.accounts.transfer_command import FIELDS as TRANSFER_FIELDS
from onetape.orders.halts import HALT_FIELDS, Scope

__all__ = ["COMMANDS", "answer_schema", "command_schemas"]

_TEXT: Final = {"type": "string"}
_AMOUNT: Final = {"type": ["string", "number"], "description": "exact: text, or a JSON number"}
_SLOT: Final = {"type": ["string", "integer"], "description": "slot, by number or name"}
_TIME: Final = {"type": "integer", "description": "ns UTC"}
_KINDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "amount": _AMOUNT,
    "delta": _AMOUNT,
    "filled": _AMOUNT,
    "within_ms": {"type": "integer", "minimum": 0},
    "index": _SLOT,
    "as": {"enum": ["open", "filled", "closed"]},
    "qty": _AMOUNT,
    "price": _AMOUNT,
    "side": {"enum": ["buy", "sell"]},
    "tif": {"enum": ["gtc", "ioc", "fok"]},
    "position_side": {"enum": ["both", "long", "short"]},
    "since": _TIME,
    "until": {"type": ["integer", "string"], "description": "ns UTC, or a duration: 4h"},
    "until_ns": _TIME,
    "epoch": {"type": "integer"},
    "scope": {"enum": [str(each) for each in Scope]},
    "reduce_only": {"type": "boolean"},
    "trigger_by": {"enum": ["last", "mark", "index"]},
    "stops": {
        "type": "array",
        "items": {"type": "object", "properties": {"qty": _AMOUNT, "trigger": _AMOUNT}, "required": ["qty"]},
    },
    "orders": {"type": "array", "description": "of cancel_stops client ids; of place `qty price trigger` of each step"},
    "post_only": {"type": "boolean"},
    "trigger": _AMOUNT,
    "kind": {"enum": ["stop", "take_profit"]},
    "dry_run": {"type": "boolean"},
    "leverage": {"type": ["integer", "string"], "description": "times"},
}
_MOVES: Final = ("strategy", "currency", "index", "amount", "delta", "transfer_id")

# Kind of process -> command -> its fields; None: any, defined by the command.
COMMANDS: Final[Mapping[str, Mapping[str, tuple[str, ...] | None]]] = {
    "robot": {
        **dict.fromkeys(("params", "target", "cancel_target", "pause_target", "resume_target")),
        "stop": (),
        "start": (),
        "save": (),
        "status": (),
        "ping": None,
    },
    "supervisor": {
        "add_robot": None,
        "remove_robot": ("name",),
        "add_collector": None,
        "remove_collector": ("name",),
        "ack": ("id",),
        "log": ("process", "count"),
        "status": (),
        "ping": None,
    },
    "collector": {"subscribe": ("symbol", "topic"), "unsubscribe": ("symbol", "topic"), "status": (), "ping": None},
    "guardian": {"reset": ("account", "symbol"), "status": (), "ping": None},
    "hub": {"pin": ("symbol", "source"), "status": (), "ping": None},
    "gateway": {
        "kill": ("reason",),
        "unkill": (),
        "cancel_all": (),
        "reconcile": ("within_ms",),
        "reconciled": (),
        "settle": ("order", "as", "venue_id", "filled"),
        "place": (
            *("symbol", "side", "qty", "price", "tif", "post_only", "reduce_only", "position_side"),
            *("trigger", "trigger_by", "kind", "stop_loss", "take_profit", "expire_ns"),
            *("orders", "dry_run", "until_ns"),
        ),
        "check_order": (
            *("symbol", "side", "qty", "price", "tif", "post_only", "reduce_only", "position_side"),
            *("trigger", "trigger_by", "kind", "stop_loss", "take_profit", "expire_ns"),
        ),
        "cancel": ("order", "symbol", "dry_run"),
        "close": ("symbol", "subaccount", "position_side", "qty", "dry_run"),
        "flatten": ("symbol", "reason", "dry_run"),
        "place_stops": ("symbol", "side", "position_side", "trigger_by", "stops"),
        "cancel_stops": ("orders",),
        "take_share": ("order", "qty", "price"),
        "leverage": ("symbol", "leverage"),
        "leverages": ("symbol",),
        "order": ("order",),
        "quote": ("symbol",),
        "latency": (),
        "halt": HALT_FIELDS,
        "lift_halt": ("id", "reason"),
        "halts": (),
        "unprotected": ("symbol", "since"),
        "guardian_lease": ("until_ns", "epoch"),
        "end_cycle": ("key", "subaccount"),
        "transfer": tuple(TRANSFER_FIELDS),
        "check_transfer": tuple(TRANSFER_FIELDS),
        "transfers": ("id",),
        "wallets": (),
        "arrival": tuple(ARRIVAL_FIELDS),
        **dict.fromkeys(MONEY_COMMANDS, _MOVES),
        "strategy_balance": ("cmd", *dict.fromkeys((*_MOVES, *TRANSFER_FIELDS))),
        "ping": None,
    },
}


def command_schemas() -> dict[str, dict[str, Any]]:
    """Returns the schemas by `kind command`: one line to `<home>/run/<process>.sock`."""
    return {
        f"{kind} {name}": _request(kind, name, fields)
        for kind, commands in COMMANDS.items()
        for name, fields in commands.items()
    }


def _request(kind: str, name: str, fields: tuple[str, ...] | None) -> dict[str, Any]:
    described: dict[str, Any] = {"type": "object"}
    if fields is not None:
        described["properties"] = {field: _KINDS.get(field, _TEXT) for field in fields}
        described["additionalProperties"] = False
    return {
        "title": f"{kind} {name}",
        "type": "object",
        "properties": {
            "do": {"const": "command"},
            "id": {**_TEXT, "minLength": 1, "maxLength": 128},
            "target": _TEXT,
            "command": {"const": name},
            "actor": _TEXT,
            "token": _TEXT,
            "fields": described,
            "deadline_ns": {"type": "integer", "description": "ns UTC; not executed after it"},
        },
        "required": ["actor", "command", "do", "id", "target", "token"],
    }


def answer_schema() -> dict[str, Any]:
    """Returns the schema of an answer, also of `onetape send --json`."""
    error = {
        "type": "object",
        "properties": {"code": {"type": "integer"}, "name": _TEXT, "message": _TEXT},
        "required": ["code", "message", "name"],
    }
    return {
        "title": "answer",
        "type": "object",
        "properties": {
            "id": _TEXT,
            "status": {"enum": ["applied", "refused", "duplicate", "timeout"]},
            "result": {},
            "error": {"anyOf": [error, {"type": "null"}]},
            "process": _TEXT,
        },
        "required": ["error", "id", "result", "status"],
    }
