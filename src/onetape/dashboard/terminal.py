"""The overview in a terminal, and its keys: `onetape top`. `Top` is pure, `watch` owns the terminal."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from onetape.dashboard.overview import first_look
from onetape.dashboard.reader import Reader
from onetape.ipc.stop_signals import stop_signals
from onetape.ipc.system import CommandResult
from onetape.model.sections import OPERATOR, Config
from onetape.model.shown import shown
from onetape.options.recorder import has_recorder, recorder_options

__all__ = ["Top", "watch"]

LOOK_S: Final = 1.0
KILL_WITHIN_S: Final = 15.0  # for a gateway that is away to come back
ACK_WITHIN_S: Final = 5.0
CHOICES: Final = 9  # alerts selected by a digit
RED_MAX: Final = 12  # lines
KEYS: Final = "K kill switch   a acknowledge   q quit"
QUIT: Final = "quit"
KILL: Final = "kill"
ESCAPE: Final = "\x1b"
_STYLES: Final = {"CRITICAL": "bold red", "WARN": "yellow"}


class Top:
    """The screen and the typed input. said: the text of the last line."""

    def __init__(self) -> None:
        self.view: dict[str, Any] | None = None
        self.alerts: Sequence[Mapping[str, Any]] = ()
        self.said = ""
        self._typed: str | None = None  # towards the kill switch
        self._offered: list[str] | None = None  # alerts as their digits named them when `a` was pressed

    # --- keys -------------------------------------------------------------------------------------

    def key(self, key: str) -> str:
        """Handles a key and returns the action: QUIT, KILL, an alert's id to acknowledge, "": none."""
        if self._typed is not None:
            return self._type(key)
        if self._offered is not None:
            offered, self._offered = self._offered, None
            number = int(key) if key.isdecimal() else 0
            return offered[number - 1] if 0 < number <= len(offered) else ""
        self.said = ""
        match key:
            case "q" | "\x04":
                return QUIT
            case "K":
                self._typed = ""
            case "a" if self.alerts:
                self._offered = [str(each["id"]) for each in self.alerts[:CHOICES]]
            case "a":
                self.said = "no open alert is left to acknowledge"
        return ""

    def _type(self, key: str) -> str:
        assert self._typed is not None
        if key in ("\r", "\n", ESCAPE):
            typed, self._typed = self._typed, None
            if typed == KILL and key != ESCAPE:
                return KILL
            self.said = "nothing is done"
        elif key in ("\x7f", "\x08"):
            self._typed = self._typed[:-1]
        elif key.isprintable():
            self._typed = (self._typed + key)[-len(KILL) - 4 :]
        return ""

    # --- the screen -------------------------------------------------------------------------------

    def screen(self) -> Group:
        if self.view is None:
            return Group(Text("reading ..."))
        view = self.view
        return Group(
            self._head(view),
            _money(view["equity"]),
            _robots(view["robots"]),
            _risk(view["risk"]),
            *self._red(view["red"]),
            *self._alerts(),
            self._foot(),
        )

    def _head(self, view: Mapping[str, Any]) -> Text:
        counts, stops = view["counts"], view["counts"]["stops"]
        at = datetime.fromtimestamp(view["at"] / 1000, UTC)
        words = f"onetape   {at:%Y-%m-%d %H:%M:%S} UTC   {counts['running']} of {counts['processes']} processes run"
        words += f"   {counts['orders']} orders work"
        if stops is not None:
            words += f"   {stops['protected']} of {stops['positions']} positions protected"
        return Text(words, style="bold")

    def _red(self, rows: Sequence[Mapping[str, Any]]) -> list[Text]:
        found = [each for each in rows if each["kind"] != "alert"]  # alerts have their own list, with digits
        lines = [
            Text(shown(f"{each['severity']:<8} {each['subject']}: {each['text']}"), _STYLES.get(each["severity"], ""))
            for each in found[:RED_MAX]
        ]
        return [*lines, *([Text(f"{len(found) - RED_MAX} more")] if len(found) > RED_MAX else [])]

    def _alerts(self) -> list[Text]:
        lines = []
        for number, each in enumerate(self.alerts[:CHOICES], 1):
            since = datetime.fromtimestamp(each["since"] / 10**9, UTC)
            words = f"{number} {each['severity']:<8} {since:%H:%M:%S} {each['subject']}: {each['message']}"
            lines.append(Text(shown(words), style=_STYLES.get(each["severity"], "")))
        if len(self.alerts) > CHOICES:
            lines.append(Text(f"{len(self.alerts) - CHOICES} more alerts: onetape alerts"))
        return lines or [Text("no alert", style="dim")]

    def _foot(self) -> Text:
        if self._typed is not None:
            return Text(f"cancel all orders and refuse new risk? type kill and Enter, Esc: no   {self._typed}_", "bold")
        if self._offered is not None:
            return Text(f"acknowledge which: 1 to {len(self._offered)}, any other key: none", "bold")
        return Text(f"{KEYS}   {shown(self.said)}", style="reverse")


