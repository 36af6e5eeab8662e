"""A backtest as a user asks for it: data found or imported, run, recorded, reported."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onetape.engine.accounts import SHARED, parse_accounts
from onetape.engine.by_venue import ByVenue
from onetape.engine.latency import parse_latencies
from onetape.engine.loader import load_strategy
from onetape.engine.parameters import parameters_of
from onetape.engine.plan import (
    BAR_VOLUME_SHARE,
    DETAIL,
    RunPlan,
    TapeInput,
    parse_bar_volume,
    parse_fees,
    parse_volumes,
)
from onetape.engine.queue_model import CONSERVATIVE, parse_queue
from onetape.engine.session import Session
from onetape.engine.strategy import Strategy
from onetape.engine.tape_facts import tape_instruments
from onetape.engine.trading_hours import TradingHours, parse_hours
from onetape.engine.venue_options import (
    VenueOptions,
    parse_borrow,
    parse_closed_all,
    parse_delay,
    parse_order_rates,
)
from onetape.model.errors import BadConfig, BadInput, StrategyError
from onetape.model.instrument import Instrument
from onetape.model.time import SECOND, parse_time
from onetape.services.outcome import RunResult, fills_from_bars
from onetape.services.recording import (
    new_folders_removed,
    record_run,
    run_folder,
    run_uuid,
)
from onetape.services.replay import GIVEN_FILE
from onetape.services.stress import AUTO_EVENTS_MAX, HINT, reruns
from onetape.store.private import private_folder
from onetape.store.report_data import StressLine
from onetape.store.run import Run, open_run

__all__ = ["BacktestOptions", "backtest", "prepare_plan", "run_backtest"]

RECORDING = "cryptofeed"  # the kind whose files name their symbols
SAMPLES_WANTED = 4000
SAMPLE_STEPS_S = (
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    14400,
    43200,
    86400,
)

Progress = Callable[[float, float | None], None]


@dataclass(slots=True)
class BacktestOptions:
    """What `onetape backtest` takes. Text values are parsed as the command line's."""

    strategy: str | type[Strategy]
    data: Sequence[Any]
    home: Path
    params: Mapping[str, Any] = field(default_factory=dict)
    symbol: str | None = None
    start: str | int | None = None
    end: str | int | None = None
    cash: str | Mapping[str, str] | None = None
    fee: ByVenue | None = None
    fee_volume: str | None = None
    leverage: int | None = None
    margin: str = "cross"
    hedge: bool = False
    order_rate: ByVenue | None = None
    trigger_delay: str | None = None
    closed: Sequence[str] = ()
    borrow: str | None = None
    trade: str | None = None  # hours, by the clocks of tz
    tz: str | None = None
    latency: ByVenue | None = None
    queue: str | None = None
    fuse: bool = False
    instruments: Path | None = None
    seed: int = 1
    check_lookahead: bool = False
    report: Path | None = None
    out: str | Path | None = None
    on_error: str = "halt"
    progress: Progress | None = None
    write_report: bool = True
    interpret: bool = False  # run a @compiled strategy as Python
    # Re-runs for the report's stress line; None: where the data are few and the strategy is a file.
    stress: bool | None = None
    detail_data: Sequence[Any] = ()  # as `data`: shown to the exchange alone, inside bars
    bar_volume: str | None = None
    sources: Sequence[Path] = ()  # what tapes in `data` were imported from: --check-lookahead


def run_backtest(options: BacktestOptions) -> RunResult:
    """Runs it. The run's folder holds everything that repeats it; a failed start leaves nothing."""
    began = time.perf_counter()
    strategy = (
        load_strategy(options.strategy) if isinstance(options.strategy, str) else options.strategy
    )
    with new_folders_removed(options.home / "runs", options.home / "tapes"):
        plan = prepare_plan(options, strategy)
        folder = run_folder(options.out, options.home, strategy.__name__)
        try:
            result = _run(plan, strategy, folder, options, began)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    if result.failures and plan.on_error != "continue":
        raise StrategyError(
            result.failures[0],
            where=strategy.__name__,
            todo=f"the robot was halted there; the run is kept in {folder}",
        )
    return result


