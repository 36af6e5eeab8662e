"""`onetape backtest` of a compiled strategy as a whole process: compiled anew, and with its machine
code kept by an earlier run; and the same strategy as Python, which needs no compiler at all.

Six minutes of recorded depth, so that what is paid once shows. Seconds of processor beside those of
the clock, since other work of the machine counts in the latter.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

from long_l2 import CAPTURE, ONE, SYMBOL
from whole import Whole, whole

from onetape.data.importing import import_files

FOLDER = Path(__file__).resolve().parent


def once(place: Path, keeps: str, *more: str) -> Whole:
    command = [
        sys.executable, "-m", "onetape", "backtest", f"{FOLDER / 'l2_strategies.py'}:Grid",
        "--data", str(ONE), "--latency", "10ms", "--queue", "power:2", "--no-stress", "--cash", "1000000 USDT",
        "--out", str(place / "run"), "--json", *more,
    ]  # fmt: skip
    done = whole(command, ONETAPE_HOME=str(place / "home"), ONETAPE_COMPILE_CACHE=keeps)
    shutil.rmtree(place / "run")
    return done


def main() -> None:
    if not ONE.is_dir():
        import_files("binance-raw", [CAPTURE], symbol=SYMBOL, out=ONE)
    place = Path(tempfile.mkdtemp(prefix="onetape-bench-"))
    try:
        kept = str(place / "code")
        once(place, kept)
        every = {
            "compiled anew": once(place, "off"),
            "compiled, code kept": once(place, kept),
            "plain": once(place, "off", "--interpret"),
        }
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if len({done.answer["action_hash"] for done in every.values()}) != 1:
        raise SystemExit("the three ways order differently")
    figures = []
    for how, done in every.items():
        for what, value in (("processor", done.processor), ("wall clock", done.seconds)):
            figures.append(
                {
                    "name": f"whole backtest, six minutes of depth, {how}, {what}",
                    "value": value,
                    "unit": "s",
                    "better": "less",
                }
            )
    print(json.dumps({"figures": figures}))


if __name__ == "__main__":
    main()
