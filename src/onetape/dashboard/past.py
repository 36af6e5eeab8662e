"""Past and running runs: their list, their results, and a robot's whole state at any time of a run, from the
travellers of `onetape replay`."""

from __future__ import annotations

import asyncio
import time
import tomllib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from onetape.dashboard.bars import INTERVALS, SIDES, Bars, base_of, instrument_from
from onetape.dashboard.equity_lines import thinned
from onetape.dashboard.market import BARS_MAX
from onetape.dashboard.sweep_map import SweepMaps
from onetape.dashboard.topic import Topic, Topics
from onetape.engine.tape_facts import tape_span
from onetape.model.errors import BadInput, ProcessDown
from onetape.model.instrument import Instrument
from onetape.model.time import MS, format_time, parse_time
from onetape.replay.time_travel import STEPS_MAX, Traveller
from onetape.report.sweep_results import is_sweep
from onetape.store.frames import instruments_of
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape

__all__ = ["Past", "folder_of"]

LISTED_MAX: Final = 500  # the newest
POINTS_MAX: Final = 2000  # per equity line
MARKS_MAX: Final = 2000  # fills to jump to
BARS_KEPT: Final = 6  # tapes, symbols and spans
TRAVELLERS_MAX: Final = 3  # each holds copies of a process
IDLE_S: Final = 300.0
KINDS: Final = ("runs", "sweeps")
_SHOWN: Final = ("pnl", "fees", "funding", "currency", "orders", "fills", "events", "max_drawdown", "final_equity")
_STATS: Final = ("return", "benchmark_return", "annual_sharpe", "max_drawdown", "win_rate", "profit_factor", "turnover")
_FILL: Final = ("time", "stream", "price", "size", "side")
T = TypeVar("T")


def folder_of(home: Path, kind: str, name: str) -> Path:
    """Returns the folder of a run or a sweep by its bare name. Raises BadInput for an invalid one."""
    if kind in KINDS and name and Path(name).name == name and name not in (".", ".."):
        found = home / kind / name
        if (found / "run.toml").is_file() if kind == "runs" else is_sweep(found):
            return found
    raise BadInput(f"no {kind.rstrip('s')} {name[:80]!r}", location="name", todo="see the list of runs")


