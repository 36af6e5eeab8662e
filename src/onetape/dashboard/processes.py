"""Robots, the protection of their positions, and all processes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from onetape import __version__
from onetape.dashboard.reader import Reader
from onetape.dashboard.topic import Topic, Topics
from onetape.figures.market import Market as Feeds
from onetape.model.errors import OnetapeError
from onetape.model.time import HOUR, MS, SECOND

__all__ = ["Processes", "blocked"]

ALERTS: Final = 100  # ended ones
LOG_BYTES: Final = 64 << 10  # read back at most
LOG_LINES: Final = 200
GROWTH_S: Final = 600  # averaging time of the disk's growth


class Processes:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._feeds = Feeds(reader.views, reader.commands)
        self._sizes: deque[tuple[float, dict[str, int]]] = deque()  # time, bytes of each journal

    def topics(self) -> Topics:
        return {
            "robots": Topic(self._robots, 0.5),
            "guardian": Topic(self._guardian, 0.5),
            "system": Topic(self._system, 1.0),
            "logs": Topic(self._logs, 1.0),
        }

    async def _robots(self, _words: Sequence[str]) -> Any:
        """Returns each robot of the supervisor: its process, its report, its parameters, its gateway's latency."""
        reader = self._reader
        status, shown, gateways = await asyncio.gather(reader.status(), reader.robots(), reader.gateways())
        accounts = list(reader.config.accounts)
        answers = await asyncio.gather(*(reader.ask(f"gateway:{name}", "latency") for name in accounts))
        latency = dict(zip(accounts, answers, strict=True))
        rows = [each for each in status["processes"] if each["kind"] == "robot"]
        added = status.get("added", ())
        found = [self._robot(each, shown.get(each["name"], {}), latency, added) for each in rows]
        halts = reader.halts(gateways)
        return [{**each, "blocked": blocked(each, gateways, halts, now=time.time_ns())} for each in found]

    def _robot(
        self, process: dict[str, Any], shown: Mapping[str, Any], latency: Mapping[str, Any], added: Sequence[str]
    ) -> dict[str, Any]:
        name = process["name"].partition(":")[2]
        section = shown.get("section", {})  # an added robot is not in the configuration
        if (written := self._reader.config.robots.get(name)) is not None:
            section = {"strategy": written.strategy, "subaccount": written.subaccount, "accounts": written.traded_on}
        accounts = section.get("accounts") or [section.get("account", "")]
        return {
            "name": name,
            **{key: process[key] for key in ("state", "reason", "restarts", "lag", "cpu_percent", "memory_bytes")},
            "accounts": accounts,
            "subaccount": section.get("subaccount", ""),
            "file": section.get("strategy", ""),
            "is_added": name in added,
            **{
                key: shown.get(key)
                for key in ("type", "symbol", "symbols", "profit", "status", "orders", "params", "run")
            },
            "fills": shown.get("total_trades"),
            "latency": {account: ((latency.get(account) or {}).get("robots") or {}).get(name) for account in accounts},
        }

    async def _guardian(self, _words: Sequence[str]) -> Any:
        reader = self._reader
        stops, gateways = await asyncio.gather(reader.stops(), reader.gateways())
        alerts = sorted(reader.alerts(is_all=True), key=lambda row: row["since"], reverse=True)
        going = [row for row in alerts if row["cleared"] is None]
        return {
            "stops": stops,
            "gateways": [_gateway(name, each) for name, each in gateways.items()],
            "halts": [_in_ms(row, "since", "until") for row in reader.halts(gateways)],
            "alerts": [_in_ms(row, "since", "cleared", "acked") for row in going],
            "past": [_in_ms(row, "since", "cleared", "acked") for row in alerts if row["cleared"] is not None][:ALERTS],
        }

    # --- the system -----------------------------------------------------------------------------------

    async def _system(self, _words: Sequence[str]) -> Any:
        status = await self._reader.status()
        try:
            feeds: Any = await self._feeds.feeds()
            why = ""
        except OnetapeError as error:
            feeds, why = None, error.message
        sizes = await asyncio.get_running_loop().run_in_executor(None, _sizes, self._reader.home / "journal")
        disk = shutil.disk_usage(self._reader.home)
        growth = self._growth(sizes)
        total = sum(growth.values())
        return {
            "running": status["running"],
            "processes": status["processes"],
            "notes": status.get("notes", []),
            "since": status.get("since", 0) // MS or None,
            "feeds": [] if feeds is None else feeds.feeds,
            "feeds_why": why,
            "journals": [{"name": name, "bytes": size, "per_hour": growth.get(name)} for name, size in sizes.items()],
            "disk": {
                "free": disk.free,
                "total": disk.total,
                "days_left": disk.free / total / 24 if total > 0 else None,
            },
            "version": __version__,
            "home": str(self._reader.home),
        }

    def _growth(self, sizes: dict[str, int]) -> dict[str, float]:
        """Returns bytes per hour over the last minutes; empty without data."""
        now = time.monotonic()
        self._sizes.append((now, sizes))
        while self._sizes[0][0] < now - GROWTH_S:
            self._sizes.popleft()
        at, before = self._sizes[0]
        if now - at < 5:
            return {}
        return {
            name: max(size - before.get(name, size), 0) * HOUR / SECOND / (now - at) for name, size in sizes.items()
        }

    async def _logs(self, words: Sequence[str]) -> Any:
        """Returns the newest lines of the log, of one process or of all."""
        wanted = words[0] if words else ""
        path = self._reader.home / "logs" / "system.log"
        return await asyncio.get_running_loop().run_in_executor(None, _lines, path, wanted)