def _table(*heads: str) -> Table:
    """Makes a table. The first column and those of `state` and `holds` are text, the others numbers."""
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for number, head in enumerate(heads):
        made.add_column(
            Text(head), justify="right" if number and head not in ("state", "holds") else "left", no_wrap=True
        )
    return made


def _row(table: Table, *cells: object) -> None:
    table.add_row(*(Text("-" if each in (None, "") else shown(str(each))) for each in cells))


def _money(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("equity", "total", "today", "", "fees", "funding", "open")
    for each in rows:
        share = None if each["day_share"] is None else f"{round(each['day_share'], 4) + 0.0:+.2%}"
        figures = [_amount(each[name]) for name in ("fees", "funding", "unrealized")]
        part = " (part)" if each["lacking"] else ""  # the problems name the accounts without figures
        _row(table, f"{each['currency']}{part}", _amount(each["equity"]), _amount(each["day"], "+"), share, *figures)
    return table


def _robots(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("robot", "state", "profit", "orders", "fills", "holds")
    for each in rows:
        held = ", ".join(f"{one['qty']} {one['symbol']}" for one in each["positions"])
        state = each["status"] or each["state"]
        _row(table, each["name"], state, _amount(each["profit"], "+"), each["orders"], each["fills"], held)
    return table


def _risk(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("account", "equity", "open", "leverage", "margin", "drawdown", "age")
    for each in rows:
        leverage = None if each["leverage"] is None else f"{each['leverage']:.2f}x"
        drawdown = None if each["drawdown"] is None else f"{float(each['drawdown']):.2%}"
        age = None if each["age"] is None else f"{each['age'] / 1000:.1f} s"
        equity = each["equity"] and f"{_amount(each['equity'])} {each['currency']}"
        gross = _amount(each["gross"])
        _row(table, each["account"], equity, gross, leverage, f"{each['utilization']:.1%}", drawdown, age)
    return table


def _amount(text: str | None, sign: str = "") -> str | None:
    return None if text is None else f"{round(float(text), 2) + 0.0:{sign},.2f}"  # no minus before a zero


# --- the terminal ---------------------------------------------------------------------------------


def watch(config: Config, home: Path, folder: Path) -> None:
    """Draws the overview each second until `q`. Raises the errors of the reader's parts."""
    url = ""
    if has_recorder(config):
        url = recorder_options(config, home=home, folder=folder, environ=os.environ).url
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        asyncio.run(_watch(Reader(OPERATOR, config, home, records=url, folder=folder)))
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


async def _watch(reader: Reader) -> None:
    top, stopped, loop = Top(), asyncio.Event(), asyncio.get_running_loop()
    doing: set[asyncio.Task[None]] = set()
    with Live(top.screen(), console=Console(emoji=False), screen=True, auto_refresh=False) as live:

        def draw() -> None:
            live.update(top.screen(), refresh=True)

        def keys() -> None:
            pressed = os.read(sys.stdin.fileno(), 64).decode(errors="ignore")
            if not pressed:  # the terminal is gone
                stopped.set()
            # An arrow or a paste is no Esc: its bytes come together.
            for key in pressed if len(pressed) == 1 or ESCAPE not in pressed else "":
                if (action := top.key(key)) == QUIT:
                    stopped.set()
                elif action:
                    task = asyncio.ensure_future(_act(top, reader, action, draw))
                    doing.add(task)
                    task.add_done_callback(doing.discard)
            draw()

        loop.add_reader(sys.stdin.fileno(), keys)
        for number in stop_signals():
            loop.add_signal_handler(number, stopped.set)
        try:
            while not stopped.is_set():
                look = await reader.look()
                top.view, top.alerts = first_look(look), list(look.alerts)[::-1]
                draw()
                try:
                    await asyncio.wait_for(stopped.wait(), LOOK_S)
                except TimeoutError:
                    continue
            await asyncio.gather(*doing)  # running commands are finished
        finally:
            loop.remove_reader(sys.stdin.fileno())
            await reader.close()


async def _act(top: Top, reader: Reader, action: str, draw: Callable[[], None]) -> None:
    """Sends an action as the operator, and shows its result."""
    send = reader.commands.send_command
    top.said = "sending ..."
    answers: list[CommandResult]
    if action == KILL:
        targets = [f"gateway:{name}" for name in reader.config.accounts]
        fields = {"reason": "onetape top"}
        answers = await asyncio.gather(*(send(each, "kill", fields, timeout=KILL_WITHIN_S) for each in targets))
    else:
        targets = [f"alert {action}"]
        answers = [await send("supervisor", "ack", {"id": action}, timeout=ACK_WITHIN_S)]
    top.said = "   ".join(
        f"{target}: {each.error['message'] if each.error else each.status}"
        for target, each in zip(targets, answers, strict=True)
    )
    draw()
