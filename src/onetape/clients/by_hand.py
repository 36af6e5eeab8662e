"""Trading by hand from the command line: chooses the gateway, sends the command, and follows the orders.

A close may take several rounds: working orders have to be canceled at the venue before a position can be closed, and
the venue limits the size of one order. Each round is a command of its own, on the tape like the first.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.clients.by_hand_prices import Extreme, Market, interval_of, needs_market, orders_of
from onetape.clients.gateway import GatewayClient
from onetape.ipc.operator import send_command
from onetape.model.decimals import scaled
from onetape.model.enums import EventType
from onetape.model.errors import (
    BY_CODE,
    BadConfig,
    OnetapeError,
    OrderOutcomeUnknown,
    PermissionDenied,
    PositionLimit,
    ProcessDown,
    ReduceOnlyViolated,
    SelfTrade,
    ServiceTimeout,
    UsageError,
    VenueRejected,
    VenueUnavailable,
)
from onetape.model.home import gateway_journal
from onetape.model.sections import OPERATOR, Config
from onetape.model.symbol import exchange_of
from onetape.orders.order_frames import HISTORY_WITHIN_S, OPEN_FLAG
from onetape.tape.journal import JournalReader
from onetape.tape.payloads import fields
from onetape.tape.pruned import read_pruned
from onetape.tape.segments import is_tape

__all__ = ["ByHand"]

SETTLED_WITHIN_S: Final = 5.0  # until the venue has answered about an order
ROUNDS_WITHIN_S: Final = 20.0  # until no position or order is left
LOOK_S: Final = 0.1
FIRST_LOOK_S: Final = 0.005  # doubled up to LOOK_S: a near venue answers in tens of milliseconds
FINAL: Final = frozenset({"FILLED", "CANCELED", "REJECTED", "DENIED", "EXPIRED", "ended"})
NOT_YET: Final = frozenset({"INITIALIZED", "SUBMITTED", "PENDING_CANCEL"})
REFUSED: Final = frozenset({"DENIED", "REJECTED"})
# Refusals that may be gone in the next round.
PASSES: Final = frozenset(
    each.code for each in (SelfTrade, ReduceOnlyViolated, VenueUnavailable, OrderOutcomeUnknown, PositionLimit)
)

# Rules that no longer refuse once the cancels of the same command are done.
MAKES_WAY: Final = frozenset((SelfTrade.code, ReduceOnlyViolated.code))


BARS_LOOK_S: Final = 0.02
_HIGH_AND_LOW: Final = fields("history", "high", "low")
ANSWERED_WITHIN_S: Final = HISTORY_WITHIN_S + 4.0  # a running gateway answers within this time in any case


def extreme_of(home: Path, account: str, symbol: str, which: str, span: int) -> int:
    """Returns the lowest or highest price in units. which: "low" or "high"; span: ns until now; the bar in which it
    begins counts as a whole. Raises ProcessDown, UsageError, VenueUnavailable if not all bars can be had."""
    period = interval_of(span)
    count = -(-span // period)
    client = GatewayClient(home, account)
    after = client.ask("history", robot=0, now=time.time_ns(), wanted=[[symbol, period, count]])["after"]
    path, deadline = gateway_journal(home, account), time.monotonic() + ANSWERED_WITHIN_S
    bars: dict[int, tuple[int, int, int]] = {}  # by frame: low, high and flags
    why = "the gateway does not answer"
    with JournalReader(path) as reader:
        reader.seek_sequence(after + 1)
        while time.monotonic() < deadline:
            for frame in reader.frames(("history", "reply")):
                if frame.type != EventType.REPLY.id:
                    high, low = _HIGH_AND_LOW.unpack(frame.payload)
                    bars[frame.sequence] = low, high, frame.flags
                    continue
                said = msgspec.msgpack.decode(frame.payload)
                if (said.get("robot"), said.get("symbol"), said.get("period")) == (0, symbol, period):
                    if said["bars"] < count:  # it may be the answer to another requester
                        why = f"{said['bars']} of {count} bars came: {said['reason'] or 'the venue has no more'}"
                        continue
                    rows = [bars[number] for number in range(said["first"], said["last"] + 1)]
                    closed = [each for each in rows if not each[2] & OPEN_FLAG][-count:]
                    found = closed + [each for each in rows if each[2] & OPEN_FLAG]
                    return min(each[0] for each in found) if which == "low" else max(each[1] for each in found)
            time.sleep(BARS_LOOK_S)
    raise VenueUnavailable(why, location=symbol)


class ByHand:
    """Executes one command line. id_: the command's id, "": a new one; repeating an id has no further effect. actor:
    the sender."""

    def __init__(self, home: Path, config: Config, id_: str = "", actor: str = OPERATOR) -> None:
        self._home, self._config, self._actor = home, config, actor
        self.id = id_ or uuid.uuid4().hex
        self.value: dict[str, Any] = {"id": self.id, "status": "applied", "orders": [], "checks": []}
        self.error: OnetapeError | None = None
        self.killed: list[str] = []  # accounts whose kill switch this command has turned on
        self._broken: list[dict[str, Any]] = []  # failed checks of a dry run

    # --- verbs ------------------------------------------------------------------------------------

    def place(self, symbol: str, account: str, fields: dict[str, Any]) -> None:
        """Places one order or a ladder; for a dry run the status is `passed` or `refused`."""
        target = self._account(symbol, account)
        steps, every = fields.pop("steps", None), fields.pop("every", None)
        wanted = {**fields, "steps": steps, "every": every}
        if every is not None and steps is None:
            raise UsageError("--every needs --steps")
        if needs_market(wanted):
            del fields["qty"]
            prices = {name: fields.pop(name, None) for name in ("price", "trigger")}
            fields["orders"] = orders_of({**wanted, **prices}, *self._market(target, symbol))
        reply = self._ask(target, "place", {"symbol": symbol, **fields}, self.id)
        if reply is not None:
            self._take(target, reply)
            self._follow(target)
        self._judge(is_dry=bool(fields.get("dry_run")))

    def cancel(self, order: str, symbol: str, account: str, *, everything: bool, dry_run: bool = False) -> None:
        """Cancels one order by its client or venue id, all orders of a symbol, or all; never foreign orders. Without an
        account: at each that may have the order. In a dry run `orders` are those that would be canceled.
        """
        if sum((bool(order), bool(symbol), everything)) != 1:
            raise UsageError("cancel takes one of ID, --symbol and --all")
        targets = [self._account(symbol, account)] if symbol else self._accounts(account)
        fields: dict[str, Any] = {"order": order} if order else {"symbol": symbol or "*"}
        if dry_run:
            fields["dry_run"] = True
        is_found, unreached = False, None
        for target in targets:
            reply = self._ask(target, "cancel", fields, self.id)
            if isinstance(self.error, ProcessDown | ServiceTimeout):
                unreached = self.error
            if reply is not None:
                is_found = True
                self._take(target, reply)
                if not dry_run:
                    self._follow(target, until_final=True)
        if order and is_found:  # the other gateways do not know that order
            self.error = None
        elif unreached is not None:  # this gateway may have it
            self.error = unreached
        self._judge(is_dry=dry_run)

    def close(
        self, symbol: str, account: str, subaccount: str, *, dry_run: bool, position_side: str | None = None
    ) -> None:
        """Closes positions. position_side: long or short in hedge mode; None: all. `left`: the positions that remain at
        the end; in a dry run `orders` are those that would be canceled first."""
        fields: dict[str, Any] = {"symbol": symbol, "dry_run": dry_run}
        if position_side is not None:
            fields["position_side"] = position_side
        if subaccount:
            fields["subaccount"] = subaccount
        self._rounds(self._account(symbol, account), "close", fields, once=dry_run)
        self._judge(is_dry=dry_run)

    def flatten(self, symbol: str, account: str, *, dry_run: bool = False) -> None:
        fields: dict[str, Any] = {"symbol": symbol} if symbol else {"reason": "flatten"}
        targets = [self._account(symbol, account)] if symbol else self._accounts(account)
        if len(targets) > 1 and not dry_run:  # all kill switches are turned on before the first account is flat
            for target in targets:
                self._ask(target, "kill", fields, f"{self.id}.kill")
        for target in targets:
            is_taken = self._rounds(target, "flatten", {**fields, "dry_run": True} if dry_run else fields, once=dry_run)
            if is_taken and not symbol and not dry_run and self._is_killed(target):
                self.killed.append(target)
        self._judge(is_dry=dry_run)

    def leverages(self, symbol: str, account: str) -> dict[str, Any]:
        """Returns the last `leverage` set (None: none) and all `changes` on the gateway's journal, their `ts` in ns
        UTC. pruned: the journal's beginning is gone, so there may have been earlier changes."""
        target = self._account(symbol, account)
        rows: list[dict[str, Any]] = []
        path = gateway_journal(self._home, target)
        if is_tape(path):
            with JournalReader(path) as reader:
                for frame in reader.frames(("command", "health")):
                    _note_leverage(rows, frame.time, msgspec.msgpack.decode(frame.payload), symbol)
        done = [row["leverage"] for row in rows if row["state"] == "set"]
        return {"symbol": symbol, "account": target, "leverage": done[-1] if done else None, "changes": rows} | {
            "pruned": read_pruned(path) is not None
        }

    def leverage(self, symbol: str, times: int, account: str) -> None:
        """Sets the leverage, and awaits the venue's answer; the value has `symbol`, `leverage`, `state` and
        `reason`."""
        target = self._account(symbol, account)
        del self.value["orders"], self.value["checks"]
        reply = self._ask(target, "leverage", {"symbol": symbol, "leverage": times}, self.id)
        deadline = time.monotonic() + SETTLED_WITHIN_S
        while reply is not None and reply["state"] == "sent" and time.monotonic() < deadline:
            time.sleep(LOOK_S)
            (seen,) = send_command(self._home, f"gateway:{target}", "leverages", {"symbol": symbol}, uuid.uuid4().hex)
            result = seen["result"] or {}
            if result.get("command", self.id) != self.id:
                raise UsageError("another leverage was set meanwhile", location=symbol, todo="set it again")
            reply = result if "state" in result else reply
        if reply is None:
            return
        self.value |= {name: reply[name] for name in ("symbol", "leverage", "state", "reason")}
        if reply["state"] == "refused":
            self.value["status"] = "refused"
            self.error = BY_CODE.get(reply["code"], VenueRejected)(reply["reason"])
        elif reply["state"] != "set":
            self.error = ServiceTimeout(
                "whether the venue has set the leverage is unknown: set it again", location=symbol
            )

    # --- one gateway ------------------------------------------------------------------------------

    def _ask(self, account: str, command: str, fields: dict[str, Any], id_: str) -> dict[str, Any] | None:
        """Sends a command to a gateway and returns its result; None if it was refused or not answered: `error` has the
        reason."""
        try:
            (reply,) = send_command(self._home, f"gateway:{account}", command, fields, id_, actor=self._actor)
        except ProcessDown as down:  # other accounts' gateways may run
            self.error = down
            return None
        self.value["status"] = reply["status"]
        if reply["error"] is not None:
            error = reply["error"]
            self.error = BY_CODE.get(error["code"], PermissionDenied)(error["message"])
            return None
        if reply["status"] == "timeout":
            self.error = ServiceTimeout("no answer in time", todo="send it again with the same --id")
            return None
        result: dict[str, Any] = reply["result"] or {}
        return result

    def _market(self, account: str, symbol: str) -> tuple[Market, Extreme]:
        """Returns the gateway's quote, and a function for the extremes of a span. Raises the gateway's refusal."""
        (reply,) = send_command(self._home, f"gateway:{account}", "quote", {"symbol": symbol}, uuid.uuid4().hex)
        if (error := reply["error"]) is not None:
            raise BY_CODE.get(error["code"], PermissionDenied)(error["message"])
        quote = {name: Decimal(text) for name, text in reply["result"].items()}
        decimals = int(quote.pop("price_decimals"))

        def extreme(which: str, span: int) -> Decimal:
            return scaled(extreme_of(self._home, account, symbol, which, span), decimals)

        return Market(**quote), extreme

    def _take(self, account: str, result: dict[str, Any]) -> None:
        found = {each["client_id"]: each for each in self.value["orders"]}
        found |= {each["client_id"]: {**each, "account": account} for each in result.get("orders", ())}
        self.value["orders"] = list(found.values())
        checks: list[dict[str, Any]] = result.get("checks", [])
        self.value["checks"] += checks
        yields = {each["symbol"] for each in result.get("orders", ())}  # their orders are canceled first
        self._broken += [
            each
            for each in checks
            if not each["passed"] and not (each["code"] in MAKES_WAY and each["symbol"] in yields)
        ]

    def _follow(self, account: str, *, until_final: bool = False) -> None:
        """Queries the orders until the venue has answered for each, or SETTLED_WITHIN_S is over."""
        deadline = time.monotonic() + SETTLED_WITHIN_S
        rows, pause = self.value["orders"], FIRST_LOOK_S
        while time.monotonic() < deadline:
            waiting = [at for at, row in enumerate(rows) if not _is_settled(row, until_final=until_final)]
            if not waiting:
                return
            time.sleep(pause)
            pause = min(2 * pause, LOOK_S)
            for at in waiting:
                fields = {"order": rows[at]["client_id"]}
                (reply,) = send_command(self._home, f"gateway:{account}", "order", fields, uuid.uuid4().hex)
                rows[at] |= reply["result"] or {}

    def _rounds(self, account: str, command: str, fields: dict[str, Any], *, once: bool = False) -> bool:
        """Repeats a command until no position (and for flatten no order) is left; tells whether the gateway accepted
        it."""
        deadline, number = time.monotonic() + ROUNDS_WITHIN_S, 0
        stops = command == "flatten" and "symbol" not in fields
        reply: dict[str, Any] | None
        while True:
            reply = self._ask(account, command, fields, f"{self.id}.{number}" if number else self.id)
            if reply is None:
                return bool(number)
            if number:
                reply = {**reply, "checks": []}  # the first round's checks are those of the command
            self._take(account, reply)
            number += 1
            is_over = not reply["left"] and not (command == "flatten" and reply["working"])
            stuck = any(row["state"] in REFUSED and row["code"] not in PASSES for row in reply["orders"])
            if once or is_over or stuck or time.monotonic() > deadline:
                break
            time.sleep(LOOK_S * min(number, 5))
            if stops and not self._is_killed(account):  # somebody has turned the kill switch off
                break
        if not once:
            self._follow(account)
        for name in ("left", "offsetting"):
            self.value[name] = self.value.get(name, []) + reply[name]
        return True

    def _is_killed(self, account: str) -> bool:
        """Tells whether the kill switch is on; True also without an answer: the next round reports that."""
        try:
            (reply,) = send_command(self._home, f"gateway:{account}", "halts", {}, uuid.uuid4().hex)
        except ProcessDown:
            return True
        return bool((reply["result"] or {"killed": True})["killed"])

    def _judge(self, *, is_dry: bool = False) -> None:
        """Sets the error to the first refusal among orders, or for a dry run among the rules."""
        if self.error is not None:
            if self.value["status"] in ("applied", "duplicate"):  # the status of an earlier command of this line
                self.value["status"] = "refused"
            return
        rows: Iterable[dict[str, Any]] = self.value["orders"]
        if is_dry:
            rows = self._broken
            self.value["status"] = "refused" if rows else "passed"
        elif "left" in self.value:  # a part refused in one round may have been accepted in the next
            rows = rows if self.value["left"] else ()
        broken = next((row for row in rows if row.get("state", "DENIED") in REFUSED), None)
        if broken is not None:
            self.value["status"] = "refused"
            self.error = BY_CODE.get(broken["code"], PermissionDenied)(broken["reason"])
        elif self.value.get("left") and not is_dry:
            held = ", ".join(f"{each['qty']} {each['symbol']}" for each in self.value["left"])
            self.error = ServiceTimeout(f"still held: {held}", todo="onetape positions")

    # --- accounts ---------------------------------------------------------------------------------

    def _accounts(self, account: str) -> list[str]:
        if not self._config.accounts:
            raise BadConfig(
                "no account is configured", todo="write [accounts.NAME], or name another file with --config"
            )
        if account and account not in self._config.accounts:
            there = ", ".join(self._config.accounts) or "none"
            raise BadConfig(f"no account {account!r}", location="--account", todo=f"there is: {there}")
        return [account] if account else list(self._config.accounts)

    def _account(self, symbol: str, account: str) -> str:
        """Returns the named account, or the only one at the symbol's venue."""
        named = self._accounts(account)
        if account:
            return account
        venue = symbol.partition(":")[0]
        found = [
            each
            for each in named
            if venue
            in (
                self._config.accounts[each].venue,
                exchange_of(self._config.venues[self._config.accounts[each].venue].kind),
            )
        ]
        if not found:
            venues = ", ".join(dict.fromkeys(self._config.accounts[each].venue for each in named)) or "no account"
            raise UsageError(
                f"no account trades {symbol[:60]!r}", todo=f"VENUE:SYMBOL, as binance:BTC/USDT; of {venues}"
            )
        if len(found) > 1:
            raise UsageError(
                f"{len(found)} accounts trade {symbol}", location="--account", todo=f"name one: {', '.join(found)}"
            )
        return found[0]


def _note_leverage(rows: list[dict[str, Any]], ts: int, record: dict[str, Any], symbol: str) -> None:
    """Adds a leverage command to `rows`, or the reported result `N STATE[: REASON]` to its row."""
    fields = record.get("fields") or {}
    if record.get("command") == "leverage" and fields.get("symbol") == symbol and "refused" not in record:
        by = {"actor": record["actor"], "state": "unknown", "reason": ""}
        rows.append({"ts": ts, "leverage": int(fields["leverage"]), **by})
    elif record.get("kind") == "leverage" and record["subject"] == symbol:
        words, _, reason = record["state"].partition(": ")
        times, _, state = words.partition(" ")
        for row in reversed(rows):
            if row["leverage"] == int(times):
                row |= {"state": state, "reason": reason}
                return


def _is_settled(row: dict[str, Any], *, until_final: bool) -> bool:
    if row["state"] in FINAL:
        return True
    rests = row["type"] != "market" or row.get("trigger") is not None
    return not until_final and rests and row["state"] not in NOT_YET
