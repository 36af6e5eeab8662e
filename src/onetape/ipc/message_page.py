"""All messages in one document, and the page that shows them."""

from __future__ import annotations

from typing import Any, Final

from onetape.ipc.messages import COMMANDS, answer_schema, command_schemas
from onetape.tape.messages import DRAFT, event_schemas
from onetape.tape.schema import built_in

__all__ = ["messages", "page"]

# Words of the robot that this system's first list of requirements was read from, and ours.
OTHER_NAMES: Final = (
    ("data", "`quote`, `trade`, `book`, `bar`, `mark`; `external` for data that is not market data"),
    ("new_order", "`order_request` of kind `place`"),
    ("cancel_order", "`order_request` of kind `cancel`; `amend` has no counterpart"),
    ("new_reply", "`order_event`: `accepted`, `rejected`, `denied`; text of a refusal: `reply`"),
    ("cancel_reply", "`order_event`: `canceled`, `cancel_rejected`"),
    ("trade_reply", "`fill`"),
    ("timer", "`timer`"),
    ("control", "`command` and its `reply`"),
    ("session_status", "`health` of processes, feeds, gateways, trading hours"),
    ("system", "`alert`, `health`, `params`, `input`, `log`"),
)
_HEAD: Final = """# Messages

Read tapes and send commands from any language with these names and fields. [messages.json](messages.json) and
`onetape journal schema [TYPE]` have the same as JSON Schema (draft 2020-12). `make docs` generates this page.

| what | rule |
|---|---|
| event | a frame of a tape; its schema is that of a line of `onetape journal cat TAPE --jsonl` |
| time | ns UTC |
| price, size, money | decimal text; the stored integer if the tape lacks the instrument |
| a field named as one of every frame (`type`, `time`, ...) | gets the event's first word as prefix: `order_type` |
| new versions | add keys and rename none: ignore keys that you do not know |
| a type unknown to this version | printed as `type_N` by the tape's own schemas; harmless; counted in a run's report |
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
    lines = [_HEAD, "## Events", "", "| event | number | fields |", "|---|---|---|"]
    for schema in built_in().values():
        described = event_schemas()[schema.name]
        own = [
            key
            for key in described["properties"]
            if key not in ("sequence", "time", "type", "flags", "stream", "symbol")
        ]
        what = ", ".join(f"`{key}`" for key in own) or "the strategy's own keys"
        lines.append(f"| `{schema.name}` | {schema.id} | {what} |")
    lines += [
        "",
        "## Commands",
        "",
        "Send one line of JSON to the socket of a process ([how](../concepts/commands.md)):",
        "`{do: command, id, target, command, actor, token, fields, deadline_ns}`. The answer is",
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
        "A gateway also takes `VENUE_strategy_balance`, where VENUE is any name of its venue.",
        "",
        "## Other names",
        "",
        "Message names of another event-driven system, and the corresponding messages of onetape:",
        "",
        "| other system | onetape |",
        "|---|---|",
    ]
    lines += [f"| {there} | {ours} |" for there, ours in OTHER_NAMES]
    return "\n".join(lines) + "\n"
