"""Backtests and sweeps started by a page: `onetape backtest` or `sweep` of a strategy of the project's folder over
its tapes, one at a time, with the progress that a terminal would show."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.dashboard.past import folder_of
from onetape.dashboard.topic import Topic, Topics
from onetape.model.errors import BadInput, DuplicateCommand, OnetapeError
from onetape.tape.segments import is_tape

__all__ = ["Trials"]

SHOWN_MAX: Final = 10
FILES_MAX: Final = 500
DEPTH_MAX: Final = 3  # folders below the project's
PARAMS_WITHIN_S: Final = 20.0
EXPLAINED_WITHIN_S: Final = 120.0
TEXT_MAX: Final = 2000
NICE: Final = 10  # trading has priority
JOBS: Final = max(1, (os.cpu_count() or 2) - 1)  # of a sweep: leaves a core to trading
SWEEP: Final = "sweep"
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}")


class _Trial:
    """One backtest or sweep. text: its present output."""

    def __init__(self, verb: str, name: str, strategy: str) -> None:
        self.verb, self.name, self.strategy, self.began = verb, name, strategy, time.time()
        self.text, self.error, self.is_running = "", "", True
        self.process: asyncio.subprocess.Process | None = None

    def shown(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "is_sweep": self.verb == SWEEP,
            "strategy": self.strategy,
            "began": int(self.began * 1000),
            "is_running": self.is_running,
            "text": self.text[-TEXT_MAX:],
            "error": self.error[-TEXT_MAX:],
        }


class Trials:
    """Starts backtests and sweeps, one at a time. folder: of the configuration, with strategies and tapes; home: of
    the runs."""

    def __init__(self, folder: Path, home: Path) -> None:
        self._folder, self._home = folder.resolve(), home
        self._trials: list[_Trial] = []
        self._works: set[asyncio.Task[None]] = set()
        self._loading, self._explaining = asyncio.Semaphore(1), asyncio.Semaphore(1)  # each takes a process
        self._loaded: dict[str, tuple[int, Any]] = {}  # parameters by strategy, with its file's time of change

    async def close(self) -> None:
        for each in self._works:
            each.cancel()
        await asyncio.gather(*self._works, return_exceptions=True)

    def topics(self) -> Topics:
        return {
            "trials": Topic(self._shown, 0.3),
            "trial_files": Topic(self._files, 10.0),
            "trial_params": Topic(self._params, 60.0),
            "explained": Topic(self._explained, 600.0),
        }

    async def _shown(self, _words: Sequence[str]) -> Any:
        return [each.shown() for each in reversed(self._trials)]

    # --- choices ------------------------------------------------------------------------------------------------------

    async def _files(self, _words: Sequence[str]) -> Any:
        """Returns strategies' files and tapes by their paths within the folder."""
        return await asyncio.get_running_loop().run_in_executor(None, self._found)

    def _found(self) -> dict[str, list[str]]:
        strategies, tapes = [], []
        for at, folders, files in os.walk(self._folder):
            path = Path(at)
            if is_tape(path):
                tapes.append(path)
                folders.clear()
                continue
            deep = len(path.relative_to(self._folder).parts) >= DEPTH_MAX
            folders[:] = [] if deep else sorted(each for each in folders if not each.startswith((".", "__")))
            strategies += [path / each for each in files if each.endswith(".py") and _has_strategy(path / each)]
            if len(strategies) + len(tapes) > FILES_MAX:
                break
        names = (sorted(str(each.relative_to(self._folder)) for each in found) for found in (strategies, tapes))
        return dict(zip(("strategies", "tapes"), names, strict=True))

    async def check_strategy(self, strategy: str) -> None:
        """Raises BadInput if it is no strategy file of the folder."""
        if strategy not in (await self._files(()))["strategies"]:
            raise BadInput(f"no strategy {strategy[:80]!r} in the folder", location="strategy")

    async def _params(self, words: Sequence[str]) -> Any:
        """Returns parameters like `onetape params`. words: a strategy of `trial_files`."""
        strategy = words[0] if words else ""
        await self.check_strategy(strategy)
        async with self._loading:
            changed = (self._folder / strategy).stat().st_mtime_ns
            kept = self._loaded.get(strategy)
            if kept is None or kept[0] != changed:
                kept = self._loaded[strategy] = changed, await self._read_params(strategy)
        return kept[1]

    async def _read_params(self, strategy: str) -> Any:
        return await self._said("params", strategy, within_s=PARAMS_WITHIN_S)

    async def _explained(self, words: Sequence[str]) -> Any:
        """Returns the parts of a run's result, by symbol, and the cost of its orders against the market. words: its
        name."""
        run = str(folder_of(self._home, "runs", words[0] if words else ""))
        async with self._explaining:
            made = await self._said("attribution", run, "--by", "symbol", within_s=EXPLAINED_WITHIN_S)
            costs = await self._said("tca", run, "--by", "symbol", within_s=EXPLAINED_WITHIN_S)
        return {"symbols": made["by_symbol"], **{name: costs[name] for name in ("costs", "unpriced")}}

    async def _said(self, *call: str, within_s: float) -> Any:
        """Returns a command's output. Raises BadInput with its error."""
        process = await self._begun(*call, "--json", stderr=asyncio.subprocess.PIPE)
        try:
            out, err = await asyncio.wait_for(process.communicate(), within_s)
        except TimeoutError:
            raise BadInput(f"{call[0]} takes longer than {within_s:.0f} s", location=Path(call[1]).name) from None
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode:
            words = _last_line(err.decode(errors="replace")) or f"{call[0]} cannot read it"
            raise BadInput(words, location=Path(call[1]).name)
        return msgspec.json.decode(out)

    # --- running ------------------------------------------------------------------------------------------------------

    async def carry_out(self, command: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Carries out a command: backtest, sweep or stop. Raises BadInput, DuplicateCommand."""
        return await (self._stop(fields) if command == "stop" else self._start(command, fields))

    async def _start(self, verb: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Begins a backtest or a sweep. fields: strategy and tapes of `trial_files`, params by name (for a sweep in the
        form of its --param), cash, metric, name of the run."""
        strategy, tapes, params = str(fields.get("strategy")), fields.get("tapes"), fields.get("params") or {}
        name = fields.get("run") or f"page-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
        await self.check_strategy(strategy)
        if (
            not isinstance(tapes, list)
            or not tapes
            or not set(map(str, tapes)) <= set((await self._files(()))["tapes"])
        ):
            raise BadInput("at least one tape of the folder is required", location="tapes")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise BadInput("a name has letters, digits, '.', '_' and '-'", location="run")
        if not isinstance(params, dict) or not all(_NAME.fullmatch(str(each)) for each in params):
            raise BadInput("params is a table of values by name", location="params")
        if any(each.is_running for each in self._trials):
            raise DuplicateCommand("one backtest or sweep at a time", location=name, todo="wait for it, or end it")
        call = [verb, strategy, "--data", *map(str, tapes), "--out", name]
        call += [f"--param={key}={value}" for key, value in params.items()]
        call += [
            f"--{key}={value}" for key in ("cash", "metric") if isinstance(value := fields.get(key), str) and value
        ]
        call += [f"--jobs={JOBS}"] if verb == SWEEP else []
        trial = _Trial(verb, name, strategy)
        self._trials = [*self._trials, trial][-SHOWN_MAX:]
        work = asyncio.ensure_future(self._tried(trial, call))
        self._works.add(work)
        work.add_done_callback(self._works.discard)
        return {"run": name}

    async def _stop(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Stops a running one like Ctrl-C: finished variants of a sweep are kept. A second time: at once. fields:
        run."""
        for each in self._trials:
            if each.is_running and each.name == fields.get("run") and each.process is not None:
                each.process.send_signal(signal.SIGKILL if each.error else signal.SIGINT)
                each.error = "ended by the page"
                return {}
        raise BadInput(f"no backtest {str(fields.get('run'))[:80]!r} runs", location="run")

    async def _tried(self, trial: _Trial, call: Sequence[str]) -> None:
        ours, theirs = pty.openpty()
        os.set_blocking(ours, False)
        loop = asyncio.get_running_loop()
        seen = bytearray()

        def hear() -> None:
            with suppress(BlockingIOError, OSError):  # a terminal whose other end is closed has an error, and no end
                seen.extend(os.read(ours, 1 << 16))
                del seen[:-4096]
                trial.text = _last_line(seen.decode(errors="replace"))

        loop.add_reader(ours, hear)
        try:
            trial.process = await self._begun(*call, stderr=theirs)
            await trial.process.wait()
            hear()
            if trial.process.returncode and not trial.error:
                trial.error = trial.text or f"it ended with {trial.process.returncode}"
        except (OSError, OnetapeError) as error:
            trial.error = str(error)
        finally:
            if trial.process is not None and trial.process.returncode is None:
                trial.process.kill()
                await trial.process.wait()
            trial.is_running = False
            loop.remove_reader(ours)
            os.close(ours)
            os.close(theirs)

    async def _begun(self, verb: str, *call: str, stderr: int) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "onetape", verb, *call, "--home", str(self._home)),
            cwd=self._folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if stderr == asyncio.subprocess.PIPE else asyncio.subprocess.DEVNULL,
            stderr=stderr,
        )
        with suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        return process


def _has_strategy(path: Path) -> bool:
    with suppress(OSError):
        return "Strategy)" in path.read_text(encoding="utf-8", errors="replace")
    return False


def _last_line(text: str) -> str:
    lines = [each.strip() for each in re.split(r"[\r\n]+", _ESCAPES.sub("\r", text)) if each.strip()]
    return lines[-1] if lines else ""
