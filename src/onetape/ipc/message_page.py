"""All messages in one document, and the page that shows them."""

from __future__ import annotations

from typing import Any, Final

from onetape.ipc.messages import COMMANDS, answer_schema, command_schemas
from onetape.tape.messages import DRAFT, event_schemas
from onetape.tape.schema import built_in

__all__ = ["messages", "page"]

# Words of the robot that this system's first list of requirements was read from, and ours.
OTHER_NAMES: Final = (
    ("data", "`quote`, `trade`, `book`, `bar`, `mark`; `external` for what is no market"),
    ("new_order", "`order_request` of kind `place`"),
    ("cancel_order", "`order_request` of kind `cancel`; `amend` has no counterpart"),
    ("new_reply", "`order_event`: `accepted`, `rejected`, `denied`; the words of a refusal: `reply`"),
    ("cancel_reply", "`order_event`: `canceled`, `cancel_rejected`"),
    ("trade_reply", "`fill`"),
    ("timer", "`timer`"),
    ("control", "`command` and its `reply`"),
    ("session_status", "`health`: of processes, feeds, gateways, trading hours"),
    ("system", "`alert`, `health`, `params`, `input`, `log`"),
)
_HEAD: Final = """# Messages

Made by `make docs` from the layouts in the code; a test compares. The same as JSON Schema (draft
2020-12): [messages.json](messages.json), or `onetape journal schema [TYPE]`.

An event is a frame of a tape; its schema is that of a line of `onetape journal cat TAPE --jsonl`.
Times are ns UTC. Prices, sizes and money are decimal text; where the tape does not have the
instrument they are integers as they lie there. A field that is called as one of the frame's
(`type`, `time`, ...) has the event's first word before it: `order_type`. Keys are added, none is
renamed: ignore what you do not know.

**A type that a version does not know** is read by the tape's own schemas and printed as `type_N`;
it harms neither `verify` nor a replay nor a robot, and the report of a run over it counts it.
"""


def messages() -> dict[str, Any]:
    """{"events": by name, "commands": by `kind command`, "answer"}."""
    return {
        "$schema": DRAFT,
        "title": "onetape messages",
        "events": event_schemas(),
        "commands": command_schemas(),
        "answer": answer_schema(),
    }


def page() -> str:
    """docs/reference/messages.md."""
    lines = [_HEAD, "## Events", "", "| event | number | says |", "|---|---|---|"]
    for schema in built_in().values():
        described = event_schemas()[schema.name]
        own = [
            key
            for key in described["properties"]
            if key not in ("sequence", "time", "type", "flags", "stream", "symbol")
        ]
        what = ", ".join(f"`{key}`" for key in own) or "what the strategy keeps"
        lines.append(f"| `{schema.name}` | {schema.id} | {what} |")
    lines += [
        "",
        "## Commands",
        "",
        "One line of JSON to the socket of a process ([how](../concepts/commands.md)):",
        "`{do: command, id, target, command, actor, token, fields, deadline_ns}`. Its answer:",
        "`{id, status, result, error}`.",
        "",
        "| to | command | fields |",
        "|---|---|---|",
    ]
    for kind, commands in COMMANDS.items():
        for name, fields in commands.items():
            shown = "any" if fields is None else ", ".join(f"`{each}`" for each in fields)
            lines.append(f"| {kind} | `{name}` | {shown} |")
    lines += [
        "",
        "A gateway knows `VENUE_strategy_balance` as well, for each name of its venue.",
        "",
        "## Other names",
        "",
        "Where another event-driven robot speaks of one thing, and what it is here:",
        "",
        "| there | here |",
        "|---|---|",
    ]
    lines += [f"| {there} | {ours} |" for there, ours in OTHER_NAMES]
    return "\n".join(lines) + "\n"