class _Opened:
    """A run with a traveller in a thread of its own: it is at one place at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.used = folder, time.monotonic()
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="moment")
        self._traveller: Traveller | None = None
        self._last = 0  # sequence of the run's journal when it was opened
        self._place: tuple[str, int] = ("", 0)

    def at(self, place: str, step: int) -> dict[str, Any]:
        """Returns the state at a place and `step` frames from there; of a running run at most its present end."""
        try:
            return self._found(place, step)
        except ProcessDown:  # it cannot be used any more
            self.end()
            raise

    def _found(self, place: str, step: int) -> dict[str, Any]:
        traveller, found = self._traveller, None
        if traveller is not None:
            found = self._moved(traveller, place, step)
        if traveller is None or (traveller.is_end and self._last != _last_sequence(self.folder)):
            self.end()
            self._last, self._traveller = _last_sequence(self.folder), Traveller(self.folder)
            found = self._moved(self._traveller, place, step)
        assert found is not None
        return found

    def _moved(self, traveller: Traveller, place: str, step: int) -> dict[str, Any]:
        begun, steps = self._place
        if begun != place or not step:
            self._place = "", 0  # none, if it fails
            traveller.go(place)
            steps = 0
        wanted = step - steps
        taken = traveller.step(wanted) if wanted else 0
        self._place = place, steps + (taken if wanted > 0 else -taken)
        return {"place": place, "step": self._place[1], **traveller.state()}

    def end(self) -> None:
        if self._traveller is not None:
            self._traveller.close()
        self._traveller, self._place = None, ("", 0)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self.thread, self.end)
        self.thread.shutdown()


def _last_sequence(folder: Path) -> int:
    """Returns the last sequence of a run's journal; its files do not tell, their room is laid out in advance. Raises
    BadInput if it has been removed meanwhile."""
    try:
        with JournalReader(folder / "journal") as reader:
            return reader.last_sequence
    except OSError:
        raise BadInput(f"the run {folder.name} changes or is gone", location="name", todo="try again") from None


class Past:
    """Shows past runs and sweeps. home: where they are."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="past")
        self._opened: OrderedDict[str, _Opened] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._rows: dict[Path, tuple[int, dict[str, Any]]] = {}  # by file, with its time of change
        self._bars: dict[tuple[Path, str, int], Bars] = {}  # the latest used last
        self._lines: dict[Path, tuple[int, dict[str, Any]]] = {}
        self._maps = SweepMaps()

    async def close(self) -> None:
        self._let_go(0)
        await asyncio.gather(*self._closing)
        self._thread.shutdown()
        for each in self._bars.values():
            each.close()

    def topics(self) -> Topics:
        return {
            "runs": Topic(self._runs, 2.0),
            "run": Topic(self._run, 15.0),
            "sweep": Topic(self._sweep, 2.0),
            "moment": Topic(self._moment, 5.0),
            "moment_bars": Topic(self._moment_bars, 5.0),
        }

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # --- lists --------------------------------------------------------------------------------------------------------

    async def _runs(self, _words: Sequence[str]) -> Any:
        """Returns runs and sweeps, the newest first."""
        return await self._in_thread(self._listed)

    def _listed(self) -> list[dict[str, Any]]:
        files = [*(self._home / "runs").glob("*/run.toml"), *(self._home / "sweeps").glob("*/sweep.json")]
        ages = ((max(_changed(each), _changed(each.with_name("report.html"))), each) for each in files)
        stamped = sorted(ages, key=lambda each: each[0], reverse=True)[:LISTED_MAX]
        self._rows = {path: kept for path, kept in self._rows.items() if (kept[0], path) in stamped}
        for changed, path in stamped:
            if path not in self._rows:
                self._rows[path] = changed, _row(path, changed)
        return [self._rows[path][1] for _, path in stamped]

    async def _run(self, words: Sequence[str]) -> Any:
        """Returns a run's parameters, results, equity over time, and fills to jump to. words: its name."""
        folder = folder_of(self._home, "runs", words[0] if words else "")
        return await self._in_thread(lambda: self._line(folder))

    async def _sweep(self, words: Sequence[str]) -> Any:
        """Returns a metric of a sweep over two parameters, and its best variants. words: its name, metric, x, y."""
        name, metric, x, y = (*words, "", "", "", "")[:4]
        folder = folder_of(self._home, "sweeps", name)
        return await self._in_thread(lambda: self._maps.look(folder, metric, x, y))

    def _line(self, folder: Path) -> dict[str, Any]:
        changed, kept = _last_sequence(folder), self._lines.get(folder)
        if kept is None or kept[0] != changed:
            while len(self._lines) >= TRAVELLERS_MAX:
                del self._lines[next(iter(self._lines))]
            kept = self._lines[folder] = changed, _line(folder)
        return kept[1]

    # --- state at a time ----------------------------------------------------------------------------------------------

    async def _moment(self, words: Sequence[str]) -> Any:
        """Returns the state at a time. words: run, place as in `replay --until`, steps from there."""
        name, place, step = (*words, "", "", "")[:3]
        folder = folder_of(self._home, "runs", name)
        steps = int(step or 0) if (step or "0").lstrip("-").isdecimal() and len(step) < 8 else STEPS_MAX + 1
        if abs(steps) > STEPS_MAX:
            raise BadInput(f"at most {STEPS_MAX} steps", location="step", todo="name a place that is nearer")
        opened = self._opened.setdefault(name, _Opened(folder))
        self._opened.move_to_end(name)
        opened.used = time.monotonic()
        self._let_go(TRAVELLERS_MAX)
        state = await asyncio.get_running_loop().run_in_executor(opened.thread, opened.at, place[:60], steps)
        return {**state, "now": format_time(state["now"]), "at": state["now"] / MS}

    def _let_go(self, most: int) -> None:
        """Ends travellers that were not used recently, and the oldest beyond the bound; repeats while there are any."""
        now = time.monotonic()
        idle = [name for name, each in self._opened.items() if now - each.used >= IDLE_S]
        for name in dict.fromkeys([*idle, *list(self._opened)[: max(0, len(self._opened) - most)]]):
            work = asyncio.ensure_future(self._opened.pop(name).close())
            self._closing.add(work)
            work.add_done_callback(self._closing.discard)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._opened:
            self._timer = asyncio.get_running_loop().call_later(IDLE_S, self._let_go, most)

    async def _moment_bars(self, words: Sequence[str]) -> Any:
        """Returns bars of a run's market, up to a time, and whether to repeat the call for `more`. words: run,
        symbol, interval, time, how many."""
        name, symbol, interval, moment, count = (*words, "", "", "", "", "")[:5]
        folder = folder_of(self._home, "runs", name)
        wanted = int(count) if count.isdecimal() and len(count) < 8 else 300
        if interval not in INTERVALS or not 1 <= wanted <= BARS_MAX:
            raise BadInput(f"bars are of {', '.join(INTERVALS)}, 1 to {BARS_MAX} of them", location="interval")
        until, span = parse_time(moment) + 1, INTERVALS[interval]

        def work() -> dict[str, Any]:
            for tape in _tapes(folder):
                if (bars := self._bars_of(tape, symbol, span)) is not None:
                    found, more = bars.page_at(span, wanted, until)
                    if found or more:
                        return {"bars": found, "more": more}
            return {"bars": [], "more": False}

        return await self._in_thread(work)

    def _bars_of(self, tape: Path, symbol: str, interval: int) -> Bars | None:
        """Returns the kept bars of a tape; None: it has no such instrument."""
        key = tape, symbol, base_of(interval)
        found = self._bars.pop(key, None)
        if found is None:
            with JournalReader(tape) as reader:
                reader.seek_sequence(reader.last_sequence + 1)
                facts = next((each for each in reader.instruments.values() if each["symbol"] == symbol), None)
            if facts is None:
                return None
            found = Bars(tape, instrument_from(facts), key[2])
        self._bars[key] = found
        while len(self._bars) > BARS_KEPT:
            self._bars.pop(next(iter(self._bars))).close()
        return found


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _row(path: Path, changed: int) -> dict[str, Any]:
    row: dict[str, Any] = {"name": path.parent.name, "is_sweep": path.name != "run.toml", "made": changed // MS}
    row["has_report"] = (path.parent / "report.html").is_file()
    try:
        if row["is_sweep"]:
            facts = msgspec.json.decode(path.read_bytes())
            names = {"strategy": "class", "metric": "metric", "params": "grid"}
            kind = {"kind": "sweep", "is_walk": bool(facts.get("walk_forward"))}
            return {**row, **{name: facts.get(key) for name, key in names.items()}, **kind}
        facts = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {**row, "kind": "", "strategy": None, "why": "its file cannot be read"}
    result, stats = facts.get("result", {}), facts.get("stats", {})
    return {
        **row,
        "kind": facts.get("run", {}).get("kind"),
        "strategy": facts.get("run", {}).get("strategy"),
        "params": facts.get("parameters", {}),
        "goes_on": not result,
        **{name: result.get(name) for name in _SHOWN},
        "stats": {name: stats.get(name) for name in _STATS},
    }


def _line(folder: Path) -> dict[str, Any]:
    journal = folder / "journal"
    first, last = tape_span(journal) or (0, 0)
    instruments = {number: instrument_from(each) for number, each in instruments_of(journal).items()}
    with JournalReader(journal) as reader:
        balance, points = reader.schemas.named("balance"), []
        for frame in reader.frames(types=["balance"]):
            fields = balance.decode(frame.payload)
            if not fields.get("account"):
                points.append((frame.time // MS, float(fields["equity"])))
    with JournalReader(journal) as reader:
        fills = reader.columns("fill", names=("time", "stream", "price", "size", "side"))
    rows = zip(
        *(fills[name][-MARKS_MAX:].tolist() for name in ("time", "stream", "price", "size", "side")), strict=True
    )
    return {
        **_row(folder / "run.toml", _changed(folder / "run.toml")),
        "first": first // MS,
        "last": last // MS,
        "equity": thinned(points, POINTS_MAX),
        "fills": [_fill(instruments[stream], at, price, size, side) for at, stream, price, size, side in rows],
        "more_fills": max(0, len(fills["time"]) - MARKS_MAX),
        "symbols": sorted({each.symbol for each in instruments.values()}),
    }


def _fill(instrument: Instrument, at: int, price: int, size: int, side: int) -> dict[str, Any]:
    return {
        "at": at // MS,
        "place": format_time(at),
        "symbol": instrument.symbol,
        "side": SIDES[side],
        "price": instrument.price_text(price),
        "size": instrument.size_text(size),
    }


def _tapes(folder: Path) -> list[Path]:
    """Returns the tapes of a run's market."""
    facts = tomllib.loads((folder / "run.toml").read_text(encoding="utf-8"))
    found = [Path(each["path"]) for each in facts.get("input", ())]
    return [each for each in found if is_tape(each)]
