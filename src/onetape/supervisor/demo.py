"""`onetape demo`: a simulated exchange, gateways, two robots, a report, and the proof.

Every part is a separate process, except the robots, which run here: requests and order events pass through sockets
and journals, as in live trading.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from onetape.dashboard.options import dashboard_options, link_file, link_of
from onetape.ipc.process_ids import noted_child
from onetape.model.config import parse_config
from onetape.model.errors import ProcessDown
from onetape.model.home import gateway_journal
from onetape.replay.parity import compare
from onetape.replay.replay import replay_run
from onetape.robot.child_process import child_process
from onetape.robot.live import LiveOptions, addressed, drain, gateway_process, open_live, simulated_exchange
from onetape.robot.robot_run import RobotRun
from onetape.security.private import private_folder
from onetape.supervisor.client import status_of

__all__ = ["run_demo"]

SYMBOL = "binance:BTC/USDT:USDT"
# The maker's quotes are wider than its fee, and the market reaches them within seconds: its result comes from market
# moves, not from fees.
ROBOTS: Sequence[tuple[str, dict[str, Any]]] = (
    (
        "onetape.strategies.market_maker:MarketMaker",
        {
            "symbol": SYMBOL,
            "shift": 130,
            "buy_by": 0.01,
            "sell_by": 0.01,
            "buy_limit": 0.05,
            "sell_limit": -0.05,
            "keep_within": 4,
        },
    ),
    ("onetape.strategies.breakout:Breakout", {"symbol": SYMBOL, "period": "1s@mid", "window": 20, "size": 0.02}),
)
STEP_S = 0.001  # between reads of the tapes


def run_demo(
    *,
    seconds: float = 30.0,
    seed: int = 1,
    headless: bool = False,
    home: Path,
    say: Callable[[str], None] = lambda line: None,
    progress: Callable[[float, float | None], None] | None = None,
    doing: Callable[[str], None] = lambda words: None,
    every_s: float = 1.0,
) -> dict[str, Any]:
    """Returns CONTRACT's keys: seconds, events, orders, fills, pnl, replay_divergences, parity_equal, report,
    dashboard (address of its pages; null: headless, or an `up` of this home has them). say: gets lasting lines;
    doing: gets the robots' state every `every_s` seconds, then the proofs, with progress."""
    began = time.monotonic()
    private_folder(home / "run")  # before a process that would fail because of it
    say("a simulated exchange, two accounts with a gateway each, two robots: real sockets")
    with ExitStack() as stack:
        exchange = stack.enter_context(simulated_exchange("binance-usdm", seed, home=home))
        robots: list[RobotRun] = []
        names = [f"demo-{keys['name']}" for keys in exchange["accounts"][: len(ROBOTS)]]
        pages = None
        if not headless and not status_of(home)["running"]:
            pages = stack.enter_context(_pages(home, names))
            say(f"pages at {pages} while it lasts; this link lets one browser in, once:\n{_way_in(home)}")
        for (reference, params), keys, name in zip(ROBOTS, exchange["accounts"], names, strict=False):
            client = stack.enter_context(gateway_process(addressed(home, name, exchange, keys, [SYMBOL], is_new=True)))
            options = LiveOptions(strategy=reference, data=(), params=params, home=home, seed=seed, leverage=5)
            robots.append(open_live(options, {name: client}))
        try:
            _trade(robots, seconds, _Line(doing, every_s))
        except BaseException:
            for robot in robots:
                robot.close(keep=False)
            raise
        doing("reports")
        results = [robot.close(keep=True) for robot in robots]
    say("proof: each run is replayed from its tape, and its decisions are made again from the same events")
    runs = [result for result in results if result is not None]
    events = sum(result.events for result in runs)
    proof = _prove([result.run for result in runs], doing, progress)
    same = "equal" if proof["parity_equal"] else "DIFFERENT"
    say(
        f"replayed {events:,} events, {proof['actions']:,} actions, {proof['replay_divergences']} divergences; "
        f"decisions on the same events: {same}"
    )
    report = runs[0].report
    if report is not None and not headless:
        _open(report)
    return {
        "seconds": round(time.monotonic() - began, 3),
        "events": events,
        "orders": sum(result.orders for result in runs),
        "fills": sum(result.fills for result in runs),
        "pnl": str(sum(result.pnl for result in runs)),
        **proof,
        "report": str(report) if report else None,
        "reports": [str(result.report) for result in runs],
        "runs": [str(result.run) for result in runs],
        "tape": str(gateway_journal(home, names[0])),
        "dashboard": pages,
    }