def blocked(
    robot: Mapping[str, Any], gateways: Mapping[str, Any], halts: Sequence[Mapping[str, Any]], *, now: int
) -> list[dict[str, Any]]:
    """Returns why a robot opens no position now: text, and until when, ms UTC, if limited. now: ns UTC; gateways: as
    `Reader.gateways`; halts: as `onetape halts`."""
    found: list[tuple[str, int]] = []
    if robot["state"] != "running":
        found.append((f"its process is {robot['state']}", 0))
    elif robot["status"] != "started":
        words = {"stopped": "it was stopped by a command", "halted": "its strategy failed"}
        found.append((words.get(robot["status"] or "", "it does not answer"), 0))
    for account in robot["accounts"]:
        if not (gateway := gateways.get(account)):
            found.append((f"the gateway of {account} does not answer", 0))
            continue
        if gateway["killed"]:
            found.append((f"the kill switch of {account} is on: {gateway['killed']}", 0))
        if gateway["lease"]["wanted"] and gateway["lease"]["until_ns"] <= now:
            found.append((f"no guardian watches {account}", 0))
        found += [(f"{symbol} at {account} has no stops", 0) for symbol in gateway["unprotected"]]
    subjects = {"symbol": set(robot["symbols"] or ()), "strategy": {robot["subaccount"]}}
    for each in halts:
        of_it = subjects.get(each["scope"])
        if set(robot["accounts"]) & set(each["accounts"]) and (of_it is None or each["subject"] in of_it):
            found.append((f"halt of {each['scope']} {each['subject']}".rstrip() + f": {each['rule']}", each["until"]))
    return [{"text": " ".join(text.split()), "until": until // MS or None} for text, until in found]


def _gateway(name: str, answer: Any) -> dict[str, Any]:
    if not answer:
        return {"account": name, "answers": False}
    lease = answer["lease"]
    return {
        "account": name,
        "answers": True,
        "killed": answer["killed"],
        "guarded": lease["wanted"],
        "lease_until": lease["until_ns"] // MS,
        "unprotected": {symbol: since // MS for symbol, since in answer["unprotected"].items()},
    }


def _in_ms(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {**row, **{name: row[name] // MS if row[name] else None for name in names}}


def _sizes(folder: Path) -> dict[str, int]:
    """Returns the disk usage of each journal."""
    found = {}
    for journal in sorted(folder.iterdir()) if folder.is_dir() else ():
        if journal.is_dir():
            stats = [each.stat() for each in os.scandir(journal) if each.is_file()]
            found[journal.name] = sum(each.st_blocks * 512 for each in stats)
    return found


def _lines(path: Path, wanted: str) -> list[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - LOG_BYTES, 0))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    rows = []
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except ValueError:  # the first line is cut
            continue
        if wanted in ("", row["process"]):
            rows.append(row)
    return rows[-LOG_LINES:][::-1]
