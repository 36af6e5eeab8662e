"""A recorded capture of depth and trades repeated 100 times, as whole processes: from the command
to the finished run, beside a compiled rival that gets the same rows in its own files.

    python bench/long_l2.py [TIMES]

Every process is fresh, with its input in the page cache. `compiled` finds its machine code where an
earlier run kept it, `compiled anew` is told to keep none. The rival's compiler refuses to keep
its loops (they hold pointers of the process), so each of its processes compiles; what that took
is measured apart, and `less its compiling` is a process with a cache that would cost nothing.
The rival keeps no tape of its orders and writes no report; ours does both, but for `no report`.
Tapes and files are made in a temporary folder (5 GB for 100 times) and removed at the end.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from whole import Whole, whole

from onetape.data.importing import import_files
from onetape.tape.journal import JournalReader, JournalWriter

FOLDER = Path(__file__).resolve().parent
CAPTURE = FOLDER.parent / "../shared/data/binance-usdm/btcusdt-2024-08-08.raw.gz"
SYMBOL = "binance:BTC/USDT:USDT"
ONE = FOLDER.parent / "build" / "bench" / "btcusdt-l2"
RIVAL = FOLDER.parent / "build" / "peers"
ROWS = 491_973  # changed levels and trades, as the rival counts them
TIMES = 100
SPAN_NS = 345_000_000_000  # of a repetition, as in peers/hftbacktest_long.py
INSTRUMENT = 1
STEPS, ONE_ORDER, GRID = "10 ms steps", "cancel and submit", "20 x 20 grid"
TASKS = {STEPS: ("Elapse", "noop", "1ms"), ONE_ORDER: ("CancelSubmit", "one", "1ms"), GRID: ("Grid", "grid", "10ms")}


def repeated(out: Path, times: int) -> Path:
    """The capture's tape `times` over: frames as they are, stamps later."""
    if not ONE.is_dir():
        import_files("binance-raw", [CAPTURE], symbol=SYMBOL, out=ONE)
    with JournalReader(ONE) as reader:
        frames = list(reader.frames())
    with JournalWriter(out, uuid=bytes(range(16)), durable=False) as writer:
        append = writer.append_raw
        for number in range(times):
            later = number * SPAN_NS
            for frame in frames:
                payload = frame.payload
                if frame.type == INSTRUMENT:
                    if number == 0:
                        writer.append_instrument(frame.stream, frame.time, payload)
                    continue
                # Every market event begins with ts_event and ts_recv, 8 bytes each.
                stamps = [int.from_bytes(payload[at : at + 8], "little") + later for at in (0, 8)]
                moved = b"".join(each.to_bytes(8, "little") for each in stamps) + payload[16:]
                append(frame.type, moved, frame.flags, frame.stream, frame.time + later)
    return out


_WITHOUT_REPORT = """
import json, sys
from pathlib import Path
from onetape.research.backtest import BacktestOptions, run_backtest
options = json.loads(sys.argv[1])
options["home"] = Path(options["home"])
print(json.dumps({"action_hash": run_backtest(BacktestOptions(**options)).action_hash}))
"""


def ours(place: Path, tape: Path, task: str, how: str) -> Whole:
    strategy, _, latency = TASKS[task]
    command = [
        sys.executable, "-m", "onetape", "backtest", f"{FOLDER / 'l2_strategies.py'}:{strategy}",
        "--data", str(tape), "--latency", latency, "--queue", "power:2",
        "--fee=-0.00005,0.0007", "--leverage", "10", "--cash", "10000000 USDT", "--no-stress",
        "--out", str(place / "run"), "--json",
    ]  # fmt: skip
    if how == "plain":
        command.append("--interpret")
    if how == "compiled, no report":
        options = {
            "strategy": command[4],
            "data": [str(tape)],
            "latency": latency,
            "queue": "power:2",
            "fee": "-0.00005,0.0007",
            "leverage": 10,
            "cash": "10000000 USDT",
            "stress": False,
            "out": str(place / "run"),
            "home": str(place / "home"),
            "write_report": False,
        }
        command = [sys.executable, "-c", _WITHOUT_REPORT, json.dumps(options)]
    keeps = "off" if how == "compiled anew" else str(place / "code")
    done = whole(command, ONETAPE_HOME=str(place / "home"), ONETAPE_COMPILE_CACHE=keeps)
    shutil.rmtree(place / "run")
    return done


def rival(place: Path, task: str) -> Whole | None:
    """None where `make peers` did not set it up."""
    python = RIVAL / "hftbacktest" / "bin" / "python"
    if not python.exists():
        return None
    program = [str(python), str(FOLDER / "peers" / "hftbacktest_long.py"), str(place)]
    return whole([*program, TASKS[task][1]], NUMBA_CACHE_DIR=str(place / "numba"))


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else TIMES
    place = Path(tempfile.mkdtemp(prefix="onetape-bench-"))
    figures, lines = [], []
    try:
        tape = repeated(place / "tape", times)
        python = RIVAL / "hftbacktest" / "bin" / "python"
        if python.exists():
            program = str(FOLDER / "peers" / "hftbacktest_long.py")
            subprocess.run([python, program, place, "make", str(times), RIVAL], check=True, stdout=subprocess.DEVNULL)
        for task in TASKS:
            print(task, file=sys.stderr)
            found = rival(place, task)
            against = None
            if found is not None:
                wall, processor = found.answer["compiling"], found.answer["compiling_processor"]
                less = found.seconds - wall, found.processor - processor
                name = "hftbacktest less its compiling"
                against = {"name": name, "value": times * ROWS / less[0]}
                every = (found.seconds, found.processor)
                lines.append(row(task, "hftbacktest 2.4.4", times, *every, found.memory_mib))
                lines.append(row(task, name, times, *less, found.memory_mib))
            ours(place, tape, task, "compiled")  # keeps the code
            hashes = set()
            for how in ("plain", "compiled anew", "compiled", "compiled, no report"):
                done = ours(place, tape, task, how)
                hashes.add(done.answer["action_hash"])
                every = (done.seconds, done.processor)
                lines.append(row(task, f"onetape, {how}", times, *every, done.memory_mib))
                figure = {
                    "name": f"depth x {times}, whole process, {task}, {how}",
                    "value": times * ROWS / done.seconds,
                    "unit": "rows/s",
                }
                figures.append({**figure, "against": against})
            if len(hashes) != 1:
                raise SystemExit(f"{task}: the ways order differently")
    finally:
        shutil.rmtree(place, ignore_errors=True)
    print(json.dumps({"figures": figures, "tables": ["\n".join([HEAD, *lines])]}))


HEAD = f"""\
Whole processes over {ROWS:,} rows repeated (memory: resident at most, mapped tapes included):

| task | process | seconds | of processor | MiB | rows/s |
|---|---|---|---|---|---|"""


def row(task: str, name: str, times: int, seconds: float, processor: float, memory_mib: float) -> str:
    speed = times * ROWS / seconds / 1e6
    return f"| {task} | {name} | {seconds:.2f} | {processor:.2f} | {memory_mib:.0f} | {speed:.1f} M |"


if __name__ == "__main__":
    main()