def _run(
    plan: RunPlan,
    strategy: type[Strategy],
    folder: Path,
    options: BacktestOptions,
    began: float,
) -> RunResult:
    given = load_instruments(options.instruments)
    session = Session(
        plan,
        strategy,
        journal=folder / "journal",
        instruments=given,
        progress=_progress_of(options.progress, plan),
        run_uuid=run_uuid(folder.name, plan),
    )
    try:
        session.open()
        session.start()
        loop_began = time.perf_counter()
        session.step()
        seconds = time.perf_counter() - loop_began
        session.finish()
        if options.instruments is not None:
            shutil.copyfile(options.instruments, folder / GIVEN_FILE)

        def worse(found: RunResult) -> list[StressLine]:
            progress = _progress_of(options.progress, session.plan)
            return reruns(
                folder,
                session.plan,
                pnl=found.pnl,
                bars=fills_from_bars(session),
                instruments=given,
                progress=progress,
            )

        wanted = _wants_stress(session, options)
        result = record_run(
            session,
            folder,
            seconds,
            report=options.write_report,
            target=options.report,
            stress=worse if wanted else None,
            stress_hint="" if wanted else HINT,
        )
    finally:
        session.close()
    if options.check_lookahead:
        from onetape.services.lookahead import check_lookahead

        files = [Path(each) for each in options.data if isinstance(each, (str, os.PathLike))]
        files += [
            Path(each) for each in options.detail_data if isinstance(each, (str, os.PathLike))
        ]
        files += options.sources
        result.lookahead = check_lookahead(
            plan, folder, actions=session.actions_before_stop, forbidden=files
        )
    result.wall_seconds = time.perf_counter() - began
    return result


def _wants_stress(session: Session, options: BacktestOptions) -> bool:
    """Told so; or a strategy of a file, which a re-run loads anew, over few events, with fills."""
    if options.stress is not None:
        return options.stress
    counters = session.sim.counters()
    is_file = isinstance(options.strategy, str)
    return is_file and bool(counters["fills"]) and counters["events"] <= AUTO_EVENTS_MAX


# --- from options to a plan -----------------------------------------------------------------------


def prepare_plan(options: BacktestOptions, strategy: type[Strategy]) -> RunPlan:
    """Checks and parses everything before any work begins."""
    known = parameters_of(strategy)
    for name in options.params:
        if name not in known:
            raise BadConfig(
                f"unknown parameter {name!r}",
                where=strategy.__name__,
                todo=f"it has: {', '.join(known) or 'none'}",
            )
    start, end = (
        _moment(value, flag) for value, flag in ((options.start, "--from"), (options.end, "--to"))
    )
    if start is not None and end is not None and start >= end:
        raise BadConfig("--from is not before --to", where="--from/--to", todo="swap them")
    if not options.data:
        raise BadConfig("no data", where="--data", todo="give a tape, or make one: onetape sample")
    accounts = parse_accounts(options.cash) if options.cash else {}
    fee, fees = parse_fees(options.fee or ())
    common_volume, volumes = parse_volumes(options.fee_volume or "")
    plan = RunPlan(
        strategy=options.strategy if isinstance(options.strategy, str) else strategy.__name__,
        params=dict(options.params),
        symbol=options.symbol,
        start=start,
        end=end,
        cash=accounts.pop(SHARED, {}),
        accounts=accounts,
        fee=fee,
        fees=fees,
        fee_volume=common_volume,
        fee_volumes=volumes,
        leverage=options.leverage or 1,
        margin=options.margin,
        queue=str(parse_queue(options.queue or CONSERVATIVE)),
        fuse=options.fuse,
        bar_volume_share=(
            parse_bar_volume(options.bar_volume) if options.bar_volume else BAR_VOLUME_SHARE
        ),
        interpret=options.interpret,
        hedge=options.hedge,
        venue=_venue_options(options),
        hours=_hours(options),
        seed=options.seed,
        on_error=options.on_error,
    )
    if options.latency:
        plan.latency, plan.latencies = parse_latencies(options.latency)
    symbol = options.symbol or _default_symbol(strategy, options.params)
    tapes = as_tapes(options, symbol, options.data)
    plan.inputs = [TapeInput(str(path)) for path in tapes]
    plan.sample_every = sample_step(tapes, start, end)
    if options.detail_data:
        _add_detail(plan, options, symbol, tapes)
    return plan


def _add_detail(
    plan: RunPlan, options: BacktestOptions, symbol: str | None, tapes: Sequence[Path]
) -> None:
    if symbol is None:  # a file names no symbol: it is that of the data, if there is only one
        known = {name for path in tapes for name in tape_instruments(path)}
        symbol = known.pop() if len(known) == 1 else None
    details = as_tapes(options, symbol, options.detail_data, flag="--detail-data")
    plan.inputs += [TapeInput(str(path), role=DETAIL) for path in details]
    # The run ends with the data that the robot sees, however far the detail goes on.
    last = max((span[1] for span in map(tape_span, tapes) if span), default=None)
    if last is not None:
        plan.end = last + 1 if plan.end is None else min(plan.end, last + 1)