def _way_in(home: Path) -> str:
    """Returns the link only for a terminal: the reader of a pipe may be a log."""
    return link_of(home) if sys.stderr.isatty() else str(link_file(home))


@contextmanager
def _pages(home: Path, accounts: Sequence[str]) -> Iterator[str]:
    """Serves the pages until the block ends, and yields their address."""
    tables = [f'[accounts.{name}]\nvenue = "demo"\n' for name in accounts]
    config = parse_config("\n".join(['[dashboard]\n[venues.demo]\nkind = "binance-usdm"\n', *tables]))
    file, earlier = link_file(home), link_of(home)
    try:
        with (
            child_process([sys.executable, "-m", "onetape.dashboard.main"]) as child,
            noted_child(home, "dashboard", child.pid),
        ):
            assert child.stdin is not None and child.stdout is not None
            child.stdin.write(msgspec.json.encode(dashboard_options(config, home=home, folder=home)))
            child.stdin.close()
            word, _, address = child.stdout.readline().decode().strip().partition(" ")
            if word != "ready":
                raise ProcessDown(
                    "the pages did not start", location=str(home), todo="see the line above, or --headless"
                )
            yield address
    finally:
        if earlier and file.exists():
            file.write_text(f"{earlier}\n")  # its port is reused by the next `up`
        else:
            file.unlink(missing_ok=True)


def _trade(robots: Sequence[RobotRun], seconds: float, line: _Line) -> None:
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        for robot in robots:
            robot.step()
        line.show(robots, began, seconds)
        time.sleep(STEP_S)
    drain(robots)


def _prove(
    runs: Sequence[Path], doing: Callable[[str], None], progress: Callable[[float, float | None], None] | None
) -> dict[str, Any]:
    """Replays each run, and runs it again on its recorded order events."""
    divergences, actions, equal = 0, 0, True
    first: str | None = None
    for run in runs:
        doing(f"proves {run.name}")
        replayed = replay_run(run, verify=True, progress=progress)
        divergences += replayed["divergences"]
        actions += replayed["actions"]
        parity = compare(run, run, mode="decisions", progress=progress)
        equal = equal and parity["differing"] == 0
        first = first or replayed["first_divergence"] or parity["first_difference"]
    return {"actions": actions, "replay_divergences": divergences, "parity_equal": equal, "first_difference": first}


def _open(page: Path) -> None:
    """Opens the page in a browser, if there is a screen."""
    import os
    import webbrowser

    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform == "darwin":
        webbrowser.open(page.as_uri())


class _Line:
    """Shows the robots' state now and then."""

    def __init__(self, show: Callable[[str], None], every_s: float) -> None:
        self._show = show
        self._every_s = every_s
        self._next = 0.0
        self._last: tuple[float, int] = (time.monotonic(), 0)

    def show(self, robots: Sequence[RobotRun], began: float, seconds: float) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._every_s
        counts = [robot.session.loop.counters() for robot in robots]
        events = sum(count["events"] for count in counts)
        rate = (events - self._last[1]) / max(now - self._last[0], 1e-9)
        self._last = (now, events)
        parts = [f"{min(now - began, seconds):4.0f}s"]
        for robot, count in zip(robots, counts, strict=True):
            sim = robot.session.loop
            parts.append(
                f"{robot.session.strategy_class.__name__} equity {sim.equity:,.2f} "
                f"position {sim.position(SYMBOL, None).qty:+.3f} fills {count['fills']}"
            )
        parts.append(f"{rate:,.0f} events/s")
        self._show(" | ".join(parts))
