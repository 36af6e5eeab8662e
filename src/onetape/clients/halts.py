"""Lists, sets and lifts the halts of all accounts at their gateways, and reads their history."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from onetape.ipc.command_tape import PastCommand, commands_in
from onetape.ipc.operator import glance, send_command
from onetape.model.errors import (
    BY_CODE,
    BadConfig,
    OnetapeError,
    PermissionDenied,
    ProcessDown,
    ServiceTimeout,
    UsageError,
)
from onetape.model.home import gateway_journal
from onetape.model.sections import Config
from onetape.orders.halts import Level, Scope, danger_id, halt_of
from onetape.projections.once import Once

__all__ = ["HeldHalts", "halts", "lift", "merged", "past_halts", "set_danger", "stops_now"]

_EVENTS: Final = {"halt": "begun", "lift_halt": "lifted"}  # by command


class HeldHalts(NamedTuple):
    """The halts of all gateways, each once, the oldest first, with its `accounts`. away: why a gateway does not answer;
    its halts are missing."""

    rows: list[dict[str, Any]]
    away: OnetapeError | None = None


def halts(home: Path, config: Config) -> HeldHalts:
    """Returns the current halts. Raises ProcessDown or ServiceTimeout if no gateway answers."""
    answers: dict[str, list[dict[str, Any]]] = {}
    away: OnetapeError | None = None
    for account in config.accounts:
        try:
            answers[account] = _answer(home, account, "halts", {})["halts"]
        except (ProcessDown, ServiceTimeout) as error:  # others may answer
            away = error
    if not answers and away is not None:
        raise away
    return HeldHalts(merged(answers), away)


def stops_now(home: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Returns the halts of the gateways that answer within a second, and by account why its kill switch is on."""
    answers = {each["process"].partition(":")[2]: each["result"] for each in glance(home, "gateway", "halts")}
    there = {account: result for account, result in answers.items() if result}
    killed = {account: result["killed"] for account, result in sorted(there.items()) if result.get("killed")}
    return merged({account: result["halts"] for account, result in there.items()}), killed


def merged(by_account: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Returns the gateways' halts, each once with the accounts that have it, the oldest first. A gateway of an older
    release reports no level: its halts allow only reductions."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for account, rows in by_account.items():
        for row in ({"level": int(Level.REDUCE), **each} for each in rows):
            listed = found.setdefault((row["id"], row["level"]), {**row, "accounts": []})
            listed["accounts"].append(account)
            listed["until"] = 0 if not (listed["until"] and row["until"]) else max(listed["until"], row["until"])
    return sorted(found.values(), key=lambda row: (row["since"], row["id"]))


def lift(home: Path, config: Config, id_: str, reason: str) -> HeldHalts:
    """Lifts a halt at each gateway that has it, and returns the lifted halt. Raises UsageError if none has it, and a
    gateway's refusal, after all were asked."""
    found, away = halts(home, config)
    lifted = [row for row in found if row["id"] == id_]
    if not lifted:
        raise away or UsageError(
            f"no present halt {id_[:80]!r}", location="halts lift", todo="onetape halts lists them"
        )

    def do(account: str) -> bool:
        _answer(home, account, "lift_halt", {"id": id_, "reason": reason})
        return True

    _at_each([account for row in lifted for account in row["accounts"]], do)
    return HeldHalts(lifted, away)


def set_danger(home: Path, config: Config, level: int, fields: Mapping[str, str], account: str) -> HeldHalts:
    """Sets the danger level of a subject at the gateway of `account`, "": at each, and returns the halts there. level:
    0 lifts it. Raises a gateway's refusal, after all were asked; UsageError if there was none to lift."""
    named = [(Scope(name), fields[name]) for name in ("symbol", "strategy") if fields.get(name)]
    if len(named) > 1:
        raise UsageError("a danger level takes a symbol or a strategy, not both", location="halts level")
    scope, subject = named[0] if named else (None, "")
    if account and account not in config.accounts:
        raise UsageError(f"no account {account[:80]!r}, but {', '.join(config.accounts)}", location="halts level")

    def do(name: str) -> bool:
        id_ = danger_id(scope or Scope.ACCOUNT, subject or name)
        if level:
            _answer(home, name, "halt", {**fields, "level": level})
        elif any(each["id"] == id_ for each in _answer(home, name, "halts", {})["halts"]):
            _answer(home, name, "lift_halt", {"id": id_, "reason": fields["reason"]})
        else:
            return False
        return True

    if not _at_each([account] if account else config.accounts, do):
        raise UsageError("no danger level is set there", location="halts level", todo="onetape halts lists them")
    return halts(home, config)


def past_halts(home: Path, config: Config) -> list[dict[str, Any]]:
    """Returns the begins and lifts of halts, from the gateways' tapes, the oldest first; `ts` ns UTC, `event` begun or
    lifted, `actor`, `reason`. A halt that has an `until` and was not lifted ended then."""
    rows = []
    for account in config.accounts:
        begun: dict[str, dict[str, Any]] = {}
        for each in commands_in(gateway_journal(home, account), Once()):
            if each.command not in _EVENTS or each.status not in ("applied", ""):
                continue
            halt = each.result if each.result is not None else _done(each, account, begun)
            if halt is None:
                continue
            begun[halt["id"]] = halt
            by = {"actor": each.actor, "reason": str(each.fields.get("reason") or "")}
            of = {"ts": each.time, "account": account, "event": _EVENTS[each.command]}
            rows.append({"level": int(Level.REDUCE), **of, **halt, **by})
    return sorted(rows, key=lambda row: (row["ts"], row["account"]))


def _at_each(accounts: Iterable[str], do: Callable[[str], bool]) -> bool:
    """Executes `do` at each gateway, also after one refuses; returns whether one has acted. do: returns False if there
    was nothing to do. Raises a gateway's refusal; BadConfig (the gateway does not have the subject) only if none has
    acted."""
    failed: OnetapeError | None = None
    lacking: BadConfig | None = None
    done = False
    for account in accounts:
        try:
            done = do(account) or done
        except BadConfig as error:
            lacking = error
        except OnetapeError as error:
            failed = error
    if failed is not None:
        raise failed
    if lacking is not None and not done:
        raise lacking
    return done


def _done(command: PastCommand, account: str, begun: Mapping[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Returns the halt of a command that a gateway took before it was killed without a reply: its next incarnation has
    carried it out. begun: halts by id. None: the halt is no longer on the tape."""
    if command.command != "halt":
        return begun.get(str(command.fields["id"]))
    return halt_of(command.fields, actor=command.actor, account=account, time=command.time).as_json()


def _answer(home: Path, account: str, command: str, fields: dict[str, Any]) -> Any:
    """Sends a command to a gateway and returns its result. Raises the gateway's refusal, ProcessDown if none runs."""
    (reply,) = send_command(home, f"gateway:{account}", command, fields, uuid.uuid4().hex)
    if (error := reply["error"]) is not None:
        raise BY_CODE.get(error["code"], PermissionDenied)(error["message"], location=f"gateway:{account}")
    return reply["result"]