def _venue_options(options: BacktestOptions) -> VenueOptions:
    rate, rates = parse_order_rates(options.order_rate or ())
    return VenueOptions(
        order_rate=rate,
        order_rates=rates,
        trigger_delay=parse_delay(options.trigger_delay) if options.trigger_delay else 0,
        closed=parse_closed_all(options.closed),
        borrow=parse_borrow(options.borrow) if options.borrow else {},
    )


def _hours(options: BacktestOptions) -> TradingHours | None:
    if options.trade is not None:
        return parse_hours(options.trade, options.tz or "UTC")
    if options.tz is not None:
        raise BadConfig(
            "a zone and no hours", where="--tz", todo="give --trade, whose times are of this zone"
        )
    return None


def _moment(value: str | int | None, flag: str) -> int | None:
    if value is None or isinstance(value, int):
        return value
    try:
        return parse_time(value)
    except (ValueError, BadInput) as problem:
        raise BadConfig(str(problem), where=flag, todo="write 2024-08-08T12:00:00Z") from None


def _default_symbol(strategy: type[Strategy], params: Mapping[str, Any]) -> str | None:
    given = params.get("symbol")
    if isinstance(given, str):
        return given
    known = parameters_of(strategy).get("symbol")
    return known.default if known is not None and isinstance(known.default, str) else None


def is_tape(path: Path) -> bool:
    """A directory with segments."""
    return path.is_dir() and (any(path.glob("*.tape")) or any(path.glob("*.tape.zst")))


def as_tapes(
    options: BacktestOptions, symbol: str | None, sources: Sequence[Any], *, flag: str = "--data"
) -> list[Path]:
    """`sources` as tapes: themselves, or imported once under <home>/tapes.

    Files of one kind that are all about `symbol` become one tape: what is inferred of it, such as
    its decimals, is inferred from all of them, and rows of equal times come in the files' order.
    """
    tapes: list[Path] = []
    groups: dict[str, tuple[int, list[Path]]] = {}  # by kind: place among the tapes, files
    for data in sources:
        if not isinstance(data, (str, os.PathLike)):
            tapes.append(_frame_as_tape(data, options.home, symbol or "data:FRAME"))
            continue
        path = Path(data)
        if is_tape(path):
            tapes.append(path.resolve())
            continue
        kind = _kind_of_file(path, flag)
        if symbol is None and kind != RECORDING:
            tapes.append(_imported(kind, [path], f"data:{_safe(path.name.split('.')[0]).upper()}",
                                   symbol, options))  # fmt: skip
            continue
        place, files = groups.setdefault(kind, (len(tapes), []))
        if not files:
            tapes.append(path)  # keeps the place until all files are known
        files.append(path)
    for kind, (place, files) in groups.items():
        # A recording of many symbols names them itself: the run takes those that it asks for.
        name = None if kind == RECORDING else symbol
        tapes[place] = _imported(kind, files, name, symbol, options)
    return tapes


def _kind_of_file(path: Path, flag: str) -> str:
    if not path.exists():
        raise BadInput(f"no such file or tape: {path}", where=flag, todo="check the path")
    if path.is_dir():
        raise BadInput(
            f"{path} is a folder without segments", where=flag, todo="name a tape or a file"
        )
    from onetape.data.sniff import sniff

    return sniff(path)


