"""A robot's recent decisions from its run's journal: signals, resulting target positions, the fate of the orders,
and the reasons if there were none; and its plotted series."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from onetape.dashboard.bars import instrument_from
from onetape.dashboard.past import folder_of
from onetape.dashboard.topic import Topic, Topics
from onetape.model.instrument import Instrument
from onetape.model.time import MS
from onetape.report.plots import series_name
from onetape.tape.journal import Frame, JournalReader

__all__ = ["Decisions"]

KEPT: Final = 60  # decisions, and refused orders
ORDERS_KEPT: Final = 1000
LOOKED_BACK: Final = 20_000  # frames before the first look
RUNS_KEPT: Final = 4
TEXT_MAX: Final = 300
PLOTS_KEPT: Final = 12  # plotted series
POINTS_KEPT: Final = 500
ENDED: Final = ("CANCELED", "EXPIRED", "REJECTED")


class Decisions:
    """Follows the viewed runs. home: of the runs."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="decisions")
        self._runs: OrderedDict[str, _Followed] = OrderedDict()

    async def close(self) -> None:
        self._thread.shutdown()
        for each in self._runs.values():
            each.reader.close()

    def topics(self) -> Topics:
        return {"decisions": Topic(self._look, 0.5)}

    async def _look(self, words: Sequence[str]) -> Any:
        """Returns the last decisions and refused orders, the newest first, and the plotted series. words: a run's
        name."""
        folder = folder_of(self._home, "runs", words[0] if words else "")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, folder)

    def _read(self, folder: Path) -> Mapping[str, Any]:
        run = self._runs.get(folder.name)
        if run is not None and run.is_behind:
            self._runs.pop(folder.name).reader.close()
            run = None
        if run is None:
            run = self._runs[folder.name] = _Followed(folder / "journal")
        self._runs.move_to_end(folder.name)
        while len(self._runs) > RUNS_KEPT:
            self._runs.popitem(last=False)[1].reader.close()
        return run.look()


class _Followed:
    def __init__(self, journal: Path) -> None:
        self.reader = JournalReader(journal)
        self.reader.seek_sequence(max(1, self.reader.last_sequence - LOOKED_BACK))
        # By number, oldest first. A decision is a signal, or a target without one.
        self._signals: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._targets: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._orders: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._refused: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._plots: dict[str, deque[tuple[int, float | None]]] = {}
        self._instruments: dict[int, Instrument] = {}

    @property
    def is_behind(self) -> bool:
        """Returns whether reading must begin anew: the journal was replaced, or has more new frames than a first look
        reads."""
        return self.reader.is_gone or self.reader.last_sequence - self.reader.next_sequence > LOOKED_BACK

    def look(self) -> Mapping[str, Any]:
        fold: dict[str, Callable[[Frame, dict[str, Any]], None]] = {
            "instrument": self._learn,
            "signal": self._signal,
            "target": self._target,
            "order_request": self._request,
            "order_event": self._event,
            "fill": self._fill,
            "plot": self._plot,
        }
        for frame in self.reader.frames(fold):
            schema = self.reader.schemas.of(frame.type)
            fold[schema.name](frame, schema.decode(frame.payload))
        targets = [each for each in self._targets.values() if each["of"] not in self._signals]
        decisions = sorted([*self._signals.values(), *targets], key=lambda each: each["sequence"], reverse=True)
        plots = [{"name": name, "points": list(points)} for name, points in self._plots.items()]
        return {"decisions": decisions[:KEPT], "refused": list(self._refused.values())[::-1], "plots": plots}

    def _signal(self, frame: Frame, data: dict[str, Any]) -> None:
        facts = ", ".join(f"{name} {value}" for name, value in data["facts"].items())
        row = _decision(frame, data["symbol"]) | {"direction": data["direction"], "facts": facts[:TEXT_MAX]}
        _keep(self._signals, data["id"], row, KEPT)

    def _target(self, frame: Frame, data: dict[str, Any]) -> None:
        row = _decision(frame, data["symbol"]) | {"of": data["signal"], "targets": [data["qty"]]}
        _keep(self._targets, data["id"], row, KEPT)
        if (signal := self._signals.get(data["signal"])) is not None:
            signal["targets"] = [*signal["targets"], data["qty"]][-KEPT:]
            row["orders"] = signal["orders"]

    def _request(self, frame: Frame, data: dict[str, Any]) -> None:
        if data["kind"] != "place":
            return
        instrument = self._instrument(frame.stream)
        row = {
            "sequence": frame.sequence,
            "at": frame.time // MS,
            "symbol": instrument.symbol,
            "side": data["side"],
            "type": data["type"],
            "qty": instrument.size_text(data["size"]),
            "price": instrument.price_text(data["price"]) if data["price"] else None,
            "state": "SUBMITTED",
            "filled": 0,
            "size": data["size"],
        }
        _keep(self._orders, data["order_id"], row, ORDERS_KEPT)
        links = data.get("more") or {}
        for number, decisions in ((links.get("target"), self._targets), (links.get("signal"), self._signals)):
            found = decisions.get(number or 0)
            if found is not None and row not in found["orders"]:  # a target shares the list of its signal
                found["orders"].append(row)
                del found["orders"][:-KEPT]

    def _event(self, frame: Frame, data: dict[str, Any]) -> None:
        if (row := self._orders.get(data["order_id"])) is None:
            return
        row["state"] = data["state"]
        if data["state"] in ("DENIED", "REJECTED"):
            row |= {"code": data["code"], "reason": str((data.get("more") or {}).get("reason", ""))[:TEXT_MAX]}
            _keep(self._refused, data["order_id"], {**row, "sequence": frame.sequence}, KEPT)

    def _fill(self, frame: Frame, data: dict[str, Any]) -> None:
        if (row := self._orders.get(data["order_id"])) is not None:
            row["filled"] += data["size"]
            if row["state"] not in ENDED:  # a fill may come after the end
                row["state"] = "FILLED" if row["filled"] >= row["size"] else "PARTIALLY_FILLED"

    def _plot(self, frame: Frame, data: dict[str, Any]) -> None:
        name = series_name(data)
        if name in self._plots or len(self._plots) < PLOTS_KEPT:
            self._plots.setdefault(name, deque(maxlen=POINTS_KEPT)).append((frame.time // MS, data["value"]))

    def _learn(self, frame: Frame, data: dict[str, Any]) -> None:
        self._instruments[frame.stream] = instrument_from(data)

    def _instrument(self, stream: int) -> Instrument:
        if stream not in self._instruments:
            self._instruments[stream] = instrument_from(self.reader.instruments[stream])
        return self._instruments[stream]


def _decision(frame: Frame, symbol: str) -> dict[str, Any]:
    at = frame.time // MS
    return {"sequence": frame.sequence, "at": at, "symbol": symbol, "facts": "", "targets": [], "orders": []}


def _keep(rows: OrderedDict[int, dict[str, Any]], number: int, row: dict[str, Any], most: int) -> None:
    rows[number] = row
    while len(rows) > most:
        rows.popitem(last=False)