def _imported(
    kind: str, files: Sequence[Path], name: str | None, symbol: str | None, options: BacktestOptions
) -> Path:
    """The tape of these files; made once, and found again by what they are."""
    from onetape.data.importing import IMPORT_VERSION, import_files

    facts = []
    for path in files:
        stat = path.stat()
        facts.append(f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{kind}|{symbol}")
    key = "|".join([*facts, str(options.instruments), str(IMPORT_VERSION)])
    stem = f"{_safe(files[0].name)}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    target = options.home / "tapes" / stem
    if not is_tape(target):
        private_folder(target.parent)
        import_files(
            kind, files, symbol=name, out=target, instruments=options.instruments, force=True
        )
    return target.resolve()


def _frame_as_tape(frame: Any, home: Path, symbol: str) -> Path:
    from onetape.data.importing import import_frame

    folder = home / "tapes"
    private_folder(folder)
    # Kept like an imported file: the run must be repeatable. Equal content, equal identity.
    target = folder / f"frame-{time.time_ns():x}"
    import_frame(frame, symbol=symbol, out=target)
    return target.resolve()


def _safe(name: str) -> str:
    kept = "".join(c if c.isalnum() or c in "._-" else "-" for c in name)[:48]
    return kept.strip(".-") or "data"


def sample_step(tapes: Sequence[Path], start: int | None, end: int | None) -> int:
    """Time between equity samples: a round step that gives a few thousand over the range."""
    first, last = None, None
    for path in tapes:
        span = tape_span(path)
        if span is None:
            continue
        first = span[0] if first is None else min(first, span[0])
        last = span[1] if last is None else max(last, span[1])
    if first is None or last is None:
        return SECOND
    length = (end or last) - (start or first)
    for step in SAMPLE_STEPS_S:
        if length // (step * SECOND) <= SAMPLES_WANTED:
            return step * SECOND
    return SAMPLE_STEPS_S[-1] * SECOND


def tape_span(path: Path) -> tuple[int, int] | None:
    """Times of the first and last frame; None when it is empty."""
    from onetape.tape.journal import JournalReader

    with JournalReader(path) as reader:
        first = reader.next_frame()
        if first is None:
            return None
        reader.seek_sequence(max(reader.core.last_sequence, 1))
        last = reader.next_frame()
        return first.time, last.time if last is not None else first.time


def load_instruments(path: Path | None) -> dict[str, Instrument]:
    """--instruments: own facts by symbol."""
    if path is None:
        return {}
    from onetape.data.instruments import given_instruments

    return dict(given_instruments(path))


def _progress_of(progress: Progress | None, plan: RunPlan) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    total = 0
    from onetape.tape.journal import JournalReader

    for each in plan.inputs:
        with JournalReader(Path(each.path)) as reader:
            total += reader.core.last_sequence

    def report(frames: int, _now: int) -> None:
        progress(frames, total or None)

    return report


# --- Python ---------------------------------------------------------------------------------------


def backtest(
    strategy: type[Strategy] | str,
    data: Any,
    *,
    cash: str | Mapping[str, str] | None = None,
    fee: ByVenue | tuple[Any, Any] | None = None,
    symbol: str | None = None,
    latency: ByVenue | None = None,
    queue: str | None = None,
    fuse: bool = False,
    leverage: int | None = None,
    start: str | int | None = None,
    end: str | int | None = None,
    seed: int = 1,
    out: str | Path | None = None,
    home: str | Path | None = None,
    report: bool = True,
    stress: bool = False,
    detail_data: Any = None,
    bar_volume: str | None = None,
    options: Mapping[str, Any] | None = None,
    **params: Any,
) -> Run:
    """Run `strategy` over `data` (a tape, a file, a polars or pandas frame, or a list of them).

    cash: "100000 USDT" for one account, {"binance": "100000 USDT", "kraken": "50000 USD"} for one
    at each venue. latency: "10ms", or {"": "10ms", "kraken": "20ms,80ms"} by venue; so are fee and
    the order rate.
    stress: also run it with twice the latency and at the back of the queue, for the report.
    detail_data: finer data of the same symbols, one or a list, which the exchange fills on inside
    bars and the strategy does not see. bar_volume: share of a bar's volume that fills may take.
    options: the command's rarer ones by name, as {"margin": "isolated", "order_rate": "300/10s"}.
    Further keywords are the strategy's parameters. Returns the recorded run: `.fills`, `.orders`,
    `.equity`, `.stats`, `.report()`.
    """
    many = _listed(data)
    rarer = dict(options or {})
    if unknown := sorted(set(rarer) - _RARER):
        raise BadConfig(
            f"no option is called {unknown[0]!r}",
            where="backtest(options=...)",
            todo=f"there are {', '.join(sorted(_RARER))}",
        )
    root = Path(home or os.environ.get("ONETAPE_HOME") or ".onetape")
    result = run_backtest(
        BacktestOptions(
            strategy=strategy,
            data=many,
            home=root,
            params=params,
            symbol=symbol,
            start=start,
            end=end,
            cash=cash,
            fee=",".join(map(str, fee)) if isinstance(fee, tuple) else fee,
            leverage=leverage,
            latency=latency,
            queue=queue,
            fuse=fuse,
            seed=seed,
            out=out,
            write_report=report,
            stress=stress,
            detail_data=_listed(detail_data),
            bar_volume=bar_volume,
            **rarer,
        )
    )
    return open_run(result.run)


# What a strategy may well call a parameter of its own.
_RARER = frozenset(
    {
        "borrow", "check_lookahead", "closed", "fee_volume", "hedge", "instruments", "interpret",
        "margin", "on_error", "order_rate", "trade", "trigger_delay", "tz",
    }
)  # fmt: skip


def _listed(data: Any) -> list[Any]:
    if data is None:
        return []
    return list(data) if isinstance(data, (list, tuple)) else [data]
